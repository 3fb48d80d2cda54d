"""What a worker does, each part on its own: lanes, assigning, sending, fetching, files, jobs."""

from __future__ import annotations

import asyncio

from aiohttp import ClientSession

from router.assigner import Assigner
from router.channels import Channels
from router.directory import DirectoryCache
from router.erasing import Erasing
from router.fetchers import Fetchers
from router.imports import Imports
from router.jobs import Jobs
from router.media import MediaFetcher
from router.outbound.sender import Sender
from router.parts import give_up_waiting
from router.tidy import Tidy
from router.worker import Worker
from storage.bus import Topic
from storage.store import Store


async def work(
    store: Store,
    channels: Channels,
    directory: DirectoryCache,
    http: ClientSession,
    *,
    redis_url: str,
) -> None:
    """Until cancelled."""
    lanes = Worker(store, channels, directory, live_owners=store.settings.lane_sessions)
    queue = store.bus.signal(Topic.QUEUE)
    assigner = Assigner(
        store.url,
        zone=store.settings.zone,
        wake=queue.wait,
        on_events=lambda event_id: store.bus.notify(Topic.EVENTS, event_id),
    )
    sender = Sender(store, channels, redis_url=redis_url)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lanes.run(), name="lanes")
        tasks.create_task(Tidy(store).run(), name="tidy")
        tasks.create_task(assigner.run(), name="assigner")
        tasks.create_task(sender.run(), name="sender")
        tasks.create_task(Fetchers(store, channels, http).run(), name="fetchers")
        tasks.create_task(MediaFetcher(store, channels, http).run(), name="media")
        tasks.create_task(Imports(store).run(), name="imports")
        tasks.create_task(Erasing(store).run(), name="erasing")
        tasks.create_task(Jobs(store, channels, redis_url=redis_url, stale_parts=give_up_waiting).run(), name="jobs")
