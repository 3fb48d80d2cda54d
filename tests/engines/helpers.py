"""What the tests of the engines share: hurried engines, another process that holds some, waiting for a condition."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from config.settings import Settings
from storage.engines.embedded import Engines, Pace
from storage.engines.postgres import Postgres
from storage.engines.valkey import Valkey

QUICK = {"fsync": "off"}
HASTY = Pace(look_s=0.05, probe_s=0.2, answer_s=1.0, hung_s=0.5, first_retry_s=0.05, last_retry_s=0.2)
HOLDER = Path(__file__).with_name("holder.py")
ROOT = Path(__file__).parents[2]


def hub(data_dir: Path, **options: Any) -> Engines:
    return Engines(Settings(data_dir=data_dir), extra=options.pop("extra", QUICK), pace=HASTY, **options)


def postgres_pid(engines: Engines) -> int:
    pid = Postgres(engines.folder).pid()
    assert pid is not None
    return pid


def valkey_pid(engines: Engines) -> int:
    pid = Valkey(engines.folder).pid()
    assert pid is not None
    return pid


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def environment(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text()


async def until(met: Callable[[], bool] | Callable[[], Awaitable[bool]], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while True:
            result = met()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        yield connection
    finally:
        connection.terminate()


@asynccontextmanager
async def supervised(engines: Engines) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        supervisor = tasks.create_task(engines.supervise())
        try:
            yield
        finally:
            supervisor.cancel()


def _start_holder(data_dir: Path, role: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HOLDER), str(data_dir), role],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HUB_SECRET_KEYS": "k1:do-not-hand-on"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


@asynccontextmanager
async def holder(data_dir: Path, role: str = "hub") -> AsyncIterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Another process that has the engines of `data_dir`, and its first line."""
    process = await asyncio.to_thread(_start_holder, data_dir, role)
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), 30)
        yield process, json.loads(line)
    finally:
        process.kill()
        await asyncio.to_thread(process.wait, 30)
        process.stdout.close()
