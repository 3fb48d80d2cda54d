"""The settings by hand, in a real browser at a real hub: what is set there is what then happens."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from simulator.smsc import SmscSimulator
from tests.page.browser import Office, needed

pytestmark = [*needed, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]
EVERY_CHANNEL = re.compile(r"/api/v1/channels\?")
LATIN = re.compile(r"[A-Za-z]{3,}")


async def _conversation_of(office: Office, words: str) -> dict[str, str]:
    """The newest conversation whose last message has these words, once it is there."""
    for _ in range(200):
        found = await office.house.api.call("GET", "/conversations?limit=200&order=desc")
        for one in found["items"]:
            if words in one.get("last_text", ""):
                return dict(one)
        await office.house.api.call("GET", "/presence/all")
    raise AssertionError(f"no conversation says {words}")


async def _fill(page: Page, fields: dict[str, str]) -> None:
    for label, value in fields.items():
        await page.get_by_role("dialog").get_by_label(label, exact=True).fill(value)


async def test_first_channel_from_nothing_to_its_first_message(office: Office) -> None:
    """An administrator chooses a provider, fills its form, tests it, takes the hook's address; the page waits for the first
    message, turns green as it comes, and leads to its conversation.
    """
    login = await office.hire("Матвей", "admin")
    async with SmscSimulator(backoff_s=0.05) as sms, office.desk(login) as root:
        page = root.page
        await page.route(EVERY_CHANNEL, lambda route: route.fulfill(json={"items": [], "next": None}))
        await page.goto(f"{root.url}/settings/channels")
        await expect(page.get_by_text("Подключите первый канал")).to_be_visible()
        await page.unroute(EVERY_CHANNEL)
        await page.get_by_role("button", name="Подключить канал").first.click()
        await page.get_by_role("button", name=re.compile("SMSC")).click()
        await expect(page.get_by_role("dialog")).to_contain_text("Что понадобится")
        values = {"Название": "Второй номер", "Логин": "demo", "Пароль": "demo", "Секрет": "hubsecret"}
        await _fill(page, values | {"Адрес API": sms.base_url})
        await page.get_by_role("button", name="Подключить", exact=True).click()
        await expect(page.locator('[data-first="waiting"]')).to_be_visible()
        await page.get_by_role("button", name="Проверить").click()
        await expect(page.get_by_role("status").filter(has_text="баланс")).to_be_visible()
        sms.hook = await page.get_by_label("Адрес приёма").input_value()
        await sms.client_writes(office.client(), "Есть ли ржаной?")
        await expect(page.locator('[data-first="came"]')).to_be_visible()
        await page.get_by_role("link", name="Открыть диалог").click()
        await expect(page.get_by_role("log")).to_contain_text("Есть ли ржаной?")
        root.must_be_clean()


async def test_absence_hands_the_work_over(office: Office) -> None:
    """A supervisor enters who is away and who stands in, sees how much is in hand, and the conversations are the deputy's."""
    for name in ("Анна Уехала", "Борис Остался"):
        await office.hire(name)
    anna, boris = office.staff
    await office.sms.client_writes(office.client(), "Торт к субботе, номер семь")
    talk = await _conversation_of(office, "номер семь")
    await office.house.api.call("POST", f"/conversations/{talk['id']}/assign", {"agent_id": anna})
    async with office.desk(await office.hire("Ольга", "supervisor")) as olga:
        page = olga.page
        await page.goto(f"{olga.url}/settings/absences")
        await page.get_by_role("button", name="Внести отсутствие").first.click()
        form = page.get_by_role("dialog")
        await form.get_by_label("Кто", exact=True).select_option(label="Анна Уехала")
        await expect(form).to_contain_text("1 диалог,")
        await form.get_by_label("Кто замещает").select_option(label="Борис Остался")
        await form.get_by_label("Причина").fill("больничный")
        await form.get_by_role("radio", name=re.compile("^Сейчас")).check()
        await form.get_by_role("button", name="Сохранить").click()
        row = page.locator("[data-absence]").filter(has_text="Анна Уехала")
        await expect(row).to_contain_text("замещает Борис Остался")
        now = await office.house.api.call("GET", f"/conversations/{talk['id']}")
        assert now["assignee_id"] == boris
        olga.must_be_clean()


async def test_rule_made_in_the_editor_routes_a_message(office: Office) -> None:
    """A rule for a word sends the next message with it to its queue, the tester says so before, and the card says why."""
    login = await office.hire("Матвей", "admin")
    name = f"Свадьбы {office.queue_id[-6:]}"
    queue = await office.house.api.call("POST", "/queues", {"name": name})
    async with office.desk(login) as root:
        page = root.page
        await page.goto(f"{root.url}/settings/rules")
        await page.get_by_role("button", name="Новое правило").first.click()
        form = page.get_by_role("dialog")
        await form.get_by_label("Название").fill(name)
        await form.get_by_label("Кому отдать").select_option(label=f"Очередь: {name}")
        await form.get_by_label("Слова в тексте").fill(f"каравай{queue['id'][-6:]}")
        await page.keyboard.press("Enter")
        await form.get_by_role("button", name="Сохранить").click()
        await expect(page.get_by_role("list", name="Правила маршрутизации")).to_contain_text(name)
        words = f"Нужен каравай{queue['id'][-6:]}"
        await page.get_by_label("Канал", exact=True).select_option(value=office.channel_id)
        await page.get_by_label("Текст сообщения").fill(words)
        await page.get_by_role("button", name="Проверить").click()
        await expect(page.get_by_role("status").filter(has_text=f"правило «{name}»: очередь «{name}»")).to_be_visible()
        await office.sms.client_writes(office.client(), words)
        talk = await _conversation_of(office, words)
        assert talk["queue_id"] == queue["id"]
        await page.goto(f"{root.url}/inbox/{talk['id']}")
        await expect(page.get_by_role("complementary")).to_contain_text(f"правило «{name}»: очередь «{name}»")
        root.must_be_clean()


async def test_refusal_is_told_in_the_readers_language(office: Office) -> None:
    """A login that is taken: what happened, what was kept and what to do, in Russian alone; in English for who reads English."""
    login = await office.hire("Матвей", "admin")
    for language, said in (("ru-RU", "Такой логин уже есть"), ("en-US", "This login is taken")):
        async with office.desk(login, language=language) as root:
            page = root.page
            await page.goto(f"{root.url}/settings/agents")
            await page.get_by_role("list").get_by_text(login).wait_for()
            await page.keyboard.press("c")
            form = page.get_by_role("dialog")
            await form.locator("input").nth(0).fill("Ещё один")
            await form.locator("input").nth(1).fill(login)
            await form.get_by_role("button", name=re.compile("^(Сохранить|Save)$")).click()
            toast = page.locator("li").filter(has=page.get_by_text(said, exact=True))
            await expect(toast.first).to_be_visible()
            if language == "ru-RU":
                assert not LATIN.search((await toast.first.inner_text()).replace(login, ""))
