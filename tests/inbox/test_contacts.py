from __future__ import annotations

from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.inbox.conftest import World


@pytest.mark.parametrize(
    "asked",
    ["%2B79161234567", " 79161234567", "79161234567", "89161234567", "8 (916) 123-45-67", "tel:+79161234567"],
)
@pytest.mark.parametrize("kind", ["", "&kind=phone"])
async def test_phone_is_found_however_it_is_written(world: World, asked: str, kind: str) -> None:
    """`identity=` reads a phone as people write it; a leading space or bare digits are a plus."""
    contact = await world.new_contact(phone="+79161234567")
    await world.new_contact(phone="+79161234568")
    asked = asked if "%" in asked else quote(asked)
    found = await world.api.walk(f"/contacts?identity={asked}{kind}")
    assert [card["id"] for card in found] == [str(contact)]
    assert found[0]["identities"][0]["value"] == "+79161234567"


async def test_other_addresses_are_found(world: World) -> None:
    """E-mail in any case, ids as they are; the kind narrows."""
    contact = await world.new_contact(email="petr@example.com", telegram="12345")
    for query in ("identity=Petr@Example.COM", "identity=12345&kind=telegram", "identity=12345", "kind=email"):
        assert [c["id"] for c in await world.api.walk(f"/contacts?{query}")] == [str(contact)], query
    for query in ("identity=12345&kind=vk", "identity=1234", "kind=vk"):
        assert await world.api.walk(f"/contacts?{query}") == [], query


async def test_names_are_found_and_sorted(world: World) -> None:
    """`q` finds a part of a name in any case, е for ё and back; cards come in the order of names; % is a character."""
    names = ["Пётр Ёлкин", "петр Ельцов", "Анна 100%", "Борис"]
    ids = {name: str(await world.new_contact(name)) for name in names}
    assert [c["name"] for c in await world.api.walk("/contacts")] == ["Анна 100%", "Борис", "петр Ельцов", "Пётр Ёлкин"]
    assert (await world.api.walk("/contacts?order=desc"))[0]["name"] == "Пётр Ёлкин"
    assert {c["id"] for c in await world.api.walk("/contacts?q=ПЕТР")} == {ids[names[0]], ids[names[1]]}
    assert {c["id"] for c in await world.api.walk("/contacts?q=ёлк")} == {ids[names[0]]}
    assert {c["id"] for c in await world.api.walk("/contacts?q=%25")} == {ids[names[2]]}
    assert await world.api.walk("/contacts?q=.*") == []


async def test_card_is_made_changed_and_audited(world: World) -> None:
    """A new card has its addresses in normal form; a change counts the version up and leaves who, what, before, after."""
    made = await world.anna.call(
        "POST",
        "/contacts",
        {
            "name": "Пётр",
            "identities": [{"kind": "phone", "value": "8 916 123-45-67"}, {"kind": "email", "value": "A@B.ru"}],
        },
    )
    assert made.status == 201, made.body
    card = made.body
    assert [i["value"] for i in card["identities"]] == ["a@b.ru", "+79161234567"]
    assert card["owner_id"] == str(world.anna.id)
    path = f"/contacts/{card['id']}"
    changed = await world.anna.call(
        "PATCH", path, {"name": "Пётр I", "tags": ["царь"], "owner_id": str(world.boris.id)}
    )
    assert changed.status == 200, changed.body
    assert (changed.body["name"], changed.body["version"], changed.body["tags"]) == ("Пётр I", 1, ["царь"])
    rows = await world.store.pool.fetch("SELECT * FROM audit_log WHERE action = 'contact.changed'")
    assert [r["actor"] for r in rows] == [f"agent:{world.anna.id}"]
    assert (rows[0]["before"]["name"], rows[0]["after"]["name"]) == ("Пётр", "Пётр I")
    event = (await world.boris.walk("/events"))[-1]
    assert (event["type"], event["data"]["contact"]["name"]) == ("contact.updated", "Пётр I")


