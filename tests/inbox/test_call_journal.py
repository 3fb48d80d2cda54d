"""The journal of calls: who sees which, what came of them, and recordings that can be played from any place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

import storage.calls
from storage.blobs import Kept
from storage.files import add_file
from tests.inbox.conftest import Person, World
from tests.inbox.test_calls import pbx, phone_at

START = datetime(2026, 11, 1, 9, tzinfo=UTC)


async def add_call(
    world: World,
    channel: UUID,
    contact: UUID,
    *,
    outcome: str | None = "answered",
    state: str = "finished",
    direction: str = "in",
    employee: str = "205",
    assignee: Person | None = None,
    status: str = "resolved",
    at: datetime = START,
    ringing: tuple[str, ...] = (),
) -> UUID:
    """As the router leaves one."""
    conversation = await world.new_conversation(contact, channel=channel, assignee=assignee)
    await world.store.pool.execute(
        "UPDATE conversation SET status = $2, kind = 'call' WHERE id = $1", conversation, status
    )
    await world.store.pool.execute(
        "INSERT INTO conversation_participant (conversation_id, agent_id, why)"
        " SELECT $1, agent_id, 'rung' FROM agent_extension WHERE channel_id = $2 AND extension = $3",
        conversation,
        channel,
        employee,
    )
    interaction = await world.new_interaction(conversation, at, text="", body={"call": {"ringing": list(ringing)}})
    await world.store.pool.execute("UPDATE interaction SET kind = 'call' WHERE id = $1", interaction)
    found: UUID = await world.store.pool.fetchval(
        "INSERT INTO call (channel_id, external_id, conversation_id, interaction_id, state, outcome, direction, client,"
        " employee, started_at) VALUES ($1, $2, $3, $4, $5, $6, $7, '+79161234567', $8, $9) RETURNING id",
        channel,
        uuid4().hex,
        conversation,
        interaction,
        state,
        outcome,
        direction,
        employee,
        at,
    )
    return found


async def ids(person: Person, query: str = "") -> list[str]:
    return [item["id"] for item in await person.walk(f"/calls?{query}")]


async def test_calls_newest_first(world: World) -> None:
    """Every call once, newest first, page after page; `order=asc` turns it round."""
    channel, contact = await pbx(world), await world.new_contact()
    made = [str(await add_call(world, channel, contact)) for _ in range(20)]
    assert await ids(world.sue) == made[::-1]
    assert await ids(world.sue, "order=asc") == made


async def test_what_a_call_shows(world: World) -> None:
    """Client, owner, whose phone it was, whose it is, the task to call back, and where the recording is."""
    channel = await pbx(world)
    await phone_at(world, world.anna, channel)
    contact = await world.new_contact("Мария", owner=world.boris)
    call = await add_call(world, channel, contact, outcome="missed", status="open", assignee=world.boris)
    task = await world.store.pool.fetchval(
        "INSERT INTO task (kind, title, conversation_id, call_id)"
        " SELECT 'call_back', 'Перезвонить', conversation_id, id FROM call WHERE id = $1 RETURNING id",
        call,
    )
    (shown,) = (await world.sue.get("/calls")).items
    assert (shown["contact_id"], shown["contact_name"]) == (str(contact), "Мария")
    assert (shown["owner_id"], shown["assignee_id"]) == (str(world.boris.id), str(world.boris.id))
    assert (shown["agent_id"], shown["employee"], shown["channel_name"]) == (str(world.anna.id), "205", "PBX")
    assert (shown["task_id"], shown["task_state"], shown["open"]) == (str(task), "open", True)


async def test_filters(world: World) -> None:
    """Each narrows the list, together by AND; what is not a filter's word is told."""
    channel, other = await pbx(world), await pbx(world, name="Other")
    await phone_at(world, world.anna, channel)
    maria, petr = await world.new_contact("Мария"), await world.new_contact("Пётр")
    merged = await world.new_contact("М.")
    await world.store.pool.execute("UPDATE contact SET card_id = $2 WHERE id = $1", merged, maria)
    answered = str(await add_call(world, channel, maria, at=START - timedelta(days=1)))
    missed = str(await add_call(world, channel, merged, outcome="missed", status="open", employee=""))
    dealt = str(await add_call(world, channel, petr, outcome="busy", employee="", assignee=world.boris))
    out = str(await add_call(world, other, petr, direction="out", outcome="missed", status="open"))
    ringing = str(await add_call(world, other, petr, state="ringing", outcome=None, status="open"))
    for query, found in (
        ("state=ringing,talking", [ringing]),
        ("outcome=missed,busy", [out, dealt, missed]),
        ("direction=out", [out]),
        (f"agent={world.anna.id}", [answered]),
        (f"agent={world.boris.id}", [dealt]),
        (f"contact={maria}", [missed, answered]),
        (f"contact={merged}", [missed, answered]),
        (f"channel={other}", [ringing, out]),
        ("to=2026-11-01T00:00:00Z", [answered]),
        ("from=2026-11-01T00:00:00Z&outcome=answered", []),
        ("missed_not_called_back=true", [missed]),
        ("missed_not_called_back=false", [ringing, out, dealt, answered]),
        (f"missed_not_called_back=true&channel={other}", []),
    ):
        assert await ids(world.sue, query) == found, query
    assert await ids(world.anna, "agent=me") == [answered]
    for query in ("state=gone", "outcome=good", "agent=anna", "from=yesterday", "after=x", "no=1"):
        assert (await world.sue.get(f"/calls?{query}")).status == 422, query


