"""open_conversation_p95_ms, list_fps, first_load_kb: the page in a browser, at a hub with 1,000,000 interactions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

from playwright.async_api import Browser, Page

from bench import opened, stream
from bench.chromium import browser, page_of
from bench.figures import Figure, Plan, Unmeasurable, quantile, spread
from bench.harness import Hub, running_hub
from bench.warehouse import warehouse

INTERACTIONS, FEWEST = 1_000_000, 50_000
CONVERSATIONS, QUICK_CONVERSATIONS = 10_000, 600
OPENED, QUICK_OPENED = 120, 20
SCROLL_S, QUICK_SCROLL_S = 10, 3
SPEED_PX_S = 6_000
ROW = "[data-conversation]"

_AGENT = "SELECT id FROM agent WHERE login = $1"
_ENDS = """
SELECT DISTINCT ON (conversation_id) conversation_id, id FROM interaction WHERE conversation_id = ANY($1::uuid[])
ORDER BY conversation_id, order_at DESC, seq DESC, id DESC
"""


async def run(plan: Plan) -> list[Figure]:
    size = max(FEWEST, int(INTERACTIONS * plan.scale))
    async with warehouse("inbox", (size,), opened.fill, opened.SOURCES) as house, browser() as chromium:
        await house.restart()
        engines = {"DATABASE_URL": house.url(size), "REDIS_URL": (await house.addresses()).redis_url}
        async with running_hub(**engines) as hub:
            connection = await hub.connect()
            agent = await connection.fetchval(_AGENT, opened.LOGIN)
            await connection.execute("UPDATE conversation SET status = 'open' WHERE status <> 'open'")
            await connection.close()
            return [
                await _opening(chromium, hub, agent, plan),
                await _scrolling(chromium, hub, agent, plan),
                await _loading(chromium, hub, agent),
            ]


# ---------------------------------------------------------------- opening a conversation

# Counted from the press of the button or key itself to the drawing in which the last message stands in sight.
WATCH = """
(id) => {
  let began = 0
  for (const name of ['pointerdown', 'keydown'])
    addEventListener(name, (event) => { began ||= performance.timeOrigin + event.timeStamp }, { capture: true, once: true })
  const there = () => {
    const box = document.querySelector('[role="log"]'), one = box?.querySelector(`[data-interaction="${id}"]`)
    if (!one) return false
    const inner = box.getBoundingClientRect(), outer = one.getBoundingClientRect()
    return outer.bottom <= inner.bottom + 1 && outer.bottom > inner.top
  }
  window.opened = new Promise((done) => {
    const look = async () => {
      if (!began || !there()) return requestAnimationFrame(look)
      done((await window.painted()) - began)
    }
    requestAnimationFrame(look)
  })
}
"""


async def _opening(chromium: Browser, hub: Hub, agent: UUID, plan: Plan) -> Figure:
    """Rows clicked at random places of the list, each for the first time, and as many reached by `j`."""
    count = QUICK_OPENED if plan.quick else OPENED
    rng = random.Random(5)
    took: dict[str, list[float]] = {"click": [], "key": []}
    async with page_of(chromium, hub, agent) as page:
        await page.goto(f"{hub.base}/inbox")
        await page.locator(ROW).first.wait_for()
        await _loaded_rows(page, QUICK_CONVERSATIONS)
        await page.evaluate(_AT, 0)
        longest = str(stream.contact_id(0))
        took["longest"] = [await _click(page, hub, longest)]
        seen = {longest}
        while len(took["click"]) < count // 2:
            await page.evaluate(_AT, rng.random() * 0.9)
            fresh = [one for one in await _visible(page) if one not in seen]
            if not fresh:
                continue
            row = rng.choice(fresh)
            seen.add(row)
            took["click"].append(await _click(page, hub, row))
            following = await _next_of(page, row)
            if following and following not in seen:
                seen.add(following)
                took["key"].append(await _press(page, hub, following))
    every = [one for kind in took.values() for one in kind]
    beside = [f"{len(every)} conversations, each for the first time; from the press to the last message drawn; ms:"]
    beside += [f"  {kind:8} {spread(values)}" for kind, values in took.items()]
    return Figure("open_conversation_p95_ms", quantile(every, 0.95), 100, beside=beside)


_AT = """
(share) => {
  const box = document.querySelector('[data-conversation]').closest('[tabindex="-1"], .overflow-y-auto')
  box.scrollTop = share * (box.scrollHeight - box.clientHeight)
  return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 100))))
}
"""
_SIZE = """
() => {
  const row = document.querySelector('[data-conversation]')
  const box = row.closest('[tabindex="-1"], .overflow-y-auto')
  return Math.round(box.scrollHeight / row.getBoundingClientRect().height)
}
"""
_VISIBLE = """
() => [...document.querySelectorAll('[data-conversation]')].filter((one) => {
  const box = one.getBoundingClientRect()
  const at = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2)
  return at && one.contains(at)
}).map((one) => one.dataset.conversation)
"""
_NEXT = """
(id) => {
  const rows = [...document.querySelectorAll('[data-conversation]')]
    .sort((a, b) => a.getBoundingClientRect().y - b.getBoundingClientRect().y).map((one) => one.dataset.conversation)
  return rows[rows.indexOf(id) + 1] ?? ''
}
"""


async def _visible(page: Page) -> list[str]:
    found: list[str] = await page.evaluate(_VISIBLE)
    return found


async def _next_of(page: Page, row: str) -> str:
    found: str = await page.evaluate(_NEXT, row)
    return found


async def _last_of(hub: Hub, conversation: str) -> str:
    connection = await hub.connect()
    try:
        rows = await connection.fetch(_ENDS, [UUID(conversation)])
    finally:
        await connection.close()
    return str(rows[0]["id"])


async def _click(page: Page, hub: Hub, row: str) -> float:
    await page.evaluate(WATCH, await _last_of(hub, row))
    # No wait between hovering and pressing: what the page reads ahead has no more time than with a hand that knows.
    box = await page.locator(f'[data-conversation="{row}"]').bounding_box()
    if box is None:
        raise Unmeasurable("a row of the list is gone")
    await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    await page.mouse.down()
    await page.mouse.up()
    return await _opened(page)


async def _press(page: Page, hub: Hub, row: str) -> float:
    await page.evaluate(WATCH, await _last_of(hub, row))
    await page.keyboard.press("j")
    return await _opened(page)


async def _opened(page: Page) -> float:
    took: float | None = await page.evaluate(
        "Promise.race([window.opened, new Promise((done) => setTimeout(() => done(null), 10000))])"
    )
    if took is None:
        raise Unmeasurable(f"a conversation is not on the screen after 10 s: {page.url}")
    return took


async def _loaded_rows(page: Page, count: int) -> int:
    """Scrolls to the end until the list has so many rows, or no more come. Returns how many there are."""
    rows, still = 0, 0
    while rows < count and still < 100:
        await page.evaluate(_AT, 1)
        now: int = await page.evaluate(_SIZE)
        still = still + 1 if now == rows else 0
        rows = now
    return rows


# ---------------------------------------------------------------- scrolling the list

FRAMES = """
() => {
  window.frames = []
  const count = (at) => { window.frames.push(at); window.counting = requestAnimationFrame(count) }
  window.counting = requestAnimationFrame(count)
}
"""


async def _scrolling(chromium: Browser, hub: Hub, agent: UUID, plan: Plan) -> Figure:
    """By the wheel, from the start, the middle and near the end of the list, every row of it loaded."""
    seconds = QUICK_SCROLL_S if plan.quick else SCROLL_S
    async with page_of(chromium, hub, agent) as page:
        await page.goto(f"{hub.base}/inbox")
        await page.locator(ROW).first.wait_for()
        rows = await _loaded_rows(page, QUICK_CONVERSATIONS if plan.quick else CONVERSATIONS)
        frames: list[list[float]] = []
        for place in (0.0, 0.45, 0.8):
            await page.evaluate(_AT, place)
            frames.append(await _wheel(page, seconds))
    rates = [1000 * (len(one) - 1) / (one[-1] - one[0]) for one in frames]
    gaps = [b - a for one in frames for a, b in pairwise(one)]
    beside = [
        f"{rows:,} conversations loaded, {SPEED_PX_S:,} px/s by the wheel, {seconds} s each at three places",
        f"frames/s {' / '.join(f'{rate:.0f}' for rate in rates)}; ms from frame to frame:  {spread(gaps)}",
    ]
    return Figure("list_fps", min(rates), 30, at_least=True, beside=beside)


async def _wheel(page: Page, seconds: float) -> list[float]:
    """Times of the frames drawn meanwhile, ms."""
    box = await page.locator(ROW).first.bounding_box()
    if box is None:
        raise Unmeasurable("the list is empty")
    session = await page.context.new_cdp_session(page)
    before: float = await page.evaluate(_TOP)
    await page.evaluate(FRAMES)
    await session.send(
        "Input.synthesizeScrollGesture",
        {
            "x": box["x"] + box["width"] / 2,
            "y": 400,
            "yDistance": -int(SPEED_PX_S * seconds),
            "speed": SPEED_PX_S,
            "gestureSourceType": "mouse",
        },
    )
    found: list[float] = await page.evaluate("() => { cancelAnimationFrame(window.counting); return window.frames }")
    await session.detach()
    if await page.evaluate(_TOP) == before or len(found) < 2:
        raise Unmeasurable("the wheel does not move the list")
    return found


_TOP = "() => document.querySelector('[data-conversation]').closest('[tabindex=\"-1\"], .overflow-y-auto').scrollTop"


# ---------------------------------------------------------------- the first load


async def _loading(chromium: Browser, hub: Hub, agent: UUID) -> Figure:
    """Bytes of script that came over the wire, headers apart, until the inbox stands there and nothing more comes."""
    async with page_of(chromium, hub, agent) as page:
        session = await page.context.new_cdp_session(page)
        await session.send("Network.enable")
        types: dict[str, tuple[str, str]] = {}
        sizes: dict[str, int] = {}

        def came(event: dict[str, Any]) -> None:
            types[event["requestId"]] = (event["type"], event["response"]["url"])

        def ended(event: dict[str, Any]) -> None:
            sizes[event["requestId"]] = int(event["encodedDataLength"])

        session.on("Network.responseReceived", came)
        session.on("Network.loadingFinished", ended)
        await page.goto(f"{hub.base}/inbox")
        await page.locator(ROW).first.wait_for()
        await page.wait_for_load_state("networkidle")
    parts = {url: sizes.get(one, 0) for one, (type_, url) in types.items() if type_ == "Script"}
    rest = sum(
        size for one, size in sizes.items() if one in types and types[one][0] in {"Stylesheet", "Font", "Document"}
    )
    largest = sorted(parts.items(), key=lambda pair: -pair[1])[:4]
    beside = [
        f"{len(parts)} scripts; document, styles and fonts besides: {rest / 1024:.0f} KB",
        "largest: " + _listed(largest),
    ]
    return Figure("first_load_kb", sum(parts.values()) / 1024, 300, beside=beside)


def _listed(parts: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{url.rsplit('/', 1)[-1]} {size / 1024:.0f} KB" for url, size in parts)
