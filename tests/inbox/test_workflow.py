from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from router.snooze import wake_snoozed
from storage.bus import Topic
from tests.inbox.conftest import Person, World


def _in(**span: float) -> str:
    return (datetime.now(UTC) + timedelta(**span)).isoformat()


async def _types(person: Person, prefix: str) -> list[str]:
    return [e["type"] for e in await person.walk("/events") if e["type"].startswith(prefix)]


# ------------------------------------------------------------------ snooze


async def test_snoozed_wake_when_their_time_comes(world: World) -> None:
    """Those due are open and unread again, told once to who sees them and to the assigner; the others sleep on."""
    due, later = await world.talk(assignee=world.anna), await world.talk(assignee=world.anna)
    for talk, until in ((due, _in(seconds=-1)), (later, _in(hours=1))):
        body = {"status": "snoozed", "snoozed_until": until}
        assert (await world.anna.call("PATCH", f"/conversations/{talk}", body)).status == 200
    woken = world.store.bus.signal(Topic.QUEUE)
    assert await wake_snoozed(world.store) == 1
    assert await wake_snoozed(world.store) == 0
    assert await woken.wait(5)
    item = (await world.anna.get(f"/conversations/{due}")).body
    assert (item["status"], item["unread"], "snoozed_until" in item) == ("open", 1, False)
    assert (await world.anna.get(f"/conversations/{later}")).body["status"] == "snoozed"
    told = [e["data"] for e in await world.anna.walk("/events") if e["data"].get("woken")]
    assert [data["conversation"]["id"] for data in told] == [str(due)]
    assert await _types(world.boris, "conversation.") == []


# ------------------------------------------------------------------ dispositions


async def test_closing_needs_one_of_the_outcomes_there_are(world: World) -> None:
    """While the company names outcomes, a conversation is closed with one of them; before and after any word will do."""
    talk = f"/conversations/{await world.talk(assignee=world.anna)}"
    assert (await world.anna.call("POST", "/dispositions", {"object": "conversation", "name": "x"})).status == 403
    made = await world.root.call("POST", "/dispositions", {"object": "conversation", "name": "продано"})
    assert made.status == 201, made.body
    await world.root.call("POST", "/dispositions", {"object": "call", "name": "не дозвонились"})
    for body in ({}, {"disposition": "sold"}, {"disposition": "не дозвонились"}):
        refused = await world.anna.call("PATCH", talk, {"status": "resolved", **body})
        assert refused.status == 422
        assert "продано" in refused.body["detail"]
    assert (await world.anna.get(talk)).body["status"] == "open"
    assert (await world.anna.call("PATCH", talk, {"tags": ["a"]})).status == 200
    closed = await world.anna.call("PATCH", talk, {"status": "resolved", "disposition": "продано"})
    assert (closed.status, closed.body["disposition"]) == (200, "продано")
    assert (await world.anna.call("PATCH", talk, {"status": "open"})).status == 200
    await world.root.call("PATCH", f"/dispositions/{made.body['id']}", {"active": False})
    assert [d["name"] for d in await world.anna.walk("/dispositions?active=true")] == ["не дозвонились"]
    assert (await world.anna.call("PATCH", talk, {"status": "resolved", "disposition": ""})).status == 200


async def test_an_outcome_may_go_and_stays_where_it_was_chosen(world: World) -> None:
    """Two of one name are a conflict; a removed one is not offered, and still stands on what it closed."""
    talk = f"/conversations/{await world.talk()}"
    body = {"object": "conversation", "name": "продано"}
    made = (await world.root.call("POST", "/dispositions", body)).body
    assert (await world.root.call("POST", "/dispositions", body)).status == 409
    await world.api.call("PATCH", talk, {"status": "resolved", "disposition": "продано"})
    assert (await world.root.call("DELETE", f"/dispositions/{made['id']}")).status == 200
    assert (await world.root.call("DELETE", f"/dispositions/{made['id']}")).status == 404
    assert (await world.api.get(talk)).body["disposition"] == "продано"


# ------------------------------------------------------------------ mentions, read marks


async def test_who_is_named_sees_the_conversation_and_hears_of_it(world: World) -> None:
    """A note that names a colleague lets him see the conversation; it is on his list until he opened it."""
    talk = await world.talk(assignee=world.anna)
    note = {"kind": "note", "text": "@Boris глянь", "mentions": [str(world.boris.id)] * 2}
    sent = await world.anna.call("POST", f"/conversations/{talk}/messages", note)
    assert sent.status == 201, sent.body
    (mention,) = await world.boris.walk("/mentions?unseen=true")
    assert mention["interaction_id"] == sent.body["interaction_id"]
    assert (mention["text"], mention["agent_name"]) == ("@Boris глянь", "Anna")
    assert await _types(world.boris, "mention.") == ["mention.created"]
    assert await _types(world.anna, "mention.") == []
    for filter_ in ("me", "unseen"):
        assert [c["id"] for c in await world.boris.walk(f"/conversations?mentioned={filter_}")] == [str(talk)]
    assert (await world.boris.call("POST", f"/conversations/{talk}/read")).status == 200
    assert await world.boris.walk("/mentions?unseen=true") == []
    assert len(await world.boris.walk("/mentions?unseen=false")) == 1
    assert await world.boris.walk("/conversations?mentioned=unseen") == []
    assert await _types(world.boris, "mention.") == ["mention.created", "mention.seen"]


