"""The card and the lists of cards, as the page asks for them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from inbox.api.export import HEADINGS
from inbox.api.workbook import MIME
from router.import_rows import guess
from router.sheets import read_sheet
from tests.inbox.conftest import Person, World


async def names(person: Person, query: str) -> list[str]:
    return [card["name"] for card in await person.walk(f"/contacts?{query}")]


async def company_of(world: World, *people: UUID) -> UUID:
    company = await world.new_contact("Пекарня")
    await world.store.pool.execute("UPDATE contact SET kind = 'company' WHERE id = $1", company)
    await world.store.pool.execute("UPDATE contact SET company_id = $1 WHERE id = ANY($2)", company, list(people))
    return company


async def test_card_shows_all_of_its_right_pane(world: World) -> None:
    """One request brings company, owner, consents, open tasks, last conversations, doubles and merges."""
    pool = world.store.pool
    contact = await world.new_contact("Пётр", owner=world.anna, phone="+79161234567")
    await company_of(world, contact)
    double = await world.new_contact("Петр", owner=world.anna)
    merged = await world.new_contact("П. Петров", owner=world.anna)
    await world.anna.call("POST", f"/contacts/{contact}/merge", {"other_id": str(merged)})
    await pool.execute(
        "INSERT INTO merge_suggestion (first_id, second_id, reason, score) VALUES ($1, $2, 'nearly the same name', 0.8)",
        *sorted([contact, double]),
    )
    for n in range(7):
        await pool.execute("INSERT INTO task (title, contact_id) VALUES ($1, $2)", f"Дело {n}", contact)
        await world.new_conversation(contact, assignee=world.anna)
    await pool.execute("INSERT INTO task (title, contact_id, state) VALUES ('Старое', $1, 'done')", contact)
    for given in (True, False):
        said = await world.anna.call("POST", f"/contacts/{contact}/consents", {"purpose": "marketing", "given": given})
        assert said.status == 201, said.body
    card = (await world.anna.get(f"/contacts/{contact}")).body
    assert (card["company"]["name"], card["owner"]["name"]) == ("Пекарня", "Anna")
    assert [(c["purpose"], c["given"]) for c in card["consents"]] == [("marketing", False)]
    assert (card["open_tasks"], len(card["tasks"])) == (7, 5)
    assert len(card["conversations"]) == 5
    assert card["conversations"][0]["connector"] == "telegram"
    assert [d["contact_id"] for d in card["doubles"]] == [str(double)]
    assert [m["merged_id"] for m in card["merges"]] == [str(merged)]
    listed = await world.anna.walk(f"/contacts/{contact}/merges")
    assert [m["id"] for m in listed] == [m["id"] for m in card["merges"]]


async def test_card_keeps_from_an_agent_what_he_may_not_see(world: World) -> None:
    """Doubles, people of a company and conversations that are not his are not on his card."""
    contact = await world.new_contact("Пётр", owner=world.anna)
    other = await world.new_contact("Петр", owner=world.boris)
    await world.store.pool.execute(
        "INSERT INTO merge_suggestion (first_id, second_id, reason, score) VALUES ($1, $2, 'same', 0.8)",
        *sorted([contact, other]),
    )
    company = await company_of(world, contact, other)
    await world.store.pool.execute("UPDATE contact SET owner_id = $1 WHERE id = $2", world.anna.id, company)
    assert "doubles" not in (await world.anna.get(f"/contacts/{contact}")).body
    assert [p["name"] for p in (await world.anna.get(f"/contacts/{company}")).body["people"]] == ["Пётр"]
    seen = (await world.sue.get(f"/contacts/{company}")).body
    assert {p["name"] for p in seen["people"]} == {"Пётр", "Петр"}
    assert (await world.boris.get(f"/contacts/{contact}")).status == 404


async def test_address_is_added_in_normal_form_and_taken_off(world: World) -> None:
    """A phone as people write it is kept as E.164; the same once more changes nothing; one that conversations go by stays."""
    contact = await world.new_contact("Пётр", owner=world.anna)
    path = f"/contacts/{contact}/identities"
    body = {"kind": "phone", "value": "8 (916) 123-45-67"}
    first, added = await world.anna.call("POST", path, body), await world.anna.call("POST", path, body)
    assert first.body == added.body
    assert (added.status, [i["value"] for i in added.body["identities"]]) == (201, ["+79161234567"])
    identity = added.body["identities"][0]["id"]
    conversation = await world.new_conversation(contact, identity=UUID(identity))
    assert (await world.anna.call("DELETE", f"{path}/{identity}")).status == 409
    await world.store.pool.execute("DELETE FROM conversation WHERE id = $1", conversation)
    assert (await world.anna.call("DELETE", f"{path}/{identity}")).body.get("identities", []) == []
    assert (await world.anna.call("DELETE", f"{path}/{identity}")).status == 404
    assert (await world.anna.call("POST", path, {"kind": "email", "value": "не адрес"})).status == 422


@pytest.mark.parametrize(("owner", "told"), [("anna", "Мария"), ("boris", "somebody else's card")])
async def test_address_of_another_card_is_refused_and_a_merge_suggested(world: World, owner: str, told: str) -> None:
    """The refusal names the other card to who may see it; the suggestion is kept although the request is refused."""
    contact = await world.new_contact("Пётр", owner=world.anna)
    await world.new_contact("Мария", owner=world.people[owner], email="m@example.com")
    refused = await world.anna.call(
        "POST", f"/contacts/{contact}/identities", {"kind": "email", "value": "M@example.com"}
    )
    assert (refused.status, refused.body["code"]) == (409, "identity_taken")
    assert told in refused.body["detail"]
    assert ("Мария" in refused.body["detail"]) == (owner == "anna")
    (pair,) = await world.sue.walk("/merge-suggestions")
    assert {pair["first"]["name"], pair["second"]["name"]} == {"Пётр", "Мария"}


FIELDS: list[dict[str, Any]] = [
    {"key": "inn", "label": "ИНН"},
    {"key": "employees", "label": "Сотрудников", "type": "number"},
    {"key": "since", "label": "Клиент с", "type": "date"},
    {"key": "level", "label": "Уровень", "type": "choice", "options": ["Золото", "Серебро"]},
    {"key": "wholesale", "label": "Опт", "type": "flag"},
    {"key": "site", "label": "Сайт", "type": "link"},
]


async def add_fields(world: World) -> None:
    for field in FIELDS:
        made = await world.root.call("POST", "/custom-fields", field)
        assert made.status == 201, made.body


async def test_fields_are_the_administrators(world: World) -> None:
    """An administrator makes, changes and removes fields; a key is there once; others only read them."""
    await add_fields(world)
    listed = await world.anna.walk("/custom-fields")
    assert {field["key"] for field in listed} == {field["key"] for field in FIELDS}
    assert (await world.anna.call("POST", "/custom-fields", {"key": "x", "label": "X"})).status == 403
    assert (await world.root.call("POST", "/custom-fields", FIELDS[0])).status == 409
    assert (await world.root.call("POST", "/custom-fields", {"key": "c", "label": "C", "type": "choice"})).status == 422
    field = next(field for field in listed if field["key"] == "level")
    path = f"/custom-fields/{field['id']}"
    changed = await world.root.call("PATCH", path, {"options": ["Золото"], "active": False})
    assert (changed.status, changed.body["options"], changed.body["active"]) == (200, ["Золото"], False)
    assert (await world.root.call("PATCH", path, {"type": "text"})).status == 422
    assert (await world.root.call("DELETE", path)).status == 200
    assert (await world.root.call("DELETE", path)).status == 404


GOOD = {"employees": "1 200,5", "since": "25.11.2026", "level": "золото", "wholesale": "да", "site": "https://a.ru/b"}
KEPT = {"employees": 1200.5, "since": "2026-11-25", "level": "Золото", "wholesale": True, "site": "https://a.ru/b"}


async def test_custom_values_are_read_by_their_type(world: World) -> None:
    """Values become what the field's type says, in a new card and in a change; a key without a field stays as it is."""
    await add_fields(world)
    made = await world.api.call("POST", "/contacts", {"name": "А", "custom": GOOD | {"theirs": [1], "inn": ""}})
    assert (made.status, made.body["custom"]) == (201, KEPT | {"theirs": [1]})
    path = f"/contacts/{made.body['id']}"
    changed = await world.api.call("PATCH", path, {"custom": {"employees": 7}, "version": 0})
    assert changed.body["custom"] == {"employees": 7}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("employees", "много"),
        ("employees", True),
        ("employees", "1e400"),
        ("since", "31.02.2026"),
        ("level", "Бронза"),
        ("wholesale", "может быть"),
        ("site", "javascript:alert(1)"),
        ("inn", 7701),
    ],
)
async def test_value_that_is_no_such_thing_is_refused(world: World, key: str, value: Any) -> None:
    """The refusal names the field, and the card stays as it was."""
    await add_fields(world)
    contact = await world.new_contact()
    refused = await world.api.call("PATCH", f"/contacts/{contact}", {"custom": {key: value}})
    assert (refused.status, refused.body["detail"].partition(":")[0]) == (422, f"custom.{key}")
    assert "custom" not in (await world.api.get(f"/contacts/{contact}")).body


