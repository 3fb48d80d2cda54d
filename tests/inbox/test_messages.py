from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import aiohttp
import pytest

from connectors import registry
from storage.bus import Topic
from tests.inbox import windowed
from tests.inbox.conftest import World


@pytest.fixture
async def talk(world: World) -> UUID:
    """A conversation of Anna's that a reply can go to."""
    contact = await world.new_contact(telegram="42")
    identity = await world.store.pool.fetchval("SELECT id FROM identity WHERE contact_id = $1", contact)
    return await world.new_conversation(contact, assignee=world.anna, identity=identity)


async def _count(world: World) -> int:
    count: int = await world.store.pool.fetchval("SELECT count(*) FROM outbound")
    return count


async def test_reply_is_queued(world: World, talk: UUID) -> None:
    """A message gets an outbound row and an interaction in the stream, its author an event, the sender a wake-up."""
    woken = world.store.bus.signal(Topic.OUTBOUND)
    answer = await world.anna.call("POST", f"/conversations/{talk}/messages", {"text": "Добрый день"})
    assert answer.status == 201, answer.body
    assert answer.body["state"] == "queued"
    assert await woken.wait(5)
    (item,) = await world.anna.walk(f"/interactions?conversation={talk}")
    assert (item["id"], item["state"], item["direction"]) == (answer.body["interaction_id"], "queued", "out")
    assert item["agent_id"] == str(world.anna.id)
    (out,) = await world.anna.walk("/outbound?state=queued")
    assert (out["id"], out["text"]) == (answer.body["outbound_id"], "Добрый день")
    assert "interaction.created" in [event["type"] for event in await world.anna.walk("/events")]


async def test_note_goes_nowhere(world: World, talk: UUID) -> None:
    """A note is in the stream and never on the way out."""
    answer = await world.anna.call("POST", f"/conversations/{talk}/messages", {"kind": "note", "text": "VIP"})
    assert (answer.status, answer.body["outbound_id"]) == (201, None)
    assert [i["kind"] for i in await world.anna.walk("/interactions")] == ["note"]
    assert await _count(world) == 0


async def test_same_key_same_answer(world: World, talk: UUID) -> None:
    """A repeated request with its key gets the same answer and sends nothing twice; another body is a 409."""
    path, body = f"/conversations/{talk}/messages", {"text": "один раз"}
    first = await world.anna.call("POST", path, body, Idempotency_Key="k1")
    again = await world.anna.call("POST", path, body, Idempotency_Key="k1")
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await world.anna.call("POST", path, {"text": "другое"}, Idempotency_Key="k1")
    assert (other.status, other.body["code"]) == (409, "conflict")
    assert await _count(world) == 1
    assert (await world.api.call("POST", path, body, Idempotency_Key="k1")).status == 201
    assert await _count(world) == 2


async def test_same_key_at_once_is_one_message(world: World, talk: UUID) -> None:
    """Eight requests with one key at the same time: one row, eight equal answers."""
    path, body = f"/conversations/{talk}/messages", {"text": "один раз"}
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(world.anna.call("POST", path, body, Idempotency_Key="race")) for _ in range(8)]
    answers = [call.result() for call in calls]
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["outbound_id"] for answer in answers}) == 1
    assert await _count(world) == 1


async def test_refused_request_leaves_its_key_free(world: World, talk: UUID) -> None:
    """A request that failed may be mended and sent with the same key."""
    path = f"/conversations/{talk}/messages"
    assert (await world.anna.call("POST", path, {"text": ""}, Idempotency_Key="k")).status == 422
    assert (await world.anna.call("POST", path, {"text": "x"}, Idempotency_Key="k")).status == 201


@pytest.mark.parametrize(
    "body",
    [
        {"text": ""},
        {"text": "x" * 200_000},
        {"text": "a\0b"},
        {"text": "x", "attachments": [str(UUID(int=1))]},
        {"text": "x", "identity": str(UUID(int=1))},
        {"text": "x", "reply_to": str(UUID(int=1))},
        {"text": "x", "send_at": "tomorrow"},
        {"text": "x", "send_at": "2026-12-01T10:00:00"},
        {"text": 5},
        {"kind": "shout", "text": "x"},
    ],
)
async def test_wrong_messages_are_refused(world: World, talk: UUID, body: dict[str, object]) -> None:
    """What can't be sent is a 4xx that says why; nothing is queued."""
    answer = await world.anna.call("POST", f"/conversations/{talk}/messages", body)
    assert 400 <= answer.status < 500, answer.body
    assert await _count(world) == 0


