from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.inbox.conftest import Person, World


async def _counts(person: Person) -> dict[str, int | None]:
    items = (await person.get("/views/conversations")).items
    return {item.get("key") or item["name"]: item["count"] for item in items}


async def test_built_in_views_count_what_they_list(world: World) -> None:
    """Each view's number is the length of the list its filters give, for whoever looks."""
    other = await world.new_queue("Support")
    mine = await world.talk(assignee=world.anna)
    await world.talk(queue=world.queue)
    await world.talk(queue=world.queue)
    await world.talk(queue=other)
    done = await world.talk(assignee=world.anna)
    await world.anna.call("PATCH", f"/conversations/{done}", {"status": "resolved"})
    asleep = await world.talk(assignee=world.anna)
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await world.anna.call("PATCH", f"/conversations/{asleep}", {"status": "snoozed", "snoozed_until": until})
    note = {"kind": "note", "text": "@boris", "mentions": [str(world.boris.id)]}
    await world.anna.call("POST", f"/conversations/{mine}/messages", note)
    assert await _counts(world.anna) == {
        "mine": 1,
        "unassigned": 2,
        "my_queues": 2,
        "mentions": 0,
        "snoozed": 1,
        "all": 3,
    }
    assert (await _counts(world.boris))["mentions"] == 1
    assert (await _counts(world.sue))["all"] == 4
    for person in (world.anna, world.boris, world.sue):
        for view in (await person.get("/views/conversations")).items:
            query = "&".join(f"{name}={value}" for name, value in view["filters"].items())
            assert len(await person.walk(f"/conversations?{query}")) == view["count"], view
    assert set(await _counts(world.api)) == {"unassigned", "snoozed", "all"}


async def test_counts_stop_at_a_thousand(world: World) -> None:
    """More than a thousand is told as that."""
    await world.store.pool.execute(
        "INSERT INTO conversation (channel_id, thread_key, contact_id) SELECT $1, n::text, $1 FROM generate_series(1, 1001) AS n",
        world.channel,
    )
    (view,) = [v for v in (await world.sue.get("/views/conversations")).items if v.get("key") == "all"]
    assert (view["count"], view["more"]) == (1000, True)


async def test_saved_views_are_ones_own_or_shared(world: World) -> None:
    """A saved view is counted with the others; own ones are nobody else's, shared ones the supervisors' to change."""
    tagged = await world.talk(assignee=world.anna)
    await world.anna.call("PATCH", f"/conversations/{tagged}", {"tags": ["торт"]})
    body: dict[str, Any] = {"object": "conversation", "name": "Торты", "filters": {"tag": "торт", "sort": "sla"}}
    own = await world.anna.call("POST", "/saved-views", body)
    assert own.status == 201, own.body
    assert (await world.anna.call("POST", "/saved-views", body | {"shared": True})).status == 403
    shared = (await world.sue.call("POST", "/saved-views", body | {"name": "Все торты", "shared": True})).body
    assert (await _counts(world.anna)).items() >= {"Торты": 1, "Все торты": 1}.items()
    assert (await _counts(world.boris)).items() >= {"Все торты": 0}.items()
    assert "Торты" not in await _counts(world.boris)
    assert (await world.boris.call("PATCH", f"/saved-views/{own.body['id']}", {"name": "x"})).status == 404
    assert (await world.anna.call("PATCH", f"/saved-views/{shared['id']}", {"name": "x"})).status == 403
    changed = await world.anna.call("PATCH", f"/saved-views/{own.body['id']}", {"filters": {"status": "resolved"}})
    assert changed.body["filters"] == {"status": "resolved"}
    assert (await _counts(world.anna))["Торты"] == 0
    assert (await world.anna.call("DELETE", f"/saved-views/{own.body['id']}")).status == 200
    assert [v["name"] for v in await world.anna.walk("/saved-views?object=conversation")] == ["Все торты"]


@pytest.mark.parametrize(
    "filters",
    [{"colour": "red"}, {"status": "late"}, {"queue": "all"}, {"limit": "5"}, {"contact": "x"}, {"tag": ["a"]}],
)
async def test_filters_that_mean_nothing_are_refused(world: World, filters: dict[str, Any]) -> None:
    """A view with words its list does not know is not saved."""
    body = {"object": "conversation", "name": "x", "filters": filters}
    assert (await world.anna.call("POST", "/saved-views", body)).status == 422


async def test_a_view_of_yesterdays_words_does_no_harm(world: World) -> None:
    """Filters that are no longer understood leave the view without a number, and the others with theirs."""
    await world.store.pool.execute(
        "INSERT INTO saved_view (object, name, filters) VALUES ('conversation', 'old', '{\"colour\": \"red\"}')"
    )
    counts = await _counts(world.anna)
    assert counts["old"] is None
    assert counts["mine"] == 0
