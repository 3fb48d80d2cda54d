"""The worker: its owners of lanes, live ones and one for bulk work, each on a connection of its own."""

from __future__ import annotations

import asyncio

from router.channels import Channels
from router.directory import DirectoryCache
from router.lanes import BULK
from router.owner import Owner
from router.pace import Pace
from storage.store import Store

LOOK_S = 1.0


class Worker:
    """`live_owners`: the first always works; the others join it under load, as one works while another waits for
    PostgreSQL, and leave when it is over: of few messages each would make batches of its own, which costs more.
    """

    def __init__(self, store: Store, channels: Channels, directory: DirectoryCache, *, live_owners: int = 1) -> None:
        self._pace = Pace()
        live = [Owner(store, channels, directory, pace=self._pace) for _ in range(live_owners)]
        bulk = Owner(store, channels, directory, sort=BULK, pace=self._pace)
        self._always, self._under_load = (live[0], bulk), live[1:]

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for owner in self._always:
                tasks.create_task(owner.run(), name="lanes")
            for owner in self._under_load:
                tasks.create_task(self._help(owner), name="lanes under load")

    async def _help(self, owner: Owner) -> None:
        while True:
            await self._pace.wait_for_load()
            async with asyncio.TaskGroup() as tasks:
                task = tasks.create_task(owner.run(), name="lanes")
                while self._pace.is_loaded():
                    await asyncio.sleep(LOOK_S)
                task.cancel()
