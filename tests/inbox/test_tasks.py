"""Tasks over the API: who sees which, their order, their life, who hears of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest

from tests.inbox.conftest import Person, World

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def at(hours: float) -> str:
    """So many hours after noon."""
    return (NOON + timedelta(hours=hours)).isoformat()


async def make(person: Person, **fields: Any) -> dict[str, Any]:
    body = {"title": "Позвонить"} | {k: str(v) if isinstance(v, UUID) else v for k, v in fields.items()}
    answer = await person.call("POST", "/tasks", body)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.body
    return found


async def told(world: World, since: int = 0) -> list[tuple[str, set[str], dict[str, Any]]]:
    """Events of tasks: type, audience, data."""
    rows = await world.store.pool.fetch(
        "SELECT type, audience, data FROM event WHERE type LIKE 'task.%' ORDER BY id OFFSET $1", since
    )
    return [(row["type"], set(row["audience"]), json.loads(row["data"])) for row in rows]


async def sees(person: Person, task: dict[str, Any]) -> bool:
    """The same answer from the list and by the id."""
    listed = task["id"] in {item["id"] for item in await person.walk("/tasks")}
    one = await person.get(f"/tasks/{task['id']}")
    assert one.status in {200, 404}
    assert listed == (one.status == 200)
    return listed


# ---------------------------------------------------------------- rights


async def _own(world: World) -> dict[str, Any]:
    return await make(world.sue, assignee_id=world.anna.id)


async def _made(world: World) -> dict[str, Any]:
    return await make(world.anna, assignee_id=world.sue.id)


async def _queued(world: World) -> dict[str, Any]:
    return await make(world.sue, queue_id=await world.new_queue("Support", world.anna))


async def _card(world: World) -> dict[str, Any]:
    card, merged = await world.new_contact("A", owner=world.anna), await world.new_contact("B")
    await world.api.call("POST", f"/contacts/{card}/merge", {"other_id": str(merged)})
    task = await make(world.sue, contact_id=merged)
    assert task["contact_id"] == str(card)
    return task


async def _conversation(world: World) -> dict[str, Any]:
    """Also once it proved to be with another client than the task says."""
    conversation = await world.talk(assignee=world.anna)
    task = await make(world.sue, conversation_id=conversation)
    other = await world.new_contact()
    await world.store.pool.execute("UPDATE conversation SET contact_id = $2 WHERE id = $1", conversation, other)
    return task


@pytest.mark.parametrize("way", [_own, _made, _queued, _card, _conversation])
async def test_who_sees_a_task(world: World, way: Callable[[World], Any]) -> None:
    """An agent sees his own, those he made, his queues', those about cards and conversations he sees. For any other it
    does not exist, in no list and by no verb; supervisor, administrator and integration see all.
    """
    task = await way(world)
    assert await sees(world.anna, task)
    assert not await sees(world.boris, task)
    for person in (world.sue, world.root, world.api):
        assert await sees(person, task)
    path = f"/tasks/{task['id']}"
    for method, end, body in (
        ("PATCH", "", {"title": "x"}),
        ("POST", "/done", {"result": "x"}),
        ("POST", "/cancel", {}),
        ("POST", "/reopen", None),
    ):
        assert (await world.boris.call(method, path + end, body)).status == 404
    assert (await world.api.get(path)).body == task
    assert (await world.anna.call("POST", f"{path}/done", {})).status == 200


async def test_a_task_is_not_made_about_what_one_does_not_see(world: World) -> None:
    """Another's card, conversation or message can't be named; nothing is left of the attempt."""
    conversation = await world.talk(assignee=world.anna)
    contact = (await world.api.get(f"/conversations/{conversation}")).body["contact_id"]
    message = (await world.api.get(f"/interactions?conversation={conversation}")).items[0]["id"]
    for about in ({"conversation_id": str(conversation)}, {"contact_id": contact}, {"interaction_id": message}):
        assert (await world.boris.call("POST", "/tasks", {"title": "x"} | about)).status == 404
        assert (await world.anna.call("POST", "/tasks", {"title": "x"} | about)).status == 201
    assert len(await world.api.walk("/tasks")) == 3


async def test_scopes(world: World) -> None:
    """Reading needs `read`, changing `write`; a token of nobody says whose the task is to be."""
    reader, writer = await world.token("read"), await world.token("write")
    assert (await reader.call("POST", "/tasks", {"title": "x", "queue_id": str(world.queue)})).status == 403
    assert (await writer.get("/tasks")).status == 403
    assert (await writer.call("POST", "/tasks", {"title": "x"})).status == 422
    assert (await writer.call("POST", "/tasks", {"title": "x", "queue_id": str(world.queue)})).status == 201
    assert (await reader.get("/tasks?assignee=me")).status == 403


# ---------------------------------------------------------------- making and changing


async def test_a_message_becomes_a_task(world: World) -> None:
    """Made of a message it knows conversation and client; without a name for it, it is the maker's own."""
    conversation = await world.talk(assignee=world.anna)
    message = (await world.anna.get(f"/interactions?conversation={conversation}")).items[1]
    due = at(2)
    task = await make(world.anna, interaction_id=UUID(message["id"]), kind="complaint", due_at=due)
    shown = {key: task[key] for key in ("conversation_id", "interaction_id", "contact_id", "contact_name", "kind")}
    assert shown == {
        "conversation_id": str(conversation),
        "interaction_id": message["id"],
        "contact_id": message["contact_id"],
        "contact_name": "Пётр",
        "kind": "complaint",
    }
    assert task["assignee_id"] == task["created_by"] == str(world.anna.id)
    assert (task["state"], datetime.fromisoformat(task["due_at"])) == ("open", NOON + timedelta(hours=2))
    assert await told(world) == [("task.created", {f"agent:{world.anna.id}"}, {"task": task})]


