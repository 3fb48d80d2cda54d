"""Presence, the shared snapshot of the staff, and who is on a call."""

from __future__ import annotations

from datetime import timedelta

import pytest

from config.errors import BadRequest
from router.directory import DirectoryCache
from router.presence import load_call_state, set_presence
from tests.router.world import CHANNEL, NOW, ZONE, World


async def test_presence_is_told_once_per_change(world: World) -> None:
    """A sign of life alone tells nobody; a change, and coming back after silence, tell everybody."""
    boris = await world.agent("Boris", state="offline")

    async def say(state: str, after_s: int, reason: str = "") -> int:
        return await set_presence(world.db, boris, state, reason, NOW + timedelta(seconds=after_s))

    told = [
        await say("online", 1),
        await say("online", 30),
        await say("away", 40, "lunch"),
        await say("away", 200, "lunch"),
    ]
    assert [bool(one) for one in told] == [True, False, True, True]
    kinds = [(kind, audience, data["state"], data["reason"]) for kind, audience, data in await world.events()]
    assert kinds[1] == ("agent.presence", ["all"], "away", "lunch")
    row = await world.db.fetchrow("SELECT since, seen_at FROM presence WHERE agent_id = $1", boris)
    assert row is not None
    assert tuple(row) == (NOW + timedelta(seconds=40), NOW + timedelta(seconds=200))
    with pytest.raises(BadRequest):
        await say("asleep", 300)


async def test_the_directory_is_read_once_a_second_and_when_told(world: World) -> None:
    """Many callers share one snapshot; telling that staff changed makes the next one see it."""
    clock = [0.0]
    cache = DirectoryCache(zone=ZONE, clock=lambda: clock[0])
    first = await cache.get(world.db, NOW)
    boris = await world.agent("Boris")
    await world.queue("Broken", boris, hours={"1": "always"}, timezone="Mars/Olympus")
    assert await cache.get(world.db, NOW) is first
    cache.invalidate()
    second = await cache.get(world.db, NOW)
    assert second.agents[boris].is_online(NOW)
    assert [q.is_open(NOW) for q in second.queues.values()] == [True]
    clock[0] = 1.5
    assert await cache.get(world.db, NOW) is not second


async def test_call_state_knows_talking_and_promised_agents(world: World) -> None:
    """An agent on a call or promised to another call is busy; the call that asks does not count against itself."""
    anna, boris, clara = [await world.agent(name) for name in ("Anna", "Boris", "Clara")]
    await world.db.execute("INSERT INTO agent_extension VALUES ($1, '101', $2)", CHANNEL, anna)
    await world.db.execute(
        "INSERT INTO call (channel_id, external_id, state, employee, started_at) VALUES ($1, 'a', 'talking', '101', $2)",
        CHANNEL,
        NOW,
    )
    await world.db.executemany(
        "INSERT INTO call_reservation VALUES ($1, $2, $3, '{}', $4)",
        [(CHANNEL, "b", boris, NOW + timedelta(seconds=15)), (CHANNEL, "c", clara, NOW - timedelta(seconds=1))],
    )
    state = await load_call_state(world.db, CHANNEL, "d", NOW)
    assert state.busy == {anna, boris}
    assert state.idle_since[clara] == NOW - timedelta(seconds=1)
    assert (await load_call_state(world.db, CHANNEL, "b", NOW)).busy == {anna}


async def test_the_call_that_asks_makes_nobody_busy(world: World) -> None:
    """It may ring Anna's extension before the PBX asks, and ask under another of its ids; any other call of hers counts."""
    anna = await world.agent("Anna")
    await world.db.execute("INSERT INTO agent_extension VALUES ($1, '101', $2)", CHANNEL, anna)
    interaction = await world.db.fetchval("SELECT uuidv7()")
    call = (
        "INSERT INTO call (channel_id, external_id, interaction_id, state, employee, started_at)"
        " VALUES ($1, $2, $3, 'ringing', '101', $4)"
    )
    await world.db.execute(call, CHANNEL, "a", interaction, NOW)
    await world.db.executemany(
        "INSERT INTO external_ref (channel_id, kind, external_id, interaction_id) VALUES ($1, 'call', $2, $3)",
        [(CHANNEL, "a", interaction), (CHANNEL, "leg-of-a", interaction)],
    )

    async def busy(asking: str) -> frozenset[object]:
        return frozenset((await load_call_state(world.db, CHANNEL, asking, NOW)).busy)

    assert [await busy(asking) for asking in ("a", "leg-of-a", "b")] == [frozenset(), frozenset(), {anna}]
    await world.db.execute(call, CHANNEL, "b", None, NOW)
    assert await busy("a") == {anna}
