from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.inbox.conftest import World


async def _in_hand(world: World) -> dict[str, UUID]:
    """Anna's: two open conversations, a snoozed and a resolved one, an open task and a done one, two cards."""
    made = {
        name: await world.talk(assignee=world.anna, queue=world.queue) for name in ("one", "two", "snoozed", "over")
    }
    later = {"status": "snoozed", "snoozed_until": "2090-01-01T00:00:00Z"}
    for name, body in (("snoozed", later), ("over", {"status": "resolved"})):
        answer = await world.root.call("PATCH", f"/conversations/{made[name]}", body)
        assert answer.status == 200, answer.body
    for name in ("task", "task done"):
        made[name] = await world.store.pool.fetchval(
            "INSERT INTO task (title, assignee_id, state) VALUES ($1, $2, $3) RETURNING id",
            name,
            world.anna.id,
            "done" if name == "task done" else "open",
        )
    for name in ("card", "other card"):
        made[name] = await world.new_contact(name, owner=world.anna)
    return made


async def _holders(world: World, made: dict[str, UUID]) -> dict[str, UUID | None]:
    rows = await world.store.pool.fetch(
        "SELECT id, assignee_id AS who FROM conversation UNION ALL SELECT id, assignee_id FROM task"
        " UNION ALL SELECT id, owner_id FROM contact"
    )
    by_id = {row["id"]: row["who"] for row in rows}
    return {name: by_id[made[name]] for name in made}


async def test_all_work_goes_to_a_colleague(world: World) -> None:
    """All not resolved conversations, open tasks and cards; what is over stays; both hear of it, the audit log says why."""
    made = await _in_hand(world)
    assert (await world.sue.get(f"/agents/{world.anna.id}/in-hand")).body == {
        "conversations": 3,
        "tasks": 1,
        "contacts": 2,
    }
    body = {"to_agent_id": str(world.boris.id), "reason": "ill", "contacts": True}
    done = await world.sue.call("POST", f"/agents/{world.anna.id}/hand-over", body)
    assert done.status == 200, done.body
    assert done.body["done"] == {"conversations": 3, "tasks": 1, "contacts": 2}
    assert done.body["left"] == {"conversations": 0, "tasks": 0, "contacts": 0}
    held = await _holders(world, made)
    assert {name for name, who in held.items() if who == world.anna.id} == {"over", "task done"}
    assert all(who == world.boris.id for name, who in held.items() if name not in {"over", "task done"})
    one = (await world.boris.get(f"/conversations/{made['one']}")).body
    assert "Anna" in one["assignment_reason"]
    assert "ill" in one["assignment_reason"]
    types = {event["type"] for event in await world.boris.walk("/events")}
    assert {"conversation.entered", "task.changed", "contact.updated"} <= types
    assert "conversation.left" in {event["type"] for event in await world.anna.walk("/events")}
    (audit,) = await world.root.walk("/audit?action=agent.handed_over")
    assert audit["after"]["reason"] == "ill"


async def test_to_a_queue_and_only_what_is_wanted(world: World) -> None:
    """Conversations wait in the queue for whoever is free; what was not asked for stays."""
    made = await _in_hand(world)
    queue = await world.new_queue("Support", world.boris)
    body = {"queue_id": str(queue), "tasks": False}
    done = await world.sue.call("POST", f"/agents/{world.anna.id}/hand-over", body)
    assert done.body["done"] == {"conversations": 3, "tasks": 0, "contacts": 0}
    held = await _holders(world, made)
    assert {name for name, who in held.items() if who is None} == {"one", "two", "snoozed"}
    row = await world.store.pool.fetchrow("SELECT queue_id, queued_at FROM conversation WHERE id = $1", made["one"])
    assert row is not None
    assert (row["queue_id"], row["queued_at"] is not None) == (queue, True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"to_agent_id": "{boris}", "queue_id": "{queue}"},
        {"to_agent_id": "{anna}"},
        {"to_agent_id": "{queue}"},
        {"queue_id": "{anna}"},
    ],
)
async def test_odd_hand_overs_change_nothing(world: World, body: dict[str, str]) -> None:
    """Nobody, both, himself, or somebody unknown: refused, and all stays where it was."""
    made = await _in_hand(world)
    before = await _holders(world, made)
    names: dict[str, Any] = {"boris": world.boris.id, "anna": world.anna.id, "queue": world.queue}
    sent = {key: value.format(**names) for key, value in body.items()}
    assert (await world.sue.call("POST", f"/agents/{world.anna.id}/hand-over", sent)).status == 422
    assert await _holders(world, made) == before


async def test_agents_hand_over_their_own_alone(world: World) -> None:
    """One's own work one may hand over, that of a colleague not, nor see how much it is."""
    await _in_hand(world)
    body = {"to_agent_id": str(world.boris.id)}
    assert (await world.boris.call("POST", f"/agents/{world.anna.id}/hand-over", body)).status == 403
    assert (await world.boris.get(f"/agents/{world.anna.id}/in-hand")).status == 403
    assert (await world.anna.call("POST", f"/agents/{world.anna.id}/hand-over", body)).status == 200
