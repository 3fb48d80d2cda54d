"""Conversations between colleagues: handed over, put off, closed, many at once, looked at by two."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from typing import Any

from playwright.async_api import expect

from simulator.email import Imap, imap_server
from tests.page.browser import Desk, Office, needed

pytestmark = needed
PICTURE = "https://spy.example/open.gif"


async def opened(office: Office, desk: Desk, words: str) -> str:
    """A new client's message, on the screen of whoever got it; the conversation's id."""
    await office.sms.client_writes(office.client(), words)
    await desk.row(words).click()
    await expect(desk.page.get_by_role("log")).to_contain_text(words)
    return desk.page.url.rpartition("/")[2]


async def test_offered_returned_and_accepted(office: Office) -> None:
    """With a reason it is offered by keys alone; the colleague sees why and returns it with a word, then accepts: his now."""
    anna, semyon = await office.hire("Анна Белова"), await office.hire("Семён Рыбин")
    async with office.desk(anna) as hers:
        talk = await opened(office, hers, "Передайте кондитеру")
        async with office.desk(semyon) as his:
            await his.page.reload()
            await _offer(hers, "Нужен кондитер")
            await expect(hers.page.locator("[data-transfer]")).to_contain_text("Семён Рыбин")
            offer = his.page.locator(f"[data-offer='{talk}']")
            await expect(offer).to_contain_text("Анна Белова передаёт вам диалог: Нужен кондитер")
            await offer.get_by_role("button").first.click()
            banner = his.page.locator("[data-transfer]")
            await banner.get_by_role("button", name="Вернуть").click()
            await his.page.keyboard.type("Я на доставке")
            await his.page.keyboard.press("Enter")
            await expect(banner).to_have_count(0)
            await expect(hers.page.locator("[data-transfer]")).to_have_count(0)
            await _offer(hers, "Теперь точно")
            await his.page.locator(f"[data-offer='{talk}']").get_by_role("button", name="Принять").click()
            await expect(his.row("Передайте кондитеру")).to_contain_text("Семён Рыбин")
            await expect(hers.page.locator("header", has_text="Семён Рыбин")).to_be_visible()
            history = await office.house.api.call("GET", f"/conversations/{talk}/history")
            assert [one["what"] for one in history["items"]][-5:-1] == ["offered", "returned", "offered", "accepted"]
            hers.must_be_clean()
            his.must_be_clean()


async def _offer(desk: Desk, reason: str) -> None:
    await desk.page.keyboard.press("t")
    await expect(desk.page.get_by_role("option", name="Семён Рыбин").first).to_be_visible()
    await desk.page.get_by_role("combobox").fill("Сем")
    await desk.page.keyboard.press("Enter")
    await expect(desk.page.get_by_label("Причина")).to_be_focused()
    await desk.page.get_by_label("Причина").fill(reason)
    await desk.page.keyboard.press("Control+Enter")
    await expect(desk.page.get_by_role("dialog")).to_have_count(0)


async def test_put_off_closed_with_an_outcome_and_undone(office: Office) -> None:
    """Keys put it off and bring it back; closing asks for one of the company's outcomes, by a digit; undo opens it again."""
    api = office.house.api
    outcomes = [
        await api.call("POST", "/dispositions", {"object": "conversation", "name": n}) for n in ("Заказ", "Спам")
    ]
    try:
        async with office.desk(await office.hire("Анна Белова")) as anna:
            page = anna.page
            talk = await opened(office, anna, "Позвоните завтра")
            await page.keyboard.press("s")
            await expect(page.get_by_role("option", name="Завтра утром")).to_be_visible()
            await page.keyboard.press("1")
            await expect(page.get_by_text("Диалог отложен", exact=True)).to_be_visible()
            await expect(anna.row("Позвоните завтра")).to_have_count(0)
            assert (await api.call("GET", f"/conversations/{talk}"))["status"] == "snoozed"
            await page.get_by_role("button", name="Отменить").click()
            await expect(anna.row("Позвоните завтра")).to_have_count(1)
            await page.keyboard.press("e")
            await expect(page.get_by_role("option", name="Заказ")).to_be_visible()
            await page.keyboard.press("1")
            await expect(page.get_by_text("Диалог завершён", exact=True)).to_be_visible()
            await expect(anna.row("Позвоните завтра")).to_have_count(0)
            closed = await api.call("GET", f"/conversations/{talk}")
            assert (closed["status"], closed["disposition"]) == ("resolved", "Заказ")
            await expect(page.locator("header", has_text="завершён: Заказ")).to_be_visible()
            await page.keyboard.press("e")
            await expect(anna.row("Позвоните завтра")).to_have_count(1)
            anna.must_be_clean()
    finally:
        for one in outcomes:
            await api.call("DELETE", f"/dispositions/{one['id']}")


