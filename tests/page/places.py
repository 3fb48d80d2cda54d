"""Every screen and dialog of the page, by name: what the tests walk through and the pictures are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from playwright.async_api import Page

from inbox.page import AREAS

Arrange = Callable[[Page], Awaitable[None]]


@dataclass(frozen=True)
class Place:
    """`path`: may name ids in braces; `role`: who looks at it; `arrange`: what opens a dialog there, by keys alone;
    `ready`: is there once the screen is whole; `title`: of its picture; `rare`: comes only by and by: for pictures.
    """

    name: str
    path: str
    title: str
    role: str = "admin"
    arrange: Arrange | None = None
    ready: str = "main, form"
    rare: bool = False


def press(*keys: str) -> Arrange:
    async def arrange(page: Page) -> None:
        for key in keys:
            await page.keyboard.press(key)
        await page.locator('[role="dialog"]').wait_for()

    return arrange


async def search(page: Page) -> None:
    await page.keyboard.press("Control+k")
    await page.locator('[role="combobox"]').fill("торт")
    await page.locator('[role="option"]').nth(3).wait_for()


def tab(number: int) -> Arrange:
    """The tab of that place in the row, by the keyboard."""

    async def arrange(page: Page) -> None:
        await page.locator("main button[aria-pressed]").nth(number).focus()
        await page.keyboard.press("Enter")

    return arrange


async def everything(page: Page) -> None:
    await page.keyboard.press("h")


async def ring(page: Page) -> None:
    """Until a call rings: in the demo it does every few minutes."""
    await page.locator("[data-pop]").first.wait_for(timeout=120_000)


SETTINGS = {
    "profile": "Профиль",
    "canned": "Готовые ответы",
    "absences": "Отсутствия",
    "team": "Кто на линии",
    "channels": "Каналы",
    "agents": "Сотрудники",
    "queues": "Очереди",
    "rules": "Правила",
    "dispositions": "Итоги",
    "fields": "Поля карточки",
    "company": "Организация",
    "tokens": "Ключи API",
    "erasures": "Стёртые данные",
    "audit": "Журнал действий",
}
ADDED = ("canned", "absences", "agents", "queues", "rules", "dispositions", "fields", "tokens", "channels")
"""Pages of the settings where `c` begins a new one."""
LOG = '[role="log"] [data-interaction]'

PLACES: tuple[Place, ...] = (
    Place("sign-in", "/sign-in", "Вход", "nobody"),
    Place("inbox", "/inbox", "Диалоги", "agent", ready="[data-conversation]"),
    Place("inbox-message", "/inbox/{message}", "Переписка и карточка", "agent", ready=LOG),
    Place("inbox-email", "/inbox/{email}", "Письмо", ready=LOG),
    Place("inbox-form", "/inbox/{form}", "Заявка с сайта", ready=LOG),
    Place("inbox-call", "/inbox/{call}", "Звонок в ленте", ready=LOG),
    Place("inbox-all", "/inbox/{message}", "Вся история клиента", "agent", everything, ready=LOG),
    Place("search", "/inbox?q=торт", "Поиск по переписке", "supervisor"),
    Place("transfer", "/inbox/{message}", "Передать", "agent", press("t"), ready=LOG),
    Place("snooze", "/inbox/{message}", "Отложить", "agent", press("s"), ready=LOG),
    Place("pop", "/inbox/{message}", "Звонок", "agent", ring, ready=LOG, rare=True),
    Place("keys", "/inbox", "Клавиши", "agent", press("?"), ready="[data-conversation]"),
    Place("palette", "/inbox", "Поиск по всему", "supervisor", search, ready="[data-conversation]"),
    Place("contacts", "/contacts", "Клиенты", ready="main a[href^='/contacts/']"),
    Place("contacts-new", "/contacts", "Новый клиент", arrange=press("c"), ready="main a[href^='/contacts/']"),
    Place("contact", "/contacts/{contact}", "Карточка клиента", ready="main h1"),
    Place("doubles", "/contacts/doubles", "Повторы"),
    Place("import", "/contacts/import", "Загрузка из таблицы"),
    Place("calls", "/calls", "Звонки"),
    Place("tasks", "/tasks", "Задачи", "agent"),
    Place("tasks-week", "/tasks", "Неделя", "agent", tab(4)),
    Place("tasks-month", "/tasks", "Месяц", "supervisor", tab(5)),
    Place("tasks-new", "/tasks", "Новая задача", "agent", press("c")),
    Place("journal", "/journal", "Журнал приёма"),
    Place("settings", "/settings", "Настройки"),
    *(Place(f"settings-{name}", f"/settings/{name}", title) for name, title in SETTINGS.items()),
    *(
        Place(f"settings-{name}-new", f"/settings/{name}", f"{SETTINGS[name]}: добавить", arrange=press("c"))
        for name in ADDED
    ),
    Place("settings-channel", "/settings/channels/{channel}", "Канал"),
    Place("not-found", "/contacts/a/b", "Нет такой страницы"),
)


def path_of(place: Place, ids: Mapping[str, str]) -> str | None:
    """None: there is nothing of that kind here."""
    try:
        return place.path.format_map(ids)
    except KeyError:
        return None


async def arrive(page: Page, base: str, place: Place, ids: Mapping[str, str]) -> bool:
    """At the place, once it stands still. False: there is nothing of that kind here."""
    path = path_of(place, ids)
    if path is None:
        return False
    await page.goto(base + path)
    await page.locator(place.ready).first.wait_for()
    if place.arrange is not None:
        await place.arrange(page)
    await stand_still(page)
    return True


STILL = """
async () => {
  const rest = () => new Promise((done) => setTimeout(done, 100))
  const loads = () => [...document.querySelectorAll('.animate-pulse, .animate-spin')].some((one) => !one.closest('[data-pop]'))
  const moves = () => document.getAnimations().some((one) => one.playState === 'running' && one.effect?.getTiming().iterations !== Infinity)
  await document.fonts.ready
  for (let n = 0; n < 60 && (loads() || moves()); n++) await rest()
  await rest()
}
"""


async def stand_still(page: Page) -> None:
    """Nothing loads or moves any more (at most 6 s)."""
    await page.evaluate(STILL)


def areas_without_a_place() -> set[str]:
    """Areas of the page that no place shows."""
    return set(AREAS) - {place.path.split("/")[1] for place in PLACES} - {"password"}
