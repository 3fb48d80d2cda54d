"""Tells clients that somebody writes to them, where the channel can show it. Best effort: nothing of it is kept, nobody
waits for it, and what fails is not tried again.

It runs in the web process that heard the page, so that of several processes one tells.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from uuid import UUID

import aiohttp
import structlog

from connectors.items import Address
from router.channels import Channels
from router.ios import Ios
from router.outbound.provider import show_typing
from storage.db import DATABASE_ERRORS
from storage.store import Store

log = structlog.get_logger()

EVERY_S = 4.0
"""Messengers show it for about five seconds."""
WAITING = 200
PARALLEL = 4
ACQUIRE_S = 5.0

_TO = """
SELECT c.channel_id, c.thread_key, i.kind, i.value, i.scope, i.name
FROM conversation AS c JOIN identity AS i ON i.id = c.identity_id
WHERE c.id = $1 AND i.blocked_at IS NULL
"""


class ClientTyping:
    """`say` never waits; `run` until cancelled. Of too many that wait the oldest are dropped: they are no longer true."""

    def __init__(self, store: Store, channels: Channels, http: aiohttp.ClientSession) -> None:
        self._store = store
        self._channels = channels
        self._ios = Ios(http, store.settings.base_url)
        self._said_at: dict[UUID, float] = {}
        self._waiting: deque[UUID] = deque(maxlen=WAITING)
        self._woken = asyncio.Semaphore(0)

    def say(self, conversation_id: UUID) -> None:
        """Somebody writes in this conversation now."""
        now = time.monotonic()
        if now - self._said_at.get(conversation_id, float("-inf")) < EVERY_S:
            return
        if len(self._said_at) > 10 * WAITING:
            self._said_at = {key: at for key, at in self._said_at.items() if now - at < EVERY_S}
        self._said_at[conversation_id] = now
        self._waiting.append(conversation_id)
        self._woken.release()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(PARALLEL):
                    tasks.create_task(self._work(), name="typing")
        finally:
            await self._ios.aclose()

    async def _work(self) -> None:
        while True:
            await self._woken.acquire()
            if not self._waiting:
                continue  # dropped since
            try:
                await self._show(self._waiting.popleft())
            except DATABASE_ERRORS as error:
                log.debug("typing_not_shown", error=type(error).__name__)

    async def _show(self, conversation_id: UUID) -> None:
        async with self._store.pool.acquire(timeout=ACQUIRE_S) as connection:
            row = await connection.fetchrow(_TO, conversation_id)
        channel = self._channels.get(row["channel_id"]) if row is not None else None
        if row is None or channel is None or channel.state != "active" or not channel.connector.capabilities.typing:
            return
        to = Address(row["kind"], row["value"], row["scope"], row["name"])
        await show_typing(channel, self._ios.of(channel), to, row["thread_key"])
