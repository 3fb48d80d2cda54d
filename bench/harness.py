"""A hub as a user starts it, on a data folder of its own, and what the benchmarks do with it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import aiohttp

from bench import procs
from bench.figures import Unmeasurable
from config.settings import Settings
from router.channels import add_channel
from router.names import sort_name
from storage.db import RawConnection, connect
from storage.engines.folder import Folder
from storage.engines.postgres import Postgres
from storage.engines.valkey import Valkey
from storage.tokens import create_token
from storage.vault import Vault

ROOT = Path(__file__).parents[1]
CACHE = Path(__file__).parent / ".cache"
SECRET = "s3cret-token"
CONTACTS = 100_000
READY_S = 180
STOP_S = 60


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def wait_for_port(port: int) -> None:
    """Until a server of ours listens. Raises TimeoutError."""
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This shell's, without what would lead the hub to another database or folder."""
    own = {"DATABASE_URL", "REDIS_URL", "DEMO"}
    kept = {name: value for name, value in os.environ.items() if name not in own and not name.startswith("HUB_")}
    return kept | dict(extra)


@dataclass(frozen=True)
class Hub:
    """A running hub. `url`: its database; `token`: of an API token that may do anything; `external`: the address of a
    database that is not of its own folder.
    """

    port: int
    pid: int
    settings: Settings
    postgres: Postgres
    valkey: Valkey
    token: str
    external: str = ""

    @property
    def url(self) -> str:
        return self.external or self.postgres.url

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self) -> RawConnection:
        return await connect(self.url, application="bench", settings={})

    async def add_channel(self, connector: str, name: str, values: Mapping[str, object]) -> tuple[UUID, str]:
        """(id, path of the hook)."""
        connection = await self.connect()
        try:
            channel_id, token = await add_channel(
                connection, Vault.open(self.settings), connector=connector, name=name, values=values
            )
        finally:
            await connection.close()
        return channel_id, f"/hooks/{token}"

    async def add_bots(self, count: int = 5) -> list[tuple[UUID, str]]:
        """Telegram channels."""
        values = {"token": "123:abc", "secret": SECRET}
        return [await self.add_channel("telegram", f"Bot {n + 1}", values) for n in range(count)]

    async def usage(self, connection: RawConnection) -> procs.Snapshot:
        return await procs.snapshot(
            connection, hub=self.pid, postmaster=self.postgres.pid() or 0, valkey=self.valkey.pid() or 0
        )

    def pids(self) -> list[int]:
        """Of the hub and its engines, all processes of each."""
        roots = (self.pid, self.postgres.pid(), self.valkey.pid())
        return sorted({pid for root in roots if root for pid in procs.tree(root)})


async def discard(folder: Path, data_dir: Path) -> None:
    """A folder that is no longer wanted, with engines that a killed run may have left in it."""
    engines = Folder(data_dir)
    if data_dir.exists():
        await Postgres(engines).stop()
        await Valkey(engines).stop()
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _sweep() -> None:
    """Folders of earlier runs that did not come to their end."""
    for folder in CACHE.glob("hub-*"):
        data = folder / "data"
        if not data.exists() or await asyncio.to_thread(Folder(data).hub_lock.is_free):
            await discard(folder, data)


@asynccontextmanager
async def running_hub(command: Sequence[str] = ("main.py", "run"), **engines: str) -> AsyncIterator[Hub]:
    """`main.py run` without the demo, on embedded engines as they are for users, or on those that DATABASE_URL and
    REDIS_URL name. Raises Unmeasurable if it won't start.
    """
    CACHE.mkdir(exist_ok=True)
    await _sweep()
    folder = Path(tempfile.mkdtemp(prefix="hub-", dir=CACHE))
    folder.chmod(0o755)
    port = free_port()
    settings = Settings(data_dir=folder / "data", port=port, demo=False)
    env = {"HUB_DATA_DIR": str(settings.data_dir), "HUB_PORT": str(port), "HUB_DISK_RESERVE_MB": "100", "DEMO": "0"}
    env |= engines
    log = folder / "hub.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=ROOT, env=environment(env), stdout=out, stderr=out
        )
    try:
        await _ready(process, port, log)
        own = Folder(settings.data_dir)
        hub = Hub(port, process.pid, settings, Postgres(own), Valkey(own), "", engines.get("DATABASE_URL", ""))
        connection = await hub.connect()
        token = await create_token(connection, "bench", ["all"])
        await connection.close()
        yield replace(hub, token=token)
    finally:
        await _stop(process)
        await discard(folder, settings.data_dir)


async def _ready(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
        while time.monotonic() < deadline:
            if process.returncode is not None:
                break
            try:
                async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.1)
    raise Unmeasurable(f"the hub does not get ready: {log.read_text(errors='replace')[-400:]}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def past_id(number: int, ms: int = 1_600_000_000_000) -> UUID:
    """A UUIDv7 of that millisecond, distinct by number."""
    return UUID(int=ms << 80 | 7 << 76 | 2 << 62 | number)


async def add_contacts(connection: RawConnection, count: int = CONTACTS) -> None:
    """Clients with Telegram ids 1 to `count`, by COPY; the stream's regulars are among them."""
    contacts = ((past_id(n), past_id(n), f"Клиент {n}", sort_name(f"Клиент {n}")) for n in range(1, count + 1))
    await connection.copy_records_to_table(
        "contact", records=contacts, columns=("id", "card_id", "name", "sort_name"), timeout=600
    )
    addresses = ((past_id(n), "telegram", str(n), f"Клиент {n}", past_id(n)) for n in range(1, count + 1))
    await connection.copy_records_to_table(
        "identity", records=addresses, columns=("id", "kind", "value", "name", "contact_id"), timeout=600
    )
    await connection.execute("VACUUM (ANALYZE) contact, identity", timeout=600)


async def settled(connection: RawConnection, *, deadline_s: float = 60) -> None:
    """Returns once the work list is empty and no vacuum runs, so that a round does not pay for the one before."""
    end = time.monotonic() + deadline_s
    query = """
    SELECT NOT EXISTS (SELECT FROM journal_todo)
       AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND query LIKE '%interaction%')
    """
    while not await connection.fetchval(query) and time.monotonic() < end:
        await asyncio.sleep(0.3)