async def test_a_life(world: World) -> None:
    """Changed, done with a result, mended, open again, cancelled: each told with the newest state, each in the audit log;
    what changes nothing is not told.
    """
    task = await make(world.anna, queue_id=world.queue, remind_at=at(1))
    path = f"/tasks/{task['id']}"
    heard = {f"agent:{world.anna.id}", f"queue:{world.queue}"}
    steps: list[tuple[str, str, Any, dict[str, Any]]] = [
        ("PATCH", "", {"title": "Написать", "due_at": at(3), "version": 0}, {"title": "Написать", "version": 1}),
        ("PATCH", "", {"title": "Написать"}, {"version": 1}),
        ("POST", "/done", {"result": "ок"}, {"state": "done", "result": "ок", "done_by": str(world.boris.id)}),
        ("POST", "/done", {}, {"version": 2, "result": "ок"}),
        ("POST", "/done", {"result": "оплатил"}, {"version": 3, "result": "оплатил", "done_by": str(world.boris.id)}),
        ("POST", "/reopen", None, {"version": 4, "state": "open"}),
        ("POST", "/cancel", {"result": "передумал"}, {"version": 5, "state": "cancelled", "result": "передумал"}),
    ]
    for method, end, body, wanted in steps:
        answer = await world.boris.call(method, path + end, body)
        assert answer.status == 200, answer.body
        assert {key: answer.body[key] for key in wanted} == wanted
        assert ("done_at" in answer.body) == (answer.body["state"] != "open")
    events = (await told(world))[1:]
    assert [(type_, who) for type_, who, _ in events] == [("task.changed", heard)] * 5
    assert [data["task"]["version"] for _, _, data in events] == [1, 2, 3, 4, 5]
    assert events[-1][2]["task"] == (await world.anna.get(path)).body
    noted = await world.store.pool.fetch(
        "SELECT action, after FROM audit_log WHERE object_kind = 'task' ORDER BY at, id"
    )
    assert [row["action"] for row in noted] == [
        *("task.created", "task.changed", "task.done", "task.done", "task.reopened", "task.cancelled")
    ]
    assert noted[2]["after"] == {"state": "done", "result": "ок"}


