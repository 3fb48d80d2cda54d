"""The worker's part of erasures: batch after batch, behind live messages, until each certificate is complete."""

from __future__ import annotations

import asyncio

import structlog

from config.errors import HubError
from storage.bus import Topic
from storage.db import DATABASE_ERRORS
from storage.erasure import BATCH, SCAN, Batch, erase_batch
from storage.events import NewEvent, append_events
from storage.store import Store

log = structlog.get_logger()
LOOK_S = 5.0
REST_S = 0.1


class Erasing:
    """`batch`: rows emptied in one transaction, `scan`: rows looked through."""

    def __init__(self, store: Store, *, batch: int = BATCH, scan: int = SCAN) -> None:
        self._store = store
        self._batch = batch
        self._scan = scan

    async def run(self) -> None:
        """Until cancelled."""
        failing = False
        while True:
            try:
                worked = await self.step() is not None
            except (HubError, *DATABASE_ERRORS) as error:
                if not failing:
                    log.warning("erasing_failing", error=type(error).__name__)
                failing, worked = True, False
            else:
                failing = False
            await asyncio.sleep(REST_S if worked else LOOK_S)

    async def step(self) -> Batch | None:
        """One batch. None: nothing is to be erased now."""
        event_id = 0
        async with self._store.pool.acquire() as connection, connection.transaction():
            done = await erase_batch(connection, self._store.blobs, batch=self._batch, scan=self._scan)
            if done is not None and done.done:
                data = {"contact_id": done.card_id, "erasure_id": done.erasure_id, "done": True}
                event_id = await append_events(connection, [NewEvent("contact.erased", [], data)])
        if event_id:
            log.info("contact_erased", erasure_id=str(done.erasure_id) if done else "")
            self._store.bus.notify(Topic.EVENTS, event_id)
        return done