async def filled(world: World) -> None:
    """Four cards that differ in everything a list can be narrowed to."""
    pool = world.store.pool
    anna = await world.new_contact("Анна", owner=world.anna, phone="+79161234567")
    boris = await world.new_contact("Борис", owner=world.boris, email="boris@mail.example")
    await world.new_contact("Вера", vk="777")
    await company_of(world, anna)
    today = datetime.now(world.store.settings.zone).date()
    born = date(2000, *(today + timedelta(days=3)).timetuple()[1:3])
    await pool.execute(
        "UPDATE contact SET tags = '{vip}', birthday = $2, source = $3, custom = $4 WHERE id = $1",
        anna,
        born,
        {"utm_source": "yandex"},
        {"level": "Золото", "n": 7},
    )
    await pool.execute("UPDATE contact SET birthday = $2 WHERE id = $1", boris, date(2000, 2, 29))
    for contact, days in ((anna, 100), (boris, 1)):
        conversation = await world.new_conversation(contact)
        at = datetime.now(UTC) - timedelta(days=days)
        await pool.execute("UPDATE conversation SET last_at = $2 WHERE id = $1", conversation, at)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("q=123-45-67", ["Анна"]),
        ("q=mail.exa", ["Борис"]),
        ("q=ан", ["Анна"]),
        ("q=БОРИ", ["Борис"]),
        ("owner=none", ["Вера", "Пекарня"]),
        ("tag=vip", ["Анна"]),
        ("type=company", ["Пекарня"]),
        ("source=yandex", ["Анна"]),
        ("has=vk", ["Вера"]),
        ("no_contact_since=30", ["Анна", "Вера", "Пекарня"]),
        ("birthday=7&tag=vip", ["Анна"]),
        ("birthday=2&tag=vip", []),
        ("custom.level=Золото&custom.n=7", ["Анна"]),
        ("custom.level=Серебро", []),
        ("sort=created", ["Анна", "Борис", "Вера", "Пекарня"]),
        ("sort=created&order=desc", ["Пекарня", "Вера", "Борис", "Анна"]),
        ("sort=last&order=desc", ["Борис", "Анна", "Пекарня", "Вера"]),
        ("sort=last", ["Вера", "Пекарня", "Анна", "Борис"]),
    ],
)
async def test_list_is_narrowed_and_sorted(world: World, query: str, wanted: list[str]) -> None:
    """Each filter finds just its cards, each sort has its order, page after page, down and up."""
    await filled(world)
    assert await names(world.sue, query) == wanted
    one_by_one = []
    cursor = ""
    while True:
        page = (await world.sue.get(f"/contacts?{query}&limit=1{cursor}")).body
        one_by_one += [card["name"] for card in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&after={page['next']}"
    assert one_by_one == wanted


async def test_list_of_an_agent_and_its_refusals(world: World) -> None:
    """`owner=me` is the caller; an agent sees his own; unknown filters and doubled ones are refused."""
    await filled(world)
    assert await names(world.anna, "owner=me") == ["Анна"]
    assert await names(world.anna, "sort=last") == ["Анна"]
    card = (await world.anna.walk("/contacts"))[0]
    assert card["last_at"]
    for query in (
        "owner=nobody",
        "custom=x",
        "custom.a=1&custom.a=2",
        "custom=x&custom.a=1",
        "colour.a=1",
        "sort=size",
    ):
        assert (await world.anna.get(f"/contacts?{query}")).status == 422, query


async def test_export_is_what_the_caller_sees(world: World) -> None:
    """CSV in the asked columns, narrowed and by rights, formulas as text, and audited."""
    await filled(world)
    await world.new_contact('=HYPERLINK("http://evil","x")', owner=world.anna, phone="+79160000000")

    async def export(person: Person, query: str) -> str:
        headers = {"Authorization": f"Bearer {person.token}"}
        async with world.http.get(f"{world.url}/contacts/export?{query}", headers=headers) as response:
            assert response.status == 200
            assert "attachment" in response.headers["Content-Disposition"]
            return (await response.read()).decode("utf-8-sig")

    lines = (await export(world.anna, "columns=name,phone,company,owner")).splitlines()
    assert lines[0] == "name;phone;company;owner"
    assert lines[1] == "Анна;+79161234567;Пекарня;Anna"
    assert lines[2].startswith("\"'=HYPERLINK")
    assert len(lines) == 3
    assert "Борис" in await export(world.sue, "type=person&owner=" + str(world.boris.id))
    assert (await export(world.sue, "columns=name,phone&language=ru&has=vk")).splitlines() == ["ФИО;Телефон", "Вера;"]
    rows = await world.store.pool.fetch("SELECT actor, after FROM audit_log WHERE action = 'contact.exported'")
    assert [row["actor"] for row in rows] == [f"agent:{person.id}" for person in (world.anna, world.sue, world.sue)]


async def test_workbook_has_the_same_and_nothing_that_runs(world: World, tmp_path: Path) -> None:
    """XLSX is read back as what was put in, formulas as text; what XML can't hold is left out; Russian headings lead an
    import to the same fields.
    """
    await filled(world)
    await world.new_contact("=1+1 <b>&\x0b\ufffe ", phone="+79160000000")
    headers = {"Authorization": f"Bearer {world.sue.token}"}
    url = f"{world.url}/contacts/export?format=xlsx&language=ru&type=person"
    async with world.http.get(url, headers=headers) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, MIME)
        (tmp_path / "a.xlsx").write_bytes(await response.read())
    sheet = await read_sheet(tmp_path / "a.xlsx", tmp_path / "a.csv")
    assert sheet.rows == 4
    names = [dict(zip(sheet.columns, row, strict=True))["ФИО"] for row in sheet.head]
    assert sorted(names) == ["=1+1 <b>&", "Анна", "Борис", "Вера"]
    assert guess(sheet.columns, []).items() >= {"ФИО": "name", "Телефон": "phone", "Код": "external"}.items()
    for language in ("ru", "en"):
        found = guess([*HEADINGS[language].values()], [])
        led = {name: found.get(heading) for name, heading in HEADINGS[language].items()}
        same = set(led) - {"id", "created_at", "last_at"}
        assert {name: led[name] for name in same} == {name: name for name in same}
