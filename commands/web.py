"""The web process's application: hooks, status, API and page on one port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from router.channels import Channels
from router.directory import DirectoryCache
from storage.journal import JournalWriter
from storage.store import Store
from webhooks.incoming.health import Health
from webhooks.incoming.hook import Hooks
from webhooks.incoming.problems import problems
from webhooks.incoming.status import Status


def make_app(store: Store, channels: Channels, directory: DirectoryCache, status: Status) -> web.Application:
    """The application; its background tasks live from start-up to clean-up."""
    app = web.Application(middlewares=[problems], client_max_size=64 << 20)
    writer = JournalWriter(store.url, store.bus, store.blobs)
    health = Health(store.pool)
    Hooks(channels, writer, health, store.settings.base_url).add_to(app)
    status.add_to(app, writer)

    async def background(_app: web.Application) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(writer.run(), name="journal"),
                tasks.create_task(health.run(), name="health"),
            ]
            yield
            for task in running:
                task.cancel()

    app.cleanup_ctx.append(background)
    return app
