"""What a worker does, each part on its own: lanes, assigning, sending, fetching, files, jobs."""

from __future__ import annotations

import asyncio

from aiohttp import ClientSession

from router.assigner import Assigner
from router.channels import Channels
from router.directory import DirectoryCache
from router.fetchers import Fetchers
from router.jobs import Jobs
from router.media import MediaFetcher
from router.outbound.sender import Sender
from router.parts import give_up_waiting
from router.worker import Worker
from storage.bus import Topic
from storage.store import Store
from webhooks.incoming.status import Status


async def work(
    store: Store,
    channels: Channels,
    directory: DirectoryCache,
    status: Status,
    http: ClientSession,
    *,
    redis_url: str,
) -> None:
    """Until cancelled."""
    workers = [Worker(store, channels, directory) for _ in range(store.settings.lane_sessions)]
    status.workers = workers
    queue = store.bus.signal(Topic.QUEUE)
    assigner = Assigner(
        store.url,
        zone=store.settings.zone,
        wake=queue.wait,
        on_events=lambda event_id: store.bus.notify(Topic.EVENTS, event_id),
    )
    sender = Sender(store, channels, redis_url=redis_url)
    async with asyncio.TaskGroup() as tasks:
        for number, worker in enumerate(workers):
            tasks.create_task(worker.run(), name=f"lanes {number}")
        tasks.create_task(assigner.run(), name="assigner")
        tasks.create_task(sender.run(), name="sender")
        tasks.create_task(Fetchers(store, channels, http).run(), name="fetchers")
        tasks.create_task(MediaFetcher(store, channels, http).run(), name="media")
        tasks.create_task(Jobs(store, channels, redis_url=redis_url, stale_parts=give_up_waiting).run(), name="jobs")
