"""The page while the hub is out of reach: it says so, keeps what is being written, and then misses nothing."""

from __future__ import annotations

import asyncio

from playwright.async_api import Page, expect

from tests.page.browser import Office, needed
from tests.page.wire import wire_to

pytestmark = needed
LOST = '[data-banner="lost"]'
MANY = 200

# The stream need not hold everything at once: it is read by scrolling from the end to the beginning.
READ_UP = """
async () => {
  const box = document.querySelector('[role="log"]')
  const rest = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  const said = []
  let still = 0
  for (box.scrollTop = box.scrollHeight; still < 60; ) {
    await rest()
    const rows = [...box.querySelectorAll('[data-interaction]')].map((one) => [one.dataset.interaction, one.querySelector('p[dir=auto]')?.textContent ?? ''])
    const known = new Set(said.map(([id]) => id))
    const fresh = rows.filter(([id]) => !known.has(id))
    if (new Set(rows.map(([id]) => id)).size !== rows.length) throw new Error('a row twice')
    said.unshift(...fresh)
    const before = box.scrollTop
    box.scrollTop -= box.clientHeight / 2
    still = before === 0 && !fresh.length ? still + 1 : 0
  }
  return said.map(([, text]) => text)
}
"""


async def texts_of(page: Page) -> list[str]:
    """Of the open conversation, in the order shown."""
    found: list[str] = await page.evaluate(READ_UP)
    return found


async def kept_by_hub(office: Office, text: str) -> None:
    """Until the newest message of the office's channel is this one."""
    async with asyncio.timeout(60):
        while True:
            page = await office.house.api.call("GET", f"/interactions?channel={office.channel_id}&limit=1&order=desc")
            if page["items"] and page["items"][0].get("text") == text:
                return
            await asyncio.sleep(0.1)


async def test_cut_while_two_hundred_messages_come(office: Office) -> None:
    """A banner; the draft stays; then all 200 are there, in order, none twice, and what was sent meanwhile went once."""
    first, second = office.client(), office.client()
    login = await office.hire("Анна Белова")
    async with wire_to(office.house.hub) as wire, office.desk(login, url=wire.url) as anna:
        page = anna.page
        await office.sms.client_writes(first, "Жду ответа")
        await office.sms.client_writes(second, "Сообщение 000")
        await anna.row("Сообщение").click()
        await page.keyboard.press("r")
        await page.keyboard.type("Начатый ответ")
        await anna.row("Жду ответа").click()
        await expect(page.get_by_role("log")).to_contain_text("Жду ответа")

        wire.cut()
        await expect(page.locator(LOST)).to_be_visible()
        await page.keyboard.press("r")
        await page.keyboard.type("Ответ без связи")
        await page.keyboard.press("Control+Enter")
        for number in range(1, MANY + 1):
            await office.sms.client_writes(second, f"Сообщение {number:03}")
        await office.sms.wait(lambda: office.sms.waiting == 0, 60)
        await kept_by_hub(office, f"Сообщение {MANY:03}")
        await expect(page.locator(LOST)).to_be_visible()

        wire.mend()
        await expect(page.locator(LOST)).to_have_count(0, timeout=40_000)
        await office.sms.wait(lambda: bool(office.sms.sent), 40)
        await expect(page.locator('[data-state="delivered"]')).to_be_visible(timeout=20_000)
        await anna.row("Сообщение").click()
        await expect(page.get_by_role("log")).to_contain_text(f"Сообщение {MANY:03}")
        assert await texts_of(page) == [f"Сообщение {number:03}" for number in range(MANY + 1)]
        assert await page.locator("textarea").input_value() == "Начатый ответ"
        assert [one.text for one in office.sms.sent] == ["Ответ без связи"]


async def test_hub_restarted(office: Office) -> None:
    """The hub itself goes and comes back: the same page goes on without a reload."""
    client = office.client()
    async with office.desk(await office.hire("Анна Белова")) as anna:
        page = anna.page
        await office.sms.client_writes(client, "Первое")
        await anna.row("Первое").click()
        await page.keyboard.press("r")
        await page.keyboard.type("Начатый ответ")
        hub = office.house.hub
        hub.process.terminate()
        await asyncio.wait_for(hub.process.wait(), 40)
        await expect(page.locator(LOST)).to_be_visible()
        await hub.start_again()
        for number in range(20):
            await office.sms.client_writes(client, f"Позже {number:02}")
        await expect(page.locator(LOST)).to_have_count(0, timeout=40_000)
        await expect(page.get_by_role("log")).to_contain_text("Позже 19")
        assert await texts_of(page) == ["Первое", *(f"Позже {number:02}" for number in range(20))]
        assert await page.locator("textarea").input_value() == "Начатый ответ"
