"""The composer in a real browser at a real hub, down to what reaches the clients' side."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from playwright.async_api import Locator, Page, Route, expect

from simulator.telegram import TelegramSimulator
from tests.page.browser import Desk, Office, needed
from tests.page.wire import wire_to

pytestmark = needed
TOKEN = "7300000055:AAcomposer"
_chats = itertools.count(5_200_000_017)
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)


class Bot(NamedTuple):
    """A bot and the one client who writes to it."""

    sim: TelegramSimulator
    chat: int

    async def client_says(self, text: str) -> None:
        await self.sim.client_says(TOKEN, self.chat, "Мария Кулагина", text)


@asynccontextmanager
async def bot_of(office: Office) -> AsyncIterator[Bot]:
    """A Telegram bot that leads into the office's queue."""
    async with TelegramSimulator(backoff_factor=0.01) as sim:
        bot = sim.add_bot(TOKEN)
        values = {"token": TOKEN, "secret": "hubsecret", "base_url": sim.base_url}
        body = {"connector": "telegram", "name": "Бот", "settings": values, "queue_id": office.queue_id}
        channel = await office.house.api.call("POST", "/channels", body)
        bot.webhook = {"url": channel["hook_url"], "secret_token": "hubsecret"}
        try:
            yield Bot(sim, next(_chats))
        finally:
            await office.house.api.call("DELETE", f"/channels/{channel['id']}")


def _field(page: Page) -> Locator:
    return page.locator("[data-composer] textarea")


async def _open(desk: Desk, words: str) -> None:
    await desk.row(words).first.click()
    await expect(_field(desk.page)).to_be_visible()


async def _rename_sms(office: Office) -> str:
    """The offices of earlier tests have left their channels behind; this one is told apart by its name."""
    name = f"Наши SMS {next(_chats)}"
    await office.house.api.call("PATCH", f"/channels/{office.channel_id}", {"name": name})
    return name


async def test_attached_picture_arrives(office: Office) -> None:
    """A picture is seen before it goes, and reaches the client with its words; what SMS can't carry is said at once."""
    anna = await office.hire("Анна Белова")
    async with bot_of(office) as bot, office.desk(anna) as desk:
        page = desk.page
        await bot.client_says("Покажите торт")
        await _open(desk, "Покажите торт")
        await page.keyboard.press("r")
        await page.keyboard.type("Вот он")
        await page.set_input_files(
            "[data-composer] input[type=file]", {"name": "торт.png", "mimeType": "image/png", "buffer": PNG}
        )
        await expect(page.locator("[data-attached] img")).to_be_visible()
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("[data-undo]")).to_be_visible()
        await bot.sim.wait(lambda: bool(bot.sim.sent), 20)
        (sent,) = bot.sim.sent
        assert (sent.chat_id, sent.text, list(sent.files.values())) == (bot.chat, "Вот он", [len(PNG)])
        await expect(page.locator("[data-attached]")).to_have_count(0)
        desk.must_be_clean()


async def test_canned_answer_by_keys_alone(office: Office) -> None:
    """`/` offers canned answers, arrows and Enter choose one, its variables are filled in; Escape leaves the words alone."""
    for shortcut, text in (("привет", "Здравствуйте, {name}!"), ("пробки", "Курьер в пробке.")):
        await office.house.api.call("POST", "/canned", {"shortcut": shortcut, "text": text, "shared": True})
    anna = await office.hire("Анна Белова")
    async with bot_of(office) as bot, office.desk(anna) as desk:
        page = desk.page
        await bot.client_says("Где курьер?")
        await _open(desk, "Где курьер?")
        await page.keyboard.press("r")
        await page.keyboard.type("/пр")
        options = page.get_by_role("option")
        await expect(options).to_have_count(2)
        await page.keyboard.press("Escape")
        await expect(options).to_have_count(0)
        await page.keyboard.type("и")
        await expect(options).to_have_count(1)
        await page.keyboard.press("Backspace")
        await expect(options).to_have_count(2)
        chosen = page.locator("[role=option][aria-selected=true]")
        if "привет" not in await chosen.inner_text():
            await page.keyboard.press("ArrowDown")
        await expect(chosen).to_contain_text("/привет")
        await page.keyboard.press("Enter")
        await expect(_field(page)).to_have_value("Здравствуйте, Мария Кулагина!")
        desk.must_be_clean()