async def test_of_two_who_take_it_one_has_it(world: World) -> None:
    """A change of a state that is no more is refused, and the task stays as the first has made it."""
    task = await make(world.sue, queue_id=world.queue)
    path = f"/tasks/{task['id']}"
    for person, status in ((world.anna, 200), (world.boris, 409)):
        body = {"assignee_id": str(person.id), "version": task["version"]}
        assert (await person.call("PATCH", path, body)).status == status
    assert (await world.boris.get(path)).body["assignee_id"] == str(world.anna.id)


async def test_what_is_closed_is_not_changed(world: World) -> None:
    """Done or cancelled it must be opened first; done is not turned into cancelled."""
    task = await make(world.anna)
    path = f"/tasks/{task['id']}"
    assert (await world.anna.call("POST", f"{path}/done", {})).status == 200
    for method, end, body in (("PATCH", "", {"title": "x"}), ("POST", "/cancel", {})):
        answer = await world.anna.call(method, path + end, body)
        assert (answer.status, answer.body["code"]) == (409, "conflict")
        assert "open it again" in answer.body["detail"]
    assert (await world.anna.get(path)).body["version"] == 1


async def test_handed_on(world: World) -> None:
    """The new one hears what it is, the former that it is no more his and nothing of what it says by now."""
    task = await make(world.sue, assignee_id=world.anna.id)
    body = {"assignee_id": str(world.boris.id), "text": "не для Анны"}
    answer = await world.anna.call("PATCH", f"/tasks/{task['id']}", body)
    assert (answer.status, answer.body["assignee_id"]) == (200, str(world.boris.id))
    assert not await sees(world.anna, task)
    left, changed = (await told(world))[1:]
    assert left == ("task.left", {f"agent:{world.anna.id}"}, {"task_id": task["id"], "version": 1})
    assert changed == (
        "task.changed",
        {f"agent:{world.boris.id}", f"agent:{world.sue.id}"},
        {"task": answer.body},
    )


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ({}, 422, "title"),
        ({"title": ""}, 422, "title"),
        ({"title": "  "}, 422, "title"),
        ({"title": "x" * 301}, 422, "title"),
        ({"title": "x\x00"}, 422, "NUL"),
        ({"title": "x", "kind": "dance"}, 422, "kind"),
        ({"title": "x", "state": "done"}, 422, "state"),
        ({"title": "x", "due_at": "2026-11-25T12:00:00"}, 422, "due_at"),
        ({"title": "x", "due_at": "0001-01-01T00:00:00+14:00"}, 422, "due_at"),
        ({"title": "x", "remind_at": "9999-12-31T23:59:59Z"}, 422, "remind_at"),
        ({"title": "x", "ends_at": at(1)}, 422, "ends_at"),
        ({"title": "x", "due_at": at(2), "ends_at": at(1)}, 422, "ends_at"),
        ({"title": "x", "assignee_id": str(uuid4())}, 422, "assignee_id"),
        ({"title": "x", "queue_id": str(uuid4())}, 422, "queue_id"),
        ({"title": "x", "contact_id": str(uuid4())}, 404, "contact"),
        ({"title": "x", "conversation_id": str(uuid4())}, 404, "conversation"),
        ({"title": "x", "interaction_id": str(uuid4())}, 404, "interaction"),
    ],
)
async def test_what_can_not_be_made(world: World, body: dict[str, Any], status: int, named: str) -> None:
    """Refused with the field's name; nothing is kept."""
    answer = await world.anna.call("POST", "/tasks", body)
    assert (answer.status, named in answer.body["detail"]) == (status, True), answer.body
    assert await world.api.walk("/tasks") == []
    assert await told(world) == []


