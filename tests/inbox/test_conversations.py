from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.inbox.conftest import Person, World


async def _heard(person: Person) -> list[tuple[str, bool]]:
    """(type, whether it carries a snapshot) of the conversation events this person gets."""
    events = await person.walk("/events")
    return [(e["type"], "conversation" in e["data"]) for e in events if e["type"].startswith("conversation.")]


async def test_filters_combine(world: World) -> None:
    """assignee, queue, status, contact and channel narrow together; `me` and `none` are understood."""
    contact = await world.new_contact()
    mine = await world.new_conversation(contact, assignee=world.anna, queue=world.queue)
    waiting = await world.new_conversation(contact, queue=world.queue)
    done = await world.new_conversation(contact, assignee=world.anna)
    await world.api.call("PATCH", f"/conversations/{done}", {"status": "resolved"})
    expected = {
        f"assignee={world.anna.id}": {mine, done},
        "assignee=me": {mine, done},
        "assignee=none": {waiting},
        f"queue={world.queue}": {mine, waiting},
        "status=open": {mine, waiting},
        "status=open,resolved&assignee=me": {mine, done},
        f"contact={contact}&channel={world.channel}&status=resolved": {done},
        f"channel={uuid4()}": set(),
    }
    for query, ids in expected.items():
        for order in ("", "&order=desc", "&sort=last", "&sort=last&order=desc"):
            found = [item["id"] for item in await world.anna.walk(f"/conversations?{query}{order}")]
            assert sorted(found) == sorted(map(str, ids)), query + order


async def test_contract_keys(world: World) -> None:
    """A conversation says its status, holder, queue, and the reason as a sentence."""
    conversation = await world.talk(queue=world.queue)
    item = (await world.api.get(f"/conversations/{conversation}")).body
    assert {"id", "status", "queue_id", "contact_id", "channel_id", "last_at", "unread", "queued_at"} <= set(item)
    assert "assignee_id" not in item


async def test_transfer_tells_both_sides(world: World) -> None:
    """The old holder gets `left`, the new one `entered` with a snapshot, nobody else anything; all in one commit."""
    conversation = await world.talk(assignee=world.anna)
    answer = await world.anna.call(
        "POST", f"/conversations/{conversation}/assign", {"agent_id": str(world.boris.id), "reason": "знает клиента"}
    )
    assert answer.status == 200, answer.body
    assert answer.body["assignment_reason"] == "handed over by Anna: знает клиента"
    assert await _heard(world.anna) == [("conversation.left", False)]
    assert await _heard(world.boris) == [("conversation.entered", True)]
    assert {type_ for type_, _ in await _heard(world.sue)} >= {"conversation.left", "conversation.entered"}
    assert (await world.anna.get(f"/conversations/{conversation}")).status == 404
    assert (await world.boris.get(f"/conversations/{conversation}")).status == 200
    rows = await world.store.pool.fetch("SELECT * FROM assignment WHERE conversation_id = $1", conversation)
    assert [(r["agent_id"], r["by"], r["until"]) for r in rows] == [(world.boris.id, world.anna.id, None)]


async def test_return_to_queue_waits_and_wakes(world: World) -> None:
    """Given to a queue it has no assignee and waits since now; its members hear of it, the assigner is woken."""
    from storage.bus import Topic

    queue = await world.new_queue("Support", world.boris)
    conversation = await world.talk(assignee=world.anna)
    woken = world.store.bus.signal(Topic.QUEUE)
    answer = await world.anna.call("POST", f"/conversations/{conversation}/assign", {"queue_id": str(queue)})
    assert answer.status == 200
    assert "assignee_id" not in answer.body
    assert answer.body["queued_at"]
    assert await woken.wait(5)
    assert await _heard(world.boris) == [("conversation.entered", True)]


async def test_participant_hears_left_and_what_follows(world: World) -> None:
    """Who gives away a conversation he took part in is told that it left him, and goes on seeing it."""
    conversation = await world.talk(assignee=world.anna)
    await world.anna.call("POST", f"/conversations/{conversation}/messages", {"kind": "note", "text": "x"})
    await world.anna.call("POST", f"/conversations/{conversation}/assign", {"agent_id": str(world.boris.id)})
    assert await _heard(world.anna) == [("conversation.left", False), ("conversation.updated", True)]
    assert (await world.anna.get(f"/conversations/{conversation}")).status == 200


async def test_resolve_reopen_snooze(world: World) -> None:
    """Status moves both ways with its times; snoozing needs a time; a change is audited and told once."""
    conversation = await world.talk(assignee=world.anna)
    path = f"/conversations/{conversation}"
    resolved = await world.anna.call("PATCH", path, {"status": "resolved", "disposition": "sold", "tags": ["a"]})
    assert resolved.body["resolved_at"]
    assert (resolved.body["disposition"], resolved.body["tags"], resolved.body["version"]) == ("sold", ["a"], 1)
    assert (await world.anna.call("POST", f"{path}/assign", {"agent_id": str(world.boris.id)})).status == 409
    again = await world.anna.call("PATCH", path, {"status": "open"})
    assert "resolved_at" not in again.body
    assert (await world.anna.call("PATCH", path, {"status": "snoozed"})).status == 422
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    snoozed = await world.anna.call("PATCH", path, {"status": "snoozed", "snoozed_until": until})
    assert snoozed.body["snoozed_until"]
    same = await world.anna.call("PATCH", path, {"status": "snoozed", "snoozed_until": until})
    assert same.body["version"] == snoozed.body["version"] == 3
    assert await _heard(world.anna) == [("conversation.updated", True)] * 3
    assert await world.store.pool.fetchval("SELECT count(*) FROM audit_log WHERE object_kind = 'conversation'") == 3


async def test_reopening_beside_a_newer_one_is_a_conflict(world: World) -> None:
    """A thread has one open conversation: opening an old one beside it is a 409."""
    old, new = await world.talk(assignee=world.anna), await world.talk(assignee=world.anna)
    await world.anna.call("PATCH", f"/conversations/{old}", {"status": "resolved"})
    await world.store.pool.execute(
        "UPDATE conversation SET thread_key = (SELECT thread_key FROM conversation WHERE id = $1) WHERE id = $2",
        old,
        new,
    )
    assert (await world.anna.call("PATCH", f"/conversations/{old}", {"status": "open"})).status == 409


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"agent_id": "00000000-0000-0000-0000-000000000001"},
        {"queue_id": "00000000-0000-0000-0000-000000000001"},
        {"agent_id": "anna"},
    ],
)
async def test_wrong_assignments_are_refused(world: World, body: dict[str, str]) -> None:
    """To nobody, or to somebody unknown: 422, nothing moves."""
    conversation = await world.talk(assignee=world.anna)
    assert (await world.anna.call("POST", f"/conversations/{conversation}/assign", body)).status == 422
    assert (await world.anna.get(f"/conversations/{conversation}")).body["version"] == 0
