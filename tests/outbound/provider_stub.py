"""A provider that records every request, and what a test needs around it: channel, clients, replies."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import web

from router.channels import Channels, add_channel
from router.outbound.replies import NewReply, Queued, queue_reply
from router.outbound.sender import Sender
from storage.bus import Topic
from storage.store import Store

Script = Callable[[dict[str, Any]], Awaitable[dict[str, Any] | None]]


class Provider:
    """`script` decides an answer (None: the plain one with a new id); `received` is all that reached us, in order."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.history: dict[str, dict[str, Any]] = {}
        self.script: Script | None = None
        self.open = asyncio.Event()
        self.open.set()
        self._numbers = count(1)
        self.url = ""

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in self.received]

    async def _send(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.received.append(body)
        await self.open.wait()
        answer = await self.script(body) if self.script is not None else None
        return web.json_response(answer or {"ids": [f"p{next(self._numbers)}"]})

    async def _history(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body["id"])
        return web.json_response(self.history.get(body["id"], {"error": "in_doubt"}))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Provider]:
        app = web.Application()
        app.add_routes([web.post("/send", self._send), web.post("/history", self._history)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            self.open.set()
            await runner.cleanup()

    def answers(self, *script: dict[str, Any] | None) -> None:
        """The first requests get these answers in turn, the later ones the plain one."""
        left = deque(script)

        async def next_answer(_body: dict[str, Any]) -> dict[str, Any] | None:
            return left.popleft() if left else None

        self.script = next_answer


@dataclass
class Hub:
    """One channel of the scripted connector, and its clients."""

    store: Store
    channels: Channels
    channel_id: UUID
    provider: Provider
    redis_url: str
    lease_s: float = 30.0
    _numbers: count[int] = field(default_factory=lambda: count(1))

    async def client(
        self, value: str = "", *, channel_id: UUID | None = None, last_in_at: datetime | None = None
    ) -> UUID:
        """A new client with an open conversation; returns the conversation."""
        value = value or f"client{next(self._numbers)}"
        async with self.store.pool.acquire() as c, c.transaction():
            contact: UUID = await c.fetchval("SELECT uuidv7()")
            await c.execute("INSERT INTO contact (id, card_id, name) VALUES ($1, $1, $2)", contact, value)
            identity = await c.fetchval(
                "INSERT INTO identity (kind, value, contact_id) VALUES ('scripted', $1, $2) RETURNING id",
                value,
                contact,
            )
            found: UUID = await c.fetchval(
                "INSERT INTO conversation (channel_id, thread_key, contact_id, identity_id, last_in_at, unread)"
                " VALUES ($1, $2, $3, $4, $5, 3) RETURNING id",
                channel_id or self.channel_id,
                value,
                contact,
                identity,
                last_in_at or datetime.now(UTC),
            )
        return found

    async def reply(self, conversation: UUID, text: str = "", **more: Any) -> Queued:
        async with self.store.pool.acquire() as c, c.transaction():
            reply = NewReply(conversation, text=text, **more)
            queued = await queue_reply(c, reply, datetime.now(UTC))
        self.store.bus.notify(Topic.OUTBOUND)
        return queued

    async def queued(self, conversation: UUID, text: str = "", **more: Any) -> UUID:
        """The same, the outbound's id alone."""
        found = await self.reply(conversation, text, **more)
        assert found.outbound_id is not None
        return found.outbound_id

    async def row(self, outbound_id: UUID) -> asyncpg.Record:
        found = await self.store.pool.fetchrow("SELECT * FROM outbound WHERE id = $1", outbound_id)
        assert found is not None
        return found

    async def state(self, outbound_id: UUID) -> str:
        return str((await self.row(outbound_id))["state"])

    async def becomes(self, outbound_id: UUID, *states: str) -> asyncpg.Record:
        """Waits until the row is in one of the states."""

        async def there() -> bool:
            return await self.state(outbound_id) in states

        await until(there)
        return await self.row(outbound_id)

    async def verdicts(self, outbound_id: UUID) -> list[str]:
        rows = await self.store.pool.fetch(
            "SELECT verdict FROM outbound_attempt WHERE outbound_id = $1 ORDER BY id", outbound_id
        )
        return [row["verdict"] for row in rows]

    async def events(self, type_: str) -> list[dict[str, Any]]:
        """`data` of the events of that type, as written."""
        rows = await self.store.pool.fetch("SELECT data::jsonb AS data FROM event WHERE type = $1 ORDER BY id", type_)
        return [row["data"] for row in rows]

    @asynccontextmanager
    async def sending(self, *, redis_url: str | None = None) -> AsyncIterator[asyncio.Task[None]]:
        """A sender at work; cancelled and awaited at the end."""
        url = self.redis_url if redis_url is None else redis_url
        sender = Sender(self.store, self.channels, redis_url=url, lease_s=self.lease_s)
        task = asyncio.create_task(sender.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and (error := task.exception()):
                raise error


async def until(condition: Callable[[], Awaitable[bool]], *, timeout_s: float = 20) -> None:
    """Waits for a condition that only the database or a process outside knows."""
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.01)


async def make_hub(store: Store, provider: Provider, redis_url: str) -> Hub:
    async with store.pool.acquire() as c:
        channel_id, _ = await add_channel(
            c, store.vault, connector="scripted", name="Scripted", values={"base_url": provider.url}
        )
    channels = Channels(store)
    await channels.refresh()
    return Hub(store, channels, channel_id, provider, redis_url)
