"""Calls through the real way in: a PBX's events become one interaction, one conversation, and work where nobody talked."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.base import Io, OutMessage
from connectors.items import Address
from connectors.telephony.mango import connector
from router.outbound.dialling import NewCall, queue_call
from simulator.mango import RECORDING, MangoSimulator
from storage.bus import Topic
from storage.store import Store
from tests.pipeline.exchange import KEY, SALT, Exchange, exchanging

CLIENT, PHONE = "79990000011", "+79990000011"
SHOWN = (
    *("outcome", "direction", "client", "our_number", "employee", "talk_s", "wait_s"),
    *("status", "assignee_id", "queue_id", "contact_id", "assignment_reason", "unread"),
)


@pytest.fixture
async def pbx(store: Store) -> AsyncIterator[Exchange]:
    async with MangoSimulator(KEY, SALT) as sim, exchanging(store, sim, route_every_s=0) as found:
        sim.route_every_s = 0
        yield found


async def test_an_answered_call(pbx: Exchange) -> None:
    """One interaction and one conversation, done by the agent whose extension took it, with its recording."""
    anna = await pbx.agent("Anna", "201")
    card = await pbx.client("Мария", PHONE)
    played = await pbx.sim.answered(CLIENT, "201")
    call = await pbx.call(played.entry)
    assert {*pbx.sim.statuses} == {200}
    assert len(await pbx.rows("SELECT id FROM interaction")) == len(await pbx.rows("SELECT id FROM conversation")) == 1
    assert (call["state"], call["outcome"], call["talk_s"], call["wait_s"]) == ("finished", "answered", 60, 5)
    assert (call["status"], call["assignee_id"], call["unread"]) == ("resolved", anna, 0)
    assert call["assignment_reason"] == "answered by Anna"
    assert (call["contact_id"], call["thread_key"]) == (card, played.entry)
    assert call["body"]["call"]["client"] == PHONE
    kept = await pbx.until("SELECT * FROM attachment WHERE state = 'kept'")
    assert await pbx.store.blobs.read(kept["blob"]) == RECORDING
    call = await pbx.call(played.entry)
    assert (call["recording_id"], kept["interaction_id"]) == (kept["id"], call["interaction_id"])
    assert [file["id"] for file in call["body"]["attachments"]] == [str(kept["id"])]
    assert call["body"]["call"]["recording"] == str(kept["id"])
    assert {row["state"] for row in await pbx.rows("SELECT state FROM journal_result")} == {"done"}
    held = await pbx.one("SELECT agent_id, reason, facts FROM assignment")
    assert (held["agent_id"], held["facts"]["outcome"]) == (anna, "answered")


async def test_a_missed_call_is_its_owners(pbx: Exchange) -> None:
    """Several phones rang, one conversation is open: the owner's, unread, with the reason; no leg's end made it so."""
    owner = await pbx.agent("Olga", "205", state="offline")
    for extension in ("201", "202"):
        await pbx.agent(f"a{extension}", extension)
    await pbx.client("Мария", PHONE, owner)
    script = pbx.sim.script(CLIENT)
    for extension in ("201", "202"):
        leg = script.rings(extension)
        script.ends(leg, extension, 1183)
    await pbx.sim.play(script)
    assert (await pbx.call(script.entry))["assignee_id"] is None
    script.now_s += 20
    script.summary(extension="201", reason=1111)
    await pbx.sim.play(script)
    call = await pbx.call(script.entry)
    assert (call["outcome"], call["status"], call["assignee_id"], call["unread"]) == ("missed", "open", owner, 1)
    assert call["assignment_reason"].startswith("missed call: ")
    assert "Olga" in call["assignment_reason"]
    assert call["queued_at"] is None
    assert len(await pbx.rows("SELECT id FROM conversation")) == 1


async def test_a_strangers_missed_call_waits_in_the_queue(pbx: Exchange) -> None:
    """Nobody's client: it waits, with the time by which he must be called, and the assigner is told."""
    queue = await pbx.queue("Входящие")
    assigner = pbx.store.bus.signal(Topic.QUEUE)
    played = await pbx.sim.missed(CLIENT)
    call = await pbx.call(played.entry)
    assert (call["status"], call["assignee_id"], call["queue_id"]) == ("open", None, queue)
    assert await assigner.wait(5)
    assert call["queued_at"] is not None
    assert call["frt_due_at"] is not None
    row = await pbx.one(
        "SELECT audience, data::jsonb AS data FROM event WHERE type = 'call.updated' ORDER BY id DESC LIMIT 1"
    )
    assert row["data"]["waiting"] is True
    assert f"queue:{queue}" in row["audience"]


