"""Who takes this call? Answered beside the commit, within the deadline, the same for a repetition, and never at its cost."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base import RouteAnswer, RouteQuestion
from router import pbx as pbx_module
from router.presence import CallState, load_call_state
from simulator.mango import MangoSimulator
from simulator.mango_calls import Script
from storage.db import Connection, connect
from storage.store import Store
from tests.conftest import Database
from tests.pipeline.exchange import KEY, SALT, Exchange, exchanging

CLIENT, PHONE = "79990000011", "+79990000011"
GREETING_S = 5.0


@pytest.fixture
async def pbx(store: Store) -> AsyncIterator[Exchange]:
    async with MangoSimulator(KEY, SALT) as sim, exchanging(store, sim, route_every_s=0) as found:
        sim.route_every_s = 0
        yield found


def appears(pbx: Exchange, client: str = CLIENT) -> Script:
    """A call that stands in the greeting: to be played."""
    script = pbx.sim.script(client)
    script.ivr()
    return script


async def ask(pbx: Exchange, call_id: str, phone: str = PHONE) -> list[str]:
    answer = await pbx.router.answer(pbx.channel, RouteQuestion(call_id, phone, "+74950000001", call_id))
    return list(answer.extensions)


async def routes(pbx: Exchange) -> list[dict[str, Any]]:
    return [command.data for command in pbx.sim.commands if command.path == "/commands/route"]


# ---------------------------------------------------------------- who


async def test_the_owner_first(pbx: Exchange) -> None:
    """A known client's call goes from the greeting to his manager, with his name on the display; then it is the manager's."""
    olga, boris = await pbx.agent("Olga", "205"), await pbx.agent("Boris", "202")
    await pbx.queue("Входящие", olga, boris)
    await pbx.client("Мария", PHONE, olga)
    played = await pbx.sim.answered(CLIENT, "202", greeting_s=GREETING_S)
    assert played.extension == "205"
    command = (await routes(pbx))[0]
    assert (command["to_number"], command["sip_headers"]) == ("205", {"From/display-name": "Мария"})
    assert command["call_id"].startswith(played.entry)
    call = await pbx.call(played.entry)
    assert (call["direction"], call["employee"], call["assignee_id"]) == ("in", "205", olga)
    answer = (await pbx.one("SELECT answer FROM call_reservation WHERE call_id = $1", played.entry))["answer"]
    assert answer["extensions"] == ["205", "202"]
    assert "Olga" in answer["reason"]


async def test_the_deputy_of_an_absent_owner(pbx: Exchange) -> None:
    """While the owner is away his deputy is rung, then the queue."""
    olga, boris, clara = [await pbx.agent(n, e) for n, e in (("Olga", "205"), ("Boris", "202"), ("Clara", "203"))]
    await pbx.queue("Входящие", clara)
    await pbx.client("Мария", PHONE, olga)
    await pbx.absent(olga, boris)
    assert await ask(pbx, "c1") == ["202", "203"]


async def test_the_queue_while_the_owner_talks(pbx: Exchange) -> None:
    """An owner on another call is not rung; who of the queue has been idle longest is."""
    olga, boris = await pbx.agent("Olga", "205"), await pbx.agent("Boris", "202")
    await pbx.queue("Входящие", olga, boris)
    await pbx.client("Мария", PHONE, olga)
    talking = pbx.sim.script("79990000012")
    leg = talking.rings("205")
    talking.talks(leg, "205")
    await pbx.sim.play(talking)
    await pbx.done()
    assert await ask(pbx, "c1") == ["202"]


async def test_a_stranger_goes_to_the_queue(pbx: Exchange) -> None:
    """Also one who withholds his number. Offline agents and those without an extension are not rung."""
    boris = await pbx.agent("Boris", "202")
    away = await pbx.agent("Away", "203", state="offline")
    silent = await pbx.agent("Silent")
    await pbx.queue("Входящие", boris, away, silent)
    assert await ask(pbx, "c1", "+79990000099") == ["202"]
    await pbx.store.pool.execute("DELETE FROM call_reservation")
    assert await ask(pbx, "c2", "") == ["202"]


async def test_nobody(pbx: Exchange) -> None:
    """With nobody to ring the PBX is commanded nothing and does what it would do."""
    script = appears(pbx)
    await pbx.sim.play(script)
    assert (await pbx.call(script.entry))["state"] == "ivr"
    answer = await pbx.one("SELECT agent_id, answer FROM call_reservation")
    assert (answer["agent_id"], answer["answer"]["extensions"]) == (None, [])
    assert await routes(pbx) == []


# ---------------------------------------------------------------- once


async def test_a_repetition_gets_the_same_answer_and_no_second_command(pbx: Exchange) -> None:
    """Whatever changed since: the answer of a call stays, and the call is not moved twice."""
    olga, boris = await pbx.agent("Olga", "205"), await pbx.agent("Boris", "202")
    await pbx.queue("Входящие", boris)
    await pbx.client("Мария", PHONE, olga)
    script = appears(pbx)
    event = script.events[0]
    assert await pbx.sim.tell(event) == 200
    await pbx.sim.wait(lambda: len(pbx.sim.commands) == 1)
    await pbx.store.pool.execute("UPDATE presence SET state = 'offline' WHERE agent_id = $1", olga)
    assert await pbx.sim.tell(event) == 200
    assert await ask(pbx, script.entry) == ["205", "202"]
    other = appears(pbx, "79990000013")
    await pbx.sim.play(other)
    await pbx.sim.wait(lambda: len(pbx.sim.commands) == 2)
    assert [c["call_id"].rpartition("-L")[0] for c in await routes(pbx)] == [script.entry, other.entry]


async def test_an_agent_is_promised_for_fifteen_seconds(pbx: Exchange) -> None:
    """Promised to one call he is not offered to another; after the promise he is."""
    olga, boris = await pbx.agent("Olga", "205"), await pbx.agent("Boris", "202")
    await pbx.queue("Входящие", boris)
    await pbx.client("Мария", PHONE, olga)
    assert await ask(pbx, "c1") == ["205", "202"]
    promise = await pbx.one("SELECT agent_id, until_at FROM call_reservation")
    left = promise["until_at"] - datetime.now(UTC)
    assert (promise["agent_id"], timedelta(seconds=13) < left <= timedelta(seconds=15)) == (olga, True)
    assert await ask(pbx, "c2") == ["202"]
    await pbx.store.pool.execute("UPDATE call_reservation SET until_at = now() - interval '1 second'")
    assert await ask(pbx, "c3") == ["205", "202"]


async def test_calls_of_one_moment_get_different_agents(pbx: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five calls that ask at once for the same owner and queue: no two are promised the same agent."""

    async def slowly(connection: Connection, *args: Any) -> CallState:
        state = await load_call_state(connection, *args)
        await connection.execute("SELECT pg_sleep(0.05)")  # the others would read the same meanwhile
        return state

    monkeypatch.setattr(pbx_module, "load_call_state", slowly)
    agents = [await pbx.agent(f"a{n}", str(200 + n)) for n in range(5)]
    await pbx.queue("Входящие", *agents)
    await pbx.client("Мария", PHONE, agents[0])
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(ask(pbx, f"c{n}")) for n in range(5)]
    firsts = [task.result()[0] for task in asked]
    assert sorted(firsts) == [str(200 + n) for n in range(5)]


