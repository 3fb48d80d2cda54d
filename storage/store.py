"""What a process of the hub works on: the database, the bus, the blobs and the keys, opened once and passed on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from config.settings import Settings
from storage.blobs import Blobs
from storage.bus import Bus
from storage.db import Pool, make_pool
from storage.vault import Vault


@dataclass(frozen=True)
class Store:
    """`url`: for connections that hold locks; `pool`: reads and short transactions."""

    settings: Settings
    url: str
    pool: Pool
    bus: Bus
    blobs: Blobs
    vault: Vault


@asynccontextmanager
async def open_store(
    settings: Settings, *, database_url: str, redis_url: str, application: str
) -> AsyncIterator[Store]:
    """Opens everything; `store.bus.run()` is the caller's to start. Raises Unavailable, BadSettings."""
    pool = await make_pool(database_url, application=application)
    try:
        yield Store(
            settings=settings,
            url=database_url,
            pool=pool,
            bus=Bus(redis_url),
            blobs=Blobs(settings.data_dir / "blobs"),
            vault=Vault.open(settings),
        )
    finally:
        pool.terminate()
