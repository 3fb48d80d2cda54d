"""Keeping what providers send (P1, P2): many requests share one insert and one commit, each key is kept once.

A caller's `keep` returns only after the commit that holds its payload, or the earlier one that held the same key.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from config.errors import BadPayload, Unavailable
from storage.blobs import Blobs
from storage.bus import Bus, Topic
from storage.db import DATABASE_ERRORS, Connection, RawConnection, connect, is_about_data
from storage.locks import LANES
from storage.queries import load

log = structlog.get_logger()
SQL = load("journal")
MAX_ROWS = 500
MAX_BYTES = 4 << 20
MAX_WAITING = 20_000
MAX_WAITING_BYTES = 128 << 20
INLINE_BYTES = 256 << 10
GATHER, GATHER_S = 8, 0.003
"""After a commit of so many payloads the next one waits a moment for company: each costs the server the same."""


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A payload about to be kept. `key`: what makes it the same payload; `window_s`: for how long, None for ever."""

    channel_id: UUID
    key: UUID
    lane: int
    klass: int = 0
    window_s: int | None = None
    silent: bool = False
    request: Mapping[str, Any] | None = None
    body: bytes = b""
    blob: str | None = None


@dataclass(slots=True)
class _Waiting:
    entry: NewEntry
    done: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


def dedup_key(channel_id: UUID, key: str) -> UUID:
    """128 bits over channel and the connector's key."""
    return UUID(
        bytes=hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16, key=channel_id.bytes).digest()
    )


def digest_key(channel_id: UUID, parts: Sequence[bytes]) -> UUID:
    """The same for a payload without an id: over method, path, query and body."""
    digest = hashlib.blake2b(digest_size=16, key=channel_id.bytes)
    for part in parts:
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return UUID(bytes=digest.digest())


def unique_key() -> UUID:
    """For transports that never repeat."""
    return UUID(bytes=os.urandom(16))


