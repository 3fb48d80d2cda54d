"""ingest_vs_noop: Telegram updates the hub takes in and finishes, against a handler that does nothing with them."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from bench import procs
from bench.figures import Figure, Plan, Unmeasurable, listed, median
from bench.frames import Listener, listening
from bench.harness import ROOT, SECRET, Hub, add_contacts, environment, free_port, running_hub, settled, wait_for_port
from storage.db import RawConnection

SCRIPT = Path(__file__).with_name("stream.lua")
QUIET_S = 0.5
DRAIN_S = 300.0


@dataclass(frozen=True)
class Load:
    """What wrk reports. `cpu_s`: its own."""

    requests: int
    seconds: float
    refused: int
    cpu_s: float

    @property
    def accepted_per_s(self) -> float:
        return (self.requests - self.refused) / self.seconds


@dataclass(frozen=True)
class Round:
    load: Load
    messages: int
    drained_s: float
    cpu_s: dict[str, float]

    @property
    def drained_per_s(self) -> float:
        return self.messages / self.drained_s


async def run(plan: Plan) -> list[Figure]:
    """Floor and hub in turn. Raises Unmeasurable without wrk."""
    if shutil.which("wrk") is None:
        raise Unmeasurable("wrk is not installed: `make peers`, or Debian's package wrk")
    floor: list[Load] = []
    rounds: list[Round] = []
    async with running_hub() as hub:
        hooks = [path for _, path in await hub.add_bots()]
        connection = await hub.connect()
        await add_contacts(connection)
        async with listening(hub.port, hub.token) as listener:
            for number in range(plan.ingest_rounds):
                async with noop() as port:
                    floor.append(await _wrk(port, ["/hooks/x"], run_number=2 * number + 1, seconds=plan.seconds))
                rounds.append(
                    await _hub_round(hub, connection, listener, hooks, run_number=2 * number + 2, seconds=plan.seconds)
                )
                await settled(connection)
        await connection.close()
    value = median([r.drained_per_s for r in rounds]) / median([load.accepted_per_s for load in floor])
    return [Figure("ingest_vs_noop", value, 0.20, at_least=True, beside=_beside(floor, rounds))]


async def _wrk(port: int, hooks: Sequence[str], *, run_number: int, seconds: int) -> Load:
    env = environment({"HOOKS": ",".join(hooks), "SECRET": SECRET, "RUN": str(run_number)})
    argv = ["wrk", "-t1", "-c64", f"-d{seconds}s", "-s", str(SCRIPT), f"http://127.0.0.1:{port}"]
    process = await asyncio.create_subprocess_exec(*argv, env=env, stdout=asyncio.subprocess.PIPE)
    usage = 0.0
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(process.communicate(), name="wrk")
        while not (await asyncio.wait({reading}, timeout=0.2))[0]:
            usage = procs.cpu_s(process.pid) or usage
    words = reading.result()[0].decode()
    found = re.search(r"(\d+) requests in ([\d.]+)(m?)s", words)
    if found is None:
        raise Unmeasurable(f"wrk says nothing useful: {words[-200:]!r}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", words)
    return Load(int(found[1]), float(found[2]), int(refused[1]) if refused else 0, usage)


@asynccontextmanager
async def noop() -> AsyncIterator[int]:
    """The floor's server; its port."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.noop", str(port), cwd=ROOT)
    try:
        await wait_for_port(port)
        yield port
    finally:
        process.kill()
        await process.wait()


async def _hub_round(
    hub: Hub, connection: RawConnection, listener: Listener, hooks: Sequence[str], *, run_number: int, seconds: int
) -> Round:
    """From the first request until the last message is in the stream, told, and found."""
    kept = await _count(connection)
    told = listener.created
    before = await hub.usage(connection)
    began = time.perf_counter()
    load = await _wrk(hub.port, hooks, run_number=run_number, seconds=seconds)
    await _drained(connection, listener)
    after = await hub.usage(connection)
    messages = await _count(connection) - kept
    if listener.created - told != messages:
        raise Unmeasurable(f"{messages} messages are in the stream, {listener.created - told} were told")
    await _found(hub, listener.last_frame)
    cpu = {**procs.spent(before, after), "wrk": load.cpu_s}
    return Round(load, messages, listener.last_at - began, cpu)


async def _count(connection: RawConnection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM interaction", timeout=120))


async def _drained(connection: RawConnection, listener: Listener) -> None:
    """Until nothing waits and nothing more is told. Asks the database only in a lull: it has enough to do."""
    deadline = time.perf_counter() + DRAIN_S
    while time.perf_counter() < deadline:
        seen = listener.created
        await asyncio.sleep(QUIET_S)
        if seen == listener.created and not await connection.fetchval("SELECT EXISTS (SELECT FROM journal_todo)"):
            await asyncio.sleep(QUIET_S)
            if seen == listener.created:
                return
    raise Unmeasurable(f"not drained within {DRAIN_S:.0f} s")


async def _found(hub: Hub, frame: bytes) -> None:
    """The last message told is found by its words. Raises Unmeasurable."""
    item: dict[str, Any] = msgspec.json.decode(frame)["data"]["interaction"]
    query = {"q": " ".join(item["text"].split()[:3]), "contact": item["contact_id"], "limit": "200"}
    headers = {"Authorization": f"Bearer {hub.token}"}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60), headers=headers) as http,
        http.get(f"{hub.base}/api/v1/interactions", params=query) as answer,
    ):
        answer.raise_for_status()
        page = await answer.json()
    if item["id"] not in {found["id"] for found in page["items"]}:
        raise Unmeasurable("the last message told is not found by its words")


def _beside(floor: Sequence[Load], rounds: Sequence[Round]) -> list[str]:
    messages = sum(r.messages for r in rounds)
    wrk_us = 1e6 * sum(load.cpu_s for load in floor) / sum(load.requests for load in floor)
    spent = {name: sum(r.cpu_s.get(name, 0.0) for r in rounds) for r in rounds for name in r.cpu_s}
    ranked = sorted(spent.items(), key=lambda pair: (_ORDER.get(pair[0], 2), -pair[1]))
    return [
        f"floor     {listed([load.accepted_per_s for load in floor])} /s (wrk {wrk_us:.0f} µs a request)",
        f"accepted  {listed([r.load.accepted_per_s for r in rounds])} /s, refused {sum(r.load.refused for r in rounds)}",
        f"drained   {listed([r.drained_per_s for r in rounds])} /s, {messages:,} messages in all",
        f"          the last one {listed([r.drained_s for r in rounds], 1)} s after the first request",
        f"CPU µs per message, of {os.cpu_count()} cores:",
        *(f"  {name:24} {1e6 * seconds / messages:7.0f}" for name, seconds in ranked),
    ]


_ORDER = {"hub": 0, "postgres": 1, "valkey": 3, "wrk": 4, "bench": 5}
"""The backends' kinds follow PostgreSQL's sum."""
