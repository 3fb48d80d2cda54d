from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from router.channels import add_channel
from storage.bus import Topic
from tests.inbox.conftest import Person, World

MANGO: dict[str, object] = {"api_key": "k" * 32, "api_salt": "s" * 32}


async def pbx(world: World, *, name: str = "PBX", **settings: object) -> UUID:
    async with world.store.pool.acquire() as connection:
        vault = world.store.vault
        return (await add_channel(connection, vault, connector="mango", name=name, values=MANGO | settings))[0]


async def phone_at(world: World, person: Person, channel: UUID, extension: str = "205") -> None:
    path = f"/agents/{person.id}/extensions/{channel}"
    answer = await world.root.call("PUT", path, {"extension": extension})
    assert answer.status == 200, answer.body


async def identities(world: World, contact: UUID) -> list[UUID]:
    rows = await world.store.pool.fetch("SELECT id FROM identity WHERE contact_id = $1 ORDER BY id", contact)
    return [row["id"] for row in rows]


async def queued(world: World) -> list[dict[str, Any]]:
    rows = await world.store.pool.fetch("SELECT channel_id, agent_id, thread_key, message, state FROM outbound")
    return [dict(row) for row in rows]


# ---------------------------------------------------------------- extensions


async def test_extension_is_set_listed_and_removed(world: World) -> None:
    """An agent has one extension at a PBX; a new one takes the place of the old, and the audit log has each step."""
    channel = await pbx(world)
    await phone_at(world, world.anna, channel, "201")
    await phone_at(world, world.anna, channel, "205")
    path = f"/agents/{world.anna.id}/extensions"
    own = {"channel_id": str(channel), "channel_name": "PBX", "extension": "205"}
    assert await world.root.walk(path) == [own]
    assert (await world.root.call("DELETE", f"{path}/{channel}")).status == 200
    assert await world.root.walk(path) == []
    assert (await world.root.call("DELETE", f"{path}/{channel}")).status == 404
    notes = await world.store.pool.fetch("SELECT action, before, after FROM audit_log ORDER BY id")
    assert [row["action"] for row in notes] == ["agent.extension_set"] * 2 + ["agent.extension_removed"]
    assert notes[1]["before"] == {"extension": "201"}
    assert notes[1]["after"] == {"channel_id": str(channel), "extension": "205"}


async def test_extension_goes_over_to_another(world: World) -> None:
    """One extension is one phone: given to Boris it is Anna's no more, and the log says whose it was."""
    channel = await pbx(world)
    await phone_at(world, world.anna, channel)
    await phone_at(world, world.boris, channel)
    assert await world.root.walk(f"/agents/{world.anna.id}/extensions") == []
    note = await world.store.pool.fetchval("SELECT after FROM audit_log ORDER BY id DESC LIMIT 1")
    assert note["taken_from"] == str(world.anna.id)


async def test_extensions_are_an_administrators(world: World) -> None:
    """Others get a 403; an unknown agent or channel is a 404; what is no extension a 422. Nothing is written."""
    channel = await pbx(world)
    path = f"/agents/{world.anna.id}/extensions/{channel}"
    for person in (world.anna, world.sue):
        assert (await person.call("PUT", path, {"extension": "1"})).status == 403
        assert (await person.call("DELETE", path)).status == 403
        assert (await person.get(path.rpartition("/")[0])).status == 403
    nobody = UUID(int=1)
    for wrong in (f"/agents/{nobody}/extensions/{channel}", f"/agents/{world.anna.id}/extensions/{nobody}"):
        assert (await world.root.call("PUT", wrong, {"extension": "1"})).status == 404
    assert (await world.root.get(f"/agents/{nobody}/extensions")).status == 404
    for extension in ("", " ", "20 1", "1\n", "доб", "1" * 65, 201):
        assert (await world.root.call("PUT", path, {"extension": extension})).status == 422
    assert await world.store.pool.fetchval("SELECT count(*) FROM agent_extension") == 0


# ---------------------------------------------------------------- calls