async def test_who_is_rung_sees_it_and_sees_it_go(pbx: Exchange) -> None:
    """Those whose phones ring hear of each change until the end, also when a colleague took it."""
    anna, boris = await pbx.agent("Anna", "201"), await pbx.agent("Boris", "202")
    script = pbx.sim.script(CLIENT)
    first = script.rings("201")
    second = script.rings("202")
    await pbx.sim.play(script)
    await pbx.done()
    events = await pbx.rows("SELECT audience, data::jsonb AS data FROM event WHERE type = 'call.updated' ORDER BY id")
    assert sorted(events[-1]["data"]["ringing"]) == sorted([str(anna), str(boris)])
    script.now_s += 4
    script.talks(second, "202")
    script.ends(first, "201", 1182)
    await pbx.sim.play(script)
    await pbx.done()
    events = await pbx.rows("SELECT audience, data::jsonb AS data FROM event WHERE type = 'call.updated' ORDER BY id")
    assert (events[-1]["data"]["ringing"], events[-1]["data"]["agent_id"]) == ([], str(boris))
    assert {f"agent:{anna}", f"agent:{boris}"} <= set(events[-1]["audience"])
    rung = await pbx.rows("SELECT agent_id FROM conversation_participant")
    assert {row["agent_id"] for row in rung} == {anna, boris}


@pytest.mark.parametrize("repeat", [1, 3])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_shuffled_and_repeated(store: Store, seed: int, repeat: int) -> None:
    """Events in any order, each several times, make the call that they make in order."""
    async with MangoSimulator(KEY, SALT) as sim, exchanging(store, sim, route_calls=False) as pbx:
        anna, boris = await pbx.agent("Anna", "201"), await pbx.agent("Boris", "204")
        await pbx.client("Мария", PHONE, anna)
        plain = await sim.answered(CLIENT, "201", transfer=("204", "consultative"))
        plain_missed = await sim.missed("79990000012", ["201", "204"])
        sim.shuffle, sim.repeat = random.Random(seed), repeat
        mixed = await sim.answered(CLIENT, "201", transfer=("204", "consultative"))
        mixed_missed = await sim.missed("79990000012", ["201", "204"])
        for one, other in ((plain, mixed), (plain_missed, mixed_missed)):
            first, second = await pbx.call(one.entry), await pbx.call(other.entry)
            assert {key: first[key] for key in SHOWN} == {key: second[key] for key in SHOWN}
            took = [(row["finished_at"] - row["started_at"]).total_seconds() for row in (first, second)]
            assert took[0] == took[1]
        assert (await pbx.call(mixed.entry))["assignee_id"] == boris
        assert len(await pbx.rows("SELECT id FROM interaction")) == 4
        assert len(await pbx.rows("SELECT id FROM attachment")) == 2, "each recording once"


async def test_a_number_that_comes_late(pbx: Exchange) -> None:
    """A caller unknown at first is put on his card once a leg or the summary names him; his owner gets the missed call."""
    owner = await pbx.agent("Olga", "205")
    card = await pbx.client("Мария", PHONE, owner)
    script = pbx.sim.script("")
    leg = script.rings("201")
    await pbx.sim.play(script)
    before = await pbx.call(script.entry)
    assert before["contact_id"] != card
    script.client = CLIENT
    script.now_s += 20
    script.ends(leg, "201", 1111)
    script.summary(extension="201", reason=1111)
    await pbx.sim.play(script)
    call = await pbx.call(script.entry)
    assert (call["contact_id"], call["shown_contact"], call["assignee_id"]) == (card, card, owner)


async def test_a_withheld_number(pbx: Exchange) -> None:
    """Calls of people who withhold their number are calls, each a conversation of its own, of one anonymous contact."""
    await pbx.queue("Входящие")
    first, second = await pbx.sim.missed(""), await pbx.sim.missed("")
    calls = [await pbx.call(played.entry) for played in (first, second)]
    assert calls[0]["conversation_id"] != calls[1]["conversation_id"]
    assert calls[0]["contact_id"] == calls[1]["contact_id"]
    assert {call["status"] for call in calls} == {"open"}


