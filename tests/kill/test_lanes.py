"""Lanes go where there is life: from a dead or frozen worker to the others within seconds, and to a new one its share."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterable

import pytest

from storage.locks import LANES, Lock
from tests.kill.checks import whole
from tests.kill.clients import Traffic, provider
from tests.kill.harness import HOLDERS, Site, until

pytestmark = [pytest.mark.kill, pytest.mark.timeout(240)]

WORKERS = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = {Lock.WORKER:d} AND granted"
MOVED_S = 6.0
SHARED_S = 5.0


async def shares(site: Site) -> dict[int, int]:
    """Lanes by PostgreSQL's process."""
    return {row["pid"]: row["lanes"] for row in await site.fetch(HOLDERS)}


async def shared(site: Site, workers: int) -> None:
    await until(lambda: site.shared(workers), SHARED_S, f"{workers} workers with their share each")


async def taken_over(site: Site, gone: Iterable[int]) -> float:
    """Until others hold all lanes. Returns how long that took, in seconds."""
    began, without = time.monotonic(), set(gone)

    async def met() -> bool:
        held = await shares(site)
        return not without & held.keys() and sum(held.values()) == LANES

    await until(met, MOVED_S, "all lanes in living hands")
    return time.monotonic() - began


async def test_dead_and_new_workers(site: Site) -> None:
    """Two workers share; one dies: within 6 s the other has all lanes. A third that starts gets its share."""
    _, first, second = await site.up("web", "worker", "worker")
    async with provider(site) as telegram, asyncio.TaskGroup() as tasks:
        traffic = Traffic(telegram, 2000, limit=300)
        tasks.create_task(traffic.run(), name="traffic")
        await shared(site, 2)
        await traffic.reached(300)
        before = await shares(site)
        traffic.limit = 900
        first.send(signal.SIGKILL)
        site.running.remove(first)
        survivor = await _survivor(site, before)
        print(f"a dead worker's lanes moved in {await taken_over(site, before.keys() - {survivor}):.2f} s")
        traffic.limit = 1500
        for workers in (2, 3):
            site.start("worker")
            await site.until_count(WORKERS, workers)
            await shared(site, workers)
        traffic.limit = 2000
        second.send(signal.SIGTERM)
        await until(lambda: not second.alive)
        site.running.remove(second)
        await shared(site, 2)
    await site.drained()
    await whole(site, traffic.sent)


async def _survivor(site: Site, before: dict[int, int]) -> int:
    """The one of the two whose connection is still there."""

    async def one_left() -> bool:
        return len((await shares(site)).keys() & before.keys()) == 1

    await until(one_left, MOVED_S, "one worker left")
    return next(iter((await shares(site)).keys() & before.keys()))


async def test_frozen_worker(site: Site) -> None:
    """A worker frozen in the middle of a batch loses its lanes within 6 s; when it wakes it writes nothing of what it had
    in hand, and gets a share again.
    """
    _, frozen, _ = await site.up("web", "worker", "worker")
    async with provider(site) as telegram, asyncio.TaskGroup() as tasks:
        traffic = Traffic(telegram, 2000, limit=300)
        tasks.create_task(traffic.run(), name="traffic")
        await shared(site, 2)
        # Both have worked before: a statement's first use is a round trip more, in which no idle timeout counts.
        await traffic.reached(300)
        await site.drained()
        traffic.limit = 500
        async with site.held("interaction"):
            await site.hanging("hub worker", 2)
            before = await shares(site)
            frozen.send(signal.SIGSTOP)
        began = time.monotonic()
        await _survivor(site, before)
        await until(lambda: _all_lanes(site), MOVED_S)
        took_s = time.monotonic() - began
        print(f"a frozen worker's lanes moved in {took_s:.2f} s")
        assert took_s < MOVED_S
        traffic.limit = 1500
        await traffic.reached(1000)
        await site.until_count("SELECT count(*) FROM journal_todo", 0)
        frozen.send(signal.SIGCONT)
        traffic.limit = 2000
        await site.ready()
        await shared(site, 2)
    await site.drained()
    await whole(site, traffic.sent)


async def _all_lanes(site: Site) -> bool:
    return sum((await shares(site)).values()) == LANES