@pytest.mark.parametrize("written", ["8 (916) 123-45-67", "+7 916 123-45-67", "89161234567"])
async def test_number_is_called_as_the_region_reads_it(world: World, written: str) -> None:
    """The number is E.164 on the way out, the caller is the agent's extension, an unknown client gets a card."""
    channel = await pbx(world)
    await phone_at(world, world.anna, channel)
    woken = world.store.bus.signal(Topic.OUTBOUND)
    answer = await world.anna.call("POST", "/calls", {"number": written})
    assert answer.status == 201, answer.body
    assert answer.body["state"] == "queued"
    assert await woken.wait(5)
    (row,) = await queued(world)
    assert (row["channel_id"], row["agent_id"], row["state"]) == (channel, world.anna.id, "queued")
    assert row["message"]["meta"] == {"action": "call", "extension": "205"}
    assert (row["message"]["to"]["kind"], row["message"]["to"]["value"]) == ("phone", "+79161234567")
    (item,) = await world.anna.walk(f"/interactions?conversation={answer.body['conversation_id']}")
    assert (item["id"], item["kind"], item["direction"]) == (answer.body["interaction_id"], "call", "out")
    assert (item["call"]["state"], item["call"]["client"]) == ("started", "+79161234567")
    (card,) = await world.anna.walk("/contacts?identity=89161234567")
    assert card["id"] == item["contact_id"]
    (event,) = [e for e in await world.anna.walk("/events") if e["type"] == "interaction.created"]
    assert event["data"]["interaction"]["id"] == item["id"]
    (talk,) = await world.anna.walk("/conversations")
    assert (talk["assignee_id"], talk["assignment_reason"]) == (str(world.anna.id), "called by Anna")


async def test_region_is_the_channels(world: World) -> None:
    """A PBX in Kazakhstan reads a local number its own way."""
    channel = await pbx(world, region="KZ")
    await phone_at(world, world.anna, channel)
    assert (await world.anna.call("POST", "/calls", {"number": "8 727 312 31 31"})).status == 201
    assert [row["message"]["to"]["value"] for row in await queued(world)] == ["+77273123131"]


async def test_client_is_called_by_his_card(world: World) -> None:
    """A card with one number needs no more; with several the address says which, and both calls are on the same card."""
    await phone_at(world, world.anna, await pbx(world))
    contact = await world.new_contact(owner=world.anna, phone="+79161234567", telegram="42")
    first = await world.anna.call("POST", "/calls", {"contact_id": str(contact)})
    assert first.status == 201, first.body
    await world.store.pool.execute(
        "INSERT INTO identity (kind, value, contact_id) VALUES ('phone', '+79161234568', $1)", contact
    )
    assert (await world.anna.call("POST", "/calls", {"contact_id": str(contact)})).status == 422
    phone, telegram, other = await identities(world, contact)
    second = await world.anna.call("POST", "/calls", {"identity": str(other)})
    assert second.status == 201, second.body
    assert (await world.anna.call("POST", "/calls", {"identity": str(telegram)})).status == 422
    assert {row["message"]["to"]["value"] for row in await queued(world)} == {"+79161234567", "+79161234568"}
    items = await world.anna.walk(f"/interactions?contact={contact}")
    assert [item["identity_id"] for item in items] == [str(phone), str(other)]


async def test_same_key_is_one_call(world: World) -> None:
    """An impatient second request with its key rings nobody twice."""
    await phone_at(world, world.anna, await pbx(world))
    body = {"number": "+79161234567"}
    first = await world.anna.call("POST", "/calls", body, Idempotency_Key="k1")
    again = await world.anna.call("POST", "/calls", body, Idempotency_Key="k1")
    assert (again.status, again.body) == (201, first.body)
    assert len(await queued(world)) == 1


async def test_without_an_extension(world: World) -> None:
    """Who has no phone at the PBX is told what to do, and nothing is left behind."""
    channel = await pbx(world)
    for body in ({"number": "+79161234567"}, {"number": "+79161234567", "channel_id": str(channel)}):
        answer = await world.anna.call("POST", "/calls", body)
        assert (answer.status, answer.body["code"]) == (409, "no_extension")
        assert "PBX" in answer.body["detail"]
        assert "extension" in answer.body["do"]
    assert await world.store.pool.fetchval("SELECT count(*) FROM contact") == 0


