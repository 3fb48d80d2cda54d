"""The web process's application: hooks, status, API and page on one port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, web

from inbox.api.deps import InboxDeps
from inbox.app import add_inbox
from inbox.live import Live
from inbox.page import add_page
from router.channels import Channels
from router.directory import DirectoryCache
from router.merging import join_cards, part_cards
from router.outbound.typing import ClientTyping
from router.pbx import CallRouter
from storage.bus import Topic
from storage.journal import JournalWriter, replay
from storage.store import Store
from webhooks.incoming.health import Health
from webhooks.incoming.hook import Hooks
from webhooks.incoming.problems import problems
from webhooks.incoming.routing import CallDesk
from webhooks.incoming.status import Status, watch_disk


def make_app(
    store: Store, channels: Channels, directory: DirectoryCache, status: Status, http: ClientSession
) -> web.Application:
    """The application; its background tasks live from start-up to clean-up."""
    app = web.Application(middlewares=[problems], client_max_size=64 << 20)
    writer = JournalWriter(store.url, store.bus, store.blobs)
    health = Health(store.pool)
    desk = CallDesk(CallRouter(store, directory), http)
    live = Live(store)
    typing = ClientTyping(store, channels, http)
    live.copresence.tell_client = typing.say

    async def replay_entries(entry_ids: Sequence[int]) -> int:
        async with store.pool.acquire() as connection:
            found = await replay(connection, entry_ids)
        store.bus.notify(Topic.TODO)
        return len(found)

    Hooks(channels, writer, health, desk, store.settings.base_url).add_to(app)
    status.add_to(app, writer)
    add_inbox(app, InboxDeps(store, live, merge=join_cards, undo_merge=part_cards, replay=replay_entries))
    add_page(app)

    async def background(_app: web.Application) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(writer.run(), name="journal"),
                tasks.create_task(health.run(), name="health"),
                tasks.create_task(desk.run(), name="call desk"),
                tasks.create_task(live.run(), name="live"),
                tasks.create_task(typing.run(), name="typing"),
                tasks.create_task(watch_disk(writer, store.settings), name="disk"),
            ]
            yield
            for task in running:
                task.cancel()

    app.cleanup_ctx.append(background)
    return app


def outward() -> ClientSession:
    """The process's session towards providers: every request has its own deadline besides."""
    return ClientSession(timeout=ClientTimeout(total=120, connect=10), cookie_jar=DummyCookieJar())
