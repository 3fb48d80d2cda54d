"""Erasing a person: what is known of him goes, everywhere, and a certificate says how much it was.

`begin_erasure` closes the card at once, in the caller's transaction: addresses, names and threads are gone with it, so that
whoever writes next is a stranger. The rest is emptied in batches (`erase_batch`), each one transaction that moves the
erasure's own state on, so that a kill costs a batch. What stays: that there was a contact, its calls' and messages' times,
the providers' ids of them (else a mailbox fetched anew would bring everything back), who worked on it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from config.errors import Conflict, NotFound
from storage.blobs import Blobs
from storage.db import Connection, Pool
from storage.imports import forget_errors
from storage.queries import load
from storage.reading import NO_ID

SQL = load("erasure")
KEPT = load("retention")
BATCH = 500
SCAN = 5000
MIN_NEEDLE = 5
"""Shorter addresses would be found in what has nothing to do with them."""

TABLES = (
    *("interactions", "attachments", "recordings", "calls", "outbound", "outbound_attempts", "drafts", "tasks"),
    *("transfers", "assignments", "audit", "answers"),
)
"""Statements of sql/erasure.sql, in the order they are done; then the journal and the events are looked through."""


class ErasureItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The certificate. `counts`: rows emptied or removed, by table; it is complete once `done`."""

    id: UUID
    contact_id: UUID
    at: datetime
    counts: dict[str, int]
    done: bool
    asked_by: str = ""
    reason: str = ""
    by: UUID | None = None


class Work(msgspec.Struct, kw_only=True):
    """What is still to be done. `needles`: the person's addresses, until nothing has to be looked for; `after`: how far
    the step at hand has come; `until`: the journal's last entry when it began.
    """

    members: list[UUID]
    conversations: list[UUID]
    needles: list[str]
    until: int
    step: int = 0
    after: int = 0


def _item(row: asyncpg.Record) -> ErasureItem:
    fields = dict(row)
    counts = fields.pop("counts")
    rows = {name: value for name, value in counts.items() if name != "work"}
    return ErasureItem(**fields, counts=rows, done="work" not in counts)


async def list_erasures(pool: Pool, *, after: UUID | None, limit: int) -> list[ErasureItem]:
    """In their order."""
    rows = await pool.fetch(
        "SELECT id, contact_id, at, counts, asked_by, reason, by FROM erasure WHERE id > $1 ORDER BY id LIMIT $2",
        after or NO_ID,
        limit,
    )
    return [_item(row) for row in rows]


async def get_erasure(connection: Connection | Pool, erasure_id: UUID) -> ErasureItem:
    """Raises NotFound."""
    row = await connection.fetchrow(
        "SELECT id, contact_id, at, counts, asked_by, reason, by FROM erasure WHERE id = $1", erasure_id
    )
    if row is None:
        raise NotFound("no such erasure")
    return _item(row)


async def begin_erasure(
    connection: Connection, card_id: UUID, *, asked_by: str, reason: str, by: UUID | None
) -> ErasureItem:
    """Closes the card and notes what is left to do. Raises NotFound, Conflict for a card that was erased."""
    members = [row["id"] for row in await connection.fetch(SQL.members, card_id)]
    if not members:
        raise NotFound("no such contact")
    if await connection.fetchval("SELECT erased_at IS NOT NULL FROM contact WHERE id = $1", card_id):
        raise Conflict("the card was erased before", reason="card_erased")
    addresses = await connection.fetch(SQL.addresses, members)
    await connection.execute(SQL.blank_contacts, members)
    conversations = [row["id"] for row in await connection.fetch(SQL.blank_conversations, members)]
    await connection.execute(SQL.blank_merges, members)
    await connection.execute(SQL.dismiss_suggestions, members)
    await connection.execute(SQL.blank_consents, members)
    work = Work(
        members=members,
        conversations=conversations,
        needles=_needles(addresses),
        until=await connection.fetchval(SQL.last_entry),
    )
    counts = {"contacts": len(members), "identities": len(addresses), "conversations": len(conversations)}
    document = counts | {"work": msgspec.to_builtins(work)}
    return await get_erasure(connection, await connection.fetchval(SQL.add, card_id, asked_by, reason, document, by))


