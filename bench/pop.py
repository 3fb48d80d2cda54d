"""pop_p95_ms, pop_p99_ms: from the PBX's event to the pop on the agent's screen, among 1,000,000 clients.

Drawn by a browser: the right name and the client's last words. Beside it the server's part: the frame `call.ringing` on
a socket of the same agent.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import aiohttp
import msgspec
from playwright.async_api import Page

from bench.chromium import browser, page_of
from bench.figures import Figure, Plan, Unmeasurable, quantile, spread
from bench.frames import HEAD, Listener, listening
from bench.harness import Hub, past_id, running_hub
from bench.warehouse import without_indexes
from router.names import sort_name
from simulator.mango import sign
from simulator.mango_calls import Event, Script
from storage.db import RawConnection
from storage.staff import create_agent
from storage.tokens import create_token

KEY, SALT = "benchvpbxkey000000000000000000a", "benchvpbxsalt000000000000000000b"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EXTENSION = "201"
CLIENTS, POPS, QUICK_POPS = 1_000_000, 200, 20
PAUSE_S, QUICK_PAUSE_S = 1.0, 0.2
WARM = 5
EACH = 5
"""Earlier interactions of each client who calls."""
WAIT_S = 10.0
RINGING = b'"type":"call.ringing"'


class PopListener(Listener):
    """Keeps the pop of the `wanted` caller and when it came; what tells that a phone has stopped ringing is none."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = b""
        self.pop = b""
        self.pop_at = 0.0
        self.popped = asyncio.Event()

    def _text(self, buffer: bytes, start: int, end: int, now: float) -> None:
        super()._text(buffer, start, end, now)
        if buffer.find(RINGING, start, start + HEAD) < 0:
            return
        if buffer.find(self.wanted, start, end) >= 0 and buffer.find(b'"pop":{', start, end) >= 0:
            self.pop, self.pop_at = buffer[start:end], now
            self.popped.set()


async def run(plan: Plan) -> list[Figure]:
    clients = max(10_000, int(CLIENTS * plan.scale))
    count, pause_s = (QUICK_POPS, QUICK_PAUSE_S) if plan.quick else (POPS, PAUSE_S)
    async with running_hub() as hub:
        values = {"api_key": KEY, "api_salt": SALT, "route_calls": False}
        channel_id, path = await hub.add_channel("mango", "PBX", values)
        connection = await hub.connect()
        agent, token = await _agent(connection, channel_id)
        await _add_clients(connection, clients)
        callers = random.Random(7).sample(range(clients), count + WARM)
        await _add_history(connection, channel_id, callers)
        await connection.execute("VACUUM (ANALYZE)", timeout=1200)
        await connection.close()
        async with browser() as chromium, page_of(chromium, hub, agent) as page:
            await page.goto(f"{hub.base}/inbox")
            await page.locator("main").wait_for()
            await page.evaluate(WATCH)
            took = await _ring_all(hub, page, (hub.base + path, token), callers, pause_s)
    frames, seen = zip(*took, strict=True)
    beside = [
        f"{count} calls, one each {pause_s:g} s, among {clients:,} clients; ms from the POST",
        f"  to the screen {spread(seen)}",
        f"  to the frame  {spread(frames)}",
    ]
    return [
        Figure("pop_p95_ms", quantile(seen, 0.95), 100, beside=beside),
        Figure("pop_p99_ms", quantile(seen, 0.99), 200),
    ]


async def _agent(connection: RawConnection, channel_id: UUID) -> tuple[UUID, str]:
    """One agent at the PBX's extension, and a token of his."""
    agent = await create_agent(connection, "anna", "Анна")
    await connection.execute("INSERT INTO presence VALUES ($1, 'online', '', now(), now())", agent)
    await connection.execute("INSERT INTO agent_extension VALUES ($1, $2, $3)", channel_id, EXTENSION, agent)
    return agent, await create_token(connection, "anna", ["all"], agent)


def _phone(number: int) -> str:
    return f"7{9_000_000_000 + number}"


def _name(number: int) -> str:
    return f"Клиент {number}"


async def _add_clients(connection: RawConnection, count: int) -> None:
    """Each with a phone, by COPY, the indexes made afterwards."""
    numbers = range(count)
    async with without_indexes(connection, "contact", "identity"):
        await connection.copy_records_to_table(
            "contact",
            records=((past_id(n), past_id(n), _name(n), sort_name(_name(n))) for n in numbers),
            columns=("id", "card_id", "name", "sort_name"),
            timeout=1200,
        )
        await connection.copy_records_to_table(
            "identity",
            records=((past_id(n), "phone", "+" + _phone(n), past_id(n)) for n in numbers),
            columns=("id", "kind", "value", "contact_id"),
            timeout=1200,
        )


