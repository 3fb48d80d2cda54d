"""Work beside answering, in a real browser: tasks moved in the calendar, news told while nobody looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from tests.page.browser import Office, needed

pytestmark = [*needed, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]


async def _seem(page: Page, state: str) -> None:
    """As when another tab is shown, or this one again: a headless browser has nobody to switch."""
    await page.evaluate(
        "state => { Object.defineProperty(document, 'visibilityState', { get: () => state, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')) }",
        state,
    )


async def test_task_is_moved_by_dragging(office: Office) -> None:
    """Dropped on another day of the week it is due then, at the same hour; the hub knows, and so does the list."""
    login = await office.hire("Вера")
    (vera,) = office.staff
    # In the middle of a week, so that the day after is shown with it.
    monday = datetime.now(UTC).date() - timedelta(days=datetime.now(UTC).weekday())
    due = datetime(monday.year, monday.month, monday.day, 12, tzinfo=UTC) + timedelta(days=2)
    body = {"title": "Отвезти каравай", "assignee_id": vera, "due_at": due.isoformat()}
    task = await office.house.api.call("POST", "/tasks", body)
    async with office.desk(login) as desk:
        page = desk.page
        await page.goto(f"{desk.url}/tasks")
        await page.get_by_role("button", name="Неделя").click()
        one = page.locator(f'[data-task="{task["id"]}"]')
        days = page.get_by_role("list").locator("> li")
        await expect(days.nth(2)).to_contain_text("Отвезти каравай")
        async with page.expect_response(lambda answer: answer.request.method == "PATCH"):
            await one.drag_to(days.nth(4))
        await expect(days.nth(4)).to_contain_text("Отвезти каравай")
        await expect(days.nth(2)).not_to_contain_text("Отвезти каравай")
        kept = await office.house.api.call("GET", f"/tasks/{task['id']}")
        assert datetime.fromisoformat(kept["due_at"]) == due + timedelta(days=2)
        desk.must_be_clean()


async def test_title_tells_of_news_while_nobody_looks(office: Office) -> None:
    """A message in one's own conversation, and a note that names one, count in the tab's title until the page is seen."""
    login = await office.hire("Анна")
    client = office.client()
    async with office.desk(login) as desk:
        page = desk.page
        await office.sms.client_writes(client, "Первое письмо")
        await desk.row("Первое письмо").click()
        await page.get_by_role("log").get_by_text("Первое письмо").wait_for()
        talk = page.url.rsplit("/", 1)[1].partition("?")[0]
        await office.house.api.call("POST", f"/conversations/{talk}/assign", {"agent_id": office.staff[0]})
        await _seem(page, "hidden")
        await office.sms.client_writes(client, "Вы ещё открыты?")
        await expect(page).to_have_title("(1) Switchboard")
        note = {"kind": "note", "text": "Ответь ему", "mentions": office.staff}
        await office.house.api.call("POST", f"/conversations/{talk}/messages", note)
        await expect(page).to_have_title("(2) Switchboard")
        await _seem(page, "visible")
        await expect(page).to_have_title("Switchboard")
        desk.must_be_clean()
