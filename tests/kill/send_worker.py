"""A process that sends, to be killed: `send_worker.py DATABASE_URL REDIS_URL DATA_DIR LEASE_S`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from config.settings import Settings
from connectors import registry
from router.channels import Channels
from router.outbound.sender import Sender
from storage.store import open_store


async def main(database_url: str, redis_url: str, data_dir: str, lease_s: str) -> None:
    registry.MODULES["scripted"] = "tests.outbound.fake_connector"
    settings = Settings(data_dir=Path(data_dir), demo=False)
    async with open_store(settings, database_url=database_url, redis_url=redis_url, application="send worker") as store:
        channels = Channels(store)
        await channels.refresh()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(store.bus.run())
            tasks.create_task(channels.run())
            sending = tasks.create_task(Sender(store, channels, redis_url=redis_url, lease_s=float(lease_s)).run())
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sending.cancel)
            await asyncio.wait([sending])
            os._exit(0)  # how the other parts of a process end is proved elsewhere


asyncio.run(main(*sys.argv[1:5]))
