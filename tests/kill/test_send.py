"""P7: a crash while sending never silently sends a message twice; what can't be known is marked in doubt."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from connectors import registry
from storage.store import Store
from tests.conftest import Database
from tests.outbound.fake_connector import connector
from tests.outbound.provider_stub import Hub, Provider, Script, make_hub, until

WORKER = Path(__file__).with_name("send_worker.py")
LEASE_S = 2.0
CLIENTS, EACH = 60, 6
KILL, STOP = signal.SIGKILL, signal.SIGSTOP
PLANNED = ((20, KILL), (50, STOP), (80, KILL), (120, KILL), (160, STOP), (200, KILL), (240, KILL), (280, KILL))
"""After how many messages the sender of the next one is hit."""

pytestmark = [pytest.mark.kill, pytest.mark.timeout(240)]


@dataclass
class Workers:
    """Two processes that send; whoever dies is replaced. `hits`: messages whose sender was stopped while we had them."""

    database: Database
    hub: Hub
    alive: dict[int, asyncio.subprocess.Process] = field(default_factory=dict)
    frozen: set[int] = field(default_factory=set)
    kills: int = 0
    freezes: int = 0
    hits: set[UUID] = field(default_factory=set)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(WORKER),
            self.database.url,
            self.database.redis_url,
            str(self.database.data_dir),
            str(LEASE_S),
        )
        self.alive[process.pid] = process

    async def hit(self, outbound: UUID, how: signal.Signals) -> bool:
        """Stops the process that is just sending this message to us; False if it is stopped or gone already."""
        async with self._one_at_a_time:
            pid = await self._sender_of(outbound)
            if pid not in self.alive or pid in self.frozen:
                return False
            self.hits.add(outbound)
            await self.stop(pid, how)
        return True

    async def _sender_of(self, outbound: UUID) -> int:
        row = await self.hub.row(outbound)
        return int(row["claimed_by"].split(":")[1]) if row["state"] == "sending" else 0

    async def stop(self, pid: int, how: signal.Signals) -> None:
        os.kill(pid, how)
        if how == STOP:
            self.freezes += 1
            self.frozen.add(pid)
        else:
            self.kills += 1
            await self.alive.pop(pid).wait()
        await self.start()

    async def stop_any(self, dice: random.Random, done: asyncio.Event) -> None:
        async with self._one_at_a_time:
            able = [pid for pid in self.alive if pid not in self.frozen]
            if not done.is_set() and self.kills + self.freezes < 20:
                await self.stop(dice.choice(able), dice.choice([KILL, STOP]))

    def thaw(self) -> None:
        for pid in self.frozen:
            os.kill(pid, signal.SIGCONT)
        self.frozen.clear()

    async def end(self) -> None:
        self.thaw()
        for process in self.alive.values():
            with suppress(ProcessLookupError):
                process.terminate()
        for process in self.alive.values():
            await process.wait()


@pytest.fixture
async def hub(store: Store, database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    monkeypatch.setitem(registry.MODULES, "scripted", "tests.outbound.fake_connector")
    async with Provider().serving() as provider:
        yield await make_hub(store, provider, database.redis_url)


@pytest.fixture
async def workers(hub: Hub, database: Database) -> AsyncIterator[Workers]:
    found = Workers(database, hub)
    try:
        await found.start()
        await found.start()
        yield found
    finally:
        await found.end()


async def _queue_all(hub: Hub) -> list[UUID]:
    """Numbered messages to many clients, in turn."""
    clients = [await hub.client() for _ in range(CLIENTS)]
    return [await hub.queued(client, str(n)) for n in range(EACH) for client in clients]


def _violent(workers: Workers, dice: random.Random) -> Script:
    """A provider that takes its time, and at times kills or freezes the sender of the message it has in hand."""
    seen = 0
    planned = list(PLANNED)

    async def script(body: dict[str, Any]) -> None:
        nonlocal seen
        seen += 1
        await asyncio.sleep(dice.uniform(0.005, 0.05))
        if planned and seen >= planned[0][0]:
            at, how = planned.pop(0)
            if not await workers.hit(UUID(body["id"]), how):
                planned.insert(0, (at, how))

    return script


async def _harass(workers: Workers, dice: random.Random, done: asyncio.Event) -> None:
    """Kills and freezes at moments that nothing chooses; the frozen are woken after their leases have run out."""
    while not done.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), dice.uniform(2.5, 4.0))
        workers.thaw()
        await workers.stop_any(dice, done)


async def test_no_message_is_sent_twice_and_none_is_lost(hub: Hub, workers: Workers) -> None:
    """Senders killed and frozen again and again, in the middle of sends: the provider gets no message twice, each ends
    sent or in doubt, no more are in doubt than were on the wire, and nobody's messages are out of order.
    """
    dice = random.Random()
    hub.provider.script = _violent(workers, dice)
    outbound = await _queue_all(hub)
    done = asyncio.Event()

    async def ended() -> bool:
        count = "SELECT count(*) FROM outbound WHERE state NOT IN ('sent', 'in_doubt')"
        return not await hub.store.pool.fetchval(count)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_harass(workers, dice, done))
        try:
            await until(ended, timeout_s=200)
        finally:
            done.set()
    workers.thaw()

    states = {one: await hub.state(one) for one in outbound}
    received = Counter(UUID(body["id"]) for body in hub.provider.received)
    doubtful = {one for one, state in states.items() if state == "in_doubt"}
    assert [one for one, times in received.items() if times > 1] == []
    assert [one for one, state in states.items() if state == "sent" and not received[one]] == []
    assert len(doubtful) <= (workers.kills + workers.freezes) * connector.limits.parallel
    assert len(workers.hits) == len(PLANNED)
    assert workers.hits & doubtful & set(received), "no kill fell inside a send"
    by_client: defaultdict[str, list[int]] = defaultdict(list)
    for body in hub.provider.received:
        by_client[body["to"]].append(int(body["text"]))
    assert [numbers for numbers in by_client.values() if numbers != sorted(numbers)] == []


async def test_a_sender_that_wakes_up_reports_what_the_provider_said(hub: Hub, workers: Workers) -> None:
    """Frozen while the provider answered: in doubt for the others, sent once the answer is read after all."""
    stopped = asyncio.Event()

    async def script(body: dict[str, Any]) -> None:
        if not stopped.is_set():
            stopped.set()
            await workers.hit(UUID(body["id"]), STOP)

    hub.provider.script = script
    outbound = await hub.queued(await hub.client(), "x")
    await hub.becomes(outbound, "in_doubt")
    workers.thaw()
    await hub.becomes(outbound, "sent")
    assert len(hub.provider.received) == 1


async def test_sigterm_ends_in_order(hub: Hub, workers: Workers) -> None:
    """Terminated in mid-stream, processes finish what is on the wire: nothing is in doubt, the rest stays queued."""
    hub.provider.open.clear()
    for _ in range(30):
        await hub.queued(await hub.client(), "x")

    async def busy() -> bool:
        return len(hub.provider.received) == 2 * connector.limits.parallel

    await until(busy)
    for process in workers.alive.values():
        process.terminate()

    async def handed_back() -> bool:
        return not await hub.store.pool.fetchval("SELECT count(*) FROM outbound WHERE state = 'claimed'")

    await until(handed_back)
    hub.provider.open.set()
    for process in workers.alive.values():
        await process.wait()
    rows = await hub.store.pool.fetch("SELECT state, count(*) AS n FROM outbound GROUP BY state")
    sent = 2 * connector.limits.parallel
    assert {row["state"]: row["n"] for row in rows} == {"sent": sent, "queued": 30 - sent}
