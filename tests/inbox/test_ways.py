"""By which ways a client can be written to, and writing first."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from connectors import registry
from tests.inbox import windowed
from tests.inbox.conftest import Answer, Person, World

PHONE, MAIL = "+79161234567", "petr@example.ru"


async def _identity(world: World, contact: UUID, kind: str) -> UUID:
    found: UUID = await world.store.pool.fetchval(
        "SELECT id FROM identity WHERE contact_id = $1 AND kind = $2", contact, kind
    )
    return found


async def _ways(person: Person, contact: UUID) -> dict[tuple[str, str], dict[str, Any]]:
    answer = await person.get(f"/contacts/{contact}/ways")
    assert answer.status == 200, answer.body
    return {(one["kind"], one["connector"]): one for one in answer.items}


async def _begin(person: Person, contact: UUID, channel: UUID, identity: UUID, **more: Any) -> Answer:
    body = {"contact_id": str(contact), "channel_id": str(channel), "identity_id": str(identity)} | more
    return await person.call("POST", "/conversations", body)


@pytest.fixture
async def client(world: World) -> UUID:
    """Anna's client with a phone, an e-mail and a Telegram account; he wrote by none of them."""
    return await world.new_contact(owner=world.anna, phone=PHONE, email=MAIL, telegram="42")


async def test_ways_say_what_can_be_and_why_not(world: World, client: UUID) -> None:
    """SMS and mail can be written first, a bot only to people who wrote; a PBX and a form are no way to write."""
    for connector in ("smsc", "email", "mango", "form"):
        await world.new_channel(connector)
    ways = await _ways(world.anna, client)
    assert set(ways) == {("phone", "smsc"), ("email", "email"), ("telegram", "telegram")}
    assert {key: one.get("why_not", "") for key, one in ways.items()} == {
        ("phone", "smsc"): "",
        ("email", "email"): "",
        ("telegram", "telegram"): "never_wrote",
    }
    assert ways["email", "email"]["able"]["subject"] is True
    assert (await world.boris.get(f"/contacts/{client}/ways")).status == 404


async def test_ways_know_stop_list_and_pauses(world: World, client: UUID) -> None:
    """A blocked address and a channel that is paused or broken are ways with their reason."""
    sms, mail = await world.new_channel("smsc"), await world.new_channel("email")
    await world.store.pool.execute("UPDATE identity SET blocked_at = now() WHERE kind = 'phone'")
    await world.store.pool.execute("UPDATE channel SET state = 'paused' WHERE id = $1", mail)
    ways = await _ways(world.anna, client)
    assert ways["phone", "smsc"]["why_not"] == "blocked"
    assert ways["email", "email"]["why_not"] == "paused"
    await world.store.pool.execute("UPDATE identity SET blocked_at = NULL")
    await world.store.pool.execute("UPDATE channel SET state = 'broken' WHERE id = $1", sms)
    assert (await _ways(world.anna, client))["phone", "smsc"]["why_not"] == "broken"


async def test_ways_know_the_window(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where free text is taken for a day, the way says until when, and that it is over."""
    monkeypatch.setitem(registry.MODULES, "windowed", "tests.inbox.windowed")
    assert windowed.connector.capabilities.window_s == 86_400
    channel = await world.new_channel("windowed")
    contact = await world.new_contact(owner=world.anna, external="7")
    identity = await _identity(world, contact, "external")
    talk = await world.new_conversation(contact, assignee=world.anna, channel=channel, identity=identity)
    at = datetime.now(UTC) - timedelta(hours=23)
    await world.store.pool.execute("UPDATE conversation SET last_in_at = $1", at)
    (way,) = (await _ways(world.anna, contact)).values()
    assert (way.get("why_not", ""), way["conversation_id"]) == ("", str(talk))
    assert datetime.fromisoformat(way["window_ends_at"]) == at + timedelta(hours=24)
    await world.store.pool.execute("UPDATE conversation SET last_in_at = $1", at - timedelta(hours=2))
    (way,) = (await _ways(world.anna, contact)).values()
    assert (way["why_not"], way["able"]["templates"]) == ("window_closed", True)


async def test_one_may_write_first(world: World, client: UUID) -> None:
    """A conversation begun is the caller's, known to its audience and the audit; asked for again it is the same one."""
    mail = await world.new_channel("email")
    identity = await _identity(world, client, "email")
    begun = await _begin(world.anna, client, mail, identity, subject="Торт")
    assert begun.status == 201, begun.body
    assert (begun.body["assignee_id"], begun.body["subject"]) == (str(world.anna.id), "Торт")
    assert (begun.body["kind"], begun.body["contact"]["id"]) == ("email", str(client))
    assert (await _begin(world.anna, client, mail, identity)).body["id"] == begun.body["id"]
    types = [event["type"] for event in await world.anna.walk("/events")]
    assert types.count("conversation.entered") == 1
    assert "conversation.begun" in [line["action"] for line in (await world.root.get("/audit")).items]
    sent = await world.anna.call("POST", f"/conversations/{begun.body['id']}/messages", {"text": "Готов"})
    assert sent.status == 201, sent.body
    row = await world.store.pool.fetchrow("SELECT message, channel_id FROM outbound")
    assert row is not None
    assert (row["message"]["to"]["value"], row["message"]["subject"]) == (MAIL, "Re: Торт")
    assert row["channel_id"] == mail


async def test_begun_by_several_at_once_is_one(world: World, client: UUID) -> None:
    """Eight at the same time get one conversation."""
    sms = await world.new_channel("smsc")
    identity = await _identity(world, client, "phone")
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(_begin(world.anna, client, sms, identity)) for _ in range(8)]
    answers = [call.result() for call in calls]
    assert {answer.status for answer in answers} == {201}, [answer.body for answer in answers]
    assert len({answer.body["id"] for answer in answers}) == 1
    assert await world.store.pool.fetchval("SELECT count(*) FROM conversation") == 1


