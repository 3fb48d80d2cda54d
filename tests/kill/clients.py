"""The provider's side: numbered Telegram updates of many chats, repeated until they are taken."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.kill.harness import SECRET, Site, until

ANSWER_S = 2.5
HEADERS = {"X-Telegram-Bot-Api-Secret-Token": SECRET, "Content-Type": "application/json"}


def update(update_id: int, chat: int, number: int, *, at: float | None = None, text: str | None = None) -> bytes:
    """The chat's message of that number; the text is the number unless given. `at`: unix seconds, cut to whole ones."""
    who = {"id": chat, "first_name": f"Клиент {chat}", "username": f"client_{chat}"}
    message = {
        "message_id": number,
        "date": int(time.time() if at is None else at),
        "chat": {"type": "private", **who},
        "from": {"is_bot": False, "language_code": "ru", **who},
        "text": str(number) if text is None else text,
    }
    return json.dumps({"update_id": update_id, "message": message}).encode()


@dataclass
class Provider:
    """Posts payloads; what is not answered with 2xx is posted again, to another address, until it is."""

    session: aiohttp.ClientSession
    addresses: Sequence[str]
    retries: int = 0
    answers: dict[int, int] = field(default_factory=dict)

    async def post(self, url: str, body: bytes) -> int:
        """The status; 0 for no answer."""
        try:
            async with self.session.post(url, data=body, headers=HEADERS) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError):
            status = 0
        self.answers[status] = self.answers.get(status, 0) + 1
        return status

    async def deliver(self, body: bytes, first: int = 0) -> None:
        """Gives up never."""
        delay_s, turn = 0.05, first
        while await self.post(self.addresses[turn % len(self.addresses)], body) // 100 != 2:
            self.retries += 1
            turn += 1
            await asyncio.sleep(delay_s * random.uniform(0.5, 1))
            delay_s = min(delay_s * 2, 1)


@asynccontextmanager
async def provider(site: Site, *, channel: int = 0) -> AsyncIterator[Provider]:
    """One that knows every listening process of the site."""
    addresses = [f"{p.url}/hooks/{site.tokens[channel]}" for p in site.running if p.port]
    timeout = aiohttp.ClientTimeout(total=ANSWER_S, connect=1)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        yield Provider(session, addresses)


@dataclass
class Traffic:
    """`total` messages of `chats` chats over `connections`; a chat's next one is sent when the one before was taken.

    `limit` holds it back: no more than so many are sent until it is raised.
    """

    provider: Provider
    total: int
    chats: int = 200
    connections: int = 8
    seed: int = 0
    limit: int = 1 << 30
    taken: int = 0
    sent: dict[int, int] = field(default_factory=dict)
    written: dict[int, int] = field(default_factory=dict)

    async def run(self) -> None:
        numbers = iter(range(self.taken + 1, self.taken + self.total + 1))
        async with asyncio.TaskGroup() as tasks:
            for number in range(self.connections):
                tasks.create_task(self._connection(number, numbers), name=f"connection {number}")

    async def _connection(self, place: int, numbers: Any) -> None:
        dice = random.Random(f"{self.seed} {place}")
        mine = [1000 + chat for chat in range(self.chats) if chat % self.connections == place]
        for update_id in numbers:
            while self.taken >= self.limit:
                await asyncio.sleep(0.01)
            chat = dice.choice(mine)
            number = self.sent[chat] = self.sent.get(chat, 0) + 1
            # Written up to two seconds before it is sent, many within one second, as after an outage.
            at = self.written[chat] = max(self.written.get(chat, 0), int(time.time() - dice.uniform(0, 2)))
            await self.provider.deliver(update(update_id, chat, number, at=at), place)
            self.taken += 1

    async def reached(self, count: int) -> None:
        await until(lambda: self.taken >= count, 120, f"{count} payloads taken, {self.taken} are")
