"""The inbox in a real browser at a real hub: signed in, a message comes, is answered, and its ticks arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
import pytest
from playwright.async_api import expect

from simulator.smsc import SmscSimulator
from tests.e2e.hub import Hub, running
from tests.page.browser import PASSWORD, browser, desk, needed

pytestmark = [*needed, pytest.mark.timeout(180)]
CLIENT = "79161234567"


class Office(NamedTuple):
    """A hub with one SMS channel and one agent, login anna."""

    hub: Hub
    sms: SmscSimulator


@asynccontextmanager
async def office() -> AsyncIterator[Office]:
    async with SmscSimulator(backoff_s=0.05) as sms, running() as hub:
        token = await hub.last_line("token", "create", "--name", "test", "--scope", "all")
        settings = ["login=demo", "psw=demo", "secret=hubsecret", f"base_url={sms.base_url}"]
        sms.hook = await hub.last_line("channel", "add", "smsc", "--name", "SMS", "--set", *settings)
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            agent = {"login": "anna", "name": "Анна Белова", "password": PASSWORD, "role": "supervisor"}
            async with http.post(f"{hub.url}/api/v1/agents", json=agent) as answer:
                assert answer.status == 201, await answer.text()
        yield Office(hub, sms)


async def test_message_in_answered_and_ticked() -> None:
    """A message is on the screen without a reload; the answer reaches the client and shows as delivered; all of it from our host."""
    async with office() as (hub, sms), browser() as chromium, desk(chromium, hub) as anna:
        page = anna.page
        await anna.sign_in("anna")
        await expect(page.get_by_text("Диалогов нет")).to_be_visible()
        await sms.client_writes(CLIENT, "Есть ли пироги?")
        row = page.locator("[data-conversation]")
        await expect(row).to_contain_text("Есть ли пироги?")
        await row.click()
        await expect(page.get_by_role("log")).to_contain_text("Есть ли пироги?")
        await expect(page.get_by_role("complementary")).to_contain_text("+79161234567")
        await page.keyboard.press("r")
        await page.keyboard.type("Есть, с капустой")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator('[data-state="delivered"]')).to_be_visible()
        assert [one.text for one in sms.sent] == ["Есть, с капустой"]
        await expect(page.locator("[data-interaction]")).to_have_count(2)
        await page.keyboard.press("Escape")
        await page.keyboard.press("e")
        await expect(row).to_have_count(0)
        anna.must_be_clean()


async def test_connection_lost_and_caught_up() -> None:
    """Cut off, the page says so; what came meanwhile is there in order once the connection is back, and the draft was kept."""
    async with office() as (hub, sms), browser() as chromium, desk(chromium, hub) as anna:
        page = anna.page
        await anna.sign_in("anna")
        await sms.client_writes(CLIENT, "Первое")
        await page.locator("[data-conversation]").click()
        await page.keyboard.press("r")
        await page.keyboard.type("Начатый ответ")
        hub.process.terminate()
        await asyncio.wait_for(hub.process.wait(), 40)
        await expect(page.locator('[data-banner="lost"]')).to_be_visible()
        await hub.start_again()
        for number in range(20):
            await sms.client_writes(CLIENT, f"Позже {number:02}")
        await expect(page.locator('[data-banner="lost"]')).to_have_count(0, timeout=30_000)
        await expect(page.locator("[data-interaction]")).to_have_count(21)
        said = await page.locator("[data-interaction] p[dir=auto]").all_inner_texts()
        assert said == ["Первое", *(f"Позже {number:02}" for number in range(20))]
        assert await page.locator("textarea").input_value() == "Начатый ответ"


async def test_phone_and_english() -> None:
    """On a phone the list and the conversation take turns; in English nothing is left in Russian; Back returns."""
    async with (
        office() as (hub, sms),
        browser() as chromium,
        desk(chromium, hub, size=(390, 844), language="en-US") as anna,
    ):
        page = anna.page
        await anna.sign_in("anna")
        await sms.client_writes(CLIENT, "Hello")
        row = page.locator("[data-conversation]")
        await row.click()
        await expect(page.get_by_role("button", name="Back to the list")).to_be_visible()
        await expect(row).to_be_hidden()
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390
        words = await page.inner_text("body")
        assert not set(words) & set("абвгдежзиклмнопрстуфхцчшщыьэюя"), words
        await page.get_by_role("button", name="Back to the list").click()
        await expect(row).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
        anna.must_be_clean()


async def test_keys_help_and_palette() -> None:
    """`?` lists the keys, Ctrl+K finds a client by name with the keyboard alone, also with the Russian layout on."""
    async with office() as (hub, sms), browser() as chromium, desk(chromium, hub) as anna:
        page = anna.page
        await anna.sign_in("anna")
        await sms.client_writes(CLIENT, "Пирог с вишней на субботу")
        await expect(page.locator("[data-conversation]")).to_have_count(1)
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_contain_text("Следующий диалог")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await page.keyboard.press("Control+k")
        await expect(page.get_by_role("combobox")).to_be_focused()
        await page.keyboard.type("вишней")
        await expect(page.get_by_role("option").first).to_contain_text("Пирог с вишней")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("log")).to_contain_text("Пирог с вишней на субботу")
        anna.must_be_clean()
