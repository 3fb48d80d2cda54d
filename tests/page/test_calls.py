"""Calls in a real browser: the card pops as the phone rings, notes and outcomes are kept, missed calls are called back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest_asyncio
from playwright.async_api import Page, expect

from simulator.mango import MangoSimulator
from tests.e2e.hub import running
from tests.page.browser import Office, browser, desk, needed

pytestmark = needed
KEY, SALT = "hubtestvpbxkey00000000000000000a", "hubtestvpbxsalt0000000000000000b"
LINE = "78162500100"


@dataclass
class Exchange:
    """A PBX of the office, with its people's phones."""

    office: Office
    sim: MangoSimulator
    channel_id: str

    async def phone(self, login: str, extension: str) -> str:
        """Returns the agent's id."""
        api = self.office.house.api
        agents = (await api.call("GET", "/agents?limit=200"))["items"]
        agent = next(one for one in agents if one["login"] == login)
        await api.call("PUT", f"/agents/{agent['id']}/extensions/{self.channel_id}", {"extension": extension})
        return str(agent["id"])

    async def client(self, name: str, phone: str, owner: str) -> str:
        identity = {"kind": "phone", "value": f"+{phone}"}
        body: dict[str, Any] = {"name": name, "owner_id": owner, "identities": [identity]}
        return str((await self.office.house.api.call("POST", "/contacts", body))["id"])


@asynccontextmanager
async def exchange_of(office: Office) -> AsyncIterator[Exchange]:
    async with MangoSimulator(KEY, SALT) as sim:
        values = {"api_key": KEY, "api_salt": SALT, "base_url": sim.base_url, "route_calls": False}
        body = {"connector": "mango", "name": "Телефон", "settings": values, "queue_id": office.queue_id}
        channel = await office.house.api.call("POST", "/channels", body)
        sim.hook = channel["hook_url"]
        yield Exchange(office, sim, channel["id"])
        await office.house.api.call("PATCH", f"/channels/{channel['id']}", {"state": "paused"})


@pytest_asyncio.fixture(loop_scope="module")
async def pbx(office: Office) -> AsyncIterator[Exchange]:
    async with exchange_of(office) as found:
        yield found


def stage(page: Page, name: str) -> str:
    return f'[data-pop][data-stage="{name}"]'


async def test_from_the_ringing_to_the_history(pbx: Exchange) -> None:
    """It rings: the right name at once, without the focus; a note, more time, an outcome by its key; all of it is in the
    journal of calls and on the card.
    """
    login, number = await pbx.office.hire("Анна Белова"), pbx.office.client()
    await pbx.office.house.api.call("POST", "/dispositions", {"object": "call", "name": "заказ принят"})
    agent = await pbx.phone(login, "101")
    card = await pbx.client("Жанна Шилова", number, agent)
    async with pbx.office.desk(login) as anna:
        page = anna.page
        await expect(page.get_by_role("navigation").first).to_be_visible()
        focused = await page.evaluate("document.activeElement?.tagName")
        script = pbx.sim.script(number, LINE)
        leg = script.rings("101")
        await pbx.sim.play(script)
        pop = page.locator("[data-pop]")
        await expect(page.locator(stage(page, "ringing"))).to_contain_text("Жанна Шилова")
        assert await page.evaluate("document.activeElement?.tagName") == focused
        assert "Жанна Шилова" in await page.title()
        script.now_s += 4
        script.talks(leg, "101")
        await pbx.sim.play(script)
        await expect(page.locator(stage(page, "talking"))).to_be_visible()
        await page.keyboard.press("p")
        await page.keyboard.type("Звонить после 18:00")
        await page.keyboard.press("Control+Enter")
        await expect(pop.locator("textarea")).to_have_value("")
        script.now_s += 20
        script.ends(leg, "101", 1110)
        script.summary(extension="101", talked_at=4.0)
        await pbx.sim.play(script)
        await expect(page.locator(stage(page, "finished"))).to_be_visible()
        await page.get_by_role("button", name="Ещё минуту").click()
        await expect(page.locator("[data-wrap-up]")).to_contain_text("1:")
        await page.keyboard.press("1")
        await expect(pop).to_have_count(0)
        await page.goto(f"{anna.url}/calls")
        row = page.locator("[data-call]").filter(has_text="Жанна Шилова")
        await expect(row).to_contain_text("заказ принят")
        await page.goto(f"{anna.url}/contacts/{card}")
        await expect(page.locator("#main")).to_contain_text("Звонить после 18:00")
        anna.must_be_clean()


