"""Entries that outlive their partition: copied to `journal_kept` before it goes, found there, forgotten once they are done.

Not done are those on the work list, failed or quarantined ones, and those whose payload something still waits for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from storage.blobs import Blobs
from storage.db import Connection
from storage.partitions import leaving
from storage.queries import load

SQL = load("retention")
BATCH = 5000
FORGET_BATCH = 500


def on(statement: str, partition: str) -> str:
    """The statement about this partition; its name is the catalog's, never somebody's input."""
    return statement.replace("{partition}", partition)


async def keep_not_done(connection: Connection, partition: str) -> int:
    """Copies what is needed of a partition of the journal, attached or not; again costs a look. Returns how many."""
    span = await connection.fetchrow(on(SQL.span, partition))
    if span is None or span["low"] is None:
        return 0
    copied, after = 0, span["low"] - 1
    while rows := await connection.fetch(SQL.not_done, after, span["high"], BATCH):
        ids = [row["id"] for row in rows]
        done = await connection.execute(on(SQL.copy, partition), ids)
        copied += int(done.rpartition(" ")[2])
        after = ids[-1]
    return copied


async def drop_journal(connection: Connection, blobs: Blobs, partition: str) -> int:
    """Drops a detached partition of the journal. Returns how many entries were copied that had not been before.

    Between the first copy and the detaching somebody may have put an old entry on the work list. Detaching has waited for
    him, as he held a lock on what he read: the last look sees him.
    """
    rows = await connection.fetch(on(SQL.blobs_named, partition))
    held = [row["blob"] for row in rows]
    sizes = await blobs.sizes(held)
    async with connection.transaction():
        await connection.execute(on(SQL.lock, partition))
        copied = await keep_not_done(connection, partition)
        await connection.execute(SQL.note_unused, held, sizes)
        await connection.execute(on(SQL.drop, partition))
    return copied


async def kept_rows(connection: Connection, ids: Sequence[int]) -> list[asyncpg.Record]:
    """Entries that are no longer seen through `journal`, with its columns, in order; those in none are absent.

    Call it outside a transaction, for entries of the work list that the journal does not show. A partition on its way
    out is read itself: it is dropped in the transaction that copies its last entries, so looking there first and into
    `journal_kept` after it misses none.
    """
    found: dict[int, asyncpg.Record] = {}
    for partition in await leaving(connection, "journal"):
        try:
            rows = await connection.fetch(on(SQL.rows, partition), ids)
        except asyncpg.UndefinedTableError:
            continue
        found |= {row["id"]: row for row in rows}
    found |= {row["id"]: row for row in await connection.fetch(SQL.kept, ids)}
    return [found[id_] for id_ in sorted(found)]


async def forget_settled(connection: Connection, blobs: Blobs, before: datetime) -> int:
    """Kept entries that became `done` or `ignored` before that time go, with their results. Returns how many."""
    forgotten, after = 0, -1
    while True:
        async with connection.transaction():
            rows = await connection.fetch(SQL.lock_settled, before, after, FORGET_BATCH)
            if not rows:
                return forgotten
            after = rows[-1]["id"]
            # A statement of its own: it sees what was put on the work list before the rows were locked.
            gone = await connection.fetch(SQL.forget_settled, [row["id"] for row in rows])
            await connection.execute(SQL.forget_results, [row["id"] for row in gone])
            held = sorted({row["blob"] for row in gone if row["blob"]})
            await connection.execute(SQL.note_unused, held, await blobs.sizes(held))
            forgotten += len(gone)