@pytest.mark.parametrize("few", [0, 2000])
async def test_many_and_few_are_the_same_list(world: World, monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """However the calls are looked for, by walking or by their conversations, the list is the same."""
    monkeypatch.setattr(storage.calls, "FEW", few)
    channel = await pbx(world)
    await phone_at(world, world.anna, channel)
    owned = await world.new_contact("Мария", owner=world.anna)
    rung = str(await add_call(world, channel, await world.new_contact()))
    own = str(await add_call(world, channel, owned, employee=""))
    queued = await add_call(world, channel, await world.new_contact(), employee="", assignee=world.boris)
    await world.store.pool.execute(
        "UPDATE conversation SET queue_id = $2 WHERE id = (SELECT conversation_id FROM call WHERE id = $1)",
        queued,
        world.queue,
    )
    foreign = str(await add_call(world, channel, await world.new_contact(), employee=""))
    assert await ids(world.anna) == [str(queued), own, rung]
    assert await ids(world.anna, "agent=me") == [rung]
    assert await ids(world.anna, f"agent={world.boris.id}") == [str(queued)]
    assert await ids(world.boris, f"contact={owned}") == []
    assert await ids(world.sue) == [foreign, str(queued), own, rung]
    await world.store.pool.execute("UPDATE call SET outcome = 'missed'")
    await world.store.pool.execute("UPDATE conversation SET status = 'open' WHERE contact_id = $1", owned)
    assert await ids(world.sue, "missed_not_called_back=true") == [own]
    assert await ids(world.boris, "missed_not_called_back=true") == []


async def test_calls_of_others_are_not_there(world: World) -> None:
    """An agent sees calls of conversations he may see: his own, his queues', his clients', those that rang at him."""
    channel = await pbx(world)
    foreign = await add_call(world, channel, await world.new_contact(), assignee=world.boris)
    own = await add_call(world, channel, await world.new_contact(), assignee=world.anna)
    rung = await add_call(world, channel, await world.new_contact(), assignee=world.boris)
    await world.store.pool.execute(
        "INSERT INTO conversation_participant (conversation_id, agent_id, why)"
        " SELECT conversation_id, $2, 'rung' FROM call WHERE id = $1",
        rung,
        world.anna.id,
    )
    assert await ids(world.anna) == [str(rung), str(own)]
    assert (await world.anna.get(f"/calls/{foreign}")).status == 404
    assert (await world.anna.call("PATCH", f"/calls/{foreign}", {"disposition": "x"})).status == 404
    assert (await world.anna.get(f"/calls/{uuid4()}")).status == 404
    assert (await world.anna.get("/calls/x")).status == 404
    reading = await world.token("read")
    assert (await reading.call("PATCH", f"/calls/{own}", {"disposition": "x"})).status == 403


async def test_one_call_has_its_pop(world: World) -> None:
    """A page opened while it rings gets at once what the pop shows, and at whom it rings."""
    channel = await pbx(world)
    await phone_at(world, world.anna, channel)
    contact = await world.new_contact("Мария", owner=world.anna)
    earlier = await world.new_conversation(contact)
    await world.new_interaction(earlier, text="где мой торт")
    call = await add_call(world, channel, contact, state="ringing", outcome=None, ringing=("205", "206"))
    found = (await world.anna.get(f"/calls/{call}")).body
    assert found["call"]["ringing"] == [str(world.anna.id)]
    assert found["caller"]["pretty"] == "+7 916 123-45-67"
    assert found["pop"]["contact"]["name"] == "Мария"
    assert [item["text"] for item in found["pop"]["last"]] == ["где мой торт"]


async def test_disposition_and_note(world: World) -> None:
    """The outcome is kept on the call and in the stream, told to those who see it, and audited; the note is a note."""
    channel, contact = await pbx(world), await world.new_contact()
    call = await add_call(world, channel, contact, assignee=world.anna)
    path = f"/calls/{call}"
    answer = await world.anna.call("PATCH", path, {"disposition": " Заказ ", "note": "торт на субботу"})
    assert answer.status == 200, answer.body
    assert answer.body["disposition"] == "Заказ"
    items = await world.anna.walk(f"/interactions?conversation={answer.body['conversation_id']}")
    assert [(item["kind"], item.get("text", "")) for item in items] == [("call", ""), ("note", "торт на субботу")]
    assert items[0]["call"]["disposition"] == "Заказ"
    assert items[1]["agent_id"] == str(world.anna.id)
    events = await world.store.pool.fetch("SELECT type, audience, data FROM event ORDER BY id")
    assert {event["type"] for event in events} == {"interaction.created", "call.changed"}
    assert all(f"agent:{world.anna.id}" in event["audience"] for event in events)
    note = await world.store.pool.fetchrow("SELECT action, before, after FROM audit_log")
    assert note is not None
    assert tuple(note) == ("call.disposition_recorded", {"disposition": ""}, {"disposition": "Заказ"})
    assert (await world.anna.call("PATCH", path, {"disposition": "Заказ"})).status == 200
    assert await world.store.pool.fetchval("SELECT count(*) FROM audit_log") == 1, "nothing changed"


@pytest.mark.parametrize(("given", "status"), [("Заказ", 200), ("", 200), ("Старое", 422), ("Выдумка", 422)])
async def test_outcomes_that_are_set_up_are_the_ones(world: World, given: str, status: int) -> None:
    """Where the company has a list for calls, only what is active on it is taken, or none; refused, nothing is kept."""
    await world.store.pool.execute(
        "INSERT INTO disposition (object, name, active) VALUES ('call', 'Заказ', true), ('call', 'Старое', false),"
        " ('conversation', 'Выдумка', true)"
    )
    call = await add_call(world, await pbx(world), await world.new_contact(), assignee=world.anna)
    answer = await world.anna.call("PATCH", f"/calls/{call}", {"disposition": given, "note": "и заметка"})
    assert answer.status == status, answer.body
    kept = await world.store.pool.fetchval("SELECT count(*) FROM interaction WHERE kind = 'note'")
    assert kept == (1 if status == 200 else 0)


@pytest.mark.parametrize(
    "body",
    [
        *({"note": ""}, {"note": "\x00"}, {"disposition": 1}, {"outcome": "answered"}, []),
        *({"disposition": "\x00"}, {"disposition": "\ud800"}, {"disposition": "x" * 201}),
    ],
)
async def test_bad_patches(world: World, body: Any) -> None:
    """They are refused and change nothing."""
    call = await add_call(world, await pbx(world), await world.new_contact(), assignee=world.anna)
    assert (await world.anna.call("PATCH", f"/calls/{call}", body)).status == 422
    assert await world.store.pool.fetchval("SELECT count(*) FROM interaction WHERE kind = 'note'") == 0


async def test_wrap_up_is_an_administrators(world: World) -> None:
    """Everybody may read how long it is, an administrator sets it, within reason, and the audit log has it."""
    assert (await world.anna.get("/wrap-up")).body == {"seconds": 30, "queues": {}, "chats_on_call": False}
    wanted = {"seconds": 45, "queues": {str(world.queue): 0}, "chats_on_call": True}
    assert (await world.sue.call("PUT", "/wrap-up", wanted)).status == 403
    assert (await world.root.call("PUT", "/wrap-up", wanted)).body == wanted
    assert (await world.anna.get("/wrap-up")).body == wanted
    for wrong in ({"seconds": -1}, {"seconds": 3601}, {"queues": {"x": 1}}):
        assert (await world.root.call("PUT", "/wrap-up", wrong)).status == 422
    assert await world.store.pool.fetchval("SELECT action FROM audit_log") == "wrap_up.set"


# ---------------------------------------------------------------- recordings


async def recording(world: World) -> str:
    async def chunks() -> Any:
        yield bytes(range(256)) * 8

    kept: Kept = await world.store.blobs.keep_stream(chunks(), limit=1 << 20)
    async with world.store.pool.acquire() as connection:
        item = await add_file(connection, kept, "recording.mp3", "audio/mpeg", world.anna.id)
    return str(item.id)


@pytest.mark.parametrize(
    ("asked", "status", "told", "first"),
    [
        ("bytes=0-", 206, "bytes 0-2047/2048", 0),
        ("bytes=1000-1003", 206, "bytes 1000-1003/2048", 1000),
        ("bytes=-10", 206, "bytes 2038-2047/2048", 2038),
        ("bytes=4000-", 416, "bytes */2048", None),
        (None, 200, None, 0),
    ],
)
async def test_recordings_play_from_any_place(
    world: World, asked: str | None, status: int, told: str | None, first: int | None
) -> None:
    """A player may jump: the part asked for is given, as audio, and never shown as a page of ours."""
    path = f"{world.url}/attachments/{await recording(world)}"
    headers = {"Authorization": f"Bearer {world.anna.token}"} | ({"Range": asked} if asked else {})
    async with world.http.get(path, headers=headers) as answer:
        body = await answer.read()
        assert answer.status == status
        assert answer.headers.get("Content-Range") == told
    if first is not None:
        assert body[0] == first % 256
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Content-Type"] == "audio/mpeg"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
