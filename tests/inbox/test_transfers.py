from __future__ import annotations

from uuid import UUID

import pytest

from tests.inbox.conftest import Answer, Person, World


@pytest.fixture
async def talk(world: World) -> UUID:
    """Anna's, which Boris does not see."""
    return await world.talk(assignee=world.anna)


async def _offer(world: World, talk: UUID, person: Person | None = None, reason: str = "") -> Answer:
    body = {"agent_id": str(world.boris.id), "reason": reason}
    return await (person or world.anna).call("POST", f"/conversations/{talk}/transfer", body)


async def _heard(person: Person) -> list[str]:
    events = [e["type"] for e in await person.walk("/events")]
    return [type_ for type_ in events if type_.startswith(("conversation.", "transfer."))]


async def test_offered_then_accepted(world: World, talk: UUID) -> None:
    """It stays with the giver, seen by the receiver with the reason, until he accepts; then it is his, with its history."""
    given = await _offer(world, talk, reason="говорит по-немецки")
    assert given.status == 201, given.body
    assert (await world.boris.get(f"/conversations/{talk}")).body["assignee_id"] == str(world.anna.id)
    (asked,) = await world.boris.walk("/transfers?to=me&state=offered")
    assert (asked["reason"], asked["from_name"], asked["contact_name"]) == ("говорит по-немецки", "Anna", "Пётр")
    assert await _heard(world.boris) == ["conversation.entered", "transfer.offered"]
    taken = await world.boris.call("POST", f"/transfers/{asked['id']}/accept")
    assert (taken.status, taken.body["state"]) == (200, "accepted")
    item = (await world.boris.get(f"/conversations/{talk}")).body
    assert item["assignee_id"] == str(world.boris.id)
    assert item["assignment_reason"] == "accepted from Anna: говорит по-немецки"
    assert (await _heard(world.anna)) == ["transfer.offered", "conversation.left", "transfer.accepted"]
    history = (await world.boris.get(f"/conversations/{talk}/history")).items
    assert [(h["what"], h["by_name"], h["agent_name"]) for h in history] == [
        ("offered", "Anna", "Boris"),
        ("accepted", "Boris", "Boris"),
        ("assigned", "Boris", "Boris"),
    ]
    assert (await world.boris.call("POST", f"/transfers/{asked['id']}/accept")).status == 409


@pytest.mark.parametrize("wrote", [False, True])
async def test_returned_with_why(world: World, talk: UUID, *, wrote: bool) -> None:
    """The giver learns why; the receiver does not see it any more, unless he took part in it meanwhile."""
    given = (await _offer(world, talk)).body
    if wrote:
        note = {"kind": "note", "text": "не мой клиент"}
        assert (await world.boris.call("POST", f"/conversations/{talk}/messages", note)).status == 201
    back = await world.boris.call("POST", f"/transfers/{given['id']}/return", {"answer": "обед"})
    assert (back.status, back.body["state"], back.body["answer"]) == (200, "returned", "обед")
    item = (await world.anna.get(f"/conversations/{talk}")).body
    assert item["assignee_id"] == str(world.anna.id)
    assert (await world.boris.get(f"/conversations/{talk}")).status == (200 if wrote else 404)
    assert ("conversation.left" in await _heard(world.boris)) is not wrote
    assert (await world.anna.walk("/transfers?from=me"))[0]["answer"] == "обед"
    assert (await _offer(world, talk)).status == 201


async def test_withdrawn_by_the_giver_or_by_what_happens(world: World, talk: UUID) -> None:
    """The giver takes it back; handing it to somebody else or closing it takes an offer back by itself."""
    first = (await _offer(world, talk)).body
    assert (await world.boris.call("POST", f"/transfers/{first['id']}/withdraw")).status == 403
    assert (await world.anna.call("POST", f"/transfers/{first['id']}/withdraw")).body["state"] == "withdrawn"
    assert (await world.boris.get(f"/conversations/{talk}")).status == 404
    second = (await _offer(world, talk)).body
    await world.sue.call("POST", f"/conversations/{talk}/assign", {"agent_id": str(world.sue.id)})
    third = (await _offer(world, talk, world.sue)).body
    await world.sue.call("PATCH", f"/conversations/{talk}", {"status": "resolved"})
    for one in (second, third):
        assert (await world.sue.walk(f"/transfers?conversation={talk}&state=offered")) == []
        assert (await world.boris.call("POST", f"/transfers/{one['id']}/accept")).status == 409
    assert (await world.sue.get(f"/conversations/{talk}")).body["assignee_id"] == str(world.sue.id)


async def test_who_may_and_what_is_refused(world: World, talk: UUID) -> None:
    """Offered once at a time, to an active colleague who does not hold it, by those who see it; the asked one answers."""
    assert (await _offer(world, talk, world.boris)).status == 404
    own = await world.anna.call("POST", f"/conversations/{talk}/transfer", {"agent_id": str(world.anna.id)})
    assert own.status == 422
    given = (await _offer(world, talk)).body
    assert (await _offer(world, talk)).status == 409
    for verb in ("accept", "return"):
        assert (await world.anna.call("POST", f"/transfers/{given['id']}/{verb}")).status == 403
    cleo = await world.hire("cleo")
    assert (await cleo.call("POST", f"/transfers/{given['id']}/accept")).status == 404
    assert await cleo.walk("/transfers") == []
    await world.store.pool.execute("UPDATE agent SET active = false WHERE login = 'cleo'")
    other = await world.talk(assignee=world.anna)
    gone = await world.anna.call("POST", f"/conversations/{other}/transfer", {"agent_id": str(cleo.id)})
    assert gone.status == 422
