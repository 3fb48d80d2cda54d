from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from router.absences import begin_absences
from tests.inbox.conftest import World


def _days(first: float, last: float) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "from_at": (now + timedelta(days=first)).isoformat(),
        "until_at": (now + timedelta(days=last)).isoformat(),
    }


async def _begin(world: World, absence_id: str) -> None:
    """As time does."""
    await world.store.pool.execute(
        "UPDATE absence SET from_at = now() - interval '1 s' WHERE id = $1", UUID(absence_id)
    )


async def _holder(world: World, conversation: UUID) -> UUID | None:
    found: UUID | None = await world.store.pool.fetchval(
        "SELECT assignee_id FROM conversation WHERE id = $1", conversation
    )
    return found


async def test_work_goes_to_the_deputy_on_the_first_day_and_once(world: World) -> None:
    """Nothing moves before the absence begins; then all conversations and tasks do, both hear of it, the history and the
    audit say why; what comes to him later stays.
    """
    talk = await world.talk(assignee=world.anna, queue=world.queue)
    task: UUID = await world.store.pool.fetchval(
        "INSERT INTO task (title, assignee_id) VALUES ('Торт', $1) RETURNING id", world.anna.id
    )
    body = _days(1, 8) | {"deputy_id": str(world.boris.id), "hand_over": True, "reason": "отпуск"}
    made = await world.anna.call("POST", "/absences", body)
    assert made.status == 201, made.body
    assert made.body["hand_over"]
    assert await begin_absences(world.store) == 0
    assert await _holder(world, talk) == world.anna.id
    await _begin(world, made.body["id"])
    assert await begin_absences(world.store) == 2
    assert await _holder(world, talk) == world.boris.id
    assert await world.store.pool.fetchval("SELECT assignee_id FROM task WHERE id = $1", task) == world.boris.id
    assert "conversation.entered" in {event["type"] for event in await world.boris.walk("/events")}
    (*_, last) = (await world.sue.get(f"/conversations/{talk}/history")).items
    assert last["facts"]["why"] == "отпуск"
    (audit,) = await world.root.walk("/audit?action=agent.handed_over")
    assert (audit["actor"], audit["after"]["done"]["conversations"]) == (f"agent:{world.anna.id}", 1)
    later = await world.talk(assignee=world.anna, queue=world.queue)
    assert await begin_absences(world.store) == 0
    assert await _holder(world, later) == world.anna.id
    (item,) = (await world.anna.get("/absences")).items
    assert "hand_over" not in item


async def test_work_waits_in_a_queue_where_nobody_stands_in(world: World) -> None:
    """Handed to a queue, conversations wait there for whoever is free."""
    talk = await world.talk(assignee=world.anna, queue=world.queue)
    support = await world.new_queue("Support", world.boris)
    made = await world.anna.call("POST", "/absences", _days(1, 2) | {"queue_id": str(support), "hand_over": True})
    await _begin(world, made.body["id"])
    await begin_absences(world.store)
    row = await world.store.pool.fetchrow("SELECT assignee_id, queue_id FROM conversation WHERE id = $1", talk)
    assert row is not None
    assert tuple(row) == (None, support)


async def test_absence_called_off_moves_nothing(world: World) -> None:
    """An absence that was removed, or whose deputy has left, hands nothing over, and stands in nobody's way."""
    talk = await world.talk(assignee=world.anna)
    body = _days(1, 2) | {"deputy_id": str(world.boris.id), "hand_over": True}
    off, gone = [(await world.anna.call("POST", "/absences", body)).body["id"] for _ in range(2)]
    for one in (off, gone):
        await _begin(world, one)
    assert (await world.anna.call("DELETE", f"/absences/{off}")).status == 200
    await world.store.pool.execute("UPDATE agent SET active = false WHERE id = $1", world.boris.id)
    assert await begin_absences(world.store) == 0
    assert await _holder(world, talk) == world.anna.id
    assert not await world.store.pool.fetchval(
        "SELECT count(*) FROM workspace_setting WHERE starts_with(key, 'absence:')"
    )


async def test_odd_wishes_are_refused_with_their_reason(world: World) -> None:
    """Handing over to nobody, to a queue that is not there, standing in for oneself: refused, named, nothing kept."""
    nobody: dict[str, Any] = {"hand_over": True}
    for more, reason in (
        (nobody, "target_needed"),
        (nobody | {"queue_id": str(world.anna.id)}, "queue_gone"),
        ({"deputy_id": str(world.anna.id)}, "own_deputy"),
    ):
        answer = await world.anna.call("POST", "/absences", _days(0, 1) | more)
        assert (answer.status, answer.body["reason"]) == (422, reason)
    assert (await world.anna.get("/absences")).items == []


async def test_supervisor_sets_the_state_of_a_colleague(world: World) -> None:
    """He is told, the audit says who did it, and it makes nobody look present who is not; agents may not."""
    body = {"state": "away", "reason": "Обед"}
    assert (await world.boris.call("PUT", f"/agents/{world.anna.id}/presence", body)).status == 403
    await world.anna.call("PUT", "/presence", {"state": "online"})
    await world.store.pool.execute("UPDATE presence SET seen_at = now() - interval '1 hour'")
    set_ = await world.sue.call("PUT", f"/agents/{world.anna.id}/presence", body)
    assert (set_.body["state"], set_.body["reason"]) == ("away", "Обед")
    assert datetime.fromisoformat(set_.body["seen_at"]) < datetime.now(UTC) - timedelta(minutes=50)
    *_, told = await world.anna.walk("/events")
    assert (told["type"], told["data"]["reason"]) == ("agent.presence", "Обед")
    (audit,) = await world.root.walk("/audit?action=agent.presence")
    assert audit["before"] == {"state": "online", "reason": ""}