async def test_a_change_is_checked_as_a_whole(world: World) -> None:
    """What stays counts too: an end before the new beginning, nobody left to do it, someone who has left, another's client."""
    task = await make(world.anna, due_at=at(1), ends_at=at(2))
    path = f"/tasks/{task['id']}"
    await world.store.pool.execute("UPDATE agent SET active = false WHERE id = $1", world.boris.id)
    for body, named in (
        ({"due_at": at(3)}, "ends_at"),
        ({"due_at": None}, "ends_at"),
        ({"assignee_id": None}, "assignee_id"),
        ({"assignee_id": str(world.boris.id)}, "assignee_id"),
        ({"contact_id": str(uuid4())}, "contact_id"),
    ):
        answer = await world.anna.call("PATCH", path, body)
        assert (answer.status, named in answer.body["detail"]) == (422, True), answer.body
    assert (await world.anna.get(path)).body == task
    talk, other = await world.talk(assignee=world.anna), await world.new_contact(owner=world.anna)
    body = {"title": "x", "conversation_id": str(talk), "contact_id": str(other)}
    assert (await world.anna.call("POST", "/tasks", body)).status == 422


# ---------------------------------------------------------------- lists


async def test_in_the_order_they_are_due(world: World) -> None:
    """Each once, page after page, both ways: earliest first, those of one moment by age, those without a time last."""
    hours = [5, None, 1, 3, 3, 3, None, 2, 4, 3, 9, 8, 7, 6, 3, None]
    made = [await make(world.anna, **({} if h is None else {"due_at": at(h)})) for h in hours]
    wanted = [made[n]["id"] for n in sorted(range(len(hours)), key=lambda n: (hours[n] is None, hours[n] or 0, n))]
    assert [item["id"] for item in await world.anna.walk("/tasks")] == wanted
    assert [item["id"] for item in await world.anna.walk("/tasks?order=desc")] == wanted[::-1]


async def test_filters(world: World) -> None:
    """Each filter finds its own, several combine; a word that is none of a filter's is refused by name."""
    card, merged = await world.new_contact("A", owner=world.anna), await world.new_contact("B")
    await world.api.call("POST", f"/contacts/{card}/merge", {"other_id": str(merged)})
    talk = await world.talk(assignee=world.anna)
    tasks = {
        "mine": await make(world.anna, due_at=at(1)),
        "his": await make(world.anna, assignee_id=world.boris.id, kind="meeting", due_at=at(2)),
        "free": await make(world.anna, queue_id=world.queue, due_at=at(3)),
        "card": await make(world.anna, contact_id=merged, kind="complaint"),
        "talk": await make(world.anna, conversation_id=talk),
    }
    await world.anna.call("POST", f"/tasks/{tasks['talk']['id']}/done", {})
    names = {task["id"]: name for name, task in tasks.items()}
    for query, wanted in {
        "assignee=me": {"mine", "card", "talk"},
        "assignee=me&state=open": {"mine", "card"},
        f"assignee={world.boris.id}": {"his"},
        "assignee=none": {"free"},
        f"queue={world.queue}": {"free"},
        f"contact={card}": {"card"},
        f"contact={merged}": {"card"},
        f"conversation={talk}": {"talk"},
        "state=done,cancelled": {"talk"},
        "kind=meeting,complaint": {"his", "card"},
        f"due_before={quote(at(2))}": {"mine"},
        f"due_after={quote(at(2))}": {"his", "free"},
        f"due_after={quote(at(2))}&due_before={quote(at(3))}": {"his"},
    }.items():
        assert {names[item["id"]] for item in await world.anna.walk(f"/tasks?{query}")} == wanted, query
    assert (await world.anna.get("/tasks?due_before=0001-01-01T00:00:00%2B14:00")).status == 422
    for query in ("state=lost", "kind=dance", "assignee=somebody", "due_before=tomorrow", "after=x", "colour=red"):
        answer = await world.anna.get(f"/tasks?{query}")
        assert (answer.status, query.partition("=")[0] in answer.body["detail"]) == (422, True), answer.body


