"""A missed call is one task, for whom it fell to; talking to the client ends it. Through the real way in."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from connectors import registry
from connectors.items import Address, Call, Item
from router.channels import add_channel
from simulator.mango import MangoSimulator
from storage.db import RawConnection
from storage.queries import load
from storage.store import Store
from tests.pipeline.exchange import KEY, SALT, Exchange, exchanging
from tests.pipeline.pipe import Pipe, flowing

CLIENT, PHONE = "79990000011", "+79990000011"
TASKS = "SELECT * FROM task ORDER BY id"


@pytest.fixture
async def pbx(store: Store) -> AsyncIterator[Exchange]:
    async with MangoSimulator(KEY, SALT) as sim, exchanging(store, sim, route_calls=False) as found:
        yield found


async def told(store: Store, type_: str) -> list[tuple[set[str], dict[str, Any]]]:
    rows = await store.pool.fetch("SELECT audience, data FROM event WHERE type = $1 ORDER BY id", type_)
    return [(set(row["audience"]), json.loads(row["data"])["task"]) for row in rows]


# ---------------------------------------------------------------- whose it is


async def test_the_owner_calls_back(pbx: Exchange) -> None:
    """One task of the card's owner, with the number, the call, and a time; he is told of it once."""
    owner = await pbx.agent("Olga", "205", state="offline")
    card = await pbx.client("Мария", PHONE, owner)
    call = await pbx.call((await pbx.sim.missed(CLIENT, ["201", "202"])).entry)
    task = await pbx.one(TASKS)
    assert (task["kind"], task["title"], task["state"]) == ("call_back", "Перезвонить: Мария", "open")
    assert (task["assignee_id"], task["contact_id"], task["created_by"]) == (owner, card, None)
    assert (task["call_id"], task["conversation_id"], task["interaction_id"]) == (
        call["id"],
        call["conversation_id"],
        call["interaction_id"],
    )
    assert task["key"] == f"missed_call:{call['id']}"
    assert timedelta(minutes=25) < task["due_at"] - datetime.now(UTC) <= timedelta(minutes=30)
    [(audience, shown)] = await told(pbx.store, "task.created")
    assert audience == {f"agent:{owner}"}
    assert (shown["id"], shown["client"], shown["contact_name"]) == (str(task["id"]), PHONE, "Мария")
    assert shown["automatic"] is True


async def test_the_deputy_calls_back(pbx: Exchange) -> None:
    """While the owner is absent, his deputy."""
    owner, deputy = await pbx.agent("Olga", "205"), await pbx.agent("Denis", "206")
    await pbx.absent(owner, deputy)
    await pbx.client("Мария", PHONE, owner)
    await pbx.call((await pbx.sim.missed(CLIENT)).entry)
    assert (await pbx.one(TASKS))["assignee_id"] == deputy


@pytest.mark.parametrize(("reason", "count"), [(1111, 1), (1110, 1), (1121, 1), (1151, 0)])
async def test_ways_to_miss(pbx: Exchange, reason: int, count: int) -> None:
    """Unanswered, given up, busy: one task, however many phones rang. Whom the PBX's lists turned away gets none."""
    await pbx.call((await pbx.sim.missed(CLIENT, ["201", "202"], reason=reason)).entry)
    assert len(await pbx.rows(TASKS)) == count


async def test_what_makes_no_task(pbx: Exchange) -> None:
    """An answered call, one of ours that nobody took, one from a number that was withheld."""
    await pbx.queue("Входящие")
    for played in (await pbx.sim.answered(CLIENT, "201"), await pbx.sim.dials("201", CLIENT, talk_s=0)):
        await pbx.call(played.entry)
    assert (await pbx.call((await pbx.sim.missed("")).entry))["status"] == "open"
    assert await pbx.rows(TASKS) == []


async def test_told_again_and_replayed(pbx: Exchange) -> None:
    """Events told thrice and entries replayed leave one task as people have left it; an old miss makes none by a replay."""
    pbx.sim.repeat = 3
    await pbx.call((await pbx.sim.missed(CLIENT)).entry)
    await pbx.store.pool.execute("UPDATE task SET state = 'cancelled', title = 'Спам'")
    before = await pbx.rows(TASKS)
    await pbx.replay_all()
    assert (await pbx.rows(TASKS), len(before)) == (before, 1)
    for table in ("task", "call", "conversation", "interaction", "external_ref", "journal_result"):
        await pbx.store.pool.execute(f"DELETE FROM {table}")
    await pbx.replay_all()
    assert len(await pbx.rows("SELECT FROM call WHERE outcome = 'missed'")) == 1
    assert await pbx.rows(TASKS) == []


