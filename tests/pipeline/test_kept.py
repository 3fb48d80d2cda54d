"""Entries not done outlive their partition: they are processed as if it were there (P5)."""

from __future__ import annotations

import os

from router.sweeps import remove_old
from storage.db import RawConnection
from storage.store import Store
from tests.conftest import Database
from tests.pipeline.pipe import Pipe, flowing, message
from tests.router.running import running
from tests.storage.aging import WIDTH, Aging, narrowed

PADDING = "x" * 300_000


async def _aged(old: Aging, pipe: Pipe) -> list[int]:
    """A payload in a row and one in a blob, neither done, in a partition that is past its time; without a worker."""
    for number, more in ((1, {}), (2, {"padding": PADDING})):
        await pipe.writer.keep(pipe.entry(message(number, f"message {number}", chat=number) | more))
    ids = await old.ids("SELECT id FROM journal ORDER BY id")
    await old.receive(*["done"] * WIDTH)
    await old.grow_old()
    for sha256 in await old.db.fetch("SELECT blob FROM journal WHERE blob IS NOT NULL"):
        os.utime(old.blobs.path(sha256["blob"]), (1, 1))
    return ids


async def test_what_waited_is_processed(store: Store, database: Database, db: RawConnection) -> None:
    """No worker for longer than the journal is kept: what waits then is processed when there is one."""
    old = await narrowed(database, db)
    async with flowing(store, working=False) as pipe:
        await _aged(old, pipe)
        await remove_old(store)
        assert not await old.exists("journal_p0")
        async with running(pipe.worker):
            await pipe.done()
        assert await pipe.texts() == ["message 1", "message 2"]
        assert await old.db.fetchval("SELECT count(*) FROM journal_result WHERE state = 'failed'") == 0


async def test_what_failed_can_be_replayed(store: Store, database: Database, db: RawConnection) -> None:
    """Entries that failed long ago are replayed from where they are kept, once."""
    old = await narrowed(database, db)
    async with flowing(store, working=False) as pipe:
        ids = await _aged(old, pipe)
        for entry_id in ids:
            await old.finish(entry_id, "failed")
        await remove_old(store)
        assert not await old.exists("journal_p0")
        async with running(pipe.worker):
            await pipe.replay(*ids)
            await pipe.replay(*ids)
        assert await pipe.texts() == ["message 1", "message 2"]
        assert await old.ids("SELECT entry_id FROM journal_result WHERE state = 'done' AND entry_id < 10") == ids
