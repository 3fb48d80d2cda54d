"""A hub of real processes on a data folder of its own, with fsync on, and what it takes to kill it at a chosen moment.

The moments are chosen from outside: the test takes a table lock, so that the hub hangs inside the statement that writes
it, sees in pg_stat_activity that it does, and strikes then.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import IO, Any
from unittest import mock
from uuid import UUID

import aiohttp
import asyncpg

from config.errors import Unavailable
from config.settings import Settings
from connectors import registry
from router.channels import add_channel
from storage.db import DATABASE_ERRORS, RawConnection, connect
from storage.engines import processes
from storage.engines.embedded import Engines
from storage.engines.folder import Folder
from storage.engines.postgres import Postgres
from storage.engines.valkey import Valkey
from storage.locks import LANES, Lock
from storage.migrate import migrate
from storage.vault import Vault

ROOT = Path(__file__).parents[2]
SECRET = "s3cret-token"
POISON = "tests.kill.poison"
CHANNELS = ("telegram", "telegram", "poison")
SETTINGS: dict[str, dict[str, object]] = {"telegram": {"token": "123:abc", "secret": SECRET}, "poison": {}}


class Nursery:
    """The process all processes of the hub are forked from; see nursery.py."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("nursery.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders: IO[str] = self._process.stdin
        self._pids: IO[str] = self._process.stdout

    def fork(self, argv: Sequence[str], env: dict[str, str], log: Path) -> int:
        """The pid of a new process that runs `main.main(argv)`."""
        assert self._process.poll() is None, "the nursery has ended: can it import the hub?"
        self._orders.write(json.dumps({"argv": list(argv), "env": env, "log": str(log)}) + "\n")
        self._orders.flush()
        return int(self._pids.readline())

    def close(self) -> None:
        self._orders.close()
        self._pids.close()
        self._process.wait(20)


@dataclass
class Process:
    """One process of the hub. `port` of one that listens."""

    role: str
    pid: int
    port: int = 0

    @property
    def alive(self) -> bool:
        return processes.alive(self.pid)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(self, number: signal.Signals) -> None:
        processes.send(self.pid, number)


@dataclass
class Site:
    """A data folder with channels, and the processes that run on it."""

    folder: Path
    nursery: Nursery
    tokens: list[str]
    channels: list[UUID]
    running: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._folder = Folder(self.folder / "data")
        self.postgres = Postgres(self._folder)
        self.valkey = Valkey(self._folder)

    # ------------------------------------------------------------ processes

    def start(self, role: str, *, port: int = 0) -> Process:
        """A process of the hub; see `ready`."""
        port = port if role == "worker" else port or free_port()
        env = environment(self.folder / "data", port)
        process = Process(role, self.nursery.fork([role], env, self.folder / f"{role}.log"), port)
        self.running.append(process)
        return process

    async def up(self, *roles: str) -> list[Process]:
        """The first alone, since it brings up the engines; then the others."""
        started = [self.start(roles[0])]
        await self.database()
        started += [self.start(role) for role in roles[1:]]
        await self.ready()
        return started

    async def database(self) -> None:
        """Until PostgreSQL answers."""

        async def answers() -> bool:
            try:
                connection = await connect(self.postgres.url, application="test")
            except Unavailable:
                return False
            connection.terminate()
            return True

        await until(answers, 60)

    async def ready(self) -> None:
        """Until every running process does its work."""
        for process in self.running:
            if process.role != "worker":
                await until(lambda process=process: _ready(process.url), 60)
        workers = self._workers()
        if workers:
            await until(lambda: self.shared(workers), 60, f"{workers} workers with their share of lanes")

    async def settled(self) -> None:
        """`ready` after a freeze: connections it has cost are found out when they are next used, so all are to be."""
        since = (await self.fetch("SELECT clock_timestamp()"))[0][0]

        async def all_used() -> bool:
            return await self.count(USED, since) == self._workers()

        await until(all_used, 60, "all workers' connections used since")
        await self.ready()

    def _workers(self) -> int:
        return sum(process.role != "web" for process in self.running)

    async def shared(self, workers: int) -> bool:
        """Whether so many workers hold all lanes, none more than its fair share."""
        held = [row["lanes"] for row in await self.fetch(HOLDERS)]
        return len(held) == workers and sum(held) == LANES and max(held) <= ceil(LANES / workers)

    async def restart(self, process: Process) -> Process:
        """A dead process again, on its port. Waits until it works."""
        again = await self.begin_again(process)
        await self.ready()
        return again

    async def begin_again(self, process: Process) -> Process:
        """The same without waiting: it may be dead before it could be seen at work."""
        await until(lambda: not process.alive)
        self.running.remove(process)
        return self.start(process.role, port=process.port)

    async def down(self) -> None:
        """Ends everything, engines too; nothing is asked."""
        for process in self.running:
            print(f"{process.role} {process.pid} {'alive' if process.alive else 'dead'}")
            process.send(signal.SIGKILL)
        for log in (*self.folder.glob("*.log"), *self.folder.glob("data/log/*.log")):
            lines = log.read_text(errors="replace").splitlines()
            print(
                f"--- {log.name}",
                *[line for line in lines if "FATAL:  the database system" not in line][-60:],
                sep="\n",
            )
        for process in self.running:
            await until(lambda process=process: not process.alive)
        pid = self.postgres.pid()
        if pid is not None:
            for each in tree(pid):
                processes.send(each, signal.SIGCONT)
            processes.send(pid, signal.SIGQUIT)
            await processes.gone(pid, timeout_s=10)
        if (pid := self.valkey.pid()) is not None:
            processes.send(pid, signal.SIGKILL)

    # ------------------------------------------------------------ looking

    async def connect(self) -> RawConnection:
        return await connect(self.postgres.url, application="test", settings={})

    async def fetch(self, query: str, *args: Any) -> list[asyncpg.Record]:
        """Rows; asks again while the database is away."""
        async with asyncio.timeout(60):
            while True:
                with suppress(Unavailable, *DATABASE_ERRORS):
                    connection = await self.connect()
                    try:
                        return await connection.fetch(query, *args)
                    finally:
                        connection.terminate()
                await asyncio.sleep(0.05)

    async def count(self, query: str, *args: Any) -> int:
        return int((await self.fetch(query, *args))[0][0])

    async def until_count(self, query: str, wanted: int, timeout_s: float = 30) -> None:
        async def met() -> bool:
            return await self.count(query) == wanted

        await until(met, timeout_s, f"{query} = {wanted}")

    async def drained(self, timeout_s: float = 60) -> None:
        """Until nothing waits and no note of work in hand is left."""
        await self.until_count(WAITING, 0, timeout_s)

    @asynccontextmanager
    async def held(self, table: str) -> AsyncIterator[None]:
        """Whoever writes that table hangs in the middle of it until the block ends (or PostgreSQL does)."""
        connection = await self.connect()
        try:
            await connection.execute("BEGIN")
            await connection.execute(f"LOCK TABLE {table} IN SHARE MODE")
            yield
        finally:
            connection.terminate()

    async def hanging(self, application: str, wanted: int, timeout_s: float = 20) -> None:
        """Until so many connections of the hub hang on a lock, in the middle of a statement."""

        async def met() -> bool:
            return await self.count(HANGING, application) >= wanted

        await until(met, timeout_s, f"{wanted} x {application!r} hanging")

    async def freed(self, application: str) -> None:
        """Until none of them hangs any more: what they waited for is written."""

        async def met() -> bool:
            return await self.count(HANGING, application) == 0

        await until(met)


