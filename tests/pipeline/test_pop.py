"""The screen pop: what agents are told as a call rings, is answered and is over, and how their state follows the phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from router import owner
from router.callers import to_caller
from router.wrapup import end_wrap_ups
from simulator.mango import MangoSimulator
from simulator.mango_calls import Script
from storage.bus import Topic
from storage.store import Store
from storage.workspace import write_setting
from tests.pipeline.exchange import KEY, SALT, Exchange, exchanging

CLIENT, PHONE = "79990000011", "+79990000011"


@pytest.fixture
async def pbx(store: Store) -> AsyncIterator[Exchange]:
    async with MangoSimulator(KEY, SALT) as sim, exchanging(store, sim, route_every_s=0) as found:
        sim.route_every_s = 0
        yield found


async def told(pbx: Exchange, type_: str) -> list[dict[str, Any]]:
    """The events of that type, with their audience."""
    await pbx.done()
    query = "SELECT audience, data::jsonb AS data FROM event WHERE type = $1 ORDER BY id"
    return [row["data"] | {"audience": set(row["audience"])} for row in await pbx.rows(query, type_)]


async def play(pbx: Exchange, script: Script) -> None:
    await pbx.sim.play(script)
    await pbx.done()


async def wrote(pbx: Exchange, card: UUID, text: str, ago: timedelta, kind: str = "message") -> None:
    """An interaction of this client some time ago."""
    conversation = await pbx.store.pool.fetchval(
        "INSERT INTO conversation (channel_id, thread_key, contact_id, status) VALUES ($1, $2, $3, 'resolved') RETURNING id",
        pbx.channel.id,
        text,
        card,
    )
    await pbx.store.pool.execute(
        "INSERT INTO interaction (order_at, kind, direction, channel_id, conversation_id, contact_id, text)"
        " VALUES ($1, $2, 'in', $3, $4, $5, $6)",
        datetime.now(UTC) - ago,
        kind,
        pbx.channel.id,
        conversation,
        card,
        text,
    )


async def add_task(pbx: Exchange, card: UUID, kind: str, title: str, *, state: str = "open") -> None:
    query = "INSERT INTO task (kind, title, contact_id, state, due_at) VALUES ($1, $2, $3, $4, now())"
    await pbx.store.pool.execute(query, kind, title, card, state)


async def test_a_known_client(pbx: Exchange) -> None:
    """One event has all the page shows: who, company, owner, the last three interactions, open tasks and complaints; it
    is for the agents it rings at alone (supervisors hear everything).
    """
    anna, olga = await pbx.agent("Anna", "201"), await pbx.agent("Olga", "205")
    card = await pbx.client("Мария", PHONE, olga)
    company = await pbx.client("Пекарня", "+79990000099")
    await pbx.store.pool.execute(
        "UPDATE contact SET vip = true, tags = '{опт}', company_id = $2 WHERE id = $1", card, company
    )
    for n in range(5):
        await wrote(pbx, card, f"слово {n}", timedelta(days=5 - n))
    await wrote(pbx, company, "чужое", timedelta(hours=1))
    for kind, title, state in (
        ("todo", "Отправить счёт", "open"),
        ("todo", "Давно сделано", "done"),
        ("complaint", "Торт помялся", "open"),
    ):
        await add_task(pbx, card, kind, title, state=state)
    script = pbx.sim.script(CLIENT)
    script.rings("201")
    await play(pbx, script)
    (event,) = await told(pbx, "call.ringing")
    call = await pbx.call(script.entry)
    assert event["audience"] == {f"agent:{anna}"}
    assert event["caller"] == {"number": PHONE, "pretty": "+7 999 000-00-11", "country": "RU", "withheld": False}
    assert event["ringing"] == [{"id": str(anna), "name": "Anna"}]
    assert (event["call_id"], event["interaction_id"]) == (str(call["id"]), str(call["interaction_id"]))
    assert (event["contact_id"], event["new"], event["channel_name"]) == (str(card), False, "PBX")
    pop = event["pop"]
    assert pop["contact"] == {
        "id": str(card),
        "name": "Мария",
        "vip": True,
        "tags": ["опт"],
        "company": "Пекарня",
        "owner_id": str(olga),
        "owner_name": "Olga",
    }
    assert [item["text"] for item in pop["last"]] == ["слово 4", "слово 3", "слово 2"]
    assert pop["last"][0]["channel_name"] == "PBX"
    assert datetime.fromisoformat(pop["last"][0]["at"]) < datetime.now(UTC) - timedelta(hours=20)
    assert [task["title"] for task in pop["tasks"]] == ["Отправить счёт"]
    assert [task["title"] for task in pop["complaints"]] == ["Торт помялся"]


async def test_the_whole_card_counts(pbx: Exchange) -> None:
    """What was said to a contact merged into this card is shown; what was deleted is not."""
    await pbx.agent("Anna", "201")
    card, merged = await pbx.client("Мария", PHONE), await pbx.client("М.", "+79990000012")
    await pbx.store.pool.execute("UPDATE contact SET card_id = $2 WHERE id = $1", merged, card)
    await wrote(pbx, merged, "с другого номера", timedelta(days=1))
    await wrote(pbx, card, "удалено", timedelta(hours=1))
    await pbx.store.pool.execute("UPDATE interaction SET deleted_at = now() WHERE text = 'удалено'")
    script = pbx.sim.script(CLIENT)
    script.rings("201")
    await play(pbx, script)
    (event,) = await told(pbx, "call.ringing")
    assert [item["text"] for item in event["pop"]["last"]] == ["с другого номера"]


@pytest.mark.parametrize(("client", "withheld"), [(CLIENT, False), ("", True)])
async def test_a_new_number(pbx: Exchange, client: str, *, withheld: bool) -> None:
    """Nothing is known of him: the pop says so; a number that is withheld is told as that."""
    await pbx.agent("Anna", "201")
    script = pbx.sim.script(client)
    script.rings("201")
    await play(pbx, script)
    (event,) = await told(pbx, "call.ringing")
    assert event["caller"]["withheld"] is withheld
    assert event["new"] is True
    assert event["pop"]["last"] == event["pop"]["tasks"] == []


async def test_each_phone_that_rings_and_stops(pbx: Exchange) -> None:
    """Who is rung next gets the pop, who has stopped ringing is told that it rings elsewhere; nobody else hears of it."""
    anna, boris = await pbx.agent("Anna", "201"), await pbx.agent("Boris", "202")
    await pbx.agent("Clara", "203")
    script = pbx.sim.script(CLIENT)
    leg = script.rings("201")
    await play(pbx, script)
    script.now_s += 15
    script.ends(leg, "201", 1183)
    script.rings("202")
    await play(pbx, script)
    events = await told(pbx, "call.ringing")
    assert events[0]["audience"] == {f"agent:{anna}"}
    assert [agent["name"] for agent in events[-1]["ringing"]] == ["Boris"]
    assert set().union(*(event["audience"] for event in events[1:])) == {f"agent:{anna}", f"agent:{boris}"}


async def test_answered_and_finished(pbx: Exchange) -> None:
    """All who were rung hear who took it and since when he talks; at the end the outcome and until when he wraps up."""
    anna, boris = await pbx.agent("Anna", "201"), await pbx.agent("Boris", "202")
    await pbx.client("Мария", PHONE)
    script = pbx.sim.script(CLIENT)
    first, second = script.rings("201"), script.rings("202")
    await play(pbx, script)
    script.now_s += 4
    script.talks(second, "202")
    script.ends(first, "201", 1182)
    await play(pbx, script)
    (answered,) = await told(pbx, "call.answered")
    call = await pbx.call(script.entry)
    assert (answered["agent_id"], answered["agent_name"]) == (str(boris), "Boris")
    assert datetime.fromisoformat(answered["answered_at"]) == call["answered_at"]
    assert answered["audience"] == {f"agent:{anna}", f"agent:{boris}"}
    script.now_s += 60
    script.ends(second, "202", 1110)
    script.summary(extension="202", talked_at=4)
    await play(pbx, script)
    (finished,) = await told(pbx, "call.finished")
    assert (finished["outcome"], finished["agent_id"], finished["talk_s"]) == ("answered", str(boris), 60)
    assert finished["audience"] == {f"agent:{anna}", f"agent:{boris}"}
    left = datetime.fromisoformat(finished["wrap_up_until"]) - datetime.now(UTC)
    assert timedelta(seconds=15) < left <= timedelta(seconds=30)


async def test_no_pop_of_old_calls(pbx: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is understood long after it was received is history: the call is there, no pop opens, nobody wraps up."""
    monkeypatch.setattr(owner, "EFFECTS_AGE", timedelta(0))
    anna = await pbx.agent("Anna", "201")
    script = pbx.sim.script(CLIENT)
    script.rings("201")
    await play(pbx, script)
    await pbx.sim.answered("79990000012", "201")
    assert await told(pbx, "call.updated") != []
    for type_ in ("call.ringing", "call.answered", "call.finished", "agent.presence"):
        assert await told(pbx, type_) == []
    assert await presence(pbx, anna) == "online"


