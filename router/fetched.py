"""Where a fetcher puts what it found: the journal, over the connection whose session lock makes it the channel's only one.

One task owns that connection. It shows a sign of life every second and does the listeners' orders in between, so that
nobody's cancellation can cut off a statement (which would cost the connection, and the lock with it).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from config.errors import BadPayload, Unavailable
from connectors.base import Fetched, Peek
from router.channels import Channel
from router.entries import to_entry
from router.outbound.states import clean
from storage.bus import Topic
from storage.db import Pool, RawConnection
from storage.journal import NewEntry, keep_fetched, with_blob
from storage.queries import load
from storage.store import Store

log = structlog.get_logger()
HEALTH = load("health")

BEAT_S = 1.0
UP_S = 10.0
"""A listener that has lived so long without bringing anything is taken to be well."""
ACQUIRE_S = 10.0
PASSING = ("22", "23", "40", "53", "54", "55P03", "57014")
"""SQLSTATEs after which the session lives on: data, conflicts, resources, limits, a lock or a statement timed out."""
PROBLEM = "receiving: "
"""Begins what the card says of the way in; what it says of sending is not ours to take back."""

_NOTE = """
INSERT INTO channel_health AS h (channel_id, problem, problem_since)
SELECT c.id, $2::text, CASE WHEN $2::text <> '' THEN now() END FROM channel AS c WHERE c.id = $1
ON CONFLICT (channel_id) DO UPDATE
SET problem = excluded.problem,
    problem_since = CASE WHEN h.problem = excluded.problem THEN h.problem_since ELSE excluded.problem_since END
WHERE excluded.problem <> '' OR starts_with(h.problem, $3)
"""


class Cards:
    """How channels are doing, gathered in memory until `flush`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._received: dict[UUID, datetime] = {}
        self._notes: dict[UUID, str] = {}
        self._written: dict[UUID, str] = {}

    def received(self, channel_id: UUID) -> None:
        self._received[channel_id] = datetime.now(UTC)

    def note(self, channel_id: UUID, problem: str) -> None:
        """`problem`: a sentence, empty when it works."""
        text = PROBLEM + clean(problem) if problem else ""
        if self._written.get(channel_id) == text:
            self._notes.pop(channel_id, None)
        else:
            self._notes[channel_id] = text

    def forget(self, channel_id: UUID) -> None:
        """Others may have written meanwhile: the next note is written whatever we wrote last."""
        self._written.pop(channel_id, None)

    async def flush(self) -> None:
        """What can't be written stays for the next time. Raises database errors."""
        received, notes = self._received, dict(self._notes)
        if not received and not notes:
            return
        async with self._pool.acquire(timeout=ACQUIRE_S) as connection:
            if received:
                self._received = {}
                ids = sorted(received)
                await connection.execute(HEALTH.record, ids, [received[i] for i in ids], [0] * len(ids))
            for channel_id, text in sorted(notes.items()):
                await connection.execute(_NOTE, channel_id, text, PROBLEM)
                self._written[channel_id] = text
                if self._notes.get(channel_id) == text:
                    del self._notes[channel_id]


@dataclass(slots=True)
class _Order:
    entries: list[NewEntry]
    mark: Mapping[str, Any]
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Keeper:
    """The `Sink` of one listener. `on_up` is called once, when the listener has shown that it works."""

    def __init__(
        self,
        connection: RawConnection,
        store: Store,
        channel: Channel,
        cards: Cards,
        *,
        mark: Mapping[str, Any],
        on_up: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._store = store
        self._channel = channel
        self._cards = cards
        self._mark = mark
        self._on_up = on_up
        self._orders: deque[_Order] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self._up = False
        self._problem = ""
        self._started_at = time.monotonic()

    @property
    def mark(self) -> Mapping[str, Any]:
        return self._mark

    def note(self, problem: str) -> None:
        self._problem = problem
        self._cards.note(self._channel.id, problem)

    async def keep(self, fetched: Sequence[Fetched], mark: Mapping[str, Any]) -> None:
        """In the journal, with the mark, in one commit. Raises Unavailable: do the same again."""
        entries = [await with_blob(self._entry(one), self._store.blobs) for one in fetched]
        if self._closed:
            raise _lost()
        order = _Order(entries, dict(mark))
        self._orders.append(order)
        self._wake.set()
        await order.done

    def _entry(self, one: Fetched) -> NewEntry:
        try:
            peek = self._channel.connector.peek(one.payload, self._channel.settings)
        except BadPayload:
            peek = Peek()
        return to_entry(self._channel, one.payload, peek, silent=one.silent)

    def stop(self) -> None:
        """`run` ends once the statement in hand is through; orders not begun are refused."""
        self._closed = True
        self._wake.set()

    async def run(self) -> None:
        """Until stopped. Raises database errors: the connection, and with it the lock, is lost."""
        try:
            while not self._closed:
                order = await self._next()
                if order is not None:
                    await self._do(order)
                else:
                    await self._connection.execute("SELECT 1")
                    if time.monotonic() - self._started_at > UP_S:
                        self._is_up()
        finally:
            self._closed = True
            for order in self._orders:
                _refuse(order)

    async def _next(self) -> _Order | None:
        if not self._orders:
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._wake.wait()
        self._wake.clear()
        return self._orders.popleft() if self._orders and not self._closed else None

    async def _do(self, order: _Order) -> None:
        if order.done.done():
            return
        try:
            await self._commit(order)
        except asyncpg.PostgresError as error:
            _refuse(order)
            if self._connection.is_closed() or not (error.sqlstate or "").startswith(PASSING):
                raise
            log.warning("fetched_not_kept", channel_id=str(self._channel.id), error=type(error).__name__)
            return
        except BaseException:
            _refuse(order)
            raise
        self._mark = order.mark
        if not order.done.done():
            order.done.set_result(None)
        if order.entries:
            self._cards.received(self._channel.id)
        self._is_up()

    async def _commit(self, order: _Order) -> None:
        try:
            new = await self._insert(order.entries, order.mark)
        except asyncpg.PostgresError as error:
            if self._connection.is_closed() or (error.sqlstate or "")[:2] not in {"22", "23", "54"}:
                raise
            new = await self._one_by_one(order)
        if new:
            self._store.bus.notify(Topic.TODO)

    async def _insert(self, entries: Sequence[NewEntry], mark: Mapping[str, Any]) -> int:
        try:
            return await keep_fetched(self._connection, entries, self._channel.id, mark)
        except asyncpg.DeadlockDetectedError:
            return await keep_fetched(self._connection, entries, self._channel.id, mark)

    async def _one_by_one(self, order: _Order) -> int:
        """The database refuses something: each row alone, the refused one without the headers that came with it, as
        its body is bytes and can always be kept. The mark moves when all of them are in.
        """
        new = 0
        for entry in order.entries:
            try:
                new += await self._insert([entry], self._mark)
            except asyncpg.DataError:
                log.warning("fetched_headers_refused", channel_id=str(self._channel.id))
                new += await self._insert([replace(entry, request=None)], self._mark)
        await self._insert([], order.mark)
        return new

    def _is_up(self) -> None:
        if self._up:
            return
        self._up = True
        if not self._problem:
            self._cards.note(self._channel.id, "")
        self._on_up()


def _refuse(order: _Order) -> None:
    if not order.done.done():
        order.done.set_exception(_lost())
        order.done.exception()  # its listener may be gone: nobody need ask


def _lost() -> Unavailable:
    return Unavailable("PostgreSQL can't keep anything of this channel now")
