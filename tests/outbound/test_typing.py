"""The client is shown that somebody writes to him, where his messenger can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import aiohttp
import pytest

from router.channels import Channels, add_channel
from router.outbound.typing import ClientTyping
from simulator.telegram import TelegramSimulator
from storage.store import Store

TOKEN = "7300000055:AAinventedinventedinventedinvented0"


@pytest.fixture
async def sim() -> AsyncIterator[TelegramSimulator]:
    async with TelegramSimulator() as found:
        found.add_bot(TOKEN)
        yield found


async def talk(store: Store, channel: UUID, chat: str, *, blocked: bool = False) -> UUID:
    """A conversation with this Telegram chat."""
    identity = await store.pool.fetchval(
        "INSERT INTO identity (kind, value, contact_id, blocked_at) VALUES ('telegram', $1, uuidv7(), $2) RETURNING id",
        chat,
        None if not blocked else await store.pool.fetchval("SELECT now()"),
    )
    found: UUID = await store.pool.fetchval(
        "INSERT INTO conversation (channel_id, thread_key, contact_id, identity_id) VALUES ($1, $2, uuidv7(), $3)"
        " RETURNING id",
        channel,
        chat,
        identity,
    )
    return found


@asynccontextmanager
async def telling(store: Store, base_url: str) -> AsyncIterator[tuple[ClientTyping, UUID]]:
    values: dict[str, object] = {"token": TOKEN, "secret": "s", "base_url": base_url}
    async with store.pool.acquire() as connection:
        channel_id, _ = await add_channel(connection, store.vault, connector="telegram", name="Bot", values=values)
    channels = Channels(store)
    await channels.refresh()
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        typing = ClientTyping(store, channels, http)
        running = tasks.create_task(typing.run(), name="typing")
        yield typing, channel_id
        running.cancel()


async def shown(sim: TelegramSimulator, *chats: int) -> None:
    """Until exactly these were shown it."""
    async with asyncio.timeout(20):
        while sorted(chat for chat, _ in sim.actions) != sorted(chats):
            await asyncio.sleep(0.01)


async def test_the_client_sees_it(store: Store, sim: TelegramSimulator) -> None:
    """Every few seconds at most, however often it is said; blocked clients and unknown conversations are left alone."""
    async with telling(store, sim.base_url) as (typing, channel):
        first, second = await talk(store, channel, "501"), await talk(store, channel, "502")
        for _ in range(20):
            typing.say(first)
        typing.say(await talk(store, channel, "503", blocked=True))
        typing.say(uuid4())
        typing.say(second)
        await shown(sim, 501, 502)
    assert sim.actions[0][1] == "typing"


async def test_what_fails_stops_nothing(store: Store, sim: TelegramSimulator) -> None:
    """A provider that is away costs the sign and nothing else: the next one is shown."""
    async with (
        telling(store, "http://127.0.0.1:9") as (typing, channel),
        telling(store, sim.base_url) as (other, there),
    ):
        for chat in range(601, 611):
            typing.say(await talk(store, channel, str(chat)))
        other.say(await talk(store, there, "700"))
        await shown(sim, 700)


async def test_channels_that_cannot_are_not_asked(store: Store, sim: TelegramSimulator) -> None:
    """Of a channel that is paused nothing is sent."""
    async with telling(store, sim.base_url) as (_, channel):
        await store.pool.execute("UPDATE channel SET state = 'paused' WHERE id = $1", channel)
        paused = await talk(store, channel, "801")
    async with telling(store, sim.base_url) as (typing, active):
        typing.say(paused)
        typing.say(await talk(store, active, "802"))
        await shown(sim, 802)
    assert sim.actions == [(802, "typing")]