async def test_calls_that_employees_make(pbx: Exchange) -> None:
    """They pop up at nobody; that they are answered and over is told to who dialled, once."""
    anna = await pbx.agent("Anna", "201")
    await pbx.sim.dials("201", "79990000013")
    assert await told(pbx, "call.ringing") == []
    (finished,) = await told(pbx, "call.finished")
    assert (finished["direction"], finished["outcome"], finished["audience"]) == ("out", "answered", {f"agent:{anna}"})
    await pbx.replay_all()
    assert len(await told(pbx, "call.finished")) == 1


# ---------------------------------------------------------------- the agent's state


async def presence(pbx: Exchange, agent: UUID) -> str:
    found: str = (await pbx.one("SELECT state FROM presence WHERE agent_id = $1", agent))["state"]
    return found


async def set_wrap_up(pbx: Exchange, **value: Any) -> None:
    async with pbx.store.pool.acquire() as connection:
        await write_setting(connection, "wrap_up", value)


async def test_state_follows_the_phone(pbx: Exchange) -> None:
    """While he talks colleagues see him on the call; then he wraps up; when that is over he is there and the assigner
    looks at once.
    """
    anna = await pbx.agent("Anna", "201")
    script = pbx.sim.script(CLIENT)
    leg = script.rings("201")
    script.now_s += 3
    script.talks(leg, "201")
    await play(pbx, script)
    call_id = str((await pbx.call(script.entry))["id"])
    (talking,) = await told(pbx, "agent.presence")
    assert (talking["agent_id"], talking["state"], talking["on_call"]) == (str(anna), "online", call_id)
    script.now_s += 60
    script.ends(leg, "201", 1110)
    script.summary(extension="201", talked_at=3)
    await play(pbx, script)
    (_, wrapping) = await told(pbx, "agent.presence")
    assert (wrapping["state"], wrapping["on_call"], wrapping["audience"]) == ("wrap_up", None, {"all"})
    assert await presence(pbx, anna) == "wrap_up"
    assert await end_wrap_ups(pbx.store) == 0, "not before its time"
    await _hurry(pbx)
    assigner = pbx.store.bus.signal(Topic.QUEUE)
    assert await end_wrap_ups(pbx.store) == 1
    assert await assigner.wait(5)
    (_, _, back) = await told(pbx, "agent.presence")
    assert (back["state"], await presence(pbx, anna)) == ("online", "online")
    assert await end_wrap_ups(pbx.store) == 0, "once"


