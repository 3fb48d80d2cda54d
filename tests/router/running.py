"""Parts of a worker at work on a test's database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import aiohttp
import pytest

from connectors import registry
from router.channels import Channels, add_channel, change_settings
from router.fetchers import Fetchers
from storage.bus import Topic
from storage.store import Store


class Part(Protocol):
    async def run(self) -> None: ...


async def until(condition: Callable[[], Awaitable[bool]], *, timeout_s: float = 20) -> None:
    """Waits for a condition that only the database or a server knows."""
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(*parts: Part) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Each in a task, cancelled and awaited at the end."""
    tasks = [asyncio.create_task(part.run()) for part in parts]
    try:
        yield tasks
    finally:
        await stop(*tasks)


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()):
            raise error


@dataclass
class Site:
    """A store with its channels, kept fresh, and a session for connectors."""

    store: Store
    channels: Channels
    http: aiohttp.ClientSession

    async def channel(self, connector: str, **values: object) -> UUID:
        async with self.store.pool.acquire() as c:
            found, _ = await add_channel(c, self.store.vault, connector=connector, name="Channel", values=values)
        await self.channels.refresh()
        return found

    async def change(self, channel_id: UUID, *, state: str = "active", **values: object) -> None:
        """As an administrator would."""
        async with self.store.pool.acquire() as c, c.transaction():
            await change_settings(c, self.store.vault, channel_id, values)
            await c.execute("UPDATE channel SET state = $2 WHERE id = $1", channel_id, state)
        self.store.bus.notify(Topic.CHANNELS)

    def fetchers(self) -> Fetchers:
        return Fetchers(self.store, self.channels, self.http)

    async def value(self, query: str, *arguments: object) -> Any:
        return await self.store.pool.fetchval(query, *arguments)

    async def becomes(self, query: str, wanted: object, *arguments: object, timeout_s: float = 20) -> None:
        """Waits until the query's one value is the wanted one."""

        async def is_so() -> bool:
            return bool(await self.value(query, *arguments) == wanted)

        await until(is_so, timeout_s=timeout_s)

    async def events(self, type_: str) -> list[dict[str, Any]]:
        rows = await self.store.pool.fetch(
            "SELECT data::jsonb AS data, audience FROM event WHERE type = $1 ORDER BY id", type_
        )
        return [row["data"] | {"audience": row["audience"]} for row in rows]


@asynccontextmanager
async def site(store: Store) -> AsyncIterator[Site]:
    """On an open store; the scripted connector `listening` is there as well."""
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setitem(registry.MODULES, "listening", "tests.router.listening")
        http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()))
        channels = Channels(store)
        await channels.refresh()
        await stack.enter_async_context(running(channels))
        yield Site(store, channels, http)
