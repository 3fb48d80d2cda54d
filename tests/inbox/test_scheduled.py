from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from connectors import registry
from tests.inbox import windowed
from tests.inbox.conftest import World


@pytest.fixture
async def talk(world: World) -> UUID:
    """A conversation of Anna's that a reply can go to, in which the client wrote."""
    contact = await world.new_contact(telegram="42")
    identity = await world.store.pool.fetchval("SELECT id FROM identity WHERE contact_id = $1", contact)
    found = await world.new_conversation(contact, assignee=world.anna, identity=identity)
    await world.new_interaction(found, text="Торт готов?")
    return found


def _in(**span: float) -> datetime:
    return datetime.now(UTC) + timedelta(**span)


async def _plan(world: World, talk: UUID, text: str, at: datetime) -> str:
    body = {"text": text, "send_at": at.isoformat()}
    answer = await world.anna.call("POST", f"/conversations/{talk}/messages", body)
    assert (answer.status, answer.body.get("state")) == (201, "queued"), answer.body
    found: str = answer.body["outbound_id"]
    return found


async def _conversation(world: World, talk: UUID) -> Any:
    return (await world.anna.get(f"/conversations/{talk}")).body


async def test_undo_send_is_as_if_it_had_not_been_written(world: World, talk: UUID) -> None:
    """Taken back within its five seconds nothing leaves, the first response is owed again, the list shows the client's line."""
    outbound = await _plan(world, talk, "Да!", _in(seconds=5))
    assert (await _conversation(world, talk))["last_text"] == "Да!"
    assert (await world.anna.call("POST", f"/outbound/{outbound}/cancel")).body["state"] == "cancelled"
    item = await _conversation(world, talk)
    assert item["last_text"] == "Торт готов?"
    assert "first_response_at" not in item
    told = [e["data"]["conversation"] for e in await world.anna.walk("/events") if e["type"] == "conversation.updated"]
    assert [one["last_text"] for one in told] == ["Торт готов?"]


async def test_undo_of_a_later_message_leaves_the_first_response(world: World, talk: UUID) -> None:
    """What was answered before stays answered."""
    await world.anna.call("POST", f"/conversations/{talk}/messages", {"text": "Да"})
    answered = (await _conversation(world, talk))["first_response_at"]
    outbound = await _plan(world, talk, "Приходите", _in(seconds=5))
    await world.anna.call("POST", f"/outbound/{outbound}/cancel")
    item = await _conversation(world, talk)
    assert (item["first_response_at"], item["last_text"]) == (answered, "Да")


async def test_planned_messages_are_listed_changed_and_cancelled(world: World, talk: UUID) -> None:
    """Those for later are a list of their own; text and time can change until they leave, and the stream shows it."""
    at, later = _in(hours=2), _in(hours=3)
    outbound = await _plan(world, talk, "Завтра", at)
    await world.anna.call("POST", f"/conversations/{talk}/messages", {"text": "Сейчас"})
    (planned,) = await world.anna.walk(f"/outbound?scheduled=true&conversation={talk}")
    assert (planned["id"], datetime.fromisoformat(planned["send_at"])) == (outbound, at)
    assert [o["text"] for o in await world.anna.walk("/outbound?scheduled=false")] == ["Сейчас"]
    body = {"text": "Послезавтра", "send_at": later.isoformat()}
    changed = await world.anna.call("PATCH", f"/outbound/{outbound}", body)
    assert changed.status == 200, changed.body
    assert (changed.body["text"], datetime.fromisoformat(changed.body["next_at"])) == ("Послезавтра", later)
    assert "Послезавтра" in [i["text"] for i in await world.anna.walk(f"/interactions?conversation={talk}")]
    edited = [e["data"]["text"] for e in await world.anna.walk("/events") if e["type"] == "interaction.edited"]
    assert edited == ["Послезавтра"]
    assert (await world.boris.call("PATCH", f"/outbound/{outbound}", body)).status == 404
    assert (await world.anna.call("POST", f"/outbound/{outbound}/cancel")).status == 200
    assert await world.anna.walk("/outbound?scheduled=true") == []
    assert (await world.anna.call("PATCH", f"/outbound/{outbound}", body)).status == 409