async def _hurry(pbx: Exchange) -> None:
    """Wrap-ups are over now."""
    await pbx.store.pool.execute(
        "UPDATE workspace_setting SET value = jsonb_set(value, '{until}', to_jsonb(now())) WHERE key LIKE 'wrap_up:%'"
    )


@pytest.mark.parametrize("state", ["away", "offline", "wrap_up"])
async def test_who_was_not_free_does_not_become_so(pbx: Exchange, state: str) -> None:
    """Somebody who answered while away, gone or in a wrap-up of his own is afterwards as he was."""
    anna = await pbx.agent("Anna", "201", state=state)
    await pbx.sim.answered(CLIENT, "201")
    await pbx.done()
    assert await presence(pbx, anna) == state
    await _hurry(pbx)
    await end_wrap_ups(pbx.store)
    assert await presence(pbx, anna) == state


async def test_who_changes_his_state_keeps_it(pbx: Exchange) -> None:
    """An agent who ends his wrap-up himself, and goes to lunch, is not brought back by it."""
    anna = await pbx.agent("Anna", "201")
    await pbx.sim.answered(CLIENT, "201")
    await pbx.done()
    await pbx.store.pool.execute("UPDATE presence SET state = 'wrap_up', since = now() WHERE agent_id = $1", anna)
    await _hurry(pbx)
    assert await end_wrap_ups(pbx.store) == 0
    assert await presence(pbx, anna) == "wrap_up"


async def test_a_second_call_wraps_up_anew(pbx: Exchange) -> None:
    """A call answered during the wrap-up of another prolongs it; the first one's end no longer counts."""
    anna = await pbx.agent("Anna", "201")
    await pbx.sim.answered(CLIENT, "201")
    await pbx.done()
    await _hurry(pbx)
    await pbx.sim.answered("79990000012", "201")
    await pbx.done()
    assert await end_wrap_ups(pbx.store) == 0
    assert await presence(pbx, anna) == "wrap_up"


async def test_how_long_is_a_setting(pbx: Exchange) -> None:
    """Zero seconds: none. A setting that can't be read is the usual half minute."""
    anna = await pbx.agent("Anna", "201")
    await set_wrap_up(pbx, seconds=0)
    await pbx.sim.answered(CLIENT, "201")
    await pbx.done()
    assert await presence(pbx, anna) == "online"
    await set_wrap_up(pbx, seconds="soon")
    await pbx.sim.answered(CLIENT, "201")
    await pbx.done()
    assert await presence(pbx, anna) == "wrap_up"


async def test_a_missed_call_wraps_nobody_up(pbx: Exchange) -> None:
    """Who was only rung has nothing to record."""
    anna = await pbx.agent("Anna", "201")
    await pbx.sim.missed(CLIENT, ["201"])
    await pbx.done()
    (finished,) = await told(pbx, "call.finished")
    assert (finished["outcome"], finished["wrap_up_until"]) == ("missed", None)
    assert await presence(pbx, anna) == "online"


@pytest.mark.parametrize(
    ("number", "pretty", "country"),
    [
        ("+79161234567", "+7 916 123-45-67", "RU"),
        ("+77012345678", "+7 701 234 5678", "KZ"),
        ("+442079460958", "+44 20 7946 0958", "GB"),
        ("+88163000000", "+881 63000000", ""),
        ("205", "205", ""),
        ("sip:" + "x" * 100, "sip:" + "x" * 60, ""),
    ],
)
def test_numbers_as_people_read_them(number: str, pretty: str, country: str) -> None:
    """In groups, with the country where the number tells one; anything else as it came, cut to what fits."""
    caller = to_caller(number)
    assert (caller.number, caller.pretty, caller.country) == (number, pretty, country)
