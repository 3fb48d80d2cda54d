"""P1, P2, P3, P6 under kill -9 and SIGSTOP: nothing accepted is lost, shown twice or out of order."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from storage.engines import processes
from tests.kill.checks import whole
from tests.kill.clients import Traffic, provider
from tests.kill.harness import Process, Site, tree, until

pytestmark = [pytest.mark.kill, pytest.mark.timeout(240)]

PAYLOADS = 5_000
HELD = (("journal", "hub journal"), ("", ""), ("interaction", "hub worker"))
DONE = "SELECT count(*) FROM journal_result"


class Assassin:
    """Strikes at the site's processes. `fell`: how often a blow fell inside what."""

    def __init__(self, site: Site, dice: random.Random) -> None:
        self.site = site
        self.dice = dice
        self.fell: Counter[str] = Counter()

    def _one(self, role: str) -> Process:
        return self.dice.choice([process for process in self.site.running if process.role == role])

    def _postgres(self) -> int:
        pid = self.site.postgres.pid()
        assert pid is not None
        return pid

    # ------------------------------------------------------------ kill -9

    async def web_in_commit(self) -> None:
        """The rows are committed, but who was to answer 2xx is dead: the provider repeats what is kept already."""
        web = self._one("web")
        async with self.site.held("journal"):
            await self.site.hanging("hub journal", 2)
            web.send(signal.SIGSTOP)
        await self.site.freed("hub journal")
        web.send(signal.SIGKILL)
        self.fell["commit"] += 1
        await self.site.restart(web)

    async def web_at_random(self) -> None:
        web = self._one("web")
        web.send(signal.SIGKILL)
        await self.site.restart(web)

    async def worker_in_batch(self) -> None:
        """References, identities and conversations of the batch are written, its interactions not yet."""
        await self.site.ready()  # with lanes for both: which connection is whose can't be seen
        worker = self._one("worker")
        async with self.site.held("interaction"):
            await self.site.hanging("hub worker", 2)
            worker.send(signal.SIGKILL)
            self.fell["batch"] += 1
            await until(lambda: not worker.alive)
        await self.site.restart(worker)

    async def worker_before_events(self) -> None:
        """All of the batch is written but its events."""
        await self.site.ready()
        worker = self._one("worker")
        async with self.site.held("event"):
            await self.site.hanging("hub worker", 2)
            worker.send(signal.SIGKILL)
            self.fell["batch"] += 1
        await self.site.restart(worker)

    async def worker_at_random(self) -> None:
        worker = self._one("worker")
        worker.send(signal.SIGKILL)
        await self.site.restart(worker)

    async def postgres_in_commit(self) -> None:
        async with self.site.held("journal_todo"):
            await self.site.hanging("hub journal", 2)
            await self._kill_postgres()
            self.fell["commit"] += 1
        await self.site.ready()

    async def postgres_in_batch(self) -> None:
        async with self.site.held("interaction"):
            await self.site.hanging("hub worker", 1)
            await self._kill_postgres()
            self.fell["batch"] += 1
        await self.site.ready()

    async def _kill_postgres(self) -> None:
        pid = self._postgres()
        processes.send(pid, signal.SIGKILL)
        await processes.gone(pid, timeout_s=10)

    async def valkey_killed(self) -> None:
        pid = self.site.valkey.pid()
        assert pid is not None
        processes.send(pid, signal.SIGKILL)
        await until(lambda: self.site.valkey.pid() not in {None, pid})

    # ------------------------------------------------------------ SIGSTOP

    async def _frozen(self, *pids: int) -> None:
        for pid in pids:
            processes.send(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(self.dice.uniform(2, 6))
        finally:
            for pid in pids:
                processes.send(pid, signal.SIGCONT)

    async def web_frozen(self) -> None:
        """What it had read but not kept is kept when it wakes, after the provider has sent it elsewhere."""
        await self._frozen(self._one("web").pid)

    async def worker_frozen(self) -> None:
        await self.site.ready()  # with lanes for both: which connection is whose can't be seen
        worker = self._one("worker")
        async with self.site.held("interaction"):
            await self.site.hanging("hub worker", 2)
            worker.send(signal.SIGSTOP)
            self.fell["batch"] += 1
        await self._frozen(worker.pid)
        await self.site.settled()

    async def postgres_frozen(self) -> None:
        await self._frozen(*tree(self._postgres()))
        await self.site.settled()

    async def valkey_frozen(self) -> None:
        pid = self.site.valkey.pid()
        assert pid is not None
        await self._frozen(pid)

    def blows(self) -> list[Callable[[], Awaitable[None]]]:
        """All of them, the moments of some left to chance, in a random order."""
        found: list[Callable[[], Awaitable[None]]] = [
            self.web_in_commit,
            self.web_at_random,
            self.worker_in_batch,
            self.worker_before_events,
            self.worker_at_random,
            self.postgres_in_commit,
            self.postgres_in_batch,
            self.valkey_killed,
            self.web_frozen,
            self.worker_frozen,
            self.postgres_frozen,
            self.valkey_frozen,
        ]
        self.dice.shuffle(found)
        return found


async def test_nothing_lost_twice_or_out_of_order(site: Site) -> None:
    """Kill -9 and SIGSTOP of web, worker, PostgreSQL and Valkey during 5,000 payloads: each is there once, in order."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    assassin = Assassin(site, random.Random(seed))
    await site.up("web", "web", "worker", "worker")
    blows = assassin.blows()
    stretch = PAYLOADS // (len(blows) + 1)
    async with provider(site) as telegram, asyncio.TaskGroup() as tasks:
        traffic = Traffic(telegram, PAYLOADS, seed=seed)
        sending = tasks.create_task(traffic.run(), name="traffic")
        for number, blow in enumerate(blows):
            # Traffic goes on during the blow, but not past its stretch: each has some to hit.
            traffic.limit = (number + 1) * stretch
            await traffic.reached(number * stretch + assassin.dice.randrange(stretch // 2))
            began, taken = time.monotonic(), traffic.taken
            assert not sending.done()
            await blow()
            print(f"{blow.__name__} at {taken}: {time.monotonic() - began:.1f} s, {traffic.taken} taken")
        traffic.limit = PAYLOADS
    print(f"answers {telegram.answers}, blows fell inside {dict(assassin.fell)}")
    await site.drained()
    await whole(site, traffic.sent)
    assert assassin.fell["commit"] >= 2
    assert assassin.fell["batch"] >= 3
    assert telegram.retries


async def test_everything_in_one_process(site: Site) -> None:
    """`run` killed between commit and answer, in a batch, and at random: its engines wait for the next one; each payload
    is there once, in order.
    """
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    (hub,) = await site.up("run")
    assassin = Assassin(site, random.Random(seed))
    async with provider(site) as telegram, asyncio.TaskGroup() as tasks:
        traffic = Traffic(telegram, 1000, seed=seed)
        tasks.create_task(traffic.run(), name="traffic")
        for number, (table, application) in enumerate(HELD):
            traffic.limit = (number + 1) * 250
            await traffic.reached(number * 250 + assassin.dice.randrange(100))
            if table:
                async with site.held(table):
                    await site.hanging(application, 1)
                    hub.send(signal.SIGSTOP)
                await site.freed(application)
            hub.send(signal.SIGKILL)
            hub = await site.restart(hub)
        traffic.limit = 1000
    await site.drained()
    await whole(site, traffic.sent)


async def test_redis_is_disposable(site: Site) -> None:
    """FLUSHALL and a killed Valkey in mid-stream lose nothing, and work goes on within seconds."""
    await site.up("web", "worker")
    async with provider(site) as telegram, asyncio.TaskGroup() as tasks:
        traffic = Traffic(telegram, 1500, limit=300)
        tasks.create_task(traffic.run(), name="traffic")
        for number, blow in enumerate((_flush, _kill_valkey, _flush, _kill_valkey), 1):
            await traffic.reached(number * 300)
            await blow(site)
            before, began = await site.count(DONE), time.monotonic()
            traffic.limit += 300

            async def goes_on(wanted: int = before + 100) -> bool:
                return await site.count(DONE) >= wanted

            await until(goes_on, 10, "work goes on")
            print(f"{blow.__name__}: {time.monotonic() - began:.2f} s")
    await site.drained(10)
    await whole(site, traffic.sent)


async def _flush(site: Site) -> None:
    async def flushed() -> bool:
        client = Redis.from_url(site.valkey.url, socket_timeout=5)
        try:
            return bool(await client.flushall())
        except RedisError:
            return False
        finally:
            await client.aclose()

    await until(flushed)


async def _kill_valkey(site: Site) -> None:
    pid = site.valkey.pid()
    assert pid is not None
    processes.send(pid, signal.SIGKILL)