async def test_many_at_once(office: Office) -> None:
    """Chosen with Shift, three are tagged at once; of three to be handed over the one that can't be is told by its name."""
    api = office.house.api
    await office.hire("Глеб Титов")
    async with office.desk(await office.hire("Анна Белова")) as anna:
        page = anna.page
        for n in range(3):
            await office.sms.client_writes(office.client(), f"Вопрос {n}")
            await expect(anna.row(f"Вопрос {n}")).to_be_visible()
        await anna.row("Вопрос 2").hover()
        boxes = page.locator("[data-list] input[type=checkbox]")
        await boxes.nth(0).click()
        await boxes.nth(2).click(modifiers=["Shift"])
        await expect(page.get_by_role("toolbar")).to_contain_text("3")
        await page.keyboard.press("l")
        await page.get_by_role("combobox").fill("акция")
        await page.keyboard.press("Enter")
        for n in range(3):
            await expect(anna.row(f"Вопрос {n}")).to_contain_text("акция")
        await expect(page.get_by_role("toolbar")).to_have_count(0)
        await boxes.nth(0).click()
        await boxes.nth(2).click(modifiers=["Shift"])
        gone = await anna.row("Вопрос 1").get_attribute("data-conversation")
        name = (await api.call("GET", f"/conversations/{gone}"))["contact_name"]
        await page.keyboard.press("a")
        await expect(page.get_by_role("option", name="Глеб Титов").first).to_be_visible()
        await api.call("PATCH", f"/conversations/{gone}", {"status": "resolved"})
        await page.get_by_role("combobox").fill("Глеб")
        await page.keyboard.press("Enter")
        told = page.get_by_text("Не удалось: 1 диалог").locator("xpath=ancestor::li[1]")
        await expect(told).to_contain_text(name or "Без имени")
        await expect(anna.row("Вопрос 0")).to_have_count(0)
        await page.get_by_role("button", name="Все", exact=False).first.click()
        await expect(anna.row("Вопрос 0")).to_contain_text("Глеб Титов")
        anna.must_be_clean()


async def test_two_in_one_conversation(office: Office) -> None:
    """Who looks on and who types is seen by the colleague, in his list and above his composer, and vanishes as he goes."""
    anna, boris = await office.hire("Анна Белова"), await office.hire("Борис Громов")
    async with office.desk(anna) as hers:
        talk = await opened(office, hers, "Есть ли эклеры?")
        async with office.desk(boris) as his:
            await his.page.goto(f"{his.url}/inbox/{talk}")
            notice = hers.page.locator("[data-collision]")
            await expect(notice).to_contain_text("Смотрят: Борис Громов")
            await his.page.keyboard.press("r")
            await his.page.keyboard.type("Эклеры есть")
            await expect(notice).to_contain_text("Сейчас пишут: Борис Громов")
            await expect(hers.page.locator("[data-typing]")).to_have_text("Борис пишет…")
            await his.page.goto(f"{his.url}/tasks")
            await expect(notice).to_have_count(0)
            hers.must_be_clean()


async def test_a_view_of_ones_own(office: Office) -> None:
    """Filters saved under a name are a view with a count that lives; it is there after a reload, and can be removed."""
    async with office.desk(await office.hire("Анна Белова")) as anna:
        page = anna.page
        await office.sms.client_writes(office.client(), "Торт на юбилей")
        await expect(anna.row("Торт на юбилей")).to_be_visible()
        await page.get_by_role("button", name="Фильтр списка").click()
        await page.get_by_placeholder("Имя, тема, последнее сообщение").fill("торт")
        await page.keyboard.press("Enter")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Сохранить вид").click()
        await page.get_by_label("Название вида").fill("Про торты")
        await page.keyboard.press("Enter")
        view = page.get_by_title("Вид: Про торты")
        await expect(view).to_contain_text("1")
        await office.sms.client_writes(office.client(), "Хочу торт")
        await expect(view).to_contain_text("2")
        await office.sms.client_writes(office.client(), "Хочу пирог")
        await page.reload()
        await expect(view).to_contain_text("2")
        await expect(page.locator("[data-conversation]")).to_have_count(2)
        await view.click()
        await page.get_by_role("button", name="Изменить вид Про торты").click()
        await page.get_by_role("button", name="Убрать").click()
        await expect(page.locator("[data-conversation]")).to_have_count(3)
        anna.must_be_clean()