def lane_of(channel_id: UUID, key: str) -> int:
    """0 to 255; the same thread always gets the same lane, in any process."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass"), zlib.crc32(channel_id.bytes)) % LANES


async def with_blob(entry: NewEntry, blobs: Blobs) -> NewEntry:
    """A big body goes to the blob store first, its digest stands in the row."""
    if len(entry.body) <= INLINE_BYTES:
        return entry
    kept = await blobs.keep(entry.body)
    values = {name: getattr(entry, name) for name in NewEntry.__slots__}
    return NewEntry(**values | {"body": b"", "blob": kept.sha256})


async def insert(connection: Connection, entries: Sequence[NewEntry]) -> set[UUID]:
    """One statement for entries with distinct keys. Returns the keys that were new."""
    now = datetime.now(UTC)
    rows = await connection.fetch(
        SQL.keep,
        [e.key for e in entries],
        [None if e.window_s is None else now + timedelta(seconds=e.window_s) for e in entries],
        [e.channel_id for e in entries],
        [e.lane for e in entries],
        [e.klass for e in entries],
        [e.silent for e in entries],
        [e.request for e in entries],
        [e.body for e in entries],
        [e.blob for e in entries],
    )
    return {row["key"] for row in rows}


async def keep_fetched(
    connection: RawConnection, entries: Sequence[NewEntry], channel_id: UUID, mark: Mapping[str, Any]
) -> int:
    """What a fetcher brought and how far it has come, in one transaction. Returns how many were new."""
    distinct = {entry.key: entry for entry in entries}
    async with connection.transaction():
        fresh = await insert(connection, list(distinct.values())) if distinct else set()
        await connection.execute(SQL.set_mark, channel_id, dict(mark))
    return len(fresh)


class JournalWriter:
    """Group commit. While one batch is being committed the next gathers."""

    def __init__(self, url: str, bus: Bus, blobs: Blobs) -> None:
        self._url = url
        self._bus = bus
        self._blobs = blobs
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self.connected = False
        self.has_room = True

    async def keep(self, entry: NewEntry) -> bool:
        """True if it is new, False if its key had been kept before; committed either way. Raises Unavailable."""
        if not self.connected:
            raise Unavailable("PostgreSQL can't be reached, nothing can be kept now")
        if not self.has_room:
            raise Unavailable("the disk's reserve is reached")
        if len(self._waiting) >= MAX_WAITING or self._waiting_bytes >= MAX_WAITING_BYTES:
            raise Unavailable("more is coming in than can be kept")
        if len(entry.body) > INLINE_BYTES:
            entry = await with_blob(entry, self._blobs)
        waiting = _Waiting(entry)
        self._waiting.append(waiting)
        self._waiting_bytes += len(entry.body)
        self._wake.set()
        return await waiting.done

    async def run(self) -> None:
        """Until cancelled; reconnects, refusing what waits meanwhile."""
        while True:
            try:
                connection = await connect(self._url, application="hub journal")
            except Unavailable:
                await asyncio.sleep(0.3)
                continue
            self.connected = True
            try:
                await self._write(connection)
            except DATABASE_ERRORS as error:
                log.warning("journal_down", error=type(error).__name__)
            finally:
                self.connected = False
                self._refuse(self._take_all(), "PostgreSQL went away before the commit was certain")
                connection.terminate()

    async def _write(self, connection: RawConnection) -> None:
        while True:
            try:
                async with asyncio.timeout(10):
                    await self._wake.wait()
            except TimeoutError:
                await connection.execute("SELECT 1")
                continue
            batch = self._take_batch()
            try:
                await self._commit(connection, batch)
            except BaseException:
                self._refuse(batch, "the commit did not succeed")
                raise
            if len(batch) >= GATHER:
                await asyncio.sleep(GATHER_S)

    def _take_batch(self) -> list[_Waiting]:
        size = count = 0
        for waiting in self._waiting:
            size += len(waiting.entry.body)
            if count == MAX_ROWS or (count and size > MAX_BYTES):
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._waiting_bytes -= sum(len(w.entry.body) for w in batch)
        if not self._waiting:
            self._wake.clear()
        return batch

    def _take_all(self) -> list[_Waiting]:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        self._wake.clear()
        return waiting

    async def _commit(self, connection: RawConnection, batch: list[_Waiting]) -> None:
        distinct = {waiting.entry.key: waiting for waiting in reversed(batch)}
        entries = [w.entry for w in batch if distinct[w.entry.key] is w]
        try:
            fresh = await self._insert(connection, entries)
        except asyncpg.PostgresError as error:
            if connection.is_closed() or not is_about_data(error):
                raise
            await self._one_by_one(connection, batch)
            return
        for waiting in batch:
            _resolve(waiting, new=waiting.entry.key in fresh and distinct[waiting.entry.key] is waiting)
        if fresh:
            self._bus.notify(Topic.TODO)

    async def _insert(self, connection: RawConnection, entries: list[NewEntry]) -> set[UUID]:
        try:
            return await insert(connection, entries)
        except asyncpg.DeadlockDetectedError:
            return await insert(connection, entries)

    async def _one_by_one(self, connection: RawConnection, batch: list[_Waiting]) -> None:
        """One row the database refuses must not cost the others their commit."""
        for waiting in batch:
            try:
                fresh = await self._insert(connection, [waiting.entry])
            except asyncpg.PostgresError as error:
                if connection.is_closed() or not is_about_data(error):
                    raise
                log.warning("payload_refused", channel_id=str(waiting.entry.channel_id), error=type(error).__name__)
                if not waiting.done.done():
                    waiting.done.set_exception(BadPayload("body", "the database can't hold this payload"))
                continue
            _resolve(waiting, new=bool(fresh))
        self._bus.notify(Topic.TODO)

    def _refuse(self, batch: list[_Waiting], why: str) -> None:
        for waiting in batch:
            if not waiting.done.done():
                waiting.done.set_exception(Unavailable(why))


def _resolve(waiting: _Waiting, *, new: bool) -> None:
    if not waiting.done.done():
        waiting.done.set_result(new)


async def rotate_dedup(connection: RawConnection) -> None:
    """Forgets the keys of two generations ago (run every few days; a provider repeats for a week at most)."""
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '2s'")
        await connection.execute(SQL.rotate_swap)


async def replay(connection: Connection, entry_ids: Sequence[int]) -> list[int]:
    """Puts entries back on the work list; returns those that were not on it already."""
    return [row["entry_id"] for row in await connection.fetch(SQL.replay, list(entry_ids))]