@pytest.fixture
async def windowed_talk(world: World, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A conversation of Anna's on a channel that gives us a day to answer in; the client wrote an hour ago."""
    monkeypatch.setitem(registry.MODULES, "windowed", "tests.inbox.windowed")
    channel = await world.new_channel("windowed")
    contact = await world.new_contact(external="42")
    identity = await world.store.pool.fetchval("SELECT id FROM identity WHERE contact_id = $1", contact)
    talk = await world.new_conversation(contact, assignee=world.anna, identity=identity, channel=channel)
    await _last_heard(world, talk, hours=1)
    return talk


async def _last_heard(world: World, talk: UUID, *, hours: float | None) -> None:
    at = None if hours is None else datetime.now(UTC) - timedelta(hours=hours)
    await world.store.pool.execute("UPDATE conversation SET last_in_at = $2 WHERE id = $1", talk, at)


@pytest.mark.parametrize(
    ("hours", "later", "why"), [(25, 0, "ended at"), (1, 24, "would leave after"), (None, 0, "has not written yet")]
)
async def test_a_reply_outside_the_window_is_refused_at_once(
    world: World, windowed_talk: UUID, hours: float | None, later: int, why: str
) -> None:
    """Whoever writes learns why and what to do instead; nothing is queued, the request's key stays free."""
    await _last_heard(world, windowed_talk, hours=hours)
    path = f"/conversations/{windowed_talk}/messages"
    body = {"text": "ещё думаете?"}
    if later:
        body["send_at"] = (datetime.now(UTC) + timedelta(hours=later)).isoformat()
    answer = await world.anna.call("POST", path, body, Idempotency_Key="k")
    assert (answer.status, answer.body["code"]) == (409, "window_closed")
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert "24 hours" in answer.body["detail"]
    assert why in answer.body["detail"]
    assert answer.body["do"] == "Send an approved template, or use another channel."
    assert answer.body["kept"].startswith("Nothing was queued")
    assert await _count(world) == 0
    assert await world.anna.walk(f"/interactions?conversation={windowed_talk}") == []
    await _last_heard(world, windowed_talk, hours=23)
    assert (await world.anna.call("POST", path, {"text": "ещё думаете?"}, Idempotency_Key="k")).status == 201


async def test_what_may_be_written_outside_the_window(world: World, windowed_talk: UUID) -> None:
    """An approved template, and notes, which go nowhere; an empty template is none."""
    await _last_heard(world, windowed_talk, hours=25)
    path = f"/conversations/{windowed_talk}/messages"
    assert (await world.anna.call("POST", path, {"meta": {"template": {"name": "hello"}}})).status == 201
    assert (await world.anna.get(f"/conversations/{windowed_talk}")).body["last_text"] == "hello"
    assert (await world.anna.call("POST", path, {"kind": "note", "text": "молчит"})).status == 201
    assert (await world.anna.call("POST", path, {"text": "x", "meta": {"template": ""}})).status == 409


async def test_a_channel_without_templates_advises_none(
    world: World, windowed_talk: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What helps is said by what the channel can."""
    able = replace(windowed.connector.capabilities, templates=False)
    without = replace(windowed.connector, capabilities=able)
    monkeypatch.setattr(registry, "get", lambda _name: without)
    await _last_heard(world, windowed_talk, hours=25)
    answer = await world.anna.call("POST", f"/conversations/{windowed_talk}/messages", {"text": "x"})
    assert (answer.status, answer.body["code"]) == (409, "window_closed")
    assert "template" not in answer.body["do"]
    bare = await world.anna.call("POST", f"/conversations/{windowed_talk}/messages", {"meta": {"template": "hello"}})
    assert (bare.status, bare.body["code"]) == (422, "bad_request")


async def test_a_message_the_provider_refused_as_too_late_is_shown(world: World, windowed_talk: UUID) -> None:
    """It left in time and came too late: failed, with the reason, among the messages on their way out."""
    await world.anna.call("POST", f"/conversations/{windowed_talk}/messages", {"text": "x"})
    await world.store.pool.execute(
        "UPDATE outbound SET state = 'failed', error_class = 'window_closed', error = 'late'"
    )
    (out,) = await world.anna.walk("/outbound?state=failed")
    assert (out["error_class"], out["error"]) == ("window_closed", "late")


async def test_cancel_retry_settle(world: World, talk: UUID) -> None:
    """A waiting message can be taken back, a failed one tried again, a doubtful one settled; else it is a 409."""
    sent = (await world.anna.call("POST", f"/conversations/{talk}/messages", {"text": "x"})).body
    path = f"/outbound/{sent['outbound_id']}"
    assert (await world.anna.call("POST", f"{path}/retry")).status == 409
    assert (await world.boris.call("POST", f"{path}/cancel")).status == 404
    assert (await world.anna.call("POST", f"{path}/cancel")).body["state"] == "cancelled"
    assert (await world.anna.call("POST", f"{path}/cancel")).status == 409
    await world.store.pool.execute("UPDATE outbound SET state = 'failed'")
    assert (await world.anna.call("POST", f"{path}/retry")).body["state"] == "queued"
    await world.store.pool.execute("UPDATE outbound SET state = 'in_doubt'")
    settled = await world.anna.call("POST", f"{path}/settle", {"state": "sent"})
    assert settled.body["state"] == "sent"
    assert [i["state"] for i in await world.anna.walk("/interactions")] == ["sent"]
    states = [e["data"]["state"] for e in await world.anna.walk("/events") if e["type"] == "interaction.state"]
    assert states == ["cancelled", "queued", "sent"]


async def test_file_goes_up_into_a_message_and_down(world: World, talk: UUID) -> None:
    """An uploaded file is its uploader's until it is sent, then of those who see the conversation; bytes come back whole."""
    content = b"\x89PNG" + bytes(range(256)) * 50
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("comment", "not a file")
    form.add_field("file", content, filename="../счёт №1.png", content_type="image/png")
    headers = {"Authorization": f"Bearer {world.anna.token}"}
    async with world.http.post(f"{world.url}/attachments", data=form, headers=headers) as response:
        file = await response.json()
        assert response.status == 201, file
    assert (file["name"], file["type"], file["size"]) == ("счёт №1.png", "image/png", len(content))
    assert (await world.boris.get(f"/attachments/{file['id']}")).status == 404
    await world.store.pool.execute("UPDATE conversation SET queue_id = $1", world.queue)
    note = {"kind": "note", "text": "см.", "attachments": [file["id"]]}
    assert (await world.anna.call("POST", f"/conversations/{talk}/messages", note)).status == 201
    headers = {"Authorization": f"Bearer {world.boris.token}"}
    async with world.http.get(f"{world.url}/attachments/{file['id']}", headers=headers) as response:
        assert await response.read() == content
        assert response.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''%D1%81")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("size", [1 << 20, (1 << 20) + 1])
async def test_upload_limit(world: World, size: int) -> None:
    """A bare body of the limit is kept, one byte more is a 413 of which nothing stays."""

    async def chunks(left: int = size):  # type: ignore[no-untyped-def]  # noqa: ANN202
        while left > 0:
            yield b"x" * min(left, 50_000)
            left -= 50_000

    headers = {"Authorization": f"Bearer {world.anna.token}", "Content-Type": "text/html", "X-File-Name": "a%20b.html"}
    async with world.http.post(f"{world.url}/attachments", data=chunks(), headers=headers) as response:
        body = await response.json(content_type=None)
        fits = size == 1 << 20
        assert response.status == (201 if fits else 413), body
    count = await world.store.pool.fetchval("SELECT count(*) FROM attachment")
    assert count == (1 if fits else 0)
    assert (await world.anna.get(f"/attachments/{uuid4()}")).status == 404
