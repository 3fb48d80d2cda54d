"""How each channel is doing: last received, refusals with their last 20 requests, silence. Written in the background,
so that neither a flood nor a slow database touches the way in.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from config.errors import HubError
from connectors.base import Payload
from router.channels import Channel
from storage.db import DATABASE_ERRORS, Pool
from storage.queries import load

log = structlog.get_logger()
SQL = load("health")
FLUSH_S = 1.0
KEPT_BYTES = 4096
KEPT_REFUSALS = 20


class _Refusal(NamedTuple):
    channel_id: UUID
    at: datetime
    status: int
    reason: str
    request: dict[str, Any]
    body: bytes


class Health:
    """Counters in memory; `run` writes them every second."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._received: dict[UUID, datetime] = {}
        self._refused: dict[UUID, int] = {}
        self._refusals: deque[_Refusal] = deque(maxlen=KEPT_REFUSALS * 10)

    def received(self, channel_id: UUID) -> None:
        self._received[channel_id] = datetime.now(UTC)

    def refused(self, channel: Channel, payload: Payload, error: HubError) -> None:
        """Headers are named, their values not kept. The body stays as it came: who shows it masks what is secret in it, as
        the journal's view does.
        """
        self._refused[channel.id] = self._refused.get(channel.id, 0) + 1
        request = {"method": payload.method, "path": payload.path, "headers": sorted(payload.headers)[:50]}
        self._refusals.append(
            _Refusal(
                channel.id, datetime.now(UTC), error.status, str(error)[:500], request, bytes(payload.body[:KEPT_BYTES])
            )
        )

    async def run(self) -> None:
        """Until cancelled; what could not be written stays for the next time."""
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except DATABASE_ERRORS as error:
                log.warning("health_not_written", error=type(error).__name__)

    async def flush(self) -> None:
        """Writes what has gathered."""
        received, refused, refusals = self._received, self._refused, list(self._refusals)
        if not received and not refused:
            return
        ids = list({*received, *refused})
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(SQL.record, ids, [received.get(i) for i in ids], [refused.get(i, 0) for i in ids])
            if refusals:
                await connection.execute(SQL.refusals, *(list(column) for column in zip(*refusals, strict=True)))
                await connection.execute(SQL.trim, list({r.channel_id for r in refusals}), KEPT_REFUSALS)
        self._received = {i: at for i, at in self._received.items() if received.get(i) != at}
        self._refused = {i: n - refused.get(i, 0) for i, n in self._refused.items() if n > refused.get(i, 0)}
        for _ in refusals:
            self._refusals.popleft()
