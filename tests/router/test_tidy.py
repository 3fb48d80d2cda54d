"""The search indexes' waiting lists are emptied beside the stream."""

from __future__ import annotations

import asyncio

from router.tidy import Tidy
from storage.bus import Topic
from storage.locks import Lock, Role
from storage.store import Store
from tests.router.running import running

FILL = """
INSERT INTO contact (id, card_id, name, sort_name)
SELECT id, id, 'Клиент ' || n, 'клиент ' || n
FROM (SELECT gen_random_uuid() AS id, n FROM generate_series(1, 500) AS n OFFSET 0) AS new
"""


async def fill(store: Store) -> None:
    """New rows, and the server's statistics told of them at once."""
    async with store.pool.acquire() as connection:
        # ANALYZE by autovacuum sorts them in as well: the server must not be quicker than we are.
        await connection.execute("ALTER TABLE contact SET (autovacuum_enabled = false)")
        await connection.execute(FILL)
        await connection.execute("SELECT pg_stat_force_next_flush()")
        await connection.execute("SELECT 1")


async def test_what_waits_is_sorted_in(store: Store) -> None:
    """After new rows there is something to do, and nothing afterwards; without a wake-up nobody looks."""
    tidy = Tidy(store)
    await fill(store)
    async with running(tidy):
        store.bus.notify(Topic.TODO)
        async with asyncio.timeout(10):
            while not tidy.pages:
                await asyncio.sleep(0.05)
    assert await tidy.tidy() == 0


async def test_one_at_a_time(store: Store) -> None:
    """While another worker is at it, this one has nothing to do."""
    await fill(store)
    async with store.pool.acquire() as other, other.transaction():
        await other.fetchval("SELECT pg_advisory_xact_lock($1, $2)", Lock.ROLE, Role.TIDY)
        assert await Tidy(store).tidy() == 0