async def test_calendar(world: World) -> None:
    """What begins in the time or lasts into it, done or not, his alone; cancelled and timeless ones are not shown."""
    tasks = {
        "before": await make(world.anna, due_at=at(-1)),
        "into": await make(world.anna, due_at=at(-1), ends_at=at(0.5)),
        "until": await make(world.anna, due_at=at(-1), ends_at=at(0)),
        "first": await make(world.anna, due_at=at(0)),
        "done": await make(world.anna, due_at=at(1), ends_at=at(9)),
        "off": await make(world.anna, due_at=at(1)),
        "at the end": await make(world.anna, due_at=at(2)),
        "timeless": await make(world.anna),
        "his": await make(world.anna, due_at=at(1), assignee_id=world.boris.id),
    }
    await world.anna.call("POST", f"/tasks/{tasks['done']['id']}/done", {})
    await world.anna.call("POST", f"/tasks/{tasks['off']['id']}/cancel", {})
    names = {task["id"]: name for name, task in tasks.items()}
    path = f"/tasks/calendar?from={quote(at(0))}&to={quote(at(2))}"
    assert [names[item["id"]] for item in (await world.anna.get(path)).items] == ["into", "first", "done"]
    pages = [await world.anna.get(f"{path}&limit=2")]
    pages.append(await world.anna.get(f"{path}&limit=2&after={pages[0].body['next']}"))
    assert [names[item["id"]] for page in pages for item in page.items] == ["into", "first", "done"]
    assert [names[item["id"]] for item in (await world.sue.get(f"{path}&agent={world.boris.id}")).items] == ["his"]
    assert (await world.anna.get(f"{path}&agent={world.boris.id}")).status == 403
    assert (await world.anna.get(f"{path}&agent={world.anna.id}")).status == 200
    assert (await world.api.get(path)).status == 403
    for span in (
        "",
        f"from={quote(at(0))}",
        f"from={quote(at(2))}&to={quote(at(0))}",
        f"from={quote(at(0))}&to=2099-01-01T00:00:00Z",
        "from=9999-12-31T00:00:00Z&to=0001-01-01T00:00:00%2B14:00",
    ):
        assert (await world.anna.get(f"/tasks/calendar?{span}")).status == 422


async def test_tasks_by_their_words(world: World) -> None:
    """A part of the title or of the text, whatever the case."""
    for title, text in (("Перезвонить", ""), ("Отправить", "счёт за Торт")):
        await world.anna.call("POST", "/tasks", {"title": title, "text": text, "assignee_id": str(world.anna.id)})
    assert [one["title"] for one in await world.anna.walk("/tasks?q=ТОРТ")] == ["Отправить"]
    assert [one["title"] for one in await world.anna.walk("/tasks?q=перезв")] == ["Перезвонить"]
    assert await world.boris.walk("/tasks?q=торт") == []


async def test_a_missed_call_resolved_by_hand_owes_nothing(world: World) -> None:
    """The task to call back is done with its conversation, and says why; people's own tasks about it stay."""
    client = await world.new_contact(owner=world.anna)
    conversation = await world.new_conversation(client, assignee=world.anna)
    own = await make(world.anna, conversation_id=conversation, assignee_id=world.anna.id)
    owed = await world.store.pool.fetchval(
        "INSERT INTO task (kind, title, contact_id, conversation_id, assignee_id, key)"
        " VALUES ('call_back', 'Перезвонить', $1, $2, $3, 'missed_call:1') RETURNING id",
        client,
        conversation,
        world.anna.id,
    )
    answer = await world.anna.call("PATCH", f"/conversations/{conversation}", {"status": "resolved"})
    assert answer.status == 200, answer.body
    task = (await world.anna.get(f"/tasks/{owed}")).body
    assert (task["state"], task["done_by"]) == ("done", str(world.anna.id))
    assert task["result"].startswith("Закрыто вместе с диалогом")
    assert (await world.anna.get(f"/tasks/{own['id']}")).body["state"] == "open"
    changed = await world.store.pool.fetch("SELECT data::jsonb AS data FROM event WHERE type = 'task.changed'")
    assert [row["data"]["task"]["id"] for row in changed] == [str(owed)]