# ---------------------------------------------------------------- how it ends


@pytest.mark.parametrize("way", ["in", "out"])
async def test_talking_ends_it(pbx: Exchange, way: str) -> None:
    """A later answered call, either way, closes all of this client's, says which call it was, and tells the owner; those
    of others and people's own tasks stay, and a call that nobody took ends nothing.
    """
    owner = await pbx.agent("Olga", "201")
    card = await pbx.client("Мария", PHONE, owner)
    for number in (CLIENT, CLIENT, "79990000012"):
        await pbx.call((await pbx.sim.missed(number)).entry)
    await pbx.store.pool.execute(
        "INSERT INTO task (title, kind, contact_id, call_id, assignee_id)"
        " SELECT 'Своя', kind, contact_id, call_id, assignee_id FROM task WHERE contact_id = $1 LIMIT 1",
        card,
    )
    await pbx.call((await pbx.sim.dials("201", CLIENT, talk_s=0)).entry)
    assert {task["state"] for task in await pbx.rows(TASKS)} == {"open"}
    played = await (pbx.sim.answered(CLIENT, "201") if way == "in" else pbx.sim.dials("201", CLIENT))
    await pbx.call(played.entry)
    first, second, others, own = await pbx.rows(TASKS)
    assert [task["state"] for task in (first, second, others, own)] == ["done", "done", "open", "open"]
    said = {"in": "Дозвонился сам: входящий", "out": "Дозвонились: исходящий"}[way]
    assert re.fullmatch(rf"{said} звонок \d\d\.\d\d в \d\d:\d\d, Olga", first["result"]), first["result"]
    assert (first["done_by"], first["done_at"] is not None, first["version"]) == (owner, True, 1)
    changed = await told(pbx.store, "task.changed")
    assert [audience for audience, _ in changed] == [{f"agent:{owner}"}] * 2
    assert {data["id"] for _, data in changed} == {str(first["id"]), str(second["id"])}


async def test_what_was_missed_after_that_stays(pbx: Exchange) -> None:
    """The next missed call is a new task; replaying the answered one does not end it."""
    await pbx.call((await pbx.sim.missed(CLIENT)).entry)
    await pbx.call((await pbx.sim.answered(CLIENT, "201")).entry)
    await pbx.call((await pbx.sim.missed(CLIENT)).entry)
    await pbx.replay_all()
    assert [task["state"] for task in await pbx.rows(TASKS)] == ["done", "open"]


async def test_a_merged_card_is_one_client(pbx: Exchange) -> None:
    """Missed under one number, reached under another of the same card."""
    card, other = await pbx.client("Мария", PHONE), await pbx.client("Мария 2", "+79990000012")
    await pbx.call((await pbx.sim.missed(CLIENT)).entry)
    await pbx.store.pool.execute("UPDATE contact SET card_id = $1 WHERE id = $2", other, card)
    await pbx.call((await pbx.sim.answered("79990000012", "201")).entry)
    assert (await pbx.one(TASKS))["state"] == "done"


# ---------------------------------------------------------------- in other orders


@pytest.fixture
async def pipe(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pipe]:
    """A pipe whose channel is the plain PBX: calls told in one commit, and late."""
    monkeypatch.setitem(registry.MODULES, "plain_pbx", "tests.pipeline.plain_pbx")
    registry.get.cache_clear()
    async with flowing(store) as found:
        async with store.pool.acquire() as connection:
            channel_id, _ = await add_channel(connection, store.vault, connector="plain_pbx", name="P", values={})
        await found.channels.refresh()
        channel = found.channels.get(channel_id)
        assert channel is not None
        found.channel = channel
        yield found
    registry.get.cache_clear()


NOW = datetime.now(UTC).replace(microsecond=0)


def ended(call_id: str, seconds: float, *, talk_s: int = 0, client: str = PHONE) -> bytes:
    """The end of a call, which is all that is told of it."""
    item = Item(
        kind="call",
        external_id=call_id,
        direction="in",
        sender=Address(kind="phone", value=client),
        sent_at=NOW + timedelta(seconds=seconds),
        call=Call(state="finished", direction="in", client=client, talk_s=talk_s, answered=talk_s > 0),
    )
    return msgspec.json.encode([item])


async def states(pipe: Pipe) -> dict[str, str]:
    """The tasks' by their calls."""
    rows = await pipe.rows("SELECT c.external_id, t.state FROM task t JOIN call c ON c.id = t.call_id")
    return {row["external_id"]: row["state"] for row in rows}


