"""The journal of everything received: what it became, or why not, and again (P5)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import msgspec
from asyncpg import Record

from config.errors import BadSettings, NotFound
from inbox.api.lists import EntryId, Page, Walk, to_page
from inbox.api.routes import Change, Ctx, Routes
from router.lookup import registry
from storage.journal_view import Became, EntryItem, State, became_of, get_entry, list_entries

routes = Routes("journal")
MAX_SHOWN = 256 << 10
MASK = "•••"


class JournalQuery(Walk, kw_only=True):
    state: State | None = None
    channel: UUID | None = None


@routes.add("GET", "/journal", "Payloads received, by what became of them", scope="journal")
async def journal(ctx: Ctx, query: JournalQuery) -> Page[EntryItem]:
    items = await list_entries(
        ctx.store.pool,
        state=query.state,
        channel=query.channel,
        after=query.key(EntryId),
        limit=query.count + 1,
        down=query.down,
    )
    return to_page(items, query, lambda item: item.id, lambda item: item)


class EntryView(msgspec.Struct, omit_defaults=True, kw_only=True):
    """An entry with its payload; secrets are masked. `json`, else `text`, else `base64`; `cut`: only its beginning.
    `became`: what it is in the conversations.
    """

    entry: EntryItem
    request: dict[str, Any]
    json: Any = None
    text: str | None = None
    base64: str | None = None
    cut: bool = False
    became: list[Became] = []


@routes.add("GET", "/journal/{entry_id}", "One payload as it came, secrets masked", scope="journal")
async def journal_entry(ctx: Ctx, entry_id: EntryId) -> EntryView:
    entry, row = await get_entry(ctx.store.pool, entry_id)
    body = bytes(row["body"] or b"")
    if row["blob"]:
        try:
            body = await ctx.store.blobs.read(row["blob"])
        except NotFound:
            body = b""
    view = to_view(entry, row, body)
    view.became = await became_of(ctx.store.pool, entry.interactions)
    return view


def to_view(entry: EntryItem, row: Mapping[str, Any] | Record, body: bytes) -> EntryView:
    """What may be seen of it."""
    try:
        mask = frozenset(name.lower() for name in registry.get(row["connector"] or "").mask)
    except BadSettings:
        mask = frozenset()
    request = masked(dict(row["request"] or {}), mask)
    if isinstance(request.get("query"), str):
        request["query"] = _masked_form(request["query"], mask)
    if row["token"]:
        request = {name: _without(value, row["token"]) for name, value in request.items()}
    view = EntryView(entry=entry, request=request, cut=len(body) > MAX_SHOWN)
    try:
        if len(body) <= MAX_SHOWN:
            view.json = masked(msgspec.json.decode(body), mask)
            return view
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    shown = body[:MAX_SHOWN]
    try:
        text = shown.decode("utf-8", "ignore" if view.cut else "strict")
    except UnicodeDecodeError:
        view.base64 = base64.b64encode(shown).decode()
    else:
        view.text = _masked_form(text, mask) if mask and "=" in text and "\n" not in text else text
    return view


def masked(value: Any, mask: frozenset[str]) -> Any:
    """The same JSON value with what stands under one of these names replaced."""
    if isinstance(value, dict):
        return {name: MASK if name.lower() in mask else masked(inner, mask) for name, inner in value.items()}
    return [masked(inner, mask) for inner in value] if isinstance(value, list) else value


def _masked_form(text: str, mask: frozenset[str]) -> str:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        return text
    if not any(name.lower() in mask for name, _ in pairs):
        return text
    return urlencode([(name, MASK if name.lower() in mask else value) for name, value in pairs], safe=MASK)


def _without(value: Any, token: str) -> Any:
    return value.replace(token, MASK) if isinstance(value, str) else value


class Replayed(msgspec.Struct):
    """How many entries went back on the work list; 0: it is under way already."""

    replayed: int


@routes.add("POST", "/journal/{entry_id}/replay", "Process this payload again", scope="journal")
async def replay(ctx: Ctx, change: Change, entry_id: EntryId) -> Replayed:
    await get_entry(ctx.store.pool, entry_id)
    await change.note("journal.replayed", ("journal", entry_id), {}, {"entry_id": entry_id})
    return Replayed(replayed=await ctx.deps.replay([entry_id]))