async def test_a_refused_command_harms_nothing(pbx: Exchange) -> None:
    """The call was over, or the PBX would not: the payload is kept and the next call is routed."""
    olga = await pbx.agent("Olga", "205")
    await pbx.client("Мария", PHONE, olga)
    await pbx.client("Пётр", "+79990000012", await pbx.agent("Boris", "202"))
    pbx.sim.refuse = [5004]
    first, second = appears(pbx), appears(pbx, "79990000012")
    await pbx.sim.play(first)
    await pbx.sim.wait(lambda: len(pbx.sim.commands) == 1)
    await pbx.sim.play(second)
    await pbx.sim.wait(lambda: len(pbx.sim.commands) == 2)
    assert [command.code for command in pbx.sim.commands] == [5004, 4101]
    assert pbx.sim.statuses == [200, 200]


async def test_commands_take_turns(store: Store) -> None:
    """Mango takes one routing command in two seconds (here 0.2): three calls of one moment are all routed, in turn."""
    async with MangoSimulator(KEY, SALT) as sim, exchanging(store, sim, route_every_s=0.3) as pbx:
        sim.route_every_s = 0.2
        agents = [await pbx.agent(f"a{n}", str(200 + n)) for n in range(3)]
        await pbx.queue("Входящие", *agents)
        async with asyncio.TaskGroup() as tasks:
            played = [tasks.create_task(sim.answered(f"7999000002{n}", "100", greeting_s=5)) for n in range(3)]
        assert sorted(task.result().extension for task in played) == ["200", "201", "202"]
        at = [command.at for command in sim.commands if command.path == "/commands/route"]
        assert [command.code for command in sim.commands if command.path == "/commands/route"] == [1000] * 3
        assert min(later - earlier for earlier, later in itertools.pairwise(at)) >= 0.2


