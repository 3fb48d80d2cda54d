"""Emptying the waiting lists of the search indexes, a little every second.

A GIN index gathers new rows in a list; whoever makes it overflow (4 MB, some six thousand messages) sorts it in, which
takes a tenth of a second and more: a batch of live messages would stand still for it. Source: PostgreSQL, "GIN Fast Update
Technique".
"""

from __future__ import annotations

import asyncio

import structlog

from storage.bus import Topic
from storage.db import DATABASE_ERRORS
from storage.locks import Lock, Role
from storage.store import Store

log = structlog.get_logger()
EVERY_S = 1.0
IDLE_S = 60.0
TIMEOUT_S = 20.0

_MINE = "SELECT pg_try_advisory_xact_lock($1, $2)"
_TIDY = """
SELECT sum(gin_clean_pending_list(i.indexrelid)) AS pages
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid AND c.relkind = 'i'
JOIN pg_am AS a ON a.oid = c.relam AND a.amname = 'gin'
JOIN pg_stat_user_tables AS s ON s.relid = i.indrelid AND s.n_ins_since_vacuum + s.n_mod_since_analyze > 0
WHERE pg_table_is_visible(i.indexrelid)
"""


class Tidy:
    """`pages`: how many have been sorted in."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._signal = store.bus.signal(Topic.TODO)
        self.pages = 0

    async def run(self) -> None:
        """Until cancelled, one worker of the installation at a time; at rest it only looks once a minute."""
        failing = False
        while True:
            await self._signal.wait(IDLE_S)
            await asyncio.sleep(EVERY_S)
            try:
                self.pages += await self.tidy()
            except DATABASE_ERRORS as error:
                if not failing:
                    log.warning("tidy_failed", error=type(error).__name__)
                failing = True
            else:
                failing = False

    async def tidy(self) -> int:
        """One pass. Returns the pages sorted in; none if another worker is at it."""
        async with self._store.pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(_MINE, Lock.ROLE, Role.TIDY, timeout=TIMEOUT_S):
                return 0
            return int(await connection.fetchval(_TIDY, timeout=TIMEOUT_S) or 0)
