"""What the e-mail tests share: a sink that remembers as the journal does, and mails to deliver."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from config.errors import Unavailable
from connectors.base import Fetched, Io
from connectors.email.connector import connector
from connectors.email.imap import listen
from connectors.email.tables import EmailSettings


@dataclass
class Kept:
    """A `Sink`. `entries`: dedup key -> what was kept under it; `again`: keys that came more than once."""

    settings: EmailSettings
    mark: Mapping[str, Any] = field(default_factory=dict)
    entries: dict[str, Fetched] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    refusals: int = 0
    commits: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def keep(self, fetched: Sequence[Fetched], mark: Mapping[str, Any]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("not now")
        await asyncio.sleep(0)  # a cancellation may fall here: nothing is kept then
        for one in fetched:
            key = connector.peek(one.payload, self.settings).dedup
            if key in self.entries:
                self.again.append(key)
            else:
                self.entries[key] = one
        self.mark = dict(mark)
        self.commits += 1
        self.changed.set()

    def note(self, problem: str) -> None:
        if not self.problems or self.problems[-1] != problem:
            self.problems.append(problem)
        self.changed.set()

    async def until(self, number: int, timeout_s: float = 20.0) -> None:
        """Waits for so many different mails."""
        await self.when(lambda: len(self.entries) >= number, timeout_s)

    async def when(self, condition: Any, timeout_s: float = 20.0) -> None:
        """Waits until the condition holds after a commit or a note."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    @property
    def subjects(self) -> list[str]:
        """In the order of keeping."""
        return [connector.normalize(one.payload, self.settings)[0].subject for one in self.entries.values()]


@contextlib.asynccontextmanager
async def listening(settings: EmailSettings, sink: Kept) -> AsyncIterator[asyncio.Task[None]]:
    """The listener, until the block ends."""
    async with aiohttp.ClientSession() as http:
        task = asyncio.create_task(listen(settings, Io(http=http), sink))
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def first_look(settings: EmailSettings, sink: Kept) -> None:
    """Connects once: what lies in the mailbox by then stays outside, what comes later is new."""
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark))


async def in_pieces(settings: EmailSettings, sink: Kept, goals: Sequence[int], timeout_s: float = 20.0) -> None:
    """Listens, is cut off once so many mails are kept, and starts again."""
    for goal in goals:
        async with listening(settings, sink):
            await sink.until(goal, timeout_s)


async def until_broken(settings: EmailSettings, timeout_s: float = 5.0) -> None:
    """The listener until it gives up by itself. Raises what it raises."""
    async with listening(settings, Kept(settings)) as task, asyncio.timeout(timeout_s):
        await task


def mail(number: int, *, subject: str = "", message_id: str | None = None, body: str = "Добрый день") -> bytes:
    """A client's mail, told from others by its number."""
    lines = [
        "From: Anna <anna@example.org>",
        "To: box@client.example",
        f"Subject: {subject or f'mail {number}'}",
        "Date: Thu, 15 Jan 2026 12:30:00 +0300",
        f"Message-ID: <{message_id}>" if message_id else f"Message-ID: <{number}@mail.example.org>",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        body,
        "",
    ]
    return "\r\n".join(lines).encode()
