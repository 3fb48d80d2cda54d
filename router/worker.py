"""The worker: its owners of lanes, live ones and one for bulk work, each on a connection of its own."""

from __future__ import annotations

import asyncio

from router.channels import Channels
from router.directory import DirectoryCache
from router.lanes import BULK
from router.owner import Owner, Pace
from storage.store import Store


class Worker:
    """`live_owners`: while one waits for PostgreSQL another works."""

    def __init__(self, store: Store, channels: Channels, directory: DirectoryCache, *, live_owners: int = 1) -> None:
        pace = Pace()
        self._owners = [Owner(store, channels, directory, pace=pace) for _ in range(live_owners)]
        self._owners.append(Owner(store, channels, directory, sort=BULK, pace=pace))

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number, owner in enumerate(self._owners):
                tasks.create_task(owner.run(), name=f"lanes {number}")
