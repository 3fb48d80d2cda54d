"""Writing a batch into the stream: new interactions with their files, and what speaks of earlier ones (edits, deletions,
reactions). Each function is one or two statements for the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from connectors.items import Item
from router.understand import to_document, to_json
from router.work import Work
from storage.db import Connection
from storage.queries import load

SQL = load("stream")
COLUMNS = (
    "id",
    "order_at",
    "seq",
    "journal_id",
    "kind",
    "direction",
    "channel_id",
    "conversation_id",
    "contact_id",
    "identity_id",
    "external_id",
    "reply_to",
    "sent_at",
    "received_at",
    "text",
    "body",
    "replayed",
    "state",
)
RESULT_COLUMNS = ("entry_id", "state", "interactions", "detail")
Ref: TypeAlias = tuple[UUID, str, str, str]
Claim: TypeAlias = tuple[Work, Ref]
MAX_REACTIONS = 20
BODY_KEYS = ("sender", "recipients", "quoted", "html", "subject", "call", "meta")


def ref_of(work: Work, index: int) -> Ref:
    """What makes an item the same item for ever: the provider's id, else its place in its journal entry."""
    if work.item.external_id:
        return (work.channel.id, _ref_kind(work.item), work.item.external_id, "")
    return (work.channel.id, "entry", f"{work.entry.id}:{index}", "")


def _ref_kind(item: Item) -> str:
    return item.kind if item.kind in {"call", "form"} else "message"


async def claim(connection: Connection, works: Sequence[tuple[Work, int]]) -> tuple[list[Work], list[Work]]:
    """Splits a batch into what is new and what is known already (whose `interaction_id` is then the earlier one)."""
    if not works:
        return [], []
    refs = [(work, ref_of(work, index)) for work, index in works]
    own = {id(work): work.interaction_id for work, _ in refs}
    new, known = await _claim(connection, refs)
    namesakes = await _namesakes(connection, known, [work for work, _ in new])
    if namesakes:
        for work in namesakes:
            work.interaction_id = own[id(work)]
        versions = [(work, (*ref[:3], _fingerprint(work))) for work, ref in known if work in namesakes]
        known = [(work, ref) for work, ref in known if work not in namesakes]
        more, again = await _claim(connection, versions)
        new, known = new + more, known + again
    return [work for work, _ in new], [work for work, _ in known]


async def _claim(connection: Connection, refs: list[Claim]) -> tuple[list[Claim], list[Claim]]:
    first: dict[Ref, Work] = {}
    for work, ref in refs:
        first.setdefault(ref, work)
    order = list(first)
    rows = await connection.fetch(
        SQL.claim_refs,
        [ref[0] for ref in order],
        [ref[1] for ref in order],
        [ref[2] for ref in order],
        [ref[3] for ref in order],
        [first[ref].interaction_id for ref in order],
    )
    claimed = {row["interaction_id"] for row in rows}
    new = [(work, ref) for work, ref in refs if work.interaction_id in claimed]
    known = [(work, ref) for work, ref in refs if work.interaction_id not in claimed]
    if known:
        earlier = await _find(connection, {ref for _, ref in known})
        for work, ref in known:
            work.interaction_id = earlier.get(ref, work.interaction_id)
    return new, known


def _fingerprint(work: Work) -> str:
    return str(work.item.meta.get("fingerprint") or "")


async def _namesakes(connection: Connection, known: list[Claim], new: list[Work]) -> list[Work]:
    """Those that carry the id of another: mail programs do give two letters one Message-ID. Where the connector says
    what makes the content (`meta.fingerprint`), a different content is a different message.
    """
    marked = [work for work, _ in known if _fingerprint(work)]
    if not marked:
        return []
    prints = {work.interaction_id: _fingerprint(work) for work in new}
    stored = sorted({work.interaction_id for work in marked} - prints.keys())
    prints |= {row["id"]: row["fingerprint"] for row in await connection.fetch(SQL.fingerprints, stored)}
    return [w for w in marked if prints.get(w.interaction_id) and prints[w.interaction_id] != _fingerprint(w)]


async def _find(connection: Connection, refs: set[Ref]) -> dict[Ref, UUID]:
    wanted = sorted(refs)
    rows = await connection.fetch(
        SQL.find_refs,
        [r[0] for r in wanted],
        [r[1] for r in wanted],
        [r[2] for r in wanted],
        [r[3] for r in wanted],
    )
    return {(r["channel_id"], r["kind"], r["external_id"], r["version"]): r["interaction_id"] for r in rows}


async def find_refs(connection: Connection, refs: Sequence[tuple[UUID, str, str]]) -> dict[tuple[UUID, str, str], UUID]:
    """Provider ids -> our interactions, those there are."""
    found = await _find(connection, {(*ref, "") for ref in refs})
    return {ref[:3]: interaction_id for ref, interaction_id in found.items()}


def body_of(item: Item, **more: Any) -> msgspec.Raw:
    """The parts of an item that have no column, as a JSON object."""
    return to_json({key: value for key in BODY_KEYS if (value := getattr(item, key))} | more)


