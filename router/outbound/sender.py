"""The way out of a process: a sender for each active channel, woken when rows are due, and the sweep over dead claims."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

import aiohttp
import structlog
from redis.asyncio import Redis

from router.channels import Channel, Channels
from router.outbound.channel_sender import ACQUIRE_S, DRAIN_S, ChannelSender, Shared
from router.outbound.claims import LEASE_S, take_back
from router.outbound.limits import Throttle
from router.outbound.receipts import sweep_pending
from storage.bus import Topic
from storage.db import DATABASE_ERRORS
from storage.events import append_events
from storage.store import Store

log = structlog.get_logger()

SWEEP_S = 1.0
PENDING_SWEEP_S = 10.0
RESTART_S = 2.0
REDIS_TIMEOUT_S = 1.0

_DUE = """
SELECT c.id FROM unnest($1::uuid[]) AS c(id)
WHERE EXISTS (SELECT FROM outbound AS o WHERE o.channel_id = c.id AND o.state = 'queued' AND o.next_at <= now())
"""


class Sender:
    """`http` makes a session for each channel; `redis_url` empty: this process counts the rates alone."""

    def __init__(
        self,
        store: Store,
        channels: Channels,
        http: Callable[[], aiohttp.ClientSession] = aiohttp.ClientSession,
        *,
        redis_url: str = "",
        lease_s: float = LEASE_S,
    ) -> None:
        self._store = store
        self._channels = channels
        self._http = http
        self._redis_url = redis_url
        self._lease_s = lease_s
        self._stopping = asyncio.Event()
        self._running: dict[UUID, tuple[ChannelSender, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Until cancelled: then claims nothing more, hands back, and gives messages in flight 10 s to end."""
        redis = self._redis()
        signal = self._store.bus.signal(Topic.OUTBOUND)
        try:
            shared = Shared(
                store=self._store,
                channels=self._channels,
                throttle=Throttle(redis),
                http=self._http,
                worker=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
                lease_s=self._lease_s,
                stopping=self._stopping,
            )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._sweep(), name="outbound sweep")
                try:
                    while True:
                        self._match_channels(tasks, shared)
                        await self._nudge_due()
                        await signal.wait(SWEEP_S)
                except asyncio.CancelledError:
                    await self._stop()
                    raise
        finally:
            self._store.bus.drop(Topic.OUTBOUND, signal)
            if redis is not None:
                await redis.aclose()

    def _redis(self) -> Redis | None:
        if not self._redis_url:
            return None
        redis: Redis = Redis.from_url(
            self._redis_url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
        )
        return redis

    def _match_channels(self, tasks: asyncio.TaskGroup, shared: Shared) -> None:
        for channel in self._channels.all():
            if channel.state == "active" and channel.connector.send is not None and channel.id not in self._running:
                sender = ChannelSender(shared, channel)
                task = tasks.create_task(self._supervise(sender, channel), name=f"send on {channel.id}")
                self._running[channel.id] = (sender, task)
        for channel_id, (sender, _) in self._running.items():
            current = self._channels.get(channel_id)
            if current is None or current.state != "active":
                sender.wake()

    async def _supervise(self, sender: ChannelSender, channel: Channel) -> None:
        """A channel whose sender fails is begun anew after a pause; the other channels do not notice."""
        try:
            await sender.run()
        except* Exception as group:  # noqa: BLE001 - a supervisor: one channel's fault must not stop the others
            names = sorted({type(error).__name__ for error in group.exceptions})
            log.error("channel_sender_failed", channel_id=str(channel.id), errors=names)
            with suppress(TimeoutError):
                async with asyncio.timeout(RESTART_S * random.uniform(0.8, 1.2)):
                    await self._stopping.wait()
        finally:
            self._running.pop(channel.id, None)

    async def _nudge_due(self) -> None:
        if not self._running:
            return
        try:
            rows = await self._store.pool.fetch(_DUE, list(self._running), timeout=ACQUIRE_S)
        except DATABASE_ERRORS:  # each channel's sender says so
            return
        for row in rows:
            if found := self._running.get(row["id"]):
                found[0].nudge()

    async def _stop(self) -> None:
        self._stopping.set()
        tasks: Sequence[asyncio.Task[None]] = [task for _, task in self._running.values()]
        for sender, _ in self._running.values():
            sender.wake()
        if tasks:
            await asyncio.wait(tasks, timeout=DRAIN_S + 2)

    async def _sweep(self) -> None:
        """Dead processes' claims every few seconds, receipts that missed their message a little more seldom."""
        clock = asyncio.get_running_loop().time
        pending_at = 0.0
        while True:
            try:
                await self._take_back()
                if clock() - pending_at >= PENDING_SWEEP_S:
                    pending_at = clock()
                    await self._join_pending()
            except DATABASE_ERRORS as error:
                log.warning("outbound_sweep_failed", error=type(error).__name__)
            await asyncio.sleep(min(5.0, self._lease_s / 3))

    async def _take_back(self) -> None:
        async with self._store.pool.acquire(timeout=ACQUIRE_S) as connection:
            self._tell(await take_back(connection))

    async def _join_pending(self) -> None:
        async with self._store.pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction():
            events = await sweep_pending(connection)
            event_id = await append_events(connection, events)
        self._tell(event_id)

    def _tell(self, event_id: int) -> None:
        if event_id:
            self._store.bus.notify(Topic.EVENTS, event_id)
