"""What lists of cards can be narrowed to beside name and owner, how many there are, and the same change of many."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from storage import contact_list
from storage.contact_filter import ContactFilter
from tests.inbox.conftest import World


async def filled(world: World) -> dict[str, UUID]:
    """Anna was heard of 10 days ago, Boris 100, Vera never; each differs in what a segment asks for."""
    pool = world.store.pool
    ids = {name: await world.new_contact(name) for name in ("Анна", "Борис", "Вера")}
    sms = await world.new_channel("smsc")
    for name, days, channel in (("Анна", 10, sms), ("Борис", 100, world.channel)):
        talk = await world.new_conversation(ids[name], channel=channel)
        at = datetime.now(UTC) - timedelta(days=days)
        await pool.execute("UPDATE conversation SET last_at = $2 WHERE id = $1", talk, at)
    await pool.execute("INSERT INTO task (title, contact_id) VALUES ('Дело', $1)", ids["Анна"])
    await pool.execute("INSERT INTO task (title, contact_id, state) VALUES ('Было', $1, 'done')", ids["Борис"])
    today = datetime.now(world.store.settings.zone).date()
    other = today.month % 12 + 1
    await pool.execute("UPDATE contact SET birthday = $2 WHERE id = $1", ids["Анна"], today.replace(year=2000, day=1))
    await pool.execute("UPDATE contact SET birthday = $2, vip = true WHERE id = $1", ids["Борис"], date(1990, other, 2))
    for name, given in (("Анна", True), ("Анна", False), ("Борис", True)):
        said = await world.sue.call("POST", f"/contacts/{ids[name]}/consents", {"purpose": "marketing", "given": given})
        assert said.status == 201, said.body
    return ids | {"sms": sms}


def ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("consent=marketing:yes", ["Борис"]),
        ("consent=marketing:no", ["Анна"]),
        ("consent=marketing:unasked", ["Вера"]),
        ("consent=service:unasked", ["Анна", "Борис", "Вера"]),
        (f"heard_since={ago(30)}", ["Анна"]),
        (f"heard_before={ago(30)}", ["Борис"]),
        ("no_contact_since=30", ["Борис", "Вера"]),
        ("open_task=true", ["Анна"]),
        ("open_task=false", ["Борис", "Вера"]),
        ("birthday_month=0", ["Анна"]),
        ("vip=true", ["Борис"]),
        ("vip=false&open_task=false", ["Вера"]),
    ],
)
async def test_segment_finds_just_its_cards(world: World, query: str, wanted: list[str]) -> None:
    """Each condition finds its own, in the list as in the count."""
    await filled(world)
    assert [card["name"] for card in await world.sue.walk(f"/contacts?{query}")] == wanted
    assert (await world.sue.get(f"/contacts/count?{query}")).body == {"count": len(wanted), "more": False}


async def test_channel_and_chosen_cards(world: World) -> None:
    """Cards with a conversation on a channel; cards that were ticked, and nothing else."""
    ids = await filled(world)
    assert [card["name"] for card in await world.sue.walk(f"/contacts?channel={ids['sms']}")] == ["Анна"]
    ticked = f"{ids['Анна']},{ids['Вера'].hex}"
    assert [card["name"] for card in await world.sue.walk(f"/contacts?ids={ticked}")] == ["Анна", "Вера"]
    assert [card["name"] for card in await world.sue.walk(f"/contacts?ids={ticked}&q=вер")] == ["Вера"]
    assert await world.anna.walk(f"/contacts?ids={ticked}") == []
    assert (await world.anna.get("/contacts/count")).body == {"count": 0, "more": False}


@pytest.mark.parametrize("query", ["consent=marketing", "consent=marketing:maybe", "ids=1", "birthday_month=13"])
async def test_wrong_conditions_are_refused(world: World, query: str) -> None:
    """A 422 in list and count alike."""
    for path in ("/contacts", "/contacts/count"):
        assert (await world.sue.get(f"{path}?{query}")).status == 422


async def test_last_heard_first_is_the_same_by_either_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest conversations alone give the same order as all of them, also with ties and several of one card."""
    pool = world.store.pool
    begin = datetime.now(UTC)
    for n in range(40):
        contact = await world.new_contact(f"К {n:02}", owner=world.anna if n % 2 else None)
        for back in (n // 3, n * 7 % 40):
            talk = await world.new_conversation(contact)
            at = begin - timedelta(hours=back)
            await pool.execute("UPDATE conversation SET last_at = $2 WHERE id = $1", talk, at)

    async def walk(viewer: UUID | None, steps: tuple[int, ...], few: int = 0) -> list[UUID]:
        monkeypatch.setattr(contact_list, "STEPS", steps)
        monkeypatch.setattr(contact_list, "FEW", few)
        found: list[UUID] = []
        after: Any = None
        while True:
            rows = await contact_list.list_contacts(
                pool, viewer, ContactFilter(), sort="last", after=after, limit=4, down=True
            )
            found += [row["id"] for row in rows]
            if len(rows) < 4:
                return found
            after = contact_list.key_of(rows[-1], "last")

    for viewer in (None, world.anna.id):
        whole = await walk(viewer, ())
        assert len(whole) == len(set(whole)) == (40 if viewer is None else 20)
        for steps in ((6,), (3, 12), (1000,)):
            for few in (0, 1000):
                assert await walk(viewer, steps, few) == whole, (steps, few)


async def test_many_cards_are_changed_at_once(world: World) -> None:
    """Tags are added and taken off, the owner set; each card has its audit; what is not the caller's is skipped."""
    mine = [await world.new_contact(name, owner=world.anna) for name in ("А", "Б")]
    others = await world.new_contact("В", owner=world.boris)
    await world.store.pool.execute("UPDATE contact SET tags = '{старый,общий}' WHERE id = $1", mine[0])
    body = {"ids": [*map(str, mine), str(others)], "add_tags": ["опт"], "remove_tags": ["старый"]}
    done = await world.anna.call("POST", "/contacts/bulk", body)
    assert (done.status, done.body) == (200, {"changed": 2, "unchanged": 0, "skipped": [str(others)]})
    assert {tuple(card["tags"]) for card in await world.anna.walk("/contacts")} == {("общий", "опт"), ("опт",)}
    assert (await world.anna.call("POST", "/contacts/bulk", body)).body["unchanged"] == 2
    handed = {"ids": [str(mine[0])], "owner_id": str(world.boris.id)}
    assert (await world.anna.call("POST", "/contacts/bulk", handed)).body["changed"] == 1
    assert {card["name"] for card in await world.boris.walk("/contacts")} == {"А", "В"}
    rows = await world.store.pool.fetch("SELECT FROM audit_log WHERE action = 'contact.changed'")
    assert len(rows) == 3
    assert (await world.anna.call("POST", "/contacts/bulk", {"ids": []})).status == 422
    nobody = {"ids": [str(mine[1])], "owner_id": "00000000-0000-0000-0000-000000000001"}
    assert (await world.anna.call("POST", "/contacts/bulk", nobody)).status == 422


async def test_address_is_blocked_and_freed(world: World) -> None:
    """A blocked address says so with its reason, and is free again after; both are audited; a stranger's is a 404."""
    contact = await world.new_contact("Пётр", owner=world.anna, email="p@example.com")
    card = (await world.anna.get(f"/contacts/{contact}")).body
    path = f"/contacts/{contact}/identities/{card['identities'][0]['id']}"
    blocked = await world.anna.call("PATCH", path, {"blocked": True, "reason": "просил не писать"})
    assert blocked.status == 200, blocked.body
    assert blocked.body["identities"][0]["blocked_reason"] == "просил не писать"
    freed = await world.anna.call("PATCH", path, {"blocked": False})
    assert "blocked_at" not in freed.body["identities"][0]
    assert "blocked_reason" not in freed.body["identities"][0]
    rows = await world.store.pool.fetch("SELECT FROM audit_log WHERE action = 'contact.identity_blocked'")
    assert len(rows) == 2
    assert (await world.boris.call("PATCH", path, {"blocked": True})).status == 404


async def test_merge_takes_what_was_chosen(world: World) -> None:
    """Unknown fields are refused; known ones reach the merge."""
    one, two = await world.new_contact("A"), await world.new_contact("B")
    path = f"/contacts/{one}/merge"
    for wrong in ("tags", "secret", ""):
        assert (await world.sue.call("POST", path, {"other_id": str(two), "take": [wrong]})).status == 422
    merged = await world.sue.call("POST", path, {"other_id": str(two), "take": ["name", "custom:inn"]})
    assert (merged.status, merged.body["contact"]["name"]) == (201, "B")