async def test_undone_message_never_leaves(office: Office) -> None:
    """Taken back within its seconds, words are in the field again, the stream is as before, and the client gets nothing."""
    anna = await office.hire("Анна Белова")
    async with office.desk(anna) as desk:
        page, client = desk.page, office.client()
        await office.sms.client_writes(client, "Сколько стоит?")
        await _open(desk, "Сколько стоит?")
        await page.keyboard.press("r")
        await page.keyboard.type("Тысячу рублей")
        await page.keyboard.press("Control+Enter")
        await page.locator("[data-undo] button").click()
        await expect(_field(page)).to_have_value("Тысячу рублей")
        await expect(page.locator("[data-interaction]")).to_have_count(1)
        await _field(page).fill("Две тысячи")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator('[data-state="delivered"]')).to_be_visible()
        assert [one.text for one in office.sms.sent] == ["Две тысячи"]
        desk.must_be_clean()


async def test_planned_message_is_changed_and_sent(office: Office) -> None:
    """A message for tomorrow waits, can be written anew, and goes at once when told so."""
    anna = await office.hire("Анна Белова")
    async with office.desk(anna) as desk:
        page, client = desk.page, office.client()
        await office.sms.client_writes(client, "Напомните завтра")
        await _open(desk, "Напомните завтра")
        await page.keyboard.press("r")
        await page.keyboard.type("Напоминаем")
        await page.get_by_role("button", name="Другие способы отправить").click()
        await page.get_by_role("menuitem", name="Завтра в 9:00").click()
        planned = page.locator("[data-planned]")
        await expect(planned).to_be_visible()
        await page.reload()
        await planned.get_by_role("button", name="Изменить").click()
        await page.get_by_role("dialog").locator("textarea").fill("Напоминаем о заказе")
        await page.get_by_role("dialog").get_by_role("button", name="Сохранить").click()
        await expect(page.locator("[data-interaction]").last).to_contain_text("Напоминаем о заказе")
        assert office.sms.sent == []
        await planned.get_by_role("button", name="Отправить сейчас").click()
        await expect(page.locator('[data-state="delivered"]')).to_be_visible()
        assert [one.text for one in office.sms.sent] == ["Напоминаем о заказе"]
        desk.must_be_clean()


async def test_reply_over_another_channel_and_writing_first(office: Office) -> None:
    """A client of the bot is answered by SMS, as his card has a phone; the bubble leads to that conversation."""
    anna, sms = await office.hire("Анна Белова"), await _rename_sms(office)
    async with bot_of(office) as bot, office.desk(anna) as desk:
        page, client = desk.page, office.client()
        await bot.client_says("Пришлите адрес на телефон")
        await _open(desk, "Пришлите адрес на телефон")
        card = (await office.house.api.call("GET", f"/conversations/{page.url.rpartition('/')[2]}"))["contact_id"]
        await office.house.api.call("POST", f"/contacts/{card}/identities", {"kind": "phone", "value": f"+{client}"})
        await page.locator("[data-way]").click()
        await page.get_by_role("menuitemcheckbox", name=sms).click()
        await _field(page).fill("Большая Московская, 10")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator('[data-state="delivered"]')).to_be_visible()
        assert [(one.phone, one.text) for one in office.sms.sent] == [(client, "Большая Московская, 10")]
        assert bot.sim.sent == []
        await page.get_by_role("link", name="открыть диалог").click()
        await expect(page.locator("[data-interaction]")).to_have_count(1)
        desk.must_be_clean()


