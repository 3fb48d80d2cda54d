"""`run` and the worker beside it: each outlives the other's death as far as it should."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import msgspec
import pytest

from tests.e2e.hub import Hub, running

HEADERS = {"X-Telegram-Bot-Api-Secret-Token": "s3"}


def worker_of(hub: Hub) -> int | None:
    """The pid of its worker, None while there is none."""
    path = Path(f"/proc/{hub.process.pid}/task/{hub.process.pid}/children")
    for pid in path.read_text().split():
        if b"--attached" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return int(pid)
    return None


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def new_worker(hub: Hub, *, other_than: int | None) -> int:
    async with asyncio.timeout(30):
        while (pid := worker_of(hub)) in (None, other_than):
            await asyncio.sleep(0.05)
    assert pid is not None
    return pid


async def say(http: aiohttp.ClientSession, address: str, number: int) -> None:
    chat = {"id": 7, "type": "private", "first_name": "Пётр"}
    message = {"message_id": number, "date": 1_790_000_000, "chat": chat, "from": {"id": 7, "is_bot": False}}
    body = msgspec.json.encode({"update_id": number, "message": message | {"text": f"слово {number}"}})
    async with http.post(address, data=body, headers=HEADERS) as answer:
        assert answer.status == 200, await answer.text()


async def heard(http: aiohttp.ClientSession, hub: Hub, count: int) -> None:
    async with asyncio.timeout(30):
        while True:
            async with http.get(f"{hub.url}/api/v1/interactions?limit=50") as answer:
                if len((await answer.json())["items"]) == count:
                    return
            await asyncio.sleep(0.05)


@pytest.mark.kill
@pytest.mark.timeout(120)
async def test_the_worker_beside_run() -> None:
    """Killed, it is brought back, and what came meanwhile was kept and is done; when `run` is killed it ends as well."""
    async with running() as hub:
        address = await hub.last_line("channel", "add", "telegram", "--name", "B", "--set", "token=1:a", "secret=s3")
        token = await hub.last_line("token", "create", "--name", "test", "--scope", "all")
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            first = await new_worker(hub, other_than=None)
            await say(http, address, 1)
            await heard(http, hub, 1)
            os.kill(first, signal.SIGKILL)
            await say(http, address, 2)
            second = await new_worker(hub, other_than=first)
            await heard(http, hub, 2)
            hub.process.send_signal(signal.SIGSTOP)  # so that it can't bring another
            assert not gone(second)
            hub.process.send_signal(signal.SIGKILL)
            async with asyncio.timeout(20):
                while not gone(second):
                    await asyncio.sleep(0.05)
            await hub.start_again()
            await new_worker(hub, other_than=None)
            await say(http, address, 3)
            await heard(http, hub, 3)
