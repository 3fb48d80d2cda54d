"""Writing to a client by any of his addresses, also first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec

from config.errors import Conflict, NotFound
from inbox.api.lists import Page
from inbox.api.routes import Change, Ctx, Routes
from router.outbound.ways import Way, begin_conversation, ways_to
from storage.bus import Topic
from storage.contacts import get_contact
from storage.conversations import ConversationItem, audience_of, get_conversation
from storage.events import NewEvent

routes = Routes("ways")


@routes.add("GET", "/contacts/{contact_id}/ways", "By which addresses and channels to write to a client", scope="read")
async def ways(ctx: Ctx, contact_id: UUID) -> Page[Way]:
    async with ctx.store.pool.acquire() as connection, connection.transaction(readonly=True):
        card = await get_contact(connection, ctx.viewer, contact_id)
        return Page(items=await ways_to(connection, ctx.viewer, card, datetime.now(UTC)), next=None)


class NewConversation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`subject`: of the first letter, where the channel has one."""

    contact_id: UUID
    channel_id: UUID
    identity_id: UUID
    subject: Annotated[str, msgspec.Meta(max_length=500)] = ""


@routes.add(
    "POST", "/conversations", "Write first: the open conversation there, or a new one", scope="write", status=201
)
async def begin(ctx: Ctx, change: Change, body: NewConversation) -> ConversationItem:
    """A new one is the caller's. Asked for again it is the same one."""
    card = await get_contact(change.connection, ctx.viewer, body.contact_id)
    begun = await begin_conversation(
        change.connection,
        card,
        channel_id=body.channel_id,
        identity_id=body.identity_id,
        subject=body.subject.strip(),
        agent_id=ctx.actor.agent_id,
        now=datetime.now(UTC),
    )
    try:
        item = await get_conversation(change.connection, ctx.viewer, begun.conversation_id)
    except NotFound:
        raise Conflict(
            "a colleague has an open conversation with this client there: ask for it", reason="colleague_talks"
        ) from None
    if begun.is_new:
        after = {"contact_id": card.id, "channel_id": body.channel_id, "identity_id": body.identity_id}
        await change.note("conversation.begun", ("conversation", item.id), {}, after)
        heard = sorted(await audience_of(change.connection, item.id))
        change.events.append(NewEvent("conversation.entered", heard, {"conversation": item}))
        change.wake.add(Topic.QUEUE)
    return item
