"""The hub's hooks over real HTTP in this process, with a real journal behind them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from router.channels import Channels, add_channel
from router.directory import DirectoryCache
from router.pbx import CallRouter
from storage.journal import JournalWriter
from storage.store import Store
from webhooks.incoming.health import Health
from webhooks.incoming.hook import Hooks
from webhooks.incoming.problems import problems
from webhooks.incoming.routing import CallDesk

ORIGIN = "https://shop.example"
LEAD = b'{"phone": "89161234567"}'


@dataclass
class Door:
    """`channel` adds one and gives its hook's address; `ask` calls it as a script of a page of `origin` does."""

    store: Store
    writer: JournalWriter
    http: aiohttp.ClientSession
    base: str

    async def channel(self, connector: str, **values: object) -> str:
        async with self.store.pool.acquire() as connection:
            _, token = await add_channel(connection, self.store.vault, connector=connector, name="C", values=values)
        return f"{self.base}hooks/{token}"

    async def ask(
        self, url: str, method: str = "POST", body: bytes = LEAD, *, origin: str = ORIGIN, key: str = ""
    ) -> tuple[int, Mapping[str, str]]:
        headers = {"Origin": origin, "Content-Type": "application/json"} | ({"X-Hub-Key": key} if key else {})
        async with self.http.request(method, url, data=BytesIO(body), headers=headers) as answer:
            await answer.read()
            return answer.status, answer.headers


@asynccontextmanager
async def open_door(store: Store) -> AsyncIterator[Door]:
    writer = JournalWriter(store.url, store.bus, store.blobs)
    app = web.Application(middlewares=[problems])
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        desk = CallDesk(CallRouter(store, DirectoryCache(zone=store.settings.zone)), http)
        Hooks(Channels(store), writer, Health(store.pool), desk, "https://hub.example").add_to(app)
        writing = tasks.create_task(writer.run())
        server = TestServer(app)
        await server.start_server(access_log=None)  # as the hub's own: a hook's address is in none
        try:
            async with asyncio.timeout(50):
                while not writer.connected:
                    await asyncio.sleep(0.01)
            yield Door(store, writer, http, str(server.make_url("/")))
        finally:
            await server.close()
            writing.cancel()