async def test_a_missed_call_is_called_back(pbx: Exchange) -> None:
    """It becomes the owner's task and waits in the list; one click calls, and once he talks nothing is left to do."""
    login, number = await pbx.office.hire("Борис Громов"), pbx.office.client()
    agent = await pbx.phone(login, "102")
    await pbx.client("Мария Орлова", number, agent)
    async with pbx.office.desk(login) as boris:
        page = boris.page
        await pbx.sim.missed(number, ["102"], line=LINE)
        await expect(page.locator(stage(page, "missed"))).to_contain_text("Мария Орлова")
        await page.goto(f"{boris.url}/tasks")
        task = page.get_by_text("Перезвонить: Мария Орлова").first
        await expect(task).to_be_visible()
        await page.goto(f"{boris.url}/calls?view=back")
        row = page.locator("[data-call]").filter(has_text="Мария Орлова")
        await row.get_by_role("button", name="Перезвонить").click()
        await expect(row).to_have_count(0)
        assert any(one.path == "/commands/callback" for one in pbx.sim.commands)
        await page.goto(f"{boris.url}/tasks")
        await expect(page.get_by_role("heading").first).to_be_visible()
        await expect(page.get_by_text("Перезвонить: Мария Орлова")).to_have_count(0)
        boris.must_be_clean()


async def test_two_calls_and_who_was_quicker(pbx: Exchange) -> None:
    """Two calls ring at once: the newest is open, the other a line, neither hides the other; what a colleague takes goes
    away and says who has it.
    """
    first, second = await pbx.office.hire("Вера Соколова"), await pbx.office.hire("Глеб Зимин")
    await pbx.phone(first, "201")
    await pbx.phone(second, "202")
    one, two = pbx.office.client(), pbx.office.client()
    async with pbx.office.desk(first) as vera:
        page = vera.page
        await expect(page.get_by_role("navigation").first).to_be_visible()
        shared, own = pbx.sim.script(one, LINE), pbx.sim.script(two, LINE)
        shared.rings("201")
        leg = shared.rings("202")
        own.rings("201")
        begun = time.monotonic()
        await pbx.sim.play(shared)
        await pbx.sim.play(own)
        await expect(page.locator(stage(page, "ringing"))).to_have_count(2)
        assert time.monotonic() - begun < 10
        await expect(page.locator("[data-pop] textarea")).to_have_count(1)
        shared.talks(leg, "202")
        await pbx.sim.play(shared)
        taken = page.locator(stage(page, "taken"))
        await expect(taken).to_contain_text("Глеб Зимин")
        await expect(taken).to_have_count(0)
        await expect(page.locator(stage(page, "ringing"))).to_have_count(1)
        vera.must_be_clean()


async def test_the_operators_guide_by_real_deeds() -> None:
    """In the demo: each step ticks by doing it, until all are done; the guide is put away and brought back."""
    async with running(DEMO="1") as hub, browser() as chromium, desk(chromium, hub) as visitor:
        page = visitor.page
        await page.goto(f"{hub.url}/")
        await page.locator('[data-role="agent"]').click(timeout=60_000)
        await page.wait_for_url("**/inbox")
        bar = page.locator('[data-tour="bar"]')
        await expect(bar).to_contain_text("Откройте обращение")
        await page.locator("[data-conversation]").first.click()
        await expect(bar).to_contain_text("Ответьте клиенту")
        await page.locator("#main form textarea").first.fill("Добрый день! Сейчас уточню.")
        await page.keyboard.press("Control+Enter")
        await expect(bar).to_contain_text("Примите звонок", timeout=40_000)
        await page.get_by_role("button", name="Ответить (демо)").click(timeout=90_000)
        await expect(bar).to_contain_text("Запишите главное")
        await page.locator("[data-pop] textarea").fill("Просит открытку")
        await page.locator("[data-pop] textarea").press("Control+Enter")
        await expect(bar).to_contain_text("Выберите итог")
        await page.get_by_role("button", name="Положить трубку (демо)").click()
        await page.locator('[data-pop][data-stage="finished"]').get_by_role("button", name="консультация").click()
        await expect(bar).to_contain_text("Найдите звонок")
        await page.locator('nav:visible a[href="/calls"]').first.click()
        await expect(bar).to_contain_text("Готово")
        await bar.get_by_role("button", name="Скрыть подсказки").click()
        await expect(bar).to_have_count(0)
        await page.reload()
        await page.get_by_role("button", name="Показать подсказки").click()
        await expect(bar).to_contain_text("7 / 7")
        visitor.must_be_clean()
