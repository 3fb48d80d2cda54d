"""Sending on one channel: claim, wait for a permit, mark, send, record; one loop, and a task for each message in flight.

No connection to the database is held while a provider is waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import aiohttp
import structlog

from config.errors import InDoubt, SendError
from connectors.base import Class, Io, Limits
from router.channels import Channel, Channels
from router.outbound.claims import (
    Held,
    Lease,
    claim,
    claim_doubtful,
    mark_sending,
    note_unsettled,
    release,
    renew,
)
from router.outbound.limits import Throttle
from router.outbound.outcomes import Outcome, classify, note_alive, record, sent, surely_not, unreachable, unsent
from router.outbound.provider import Provider, guarded
from router.outbound.states import clean
from storage.bus import Signal, Topic
from storage.db import DATABASE_ERRORS
from storage.store import Store

log = structlog.get_logger()

IDLE_S = 1.0
TROUBLE_S = 1.0
DRAIN_S = 10.0
ALIVE_S = 5.0
SETTLE_SWEEP_S = 5.0
ACQUIRE_S = 10.0
PERMIT_MAX_S = 0.5
"""The longest we rest on a permit's word: a pause may end sooner, and a live message may come."""


@dataclass(frozen=True)
class Shared:
    """What all channels' senders of a process have in common. `worker`: names this process in claims."""

    store: Store
    channels: Channels
    throttle: Throttle
    http: Callable[[], aiohttp.ClientSession]
    worker: str
    lease_s: float
    stopping: asyncio.Event


