"""Wake-ups between the parts and processes of the hub, over Redis. They may be lost: every listener also sweeps.

A wake-up carries at most a number (the highest event id). Within a process it arrives without Redis. Beside them go
sayings: a few bytes that matter for seconds (who looks at what), kept nowhere and dropped while Redis is away.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from enum import StrEnum

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()
PREFIX = "hub:"
GATHER_S = 0.003
"""After a publishing the next one waits so long for company: under load one serves many commits."""
MAX_SAID = 2000
"""Sayings that wait to be published; of more the oldest are dropped."""


class Topic(StrEnum):
    EVENTS = "events"
    TODO = "todo"
    OUTBOUND = "outbound"
    QUEUE = "queue"
    CHANNELS = "channels"
    STAFF = "staff"
    MEDIA = "media"
    COPRESENCE = "copresence"


class Signal:
    """One listener's wake-up. Setting it twice before it is waited for wakes once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.value = 0

    def set(self, value: int = 0) -> None:
        self.value = max(self.value, value)
        self._event.set()

    async def wait(self, timeout_s: float) -> bool:
        """True if woken, False after the timeout; cleared either way."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Bus:
    """`run` keeps the connection; `notify` never waits and never fails."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._signals: dict[str, list[Signal]] = {}
        self._outgoing: dict[str, int] = {}
        self._handlers: dict[str, list[Callable[[bytes], None]]] = {}
        self._said: deque[tuple[str, bytes]] = deque(maxlen=MAX_SAID)
        self._flush = asyncio.Event()
        self.connected = False

    def signal(self, topic: Topic) -> Signal:
        """A new listener of a topic."""
        signal = Signal()
        self._signals.setdefault(topic, []).append(signal)
        return signal

    def drop(self, topic: Topic, signal: Signal) -> None:
        """Ends a listener."""
        self._signals.get(topic, []).remove(signal)

    def notify(self, topic: Topic, value: int = 0) -> None:
        """Wakes the listeners here at once, those elsewhere over Redis."""
        self._set(topic, value)
        self._outgoing[topic] = max(value, self._outgoing.get(topic, 0))
        self._flush.set()

    def hear(self, topic: Topic, handler: Callable[[bytes], None]) -> None:
        """Calls it with what is said on this topic by any process, this one too. It must neither wait nor raise."""
        self._handlers.setdefault(topic, []).append(handler)

    def say(self, topic: Topic, data: bytes) -> None:
        """To every process that hears it, over Redis; nobody hears it while Redis is away."""
        if self.connected:
            self._said.append((topic, data))
            self._flush.set()

    def _set(self, topic: str, value: int) -> None:
        for signal in self._signals.get(topic, ()):
            signal.set(value)

    async def run(self) -> None:
        """Until cancelled: one connection that publishes and one that listens, made anew whenever they break."""
        delay = 0.1
        while True:
            try:
                client = Redis.from_url(self._url, socket_timeout=5, socket_connect_timeout=5)
                try:
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(self._listen(client), name="bus listen")
                        tasks.create_task(self._publish(client), name="bus publish")
                finally:
                    await client.aclose()
            except* (RedisError, OSError, TimeoutError) as group:
                if self.connected:
                    log.warning("bus_down", error=type(group.exceptions[0]).__name__)
                self.connected = False
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))
            delay = 0.1 if self.connected else min(delay * 2, 2)

    async def _listen(self, client: Redis) -> None:
        async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.psubscribe(PREFIX + "*")
            if not self.connected:
                log.info("bus_up")
            self.connected = True
            for topic in list(self._signals):
                self._set(topic, 0)
            while _goes_on():
                message = await pubsub.get_message(timeout=2.5)
                if message is None:
                    await pubsub.ping()
                elif message["type"] == "pmessage":
                    self._receive(message["channel"], message["data"])

    def _receive(self, channel: bytes, data: bytes) -> None:
        topic = channel.decode(errors="replace").removeprefix(PREFIX)
        for handler in self._handlers.get(topic, ()):
            handler(data)
        if data.isdigit():
            self._set(topic, int(data[:18]))

    async def _publish(self, client: Redis) -> None:
        while _goes_on():
            await self._flush.wait()
            self._flush.clear()
            outgoing, self._outgoing = self._outgoing, {}
            said = list(self._said)
            self._said.clear()
            async with client.pipeline(transaction=False) as pipeline:
                for topic, value in outgoing.items():
                    pipeline.publish(PREFIX + topic, value)
                for topic, data in said:
                    pipeline.publish(PREFIX + topic, data)
                await pipeline.execute()
            await asyncio.sleep(GATHER_S)


def _goes_on() -> bool:
    """False once this task was cancelled: redis-py waits by `asyncio.wait_for`, which up to Python 3.11 may swallow a
    cancellation that meets its result.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return True