async def test_mentions_that_can_not_be(world: World) -> None:
    """A client's message names nobody, and nobody unknown is named: 422, nothing is written."""
    talk = await world.talk(assignee=world.anna)
    for body in (
        {"text": "x", "mentions": [str(world.boris.id)]},
        {"kind": "note", "text": "x", "mentions": [str(uuid4())]},
    ):
        assert (await world.anna.call("POST", f"/conversations/{talk}/messages", body)).status == 422
    assert await world.store.pool.fetchval("SELECT count(*) FROM interaction WHERE kind = 'note'") == 0


async def test_reading_clears_the_mark_of_whose_it_is(world: World) -> None:
    """The assignee's look clears the mark, once, without a line in the audit; a supervisor's leaves it to him."""
    talk = await world.talk(assignee=world.anna)
    await world.store.pool.execute("UPDATE conversation SET unread = 3")
    path = f"/conversations/{talk}/read"
    assert (await world.sue.call("POST", path)).body["unread"] == 3
    assert (await world.boris.call("POST", path)).status == 404
    for _ in range(2):
        assert (await world.anna.call("POST", path)).body["unread"] == 0
    assert await _types(world.anna, "conversation.") == ["conversation.updated"]
    assert await world.store.pool.fetchval("SELECT count(*) FROM audit_log") == 0


# ------------------------------------------------------------------ many at once


async def test_many_at_once_each_for_itself(world: World) -> None:
    """What can be done is done, what can't says why; another's conversation is as if it did not exist."""
    mine = [await world.talk(assignee=world.anna) for _ in range(3)]
    others = await world.talk(assignee=world.boris)
    done = await world.talk(assignee=world.anna)
    await world.anna.call("PATCH", f"/conversations/{done}", {"status": "resolved"})
    ids = [*map(str, mine), str(others), str(done), str(mine[0])]
    body = {"ids": ids, "action": "assign", "agent_id": str(world.boris.id)}
    answer = await world.anna.call("POST", "/conversations/bulk", body)
    assert answer.status == 200, answer.body
    verdicts = {item["id"]: item.get("code", "ok") for item in answer.items}
    assert verdicts == dict.fromkeys(map(str, mine), "ok") | {str(others): "not_found", str(done): "conflict"}
    assert len(await world.boris.walk("/conversations?assignee=me")) == 4
    assert (await _types(world.boris, "conversation.")).count("conversation.entered") == 3


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"action": "close", "disposition": "продано"}, {"status": "resolved", "disposition": "продано"}),
        ({"action": "snooze", "snoozed_until": _in(days=300)}, {"status": "snoozed"}),
        ({"action": "tag", "tag": "b"}, {"tags": ["a", "b"]}),
        ({"action": "untag", "tag": "a"}, {"unread": 2}),
        ({"action": "read"}, {"unread": 0}),
    ],
)
async def test_each_action(world: World, body: dict[str, Any], expected: dict[str, Any]) -> None:
    """Every action does to each what its name says; sent again it changes nothing more."""
    talk = await world.talk(assignee=world.anna)
    await world.store.pool.execute("UPDATE conversation SET unread = 2, tags = '{a}'")
    for _ in range(2):
        answer = await world.anna.call("POST", "/conversations/bulk", {"ids": [str(talk)], **body})
        assert (answer.items[0]["ok"], answer.items[0]["version"]) == (True, 1)
    item = (await world.anna.get(f"/conversations/{talk}")).body
    assert expected.items() <= item.items()
    assert ("a" in item.get("tags", [])) is (body["action"] != "untag")


@pytest.mark.parametrize(
    "body",
    [
        {"ids": [], "action": "close"},
        {"ids": [str(UUID(int=n)) for n in range(201)], "action": "close"},
        {"ids": [str(UUID(int=1))], "action": "assign"},
        {"ids": [str(UUID(int=1))], "action": "snooze"},
        {"ids": [str(UUID(int=1))], "action": "tag"},
        {"ids": [str(UUID(int=1))], "action": "erase"},
    ],
)
async def test_bulk_that_makes_no_sense(world: World, body: dict[str, Any]) -> None:
    """Too many, none, or without what the action needs: refused as a whole."""
    assert (await world.anna.call("POST", "/conversations/bulk", body)).status == 422


async def test_bulk_close_asks_for_the_outcome(world: World) -> None:
    """Closing many is held to the outcomes as closing one is."""
    talk = await world.talk(assignee=world.anna)
    await world.root.call("POST", "/dispositions", {"object": "conversation", "name": "продано"})
    answer = await world.anna.call("POST", "/conversations/bulk", {"ids": [str(talk)], "action": "close"})
    assert (answer.items[0]["ok"], answer.items[0]["code"]) == (False, "bad_request")


async def test_colleagues_for_everybody(world: World) -> None:
    """An agent learns who is there and how busy, nothing else of them."""
    await world.talk(assignee=world.boris)
    await world.boris.call("PUT", "/presence", {"state": "online"})
    found = {one["name"]: one for one in await world.anna.walk("/colleagues")}
    boris = found["Boris"]
    assert (boris["online"], boris["open"], boris["state"]) == (True, 1, "online")
    assert boris["places"] > 1
    assert found["Anna"]["online"] is False
    assert not {"login", "reason", "skills", "capacity"} & set(boris)
