# lint-skip: words - a ticket here is the one-time credential of a socket
"""The event log by cursor, and the socket that follows it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from aiohttp import web

from config.errors import Forbidden
from inbox.api.auth import TICKET_S, authenticate, is_ours, issue_ticket, redeem_ticket
from inbox.api.deps import DEPS
from inbox.api.lists import EntryId
from inbox.api.problems import Unreadable
from inbox.api.routes import Ctx, Routes, to_json
from inbox.live import BATCH, find_reach
from storage.events import StoredEvent, read_events

routes = Routes("events")
MAX_BATCHES = 20


class EventView(msgspec.Struct, kw_only=True):
    """`data` depends on the type; `v` is the version of its shape."""

    id: int
    type: str
    at: str
    data: Any
    v: int = 1


class EventPage(msgspec.Struct, kw_only=True):
    """`next`: where to go on at once; null when all is read (then: `after` the last id seen). `reset`: what followed
    `after` is no longer kept, or never was: read the lists anew.
    """

    items: list[EventView]
    next: str | None
    reset: bool


class EventQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`after`: an event's id."""

    after: EntryId = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 50


@routes.add("GET", "/events", "Events after a cursor, as the live socket has them", scope="read")
async def events(ctx: Ctx, query: EventQuery) -> EventPage:
    reach = await find_reach(ctx.store, ctx.actor)
    _, reset = await ctx.deps.live.start_of(query.after)
    limit, cursor = min(query.limit, 200), query.after
    found: list[StoredEvent] = []
    more = True
    async with ctx.store.pool.acquire() as connection:
        for _ in range(MAX_BATCHES):
            batch = await read_events(connection, cursor, BATCH)
            for event in batch:
                cursor = event.id
                if reach.hears(event.audience):
                    found.append(event)
                if len(found) == limit:
                    break
            more = len(batch) == BATCH or (bool(batch) and cursor < batch[-1].id)
            if len(found) == limit or not more:
                break
    return EventPage(items=[_view(event) for event in found], next=str(cursor) if more else None, reset=reset)


def _view(event: StoredEvent) -> EventView:
    return EventView(id=event.id, type=event.type, at=event.at, data=msgspec.Raw(event.data.encode()))


class Ticket(msgspec.Struct):
    """`ticket` opens one socket within `lasts_s` seconds, as `?ticket=`."""

    ticket: str
    lasts_s: int


@routes.add("POST", "/live-ticket", "A single-use pass to the live socket", scope="read", status=201, gives=Ticket)
async def live_ticket(ctx: Ctx) -> web.Response:
    return to_json(Ticket(issue_ticket(ctx.store, ctx.actor), TICKET_S), 201)


class LiveQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`after`: the last event known; absent: from now on."""

    after: EntryId | None = None
    ticket: Annotated[str, msgspec.Meta(max_length=2000)] | None = None


@routes.add("GET", "/live", "WebSocket of events: frames {id, type, at, data, v}, or {type: reset}", scope=None)
async def live(request: web.Request, query: LiveQuery) -> web.StreamResponse:
    if request.headers.get("Upgrade", "").strip().lower() != "websocket":
        raise Unreadable("this address is a WebSocket")
    deps = request.app[DEPS]
    if query.ticket is not None:
        actor = await redeem_ticket(deps.store, query.ticket)
    else:
        actor = await authenticate(request)
        if actor.kind == "session" and not is_ours(request, request.headers.get("Origin", "")):
            raise Forbidden("this socket is opened by a page of another site")
    actor.must("read")
    return await deps.live.serve(request, actor, query.after)