async def test_a_message_for_tomorrow_is_no_answer_of_today(world: World, talk: UUID) -> None:
    """The first response is given when the message is to leave, also after it was put off."""
    at, later = _in(hours=2), _in(hours=3)
    outbound = await _plan(world, talk, "Завтра", at)
    assert datetime.fromisoformat((await _conversation(world, talk))["first_response_at"]) == at
    await world.anna.call("PATCH", f"/outbound/{outbound}", {"send_at": later.isoformat()})
    assert datetime.fromisoformat((await _conversation(world, talk))["first_response_at"]) == later


@pytest.mark.parametrize("body", [{"text": " "}, {"text": "x" * 5000}, {"text": "a\0"}, {"send_at": "tomorrow"}])
async def test_changes_that_can_not_be(world: World, talk: UUID, body: dict[str, str]) -> None:
    """What could not be sent can't be planned: 422, and the message is as it was."""
    outbound = await _plan(world, talk, "Завтра", _in(hours=2))
    assert (await world.anna.call("PATCH", f"/outbound/{outbound}", body)).status == 422
    (planned,) = await world.anna.walk("/outbound?scheduled=true")
    assert planned["text"] == "Завтра"


async def test_put_off_behind_the_window_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where free text is taken for a day, a message can't be put off to the day after."""
    monkeypatch.setitem(registry.MODULES, "windowed", "tests.inbox.windowed")
    assert windowed.connector.capabilities.window_s
    channel = await world.new_channel("windowed")
    contact = await world.new_contact(external="7")
    identity = await world.store.pool.fetchval("SELECT id FROM identity WHERE contact_id = $1", contact)
    talk = await world.new_conversation(contact, assignee=world.anna, channel=channel, identity=identity)
    await world.store.pool.execute("UPDATE conversation SET last_in_at = now() WHERE id = $1", talk)
    outbound = await _plan(world, talk, "Завтра", _in(hours=2))
    answer = await world.anna.call("PATCH", f"/outbound/{outbound}", {"send_at": _in(hours=30).isoformat()})
    assert (answer.status, answer.body["code"]) == (409, "window_closed")


async def test_held_by_the_hubs_clock(world: World, talk: UUID) -> None:
    """`hold_s` counts from now as the hub has it; the answer and the event say when it leaves; files come back with the undo."""
    async with world.http.post(
        f"{world.url}/attachments",
        data=b"hello",
        headers={"Authorization": f"Bearer {world.anna.token}", "X-File-Name": "a.txt", "Content-Type": "text/plain"},
    ) as answer:
        file = (await answer.json())["id"]
    before = datetime.now(UTC)
    path, body = f"/conversations/{talk}/messages", {"text": "Да!", "hold_s": 5, "attachments": [file]}
    sent = await world.anna.call("POST", path, body)
    assert sent.status == 201, sent.body
    leaves = datetime.fromisoformat(sent.body["send_at"])
    assert timedelta(seconds=5) <= leaves - before < timedelta(seconds=20)
    (told,) = [e["data"] for e in await world.anna.walk("/events") if e["type"] == "interaction.created"]
    assert (told["outbound_id"], datetime.fromisoformat(told["send_at"])) == (sent.body["outbound_id"], leaves)
    assert (await world.anna.call("POST", f"/outbound/{sent.body['outbound_id']}/cancel")).status == 200
    again = await world.anna.call("POST", path, body)
    assert again.status == 201, again.body
    for wrong in (-1, 3600):
        assert (await world.anna.call("POST", path, {"text": "x", "hold_s": wrong})).status == 422
