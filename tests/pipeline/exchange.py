"""A PBX before a hub in one process: Mango's stand-in, real hooks, journal, worker and call desk on a test's database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
from aiohttp import web

from router.channels import Channel, Channels, add_channel
from router.directory import DirectoryCache
from router.media import MediaFetcher
from router.pbx import CallRouter
from router.worker import Worker
from simulator.mango import MangoSimulator
from storage.journal import JournalWriter, replay
from storage.staff import create_agent
from storage.store import Store
from webhooks.incoming.health import Health
from webhooks.incoming.hook import Hooks
from webhooks.incoming.problems import problems
from webhooks.incoming.routing import CallDesk

KEY = "hubtestvpbxkey00000000000000000a"
SALT = "hubtestvpbxsalt0000000000000000b"


@dataclass
class Exchange:
    """`sim` plays calls against the hook; the rest is the hub's side."""

    store: Store
    sim: MangoSimulator
    channel: Channel
    router: CallRouter
    http: aiohttp.ClientSession

    # ------------------------------------------------------------ staff and clients

    async def agent(
        self, name: str, extension: str = "", *, state: str = "online", channel: UUID | None = None
    ) -> UUID:
        async with self.store.pool.acquire() as connection:
            agent = await create_agent(connection, name, name)
            await connection.execute("INSERT INTO presence VALUES ($1, $2, '', now(), now())", agent, state)
            if extension:
                own = (channel or self.channel.id, extension, agent)
                await connection.execute("INSERT INTO agent_extension VALUES ($1, $2, $3)", *own)
        return agent

    async def queue(self, name: str, *members: UUID, default: bool = True) -> UUID:
        made: UUID = await self.store.pool.fetchval(
            "INSERT INTO queue (name, is_default, frt_s) VALUES ($1, $2, 600) RETURNING id", name, default
        )
        await self.store.pool.executemany("INSERT INTO queue_member VALUES ($1, $2)", [(made, m) for m in members])
        return made

    async def client(self, name: str, phone: str, owner: UUID | None = None) -> UUID:
        made: UUID = await self.store.pool.fetchval(
            "WITH new AS (SELECT uuidv7() AS id) INSERT INTO contact (id, card_id, name, owner_id)"
            " SELECT id, id, $1, $2 FROM new RETURNING id",
            name,
            owner,
        )
        await self.store.pool.execute(
            "INSERT INTO identity (kind, value, contact_id) VALUES ('phone', $1, $2)", phone, made
        )
        return made

    async def absent(self, agent: UUID, deputy: UUID | None) -> None:
        now = datetime.now(UTC)
        await self.store.pool.execute(
            "INSERT INTO absence (agent_id, from_at, until_at, deputy_id) VALUES ($1, $2, $3, $4)",
            agent,
            now - timedelta(hours=1),
            now + timedelta(days=1),
            deputy,
        )

    # ------------------------------------------------------------ what became of it

    async def done(self) -> None:
        """Until nothing waits to be understood."""
        async with asyncio.timeout(20):
            while await self.store.pool.fetchval("SELECT count(*) FROM journal_todo"):
                await asyncio.sleep(0.01)

    async def rows(self, query: str, *args: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.store.pool.fetch(query, *args)]

    async def one(self, query: str, *args: Any) -> dict[str, Any]:
        found = await self.rows(query, *args)
        assert len(found) == 1, found
        return found[0]

    async def until(self, query: str, *args: Any) -> asyncpg.Record:
        """The first row of the query, waited for."""
        async with asyncio.timeout(20):
            while True:
                row = await self.store.pool.fetchrow(query, *args)
                if row is not None:
                    return row
                await asyncio.sleep(0.02)

    async def call(self, entry: str) -> dict[str, Any]:
        """The call's row, with its conversation's and its interaction's."""
        await self.done()
        return await self.one(
            "SELECT c.*, v.status, v.assignee_id, v.queue_id, v.queued_at, v.assignment_reason, v.unread, v.contact_id,"
            " v.frt_due_at, v.thread_key, i.body, i.direction AS shown_direction, i.contact_id AS shown_contact"
            " FROM call c JOIN conversation v ON v.id = c.conversation_id JOIN interaction i ON i.id = c.interaction_id"
            " WHERE c.external_id = $1",
            entry,
        )

    async def replay_all(self) -> None:
        async with self.store.pool.acquire() as connection:
            entries = [row["id"] for row in await connection.fetch("SELECT id FROM journal")]
            await replay(connection, entries)
        await self.done()


@asynccontextmanager
async def exchanging(store: Store, sim: MangoSimulator, **settings: Any) -> AsyncIterator[Exchange]:
    """Everything running until the block ends; `settings`: of the channel."""
    values: dict[str, object] = {"api_key": KEY, "api_salt": SALT, "base_url": sim.base_url} | settings
    async with store.pool.acquire() as connection:
        channel_id, token = await add_channel(connection, store.vault, connector="mango", name="PBX", values=values)
    channels = Channels(store)
    await channels.refresh()
    directory = DirectoryCache(zone=store.settings.zone, ttl_s=0)
    writer = JournalWriter(store.url, store.bus, store.blobs)
    health = Health(store.pool)
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        router = CallRouter(store, directory)
        desk = CallDesk(router, http)
        app = web.Application(middlewares=[problems])
        Hooks(channels, writer, health, desk, "http://hub.example").add_to(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sim.hook = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks/{token}"
        worker = Worker(store, channels, directory)
        parts = (writer.run(), worker.run(), desk.run(), health.run(), MediaFetcher(store, channels, http).run())
        running = [tasks.create_task(part, name="exchange") for part in parts]
        async with asyncio.timeout(10):
            while not writer.connected:
                await asyncio.sleep(0.01)
        channel = channels.get(channel_id)
        assert channel is not None
        try:
            yield Exchange(store, sim, channel, router, http)
        finally:
            await runner.cleanup()
            for task in running:
                task.cancel()
