"""latency_ratio_p99, latency_bulk_ratio: from a POST to its frame at 200 messages a second, plain and beside bulk work."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

import aiohttp

from bench import receipts
from bench.campaign import add_campaign, unsay
from bench.figures import Figure, Plan, Unmeasurable, listed, median, quantile
from bench.frames import Listener, listening
from bench.harness import ROOT, Hub, add_contacts, environment, free_port, running_hub, settled, wait_for_port
from bench.noop_live import TABLE
from bench.openloop import RATE, Stream, open_loop
from storage.db import RawConnection, connect

Mode = Literal["floor", "hub", "receipts", "archive"]
MODES: tuple[Mode, ...] = ("floor", "hub", "receipts", "archive")
WARM_S = 2.0
HEAD_START_S = 0.5
CLEAR_S = 60.0


@dataclass
class Found:
    """A mode's rounds. `covered`: share of each round in which bulk work was waiting."""

    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    worst: list[float] = field(default_factory=list)
    covered: list[float] = field(default_factory=list)
    done_per_s: list[float] = field(default_factory=list)

    def add(self, took_ms: Sequence[float]) -> None:
        self.p50.append(median(took_ms))
        self.p99.append(quantile(took_ms, 0.99))
        self.worst.append(max(took_ms))


@dataclass(frozen=True)
class Bench:
    """What every round needs."""

    hub: Hub
    connection: RawConnection
    http: aiohttp.ClientSession
    floor: tuple[str, Listener]
    hooks: Sequence[str]
    listener: Listener
    stream: Stream
    channels: dict[Mode, UUID]


async def run(plan: Plan) -> list[Figure]:
    """All modes in turn, round after round."""
    found = {mode: Found() for mode in MODES}
    async with running_hub(("-m", "bench.hub", "run")) as hub, _prepared(hub) as bench:
        for mode in ("floor", "hub"):  # caches, prepared statements, connections
            await _live(bench, mode, WARM_S)
        for number in range(plan.latency_rounds):
            for mode in MODES:
                await _round(bench, mode, number, plan.seconds, found[mode])
                await settled(bench.connection)
    return [_ratio(found), _bulk_ratio(found)]


@asynccontextmanager
async def _prepared(hub: Hub) -> AsyncIterator[Bench]:
    bots = await hub.add_bots()
    channels: dict[Mode, UUID] = {"archive": bots[0][0]}
    receipts.register()
    channels["receipts"], _ = await hub.add_channel(receipts.NAME, "Campaign", {})
    connection = await hub.connect()
    await add_contacts(connection)
    await add_campaign(connection, channels["receipts"])
    async with (
        _floor(hub) as floor_port,
        listening(hub.port, hub.token) as listener,
        listening(floor_port) as floor_listener,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=60)) as http,
    ):
        floor = (f"http://127.0.0.1:{floor_port}/hooks/x", floor_listener)
        hooks = [hub.base + path for _, path in bots]
        yield Bench(hub, connection, http, floor, hooks, listener, Stream(), channels)
    await connection.close()


@asynccontextmanager
async def _floor(hub: Hub) -> AsyncIterator[int]:
    """The floor's server on the hub's own engines, in a database of its own; its port."""
    url = hub.postgres.url_of("noop")
    admin = await hub.connect()
    await admin.execute("CREATE DATABASE noop")
    await admin.close()
    table = await connect(url, application="bench", settings={})
    await table.execute(TABLE)
    await table.close()
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.noop_live", str(port), url, hub.valkey.url, cwd=ROOT, env=environment({})
    )
    try:
        await wait_for_port(port)
        yield port
    finally:
        process.kill()
        await process.wait()


async def _live(bench: Bench, mode: Mode, seconds: float) -> list[float]:
    hook, listener = bench.floor
    if mode == "floor":
        return await open_loop(bench.http, [hook], listener, bench.stream, seconds)
    return await open_loop(bench.http, bench.hooks, bench.listener, bench.stream, seconds)


async def _round(bench: Bench, mode: Mode, number: int, seconds: float, found: Found) -> None:
    if mode in {"floor", "hub"}:
        found.add(await _live(bench, mode, seconds))
        return
    start = 1 if mode == "receipts" else 1_000_000_000 + number * 10_000_000
    channel_id = str(bench.channels[mode])
    feeder = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.feeder", mode, bench.hub.url, channel_id, str(start)), cwd=ROOT
    )
    try:
        while not await _bulk_waits(bench.connection):  # the feeder's own start is no part of the round
            if feeder.returncode:
                raise Unmeasurable(f"the feeder of {mode} failed")
            await asyncio.sleep(0.05)
        await asyncio.sleep(HEAD_START_S)
        done, began = await _bulk_done(bench.connection), time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            covering = tasks.create_task(_coverage(bench, seconds), name="coverage")
            found.add(await _live(bench, mode, seconds))
        found.covered.append(covering.result())
        done = await _bulk_done(bench.connection) - done
        found.done_per_s.append(done / (time.perf_counter() - began))
    finally:
        if feeder.returncode is None:
            feeder.kill()
        await feeder.wait()
        await _clear(bench.connection)
    if mode == "receipts":
        await unsay(bench.connection)


async def _coverage(bench: Bench, seconds: float) -> float:
    """Share of the round in which bulk work was waiting."""
    looks = waiting = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        waiting += await _bulk_waits(bench.connection)
        looks += 1
        await asyncio.sleep(0.5)
    return waiting / looks


async def _bulk_waits(connection: RawConnection) -> bool:
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM journal_todo WHERE class > 0)"))


async def _bulk_done(connection: RawConnection) -> int:
    """Bulk and status entries that left the work list."""
    return int(
        await connection.fetchval(
            "SELECT (SELECT count(*) FROM journal WHERE class > 0) - (SELECT count(*) FROM journal_todo WHERE class > 0)",
            timeout=120,
        )
    )


async def _clear(connection: RawConnection) -> None:
    """What is left over of the bulk work would be the next round's burden."""
    end = time.perf_counter() + CLEAR_S
    while await _bulk_waits(connection) and time.perf_counter() < end:
        await connection.execute("DELETE FROM journal_todo WHERE class > 0", timeout=120)
        await asyncio.sleep(0.2)
    await connection.execute("VACUUM journal_todo", timeout=120)


def _ratio(found: dict[Mode, Found]) -> Figure:
    floor, hub = found["floor"], found["hub"]
    value = median(hub.p99) / median(floor.p99)
    beside = [
        f"{RATE} messages/s, medians of rounds; p50 ratio {median(hub.p50) / median(floor.p50):.2f}",
        *_lines(found, ("floor", "hub")),
    ]
    return Figure("latency_ratio_p99", value, 5, beside=beside)


def _bulk_ratio(found: dict[Mode, Found]) -> Figure:
    plain = median(found["hub"].p99)
    ratios = {mode: median(found[mode].p99) / plain for mode in ("receipts", "archive")}
    return Figure("latency_bulk_ratio", max(ratios.values()), 2, beside=_lines(found, ("hub", "receipts", "archive")))


def _lines(found: dict[Mode, Found], modes: Sequence[Mode]) -> list[str]:
    lines = []
    for mode in modes:
        here = found[mode]
        lines.append(
            f"{mode:9} p50 {median(here.p50):7.1f} ms   p99 {median(here.p99):7.1f} ms ({listed(here.p99, 1)})"
            f"   max {max(here.worst):,.0f} ms"
        )
        if here.covered:
            lines.append(
                f"          bulk waiting {100 * median(here.covered):.0f} % of the time,"
                f" {median(here.done_per_s):,.0f} done/s beside the live ones"
            )
    return lines
