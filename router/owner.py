"""An owner of lanes: takes their entries, understands them, writes them into the stream, again and again (P3, P5).

Before the work the batch is noted on a connection of its own. A worker that dies uncleanly leaves its note; the
successor takes those entries one by one, and after three deaths puts the culprit into quarantine.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import asyncpg
import structlog

from config.errors import NotFound, Unavailable
from connectors.base import Class, Payload
from router.batch import Note, Outcome, Understood, apply
from router.channels import Channels
from router.directory import Directory, DirectoryCache
from router.entries import to_payload
from router.lanes import BULK, LIVE, Lanes, Sort
from router.pace import Pace
from router.threads import Again
from router.understand import place, understand, understand_heavy
from router.warm import warm
from router.work import Entry, Result
from storage.bus import Topic
from storage.db import DATABASE_ERRORS, LOCK_HOLDER, Pool, RawConnection, connect, is_about_data
from storage.kept import kept_rows
from storage.queries import load
from storage.store import Store

log = structlog.get_logger()
SQL = load("journal")
T = TypeVar("T")

BATCH = 400
BULK_BATCH = 50
GATHER, GATHER_S = 16, 0.015
"""Under load a batch waits for company: each costs a dozen round trips, however many entries it has."""
BULK_GATHER_S = 0.05
SWEEP_S = 1.0
BULK_RESTS, BULK_REST_S = 3, 0.2
"""Beside live messages a pause after each batch, so many times as long as it took: on two cores a batch in hand doubles
what a live message takes."""
DEATHS = 3
EFFECTS_AGE = timedelta(minutes=10)
FLOOR_S = 5.0


class Owner:
    """One connection that holds lanes. `run` until cancelled; what is in hand then is committed or thrown away, never half."""

    def __init__(
        self,
        store: Store,
        channels: Channels,
        directory: DirectoryCache,
        *,
        pace: Pace,
        sort: Sort = LIVE,
    ) -> None:
        self._store = store
        self._channels = channels
        self._directory = directory
        self._sort = sort
        self._pace = pace
        self._signal = store.bus.signal(Topic.TODO)
        self._floors = _nowhere()
        self._floors_at = 0.0
        self._session_of: int | None = None
        self._in_hand: list[int] = []

    async def run(self) -> None:
        """Reconnects for ever; on any error all work in memory is thrown away and taken again."""
        down = False
        while True:
            try:
                await self._session()
            except (Unavailable, *DATABASE_ERRORS) as error:
                if not down:
                    log.warning("worker_down", error=type(error).__name__, lanes=self._sort.lane.name)
                down = True
                await asyncio.sleep(random.uniform(0.1, 0.5))
            else:
                down = False

    async def _session(self) -> None:
        application = "hub worker" if self._sort == LIVE else "hub bulk"
        connection = await connect(self._store.url, application=application, settings=LOCK_HOLDER)
        try:
            await self._channels.refresh()
            await self._absolve(connection)
            # Not before: an absolution lost with the next restart would leave the note of a death.
            await connection.execute("SET synchronous_commit = off")
            # All statements here go by index, whatever their arrays hold: planning them anew costs a third of a small batch.
            await connection.execute("SET plan_cache_mode = force_generic_plan")
            await warm(connection)
            lanes = Lanes(connection, self._sort)
            self._session_of = lanes.worker
            await lanes.join()
            self._shift()
            log.info("worker_up", worker=lanes.worker, lanes=self._sort.lane.name)
            self._floors = _nowhere()
            await self._work(connection, lanes)
        except asyncio.CancelledError:
            # Told to stop is no death: the batch in hand is thrown away, or was committed and took its note along.
            with contextlib.suppress(*DATABASE_ERRORS):
                await connection.close(timeout=2)
            connection.terminate()
            self._shift()
            with contextlib.suppress(*DATABASE_ERRORS):
                await self._absolve(self._store.pool)
            raise
        finally:
            connection.terminate()

    async def _absolve(self, connection: RawConnection | Pool) -> None:
        """What this owner left when its last session ended was no death."""
        if self._session_of is not None:
            await connection.execute(SQL.absolve, self._session_of, self._in_hand, timeout=2)
        self._session_of, self._in_hand = None, []

    def _shift(self) -> None:
        """Lanes have come or gone: the others of this process look at once, those elsewhere within a sweep."""
        self._pace.shifts += 1
        self._store.bus.notify(Topic.TODO)

    async def _work(self, connection: RawConnection, lanes: Lanes) -> None:
        balanced_at, shifts = 0.0, -1
        while True:
            began = time.monotonic()
            if began - balanced_at > SWEEP_S or shifts != self._pace.shifts:
                balanced_at, shifts = began, self._pace.shifts
                if await lanes.balance():
                    self._floors = _nowhere()
                    self._shift()
                await connection.execute(SQL.suspects, lanes.living)
            rows = await (self._live(connection, lanes) if self._sort == LIVE else self._bulk(connection, lanes))
            if rows:
                await self._process(connection, rows)
            await self._rest(len(rows), time.monotonic() - began)

    async def _rest(self, count: int, took_s: float) -> None:
        """Until the next look at the work list."""
        if not count:
            await self._signal.wait(SWEEP_S)
            if self._sort == BULK:
                await asyncio.sleep(BULK_GATHER_S)
        elif self._sort == BULK and self._pace.is_live():
            await asyncio.sleep(min(took_s * BULK_RESTS, BULK_REST_S))
        elif self._sort == LIVE and GATHER <= count < BATCH:
            await asyncio.sleep(GATHER_S)

    async def _live(self, connection: RawConnection, lanes: Lanes) -> list[asyncpg.Record]:
        """The next live entries, in order."""
        floors = self._looked_from()
        rows = await connection.fetch(SQL.take_live, lanes.held, BATCH, floors[Class.LIVE], lanes.worker)
        self._raise_floors(rows)
        if rows:
            self._pace.took_live(len(rows))
        return rows

    async def _bulk(self, connection: RawConnection, lanes: Lanes) -> list[asyncpg.Record]:
        """The next of the others, statuses first."""
        floors = self._looked_from()
        rows = await connection.fetch(
            SQL.take_bulk, lanes.held, BULK_BATCH, floors[Class.STATUS], lanes.worker, floors[Class.BULK]
        )
        self._raise_floors(rows)
        return [row for row in rows if row["ready"]]

    def _looked_from(self) -> dict[int, int]:
        """Every few seconds the whole list is looked at; between, only from where work was last found: a commit that took
        longer than that is found by the next whole look.
        """
        if time.monotonic() - self._floors_at > FLOOR_S:
            self._floors, self._floors_at = _nowhere(), time.monotonic()
        return self._floors

    def _raise_floors(self, rows: Sequence[asyncpg.Record]) -> None:
        lowest: dict[int, int] = {}
        for row in rows:
            lowest.setdefault(row["class"], row["entry_id"])
        for class_, entry_id in lowest.items():
            self._floors[class_] = max(self._floors[class_], entry_id - 10 * BATCH)

    async def _entry(self, todo: asyncpg.Record, row: asyncpg.Record) -> Entry:
        """`row`: the payload, of the journal or, if its partition is gone, of `journal_kept`."""
        body = row["body"] or b""
        if row["blob"]:
            try:
                body = await self._store.blobs.read(row["blob"])
            except NotFound:
                log.error("payload_blob_missing", journal_id=todo["entry_id"])
        received_at = row["received_at"] or datetime.now(UTC)
        return Entry(
            id=todo["entry_id"],
            lane=todo["lane"],
            klass=todo["class"],
            attempts=todo["attempts"],
            replay=todo["replay"],
            channel=self._channels.get(row["channel_id"]) if row["channel_id"] else None,
            received_at=received_at,
            silent=bool(row["silent"]),
            payload=to_payload(row["request"], body, received_at.timestamp()) if row["channel_id"] else Payload(),
            fresh=not todo["replay"] and not row["silent"] and datetime.now(UTC) - received_at < EFFECTS_AGE,
        )

    async def _process(self, connection: RawConnection, rows: Sequence[asyncpg.Record]) -> None:
        note = Note(rows[0]["note_id"], rows[0]["seed"])
        suspect = next((row for row in rows if row["attempts"]), None)
        if suspect is not None:
            rows = [next(row for row in rows if row["lane"] == suspect["lane"])]
            await connection.execute(SQL.note_only, note.id, rows[0]["entry_id"])
        self._in_hand = [row["entry_id"] for row in rows]
        missing = [row["entry_id"] for row in rows if row["channel_id"] is None]
        kept = {row["id"]: row for row in await kept_rows(connection, missing)} if missing else {}
        entries = [await self._entry(row, kept.get(row["entry_id"], row)) for row in rows]
        batch = await _alive(connection, self._understand(entries))
        try:
            outcome = await self._apply_again(connection, batch, note)
        except Exception as error:
            if connection.is_closed() or (isinstance(error, DATABASE_ERRORS) and not is_about_data(error)):
                raise
            await self._one_by_one(connection, entries, note)
        else:
            self._tell(outcome)
        self._in_hand = []

    async def _apply_again(self, connection: RawConnection, batch: Sequence[Understood], note: Note | None) -> Outcome:
        try:
            return await self._apply(connection, batch, note)
        except (Again, asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            batch = await self._understand([u.entry for u in batch])
            return await self._apply(connection, batch, note)

    async def _apply(self, connection: RawConnection, batch: Sequence[Understood], note: Note | None) -> Outcome:
        now = datetime.now(UTC)
        directory: Directory = await self._directory.get(connection, now)
        return await apply(connection, batch, directory, now, note=note)

    async def _one_by_one(self, connection: RawConnection, entries: Sequence[Entry], note: Note) -> None:
        """The database refused something in the batch: each entry alone, so that one fails and the others live."""
        for entry in entries:
            batch = await self._understand([entry])
            try:
                outcome = await self._apply_again(connection, batch, None)
            except Exception as error:
                if connection.is_closed() or (isinstance(error, DATABASE_ERRORS) and not is_about_data(error)):
                    raise
                log.error("entry_failed", journal_id=entry.id, error=type(error).__name__)
                failed = Understood(entry, [], Result(entry.id, "failed", detail=f"can't be written: {place(error)}"))
                outcome = await self._apply(connection, [failed], None)
            self._tell(outcome)
        await connection.execute("DELETE FROM journal_attempt WHERE id = $1", note.id)

    async def _understand(self, entries: Sequence[Entry]) -> list[Understood]:
        batch = []
        for number, entry in enumerate(entries):
            if entry.attempts >= DEATHS:
                why = f"the worker died {entry.attempts} times while this entry was in hand"
                batch.append(Understood(entry, [], Result(entry.id, "quarantined", detail=why)))
                log.error("entry_quarantined", journal_id=entry.id)
                continue
            heavy = entry.channel is not None and entry.channel.connector.heavy
            items, result = await understand_heavy(entry) if heavy else understand(entry)
            batch.append(Understood(entry, items, result))
            if number % 50 == 49:
                await asyncio.sleep(0)
        return batch

    def _tell(self, outcome: Outcome) -> None:
        bus = self._store.bus
        if outcome.event_id:
            bus.notify(Topic.EVENTS, outcome.event_id)
        if outcome.queued:
            bus.notify(Topic.QUEUE)
        if outcome.media:
            bus.notify(Topic.MEDIA)


def _nowhere() -> dict[int, int]:
    """The ids by class below which there is no work, as far as is known."""
    return dict.fromkeys(Class, 0)


async def _alive(connection: RawConnection, work: Coroutine[Any, Any, T]) -> T:
    """Waits for work off the connection while it shows signs of life (its server ends idle ones).

    A sign is never cut off: a cancelled statement would cost the connection, and the lanes with it.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(work, name="understand")
            while not (await asyncio.wait({task}, timeout=SWEEP_S))[0]:
                await connection.execute("SELECT 1")
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return task.result()
