from __future__ import annotations

from typing import Any

from tests.inbox.conftest import Answer, World


async def _try(world: World, **body: Any) -> Answer:
    answer = await world.sue.call("POST", "/routing/test", {"channel_id": str(world.channel)} | body)
    assert answer.status == 200, answer.body
    return answer


async def test_new_client_waits_in_the_queue_and_who_would_get_him(world: World) -> None:
    """Queue, sentence, and who of its members would get it now; the others say why not. Nothing is written."""
    await world.anna.call("PUT", "/presence", {"state": "online"})
    tables = ("conversation", "contact", "assignment", "event", "audit_log")
    counts = {table: await world.store.pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables}
    tried = (await _try(world, text="привет")).body
    assert (tried["queue"]["name"], tried["agent"], tried["rule"]) == ("Sales", None, None)
    assert "Sales" in tried["sentence"]
    assert tried["next"]["name"] == "Anna"
    assert [(c["name"], c["why_not"]) for c in tried["candidates"]] == [("Anna", ""), ("Boris", "offline")]
    assert {table: await world.store.pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables} == counts
    await world.boris.call("PUT", "/presence", {"state": "online"})
    for _ in range(2):
        await world.talk(assignee=world.anna)
    assert (await _try(world)).body["next"]["name"] == "Boris"
    await world.store.pool.execute("UPDATE agent SET capacity = '{\"message\": 2}' WHERE id = $1", world.anna.id)
    assert (await _try(world)).body["candidates"][1]["why_not"] == "full"


async def test_rules_are_tried_in_their_order(world: World) -> None:
    """The rule that decides is named, and of each rule whether it holds; text, number and source count."""
    support = await world.new_queue("Support", world.boris)
    rules = [
        {"position": 1, "name": "Text", "conditions": {"text": ["доставк*"]}, "queue_id": str(support)},
        {"position": 2, "name": "Line", "conditions": {"our_number": ["+74951234567"]}, "queue_id": str(world.queue)},
        {"position": 3, "name": "Ad", "conditions": {"source": {"utm_source": "ya"}}, "agent_id": str(world.anna.id)},
    ]
    for rule in rules:
        assert (await world.root.call("POST", "/rules", rule)).status == 201
    told = (await _try(world, text="Когда доставка?", our_number="8 (495) 123-45-67")).body
    assert (told["rule"], told["queue"]["name"]) == ("Text", "Support")
    assert [rule["matches"] for rule in told["rules"]] == [True, True, False]
    assert (await _try(world, our_number="8 (495) 123-45-67")).body["rule"] == "Line"
    ad = (await _try(world, source={"utm_source": "ya"})).body
    assert (ad["rule"], ad["agent"]["name"], ad["next"]["name"]) == ("Ad", "Anna", "Anna")


async def test_known_client_goes_to_his_owner(world: World) -> None:
    """By contact or by address as people write it; who holds his open conversation comes first; a call rings who is there."""
    contact = await world.new_contact("Пётр", owner=world.anna, phone="+79161234567")
    for by in ({"contact_id": str(contact)}, {"identity": {"kind": "phone", "value": "8 916 123-45-67"}}):
        told = (await _try(world, **by)).body
        assert (told["contact"]["name"], told["agent"]["name"]) == ("Пётр", "Anna")
        assert told["facts"]["step"] == "owner"
    await world.new_conversation(contact, assignee=world.boris)
    assert (await _try(world, contact_id=str(contact))).body["agent"]["name"] == "Boris"
    call = (await _try(world, contact_id=str(contact), kind="call")).body
    assert (call["agent"], call["facts"]["step"]) == (None, "nobody")
    await world.anna.call("PUT", "/presence", {"state": "online"})
    await world.root.call("PUT", f"/agents/{world.anna.id}/extensions/{world.channel}", {"extension": "101"})
    call = (await _try(world, contact_id=str(contact), kind="call")).body
    assert (call["agent"]["name"], [one["name"] for one in call["candidates"]]) == ("Anna", ["Anna"])
    unknown = await _try(world, identity={"kind": "phone", "value": "+79990000000"})
    assert unknown.body["contact"] is None


async def test_closed_queue_gives_to_nobody(world: World) -> None:
    """Outside its hours nobody would get it, and the sentence says until when; at another time somebody would."""
    await world.anna.call("PUT", "/presence", {"state": "online"})
    await world.root.call("PATCH", f"/queues/{world.queue}", {"hours": {"1": [["09:00", "18:00"]]}})
    closed = (await _try(world, at="2026-11-29T09:00:00Z")).body  # a Sunday
    assert (closed["queue_open"], closed["next"]) == (False, None)
    assert "closed" in closed["sentence"]
    opened = (await _try(world, at="2026-11-30T09:00:00Z")).body
    assert (opened["queue_open"], opened["next"]["name"]) == (True, "Anna")


async def test_trying_is_for_supervisors(world: World) -> None:
    """Agents may not; unknown channels, contacts and kinds of address are refused."""
    body = {"channel_id": str(world.channel)}
    assert (await world.anna.call("POST", "/routing/test", body)).status == 403
    assert (await world.sue.call("POST", "/routing/test", {"channel_id": str(world.queue)})).status == 404
    assert (await world.sue.call("POST", "/routing/test", body | {"contact_id": str(world.queue)})).status == 404
    pigeon = {"identity": {"kind": "pigeon", "value": "1"}}
    assert (await world.sue.call("POST", "/routing/test", body | pigeon)).status == 422
    for at in ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"):
        assert (await world.sue.call("POST", "/routing/test", body | {"at": at})).status in {200, 422}
