"""Signing in, and being signed out from elsewhere."""

from __future__ import annotations

from playwright.async_api import expect

from tests.page.browser import PASSWORD, Office, desk, needed
from tests.page.wire import wire_to

pytestmark = needed
TRIES = 10


async def test_wrong_passwords_are_slowed_down(office: Office) -> None:
    """A wrong password is told; after ten of them the page says how long to wait, and the right one waits too."""
    login = await office.hire("Анна Белова")
    # From an address of its own: the pause is the address's too.
    async with (
        wire_to(office.house.hub, source="127.0.0.2") as wire,
        desk(office.house.chromium, wire.url) as anna,
    ):
        page = anna.page
        await page.goto(f"{anna.url}/sign-in")
        alert = page.get_by_role("alert")
        submit = page.locator("button[type=submit]")
        await page.fill("input[name=login]", login)
        for number in range(TRIES + 1):
            await page.fill("input[name=password]", f"wrong {number}")
            async with page.expect_response("**/api/v1/session") as answered:
                await submit.click()
            assert (await answered.value).status == (401 if number < TRIES else 429)
            await expect(alert).to_contain_text("не подходит" if number < TRIES else "Слишком много")
            await expect(submit).to_be_enabled()
        anna.must_be_clean()


async def test_revoked_elsewhere(office: Office) -> None:
    """Ended from another browser, the page asks to sign in again; the draft is there afterwards, in the same place."""
    login = await office.hire("Анна Белова")
    async with office.desk(login) as anna:
        page = anna.page
        await office.sms.client_writes(office.client(), "Есть ли пироги?")
        await anna.row("Есть ли пироги?").click()
        await page.keyboard.press("r")
        await page.keyboard.type("Недописанный ответ")
        place = page.url
        async with office.desk(login) as elsewhere:
            ended = await elsewhere.page.evaluate(
                "fetch('/api/v1/sessions', { method: 'DELETE' }).then((r) => r.status)"
            )
            assert ended == 200
        await expect(page.locator("input[name=password]")).to_be_visible()
        assert await page.get_by_text("Недописанный ответ").count() == 0
        await page.fill("input[name=login]", login)
        await page.fill("input[name=password]", PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url(place)
        await expect(page.locator("textarea")).to_have_value("Недописанный ответ")
        await expect(page.get_by_role("log")).to_contain_text("Есть ли пироги?")
