"""The way in within one process: a journal writer and a worker on a test's database, and Telegram updates to feed it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from connectors.base import Class, Payload
from router.channels import Channel, Channels, add_channel
from router.directory import DirectoryCache
from router.entries import to_entry
from router.worker import Worker
from storage.bus import Topic
from storage.journal import JournalWriter, NewEntry, insert, replay
from storage.store import Store

CHAT = 501


@dataclass
class Pipe:
    """`give`: a payload as the hook would keep it. `done`: until nothing waits."""

    store: Store
    writer: JournalWriter
    channel: Channel
    worker: Worker
    channels: Channels

    async def give(self, *bodies: bytes | dict[str, Any]) -> list[bool]:
        """One after the other; tells which were new. Waits until all are understood."""
        found = [await self.writer.keep(self.entry(body)) for body in bodies]
        await self.done()
        return found

    def entry(self, body: bytes | dict[str, Any]) -> NewEntry:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        payload = Payload(body=raw)
        return to_entry(self.channel, payload, self.channel.connector.peek(payload, self.channel.settings))

    async def together(self, bodies: Sequence[dict[str, Any] | bytes], *, klass: Class = Class.LIVE) -> None:
        """All in one commit."""
        entries = [self.entry(body) for body in bodies]
        for entry in entries:
            object.__setattr__(entry, "klass", int(klass))
        async with self.store.pool.acquire() as connection:
            await insert(connection, entries)
        self.store.bus.notify(Topic.TODO)

    async def done(self) -> None:
        async with asyncio.timeout(20):
            while await self.store.pool.fetchval("SELECT count(*) FROM journal_todo"):
                await asyncio.sleep(0.01)

    async def replay(self, *entries: int) -> None:
        async with self.store.pool.acquire() as connection:
            assert await replay(connection, entries) == list(entries)
        self.store.bus.notify(Topic.TODO)
        await self.done()

    async def rows(self, query: str, *args: Any) -> list[asyncpg.Record]:
        return await self.store.pool.fetch(query, *args)

    async def texts(self) -> list[str]:
        """The stream in its order."""
        return [row["text"] for row in await self.rows("SELECT text FROM interaction ORDER BY order_at, seq, id")]

    async def states(self) -> list[str]:
        """What became of each payload, in the order they came."""
        return [row["state"] for row in await self.rows("SELECT state FROM journal_result ORDER BY entry_id")]

    async def events(self, type_: str = "interaction.created") -> list[dict[str, Any]]:
        rows = await self.rows("SELECT data FROM event WHERE type = $1 ORDER BY id", type_)
        return [json.loads(row["data"]) for row in rows]


@asynccontextmanager
async def flowing(
    store: Store, *, working: bool = True, connector: str = "telegram", settings: dict[str, object] | None = None
) -> AsyncIterator[Pipe]:
    """A pipe with one channel, Telegram's. `working` False: the worker is the caller's to run."""
    async with store.pool.acquire() as connection:
        values = {"token": "123:abc", "secret": "s"} if settings is None else settings
        channel_id, _ = await add_channel(connection, store.vault, connector=connector, name="T", values=values)
    channels = Channels(store)
    await channels.refresh()
    writer = JournalWriter(store.url, store.bus, store.blobs)
    worker = Worker(store, channels, DirectoryCache(zone=store.settings.zone))
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(writer.run(), name="journal")]
        if working:
            running.append(tasks.create_task(worker.run(), name="worker"))
        async with asyncio.timeout(10):
            while not writer.connected:
                await asyncio.sleep(0.01)
        yield Pipe(store, writer, _channel(channels, channel_id), worker, channels)
        for task in running:
            task.cancel()


def _channel(channels: Channels, channel_id: UUID) -> Channel:
    found = channels.get(channel_id)
    assert found is not None
    return found


def message(number: int, text: str, *, chat: int = CHAT, at: float | None = None, **more: Any) -> dict[str, Any]:
    """The update of that number, with the chat's message of the same number."""
    return {"update_id": 1000 + number, "message": _message(number, text, chat, at) | more}


def edited(number: int, of: int, text: str, *, at: float) -> dict[str, Any]:
    """`at`: when it was edited, unix seconds."""
    body = _message(of, text, CHAT, at - 60) | {"edit_date": int(at)}
    return {"update_id": 1000 + number, "edited_message": body}


def reaction(number: int, of: int, old: str, new: str) -> dict[str, Any]:
    change = {
        "message_id": of,
        "date": int(time.time()),
        "chat": {"id": CHAT, "type": "private"},
        "user": {"id": CHAT, "is_bot": False, "first_name": "Анна"},
        "old_reaction": [{"type": "emoji", "emoji": old}] if old else [],
        "new_reaction": [{"type": "emoji", "emoji": new}] if new else [],
    }
    return {"update_id": 1000 + number, "message_reaction": change}


def membership(number: int, old: str, new: str) -> dict[str, Any]:
    change = {
        "chat": {"id": CHAT, "type": "private"},
        "from": {"id": CHAT, "is_bot": False, "first_name": "Анна"},
        "date": int(time.time()),
        "old_chat_member": {"status": old},
        "new_chat_member": {"status": new},
    }
    return {"update_id": 1000 + number, "my_chat_member": change}


def _message(number: int, text: str, chat: int, at: float | None) -> dict[str, Any]:
    return {
        "message_id": number,
        "date": int(time.time() if at is None else at),
        "chat": {"id": chat, "type": "private", "first_name": "Анна"},
        "from": {"id": chat, "is_bot": False, "first_name": "Анна"},
        "text": text,
    }