async def test_a_found_message_far_back_is_shown_in_its_place(office: Office) -> None:
    """A search hit opens the conversation at it, marked, though two hundred came since; from there one gets to the newest."""
    async with office.desk(await office.hire("Анна Белова")) as anna:
        page, client = anna.page, office.client()
        await office.sms.client_writes(client, "Синхрофазотрон из марципана")
        for n in range(130):
            await office.sms.client_writes(client, f"Дальше {n:03}")
        await expect(anna.row("Дальше 129")).to_be_visible(timeout=30_000)
        await page.keyboard.press("Control+k")
        await page.keyboard.type("синхрофазотрон")
        await page.get_by_role("option").filter(has_text="Искать").click()
        hit = page.locator("[data-hit]").filter(has_text="марципана")
        await expect(hit.locator("mark")).to_have_text("Синхрофазотрон")
        await hit.get_by_role("link").click()
        await expect(page.locator("[data-interaction]").filter(has_text="Синхрофазотрон")).to_be_in_viewport()
        await page.get_by_role("button", name="К новым").click()
        await expect(page.locator("[data-interaction]").filter(has_text="Дальше 129")).to_be_in_viewport()
        await page.goto(f"{anna.url}/inbox")
        await anna.row("Дальше 129").click()
        await expect(page.locator("[data-interaction]").filter(has_text="Дальше 129")).to_be_in_viewport()
        await page.get_by_role("log").hover()
        first = page.locator("[data-interaction]").filter(has_text="Синхрофазотрон")
        async with asyncio.timeout(30):
            while await first.count() == 0:
                await page.mouse.wheel(0, -800)
        said = await page.locator("[data-interaction] p[dir=auto]").all_text_contents()
        assert said == ["Синхрофазотрон из марципана", *(f"Дальше {n:03}" for n in range(130))]
        anna.must_be_clean()


async def test_mail_as_it_looks(office: Office) -> None:
    """A mail's tables and words are there in a frame without scripts; a foreign picture is asked for only when wanted."""
    imap = Imap(user="shop@example.com")
    async with imap_server(imap):
        await office.house.api.call("POST", "/channels", _mailbox(imap, office.queue_id))
        async with office.desk(await office.hire("Анна Белова")) as anna:
            page = anna.page
            await imap.until("IDLE", timeout_s=30)
            imap.deliver(_letter())
            await page.locator("[data-conversation]").first.click(timeout=30_000)
            frame = page.frame_locator("[data-mail]")
            await expect(frame.locator("td").first).to_have_text("Эклер")
            assert await page.locator("[data-mail]").get_attribute("sandbox") == (
                "allow-same-origin allow-popups allow-popups-to-escape-sandbox"
            )
            await expect(frame.locator("blockquote")).to_be_hidden()
            await frame.locator("summary").click()
            await expect(frame.locator("blockquote")).to_contain_text("Сколько стоит?")
            anna.must_be_clean()
            async with page.expect_request(PICTURE):
                await page.get_by_role("button", name="Показать", exact=True).click()
            assert anna.complaints == []


def _mailbox(imap: Imap, queue: str) -> dict[str, Any]:
    values = {
        "address": imap.user,
        "password": imap.password,
        "imap_host": "127.0.0.1",
        "imap_port": imap.port,
        "imap_security": "none",
        "poll_s": 1,
    }
    return {"connector": "email", "name": "Почта", "settings": values, "queue_id": queue}


def _letter() -> bytes:
    mail = EmailMessage()
    mail["From"] = "Клиент <client@example.org>"
    mail["To"] = "shop@example.com"
    mail["Subject"] = "Заказ"
    mail["Message-ID"] = "<order-1@example.org>"
    mail.set_content("Эклер 10 шт.")
    mail.add_alternative(
        f'<table><tr><td>Эклер</td><td>10 шт.</td></tr></table><img src="{PICTURE}" alt="Логотип">'
        "<blockquote><p>Сколько стоит?</p></blockquote>",
        subtype="html",
    )
    return bytes(mail)
