"""The worker's part of imports: batch after batch, each one transaction that holds the job's row, its cards and its
progress. A kill costs the batch in hand, which then was never there: no row is lost, none is done twice.

A worker takes a job that waits, goes on with its own, and takes over one that has not moved for some seconds.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import structlog

from config.errors import BadRequest, HubError, NotFound
from router.import_plan import make_plan, write_plan
from router.import_rows import Options, Reading, Row, read_row
from router.sheets import plain_rows
from storage.bus import Topic
from storage.db import DATABASE_ERRORS, Connection, is_about_data
from storage.events import NewEvent, append_events, audience
from storage.fields import active_fields
from storage.imports import SQL, Refused, get_import, keep_errors
from storage.store import Store

log = structlog.get_logger()
BATCH = 500
LOOK_S = 2.0
REST_S = 0.05
"""Between two batches: live messages of this process come first."""
STALLED_S = 8.0
REGION = "RU"


class _Seen(NamedTuple):
    done_rows: int
    at: float


@dataclass
class _File:
    """The rows of the job in hand, read up to `at`."""

    job_id: UUID
    at: int
    rows: Generator[tuple[int, list[str]], None, None]


class Imports:
    """`region`: of phones without a country."""

    def __init__(self, store: Store, *, region: str = REGION, batch: int = BATCH) -> None:
        self._store = store
        self._region = region
        self._batch = batch
        self._file: _File | None = None
        self._seen: dict[UUID, _Seen] = {}

    async def run(self) -> None:
        """Until cancelled."""
        failing = False
        while True:
            try:
                worked = await self.step()
            except (HubError, *DATABASE_ERRORS) as error:
                if not failing:
                    log.warning("imports_failing", error=type(error).__name__)
                failing, worked = True, False
                self._close()
            else:
                failing = False
            await asyncio.sleep(REST_S if worked else LOOK_S)

    async def step(self) -> bool:
        """One batch of one job. False: nothing is to be done here now."""
        job_id = self._choose(await self._store.pool.fetch(SQL.open_jobs))
        if job_id is None:
            self._close()
            return False
        try:
            event_id = await self._work(job_id)
        except NotFound:
            event_id = await self._fail(job_id, "the file is no longer kept: bring it again")
        except asyncpg.PostgresError as error:
            if not is_about_data(error):
                raise
            log.warning("import_refused", import_id=str(job_id), error=type(error).__name__)
            event_id = await self._fail(job_id, "the database refuses the next rows: what was done before stays")
        if event_id:
            self._store.bus.notify(Topic.EVENTS, event_id)
        return True

    def _choose(self, jobs: Sequence[asyncpg.Record]) -> UUID | None:
        now = time.monotonic()
        chosen: UUID | None = None
        for job in jobs:
            job_id, seen = job["id"], self._seen.get(job["id"])
            mine = self._file is not None and self._file.job_id == job_id
            if seen is None or seen.done_rows != job["done_rows"]:
                self._seen[job_id] = seen = _Seen(job["done_rows"], now)
            stalled = now - seen.at > STALLED_S
            if chosen is None and (mine or job["state"] == "waiting" or stalled):
                chosen = job_id
        self._seen = {job["id"]: self._seen[job["id"]] for job in jobs}
        return chosen

    async def _work(self, job_id: UUID) -> int:
        """Returns the event's id; 0 where somebody else has the job in hand."""
        async with self._store.pool.acquire() as connection, connection.transaction():
            job = await connection.fetchrow(SQL.lock_job, job_id)
            if job is None:
                self._close()
                return 0
            options = msgspec.convert(job["mapping"].get("options", {}), Options)
            reading = await reading_of(connection, job["columns"], job["mapping"], options, self._region)
            raw = await self._next(job)
            rows, refused = await asyncio.to_thread(read_rows, raw, reading)
            plan = await make_plan(connection, rows, options)
            await write_plan(connection, plan, options, file=job["name"])
            errors = await keep_errors(connection, self._store.blobs, refused, job["errors_blob"])
            state = "done" if job["done_rows"] + len(raw) >= job["rows"] or not raw else "running"
            counts = (len(raw), len(plan.made), len(plan.changed.keys() - plan.made.keys()), len(refused))
            await connection.execute(SQL.progress, job_id, *counts, errors, state)
            if state == "done":
                await connection.execute(SQL.release_blob, job["blob"])
            event_id = await _tell(connection, job_id)
        if state == "done":
            self._close()
            log.info("import_done", import_id=str(job_id))
        elif self._file is not None:
            self._file.at = job["done_rows"] + len(raw)
        return event_id

    async def _next(self, job: asyncpg.Record) -> list[tuple[int, list[str]]]:
        """The rows behind those that are done."""
        file = self._file
        if file is None or file.job_id != job["id"] or file.at != job["done_rows"]:
            self._close()
            path = self._store.blobs.path(job["blob"])
            if not await asyncio.to_thread(path.exists):
                raise NotFound("the file is no longer kept", reason="file_gone")
            file = self._file = _File(job["id"], job["done_rows"], plain_rows(path))
            await asyncio.to_thread(_skip, file.rows, job["done_rows"])
        rows = file.rows
        # Until the commit the file is ahead of the job: whatever ends the batch early, it is opened anew.
        file.at = -1
        return await asyncio.to_thread(lambda: list(itertools.islice(rows, self._batch)))

    async def _fail(self, job_id: UUID, why: str) -> int:
        self._close()
        async with self._store.pool.acquire() as connection, connection.transaction():
            job = await connection.fetchrow(SQL.lock_job, job_id)
            if job is None:
                return 0
            await connection.execute(SQL.fail, job_id, why)
            await connection.execute(SQL.release_blob, job["blob"])
            return await _tell(connection, job_id)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(ValueError):  # a thread still reads it: it is closed with its last row
                file.rows.close()


def _skip(rows: Generator[tuple[int, list[str]], None, None], count: int) -> None:
    for _ in itertools.islice(rows, count):
        pass


async def _tell(connection: Connection, job_id: UUID) -> int:
    job = await get_import(connection, job_id)
    return await append_events(
        connection, [NewEvent("import.progress", audience(agents=[job.created_by]), {"import": job})]
    )


async def reading_of(
    connection: Connection, columns: Sequence[str], document: dict[str, Any], options: Options, region: str
) -> Reading:
    """How the rows of a job are read, with the fields and agents of now."""
    fields = await active_fields(connection)
    mapping = document.get("columns", {})
    targets = [mapping.get(column, "") for column in columns]
    known = ["" if target.startswith("custom.") and target[7:] not in fields else target for target in targets]
    return Reading(known, options, fields, await _agents(connection), region)


async def _agents(connection: Connection) -> dict[str, UUID]:
    """Login or name, folded; a name that two bear is nobody's."""
    found: dict[str, UUID | None] = {}
    rows = await connection.fetch(SQL.agents)
    for row in rows:
        name = " ".join(row["name"].split()).casefold()
        found[name] = None if name in found else row["id"]
    known = {name: agent_id for name, agent_id in found.items() if agent_id is not None}
    return known | {row["login"].casefold(): row["id"] for row in rows}


def read_rows(raw: Sequence[tuple[int, list[str]]], reading: Reading) -> tuple[list[Row], list[Refused]]:
    """Rows that can be used, and the others with their reasons."""
    rows: list[Row] = []
    refused: list[Refused] = []
    for number, cells in raw:
        try:
            rows.append(read_row(number, cells, reading))
        except BadRequest as error:
            refused.append(Refused(number, str(error), cells))
    return rows, refused
