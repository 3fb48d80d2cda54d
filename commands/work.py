"""What a worker does, each part on its own: lanes, assigning, sending, fetching, files, jobs."""

from __future__ import annotations

import asyncio

from router.channels import Channels
from router.directory import DirectoryCache
from router.worker import Worker
from storage.store import Store
from webhooks.incoming.status import Status


async def work(store: Store, channels: Channels, directory: DirectoryCache, status: Status) -> None:
    """Until cancelled."""
    worker = Worker(store, channels, directory)
    status.worker = worker
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(worker.run(), name="lanes")
