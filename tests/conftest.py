"""The engines of a test run: one real PostgreSQL and one real Valkey, a fresh database from a template for each test."""

from __future__ import annotations

import asyncio
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from config.settings import Settings
from storage.db import RawConnection, connect
from storage.engines.embedded import Engines
from storage.migrate import migrate
from storage.store import Store, open_store

QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}
"""For tests that don't pull the plug; those of P1 run on engines of their own, with fsync on."""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """`url`: a migrated database of its own; `redis_url`: a Valkey that all tests share (wake-ups are hints)."""

    url: str
    redis_url: str
    data_dir: Path

    async def connect(self) -> RawConnection:
        return await connect(self.url, application="test")


@pytest.fixture(scope="session")
def cluster() -> Iterator[tuple[str, str]]:
    """(PostgreSQL's address, Valkey's): started once per run, the database `hub` migrated as the template."""
    with tempfile.TemporaryDirectory(prefix="hub-tests-") as folder:
        Path(folder).chmod(0o755)
        engines = Engines(Settings(data_dir=Path(folder) / "data"), extra=QUICK)

        async def start() -> tuple[str, str]:
            addresses = await engines.start()
            await migrate(addresses.database_url)
            return addresses.database_url, addresses.redis_url

        try:
            yield asyncio.run(start())
        finally:
            asyncio.run(engines.stop())


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    head, _, tail = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}" + (f"?{tail}" if tail else "")


@pytest.fixture
async def database(cluster: tuple[str, str], tmp_path: Path) -> AsyncIterator[Database]:
    """A fresh migrated database."""
    url, redis_url = cluster
    name = f"t{os.getpid()}_{next(_numbers)}"
    admin = await asyncpg.connect(with_database(url, "postgres"))
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE hub")
        yield Database(with_database(url, name), redis_url, tmp_path / "data")
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Store]:
    """A store on the test's database, its bus running."""
    settings = Settings(data_dir=database.data_dir, demo=False, disk_reserve_mb=0)
    async with (
        open_store(settings, database_url=database.url, redis_url=database.redis_url, application="test") as store,
        asyncio.TaskGroup() as tasks,
    ):
        bus = tasks.create_task(store.bus.run(), name="bus")
        try:
            yield store
        finally:
            bus.cancel()


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    """An open store on a fresh database."""
    async with opened(database) as found:
        yield found


@pytest.fixture
async def db(database: Database) -> AsyncIterator[RawConnection]:
    """A connection to the test's database."""
    connection = await database.connect()
    try:
        yield connection
    finally:
        connection.terminate()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """In CI the peers' packages are installed: a peer test that skips there has proved nothing."""
    report = yield
    if report.skipped and item.get_closest_marker("peer") is not None and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {report.longrepr}"
    return report