async def test_change_of_an_older_version_is_refused(world: World) -> None:
    """If-Match (or `version`) of a card changed meanwhile is a 409 that says the version; without it the last one wins."""
    path = f"/contacts/{await world.new_contact()}"
    assert (await world.api.call("PATCH", path, {"name": "A"}, If_Match='"0"')).status == 200
    refused = await world.api.call("PATCH", path, {"name": "B"}, If_Match='"0"')
    assert (refused.status, refused.body["code"]) == (409, "conflict")
    assert (await world.api.call("PATCH", path, {"name": "B", "version": 0})).status == 409
    assert (await world.api.call("PATCH", path, {"name": "B"})).body["version"] == 2


async def test_taken_address_is_a_conflict(world: World) -> None:
    """An address belongs to one contact; the refused card leaves nothing behind."""
    await world.new_contact(phone="+79161234567")
    body = {"name": "Вор", "identities": [{"kind": "phone", "value": "+79161234567"}]}
    assert (await world.api.call("POST", "/contacts", body)).status == 409
    assert await world.api.walk("/contacts?q=Вор") == []


@pytest.mark.parametrize(
    "body",
    [
        {"owner_id": "00000000-0000-0000-0000-000000000001"},
        {"company_id": "00000000-0000-0000-0000-000000000001"},
        {"identities": [{"kind": "phone", "value": "доб. 12"}]},
        {"identities": [{"kind": "pigeon", "value": "1"}]},
        {"identities": [{"kind": "viber", "value": "1"}]},
        {"name": "a\0b"},
        {"kind": "dog"},
        {"surprise": 1},
    ],
)
async def test_wrong_cards_are_refused(world: World, body: dict[str, object]) -> None:
    """A field that can't be right is a 422 that says which; nothing is kept."""
    answer = await world.api.call("POST", "/contacts", body)
    assert (answer.status, answer.body["code"]) == (422, "bad_request")
    assert await world.api.walk("/contacts") == []


async def test_merge_and_undo(world: World) -> None:
    """Either id of a merged pair shows the one card with both members; after the undo there are two again."""
    one, two = await world.new_contact("A", phone="+79161234567"), await world.new_contact("B", email="b@example.com")
    merged = await world.sue.call("POST", f"/contacts/{one}/merge", {"other_id": str(two)})
    assert merged.status == 201
    for member in (one, two):
        card = (await world.api.get(f"/contacts/{member}")).body
        assert (card["id"], card["members"]) == (str(one), [str(one), str(two)])
        assert {i["kind"] for i in card["identities"]} == {"phone", "email"}
    assert [c["id"] for c in await world.api.walk("/contacts?identity=b@example.com")] == [str(one)]
    undone = await world.sue.call("POST", f"/merges/{merged.body['merge_id']}/undo")
    assert (undone.status, len(undone.items)) == (200, 2)
    assert [c["id"] for c in await world.api.walk("/contacts")] == [str(one), str(two)]


async def test_agent_merges_only_what_he_sees(world: World) -> None:
    """Merging with a card one can't see is a 404."""
    mine, others = await world.new_contact("A", owner=world.anna), await world.new_contact("B", owner=world.boris)
    answer = await world.anna.call("POST", f"/contacts/{mine}/merge", {"other_id": str(others)})
    assert answer.status == 404
    assert [c["id"] for c in await world.anna.walk("/contacts")] == [str(mine)]


async def test_suggestions_are_listed_and_dismissed(world: World) -> None:
    """Open suggestions between visible cards are listed; a dismissed one is gone, a second time it is a 404."""
    pair = sorted([await world.new_contact("A"), await world.new_contact("B")])
    await world.store.pool.execute(
        "INSERT INTO merge_suggestion (first_id, second_id, reason, score) VALUES ($1, $2, 'same name', 0.9)", *pair
    )
    assert await world.anna.walk("/merge-suggestions") == []
    (found,) = await world.sue.walk("/merge-suggestions")
    path = f"/merge-suggestions/{found['id']}/dismiss"
    assert (await world.sue.call("POST", path)).status == 200
    assert (await world.sue.call("POST", path)).status == 404
    assert await world.sue.walk("/merge-suggestions") == []
    assert (await world.sue.call("POST", f"/merge-suggestions/{uuid4()}/dismiss")).status == 404