def _needles(addresses: Iterable[asyncpg.Record]) -> list[str]:
    """The addresses as payloads write them: phones with and without their country."""
    found: set[str] = set()
    for row in addresses:
        value: str = row["value"]
        if row["kind"] == "phone":
            digits = value.lstrip("+")
            found.add(digits)
            if digits.startswith("7") and len(digits) == 11:
                found |= {"8" + digits[1:], digits[1:]}
        else:
            found.add(value)
    return sorted(needle for needle in found if len(needle) >= MIN_NEEDLE)


class Batch(msgspec.Struct):
    """What a batch did. `done`: the erasure is complete."""

    erasure_id: UUID
    card_id: UUID
    rows: int
    done: bool


async def erase_batch(connection: Connection, blobs: Blobs, *, batch: int = BATCH, scan: int = SCAN) -> Batch | None:
    """Goes on with the oldest erasure, in the caller's transaction. None: there is nothing to do here."""
    row = await connection.fetchrow(SQL.lock_next)
    if row is None:
        return None
    counts: dict[str, Any] = row["counts"]
    work = msgspec.convert(counts.pop("work"), Work)
    name, rows, over = await _step(connection, blobs, work, batch, scan)
    counts[name] = counts.get(name, 0) + rows
    if over:
        work.step, work.after = work.step + 1, 0
    done = work.step > len(TABLES) + 2
    if done:
        counts["imports"] = await forget_errors(connection, blobs)
    await connection.execute(SQL.save, row["id"], counts if done else counts | {"work": msgspec.to_builtins(work)})
    return Batch(row["id"], row["contact_id"], rows, done)


async def _step(connection: Connection, blobs: Blobs, work: Work, batch: int, scan: int) -> tuple[str, int, bool]:
    """(what the certificate calls it, rows, whether that step is over)."""
    if work.step < len(TABLES):
        name = TABLES[work.step]
        rows = await connection.fetch(getattr(SQL, name), work.members, work.conversations, batch)
        if name in {"attachments", "recordings"}:
            freed = Counter(row["blob"] for row in rows if row["blob"])
            await connection.execute(KEPT.let_go, sorted(freed), [freed[key] for key in sorted(freed)])
        return name, len(rows), len(rows) < batch
    if work.step == len(TABLES):
        ids = [row["id"] for row in await connection.fetch(SQL.made_by, work.members, work.after, batch)]
        work.after = ids[-1] if ids else work.after
        return "journal", await _blank_journal(connection, blobs, ids), len(ids) < batch
    if work.step == len(TABLES) + 1:
        found = await connection.fetch(SQL.scan_journal, work.after, scan, work.members, work.needles)
        work.after = found[-1]["id"] if found else work.after
        ids = [row["id"] for row in found if row["made"] or (row["named"] and _names(row, work.needles))]
        over = len(found) < scan or work.after > work.until
        return "journal", await _blank_journal(connection, blobs, ids), over
    return await _events(connection, work, scan)


async def _events(connection: Connection, work: Work, scan: int) -> tuple[str, int, bool]:
    texts = [*map(str, work.members), *map(str, work.conversations), *work.needles]
    patterns = ["%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" for text in texts]
    row = await connection.fetchrow(SQL.scan_events, work.after, scan, patterns)
    if row is None or row["last"] is None:
        return "events", 0, True
    work.after = row["last"]
    ids = row["ids"] or []
    await connection.execute(SQL.blank_events, ids)
    return "events", len(ids), False


async def _blank_journal(connection: Connection, blobs: Blobs, ids: Sequence[int]) -> int:
    """Payloads that are emptied are settled: nothing is left to be understood in them, or replayed."""
    if not ids:
        return 0
    held = [row["blob"] for row in await connection.fetch(SQL.blobs_of, ids)]
    blank = await connection.fetch(SQL.blank_journal, ids)
    await connection.execute(SQL.blank_kept, ids)
    await connection.fetch(SQL.settle_todo, ids)
    await connection.execute(SQL.blank_results, ids)
    await connection.execute(KEPT.note_unused, held, await blobs.sizes(held))
    return len(blank)


def _names(row: asyncpg.Record, needles: Sequence[str]) -> bool:
    """Whether an address stands in the payload as a whole, not as a part of a longer number."""
    request = msgspec.json.encode(row["request"]) if row["request"] else b""
    text = (row["body"] or b"") + b"\n" + request
    return any(
        re.search(rb"(?<![0-9A-Za-z])" + re.escape(needle.encode()) + rb"(?![0-9A-Za-z])", text) for needle in needles
    )
