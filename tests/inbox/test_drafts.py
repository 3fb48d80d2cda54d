from __future__ import annotations

from uuid import UUID

import pytest

from tests.inbox.conftest import Person, World


@pytest.fixture
async def talk(world: World) -> UUID:
    """A conversation of Anna's that a reply can go to."""
    contact = await world.new_contact(telegram="42")
    identity = await world.store.pool.fetchval("SELECT id FROM identity WHERE contact_id = $1", contact)
    return await world.new_conversation(contact, assignee=world.anna, queue=world.queue, identity=identity)


async def _told(person: Person) -> list[bool]:
    """Whether there was a draft, after each event about drafts this person hears."""
    events = await person.walk("/events")
    return [e["data"]["updated_at"] is not None for e in events if e["type"] == "draft.changed"]


async def test_a_draft_is_kept_replaced_and_thrown_away(world: World, talk: UUID) -> None:
    """It comes back as it was written, on any page of its author; there is one of each agent in a conversation."""
    path = f"/conversations/{talk}/draft"
    assert (await world.anna.get(path)).body == {}
    first = await world.anna.call("PUT", path, {"text": "Добр"})
    assert first.status == 200, first.body
    wanted = {"kind": "note", "text": "Добрый день", "meta": {"subject": "Торт"}}
    assert (await world.anna.call("PUT", path, wanted)).status == 200
    assert wanted.items() <= (await world.anna.get(path)).body.items()
    (mine,) = await world.anna.walk("/drafts")
    assert (mine["conversation_id"], mine["contact_name"]) == (str(talk), "Пётр")
    for _ in range(2):
        assert (await world.anna.call("DELETE", path)).status == 200
    assert (await world.anna.get(path)).body == {}
    assert await _told(world.anna) == [True, True, False]


async def test_a_draft_is_its_authors_alone(world: World, talk: UUID) -> None:
    """A colleague who sees the conversation sees no draft of another, and no event carries its text."""
    await world.anna.call("PUT", f"/conversations/{talk}/draft", {"text": "тайна"})
    for person in (world.boris, world.sue):
        assert (await person.get(f"/conversations/{talk}/draft")).body == {}
        assert await person.walk("/drafts") == []
        assert "тайна" not in str(await person.walk("/events"))
    assert await _told(world.boris) == []


async def test_a_sent_message_takes_its_draft_along(world: World, talk: UUID) -> None:
    """The draft is gone with the message of its kind; one of another kind stays, and so does it if the message fails."""
    draft, send = f"/conversations/{talk}/draft", f"/conversations/{talk}/messages"
    await world.anna.call("PUT", draft, {"text": "Добрый день"})
    assert (await world.anna.call("POST", send, {"kind": "note", "text": "перезвонить"})).status == 201
    assert (await world.anna.call("POST", send, {"text": " "})).status == 422
    assert (await world.anna.get(draft)).body["text"] == "Добрый день"
    assert (await world.anna.call("POST", send, {"text": "Добрый день"})).status == 201
    assert (await world.anna.get(draft)).body == {}
    assert await _told(world.anna) == [True, False]


async def test_what_is_no_draft_is_refused(world: World, talk: UUID) -> None:
    """More than 64 KB, somebody who is nobody, a conversation one does not see: nothing is kept."""
    path = f"/conversations/{talk}/draft"
    assert (await world.anna.call("PUT", path, {"text": "я" * 40_000})).status == 413
    assert (await world.api.call("PUT", path, {"text": "x"})).status == 403
    await world.store.pool.execute("UPDATE conversation SET queue_id = NULL")
    assert (await world.boris.call("PUT", path, {"text": "x"})).status == 404
    assert await world.store.pool.fetchval("SELECT count(*) FROM draft") == 0


async def test_changed_on_another_page_meanwhile(world: World) -> None:
    """Who goes on from an older draft is refused and loses nothing; without a word of it the last one wins."""
    talk = await world.talk(assignee=world.anna)
    path = f"/conversations/{talk}/draft"
    first = await world.anna.call("PUT", path, {"text": "один", "seen_at": None})
    assert first.status == 200, first.body
    assert (await world.anna.call("PUT", path, {"text": "два", "seen_at": None})).status == 409
    second = await world.anna.call("PUT", path, {"text": "два", "seen_at": first.body["updated_at"]})
    assert second.status == 200, second.body
    late = await world.anna.call("PUT", path, {"text": "три", "seen_at": first.body["updated_at"]})
    assert (late.status, late.body["code"]) == (409, "conflict")
    assert (await world.anna.get(path)).body["text"] == "два"
    assert (await world.anna.call("PUT", path, {"text": "четыре"})).status == 200


async def test_files_of_a_draft(world: World) -> None:
    """A draft shows the files that are still to be sent: not those sent meanwhile, nor a colleague's."""
    talk = await world.talk(assignee=world.anna)

    async def upload(person: Person, name: str) -> str:
        headers = {"Authorization": f"Bearer {person.token}", "X-File-Name": name, "Content-Type": "text/plain"}
        async with world.http.post(f"{world.url}/attachments", data=name.encode(), headers=headers) as answer:
            found: str = (await answer.json())["id"]
            return found

    own, sent, foreign = await upload(world.anna, "a"), await upload(world.anna, "b"), await upload(world.boris, "c")
    await world.anna.call("POST", f"/conversations/{talk}/messages", {"kind": "note", "attachments": [sent]})
    path = f"/conversations/{talk}/draft"
    kept = await world.anna.call("PUT", path, {"attachments": [sent, own, foreign]})
    assert [file["name"] for file in kept.body["files"]] == ["a"]
    assert (await world.anna.get(path)).body["files"] == [{"id": own, "name": "a", "type": "text/plain", "size": 1}]
