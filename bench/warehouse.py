"""Big data sets, built once and kept: an embedded PostgreSQL with one database for each size.

The folder's name carries a key over the migrations and the code that fills: another schema builds anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.harness import CACHE, ROOT, discard
from config.settings import Settings
from storage.db import RawConnection, connect
from storage.engines.embedded import Addresses, Engines
from storage.engines.folder import Folder
from storage.engines.postgres import Postgres
from storage.migrate import migrate

FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "8GB",
    "autovacuum": "off",
    "maintenance_work_mem": "512MB",
    "shared_buffers": "512MB",
}
"""While it is filled; measured it is with the settings that users have."""

Fill = Callable[[RawConnection, str, int], Awaitable[None]]
"""(connection, its url, how many rows)."""


@dataclass
class Warehouse:
    """`restart` makes a cold engine: nothing in its own memory, the operating system's cache as it is."""

    settings: Settings
    engines: Engines

    def url(self, size: int) -> str:
        return Postgres(Folder(self.settings.data_dir)).url_of(f"rows_{size}")

    async def addresses(self) -> Addresses:
        """Of the engines; the database's is the empty one's."""
        return await self.engines.start()

    async def connect(self, size: int) -> RawConnection:
        return await connect(self.url(size), application="bench", settings={})

    async def restart(self) -> None:
        await self.engines.stop()
        self.engines = Engines(self.settings)
        await self.engines.start()


@asynccontextmanager
async def warehouse(
    name: str, sizes: tuple[int, ...], fill: Fill, sources: tuple[str, ...]
) -> AsyncIterator[Warehouse]:
    """The data set's engine, just started, filled if it was not. `sources`: files of bench/ that decide what is in it."""
    label = f"{name}-{max(sizes)}"
    folder = CACHE / f"{label}-{_key(sizes, sources)}"
    settings = Settings(data_dir=folder, demo=False)
    whole = folder / "whole"
    if not whole.exists():
        CACHE.mkdir(exist_ok=True)
        for old in CACHE.glob(f"{label}-*"):
            await discard(old, old)
        await _build(settings, sizes, fill)
        whole.touch()
    engines = Engines(settings)
    await engines.start()
    found = Warehouse(settings, engines)
    try:
        yield found
    finally:
        await found.engines.stop()


def _key(sizes: tuple[int, ...], sources: tuple[str, ...]) -> str:
    files = [
        *sorted((ROOT / "storage/migrations/versions").glob("*.py")),
        *(Path(__file__).with_name(s) for s in sources),
    ]
    digest = hashlib.sha256(repr(sizes).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:10]


async def _build(settings: Settings, sizes: tuple[int, ...], fill: Fill) -> None:
    engines = Engines(settings, extra=FAST)
    addresses = await engines.start()
    try:
        for size in sizes:
            began = time.monotonic()
            admin = await connect(addresses.database_url, application="bench", settings={})
            await admin.execute(f"CREATE DATABASE rows_{size}")
            await admin.close()
            url = Postgres(Folder(settings.data_dir)).url_of(f"rows_{size}")
            await migrate(url)
            connection = await connect(url, application="bench", settings={})
            await fill(connection, url, size)
            await connection.execute("CHECKPOINT", timeout=600)
            await connection.close()
            print(f"    {settings.data_dir.name}: {size:,} rows built in {time.monotonic() - began:.0f} s", flush=True)
    finally:
        await engines.stop()
    await asyncio.to_thread(os.sync)


async def indexes_of(connection: RawConnection, table: str) -> Mapping[str, str]:
    """Name -> definition of the indexes behind no constraint."""
    rows = await connection.fetch(
        "SELECT c.relname, pg_get_indexdef(c.oid) AS definition FROM pg_index AS x JOIN pg_class AS c"
        " ON c.oid = x.indexrelid WHERE x.indrelid = $1::text::regclass AND NOT EXISTS"
        " (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid)",
        table,
    )
    return {row["relname"]: row["definition"] for row in rows}


@asynccontextmanager
async def without_indexes(connection: RawConnection, *tables: str) -> AsyncIterator[None]:
    """They are made again afterwards: a sorted build is many times quicker than row by row."""
    kept: dict[str, str] = {}
    for table in tables:
        kept |= await indexes_of(connection, table)
    for name in kept:
        await connection.execute(f"DROP INDEX {name}")
    yield
    for definition in kept.values():
        await connection.execute(definition, timeout=1200)
