"""Debian's Chromium with somebody signed in, and the clocks in it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from bench.figures import Unmeasurable
from bench.harness import Hub
from inbox.api.auth import COOKIE
from inbox.page import DIST
from storage.tokens import add_session

DESK: ViewportSize = {"width": 1366, "height": 768}
SESSION_S = 24 * 3600
WAIT_MS = 30_000

# A frame is on the screen once the task after its drawing runs: there the clock is read.
PAINTED = """
window.painted = () => new Promise((done) => requestAnimationFrame(() => {
  const port = new MessageChannel()
  port.port1.onmessage = () => done(performance.timeOrigin + performance.now())
  port.port2.postMessage(0)
}))
"""


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Raises Unmeasurable where there is none, or the page is not built."""
    path = shutil.which("chromium")
    if path is None:
        raise Unmeasurable("chromium is not installed: make peers")
    if not (Path(DIST) / "index.html").is_file():
        raise Unmeasurable("the page is not built: make setup")
    async with async_playwright() as driver:
        found = await driver.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=60_000)
        try:
            yield found
        finally:
            await found.close()


@asynccontextmanager
async def page_of(chromium: Browser, hub: Hub, agent: UUID) -> AsyncIterator[Page]:
    """An empty tab of that agent's browser, signed in, nothing cached."""
    connection = await hub.connect()
    try:
        cookie = await add_session(connection, agent, SESSION_S, "bench")
    finally:
        await connection.close()
    context = await chromium.new_context(viewport=DESK, locale="ru-RU")
    await context.add_cookies([{"name": COOKIE, "value": cookie, "url": hub.base}])
    await context.add_init_script(PAINTED)
    try:
        page = await context.new_page()
        page.set_default_timeout(WAIT_MS)
        yield page
    finally:
        await context.close()