async def test_whoever_was_reached_need_not_be_called_back(pbx: Exchange) -> None:
    """A later answered call, either way, closes the client's missed ones; not those of others, nor calls under way."""
    owner = await pbx.agent("Olga", "201")
    await pbx.client("Мария", PHONE, owner)
    missed = [await pbx.sim.missed(CLIENT), await pbx.sim.busy(CLIENT)]
    others = await pbx.sim.missed("79990000012")
    ringing = pbx.sim.script(CLIENT)
    ringing.rings("202")
    await pbx.sim.play(ringing)
    await pbx.sim.dials("201", CLIENT, talk_s=0)
    assert [(await pbx.call(m.entry))["status"] for m in missed] == ["open", "open"], "he was not reached"
    await pbx.sim.dials("201", CLIENT)
    assert [(await pbx.call(m.entry))["status"] for m in missed] == ["resolved", "resolved"]
    assert [(await pbx.call(entry))["status"] for entry in (others.entry, ringing.entry)] == ["open", "open"]
    told = await pbx.rows("SELECT data FROM event WHERE type = 'conversation.updated'")
    assert len(told) == 2


@pytest.mark.parametrize(
    ("reason", "outcome", "status"),
    [(1111, "missed", "open"), (1110, "cancelled", "open"), (1121, "busy", "open"), (1151, "failed", "resolved")],
)
async def test_ways_to_miss(pbx: Exchange, reason: int, outcome: str, status: str) -> None:
    """Busy, given up, unanswered: somebody calls back; whom the PBX's lists turned away nobody does."""
    await pbx.queue("Входящие")
    played = await pbx.sim.missed(CLIENT, reason=reason)
    call = await pbx.call(played.entry)
    assert (call["outcome"], call["status"]) == (outcome, status)


async def test_out_of_hours(pbx: Exchange) -> None:
    """Nobody was rung, the greeting hung up: a missed call of the client all the same."""
    queue = await pbx.queue("Входящие")
    played = await pbx.sim.out_of_hours(CLIENT)
    call = await pbx.call(played.entry)
    assert (call["outcome"], call["employee"], call["status"], call["queue_id"]) == ("missed", "", "open", queue)


async def test_an_outgoing_call(pbx: Exchange) -> None:
    """Shown as ours, on the client's card, done by who dialled, also if nobody took it."""
    anna = await pbx.agent("Anna", "201")
    card = await pbx.client("Мария", PHONE)
    for talk_s, outcome in ((30, "answered"), (0, "missed")):
        played = await pbx.sim.dials("201", CLIENT, talk_s=talk_s)
        call = await pbx.call(played.entry)
        assert (call["outcome"], call["shown_direction"], call["contact_id"]) == (outcome, "out", card)
        assert (call["status"], call["assignee_id"]) == ("resolved", anna)


async def test_click_to_call_is_known_by_its_command(pbx: Exchange) -> None:
    """The command's id is an alias of the call; the client is the one called, though Mango names him as the caller."""
    anna = await pbx.agent("Anna", "201")
    card = await pbx.client("Мария", PHONE)
    message = OutMessage(
        id="0198c0de-0000-7000-8000-000000000001",
        to=Address(kind="phone", value=PHONE),
        thread_key="",
        meta={"action": "call", "extension": "201"},
    )
    assert connector.send is not None
    sent = await connector.send(message, pbx.channel.settings, Io(http=pbx.http, timeout_s=5))
    await pbx.sim.wait(lambda: any(event.path == "/events/summary" for event in pbx.sim.told))
    await pbx.done()
    row = await pbx.one(
        "SELECT c.external_id FROM external_ref r JOIN call c ON c.interaction_id = r.interaction_id"
        " WHERE r.kind = 'call' AND r.external_id = $1",
        sent.external_ids[0],
    )
    call = await pbx.call(row["external_id"])
    assert (call["direction"], call["shown_direction"], call["outcome"]) == ("out", "out", "answered")
    assert (call["contact_id"], call["assignee_id"], call["talk_s"]) == (card, anna, 40)


