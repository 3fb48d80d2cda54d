"""A table of clients from the upload to the cards, with the worker's part driven by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import aiohttp
import msgspec
import pytest

from config.errors import BadRequest
from inbox.api.import_words import reason_in
from router import imports as importing
from router.import_rows import Options, Reading, read_row
from router.imports import Imports
from storage.fields import FieldItem, FieldType
from tests.inbox.conftest import Answer, Person, World

TABLE = [
    ["ФИО", "Телефон", "E-mail", "Компания", "Теги", "Дата рождения", "Ответственный"],
    ["Пётр Ёлкин", "8 916 123-45-67", "Petr@Example.com", "Пекарня", "опт; новый", "25.11.1990", "anna"],
    ["Анна", "+7 916 000-00-00", "", "Пекарня", "", "", ""],
    ["Петр Е.", "79161234567", "", "", "vip", "", ""],
    ["Кто-то", "не телефон", "", "", "", "", ""],
    ["=1+1", "", "third@example.com", "", "", "", "Anna"],
]


def csv_of(rows: Sequence[Sequence[str]], separator: str, encoding: str) -> bytes:
    return "\r\n".join(separator.join(row) for row in rows).encode(encoding)


def xlsx_of(rows: Sequence[Sequence[str]], *, more: str = "") -> bytes:
    """A workbook of inline texts, as small as one can be."""
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in row) + "</row>" for row in rows
    )
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    of = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" '
        'ContentType="application/xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{of}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{of}"><sheets><sheet name="A" sheetId="1" r:id="r1"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{of}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}{more}</sheetData></worksheet>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, head + text)
    return out.getvalue()


FILES = {
    "utf-8;": csv_of(TABLE, ";", "utf-8-sig").replace(b"; \xd0\xbd", b", \xd0\xbd"),
    "cp1251;": csv_of([[cell.replace("; ", "|") for cell in row] for row in TABLE], ";", "cp1251"),
    "utf-16 tab": csv_of(TABLE, "\t", "utf-16"),
    "utf-8,": csv_of([[cell.replace("; ", "|") for cell in row] for row in TABLE], ",", "utf-8"),
    "xlsx": xlsx_of(TABLE),
}


async def upload(person: Person, data: bytes, name: str = "clients.csv") -> Answer:
    form = aiohttp.FormData()
    form.add_field("file", data, filename=name)
    headers = {"Authorization": f"Bearer {person.token}"}
    world = person.world
    async with world.http.post(f"{world.url}/imports", data=form, headers=headers) as response:
        return Answer(response.status, await response.json(content_type=None), response.headers)


async def work_off(world: World, *, batch: int = 2) -> None:
    worker = Imports(world.store, batch=batch)
    while await worker.step():
        pass


async def started(world: World, data: bytes, **options: Any) -> str:
    item = (await upload(world.sue, data)).body
    path = f"/imports/{item['id']}"
    set_ = await world.sue.call("PUT", path, {"mapping": item["mapping"], "options": options})
    assert set_.status == 200, set_.body
    begun = await world.sue.call("POST", f"{path}/start")
    assert (begun.status, begun.body["state"]) == (200, "waiting")
    return path


@pytest.mark.parametrize("kind", FILES)
async def test_table_is_read_whatever_wrote_it(world: World, kind: str) -> None:
    """Encodings, separators and workbooks give the same columns and rows, and columns are guessed by their names."""
    answer = await upload(world.sue, FILES[kind], "дом/clients.csv")
    assert answer.status == 201, answer.body
    assert (answer.body["columns"], answer.body["rows"]) == (TABLE[0], 5)
    assert answer.body["head"][0][:2] == TABLE[1][:2]
    assert answer.body["mapping"] == {
        "ФИО": "name",
        "Телефон": "phone",
        "E-mail": "email",
        "Компания": "company",
        "Теги": "tags",
        "Дата рождения": "birthday",
        "Ответственный": "owner",
    }
    assert (await world.sue.get(f"/imports/{answer.body['id']}")).body["head"] == answer.body["head"]


async def test_cards_are_made_changed_and_refused(world: World) -> None:
    """Rows become cards; one with a known phone changes its card; a bad one stands in the error file with its reason."""
    known = await world.new_contact("Старое имя", phone="+79160000000")
    path = await started(world, FILES["xlsx"], tags=["импорт"], consent={"purpose": "marketing", "how": "договор 7"})
    await work_off(world)
    done = (await world.sue.get(path)).body
    assert [done[n] for n in ("state", "done_rows", "made", "changed", "refused")] == ["done", 5, 2, 2, 1]
    cards = {card["name"]: card for card in await world.sue.walk("/contacts?type=person")}
    assert set(cards) == {"Петр Е.", "Анна", "=1+1"}
    petr = cards["Петр Е."]
    assert {i["value"] for i in petr["identities"]} == {"+79161234567", "petr@example.com"}
    assert petr["tags"] == ["импорт", "опт", "новый", "vip"]
    assert (petr["birthday"], petr["owner_id"]) == ("1990-11-25", str(world.anna.id))
    assert cards["Анна"]["id"] == str(known)
    (company,) = await world.sue.walk("/contacts?type=company")
    assert company["name"] == "Пекарня"
    assert {petr["company_id"], cards["Анна"]["company_id"]} == {company["id"]}
    card = (await world.sue.get(f"/contacts/{known}")).body
    assert [(c["purpose"], c["given"], c["source"]["how"]) for c in card["consents"]] == [
        ("marketing", True, "договор 7")
    ]
    told = [e["data"]["import"] for e in await world.sue.walk("/events") if e["type"] == "import.progress"]
    assert [one.get("done_rows", 0) for one in told] == [0, 2, 4, 5]
    headers = {"Authorization": f"Bearer {world.sue.token}"}
    async with world.http.get(f"{world.url}{path}/errors", headers=headers) as response:
        lines = (await response.read()).decode("utf-8-sig").splitlines()
    assert lines[0].startswith("row;reason;ФИО")
    assert lines[1].startswith("5;not a phone: не телефон;Кто-то")


async def test_batch_that_is_killed_is_done_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies in the middle of a batch leaves nothing of it; the next goes on from there and doubles nothing."""
    monkeypatch.setattr(importing, "STALLED_S", -1.0)
    rows = [["name", "email"], *([f"n{n:02}", f"n{n}@example.com"] for n in range(7))]
    path = await started(world, csv_of(rows, ",", "utf-8"))
    dying = Imports(world.store, batch=3)
    assert await dying.step()

    async def die(*_args: Any, **_named: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(importing, "keep_errors", die)
        with pytest.raises(KeyboardInterrupt):
            await dying.step()
    assert (await world.sue.get(path)).body["done_rows"] == 3
    # The same worker goes on as well as another would.
    assert await dying.step()
    await work_off(world, batch=3)
    assert (await world.sue.get(path)).body["made"] == 7
    assert [card["name"] for card in await world.sue.walk("/contacts")] == [f"n{n:02}" for n in range(7)]


async def test_same_file_again_makes_no_second_card(world: World) -> None:
    """Rows are matched by their addresses; without `update` known clients are passed over."""
    await started(world, FILES["utf-16 tab"])
    await work_off(world)
    before = await world.sue.walk("/contacts")
    path = await started(world, FILES["utf-16 tab"], update=False)
    await work_off(world)
    again = (await world.sue.get(path)).body
    assert (again.get("made", 0), again.get("changed", 0), again["done_rows"]) == (0, 0, 5)
    assert await world.sue.walk("/contacts") == before


async def test_preview_says_what_would_become_and_writes_nothing(world: World) -> None:
    """Of each of the first rows: made, changed (which card), or refused and why."""
    known = await world.new_contact("А", phone="+79160000000")
    item = (await upload(world.sue, FILES["xlsx"])).body
    shown = (await world.sue.call("POST", f"/imports/{item['id']}/preview")).body["items"]
    assert [(row["number"], row["action"]) for row in shown] == [
        (2, "make"),
        (3, "change"),
        (4, "change"),
        (5, "refuse"),
        (6, "make"),
    ]
    assert shown[1]["contact_id"] == str(known)
    assert shown[0]["addresses"] == ["+79161234567", "petr@example.com"]
    assert shown[3]["refused"] == "not a phone: не телефон"
    assert len(await world.sue.walk("/contacts")) == 1


async def test_cancelled_import_stops(world: World) -> None:
    """What was made stays, the rest is not; a cancelled one can't be started or cancelled again."""
    path = await started(world, FILES["xlsx"])
    worker = Imports(world.store, batch=2)
    assert await worker.step()
    assert (await world.sue.call("POST", f"{path}/cancel")).body["state"] == "cancelled"
    assert not await worker.step()
    assert (await world.sue.get(path)).body["done_rows"] == 2
    for verb in ("cancel", "start"):
        assert (await world.sue.call("POST", f"{path}/{verb}")).status == 409


BAD = {
    "nothing": b"",
    "a picture": b"\x89PNG\r\n\x1a\n" + b"\x00" * 4000,
    "half a workbook": xlsx_of(TABLE)[:400],
    "a workbook of two cells far apart": xlsx_of([["a"]], more='<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
    "an endless quote": b'a,b\r\n"' + b"x" * 300_000,
}


@pytest.mark.parametrize("kind", BAD)
async def test_file_that_is_no_table_is_refused(world: World, kind: str) -> None:
    """A sentence says what is wrong with it; the hub does not die of it."""
    refused = await upload(world.sue, BAD[kind], "x.xlsx")
    assert refused.status == 422, refused.body
    assert await world.sue.walk("/imports") == []


async def test_mapping_and_rights(world: World) -> None:
    """A mapping that leads nowhere is refused by its column; agents don't import, nor does an unmapped file start."""
    assert (await upload(world.anna, FILES["xlsx"])).status == 403
    item = (await upload(world.sue, csv_of([["a", "b"], ["1", "2"]], ",", "utf-8"))).body
    path = f"/imports/{item['id']}"
    assert (await world.sue.call("POST", f"{path}/start")).status == 422
    for mapping in ({"a": "colour"}, {"c": "name"}, {"a": "name", "b": "name"}, {"a": "custom.none"}, {"a": "tags"}):
        refused = await world.sue.call("PUT", path, {"mapping": mapping})
        assert refused.status == 422, mapping
    assert (await world.anna.get(path)).status == 403


WRONG = {
    "phone": "нет",
    "email": "нет@",
    "telegram_username": "!",
    "birthday": "вчера",
    "owner": "Никто",
    "vip": "может",
    "name": "ж" * 301,
    "custom.n": "много",
    "custom.d": "вчера",
    "custom.f": "может",
    "custom.l": "сайт",
    "custom.c": "нет такого",
    "custom.t": "ж" * 4001,
}


@pytest.mark.parametrize("target", [*WRONG, ""])
def test_every_reason_has_its_russian(target: str) -> None:
    """Whatever a row is refused for is told in Russian too; what is not known stays as it is."""
    types = {"n": "number", "d": "date", "f": "flag", "l": "link", "c": "choice", "t": "text"}
    fields = {
        key: FieldItem(id=UUID(int=0), key=key, label=key, type=msgspec.convert(type_, FieldType), options=["да"])
        for key, type_ in types.items()
    }
    with pytest.raises(BadRequest) as refused:
        read_row(2, [WRONG.get(target, "")], Reading([target], Options(), fields, {}, "RU"))
    said = reason_in("ru", str(refused.value))
    assert said != str(refused.value)
    assert not {"not", "expected", "agent", "longer"} & set(said.split())
    assert reason_in("en", str(refused.value)) == str(refused.value)
    assert reason_in("ru", "something new") == "something new"
