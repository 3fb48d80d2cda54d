from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from storage import interactions
from tests.inbox.conftest import Person, World


async def _sees(person: Person, conversation: object) -> bool:
    """The same answer from every way to look at it."""
    one = await person.get(f"/conversations/{conversation}")
    listed = await person.walk("/conversations")
    stream = await person.walk(f"/interactions?conversation={conversation}")
    found = await person.walk("/interactions?q=слово")
    whole = await person.walk("/interactions")
    views = {
        str(conversation) in {item["conversation_id"] for item in whole},
        one.status == 200,
        str(conversation) in {item["id"] for item in listed},
        bool(stream),
        str(conversation) in {item["conversation_id"] for item in found},
    }
    assert len(views) == 1, "the views disagree"
    assert one.status in {200, 404}
    return views.pop()


async def test_assignee_sees_his_own_others_get_404(world: World) -> None:
    """A conversation of another agent does not exist for an agent; supervisor, administrator and integration see it."""
    conversation = await world.talk(assignee=world.anna)
    assert await _sees(world.anna, conversation)
    assert not await _sees(world.boris, conversation)
    for person in (world.sue, world.root, world.api):
        assert await _sees(person, conversation)


@pytest.mark.parametrize("few", [0, 2000])
async def test_members_see_their_queue(world: World, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits in a queue is seen by its members alone, however many conversations they see."""
    monkeypatch.setattr(interactions, "FEW", few)
    queue = await world.new_queue("Support", world.boris)
    conversation = await world.talk(queue=queue)
    assert await _sees(world.boris, conversation)
    assert not await _sees(world.anna, conversation)


async def test_owner_of_the_card_sees_it(world: World) -> None:
    """The contact's owner sees what others hold, also when the owner stands on the card it was merged into."""
    card, merged = await world.new_contact("A", owner=world.boris), await world.new_contact("B")
    conversation = await world.new_conversation(merged, assignee=world.anna)
    await world.new_interaction(conversation, text="слово")
    assert not await _sees(world.boris, conversation)
    await world.api.call("POST", f"/contacts/{card}/merge", {"other_id": str(merged)})
    assert await _sees(world.boris, conversation)


@pytest.mark.parametrize(("days", "sees"), [(29, True), (31, False)])
async def test_participants_see_it_for_30_days(world: World, days: int, sees: bool) -> None:  # noqa: FBT001
    """Who took part in the last 30 days sees it, who did earlier does not."""
    conversation = await world.talk(assignee=world.anna)
    await world.store.pool.execute(
        "INSERT INTO conversation_participant VALUES ($1, $2, $3, 'wrote')",
        conversation,
        world.boris.id,
        datetime.now(UTC) - timedelta(days=days),
    )
    assert await _sees(world.boris, conversation) is sees


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/conversations/{id}", {"status": "resolved"}),
        ("POST", "/conversations/{id}/assign", {"agent_id": "{boris}"}),
        ("POST", "/conversations/{id}/messages", {"kind": "note", "text": "x"}),
        ("PATCH", "/contacts/{contact}", {"name": "x"}),
        ("GET", "/contacts/{contact}", None),
    ],
)
async def test_invisible_things_can_not_be_touched(
    world: World, method: str, path: str, body: dict[str, str] | None
) -> None:
    """Acting on what one can't see is a 404 and changes nothing; who sees it may."""
    conversation = await world.talk(assignee=world.anna)
    contact = (await world.api.get(f"/conversations/{conversation}")).body["contact_id"]
    path = path.format(id=conversation, contact=contact)
    if body:
        body = {name: value.format(boris=world.boris.id) for name, value in body.items()}
    assert (await world.boris.call(method, path, body)).status == 404
    assert (await world.api.get(f"/conversations/{conversation}")).body["version"] == 0
    assert (await world.anna.call(method, path, body)).status in {200, 201}


async def test_scopes_limit_tokens(world: World) -> None:
    """A token may what its scopes say and no more; a token bound to an agent no more than he."""
    conversation = await world.talk()
    reader, writer = await world.token("read"), await world.token("write")
    assert (await reader.get("/conversations")).status == 200
    assert (await reader.call("PATCH", f"/conversations/{conversation}", {"status": "open"})).status == 403
    assert (await writer.get("/conversations")).status == 403
    assert (await writer.call("PATCH", f"/conversations/{conversation}", {"status": "open"})).status == 200
    for path in ("/journal", "/tokens"):
        assert (await world.anna.get(path)).status == 403
        assert (await reader.get(path)).status == 403
    assert (await world.sue.get("/journal")).status == 200
    assert (await world.sue.get("/tokens")).status == 403
    assert (await world.root.get("/tokens")).status == 200
