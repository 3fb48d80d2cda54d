"""/healthz (the process lives), /readyz (it can keep and process, or says why not), /metrics."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Protocol

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from config.settings import Settings
from storage.db import DATABASE_ERRORS
from storage.journal import JournalWriter
from storage.locks import Lock
from storage.store import Store

DISK_S = 5.0
SOON = (
    '<!doctype html><html lang="ru"><meta charset="utf-8"><meta http-equiv="refresh" content="2">'
    "<title>Switchboard</title><h1>Switchboard запускается…</h1><p>Страница откроется сама. · Starting, one moment.</p></html>"
)
"""For a person who was quicker than the hub: his browser asks again by itself."""

SOON_HEADERS = {"Retry-After": "2", "Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'"}

LAG = """
SELECT coalesce(extract(epoch FROM now() - min(coalesce(j.received_at, k.received_at))), 0)::float8 AS lag_s,
    count(*) AS waiting
FROM (SELECT entry_id FROM journal_todo ORDER BY class, entry_id LIMIT 1000) AS t
LEFT JOIN journal AS j ON j.id = t.entry_id LEFT JOIN journal_kept AS k ON k.id = t.entry_id
"""


OWNED = """
SELECT count(*) AS lanes, count(DISTINCT pid) AS owners FROM pg_locks
WHERE locktype = 'advisory' AND classid = $1 AND objsubid = 2 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def free_bytes(folder: Path) -> int:
    """Free space where the folder is or would be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


async def watch_disk(writer: JournalWriter, settings: Settings) -> None:
    """Until cancelled: below the reserve nothing more is accepted, so that what was accepted can be finished."""
    while True:
        free = await asyncio.to_thread(free_bytes, settings.data_dir)
        writer.has_room = free >> 20 >= settings.disk_reserve_mb
        await asyncio.sleep(DISK_S)


class EngineSight(Protocol):
    """What /readyz wants to know of the engines."""

    @property
    def state(self) -> object: ...


class Status:
    """One process's view of itself."""

    def __init__(self, engines: EngineSight) -> None:
        self._engines = engines
        self._store: Store | None = None
        self._writer: JournalWriter | None = None
        self.draining = False
        self._registry = CollectorRegistry()
        self._lag = Gauge("hub_lane_lag_seconds", "Age of the oldest entry that waits", registry=self._registry)
        self._waiting = Gauge("hub_lane_waiting", "Entries that wait, counted to 1000", registry=self._registry)
        self._lanes = Gauge("hub_lanes_owned", "Live lanes that a worker has, of 256", registry=self._registry)
        self._owners = Gauge("hub_lane_owners", "Live owners of lanes, of all workers", registry=self._registry)
        self._up = Gauge("hub_started_at_seconds", "Unix time of the start", registry=self._registry)
        self._up.set(time.time())

    def ready_parts(self, store: Store) -> None:
        self._store = store

    def add_to(self, app: web.Application, writer: JournalWriter) -> None:
        self._writer = writer
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/readyz", self.readyz)
        app.router.add_get("/metrics", self.metrics)

    async def healthz(self, _request: web.BaseRequest) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(self, _request: web.BaseRequest) -> web.Response:
        """200 when payloads can be kept; the detail names each part and how far the worker is behind."""
        detail: dict[str, object] = {name: str(value) for name, value in vars(self._engines.state).items()}
        why = "starting" if self._store is None else None
        if self.draining:
            why = "draining"
        if self._store is not None:
            detail["redis"] = "connected" if self._store.bus.connected else "away: work goes on by sweeps"
            try:
                row = await self._store.pool.fetchrow(LAG, timeout=3)
                detail["lane_lag_s"] = round(row["lag_s"], 3) if row else 0.0
                detail["waiting"] = row["waiting"] if row else 0
            except DATABASE_ERRORS as error:
                why = f"the database does not answer ({type(error).__name__})"
            detail["disk_free_mb"] = free_bytes(self._store.settings.data_dir) >> 20
            if self._writer is not None and not self._writer.has_room:
                why = "the disk's reserve is reached"
            if self._writer is not None and not self._writer.connected and why is None:
                why = "the journal is not connected"
        if why is not None:
            detail["why"] = why
        return web.json_response({"ready": why is None, **detail}, status=200 if why is None else 503)

    async def metrics(self, _request: web.Request) -> web.Response:
        if self._store is not None:
            try:
                row = await self._store.pool.fetchrow(LAG, timeout=3)
                self._lag.set(row["lag_s"] if row else 0)
                self._waiting.set(row["waiting"] if row else 0)
                row = await self._store.pool.fetchrow(OWNED, Lock.LANE, timeout=3)
                self._lanes.set(row["lanes"] if row else 0)
                self._owners.set(row["owners"] if row else 0)
            except DATABASE_ERRORS:
                self._lag.set(float("nan"))
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class StartingUp:
    """The answers of a hub that is not there yet."""

    def __init__(self, status: Status) -> None:
        self._status = status

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/healthz":
            return await self._status.healthz(request)
        if request.path == "/readyz":
            return await self._status.readyz(request)
        if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
            return web.Response(text=SOON, status=503, content_type="text/html", headers=SOON_HEADERS)
        return web.json_response({"error": "starting"}, status=503, headers={"Retry-After": "2"})
