"""Messages on their way out, and what a person may do about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from inbox.api.conversations import words_of
from inbox.api.lists import Aware, Page, Walk, to_page
from inbox.api.routes import Change, Ctx, Routes
from router.outbound import replies
from router.outbound.planned import change_planned
from storage.bus import Topic
from storage.outbound_view import OutboundItem, get_outbound, list_outbound
from storage.words import STATES

routes = Routes("outbound")


class OutboundQuery(Walk, kw_only=True):
    """`state`: one or several, comma separated. `scheduled`: true for those that wait for the time they are planned for."""

    state: Annotated[str, msgspec.Meta(max_length=120)] | None = None
    scheduled: bool | None = None
    channel: UUID | None = None
    conversation: UUID | None = None


@routes.add("GET", "/outbound", "Messages of ours by state", scope="read")
async def outbound(ctx: Ctx, query: OutboundQuery) -> Page[OutboundItem]:
    items = await list_outbound(
        ctx.store.pool,
        ctx.viewer,
        states=words_of(query.state, STATES, "state"),
        channel=query.channel,
        conversation=query.conversation,
        scheduled=query.scheduled,
        after=query.key(UUID),
        limit=query.count + 1,
        down=query.down,
    )
    return to_page(items, query, lambda item: item.id, lambda item: item)


@routes.add("GET", "/outbound/{outbound_id}", "One message with each try at sending it", scope="read")
async def one_outbound(ctx: Ctx, outbound_id: UUID) -> OutboundItem:
    async with ctx.store.pool.acquire() as connection, connection.transaction(readonly=True):
        return await get_outbound(connection, ctx.viewer, outbound_id)


@routes.add("POST", "/outbound/{outbound_id}/retry", "Send a failed or doubtful message again", scope="write")
async def retry(ctx: Ctx, change: Change, outbound_id: UUID) -> OutboundItem:
    async def again(item: OutboundItem, now: datetime) -> int:
        if item.state == "in_doubt":
            return await replies.settle(change.connection, outbound_id, "again", now)
        return await replies.retry(change.connection, outbound_id, now)

    return await _take(ctx, change, "retry", outbound_id, again)


class OutboundPatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays."""

    text: Annotated[str, msgspec.Meta(max_length=100_000)] | None = None
    send_at: Aware | None = None


@routes.add("PATCH", "/outbound/{outbound_id}", "Another text or time, before it leaves", scope="write")
async def patch_outbound(ctx: Ctx, change: Change, outbound_id: UUID, body: OutboundPatch) -> OutboundItem:
    async def write_anew(_item: OutboundItem, now: datetime) -> int:
        return await change_planned(change.connection, outbound_id, text=body.text, send_at=body.send_at, now=now)

    return await _take(ctx, change, "change", outbound_id, write_anew)


@routes.add("POST", "/outbound/{outbound_id}/cancel", "Take back a message that waits", scope="write")
async def cancel(ctx: Ctx, change: Change, outbound_id: UUID) -> OutboundItem:
    async def take_back(_item: OutboundItem, now: datetime) -> int:
        return await replies.cancel_reply(change.connection, outbound_id, now)

    return await _take(ctx, change, "cancel", outbound_id, take_back)


class Settle(msgspec.Struct, forbid_unknown_fields=True):
    """What the provider's history says about a message in doubt: it was sent, or it has to be sent again."""

    state: Literal["sent", "again"]


@routes.add("POST", "/outbound/{outbound_id}/settle", "Say what became of a message in doubt", scope="write")
async def settle(ctx: Ctx, change: Change, outbound_id: UUID, body: Settle) -> OutboundItem:
    async def decide(_item: OutboundItem, now: datetime) -> int:
        return await replies.settle(change.connection, outbound_id, body.state, now)

    return await _take(ctx, change, "settle", outbound_id, decide)


async def _take(
    ctx: Ctx, change: Change, action: str, outbound_id: UUID, act: Callable[[OutboundItem, datetime], Awaitable[int]]
) -> OutboundItem:
    """The audit line goes first: the router's step writes the events, and those are the transaction's last statement."""
    item = await get_outbound(change.connection, ctx.viewer, outbound_id)
    await change.note(f"outbound.{action}", ("outbound", outbound_id), {"state": item.state}, {})
    change.last_event = await act(item, datetime.now(UTC))
    change.wake.add(Topic.OUTBOUND)
    return await get_outbound(change.connection, None, outbound_id)
