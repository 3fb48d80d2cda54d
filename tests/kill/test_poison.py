"""P5: an entry that can't be understood, or that kills its worker, costs itself alone; an engine's death costs nobody."""

from __future__ import annotations

import asyncio
import json
import signal

import aiohttp
import pytest

from storage.engines import processes
from tests.kill.checks import no_orphans, whole
from tests.kill.clients import HEADERS, Traffic, provider, update
from tests.kill.harness import Process, Site, until
from tests.kill.poison import DEADLY

pytestmark = [pytest.mark.kill, pytest.mark.timeout(240)]

STATES = "SELECT state, count(*) FROM journal_result GROUP BY state"


async def _states(site: Site) -> dict[str, int]:
    return {row["state"]: row["count"] for row in await site.fetch(STATES)}


async def test_an_entry_that_raises(site: Site) -> None:
    """A body that is not what it should be fails alone, is kept, and fails again when replayed; the chat goes on."""
    await site.up("run")
    good = [update(number, 1, number) for number in range(1, 21)]
    bad = [b"{", b"", b"[]", b"\x00\xff", b'{"update_id": "x"}', b'{"update_id": 700, "message": {"date": "now"}}']
    async with provider(site) as telegram:
        for number, body in enumerate(good):
            await telegram.deliver(body)
            if number < len(bad):
                await telegram.deliver(bad[number])
        assert telegram.answers.keys() == {200}
    await site.drained()
    assert await _states(site) == {"done": len(good), "failed": len(bad)}
    async with asyncio.timeout(60):
        environment = {"HUB_DATA_DIR": str(site.folder / "data"), "DEMO": "0"}
        log = site.folder / "replay.txt"
        command = Process("replay", site.nursery.fork(["replay", "--failed"], environment, log))
        await until(lambda: not command.alive)
    assert f"{len(bad)} of {len(bad)} entries" in log.read_text()
    await site.drained()
    assert await _states(site) == {"done": len(good), "failed": len(bad)}
    assert not await site.fetch("SELECT FROM journal_result WHERE state = 'failed' AND detail IS NULL")
    assert await site.count("SELECT count(*) FROM interaction") == len(good)


async def test_an_entry_that_kills(site: Site) -> None:
    """Three deaths put it into quarantine. All others are done, those of its own lane too, in their order."""
    web, worker = await site.up("web", "worker")
    worker.send(signal.SIGSTOP)
    async with aiohttp.ClientSession() as session:
        for number in range(1, 101):
            text = DEADLY if number == 50 else str(number)
            body = {"id": f"{number % 5}:{number // 5 + 1}", "from": f"client {number % 5}", "text": text}
            async with session.post(
                f"{web.url}/hooks/{site.tokens[2]}", data=json.dumps(body), headers=HEADERS
            ) as answer:
                assert answer.status == 200
    worker.send(signal.SIGCONT)
    for _ in range(3):
        dying = worker
        await until(lambda dying=dying: not dying.alive, what="the entry kills the worker")
        worker = await site.begin_again(dying)
    await site.drained()
    assert worker.alive
    assert await _states(site) == {"done": 99, "quarantined": 1}
    row = (await site.fetch("SELECT detail FROM journal_result WHERE state = 'quarantined'"))[0]
    assert "died 3 times" in row["detail"]
    order = "SELECT array_agg(text::int ORDER BY order_at, seq, id) AS texts FROM interaction GROUP BY conversation_id"
    by_event = """
        SELECT array_agg((data::json -> 'interaction' ->> 'text')::int ORDER BY id) AS texts FROM event
        WHERE type = 'interaction.created' GROUP BY data::json -> 'interaction' ->> 'conversation_id'"""
    for query in (order, by_event):
        found = sorted(row["texts"] for row in await site.fetch(query))
        assert found == sorted([n for n in range(1, 101) if n % 5 == rest and n != 50] for rest in range(5))
    await no_orphans(site)


async def test_a_database_restart_is_not_a_death(site: Site) -> None:
    """PostgreSQL killed four times in a row under the same entries: nobody is suspected in the end, all are done."""
    _, *workers = await site.up("web", "worker", "worker")
    async with provider(site) as telegram, asyncio.TaskGroup() as tasks:
        for worker in workers:
            worker.send(signal.SIGSTOP)
        traffic = Traffic(telegram, 400)
        sending = tasks.create_task(traffic.run(), name="traffic")
        await sending
        for _ in range(4):
            async with site.held("interaction"):
                for worker in workers:
                    worker.send(signal.SIGCONT)
                await site.hanging("hub worker", 1)
                for worker in workers:
                    worker.send(signal.SIGSTOP)
                pid = site.postgres.pid()
                assert pid is not None
                processes.send(pid, signal.SIGKILL)
                await processes.gone(pid, timeout_s=10)
            await site.database()
        for worker in workers:
            worker.send(signal.SIGCONT)
    await site.drained()
    await whole(site, traffic.sent)