async def test_the_channels_queue_calls_a_stranger_back(pipe: Pipe) -> None:
    """Nobody's client: whoever of the channel's queue is first, by when the queue promises it, under the number."""
    await pipe.store.pool.execute("INSERT INTO queue (name, is_default) VALUES ('Общая', true)")
    queue = await pipe.store.pool.fetchval("INSERT INTO queue (name, frt_s) VALUES ('Телефон', 300) RETURNING id")
    await pipe.store.pool.execute("UPDATE channel SET queue_id = $1, version = version + 1", queue)
    await pipe.channels.refresh()
    await pipe.give(ended("missed", 0))
    [task] = await pipe.rows("SELECT t.*, c.frt_due_at FROM task t JOIN conversation c ON c.id = t.conversation_id")
    assert (task["assignee_id"], task["queue_id"]) == (None, queue)
    assert (task["title"], task["due_at"]) == (f"Перезвонить: {PHONE}", task["frt_due_at"])
    [(audience, _)] = await told(pipe.store, "task.created")
    assert audience == {f"queue:{queue}"}


async def test_a_whole_batch(pipe: Pipe) -> None:
    """Many calls in one commit: who was reached later in it is owed nothing, whatever the order they are told in."""
    clients = [f"+7999000{n:04}" for n in range(30)]
    bodies = [ended(f"m{n}", n, client=client) for n, client in enumerate(clients)]
    bodies += [ended(f"a{n}", 100, talk_s=10, client=client) for n, client in enumerate(clients) if n % 3 == 0]
    bodies += [ended(f"e{n}", -900, talk_s=10, client=client) for n, client in enumerate(clients) if n % 3 == 1]
    await pipe.together(bodies[::-1])
    await pipe.done()
    found = await states(pipe)
    assert {call for call, state in found.items() if state == "open"} == {f"m{n}" for n in range(30) if n % 3}
    assert len(await told(pipe.store, "task.created")) == len(found)


async def test_a_late_word_of_a_missed_call(pipe: Pipe) -> None:
    """Told of after the client was reached, it is no work any more; an end that proves to be another ends its own task."""
    await pipe.give(ended("answered", 60, talk_s=5))
    await pipe.give(ended("missed", 0))
    assert await states(pipe) == {}
    await pipe.give(ended("doubtful", 200))
    assert await states(pipe) == {"doubtful": "open"}
    await pipe.give(ended("doubtful", 201, talk_s=30))
    assert await states(pipe) == {"doubtful": "done"}


async def test_archives_owe_nothing(pipe: Pipe) -> None:
    """Calls imported from a PBX's history are kept as they were and make no work."""
    entry = pipe.entry(ended("old", 0))
    object.__setattr__(entry, "silent", True)
    await pipe.writer.keep(entry)
    await pipe.done()
    assert [row["outcome"] for row in await pipe.rows("SELECT outcome FROM call")] == ["missed"]
    assert await states(pipe) == {}


FILL = """
CREATE TEMP TABLE made AS SELECT uuidv7() AS contact, uuidv7() AS talk, uuidv7() AS call, n
FROM generate_series(1, 20000) AS n;
INSERT INTO contact (id, card_id) SELECT contact, contact FROM made;
INSERT INTO conversation (id, channel_id, thread_key, kind, contact_id)
SELECT talk, contact, n::text, 'call', contact FROM made;
INSERT INTO call (id, channel_id, external_id, conversation_id, state, outcome, direction)
SELECT call, contact, n::text, talk, 'finished', CASE WHEN n % 2 = 0 THEN 'answered' ELSE 'missed' END, 'in' FROM made;
INSERT INTO task (title, contact_id, call_id, key, state)
SELECT 'x', contact, call, 'missed_call:' || call, CASE WHEN n % 50 = 1 THEN 'open' ELSE 'done' END FROM made
WHERE n % 2 = 1;
ANALYZE contact, conversation, call, task
"""


async def test_indexes_are_used(db: RawConnection) -> None:
    """Among 20,000 clients both statements go by their indexes, planned for any values."""
    await db.execute(FILL)
    sql = load("tasks")
    await db.execute("PREPARE owe AS " + sql.owe)
    await db.execute("PREPARE settle AS " + sql.settle)
    await db.execute("SET plan_cache_mode = force_generic_plan")
    for name, count in (("owe", 10), ("settle", 4)):
        plan = await db.fetch(f"EXPLAIN EXECUTE {name} ({', '.join(['NULL'] * count)})")
        text = "\n".join(row[0] for row in plan)
        assert "Seq Scan" not in text, text