# ---------------------------------------------------------------- in time, and never at the payload's cost


async def test_a_slow_database_costs_the_answer_not_the_payload(pbx: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """What routing reads is locked: the provider has its 200 soon after the deadline, the payload is kept, no one is rung."""
    monkeypatch.setattr(pbx_module, "DEADLINE_S", 0.3)
    olga = await pbx.agent("Olga", "205")
    await pbx.client("Мария", PHONE, olga)
    script = appears(pbx)
    async with pbx.store.pool.acquire() as holder:
        async with holder.transaction():
            await holder.execute("LOCK TABLE call_reservation IN ACCESS EXCLUSIVE MODE")
            begun = time.monotonic()
            assert await pbx.sim.tell(script.events[0]) == 200
            assert 0.25 < time.monotonic() - begun < 3
            assert len(await pbx.rows("SELECT id FROM journal")) == 1
    assert (await pbx.call(script.entry))["client"] == PHONE
    assert await routes(pbx) == []
    assert await ask(pbx, "next") == ["205"]


async def test_a_frozen_database_costs_the_answer_not_the_payload(
    pbx: Exchange, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that never answer again, not even to a cancellation, are thrown away, not waited for."""
    monkeypatch.setattr(pbx_module, "DEADLINE_S", 1.0)
    await pbx.client("Мария", PHONE, await pbx.agent("Olga", "205"))
    script = appears(pbx)
    watcher = await connect(database.url, application="watcher")
    rows = await watcher.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'test'"
    )
    frozen = [row["pid"] for row in rows]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert await pbx.sim.tell(script.events[0]) == 200
        assert 0.9 < time.monotonic() - begun < 1.8, "handing it back in order would take as long again"
        assert await watcher.fetchval("SELECT count(*) FROM journal") == 1
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        watcher.terminate()
    assert await routes(pbx) == []


async def test_a_bug_in_routing_costs_the_answer_not_the_payload(
    pbx: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever routing raises, the provider gets its 200 and the payload is kept."""

    async def broken(_self: object, _channel: object, _question: object) -> RouteAnswer:
        raise ZeroDivisionError

    monkeypatch.setattr(pbx_module.CallRouter, "answer", broken)
    script = appears(pbx)
    assert await pbx.sim.tell(script.events[0]) == 200
    assert (await pbx.call(script.entry))["state"] == "ivr"


async def test_no_2xx_before_it_is_kept(pbx: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question whose payload can't be kept is answered 503, however well it could be routed."""
    olga = await pbx.agent("Olga", "205")
    await pbx.client("Мария", PHONE, olga)
    script = appears(pbx)
    monkeypatch.setattr("storage.journal.MAX_WAITING", 0)
    assert await pbx.sim.tell(script.events[0]) == 503
    assert await routes(pbx) == []
    monkeypatch.undo()
    assert await pbx.sim.tell(script.events[0]) == 200
    await pbx.sim.wait(lambda: len(pbx.sim.commands) == 1)