HOLDERS = f"""
SELECT pid, count(*) AS lanes FROM pg_locks
WHERE locktype = 'advisory' AND classid = {Lock.LANE:d} AND granted GROUP BY pid
"""
WAITING = "SELECT (SELECT count(*) FROM journal_todo) + (SELECT count(*) FROM journal_attempt)"
USED = f"""
SELECT count(*) FROM pg_stat_activity WHERE state_change > $1 AND pid IN (
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = {Lock.WORKER:d} AND granted
)
"""
HANGING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'"


def environment(data_dir: Path, port: int) -> dict[str, str]:
    return {
        "HUB_DATA_DIR": str(data_dir),
        "HUB_PORT": str(port),
        "HUB_DISK_RESERVE_MB": "0",
        "HUB_LOG_FORMAT": "json",
        "HUB_WORKER_PROCESSES": "0",  # what is to be killed is started here
        "HUB_LANE_SESSIONS": "1",  # one lane owner a process: what dies with it can be counted
        "DEMO": "0",
    }


@contextmanager
def template() -> Iterator[tuple[Path, list[str], list[UUID]]]:
    """A data folder, migrated, with the channels of `CHANNELS`, engines stopped: (folder, hook tokens, channel ids)."""
    with tempfile.TemporaryDirectory(prefix="hub-kill-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        tokens, channels = asyncio.run(_fill(folder))
        yield folder, tokens, channels


async def _fill(folder: Path) -> tuple[list[str], list[UUID]]:
    settings = Settings(data_dir=folder / "data", disk_reserve_mb=0)
    engines = Engines(settings, role="guest")
    try:
        url = (await engines.start()).database_url
        await migrate(url)
        connection = await connect(url, application="test")
        vault = Vault.open(settings)
        with mock.patch.dict(registry.MODULES, {"poison": POISON}):
            found = [
                await add_channel(connection, vault, connector=name, name=name, values=SETTINGS[name])
                for name in CHANNELS
            ]
        await connection.close()
    finally:
        await engines.stop()
    return [token for _, token in found], [channel_id for channel_id, _ in found]


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """A copy of it, owners kept."""
    with tempfile.TemporaryDirectory(prefix="hub-kill-") as name:
        Path(name).chmod(0o755)
        subprocess.run(["cp", "-a", f"{folder}/data", f"{name}/data"], check=True)
        yield Path(name)


def free_port() -> int:
    """Below the range the system takes for outgoing connections: a client that retries at a dead process's port would
    otherwise get that very port one day, and be connected to itself.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        with contextlib.closing(socket.socket()) as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port


def tree(pid: int) -> list[int]:
    """The process and its children (PostgreSQL's are one generation)."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *map(int, children)]


async def until(
    met: Callable[[], bool] | Callable[[], Awaitable[bool]], timeout_s: float = 30, what: str = "the condition"
) -> None:
    """Waits for a condition. Raises AssertionError naming it."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                result = met()
                if result if isinstance(result, bool) else await result:
                    return
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s:g} s: {what}") from None


async def _ready(url: str) -> bool:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session,
            session.get(f"{url}/readyz") as answer,
        ):
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
