"""Click-to-call: the caller's own phone rings first, then the client's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec

from config.errors import BadRequest, Forbidden, NotFound
from inbox.api.messages import Accepted, accepted
from inbox.api.routes import Change, Ctx, Routes
from router.outbound.dialling import NewCall, queue_call
from storage.bus import Topic
from storage.contacts import get_contact

routes = Routes("calls")
WHOM = ("contact_id", "identity", "number")


class Dial(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Whom: one of `contact_id`, `identity` (one of a client's addresses) and `number`, as people write it.

    `channel_id`: the PBX, needed where the agent has a phone at several. `agent_id`: whose phone rings, for a token
    that belongs to no agent.
    """

    contact_id: UUID | None = None
    identity: UUID | None = None
    number: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    channel_id: UUID | None = None
    agent_id: UUID | None = None


@routes.add("POST", "/calls", "Call a client: the agent's phone rings first", scope="write", status=201)
async def dial(ctx: Ctx, change: Change, body: Dial) -> Accepted:
    if sum(getattr(body, name) is not None for name in WHOM) != 1:
        raise BadRequest(f"exactly one of {', '.join(WHOM)} says whom to call")
    agent_id = _agent_of(ctx, body)
    await _must_see(ctx, change, body)
    call = NewCall(
        agent_id=agent_id,
        channel_id=body.channel_id,
        contact_id=body.contact_id,
        identity_id=body.identity,
        number=body.number or "",
    )
    queued = await queue_call(change.connection, ctx.store.vault, call, datetime.now(UTC))
    change.last_event = queued.event_id
    change.wake.add(Topic.OUTBOUND)
    return accepted(queued)


def _agent_of(ctx: Ctx, body: Dial) -> UUID:
    """Whose phone rings. Raises Forbidden for somebody else's, BadRequest where nobody is named."""
    own = ctx.actor.agent_id
    if own is not None and body.agent_id not in {None, own}:
        raise Forbidden("agent_id: nobody makes the phone of another ring")
    found = own or body.agent_id
    if found is None:
        raise BadRequest("agent_id: this token belongs to no agent; say whose phone rings first")
    return found


async def _must_see(ctx: Ctx, change: Change, body: Dial) -> None:
    """A card that is not shown to him is not called by its id either; a number he knows is his to dial."""
    contact_id = body.contact_id
    if body.identity is not None:
        contact_id = await change.connection.fetchval("SELECT contact_id FROM identity WHERE id = $1", body.identity)
        if contact_id is None:
            raise NotFound("no such address")
    if contact_id is not None:
        await get_contact(change.connection, ctx.viewer, contact_id)