async def test_client_is_written_to_first(office: Office) -> None:
    """A client without a conversation has his addresses to choose from; what is sent there reaches him."""
    anna, sms = await office.hire("Анна Белова"), await _rename_sms(office)
    client = office.client()
    body = {"name": "Фёдор Ильин", "identities": [{"kind": "phone", "value": f"+{client}"}]}
    async with office.desk(anna) as desk:
        page = desk.page
        mine = await page.request.post(f"{desk.url}/api/v1/contacts", data=body)
        card = (await mine.json())["id"]
        await page.goto(f"{desk.url}/inbox?contact={card}")
        await page.locator("[data-begin]").get_by_role("button", name=sms).click()
        await expect(_field(page)).to_be_focused()
        await page.keyboard.type("Ваш заказ готов")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator('[data-state="delivered"]')).to_be_visible()
        assert [(one.phone, one.text) for one in office.sms.sent] == [(client, "Ваш заказ готов")]
        desk.must_be_clean()


async def test_draft_follows_to_another_device(office: Office) -> None:
    """What is begun on one page appears on another of the same agent, and is gone there once it is sent."""
    anna = await office.hire("Анна Белова")
    async with office.desk(anna) as desk, office.desk(anna) as phone:
        client = office.client()
        await office.sms.client_writes(client, "Вы работаете?")
        await _open(desk, "Вы работаете?")
        await _open(phone, "Вы работаете?")
        await _field(desk.page).fill("Да, до девяти")
        await expect(_field(phone.page)).to_have_value("Да, до девяти")
        await phone.page.keyboard.press("r")
        await phone.page.keyboard.press("Control+Enter")
        await expect(_field(desk.page)).to_have_value("")
        desk.must_be_clean()
        phone.must_be_clean()


async def test_two_pages_write_at_once(office: Office) -> None:
    """Words that another page kept meanwhile are shown beside one's own: none of them is lost before one is chosen."""
    anna = await office.hire("Анна Белова")
    async with office.desk(anna) as desk:
        page, client = desk.page, office.client()
        await office.sms.client_writes(client, "Какой у вас адрес?")
        await _open(desk, "Какой у вас адрес?")
        other, kept = f"{desk.url}/api/v1/conversations/{page.url.rpartition('/')[2]}/draft", asyncio.Event()

        async def hold(route: Route) -> None:
            await kept.wait()
            await route.continue_()

        await page.route("**/draft", hold)
        await _field(page).fill("Псковская, 4")
        await page.request.put(other, data={"text": "Большая Московская, 10"})
        kept.set()
        bar = page.locator("[data-composer] [role=alert]")
        await expect(bar).to_contain_text("Большая Московская, 10")
        await expect(_field(page)).to_have_value("Псковская, 4")
        await bar.get_by_role("button", name="Взять оттуда").click()
        await expect(_field(page)).to_have_value("Большая Московская, 10")
        await expect(bar).to_have_count(0)
        desk.must_be_clean()


async def test_note_calls_a_colleague(office: Office) -> None:
    """`@` names a colleague, an emoji is found by its word, and the focus stays where one writes; he who is named is told."""
    anna, boris = await office.hire("Анна Белова"), await office.hire("Борис Громов")
    async with office.desk(anna) as desk:
        page, client = desk.page, office.client()
        await office.sms.client_writes(client, "Можно торт без орехов?")
        await _open(desk, "Можно торт без орехов?")
        await page.keyboard.press("n")
        await page.keyboard.type("@бор")
        await page.keyboard.press("Enter")
        await expect(_field(page)).to_have_value("@Борис Громов ")
        await page.keyboard.type("сможем? ")
        await page.get_by_role("button", name="Эмодзи").click()
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.type("спасибо")
        await page.keyboard.press("Enter")
        await expect(_field(page)).to_be_focused()
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("[data-interaction]").last).to_contain_text("сможем? 🙏")
        await expect(_field(page)).to_have_value("")
        desk.must_be_clean()
    async with office.desk(boris) as desk:
        mentions = (await (await desk.page.request.get(f"{desk.url}/api/v1/mentions")).json())["items"]
        assert [one["text"] for one in mentions] == ["@Борис Громов сможем? 🙏"]
        assert office.sms.sent == []


