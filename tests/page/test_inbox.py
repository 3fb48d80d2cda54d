"""The inbox in a real browser at a real hub: signed in, a message comes, is answered, and its ticks arrive."""

from __future__ import annotations

from playwright.async_api import expect

from tests.page.browser import PHONE, Office, needed

pytestmark = needed


async def test_message_in_answered_and_ticked(office: Office) -> None:
    """A message is on the screen without a reload; the answer reaches the client and shows as delivered; all of it from our host."""
    client = office.client()
    async with office.desk(await office.hire("Анна Белова")) as anna:
        page = anna.page
        await expect(page.locator("[data-conversation]")).to_have_count(0)
        await office.sms.client_writes(client, "Есть ли пироги?")
        row = page.locator("[data-conversation]")
        await expect(row).to_contain_text("Есть ли пироги?")
        await row.click()
        await expect(page.get_by_role("log")).to_contain_text("Есть ли пироги?")
        await expect(page.get_by_role("complementary")).to_contain_text(f"+{client}")
        await page.keyboard.press("r")
        await page.keyboard.type("Есть, с капустой")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator('[data-state="delivered"]')).to_be_visible()
        assert [one.text for one in office.sms.sent] == ["Есть, с капустой"]
        await expect(page.locator("[data-interaction]")).to_have_count(2)
        await page.keyboard.press("Escape")
        await page.keyboard.press("e")
        await expect(row).to_have_count(0)
        anna.must_be_clean()


async def test_phone_and_english(office: Office) -> None:
    """On a phone the list and the conversation take turns; in English nothing is left in Russian; Back returns."""
    async with office.desk(await office.hire("Ann"), size=PHONE, language="en-US") as anna:
        page = anna.page
        await office.sms.client_writes(office.client(), "Hello")
        row = page.locator("[data-conversation]")
        await row.click()
        await expect(page.get_by_role("button", name="Back to the list")).to_be_visible()
        await expect(row).to_be_hidden()
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        await page.get_by_role("button", name="Back to the list").click()
        await expect(row).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        anna.must_be_clean()


async def test_keys_help_and_palette(office: Office) -> None:
    """`?` lists the keys, Ctrl+K finds a message by its words with the keyboard alone."""
    async with office.desk(await office.hire("Анна Белова")) as anna:
        page = anna.page
        await office.sms.client_writes(office.client(), "Пирог с вишней на субботу")
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
