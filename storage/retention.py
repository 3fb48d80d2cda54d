"""Removing what is past its time: whole partitions, beside the traffic, and nothing that is still needed.

Each step may be the last one before a kill: the next run finds out from the catalog where it was left and goes on.

1. Entries not done are copied to `journal_kept`, so that they are found while the partition is on its way out.
2. The partition is detached. A transaction that is open elsewhere makes this give up after two seconds; it stays half
   taken out then, and the next run finishes it.
3. It is dropped, in one transaction with a last look for entries not done.

Results are in partitions of the same bounds. Those of dropped entries go as soon as their entries have; those of kept
ones stay where everybody looks for them, in a partition emptied down to them, until no entry of its range is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from config.errors import Conflict
from config.settings import Settings
from storage.blobs import Blobs
from storage.db import ORDINARY, RawConnection
from storage.kept import SQL, drop_journal, forget_settled, keep_not_done, on
from storage.partitions import Partition, detached, leaving, month_start, partitions_of, position, take_out, uuid7_floor

SESSION = {**ORDINARY, "lock_timeout": "2s"}
"""Settings of the connection that removes; it is in no transaction and outside any pool."""

BATCH = 500
FILES_BATCH = 100
"""Files removed in one transaction: it waits for the disk with each."""
NEWEST = 1000
KEPT_MANY = 100_000
"""With more kept entries than this in a partition, its results are left as they are: copying them would take long."""
UNSENT = timedelta(days=30)
"""An uploaded file waits so long for its message; one that a draft names waits with the draft."""
REWRITTEN_S = 3600.0
"""A file kept again within this time may have a holder whose row is yet to come."""

_HELD = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, asyncpg.DeadlockDetectedError)


@dataclass(frozen=True)
class Terms:
    """How long things are kept; `interactions_months` whole months besides the current one, 0 for ever."""

    journal: timedelta
    events: timedelta
    interactions_months: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Terms:
        return cls(
            journal=timedelta(days=settings.keep_journal_days),
            events=timedelta(hours=settings.keep_events_hours),
            interactions_months=settings.keep_interactions_months,
        )


@dataclass
class Removed:
    """What one run did. `held`: partitions that could not be removed now, and why."""

    partitions: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    copied: int = 0
    forgotten: int = 0
    files: int = 0
    blobs: int = 0


class Removal:
    """One run over everything. `connection` with the settings of SESSION."""

    def __init__(self, connection: RawConnection, blobs: Blobs, terms: Terms, now: datetime) -> None:
        self._connection = connection
        self._blobs = blobs
        self._terms = terms
        self._now = now
        self.removed = Removed()

    async def run(self) -> Removed:
        """All of it. What somebody's transaction holds is told in `held` and does not stop the rest."""
        await self.journal()
        await self.results()
        await self._all("event", await self._old_events())
        await self._all("interaction", await self._old_interactions())
        await self.files()
        self.removed.forgotten = await forget_settled(self._connection, self._blobs, self._now - self._terms.journal)
        await self.free_blobs()
        return self.removed

    async def journal(self) -> None:
        """Partitions of the journal, all of whose entries are past their time."""
        await self._all("journal", await self._old("journal", SQL.newest_entry, self._now - self._terms.journal))

    async def results(self) -> None:
        """Results whose entries are gone: all of a partition, or all but those of kept entries."""
        entries = await partitions_of(self._connection, "journal")
        if await leaving(self._connection, "journal") or not entries:
            return
        gone = [p for p in await partitions_of(self._connection, "journal_result") if p.high <= entries[0].low]
        unwanted = []
        for partition in gone:
            count = await self._connection.fetchval(SQL.results_wanted, partition.low, partition.high, KEPT_MANY + 1)
            if partition.pending or not count:
                unwanted.append(partition)
            elif count <= KEPT_MANY:
                await self._guard(partition.name, self._empty(partition.name))
        await self._all("journal_result", unwanted)

    async def files(self) -> None:
        """Attachments of interactions that went with their partition, and uploads that nobody ever sent."""
        await self._let_go(SQL.unsent, self._now - UNSENT)
        interactions = await partitions_of(self._connection, "interaction")
        if self._terms.interactions_months and interactions:
            await self._let_go(SQL.orphans, UUID(int=interactions[0].low))

    async def _let_go(self, statement: str, bound: UUID | datetime) -> None:
        while True:
            async with self._connection.transaction():
                rows = await self._connection.fetch(statement, bound, BATCH)
                counts = Counter(row["blob"] for row in rows if row["blob"])
                await self._connection.execute(SQL.let_go, sorted(counts), [counts[key] for key in sorted(counts)])
            self.removed.files += len(rows)
            if len(rows) < BATCH:
                return

    async def free_blobs(self) -> None:
        """Files that neither an attachment nor an entry holds. An entry on its way out may hold one: later then."""
        if await leaving(self._connection, "journal"):
            return
        after = ""
        while True:
            async with self._connection.transaction():
                rows = await self._connection.fetch(SQL.lock_unused, after, FILES_BATCH)
                settled = [row["sha256"] for row in rows if row["held"]]
                for sha256 in [row["sha256"] for row in rows if not row["held"]]:
                    if await self._blobs.free(sha256, unused_for_s=REWRITTEN_S):
                        settled.append(sha256)
                        self.removed.blobs += 1
                await self._connection.execute(SQL.forget_blobs, settled)
            if len(rows) < FILES_BATCH:
                return
            after = rows[-1]["sha256"]

    # ------------------------------------------------------------ which

    async def _old(self, table: str, newest_of: str, before: datetime) -> list[Partition]:
        """The oldest partitions whose rows are all older, never one that ids are still given out from."""
        last = await position(self._connection, table)
        found = []
        for partition in await partitions_of(self._connection, table):
            if partition.high > last:
                break
            newest = await self._connection.fetchval(on(newest_of, partition.name), NEWEST)
            if newest is not None and newest >= before:
                break
            found.append(partition)
        return found

    async def _old_events(self) -> list[Partition]:
        """Only below an event that stays: the log's highest id must not be forgotten."""
        last = await self._connection.fetchval("SELECT max(id) FROM event")
        old = await self._old("event", SQL.newest_event, self._now - self._terms.events)
        return [partition for partition in old if last is not None and partition.high <= last]

    async def _old_interactions(self) -> list[Partition]:
        if not self._terms.interactions_months:
            return []
        first = uuid7_floor(month_start(self._now.year, self._now.month - self._terms.interactions_months))
        return [p for p in await partitions_of(self._connection, "interaction") if p.high <= first.int]

    # ------------------------------------------------------------ how

    async def _all(self, table: str, old: Iterable[Partition]) -> None:
        """What was begun earlier first: PostgreSQL takes out one partition of a table at a time."""
        pending = [p for p in await partitions_of(self._connection, table) if p.pending]
        for partition in [*pending, *(p for p in old if not p.pending)]:
            if not await self._guard(partition.name, self._take_out(partition)):
                break
        for name in await detached(self._connection, table):
            if await self._guard(name, self._drop(table, name)):
                self.removed.partitions.append(name)

    async def _guard(self, name: str, step: Awaitable[None]) -> bool:
        """Whether the step could be done now."""
        try:
            await step
        except _HELD:
            self.removed.held[name] = "a transaction elsewhere is open for too long"
        except Conflict as error:
            self.removed.held[name] = str(error)
        else:
            return True
        return False

    async def _take_out(self, partition: Partition) -> None:
        if partition.table == "journal":
            self.removed.copied += await keep_not_done(self._connection, partition.name)
        await take_out(self._connection, partition)

    async def _drop(self, table: str, name: str) -> None:
        if table == "journal":
            self.removed.copied += await drop_journal(self._connection, self._blobs, name)
        else:
            await self._connection.execute(on(SQL.drop, name))

    async def _empty(self, name: str) -> None:
        """All results but those of kept entries go. Nobody else needs the lock for long: it is of this partition alone."""
        if not await self._connection.fetchval(on(SQL.has_unneeded_results, name)):
            return
        async with self._connection.transaction():
            for statement in (SQL.lock, SQL.set_aside, SQL.empty, SQL.put_back):
                await self._connection.execute(on(statement, name))
