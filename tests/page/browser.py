"""Debian's Chromium at a real hub; tests that need it are skipped, with a word, where it or the built page is not there.

How a page test is made: a hub and a browser cost seconds to start, so a file's tests share one of each (`house`, in
conftest.py) and one event loop; what a test sees is its own (`office`: a queue, an SMS channel, clients).

    pytestmark = needed                                   # marks, the shared loop and a time limit among them

    async def test_it(office: Office) -> None:
        anna = await office.hire("Анна Белова")           # an agent of this office's queue; role="admin" for the rest
        async with office.desk(anna) as desk:             # signed in, on /inbox; size=PHONE, language="en-US", dark=True
            client = office.client()                      # a phone number nobody else has
            await office.sms.client_writes(client, "Есть ли пироги?")
            await desk.row("Есть ли пироги?").click()
            desk.must_be_clean()

An `agent` sees his own queue alone. A supervisor or an administrator sees what the file's other tests left behind:
such a test looks for its own by the client's number. What changes the whole workspace is put back, or lives in a file
of its own. `office.house.api` calls the API as an integration that may do everything.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, async_playwright, expect

from inbox.page import DIST
from simulator.smsc import SmscSimulator
from tests.e2e.hub import Hub, running

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
WAIT_MS = 15_000
DESKTOP, PHONE = (1366, 768), (390, 844)
PASSWORD = "correct horse battery"
needed = [
    pytest.mark.peer,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="chromium is not installed: make peers"),
    pytest.mark.skipif(not (DIST / "index.html").is_file(), reason="the page is not built: make setup"),
]
_numbers = itertools.count(1)
# A reply is held for five seconds before it leaves; a busy machine takes its time besides.
expect.set_options(timeout=WAIT_MS)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        found = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=30_000)
        try:
            yield found
        finally:
            await found.close()


@dataclass(frozen=True)
class Api:
    """The hub's API under a token."""

    http: aiohttp.ClientSession
    url: str

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer's JSON; `headers` by keyword, underscores for dashes. Fails on a refusal, with its text."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = {} if body is None else {"json": body}
        async with self.http.request(method, f"{self.url}/api/v1{path}", headers=named, **data) as answer:
            assert answer.status < 400, (method, path, answer.status, await answer.text())
            return None if answer.status == 204 else await answer.json()


@dataclass(frozen=True)
class House:
    """What a file's tests share."""

    hub: Hub
    chromium: Browser
    api: Api


@asynccontextmanager
async def house_of() -> AsyncIterator[House]:
    async with running() as hub, browser() as chromium:
        token = await hub.last_line("token", "create", "--name", "test", "--scope", "all")
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            yield House(hub, chromium, Api(http, hub.url))


class Desk:
    """One person's page. `url`: the hub as he calls it; `complaints`: what the browser objected to; `abroad`: requests to
    any other host.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.abroad: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if "Content Security" in said.text else None)
        page.on("request", lambda asked: self._asked(asked.url))

    def _asked(self, url: str) -> None:
        if not url.startswith((self.url, "blob:")):
            self.abroad.append(url)

    @property
    def context(self) -> BrowserContext:
        return self.page.context

    async def sign_in(self, login: str) -> None:
        await self.page.goto(f"{self.url}/")
        await self.page.fill("input[name=login]", login)
        await self.page.fill("input[name=password]", PASSWORD)
        await self.page.keyboard.press("Enter")
        await self.page.wait_for_url("**/inbox")

    def row(self, words: str) -> Locator:
        """The list's row with these words: of its last message, or the client's name."""
        return self.page.locator("[data-conversation]").filter(has_text=words)

    def must_be_clean(self) -> None:
        """No error in a script, no breach of the policy, nothing asked from elsewhere."""
        assert self.complaints == []
        assert self.abroad == []


@asynccontextmanager
async def desk(
    at: Browser, hub: Hub | str, *, size: tuple[int, int] = DESKTOP, language: str = "ru-RU", dark: bool = False
) -> AsyncIterator[Desk]:
    """A browser profile of its own: nothing is remembered from another. `hub`: or its address by another way."""
    url = hub if isinstance(hub, str) else hub.url
    context = await at.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale=language,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    try:
        yield Desk(await context.new_page(), url)
    finally:
        await context.close()


@dataclass
class Office:
    """What one test has for itself: a queue with the agents hired for it, and a gateway whose SMS come into it."""

    house: House
    sms: SmscSimulator
    queue_id: str
    channel_id: str
    staff: list[str] = field(default_factory=list)

    def client(self) -> str:
        """A client's number, as the gateway writes it."""
        return f"7916{next(_numbers):07}"

    async def hire(self, name: str, role: str = "agent") -> str:
        """Returns the login."""
        login = f"agent{next(_numbers)}"
        body = {"login": login, "name": name, "password": PASSWORD, "role": role}
        agent = await self.house.api.call("POST", "/agents", body)
        self.staff.append(agent["id"])
        await self.house.api.call("PUT", f"/queues/{self.queue_id}/members", {"agents": self.staff})
        return login

    @asynccontextmanager
    async def desk(
        self,
        login: str,
        *,
        url: str = "",
        size: tuple[int, int] = DESKTOP,
        language: str = "ru-RU",
        dark: bool = False,
    ) -> AsyncIterator[Desk]:
        """The page of one who has signed in; `url`: the hub by another way."""
        url = url or self.house.hub.url
        async with desk(self.house.chromium, url, size=size, language=language, dark=dark) as found:
            await found.sign_in(login)
            yield found


@asynccontextmanager
async def office_in(house: House) -> AsyncIterator[Office]:
    """A queue, and an SMS channel that leads into it."""
    async with SmscSimulator(backoff_s=0.05) as sms:
        queue = await house.api.call("POST", "/queues", {"name": f"№ {next(_numbers)}"})
        values = {"login": "demo", "psw": "demo", "secret": "hubsecret", "base_url": sms.base_url}
        body = {"connector": "smsc", "name": "SMS", "settings": values, "queue_id": queue["id"]}
        channel = await house.api.call("POST", "/channels", body)
        sms.hook = channel["hook_url"]
        yield Office(house, sms, queue["id"], channel["id"])
