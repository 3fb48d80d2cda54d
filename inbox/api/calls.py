"""Calls: the journal of them, what came of each, and click-to-call (the caller's own phone rings first)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest, Conflict, Forbidden, NotFound
from inbox.api.conversations import words_of
from inbox.api.lists import Aware, Page, Walk, to_page
from inbox.api.messages import Accepted, accepted
from inbox.api.routes import Change, Ctx, Routes
from router.callers import Caller, to_caller
from router.outbound.dialling import NewCall, queue_call
from router.outbound.replies import NewReply, queue_reply
from router.wrapup import KEY, WrapUp, extend_wrap_up, read_wrap_up
from storage.bus import Topic
from storage.calls import CallFilter, CallItem, get_call, list_calls, record_disposition
from storage.contacts import get_contact
from storage.pops import Pop, read_pops
from storage.workspace import write_setting

routes = Routes("calls")
WHOM = ("contact_id", "identity", "number")
STATES = ("started", "ivr", "queue", "ringing", "talking", "held", "finished")
OUTCOMES = ("answered", "missed", "busy", "cancelled", "failed")


class CallQuery(Walk, kw_only=True):
    """Newest first unless `order` says otherwise. `state`, `outcome`: one or several, comma separated. `agent`: whose phone
    it was or whose it is now, an id or `me`. `contact` means the whole card. `from`, `to`: when it began.
    `missed_not_called_back`: true for missed calls that still wait for somebody to call back.
    """

    order: Literal["asc", "desc"] = "desc"
    state: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    outcome: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    direction: Literal["in", "out", "internal"] | None = None
    agent: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    contact: UUID | None = None
    channel: UUID | None = None
    begun_from: Aware | None = msgspec.field(default=None, name="from")
    begun_to: Aware | None = msgspec.field(default=None, name="to")
    missed_not_called_back: bool | None = None


@routes.add("GET", "/calls", "Calls the caller may see, newest first", scope="read")
async def calls(ctx: Ctx, query: CallQuery) -> Page[CallItem]:
    wanted = CallFilter(
        states=words_of(query.state, STATES, "state"),
        outcomes=words_of(query.outcome, OUTCOMES, "outcome"),
        direction=query.direction,
        agent=_agent(ctx, query.agent),
        contact=query.contact,
        channel=query.channel,
        begun_from=query.begun_from,
        begun_to=query.begun_to,
        to_call_back=query.missed_not_called_back,
    )
    items = await list_calls(
        ctx.store.pool, ctx.viewer, wanted, after=query.key(UUID), limit=query.count + 1, down=query.down
    )
    return to_page(items, query, lambda item: item.id, lambda item: item)


def _agent(ctx: Ctx, text: str | None) -> UUID | None:
    if text is None:
        return None
    try:
        return ctx.actor.person if text == "me" else UUID(text)
    except ValueError:
        raise BadRequest("agent: an agent's id, or me") from None


class CallDetail(msgspec.Struct, kw_only=True):
    """`pop`: what the pop shows of the client, without this call; `caller`: his number as people read it."""

    call: CallItem
    caller: Caller
    pop: Pop | None


@routes.add("GET", "/calls/{call_id}", "One call, with all that its pop shows", scope="read")
async def one_call(ctx: Ctx, call_id: UUID) -> CallDetail:
    async with ctx.store.pool.acquire() as connection, connection.transaction(readonly=True):
        call = await get_call(connection, ctx.viewer, call_id)
        pops = await read_pops(connection, [(call.contact_id, call.interaction_id)])
    return CallDetail(call=call, caller=to_caller(call.client), pop=pops.get(call.contact_id))


class CallPatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays. `disposition`: what came of it, one of those set up for calls if there are any; `note`: for the
    colleagues, kept as a note in the call's conversation.
    """

    disposition: Annotated[str, msgspec.Meta(max_length=200)] | msgspec.UnsetType = msgspec.UNSET
    note: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)] | msgspec.UnsetType = msgspec.UNSET


@routes.add("PATCH", "/calls/{call_id}", "What came of a call, and a note on it", scope="write")
async def patch_call(ctx: Ctx, change: Change, call_id: UUID, body: CallPatch) -> CallItem:
    by = ctx.actor.agent_id
    if body.disposition is msgspec.UNSET:
        call = await get_call(change.connection, ctx.viewer, call_id)
    else:
        call, event, before = await record_disposition(
            change.connection, ctx.viewer, call_id, body.disposition.strip(), by=by
        )
        if event is not None:
            change.events.append(event)
            after: dict[str, Any] = {"disposition": call.disposition}
            await change.note("call.disposition_recorded", ("call", call_id), {"disposition": before}, after)
    if body.note is not msgspec.UNSET:
        note = NewReply(conversation_id=call.conversation_id, agent_id=by, kind="note", text=body.note)
        change.last_event = (await queue_reply(change.connection, note, datetime.now(UTC))).event_id
    return call


@routes.add("GET", "/wrap-up", "How long agents have after a call", scope="read")
async def wrap_up(ctx: Ctx) -> WrapUp:
    async with ctx.store.pool.acquire() as connection:
        return await read_wrap_up(connection)


@routes.add("PUT", "/wrap-up", "Set how long agents have after a call", scope="admin")
async def put_wrap_up(change: Change, body: WrapUp) -> WrapUp:
    before = await read_wrap_up(change.connection)
    after: dict[str, Any] = msgspec.to_builtins(body)
    await write_setting(change.connection, KEY, after)
    await change.note("wrap_up.set", ("workspace", KEY), msgspec.to_builtins(before), after)
    return body


class MoreTime(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    seconds: Annotated[int, msgspec.Meta(ge=1, le=600)] = 60


class WrapUpEnd(msgspec.Struct, kw_only=True):
    until: datetime


@routes.add("POST", "/wrap-up/more", "A little more time to write up one's call", scope="write")
async def more_wrap_up(ctx: Ctx, change: Change, body: MoreTime) -> WrapUpEnd:
    """Raises Conflict for who is in no wrap-up, or in one of his own choosing, which ends by his word alone."""
    until = await extend_wrap_up(change.connection, ctx.actor.person, body.seconds)
    if until is None:
        raise Conflict("you are in no wrap-up now: it ended, or was ended")
    return WrapUpEnd(until=until)


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
        raise Forbidden("agent_id: nobody makes the phone of another ring", reason="phone_of_another")
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