async def _add_history(connection: RawConnection, channel_id: UUID, callers: list[int]) -> None:
    """What those who will call wrote before, and a task about each."""
    now = datetime.now(UTC)
    for number in callers:
        contact = past_id(number)
        conversation = await connection.fetchval(
            "INSERT INTO conversation (channel_id, thread_key, contact_id, status) VALUES ($1, $2, $3, 'resolved')"
            " RETURNING id",
            channel_id,
            f"earlier {number}",
            contact,
        )
        await connection.executemany(
            "INSERT INTO interaction (order_at, kind, direction, channel_id, conversation_id, contact_id, text)"
            " VALUES ($1, 'message', 'in', $2, $3, $4, $5)",
            [
                (now - timedelta(days=EACH - n), channel_id, conversation, contact, f"слово {number} {n}")
                for n in range(EACH)
            ],
        )
        await connection.execute("INSERT INTO task (title, contact_id) VALUES ('Перезвонить', $1)", contact)


async def _ring_all(
    hub: Hub, page: Page, way: tuple[str, str], callers: list[int], pause_s: float
) -> list[tuple[float, float]]:
    """Milliseconds to frame and screen of each call but the first few, which load what a process loads once. `way`: the
    PBX's hook and the agent's token.
    """
    hook, token = way
    took: list[tuple[float, float]] = []
    async with (
        listening(hub.port, token, listener=PopListener()) as listener,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_S)) as http,
    ):
        assert isinstance(listener, PopListener)
        for turn, number in enumerate(callers):
            began = time.perf_counter()
            spent = await _ring(http, page, hook, listener, number)
            if turn >= WARM:
                took.append(spent)
            await asyncio.sleep(max(0.0, began + pause_s - time.perf_counter()))
    return took


# One observer for all calls: it knows whom to wait for, and reads the clock in the drawing after the words are there.
WATCH = """
() => {
  const pops = () => [...document.querySelectorAll('[data-pop]')]
  const shown = ([name, text]) => pops().find((one) => one.innerText.includes(name) && one.innerText.includes(text))
  const look = async () => {
    const wanted = window.wanted
    if (!wanted || !shown(wanted.words)) return
    window.wanted = null
    wanted.done(await window.painted())
  }
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true })
  window.popOf = (...words) => { window.seen = new Promise((done) => { window.wanted = { words, done } }) }
}
"""
CLOSE = """
async () => {
  for (let n = 0; n < 100 && document.querySelector('[data-pop]'); n++) {
    document.querySelectorAll('[data-pop] header button:last-of-type').forEach((one) => one.click())
    await new Promise((done) => setTimeout(done, 20))
  }
}
"""


async def _ring(
    http: aiohttp.ClientSession, page: Page, hook: str, listener: PopListener, number: int
) -> tuple[float, float]:
    """One call: rings, pops up, is given up. Raises Unmeasurable if it is not told, or told of somebody else."""
    script = Script(f"bench-{number}", int(time.time()), _phone(number), "74950000001")
    leg = script.rings(EXTENSION)
    listener.wanted = f'"number":"+{_phone(number)}"'.encode()
    listener.popped.clear()
    await page.evaluate("(words) => window.popOf(...words)", _words(number))
    began, began_at = time.perf_counter(), time.time()
    await _tell(http, hook, script.events.pop())
    try:
        async with asyncio.timeout(WAIT_S):
            await listener.popped.wait()
            seen_at: float = await page.evaluate("window.seen")
    except TimeoutError:
        raise Unmeasurable(f"the call of client {number} did not pop up within {WAIT_S:g} s") from None
    took_ms = 1000 * (listener.pop_at - began), seen_at - 1000 * began_at
    _check(msgspec.json.decode(listener.pop)["data"], number)
    script.now_s += 1
    script.ends(leg, EXTENSION, 1110)
    script.summary(extension=EXTENSION, reason=1110)
    for event in script.events:
        await _tell(http, hook, event)
    await page.evaluate(CLOSE)
    return took_ms


def _words(number: int) -> tuple[str, str]:
    """The name and the last words of a client."""
    return _name(number), f"слово {number} {EACH - 1}"


async def _tell(http: aiohttp.ClientSession, hook: str, event: Event) -> None:
    text = msgspec.json.encode(event.data).decode()
    body = urlencode({"vpbx_api_key": KEY, "sign": sign(KEY, text, SALT), "json": text})
    async with http.post(hook + event.path, data=body, headers=FORM) as answer:
        if answer.status != 200:
            raise Unmeasurable(f"the PBX's event was answered with {answer.status}")


def _check(data: dict[str, Any], number: int) -> None:
    pop = data["pop"]
    told = (pop["contact"]["name"], pop["last"][0]["text"])
    if told != _words(number):
        raise Unmeasurable(f"the pop of client {number} shows {told}")
