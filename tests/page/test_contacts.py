"""Contacts in a real browser: doubles made one and two again, a table brought in, what a colleague changes, segments."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from playwright.async_api import Page, expect

from tests.e2e.hub import Hub, running
from tests.page.browser import DESKTOP, PASSWORD, PHONE, browser, desk, needed

pytestmark = needed
HOSTILE = "<img src=x onerror=alert(1)>\"'{{constructor.constructor('alert(1)')()}}\u202e" + "ж" * 200


class Office(NamedTuple):
    """A hub with a supervisor (anna) and an agent (boris). `people`: ids by login."""

    hub: Hub
    http: aiohttp.ClientSession
    people: dict[str, str]

    async def api(self, method: str, path: str, body: Any = None) -> Any:
        async with self.http.request(method, f"{self.hub.url}/api/v1{path}", json=body) as answer:
            found = await answer.json()
            assert answer.status < 300, found
            return found

    async def card(self, name: str, **fields: Any) -> str:
        made = await self.api("POST", "/contacts", {"name": name, "owner_id": self.people["anna"], **fields})
        return str(made["id"])


@asynccontextmanager
async def office() -> AsyncIterator[Office]:
    async with running() as hub:
        token = await hub.last_line("token", "create", "--name", "test", "--scope", "all")
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            found = Office(hub, http, {})
            for login, name, role in (("anna", "Анна Белова", "admin"), ("boris", "Борис Громов", "supervisor")):
                body = {"login": login, "name": name, "password": PASSWORD, "role": role}
                found.people[login] = (await found.api("POST", "/agents", body))["id"]
            yield found


async def must_fit(page: Page) -> None:
    """Nothing makes the page wider than its window."""
    width, window = await page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert width <= window


async def test_doubles_are_merged_side_by_side_and_taken_apart() -> None:
    """The chosen name and field win, the card that stays is on the screen, and one click brings both back with their own
    values and the suggestion.
    """
    async with office() as at, browser() as chromium, desk(chromium, at.hub.url) as anna:
        page = anna.page
        await at.api("POST", "/custom-fields", {"key": "inn", "label": "ИНН"})
        first = await at.card("Пётр", custom={"inn": "1"}, tags=["опт"])
        second = await at.card(
            "Пётр Ёлкин", custom={"inn": "2"}, identities=[{"kind": "email", "value": "petr@example.com"}]
        )
        async with at.http.post(
            f"{at.hub.url}/api/v1/contacts/{first}/identities", json={"kind": "email", "value": "petr@example.com"}
        ) as refused:
            assert refused.status == 409
        await anna.sign_in("anna")
        await page.goto(f"{at.hub.url}/contacts/{first}")
        await page.get_by_role("button", name="Сравнить с: Пётр Ёлкин").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("radio", name="Оставить эту").first.check()
        await dialog.get_by_role("radio", name="Имя: Пётр Ёлкин").check()
        await dialog.get_by_role("radio", name="ИНН: 1").check()
        await dialog.get_by_role("button", name="Объединить").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Пётр Ёлкин")
        await expect(page.locator("[data-section=addresses]")).to_contain_text("petr@example.com")
        await expect(page.locator("[data-section=facts]")).to_contain_text("ИНН")
        merged = await at.api("GET", f"/contacts/{second}")
        assert (merged["name"], merged["custom"]) == ("Пётр Ёлкин", {"inn": "1"})
        await page.get_by_role("button", name="Отменить").first.click()
        await expect(page.get_by_role("button", name="Сравнить с:")).to_be_visible()
        one, two = [await at.api("GET", f"/contacts/{card}") for card in (first, second)]
        assert {(card["name"], card["custom"]["inn"]) for card in (one, two)} == {("Пётр", "1"), ("Пётр Ёлкин", "2")}
        await page.goto(f"{at.hub.url}/contacts/doubles")
        await expect(page.locator("[data-double]")).to_have_count(1)
        anna.must_be_clean()


TABLE = "Клиент;Мобильный;Город;Дата рождения\r\nПётр Ёлкин;8 916 123-45-67;Тула;25.11.1990\r\n=СУММ(1);не телефон;;\r\nАнна;+7 916 000-00-00;Орёл;\r\n"


async def test_table_of_windows_is_brought_in(tmp_path: Path) -> None:
    """A CSV in Windows-1251 with semicolons: columns guessed with samples, one led to an own field, first rows shown as they
    would become, progress to the end, the refused row in a file with its reason in Russian.
    """
    async with office() as at, browser() as chromium, desk(chromium, at.hub.url) as anna:
        page = anna.page
        await at.api("POST", "/custom-fields", {"key": "city", "label": "Город доставки"})
        file = tmp_path / "клиенты.csv"
        await asyncio.to_thread(file.write_bytes, TABLE.encode("cp1251"))
        await anna.sign_in("anna")
        await page.goto(f"{at.hub.url}/contacts/import")
        await page.locator("input[type=file]").set_input_files(file)
        column = page.locator('[data-column="Город"]')
        await expect(column).to_contain_text("Тула · Орёл")
        await expect(page.locator('[data-column="Мобильный"]').get_by_role("combobox")).to_contain_text("Телефон")
        await column.get_by_role("combobox").click()
        await page.get_by_role("option", name="Город доставки").click()
        preview = page.locator("[data-preview]")
        await expect(preview).to_contain_text("Город доставки: Тула")
        await expect(preview.locator('[data-action="refuse"]')).to_contain_text("не телефон")
        await page.get_by_role("button", name="Загрузить 3 строки").click()
        await expect(page.locator('[data-state="done"]')).to_be_visible(timeout=60_000)
        await expect(page.locator('[data-count="made"]')).to_contain_text("2")
        async with page.expect_download() as coming:
            await page.get_by_role("link", name="Скачать 1 строку с ошибкой").click()
        text = (await asyncio.to_thread(Path(await (await coming.value).path()).read_bytes)).decode("utf-8-sig")
        assert "Причина" in text
        assert "'=СУММ(1)" in text
        made = await at.api("GET", "/contacts?q=Ёлкин")
        assert [(card["custom"], card["birthday"]) for card in made["items"]] == [({"city": "Тула"}, "1990-11-25")]
        anna.must_be_clean()


async def test_what_a_colleague_changes_is_seen_at_once() -> None:
    """A name, a tag and a task changed on one desk are on the other without a reload; an edit of an older card is told."""
    async with (
        office() as at,
        browser() as chromium,
        desk(chromium, at.hub.url) as anna,
        desk(chromium, at.hub.url) as boris,
    ):
        card = await at.card("Пётр")
        for one, login in ((anna, "anna"), (boris, "boris")):
            await one.sign_in(login)
            await one.page.goto(f"{at.hub.url}/contacts/{card}")
            await expect(one.page.get_by_role("heading", level=1)).to_have_text("Пётр")
        await anna.page.get_by_role("button", name="Имя: Пётр").click()
        await anna.page.keyboard.type("Пётр Ёлкин")
        await anna.page.keyboard.press("Enter")
        await expect(boris.page.get_by_role("heading", level=1)).to_have_text("Пётр Ёлкин")
        await boris.page.get_by_role("textbox", name="+ метка").fill("опт")
        await boris.page.keyboard.press("Enter")
        await expect(anna.page.get_by_role("button", name="Снять метку опт")).to_be_visible()
        await at.api(
            "POST", "/tasks", {"title": "Позвонить про торт", "contact_id": card, "assignee_id": at.people["anna"]}
        )
        for one in (anna, boris):
            await expect(one.page.locator("[data-section=tasks]")).to_contain_text("Позвонить про торт")
        await anna.page.get_by_role("button", name="Сделано: Позвонить про торт").click()
        await expect(boris.page.locator("[data-section=tasks]")).to_contain_text("Открытых задач нет")
        anna.must_be_clean()
        boris.must_be_clean()


async def test_segment_is_saved_and_counts() -> None:
    """Conditions saved under a name come back with one click, with the number of cards, which follows what happens."""
    async with office() as at, browser() as chromium, desk(chromium, at.hub.url) as anna:
        page = anna.page
        for name, tags in (("Анна", ["опт"]), ("Борис", ["опт"]), ("Вера", [])):
            await at.card(name, tags=tags)
        await anna.sign_in("anna")
        await page.goto(f"{at.hub.url}/contacts")
        await expect(page.locator("[data-contact]")).to_have_count(3)
        await page.get_by_role("button", name="Фильтры").click()
        await page.get_by_role("textbox", name="Метка").fill("опт")
        await expect(page.locator("[data-contact]")).to_have_count(2)
        await page.get_by_role("button", name="Сохранить как сегмент").click()
        await page.get_by_role("dialog").get_by_role("textbox").fill("Оптовики")
        await page.keyboard.press("Enter")
        segment = page.locator("[data-segment]")
        await expect(segment).to_have_text("Оптовики2")
        await page.get_by_role("button", name="Все 3").click()
        await expect(page.locator("[data-contact]")).to_have_count(3)
        await page.get_by_role("checkbox", name="Отметить: Вера").check()
        await page.get_by_role("toolbar").get_by_role("combobox", name="Метка").fill("опт")
        await page.get_by_role("button", name="Поставить метку").click()
        await expect(segment).to_have_text("Оптовики3")
        await segment.click()
        await expect(page.locator("[data-contact]")).to_have_count(3)
        async with page.expect_download() as coming:
            await page.get_by_role("button", name="Экспорт").click()
            await page.get_by_role("menuitem", name="CSV").first.click()
        text = (await asyncio.to_thread(Path(await (await coming.value).path()).read_bytes)).decode("utf-8-sig")
        assert sorted(line.split(";")[0] for line in text.splitlines()) == ["Анна", "Борис", "Вера", "ФИО"]
        anna.must_be_clean()


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
async def test_hostile_cards_do_nothing(size: tuple[int, int]) -> None:
    """Markup, templates and endless words in every field are shown as they are: nothing runs, nothing gets wider."""
    async with office() as at, browser() as chromium, desk(chromium, at.hub.url, size=size) as anna:
        page = anna.page
        alerts: list[str] = []
        page.on("dialog", lambda dialog: alerts.append(dialog.message))
        await at.api("POST", "/custom-fields", {"key": "note", "label": HOSTILE[:100]})
        address = [{"kind": "email", "value": f"{'a' * 60}@{'b' * 60}.example.com"}]
        company = await at.card(HOSTILE, kind="company")
        fields = {
            "custom": {"note": HOSTILE, "theirs<b>": {"a": HOSTILE}},
            "tags": [HOSTILE[:100]] * 2,
            "source": {"utm_source": HOSTILE},
        }
        card = await at.card(HOSTILE, company_id=company, identities=address, **fields)
        await at.api("POST", "/tasks", {"title": HOSTILE, "contact_id": card, "assignee_id": at.people["anna"]})
        await anna.sign_in("anna")
        beside = [f"/inbox?contact={card}"] if size == DESKTOP else []
        for path in ("/contacts", f"/contacts/{card}", f"/contacts/{company}", *beside):
            await page.goto(f"{at.hub.url}{path}")
            await expect(page.get_by_text("onerror").first).to_be_attached()
            await must_fit(page)
        assert alerts == []
        anna.must_be_clean()


async def test_person_is_erased_with_a_certificate() -> None:
    """Only once the word is typed; then the card is empty, and the certificate says how much it was and who demanded it."""
    async with office() as at, browser() as chromium, desk(chromium, at.hub.url) as anna:
        page = anna.page
        card = await at.card("Пётр Ёлкин", identities=[{"kind": "phone", "value": "+79161234567"}])
        await anna.sign_in("anna")
        await page.goto(f"{at.hub.url}/contacts/{card}")
        await page.get_by_role("button", name="Удалить данные").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Кто попросил").fill("обращение 17")
        await dialog.get_by_label("Основание").fill("отзыв согласия")
        await expect(dialog.get_by_role("button", name="Удалить навсегда")).to_be_disabled()
        await dialog.get_by_label("Вернуть будет нельзя").fill("Удалить")
        await dialog.get_by_role("button", name="Удалить навсегда").click()
        await expect(dialog).to_contain_text("Акт об удалении данных")
        await expect(dialog).to_contain_text("обращение 17")
        await expect(dialog).to_contain_text("Удаление завершено", timeout=60_000)
        await dialog.get_by_role("button", name="Готово").click()
        await expect(page.get_by_text("Данные этого человека удалены.")).to_be_visible()
        assert "Ёлкин" not in await page.inner_text("body")
        anna.must_be_clean()
