"""A call known under several ids is one, in one batch and over several; and what any PBX may tell of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from connectors import registry
from connectors.base import Payload
from connectors.items import Address, Call, Item
from router.channels import Channels, add_channel
from router.directory import DirectoryCache
from router.entries import to_entry
from router.worker import Worker
from storage.store import Store
from tests.pipeline.pipe import Pipe, flowing

PHONE = "+79990000011"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
async def pipe(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pipe]:
    """A pipe whose channel is the plain PBX."""
    monkeypatch.setitem(registry.MODULES, "plain_pbx", "tests.pipeline.plain_pbx")
    registry.get.cache_clear()
    async with flowing(store) as found:
        async with store.pool.acquire() as connection:
            channel_id, _ = await add_channel(connection, store.vault, connector="plain_pbx", name="P", values={})
            await connection.execute("INSERT INTO queue (name, is_default) VALUES ('Входящие', true)")
        channels = found.channels
        await channels.refresh()
        channel = channels.get(channel_id)
        assert channel is not None
        found.channel = channel
        yield found
    registry.get.cache_clear()


def told(call_id: str, state: Any, seconds: float = 0, *, aliases: tuple[str, ...] = (), **more: Any) -> Item:
    """One event of a call; `more`: of its `call`."""
    sender = Address(kind="phone", value=more["client"]) if more.get("client") else None
    return Item(
        kind="call",
        external_id=call_id,
        direction="in",
        sender=sender,
        sent_at=NOW + timedelta(seconds=seconds),
        call=Call(state=state, direction="in", aliases=list(aliases), **more),
    )


def body(*items: Item) -> bytes:
    return msgspec.json.encode(items)


async def calls(pipe: Pipe) -> list[tuple[str, str, str]]:
    rows = await pipe.rows("SELECT external_id, state, client FROM call ORDER BY external_id")
    return [tuple(row) for row in rows]


async def counts(pipe: Pipe) -> tuple[int, int, int]:
    rows = await pipe.rows(
        "SELECT (SELECT count(*) FROM interaction) AS i, (SELECT count(*) FROM conversation) AS c,"
        " (SELECT count(*) FROM call) AS n"
    )
    return rows[0]["i"], rows[0]["c"], rows[0]["n"]


async def test_a_second_id_leads_to_the_call(pipe: Pipe) -> None:
    """Told once that B is A, what speaks of B alone is of the call A."""
    await pipe.give(body(told("A", "ringing", client=PHONE)))
    await pipe.give(body(told("A", "talking", 1, aliases=("B",))))
    await pipe.give(body(told("B", "finished", 9, talk_s=8)))
    assert await calls(pipe) == [("A", "finished", PHONE)]
    assert await counts(pipe) == (1, 1, 1)
    rows = await pipe.rows("SELECT DISTINCT interactions FROM journal_result")
    assert len(rows) == 1, "each entry leads to the same interaction"


async def test_ids_joined_within_one_payload(pipe: Pipe) -> None:
    """A and B are told apart at first, then as one: all of it new, so it is one call."""
    await pipe.give(
        body(told("A", "ringing"), told("B", "ivr", client=PHONE), told("C", "talking", 2, aliases=("B", "A")))
    )
    assert [state for _, state, _ in await calls(pipe)] == ["talking"]
    assert await counts(pipe) == (1, 1, 1)


async def test_an_alias_told_first(pipe: Pipe) -> None:
    """The event that names both comes before any other: later ones under either id find the call."""
    await pipe.give(body(told("A", "started", aliases=("B",))))
    await pipe.give(body(told("B", "ringing", 1, client=PHONE)))
    await pipe.give(body(told("A", "finished", 5, outcome="missed")))
    assert await calls(pipe) == [("A", "finished", PHONE)]
    assert await counts(pipe) == (1, 1, 1)


async def test_two_calls_already_shown_stay_two(pipe: Pipe) -> None:
    """Learning too late that two calls are one joins nothing: the event goes to the first, and nothing fails."""
    await pipe.give(body(told("A", "ringing", client=PHONE)), body(told("B", "ringing", client=PHONE)))
    await pipe.give(body(told("A", "finished", 5, outcome="missed", aliases=("B",))))
    assert await calls(pipe) == [("A", "finished", PHONE), ("B", "ringing", PHONE)]
    assert await counts(pipe) == (2, 2, 2), "one client's two calls are two conversations"
    assert set(await pipe.states()) == {"done"}


async def test_the_same_id_on_two_channels_is_two_calls(pipe: Pipe, store: Store) -> None:
    """Ids are a channel's own: two PBXs may number alike, also within one batch."""
    async with store.pool.acquire() as connection:
        other_id, _ = await add_channel(connection, store.vault, connector="plain_pbx", name="Q", values={})
    await pipe.channels.refresh()
    first, other = pipe.channel, pipe.channels.get(other_id)
    assert other is not None
    payload = Payload(body=body(told("A", "ringing", client=PHONE)))
    entries = [to_entry(c, payload, c.connector.peek(payload, c.settings)) for c in (first, other)]
    for entry in entries:
        await pipe.writer.keep(entry)
    await pipe.done()
    assert await counts(pipe) == (2, 2, 2)


async def test_links_to_recordings(pipe: Pipe) -> None:
    """A PBX that sends links: the file is ours to fetch, and the link is shown to nobody."""
    link = "http://127.0.0.1:9/rec/secret.mp3"
    await pipe.give(body(told("A", "finished", client=PHONE, talk_s=5, recording=link)))
    await pipe.give(body(told("A", "finished", client=PHONE, talk_s=5, recording=link)))
    rows = await pipe.rows(
        "SELECT a.id, a.source, i.body::text AS body FROM attachment a JOIN interaction i ON i.id = a.interaction_id"
    )
    assert [row["source"] for row in rows] == [{"url": link}]
    shown = msgspec.json.decode(rows[0]["body"])
    name = f"Звонок {NOW.astimezone(pipe.store.settings.zone) - timedelta(seconds=5):%Y-%m-%d %H-%M}.mp3"
    assert shown["attachments"] == [{"id": str(rows[0]["id"]), "name": name, "type": "audio/mpeg"}]
    assert shown["call"]["recording"] == str(rows[0]["id"])
    assert all("secret" not in str(event) for event in await pipe.events("call.updated"))


async def test_an_archive_makes_no_work(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missed calls of last year that are imported wait for nobody."""
    monkeypatch.setitem(registry.MODULES, "plain_pbx", "tests.pipeline.plain_pbx")
    registry.get.cache_clear()
    async with flowing(store, working=False) as pipe:
        async with store.pool.acquire() as connection:
            channel_id, _ = await add_channel(connection, store.vault, connector="plain_pbx", name="P", values={})
        channels = Channels(store)
        await channels.refresh()
        channel = channels.get(channel_id)
        assert channel is not None
        payload = Payload(body=body(told("A", "finished", client=PHONE, outcome="missed")))
        await pipe.writer.keep(
            to_entry(channel, payload, channel.connector.peek(payload, channel.settings), silent=True)
        )
        await _work(pipe, store, channels)
        row = (await pipe.rows("SELECT status, assignment_reason FROM conversation"))[0]
        assert tuple(row) == ("resolved", "from an archive")
    registry.get.cache_clear()


async def _work(pipe: Pipe, store: Store, channels: Channels) -> None:
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(Worker(store, channels, DirectoryCache(zone=store.settings.zone)).run())
        await pipe.done()
        working.cancel()
