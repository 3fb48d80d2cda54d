"""Load at a fixed rate, whatever the answers do, and how long each message takes from its POST to its frame."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
import msgspec

from bench.figures import Unmeasurable
from bench.frames import Listener
from bench.harness import SECRET

HEADERS = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": SECRET}
WORDS = [
    *("здравствуйте", "подскажите", "заказ", "торт", "доставка", "завтра", "сколько", "стоит", "спасибо", "адрес"),
    *("перезвоните", "оплата", "суббота", "клубника", "человек", "скидка", "магазин", "открыты"),
]
RATE = 200
REGULARS = 20_000
NEW_CLIENTS = 0.10
LATE_S = 30.0


@dataclass
class Stream:
    """Telegram updates as stream.lua makes them; numbers go on from round to round."""

    number: int = 0
    random: random.Random = field(default_factory=lambda: random.Random(1))

    def next(self) -> tuple[bytes, bytes]:
        """(external id of the interaction it becomes, body)."""
        self.number += 1
        new = self.random.random() < NEW_CLIENTS
        chat = 10_000_000 + self.number if new else self.random.randint(1, REGULARS)
        who = {"id": chat, "is_bot": False, "first_name": "Клиент", "last_name": str(chat), "language_code": "ru"}
        message = {
            "message_id": self.number,
            "from": who,
            "chat": {"id": chat, "type": "private", "first_name": "Клиент"},
            "date": int(time.time()),
            "text": " ".join(self.random.choices(WORDS, k=self.random.randint(3, 45))),
        }
        body = msgspec.json.encode({"update_id": self.number, "message": message})
        return f"{chat}:{self.number}".encode(), body


async def open_loop(
    http: aiohttp.ClientSession, hooks: Sequence[str], listener: Listener, stream: Stream, seconds: float
) -> list[float]:
    """Milliseconds from the start of each POST to its frame. Raises Unmeasurable if one is refused or never told."""
    sent: dict[bytes, float] = {}
    refused: list[int] = []

    async def post(hook: str, key: bytes, body: bytes) -> None:
        sent[key] = time.perf_counter()
        async with http.post(hook, data=body, headers=HEADERS) as answer:
            if answer.status != 200:
                refused.append(answer.status)

    listener.watched = {}
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for n in range(int(seconds * RATE)):
            key, body = stream.next()
            wait_s = began + n / RATE - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            tasks.create_task(post(hooks[n % len(hooks)], key, body), name="post")
    deadline = time.perf_counter() + LATE_S
    while (missing := sent.keys() - listener.watched.keys()) and time.perf_counter() < deadline:
        await asyncio.sleep(0.05)
    seen, listener.watched = listener.watched, None
    if missing or refused:
        raise Unmeasurable(f"{len(refused)} of {len(sent)} messages refused {refused[:3]}, {len(missing)} never told")
    return [1000 * (seen[key] - at) for key, at in sent.items()]