async def test_several_exchanges(world: World) -> None:
    """With a phone at two PBXs the channel must be named; with a phone at one of two it need not."""
    first, second = await pbx(world, name="A"), await pbx(world, name="B")
    await phone_at(world, world.anna, second)
    body = {"number": "+79161234567"}
    assert (await world.anna.call("POST", "/calls", body)).status == 201
    await phone_at(world, world.anna, first)
    assert (await world.anna.call("POST", "/calls", body)).status == 422
    assert (await world.anna.call("POST", "/calls", body | {"channel_id": str(first)})).status == 201
    assert [row["channel_id"] for row in await queued(world)] == [second, first]


async def test_whose_phone_rings(world: World) -> None:
    """A token of nobody names the agent; an agent can't make another's phone ring; a reader can't call at all."""
    await phone_at(world, world.anna, await pbx(world))
    body: dict[str, object] = {"number": "+79161234567"}
    assert (await world.api.call("POST", "/calls", body)).status == 422
    assert (await world.api.call("POST", "/calls", body | {"agent_id": str(UUID(int=1))})).status == 422
    assert (await world.api.call("POST", "/calls", body | {"agent_id": str(world.anna.id)})).status == 201
    assert (await world.sue.call("POST", "/calls", body | {"agent_id": str(world.anna.id)})).status == 403
    reader = await world.token("read")
    assert (await reader.call("POST", "/calls", body | {"agent_id": str(world.anna.id)})).status == 403
    assert [row["agent_id"] for row in await queued(world)] == [world.anna.id]


async def test_a_card_not_shown_is_not_called(world: World) -> None:
    """By its id or its address it is a 404, as elsewhere; its owner may."""
    channel = await pbx(world)
    await phone_at(world, world.anna, channel, "201")
    await phone_at(world, world.boris, channel, "202")
    contact = await world.new_contact(owner=world.boris, phone="+79161234567")
    (phone,) = await identities(world, contact)
    for body in ({"contact_id": str(contact)}, {"identity": str(phone)}, {"identity": str(UUID(int=1))}):
        assert (await world.anna.call("POST", "/calls", body)).status == 404
    assert (await world.boris.call("POST", "/calls", {"identity": str(phone)})).status == 201


async def test_stop_list(world: World) -> None:
    """A number on the stop list is not called, however it is named."""
    await phone_at(world, world.anna, await pbx(world))
    contact = await world.new_contact(owner=world.anna, phone="+79161234567")
    await world.store.pool.execute("UPDATE identity SET blocked_at = now()")
    for body in ({"contact_id": str(contact)}, {"number": "89161234567"}):
        assert (await world.anna.call("POST", "/calls", body)).status == 409
    assert await queued(world) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"number": ""},
        {"number": "101"},
        {"number": "мама"},
        {"number": "\x00"},
        {"number": "+7916123456\ud800"},
        {"number": "+79161234567", "contact_id": str(UUID(int=1))},
        {"number": 79161234567},
        {"contact_id": "x"},
        {"number": "+79161234567", "text": "x"},
    ],
    ids=json.dumps,
)
async def test_wrong_calls_are_refused(world: World, body: dict[str, object]) -> None:
    """What can't be called is a 4xx that says why."""
    await phone_at(world, world.anna, await pbx(world))
    answer = await world.anna.call("POST", "/calls", body)
    assert 400 <= answer.status < 500, answer.body
    assert answer.body["detail"]
    assert await queued(world) == []


async def test_channels_that_can_not_call(world: World) -> None:
    """A messenger, a PBX out of service and an unknown channel each say so."""
    body = {"number": "+79161234567"}
    assert (await world.anna.call("POST", "/calls", body)).status == 409
    assert (await world.anna.call("POST", "/calls", body | {"channel_id": str(world.channel)})).status == 409
    assert (await world.anna.call("POST", "/calls", body | {"channel_id": str(UUID(int=1))})).status == 404
    channel = await pbx(world)
    await phone_at(world, world.anna, channel)
    await world.store.pool.execute("UPDATE channel SET state = 'broken' WHERE id = $1", channel)
    answer = await world.anna.call("POST", "/calls", body)
    assert (answer.status, answer.body["code"]) == (409, "conflict")