async def test_sent_while_the_hub_is_away(office: Office) -> None:
    """With the connection cut messages wait; once it is back each goes once, in order."""
    anna = await office.hire("Анна Белова")
    async with wire_to(office.house.hub) as wire, office.desk(anna, url=wire.url) as desk:
        page, client = desk.page, office.client()
        await office.sms.client_writes(client, "Алло")
        await _open(desk, "Алло")
        wire.cut()
        await expect(page.locator('[data-banner="lost"]')).to_be_visible()
        for words in ("Первое", "Второе", "Третье"):
            await _field(page).fill(words)
            await page.keyboard.press("Control+Enter")
        await expect(page.locator('[data-state="waiting"]')).to_have_count(3)
        wire.mend()
        await expect(page.locator('[data-state="delivered"]')).to_have_count(3, timeout=40_000)
        assert [one.text for one in office.sms.sent] == ["Первое", "Второе", "Третье"]


async def test_waiting_message_outlives_the_page(office: Office) -> None:
    """What the hub did not get before the page was closed goes when it is opened again, once."""
    anna = await office.hire("Анна Белова")
    async with office.desk(anna) as desk:
        page, client = desk.page, office.client()
        await office.sms.client_writes(client, "Вы тут?")
        await _open(desk, "Вы тут?")
        await page.route("**/messages", lambda route: route.abort())
        await _field(page).fill("Мы тут")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator('[data-state="waiting"]')).to_be_visible()
        await page.unroute("**/messages")
        await page.reload()
        await expect(page.locator('[data-state="delivered"]')).to_be_visible()
        assert [one.text for one in office.sms.sent] == ["Мы тут"]


async def test_send_and_resolve(office: Office) -> None:
    """Ctrl+Shift+Enter answers and closes: the conversation leaves the list, and the answer its seconds later arrives."""
    anna = await office.hire("Анна Белова")
    async with office.desk(anna) as desk:
        page, client = desk.page, office.client()
        await office.sms.client_writes(client, "Спасибо, всё получил")
        await _open(desk, "Спасибо, всё получил")
        await page.keyboard.press("r")
        await page.keyboard.type("Приятного аппетита!")
        await page.keyboard.press("Control+Shift+Enter")
        await expect(desk.row("Приятного аппетита!")).to_have_count(0)
        await office.sms.wait(lambda: bool(office.sms.sent), 20)
        assert [one.text for one in office.sms.sent] == ["Приятного аппетита!"]
        desk.must_be_clean()


async def test_message_becomes_a_task(office: Office) -> None:
    """From a message's menu the task's form has its words, the client and the conversation."""
    anna = await office.hire("Анна Белова")
    async with office.desk(anna) as desk:
        page, client = desk.page, office.client()
        await office.sms.client_writes(client, "Перезвоните мне в пятницу")
        await _open(desk, "Перезвоните мне в пятницу")
        bubble = page.locator("[data-interaction]").first
        await bubble.hover()
        await bubble.get_by_role("button", name="Действия с сообщением").click()
        await page.get_by_role("menuitem", name="Создать задачу").click()
        form = page.get_by_role("dialog")
        await expect(form.locator("input").first).to_have_value("Перезвоните мне в пятницу")
        await form.get_by_role("button", name="Создать задачу").click()
        await expect(form).to_have_count(0)
        (task,) = [
            one
            for one in (await office.house.api.call("GET", "/tasks?limit=200"))["items"]
            if one["title"] == "Перезвоните мне в пятницу"
        ]
        assert task["conversation_id"] == page.url.rpartition("/")[2]
        assert datetime.fromisoformat(task["due_at"]) > datetime.now(UTC) - timedelta(hours=1)
        desk.must_be_clean()