class ChannelSender:
    """`nudge` tells it that something is due. It ends when its channel is no longer active, or with `stopping`."""

    def __init__(self, shared: Shared, channel: Channel) -> None:
        self._shared = shared
        self._channel = channel
        self._wake = Signal()
        self._hungry = True
        self._batch = 0
        self._hand: list[Held] = []
        self._flying: dict[UUID, tuple[Held, asyncio.Task[None]]] = {}
        self._done: list[Outcome] = []
        self._renewed_at = time.monotonic()
        self._alive_at = 0.0
        self._in_trouble = False
        self._broken = False
        self._log = log.bind(channel_id=str(channel.id))

    def nudge(self) -> None:
        self._hungry = True
        self._wake.set()

    def wake(self) -> None:
        """Looks again whether to go on."""
        self._wake.set()

    async def run(self) -> None:
        """Until the channel or the process is to stop; then hands back what was not begun and awaits what was."""
        async with guarded(self._shared.http()) as http, asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._provider = self._call(http)
            try:
                settling = tasks.create_task(self._settle_loop(), name=f"settle {self._channel.id}")
                while not self._is_over(http):
                    await self._wake.wait(await self._guarded(self._turn))
                settling.cancel()
                await self._drain()
            finally:
                await self._provider.io.aclose()

    def _call(self, http: aiohttp.ClientSession) -> Provider:
        store = self._shared.store
        return Provider(
            self._channel,
            Io(http=http, public_url=store.settings.base_url, timeout_s=self._channel.connector.limits.send_s),
            store.blobs,
        )

    def _is_over(self, http: aiohttp.ClientSession) -> bool:
        now = self._shared.channels.get(self._channel.id)
        if self._broken or self._shared.stopping.is_set() or now is None or now.state != "active":
            return True
        if now.version != self._channel.version:
            self._channel = now
            self._provider.io.close()
            self._provider = self._call(http)
        return False

    async def _guarded(self, step: Callable[[], Awaitable[float]]) -> float:
        """One step; a database away costs a pause, never what is in our memory."""
        try:
            pause = await step()
        except DATABASE_ERRORS as error:
            if not self._in_trouble:
                self._log.warning("sending_interrupted", error=type(error).__name__)
            self._in_trouble = True
            return TROUBLE_S
        if self._in_trouble:
            self._log.info("sending_resumed")
        self._in_trouble = False
        return pause

    async def _turn(self) -> float:
        await self._record()
        if self._broken:
            return 0.0
        await self._renew()
        await self._claim()
        return await self._start()

    # ------------------------------------------------------------ claiming

    @property
    def _limits(self) -> Limits:
        return self._channel.connector.limits

    async def _claim(self) -> None:
        """Live messages always find room in our hand; bulk takes no more of it than could be sent at once."""
        parallel = self._limits.parallel
        for max_class, most in ((Class.LIVE, 2 * parallel), (Class.BULK, parallel)):
            room = most - len(self._hand)
            if not self._hungry or room <= 0:
                continue
            taken = await self._take(room, max_class)
            if max_class == Class.BULK and taken < room:
                self._hungry = False

    async def _take(self, limit: int, max_class: Class) -> int:
        shared = self._shared
        self._batch += 1
        steady, wall = time.monotonic(), time.time()
        async with shared.store.pool.acquire(timeout=ACQUIRE_S) as connection:
            claims = await claim(
                connection,
                self._channel.id,
                token=f"{shared.worker}:{self._channel.id}:{self._batch}",
                limit=limit,
                max_class=max_class,
                lease_s=shared.lease_s,
            )
        self._done += [unreachable(c) for c in claims if c.unreachable]
        if self._done:
            self._wake.set()
        self._hand += [Held(c, Lease(shared.lease_s, steady, wall)) for c in claims if not c.unreachable]
        return len(claims)

    async def _renew(self) -> None:
        if time.monotonic() - self._renewed_at < self._shared.lease_s / 3:
            return
        held = [*self._hand, *(held for held, _ in self._flying.values())]
        steady, wall = time.monotonic(), time.time()
        if held:
            async with self._shared.store.pool.acquire(timeout=ACQUIRE_S) as connection:
                ours = await renew(connection, [h.claim for h in held], lease_s=self._shared.lease_s)
            for one in held:
                if one.claim.id in ours:
                    one.lease.extend(steady, wall)
            self._hand = [h for h in self._hand if h.claim.id in ours]
        self._renewed_at = steady

    # ------------------------------------------------------------ sending

    async def _start(self) -> float:
        """Marks and starts what may go now, live first; returns seconds until something else may."""
        go, wait_s = await self._permitted()
        if not go:
            return wait_s
        async with self._shared.store.pool.acquire(timeout=ACQUIRE_S) as connection:
            marked = await mark_sending(connection, [h.claim for h in go], lease_s=self._shared.lease_s)
            lost = [h.claim for h in go if h.claim.id not in marked]
            if lost:
                await release(connection, lost)
        chosen = {h.claim.id for h in go}
        self._hand = [h for h in self._hand if h.claim.id not in chosen]
        for held in go:
            if held.claim.id in marked:
                task = self._tasks.create_task(self._send(held), name=f"send {held.claim.id}")
                self._flying[held.claim.id] = (held, task)
        return wait_s

    async def _permitted(self) -> tuple[list[Held], float]:
        go: list[Held] = []
        wait_s = IDLE_S
        parallel = self._limits.parallel
        for held in sorted(self._hand, key=lambda h: (h.claim.klass, h.claim.id)):
            # One slot is kept for a live message, which must not wait until a slow bulk message is through.
            slots = parallel if held.claim.klass == Class.LIVE else max(1, parallel - 1)
            if len(self._flying) + len(go) >= slots:
                break
            permit = await self._shared.throttle.take(self._channel.id, held.claim.thread_key, self._limits)
            if permit.wait_s <= 0:
                go.append(held)
                continue
            wait_s = min(wait_s, permit.wait_s, PERMIT_MAX_S)
            if permit.scope == "channel":
                break
        return go, wait_s

    async def _send(self, held: Held) -> None:
        """One message. Whatever happens becomes an outcome; only a cancelled shutdown leaves none."""
        outcome = await self._try(held) if held.lease.holds() else unsent(held.claim)
        if outcome.pause_s:
            await self._shared.throttle.pause(self._channel.id, outcome.pause_s)
        self._done.append(outcome)
        self._flying.pop(held.claim.id, None)
        self._wake.set()

    async def _try(self, held: Held) -> Outcome:
        started, version = time.monotonic(), self._channel.version
        answer = await self._provider.send(held)
        took_ms = int((time.monotonic() - started) * 1000)
        if isinstance(answer, SendError):
            self._log.info("outbound_refused", outbound_id=str(held.claim.id), verdict=answer.code, took_ms=took_ms)
            return replace(classify(held.claim, answer, took_ms, datetime.now(UTC)), channel_version=version)
        self._log.info("outbound_sent", outbound_id=str(held.claim.id), took_ms=took_ms)
        return sent(held.claim, answer, took_ms)

    # ------------------------------------------------------------ recording

    async def _record(self) -> None:
        batch, self._done = self._done, []
        if not batch:
            return
        store = self._shared.store
        try:
            async with store.pool.acquire(timeout=ACQUIRE_S) as connection:
                async with connection.transaction():
                    recorded = await record(connection, batch)
                if any(o.state == "sent" for o in batch) and time.monotonic() - self._alive_at > ALIVE_S:
                    self._alive_at = time.monotonic()
                    await note_alive(connection, self._channel.id)
        except DATABASE_ERRORS:
            self._done = batch + self._done
            raise
        self._hungry = True
        if recorded.event_id:
            store.bus.notify(Topic.EVENTS, recorded.event_id)
        if recorded.broken:
            self._broken = True
            self._log.error("channel_broken")
            store.bus.notify(Topic.CHANNELS)
            await self._shared.channels.refresh()

    # ------------------------------------------------------------ stopping

    async def _drain(self) -> None:
        end = time.monotonic() + DRAIN_S
        await self._guarded(self._hand_back)
        while self._flying and (left := end - time.monotonic()) > 0:
            tasks = [task for _, task in self._flying.values()]
            await asyncio.wait(tasks, timeout=min(left, 1.0), return_when=asyncio.FIRST_COMPLETED)
            await self._guarded(self._drain_step)
        for held, task in list(self._flying.values()):
            task.cancel()
            self._done.append(classify(held.claim, InDoubt("stopped before the answer came"), 0, datetime.now(UTC)))
        self._flying.clear()
        await self._guarded(self._drain_step)

    async def _hand_back(self) -> float:
        if self._hand:
            async with self._shared.store.pool.acquire(timeout=ACQUIRE_S) as connection:
                await release(connection, [held.claim for held in self._hand])
        self._hand = []
        return 0.0

    async def _drain_step(self) -> float:
        await self._record()
        await self._renew()
        return 0.0

    # ------------------------------------------------------------ settling

    async def _settle_loop(self) -> None:
        """Asks the provider what became of messages in doubt, where it can tell."""
        while self._channel.connector.settle is not None:
            with suppress(*DATABASE_ERRORS):
                await self._settle()
            await asyncio.sleep(SETTLE_SWEEP_S)

    async def _settle(self) -> None:
        store = self._shared.store
        async with store.pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction():
            doubtful = await claim_doubtful(connection, self._channel.id, limit=self._limits.parallel)
        for claimed in doubtful:
            answer = await self._provider.settle(claimed)
            if isinstance(answer, SendError):
                async with store.pool.acquire(timeout=ACQUIRE_S) as connection:
                    await note_unsettled(connection, [claimed], clean(str(answer)))
                continue
            self._done.append(surely_not(claimed) if answer is None else sent(claimed, answer, 0, settles=True))
            self._wake.set()
