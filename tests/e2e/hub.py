"""A hub as its user runs it: `main.py` commands as processes on a data folder of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[2]


@dataclass
class Hub:
    """`url`: where it listens. `run`: another command beside it, its stdout."""

    url: str
    env: dict[str, str]
    log: Path
    process: asyncio.subprocess.Process

    @classmethod
    async def start(cls, url: str, env: dict[str, str], log: Path) -> Hub:
        return cls(url, env, log, await _run(env, log))

    async def start_again(self) -> None:
        """After the process was killed."""
        await self.process.wait()
        self.process = await _run(self.env, self.log)
        await _ready(self)

    async def run(self, *args: str, stdin: bytes = b"") -> str:
        """Stdout of a command that must succeed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "main.py",
            *args,
            cwd=ROOT,
            env=self.env,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(stdin), 60)
        assert process.returncode == 0, err.decode()
        return out.decode()

    async def last_line(self, *args: str) -> str:
        return (await self.run(*args)).strip().splitlines()[-1]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@asynccontextmanager
async def running(**settings: str) -> AsyncIterator[Hub]:
    """`main.py run`, ready, stopped by SIGTERM at the end (and asserted to end well)."""
    folder = Path(tempfile.mkdtemp(prefix="hub-e2e-"))
    folder.chmod(0o755)
    port = free_port()
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith("HUB_")},
        "HUB_DATA_DIR": str(folder / "data"),
        "HUB_PORT": str(port),
        "HUB_DISK_RESERVE_MB": "0",
        "DEMO": "0",
        **settings,
    }
    hub = await Hub.start(f"http://127.0.0.1:{port}", env, folder / "hub.log")
    try:
        await _ready(hub)
        yield hub
        hub.process.terminate()
        assert await asyncio.wait_for(hub.process.wait(), 40) == 0, hub.log.read_text()[-4000:]
    finally:
        if hub.process.returncode is None:
            hub.process.kill()
            await hub.process.wait()
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
                os.kill(int((folder / "data/postgres/postmaster.pid").read_text().splitlines()[0]), 3)
        shutil.rmtree(folder, ignore_errors=True)


async def _run(env: dict[str, str], log: Path) -> asyncio.subprocess.Process:
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            sys.executable, "main.py", "run", cwd=ROOT, env=env, stdout=out, stderr=out
        )


async def _ready(hub: Hub) -> None:
    async with aiohttp.ClientSession() as http:
        for _ in range(300):
            assert hub.process.returncode is None, hub.log.read_text()[-4000:]
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"{hub.url}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.2)
    raise AssertionError("the hub did not become ready: " + hub.log.read_text()[-4000:])
