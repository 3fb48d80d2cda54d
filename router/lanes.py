"""Which worker does which lanes: session advisory locks, at most a fair share each (P3).

The locks and the transactions that do the work share one connection: a lost lock is a lost transaction. Live entries and
bulk ones have owners of their own, so that the next live message never waits for a batch of receipts to end.
"""

from __future__ import annotations

import secrets
from math import ceil
from typing import NamedTuple

from storage.db import RawConnection
from storage.locks import LANES, Lock

_LIVING = """
SELECT DISTINCT classid::int4 AS roll, objid::int8 AS worker FROM pg_locks
WHERE locktype = 'advisory' AND classid = ANY ($1::int4[]) AND objsubid = 2 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_TAKE = """
SELECT lane FROM generate_series(0, $3 - 1) AS lane
WHERE lane <> ALL ($4::int[]) AND NOT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = lane AND objsubid = 2
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
ORDER BY (lane + $2::int8 * 97) % $3
"""


class Sort(NamedTuple):
    """One of the two sorts of owners: the namespace of its lanes, and the roll of those alive."""

    lane: Lock
    roll: Lock


LIVE = Sort(Lock.LANE, Lock.WORKER)
BULK = Sort(Lock.BULK_LANE, Lock.BULK_WORKER)


class Lanes:
    """The lanes of one owner on one connection. `living`: owners of both sorts."""

    def __init__(self, connection: RawConnection, sort: Sort) -> None:
        self._connection = connection
        self._sort = sort
        self.worker = secrets.randbelow(2**31 - 1)
        self.held: list[int] = []
        self.living: list[int] = []

    async def join(self) -> None:
        """Makes this owner known to the others."""
        await self._connection.execute("SELECT pg_advisory_lock($1, $2)", self._sort.roll, self.worker)

    async def balance(self) -> bool:
        """Gives up what is over the fair share, takes free lanes below it. True if anything changed.

        Called between batches: nothing of a lane given up is in hand.
        """
        rows = await self._connection.fetch(_LIVING, [LIVE.roll, BULK.roll])
        self.living = [row["worker"] for row in rows]
        equals = sum(row["roll"] == self._sort.roll for row in rows)
        share = ceil(LANES / max(1, equals))
        before = len(self.held)
        surplus, self.held = self.held[share:], self.held[:share]
        if surplus:
            await self._connection.execute(
                "SELECT pg_advisory_unlock($1, lane) FROM unnest($2::int[]) AS lane", self._sort.lane, surplus
            )
        elif len(self.held) < share:
            await self._take(share - len(self.held))
        return len(self.held) != before

    async def _take(self, wanted: int) -> None:
        free = await self._connection.fetch(_TAKE, self._sort.lane, self.worker % LANES, LANES, self.held)
        candidates = [row["lane"] for row in free][:wanted]
        if candidates:
            rows = await self._connection.fetch(
                "SELECT lane FROM unnest($2::int[]) AS lane WHERE pg_try_advisory_lock($1, lane)",
                self._sort.lane,
                candidates,
            )
            self.held += [row["lane"] for row in rows]
