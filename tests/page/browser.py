"""Debian's Chromium at a real hub; tests that need it are skipped, with a word, where it or the built page is not there."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from inbox.page import DIST
from tests.e2e.hub import Hub

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
WAIT_MS = 15_000
needed = [
    pytest.mark.peer,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="chromium is not installed: make peers"),
    pytest.mark.skipif(not (DIST / "index.html").is_file(), reason="the page is not built: make setup"),
]
PASSWORD = "correct horse battery"


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        found = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=30_000)
        try:
            yield found
        finally:
            await found.close()


class Desk:
    """One person's page. `complaints`: what the browser objected to; `abroad`: requests to any other host."""

    def __init__(self, page: Page, hub: Hub) -> None:
        self.page = page
        self.hub = hub
        self.complaints: list[str] = []
        self.abroad: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if "Content Security" in said.text else None)
        page.on(
            "request", lambda asked: None if asked.url.startswith((hub.url, "blob:")) else self.abroad.append(asked.url)
        )

    async def sign_in(self, login: str) -> None:
        await self.page.goto(f"{self.hub.url}/")
        await self.page.fill("input[name=login]", login)
        await self.page.fill("input[name=password]", PASSWORD)
        await self.page.keyboard.press("Enter")
        await self.page.wait_for_url("**/inbox")

    def must_be_clean(self) -> None:
        """No error in a script, no breach of the policy, nothing asked from elsewhere."""
        assert self.complaints == []
        assert self.abroad == []


@asynccontextmanager
async def desk(
    at: Browser, hub: Hub, *, size: tuple[int, int] = (1366, 768), language: str = "ru-RU"
) -> AsyncIterator[Desk]:
    context = await at.new_context(viewport={"width": size[0], "height": size[1]}, locale=language)
    try:
        yield Desk(await context.new_page(), hub)
    finally:
        await context.close()