async def test_begun_again_after_it_was_resolved(world: World, client: UUID) -> None:
    """The next one knows the one before."""
    sms = await world.new_channel("smsc")
    identity = await _identity(world, client, "phone")
    first = (await _begin(world.anna, client, sms, identity)).body["id"]
    await world.anna.call("PATCH", f"/conversations/{first}", {"status": "resolved"})
    second = (await _begin(world.anna, client, sms, identity)).body
    assert (second["previous_id"], second["status"]) == (first, "open")


async def test_what_can_not_be_begun(world: World, client: UUID) -> None:
    """Somebody else's client is a 404, another's address a 422; a bot that was not written to, a PBX, a stop list are 409."""
    sms, pbx = await world.new_channel("smsc"), await world.new_channel("mango")
    phone, chat = await _identity(world, client, "phone"), await _identity(world, client, "telegram")
    assert (await _begin(world.boris, client, sms, phone)).status == 404
    other = await _identity(world, await world.new_contact(phone="+79990000000"), "phone")
    assert (await _begin(world.anna, client, sms, other)).status == 422
    assert (await _begin(world.anna, client, world.channel, chat)).status == 409
    assert (await _begin(world.anna, client, pbx, phone)).status == 409
    assert (await _begin(world.anna, client, sms, phone, subject="a\0b")).status == 422
    await world.store.pool.execute("UPDATE identity SET blocked_at = now()")
    assert (await _begin(world.anna, client, sms, phone)).status == 409
    assert await world.store.pool.fetchval("SELECT count(*) FROM conversation") == 0


async def test_conversation_of_a_colleague_is_not_given_away(world: World) -> None:
    """Who sees the card but not its open conversation there learns that a colleague has it, and no more."""
    sms = await world.new_channel("smsc")
    contact = await world.new_contact(phone=PHONE, telegram="42")
    phone = await _identity(world, contact, "phone")
    theirs = (await _begin(world.sue, contact, sms, phone)).body["id"]
    await world.new_conversation(contact, assignee=world.boris, identity=await _identity(world, contact, "telegram"))
    answer = await _begin(world.boris, contact, sms, phone)
    assert (answer.status, answer.body["code"]) == (409, "conflict")
    assert theirs not in str(answer.body)
    assert "conversation_id" not in (await _ways(world.boris, contact))["phone", "smsc"]


async def test_integration_begins_for_the_queue(world: World, client: UUID) -> None:
    """What nobody in person begins waits in the channel's queue."""
    sms = await world.new_channel("smsc")
    await world.store.pool.execute("UPDATE channel SET queue_id = $1 WHERE id = $2", world.queue, sms)
    item = (await _begin(world.api, client, sms, await _identity(world, client, "phone"))).body
    assert item.get("assignee_id") is None
    assert item["queue_id"] == str(world.queue)
    assert await world.store.pool.fetchval("SELECT queued_at FROM conversation") is not None


async def test_reply_over_another_channel(world: World, client: UUID) -> None:
    """A reply may name address and channel: it goes there, by a conversation of the same agent; a call is answered by SMS."""
    first, second = await world.new_channel("smsc"), await world.new_channel("smsc")
    pbx = await world.new_channel("mango")
    phone = await _identity(world, client, "phone")
    call = await world.new_conversation(client, assignee=world.anna, channel=pbx, identity=phone)
    body = {"text": "Перезвоним", "identity": str(phone)}
    refused = await world.anna.call("POST", f"/conversations/{call}/messages", body)
    assert refused.status == 409, refused.body
    for channel in (second, first):
        answer = await world.anna.call("POST", f"/conversations/{call}/messages", body | {"channel": str(channel)})
        assert answer.status == 201, answer.body
        other = (await world.anna.get(f"/conversations/{answer.body['conversation_id']}")).body
        assert (other["channel_id"], other["assignee_id"]) == (str(channel), str(world.anna.id))
    sent = await world.store.pool.fetch("SELECT channel_id FROM outbound ORDER BY id")
    assert [row["channel_id"] for row in sent] == [second, first]