async def insert(connection: Connection, works: Sequence[Work], ids: Iterator[UUID]) -> None:
    """New interactions and rows for their files (fetched later, by whoever has time)."""
    if not works:
        return
    files: list[tuple[UUID, Work, dict[str, Any]]] = []
    rows = sorted((_row(work, ids, files) for work in works), key=lambda row: row[0])
    await connection.copy_records_to_table("interaction", records=rows, columns=COLUMNS)
    if files:
        await connection.execute(
            SQL.insert_attachments,
            [i for i, _, _ in files],
            [w.interaction_id for _, w, _ in files],
            [w.channel.id for _, w, _ in files],
            [f["name"] for _, _, f in files],
            [f["type"] for _, _, f in files],
            [f["size"] for _, _, f in files],
            [f["source"] for _, _, f in files],
        )


def _row(work: Work, ids: Iterator[UUID], files: list[tuple[UUID, Work, dict[str, Any]]]) -> tuple[Any, ...]:
    """In the order of COLUMNS."""
    item, entry, known, thread = work.item, work.entry, work.known, work.thread
    assert known is not None
    assert thread is not None
    shown = {"attachments": [_file(work, a, next(ids), files) for a in item.attachments]} if item.attachments else {}
    return (
        work.interaction_id,
        work.order_at,
        _sequence(item),
        entry.id,
        item.kind,
        item.direction or "in",
        work.channel.id,
        thread.id,
        known.contact_id,
        known.identity_id,
        item.external_id,
        item.reply_to.replace("\x00", "")[:500],
        item.sent_at,
        entry.received_at,
        item.text,
        body_of(item, **shown),
        entry.replay,
        "sent" if item.direction == "out" else None,
    )


def _file(work: Work, attachment: Any, new_id: UUID, files: list[tuple[UUID, Work, dict[str, Any]]]) -> dict[str, Any]:
    """What the interaction shows of a file; the row to fetch it by is added to `files`. Bytes that came inside the
    payload are taken from the journal again when they are kept, not copied into the row.
    """
    name, type_ = attachment.name.replace("\x00", "")[:255], attachment.type.replace("\x00", "")[:100]
    source = {
        "url": attachment.url,
        "id": attachment.id,
        "entry": work.entry.id if attachment.data is not None else None,
    }
    files.append((new_id, work, {"name": name, "type": type_, "size": attachment.size, "source": to_document(source)}))
    shown = {"id": str(new_id), "name": name, "type": type_}
    return shown | ({"size": attachment.size} if attachment.size is not None else {})


def _sequence(item: Item) -> int:
    """The provider's own order among messages of one second, where it has one."""
    value = item.meta.get("seq", 0)
    return value if isinstance(value, int) and abs(value) < 1 << 62 else 0


async def rewrite(connection: Connection, works: Sequence[Work], *, replayed: bool) -> list[asyncpg.Record]:
    """Edits (and replays that understand more): the newest version wins. Returns the interactions that changed."""
    newest: dict[UUID, Work] = {}
    for work in works:
        known = newest.get(work.interaction_id)
        if known is None or _version_at(known) <= _version_at(work):
            newest[work.interaction_id] = work
    chosen = sorted(newest.values(), key=lambda w: w.interaction_id)
    if not chosen:
        return []
    return await connection.fetch(
        SQL.rewrite_interactions,
        [w.interaction_id for w in chosen],
        [w.item.text for w in chosen],
        [body_of(w.item) for w in chosen],
        [None if replayed else _version_at(w) for w in chosen],
    )


def _version_at(work: Work) -> datetime:
    return work.item.sent_at or work.entry.received_at


async def delete(connection: Connection, works: Sequence[Work]) -> list[asyncpg.Record]:
    """Messages taken back. Returns the interactions that were there."""
    if not works:
        return []
    at = {w.interaction_id: w.item.sent_at or w.entry.received_at for w in works}
    return await connection.fetch(SQL.delete_interactions, list(at), list(at.values()))


async def react(connection: Connection, works: Sequence[Work]) -> list[asyncpg.Record]:
    """Reactions put or taken back; of what is told of one person's on one message the last counts."""
    said: dict[UUID, dict[str, list[str] | None]] = {}
    for work in works:
        who = work.item.sender.value if work.item.sender is not None else "?"
        said.setdefault(work.interaction_id, {})[who.replace("\x00", "")] = _reactions(work.item) or None
    ids = sorted(said)
    return await connection.fetch(SQL.react, ids, [said[i] for i in ids]) if ids else []


def _reactions(item: Item) -> list[str]:
    """All of this person's on the message. Where the connector does not tell all, one takes the place of another."""
    every = item.meta.get("reactions")
    if not isinstance(every, list):
        every = [] if item.meta.get("action") == "remove" else [item.meta.get("emoji") or "?"]
    return [str(one).replace("\x00", "")[:64] for one in every[:MAX_REACTIONS]]
