"""A journal in narrow partitions, entries in every state, and time that passes at once."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from storage.blobs import Blobs
from storage.db import RawConnection, connect
from storage.journal import NewEntry, insert, unique_key
from storage.partitions import Partition, ensure_partitions, partitions_of
from storage.retention import SESSION, Removal, Terms
from tests.conftest import Database

WIDTH = 10
TERMS = Terms(journal=timedelta(days=90), events=timedelta(hours=72))
TABLES = ("journal", "journal_result", "event")


@dataclass
class Aging:
    """`db`: in no transaction between calls. Ids are 1, 2, 3 …, ten to a partition: 1-9, 10-19, 20-29."""

    database: Database
    db: RawConnection
    blobs: Blobs
    channel: UUID

    async def receive(self, *states: str | None, blob: str | None = None) -> list[int]:
        """An entry for each state, None: it waits. Returns their ids."""
        ids = []
        for state in states:
            await ensure_partitions(self.db, datetime.now(UTC), width=WIDTH)
            body = b"" if blob else b'{"n": 1}'
            entry = NewEntry(self.channel, unique_key(), 7, request={"path": "/x"}, body=body, blob=blob)
            await insert(self.db, [entry])
            entry_id = int(await self.db.fetchval("SELECT max(id) FROM journal"))
            ids.append(entry_id)
            if state is not None:
                await self.finish(entry_id, state)
        await ensure_partitions(self.db, datetime.now(UTC), width=WIDTH)
        return ids

    async def finish(self, entry_id: int, state: str, *, ago: str = "0 days") -> None:
        """As a worker does: off the work list, the result by COPY."""
        async with self.db.transaction():
            await self.db.execute("DELETE FROM journal_todo WHERE entry_id = $1", entry_id)
            await self.db.execute("DELETE FROM journal_result WHERE entry_id = $1", entry_id)
            row = (entry_id, state, "why")
            await self.db.copy_records_to_table(
                "journal_result", records=[row], columns=("entry_id", "state", "detail")
            )
            await self.db.execute(
                "UPDATE journal_result SET at = now() - $2::text::interval WHERE entry_id = $1", entry_id, ago
            )

    async def grow_old(self, days: int = 91) -> None:
        """Everything so far came that long ago."""
        await self.db.execute("UPDATE journal SET received_at = now() - make_interval(days => $1)", days)

    async def again(self, *ids: int) -> None:
        """On the work list, as a replay puts them."""
        await self.db.executemany(
            "INSERT INTO journal_todo (entry_id, lane, class, replay) VALUES ($1, 7, 2, true)", [(i,) for i in ids]
        )

    @asynccontextmanager
    async def removal(self, terms: Terms = TERMS, *, patience: str = "300ms") -> AsyncIterator[Removal]:
        """On a connection of its own, which waits for others no longer than `patience`."""
        settings = {**SESSION, "lock_timeout": patience}
        connection = await connect(self.database.url, application="test removal", settings=settings)
        try:
            yield Removal(connection, self.blobs, terms, datetime.now(UTC))
        finally:
            await connection.close(timeout=2)

    async def remove(self, terms: Terms = TERMS) -> Removal:
        async with self.removal(terms) as removal:
            await removal.run()
            return removal

    async def partitions(self, table: str = "journal") -> list[Partition]:
        return await partitions_of(self.db, table)

    async def ids(self, query: str) -> list[int]:
        return [row[0] for row in await self.db.fetch(query)]

    async def exists(self, table: str) -> bool:
        return bool(await self.db.fetchval("SELECT to_regclass($1) IS NOT NULL", table))

    async def keep_file(self, data: bytes, *, old: bool = True) -> str:
        """A blob, kept long ago."""
        kept = await self.blobs.keep(data)
        if old:
            os.utime(self.blobs.path(kept.sha256), (1, 1))
        return kept.sha256

    def has_file(self, sha256: str) -> bool:
        return self.blobs.path(sha256).exists()


async def narrowed(database: Database, db: RawConnection) -> Aging:
    """An empty journal and an empty event log in partitions of ten ids."""
    for table in TABLES:
        for partition in await partitions_of(db, table):
            await db.execute(f"DROP TABLE {partition.name}")
    await ensure_partitions(db, datetime.now(UTC), width=WIDTH)
    return Aging(database, db, Blobs(database.data_dir / "blobs"), uuid4())


@asynccontextmanager
async def someone_reading(database: Database, *statements: str) -> AsyncIterator[RawConnection]:
    """A transaction that has run these statements and stays open; the caller may end it."""
    connection = await connect(database.url, application="someone", settings={})
    try:
        await connection.execute("BEGIN")
        for statement in statements:
            await connection.execute(statement)
        yield connection
    finally:
        connection.terminate()