async def test_a_summary_told_before_the_command_is_named(pbx: Exchange) -> None:
    """A click-to-call whose end comes first, and then a leg that names our command: one call, ours, over and closed."""
    anna = await pbx.agent("Anna", "201")
    card = await pbx.client("Мария", PHONE)
    async with pbx.store.pool.acquire() as connection, connection.transaction():
        asked = NewCall(agent_id=anna, contact_id=card)
        queued = await queue_call(connection, pbx.store.vault, asked, datetime.now(UTC))
    script = pbx.sim.script(CLIENT)
    script.callback("201", str(queued.outbound_id), answered=True)
    script.summary(extension="201", talked_at=9.0, direction=2)
    legs, script.events = script.events[:-1], script.events[-1:]
    await pbx.sim.play(script)
    assert (await pbx.call(script.entry))["outcome"] == "answered"
    script.events = legs
    await pbx.sim.play(script)
    call = await pbx.call(str(queued.outbound_id))
    assert (call["outcome"], call["status"], call["assignee_id"], call["talk_s"]) == ("answered", "resolved", anna, 40)
    assert call["interaction_id"] == queued.interaction_id
    for table in ("call", "conversation", "interaction"):
        assert len(await pbx.rows(f"SELECT FROM {table}")) == 1, table
    refs = await pbx.rows("SELECT DISTINCT interaction_id FROM external_ref WHERE kind = 'call'")
    assert [row["interaction_id"] for row in refs] == [queued.interaction_id]
    await pbx.replay_all()
    assert len(await pbx.rows("SELECT FROM call")) == 1


async def test_replay_changes_nothing(pbx: Exchange) -> None:
    """Every payload once more: the same rows, no event, no file twice; also after people have worked on it."""
    owner = await pbx.agent("Olga", "201")
    await pbx.client("Мария", PHONE, owner)
    await pbx.sim.answered(CLIENT, "201")
    missed = await pbx.sim.missed(CLIENT)
    await pbx.until("SELECT FROM attachment WHERE state = 'kept'")
    await pbx.call(missed.entry)
    await pbx.store.pool.execute("UPDATE conversation SET status = 'resolved' WHERE thread_key = $1", missed.entry)
    before = await _everything(pbx)
    await pbx.replay_all()
    assert await _everything(pbx) == before
    results = await pbx.rows("SELECT DISTINCT state, cardinality(interactions) AS n FROM journal_result")
    assert results == [{"state": "done", "n": 1}]


async def _everything(pbx: Exchange) -> dict[str, list[dict[str, Any]]]:
    queries = {
        "call": "SELECT * FROM call ORDER BY id",
        "conversation": "SELECT * FROM conversation ORDER BY id",
        "interaction": "SELECT * FROM interaction ORDER BY id",
        "attachment": "SELECT * FROM attachment ORDER BY id",
        "assignment": "SELECT * FROM assignment ORDER BY id",
        "identity": "SELECT * FROM identity ORDER BY id",
        "event": "SELECT id FROM event ORDER BY id",
    }
    return {name: await pbx.rows(query) for name, query in queries.items()}


async def test_what_people_decided_stays(pbx: Exchange) -> None:
    """Late events of a missed call that was dealt with do not open it again."""
    owner = await pbx.agent("Olga", "201")
    await pbx.client("Мария", PHONE, owner)
    script = pbx.sim.script(CLIENT)
    leg = script.rings("201")
    script.events.clear()
    script.now_s += 15
    script.summary(extension="201", reason=1111)
    await pbx.sim.play(script)
    call = await pbx.call(script.entry)
    assert call["status"] == "open"
    await pbx.store.pool.execute("UPDATE conversation SET status = 'resolved' WHERE id = $1", call["conversation_id"])
    script.ends(leg, "201", 1111)
    await pbx.sim.play(script)
    call = await pbx.call(script.entry)
    assert (call["status"], len(call["events"])) == ("resolved", 2)


async def test_a_recording_that_is_not_there_yet(pbx: Exchange) -> None:
    """Told of before it can be had: it stays wanted and says why, and the call is whole without it."""
    pbx.sim.not_ready = 100
    played = await pbx.sim.answered(CLIENT, "201")
    row = await pbx.until("SELECT state, error FROM attachment WHERE error <> ''")
    assert (row["state"], row["error"]) == ("pending", "Mango has not stored this recording yet.")
    assert (await pbx.call(played.entry))["outcome"] == "answered"
