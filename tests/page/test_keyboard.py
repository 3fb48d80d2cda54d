"""A working day without a mouse."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.page.browser import PASSWORD, Office, desk, needed

pytestmark = needed
FOCUS = """
() => {
  const one = document.activeElement
  if (!one || one === document.body) return ''
  const style = getComputedStyle(one)
  const ringed = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0
  const shadowed = style.boxShadow !== 'none' && !/^rgba\\(0, 0, 0, 0\\)( 0px){4}$/.test(style.boxShadow)
  const box = one.getBoundingClientRect()
  if (!box.width || !box.height) return 'hidden: ' + one.outerHTML.slice(0, 120)
  return ringed || shadowed ? '' : 'no ring: ' + one.outerHTML.slice(0, 160)
}
"""


async def focus_is_seen(page: Page) -> None:
    """Where the keyboard is can be seen; past the last stop it is in the browser's own bar."""
    assert await page.evaluate(FOCUS) == ""


async def tab_to(page: Page, wanted: str, *, back: bool = False) -> None:
    """Tab, as often as it takes; the focus is seen at every stop."""
    for _ in range(80):
        await page.keyboard.press("Shift+Tab" if back else "Tab")
        await focus_is_seen(page)
        if await page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"Tab does not reach {wanted}")


async def test_a_day_without_a_mouse(office: Office) -> None:
    """Sign in, open, answer, note, tag, resolve, next; where the keyboard is can be seen all along."""
    login = await office.hire("Анна Белова")
    async with desk(office.house.chromium, office.house.hub.url) as anna:
        page = anna.page
        await page.goto(f"{anna.url}/")
        await expect(page.locator("input[name=login]")).to_be_focused()
        await focus_is_seen(page)
        await page.keyboard.type(login)
        await page.keyboard.press("Tab")
        await expect(page.locator("input[name=password]")).to_be_focused()
        await focus_is_seen(page)
        await page.keyboard.type(PASSWORD)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/inbox")

        await office.sms.client_writes(office.client(), "Первый вопрос")
        await expect(anna.row("Первый вопрос")).to_be_visible()
        await office.sms.client_writes(office.client(), "Второй вопрос")
        await expect(anna.row("Второй вопрос")).to_be_visible()
        await page.keyboard.press("j")
        await expect(page.get_by_role("log")).to_contain_text("Второй вопрос")
        await page.keyboard.press("r")
        await focus_is_seen(page)
        await page.keyboard.type("Ответ")
        await page.keyboard.press("Control+Enter")
        await page.keyboard.press("Escape")
        await page.keyboard.press("n")
        await focus_is_seen(page)
        await page.keyboard.type("Заметка для своих")
        await page.keyboard.press("Control+Enter")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("log")).to_contain_text("Заметка для своих")
        await office.sms.wait(lambda: bool(office.sms.sent), 30)
        assert [one.text for one in office.sms.sent] == ["Ответ"]
        await page.keyboard.press("e")
        await expect(page.locator("[data-conversation]")).to_have_count(1)
        await page.keyboard.press("j")
        await expect(page.get_by_role("log")).to_contain_text("Первый вопрос")
        anna.must_be_clean()


async def test_tab_walks_the_page(office: Office) -> None:
    """Tab comes from the list through the conversation to the card, in that order, and always shows where it is."""
    async with office.desk(await office.hire("Анна Белова")) as anna:
        page = anna.page
        await office.sms.client_writes(office.client(), "Вопрос")
        await expect(anna.row("Вопрос")).to_be_visible()
        await tab_to(page, "[data-conversation]")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("log")).to_contain_text("Вопрос")
        await tab_to(page, "[role=log]")
        await tab_to(page, "textarea")
        await tab_to(page, "aside *")
