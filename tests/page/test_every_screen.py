"""Every screen and dialog, with the demo's data and with next to none: axe, widths, words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Mapping

import pytest
import pytest_asyncio
from playwright.async_api import Page

from commands.demo.cast import STAFF
from inbox.build import WEB
from tests.page.bakery import Bakery, bakery_of, ids_of
from tests.page.browser import DESKTOP, PHONE, Desk, House, needed, office_in
from tests.page.places import PLACES, Place, areas_without_a_place, arrive, stand_still

pytestmark = needed
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
WORDS = WEB / "src" / "locales"

# What one reads, sees in a tip or hears. Names of things in code, addresses and what a person typed are no words of ours.
READ = """
() => {
  const skip = '[lang]:not(html), code, pre, kbd, script, style, [data-raw], .font-mono, input, textarea, time'
  const said = []
  for (const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); walk.nextNode(); )
    if (!walk.currentNode.parentElement.closest(skip) && walk.currentNode.parentElement.checkVisibility()) said.push(walk.currentNode.data)
  for (const one of document.querySelectorAll('[aria-label], [title], [placeholder], [alt]'))
    if (!one.closest('code, pre, [data-raw]') && one.checkVisibility()) for (const name of ['aria-label', 'title', 'placeholder', 'alt']) said.push(one.getAttribute(name) ?? '')
  return said.map((one) => one.trim()).filter((one) => one && !one.startsWith('Mozilla/'))
}
"""
RUN_AXE = """
async (rules) => {
  const found = await axe.run(document, { resultTypes: ['violations'], ...(rules ? { runOnly: rules } : {}) })
  return found.violations.filter((one) => ['serious', 'critical'].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} (${node.any.map((any) => any.message).join('; ').slice(0, 160)})`).join(' | ')}`)
}
"""


def key_pattern() -> re.Pattern[str]:
    """A key of a word shown in place of the word."""
    files = "|".join(sorted(path.stem for path in (WORDS / "ru").glob("*.json")))
    return re.compile(rf"(?<![\w@./-])(?:{files})\.[a-z][a-z0-9_]+\b(?!\.)")


RAW_KEY = key_pattern()
LATIN = re.compile(r"(?<![\w@./:+_={-])[A-Za-z][A-Za-z]{2,}(?![\w@/_}-]|\.\w|://)")
CYRILLIC = re.compile(r"[а-яё]+", re.IGNORECASE)
NAMES = {person.login for person in STAFF} | set(
    re.findall(
        r"\w+",
        """Switchboard Telegram WhatsApp Viber Messenger Instagram Mango Office SMS SMSC smsc VIP API CSV XLSX HTML HTTP HTTPS
        IMAP SMTP JSON URL UTM SLA PBX SIP MAX LINE Ctrl Enter Esc Shift Tab Caps Lock Cmd Alt English Chromium Chrome Linux
        Windows Firefox Safari Webhook OpenAPI Authenticator Google Authy Yandex TOTP SMPP UTF Bot Token yandex instore cpc social telegram Excel XLS
        Tatyana Kozlova Business Tilda WordPress route callback""",
    )
)
"""Words that stay as they are in Russian: names, abbreviations, keys of the keyboard."""
OWN = frozenset(("РУ", "Русский", "Входящие", "Обед", "Перерыв", "Обучение"))
"""Russian in English: the switch of the language, and what a new hub calls its first queue and the reasons for a pause."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bakery() -> AsyncIterator[Bakery]:
    async with bakery_of() as found:
        yield found


async def test_every_area_has_a_place() -> None:
    """A new area of the page is looked at by these tests, too."""
    assert areas_without_a_place() == set()


@pytest.mark.parametrize("place", [one for one in PLACES if not one.rare], ids=lambda place: place.name)
async def test_russian_with_data(bakery: Bakery, place: Place) -> None:
    """Axe finds nothing serious, light and dark, wide and narrow; nothing is wider than a phone; all words are Russian."""
    found = bakery.desks[place.role]
    page = found.page
    await page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    assert await arrive(page, bakery.url, place, bakery.ids), "the demo has nothing of that kind"
    wrong = {
        "desktop": await axe(page),
        "desktop dark": await axe_in_the_dark(page),
        "keys for words": await raw_keys(page),
        "not Russian": await foreign(page, LATIN, NAMES),
    }
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await stand_still(page)
    wrong |= {"phone": await axe(page), "phone dark": await axe_in_the_dark(page), "too wide": await too_wide(page)}
    if place.role != "nobody":
        assert await page.locator("nav:visible").count() <= 1
    told(wrong)
    found.must_be_clean()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def abroad(house: House) -> AsyncIterator[tuple[Desk, dict[str, str]]]:
    """An office whose data have no Russian word in them, and its administrator's page in English."""
    async with office_in(house) as office:
        await office.sms.client_writes(office.client(), "Hello")
        login = await office.hire("Ann", "admin")
        async with office.desk(login, language="en-US") as ann:
            async with asyncio.timeout(30):
                while not (ids := await ids_of(house.api, login)).get("message"):
                    await asyncio.sleep(0.1)
            yield ann, ids


@pytest.mark.parametrize(
    "place", [one for one in PLACES if one.name != "palette" and not one.rare], ids=lambda place: place.name
)
async def test_english_and_almost_empty(abroad: tuple[Desk, dict[str, str]], place: Place) -> None:
    """No Russian word on an English page, nor a key in place of a word; empty lists too fit a phone and please axe."""
    ann, ids = abroad
    empty = Place(place.name, place.path, place.title, place.role, place.arrange)
    if not await arrive(ann.page, ann.url, empty, ids):
        return
    wrong = {
        "desktop": await axe(ann.page),
        "keys for words": await raw_keys(ann.page),
        "not English": await foreign(ann.page, CYRILLIC, OWN),
    }
    await ann.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    wrong["too wide"] = await too_wide(ann.page)
    await ann.page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    told(wrong)
    ann.must_be_clean()


def told(wrong: Mapping[str, list[str]]) -> None:
    lines = [f"{where}: {what}" for where, found in wrong.items() for what in found]
    assert not lines, "\n".join(lines)


async def axe(page: Page, *rules: str) -> list[str]:
    """Serious and critical findings."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[str] = await page.evaluate(RUN_AXE, list(rules) or None)
    return found


async def axe_in_the_dark(page: Page) -> list[str]:
    """Only what colours can break."""
    await page.emulate_media(color_scheme="dark")
    try:
        await stand_still(page)
        return await axe(page, "color-contrast", "link-in-text-block")
    finally:
        await page.emulate_media(color_scheme="light")


async def raw_keys(page: Page) -> list[str]:
    return sorted({key for line in await page.evaluate(READ) for key in RAW_KEY.findall(line)})


async def foreign(page: Page, letters: re.Pattern[str], names: Collection[str]) -> list[str]:
    """Words in the other alphabet, each with the line it stands in."""
    lines: list[str] = await page.evaluate(READ)
    found = {line[:120]: [word for word in letters.findall(line) if word not in names] for line in lines}
    return sorted(f"{', '.join(words[:3])} in {line!r}" for line, words in found.items() if words)


async def too_wide(page: Page) -> list[str]:
    width: int = await page.evaluate("document.documentElement.scrollWidth")
    return [] if width <= PHONE[0] else [f"{width} px"]
