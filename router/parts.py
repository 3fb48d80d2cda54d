"""Long messages that come in pieces (SMS): kept until the others are there, then one message.

A piece that never comes must not hide the rest: after a while what is there is shown, gaps marked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from connectors.items import Item
from router.understand import to_document
from router.work import Work
from storage.db import Connection
from storage.journal import replay
from storage.queries import load

SQL = load("parts")
GAP = " […] "
GIVE_UP_S = 600


def ref_of(item: Item) -> str:
    """Pieces belong together by sender and reference: two clients may use one reference."""
    who = item.sender.value if item.sender is not None else ""
    return f"{who}:{item.part.ref if item.part is not None else ''}".replace("\x00", "")[:500]


async def join(connection: Connection, works: Sequence[Work], ids: Iterator[UUID]) -> list[Work]:
    """Keeps the pieces; returns the messages they complete, on the entry of the piece that did."""
    if not works:
        return []
    await connection.execute(
        SQL.keep,
        [w.channel.id for w in works],
        [ref_of(w.item) for w in works],
        [w.item.part.n if w.item.part else 0 for w in works],
        [w.item.part.of if w.item.part else 0 for w in works],
        [w.entry.id for w in works],
        [to_document(w.item) for w in works],
    )
    last = {(w.channel.id, ref_of(w.item)): w for w in works}
    rows = await connection.fetch(SQL.complete, [c for c, _ in last], [r for _, r in last])
    pieces: dict[tuple[UUID, str], list[asyncpg.Record]] = {}
    for row in rows:
        pieces.setdefault((row["channel_id"], row["ref"]), []).append(row)
    joined = []
    for key, found in pieces.items():
        work = last[key]
        joined.append(Work(work.entry, work.channel, _joined(found), work.result, next(ids)))
    if pieces:
        await connection.execute(SQL.drop, [c for c, _ in pieces], [r for _, r in pieces])
    return joined


def _joined(pieces: Sequence[asyncpg.Record]) -> Item:
    """The first piece with the text of all."""
    items = [msgspec.convert(piece["item"], Item) for piece in pieces]
    first, text, expected = items[0], "", 1
    for piece, item in zip(pieces, items, strict=True):
        text += (GAP if piece["n"] > expected else "") + item.text
        expected = piece["n"] + 1
    total = max((item.part.of for item in items if item.part is not None), default=0)
    meta: dict[str, Any] = {**first.meta, "parts": total or len(items)}
    if total > len(items):
        meta["parts_missing"] = total - len(items)
    if expected <= total:
        text += GAP
    return msgspec.structs.replace(first, text=text, part=None, meta=meta)


async def give_up_waiting(connection: Connection) -> int:
    """Messages whose pieces waited too long are shown as they are: their last piece is processed once more."""
    rows = await connection.fetch(SQL.give_up, GIVE_UP_S)
    await replay(connection, [row["entry_id"] for row in rows])
    return 0
