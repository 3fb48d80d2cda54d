"""Channels that must be asked: one owner, nothing lost or doubled whatever ends it, and trouble that shows."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

import pytest
import structlog

from config.errors import BadChannel, RetryLater, Unavailable
from connectors.base import Fetched, Io, Payload, Sink
from router import fetchers
from router.fetchers import Fetchers, lock_key
from simulator.telegram import TelegramSimulator
from storage.bus import Topic
from storage.db import LOCK_HOLDER, RawConnection
from storage.locks import Lock
from storage.store import Store
from tests.conftest import Database, opened
from tests.router.listening import SCRIPTS, payload
from tests.router.running import Site, running, site, stop, until

TOKEN = "7300000055:AAsecret"
KEPT = "SELECT count(*) FROM journal"
OWNERS = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = {int(Lock.FETCHER)} AND granted"
OWNER = "SELECT pid FROM pg_stat_activity WHERE application_name = 'hub fetcher' AND datname = current_database()"
PROBLEM = "SELECT problem FROM channel_health WHERE channel_id = $1"
STATE = "SELECT state FROM channel WHERE id = $1"


@pytest.fixture
async def here(store: Store) -> AsyncIterator[Site]:
    async with site(store) as found:
        yield found


@pytest.fixture
async def sim() -> AsyncIterator[TelegramSimulator]:
    async with TelegramSimulator() as found:
        found.add_bot(TOKEN)
        yield found


async def polled(here: Site, sim: TelegramSimulator, token: str = TOKEN) -> UUID:
    return await here.channel("telegram", token=token, mode="polling", base_url=sim.base_url, poll_s=1)


async def say(sim: TelegramSimulator, first: int, last: int) -> None:
    for number in range(first, last + 1):
        await sim.client_says(TOKEN, 5200000000 + number % 3, "Мария", f"№{number}")


async def texts(here: Site) -> list[int]:
    """Numbers of the messages kept, in the journal's order."""
    rows = await here.store.pool.fetch("SELECT convert_from(body, 'UTF8') AS body FROM journal ORDER BY id")
    return [int(json.loads(row["body"])["message"]["text"].removeprefix("№")) for row in rows]


async def test_polling_fills_the_journal_over_restarts(here: Site, sim: TelegramSimulator) -> None:
    """A fetcher stopped in mid-stream and begun anew loses nothing and doubles nothing."""
    await polled(here, sim)
    await say(sim, 1, 150)
    async with running(here.fetchers()):
        await until(lambda: _at_least(here, 100))
    await say(sim, 151, 300)
    async with running(here.fetchers()):
        await here.becomes(KEPT, 300)
    assert await texts(here) == list(range(1, 301))
    assert await here.value("SELECT count(*) FROM journal_todo") == 300
    assert await here.value(OWNERS) == 0


async def _at_least(here: Site, count: int) -> bool:
    return bool(await here.value(KEPT) >= count)


async def test_two_processes_have_one_owner(here: Site, sim: TelegramSimulator) -> None:
    """Of two the one that came second waits, and takes over at once when the first goes."""
    await polled(here, sim)
    first, second = here.fetchers(), here.fetchers()
    async with running(first) as [task]:
        await until(lambda: _is(bool(first.owned)))
        await _takes_over(here, sim, second, task)
    assert await texts(here) == [1, 2, 3, 4, 5, 6]


async def _takes_over(here: Site, sim: TelegramSimulator, second: Fetchers, first_task: asyncio.Task[None]) -> None:
    async with running(second):
        await here.becomes(OWNERS, 1)
        await say(sim, 1, 3)
        await here.becomes(KEPT, 3)
        assert not second.owned
        await stop(first_task)
        await until(lambda: _is(bool(second.owned)))
        await say(sim, 4, 6)
        await here.becomes(KEPT, 6)
        assert await here.value(OWNERS) == 1


async def _is(condition: bool) -> bool:  # noqa: FBT001 - a condition of this process, for `until`
    return condition


async def test_a_lost_connection_is_a_lost_lock(here: Site, sim: TelegramSimulator, db: RawConnection) -> None:
    """The owner's connection is ended by the server: somebody fetches on within seconds, every message once."""
    await polled(here, sim)
    owner = 0
    async with running(here.fetchers(), here.fetchers()):
        for first in (1, 11, 21):
            await say(sim, first, first + 9)
            await here.becomes(KEPT, first + 9)
            owner = await here.value(OWNER)
            await db.execute("SELECT pg_terminate_backend($1)", owner)
        await say(sim, 31, 40)
        await here.becomes(KEPT, 40, timeout_s=6)
        assert await here.value(OWNER) != owner
    assert await texts(here) == list(range(1, 41))


async def test_an_owner_without_work_stays_the_owner(
    here: Site, sim: TelegramSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends silent sessions; an owner to whom nobody writes is not silent."""
    monkeypatch.setattr(fetchers, "LOCK_HOLDER", {**LOCK_HOLDER, "idle_session_timeout": "1500ms"})
    await polled(here, sim)
    async with running(here.fetchers()):
        await here.becomes(OWNERS, 1)
        pid = await here.value(OWNER)
        older = "SELECT now() - backend_start > interval '3 seconds' FROM pg_stat_activity WHERE pid = $1"
        await here.becomes(older, True, pid, timeout_s=5)


async def test_a_frozen_owner_is_replaced(here: Site, sim: TelegramSimulator, database: Database) -> None:
    """A process that stands still loses the lock: another fetches within six seconds, and the frozen one, awake again,
    neither keeps what it had in hand nor fetches on.
    """
    await polled(here, sim)
    frozen = Frozen(database)
    try:
        await asyncio.to_thread(frozen.start)
        await here.becomes(OWNERS, 1)
        await say(sim, 1, 5)
        await here.becomes(KEPT, 5)
        pid = await here.value(OWNER)
        frozen.freeze()
        second = here.fetchers()
        async with running(second):
            await say(sim, 6, 9)
            await until(lambda: _is(bool(second.owned)), timeout_s=6)
            await here.becomes(KEPT, 9)
            assert await here.value(OWNER) != pid
            frozen.thaw()
            await say(sim, 10, 12)
            await here.becomes(KEPT, 12)
            assert await here.value(OWNERS) == 1
    finally:
        frozen.thaw()
        await asyncio.to_thread(frozen.stop)
    assert await texts(here) == list(range(1, 13))


class Frozen(threading.Thread):
    """A process's fetchers on a loop of their own, which can be made to stand still as by SIGSTOP."""

    def __init__(self, database: Database) -> None:
        super().__init__(daemon=True)
        self._database = database
        self._thawed = threading.Event()
        self._ready = threading.Event()

    def start(self) -> None:
        super().start()
        assert self._ready.wait(20)

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with opened(self._database) as store, site(store) as there, running(there.fetchers()):
            self._ready.set()
            await self._over.wait()

    def freeze(self) -> None:
        self._loop.call_soon_threadsafe(self._thawed.wait, 30)

    def thaw(self) -> None:
        self._thawed.set()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self.join(20)
        assert not self.is_alive()


async def test_a_stop_waits_for_the_commit_in_hand(here: Site, sim: TelegramSimulator, db: RawConnection) -> None:
    """A fetcher stopped while it commits ends with the commit done, not with a connection cut off."""
    await polled(here, sim)
    async with running(here.fetchers()) as [task]:
        await here.becomes(OWNERS, 1)
        async with db.transaction():
            await db.execute("LOCK TABLE channel_mark IN EXCLUSIVE MODE")
            await say(sim, 1, 7)
            await here.becomes(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hub fetcher' AND wait_event_type = 'Lock'"
                " AND datname = current_database()",
                1,
            )
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert await here.value(KEPT) == 7
    assert (await here.value("SELECT mark FROM channel_mark"))["offset"] == 810_000_007


async def test_a_refused_token_breaks_the_channel(here: Site, sim: TelegramSimulator) -> None:
    """What only an administrator can help is tried once, said on the card and to supervisors, and tried again when
    the settings have changed.
    """
    channel_id = await polled(here, sim, "7300000066:AAold")
    async with running(here.fetchers(), here.fetchers()):
        await here.becomes(STATE, "broken", channel_id)
        assert "token" in await here.value(PROBLEM, channel_id)
        assert await here.value("SELECT problem_since IS NOT NULL FROM channel_health")
        [event] = await here.events("channel.broken")
        assert (event["channel_id"], event["name"], event["audience"]) == (str(channel_id), "Channel", [])
        assert "AAold" not in str(event)
        assert sim.calls == ["getUpdates"]
        await here.change(channel_id, token=TOKEN)
        await say(sim, 1, 3)
        await here.becomes(KEPT, 3)
        await here.becomes(PROBLEM, "", channel_id)
    assert await here.value(STATE, channel_id) == "active"
    assert len(await here.events("channel.broken")) == 1


async def test_changed_settings_restart_and_a_pause_stops(here: Site, sim: TelegramSimulator) -> None:
    """A fetcher always works with the settings in force, and not at all for a paused or removed channel."""
    sim.add_bot("7300000077:AAother", username="other_bot")
    channel_id = await polled(here, sim)
    async with running(here.fetchers()):
        await here.becomes(OWNERS, 1)
        await here.change(channel_id, token="7300000077:AAother")
        await sim.client_says("7300000077:AAother", 5200000009, "Пётр", "№1")
        await here.becomes(KEPT, 1)
        await here.change(channel_id, state="paused")
        await here.becomes(OWNERS, 0)
        await here.change(channel_id)
        await here.becomes(OWNERS, 1)
        await here.store.pool.execute("DELETE FROM channel")
        await here.channels.refresh()
        await here.becomes(OWNERS, 0)


async def test_a_webhook_channel_is_not_fetched(here: Site, sim: TelegramSimulator) -> None:
    """Only channels that want it are asked."""
    await here.channel("telegram", token=TOKEN, base_url=sim.base_url)
    await polled(here, sim)
    fetchers = here.fetchers()
    async with running(fetchers):
        await until(lambda: _is(len(fetchers.owned) == 1))
        assert await here.value(OWNERS) == 1


async def test_trouble_is_told_once_and_taken_back(here: Site) -> None:
    """A listener that fails is begun again with pauses: one line when it goes down, one when it is up, the reason on
    the card meanwhile; another channel does not notice.
    """
    begun: list[str] = []

    async def failing(sink: Sink, _io: Io) -> None:
        begun.append("failing")
        if len(begun) < 3:
            raise RetryLater("The provider is away.") if len(begun) == 1 else ZeroDivisionError("secret text")
        await sink.keep([payload("one")], {"n": 1})
        await asyncio.Event().wait()

    async def working(sink: Sink, _io: Io) -> None:
        await sink.keep([payload("other")], {})
        sink.note("A small thing.")
        await asyncio.Event().wait()

    SCRIPTS.update(failing=failing, working=working)
    bad, good = await here.channel("listening", script="failing"), await here.channel("listening", script="working")
    with structlog.testing.capture_logs() as lines:
        async with running(here.fetchers()):
            await here.becomes(PROBLEM, "receiving: The provider is away.", bad)
            await here.becomes(PROBLEM, "receiving: A small thing.", good)
            await here.becomes(KEPT, 2)
            await here.becomes(PROBLEM, "", bad)
    told = [line["event"] for line in lines if line.get("channel_id") == str(bad)]
    assert [event for event in told if event != "fetcher_started"] == ["fetcher_down", "fetcher_up"]
    assert "secret text" not in str(lines)
    assert begun == ["failing"] * 3
    received = "SELECT last_received_at > now() - interval '1 minute' FROM channel_health WHERE channel_id = $1"
    await here.becomes(received, True, bad)


async def test_the_mark_and_the_rows_are_one(here: Site, db: RawConnection) -> None:
    """`keep` raises Unavailable when the commit did not happen; the next listener goes on from the mark as kept, with
    nothing lost, and a repeated payload is one entry.
    """
    marks: list[object] = []
    refused: list[BaseException] = []

    async def counting(sink: Sink, _io: Io) -> None:
        n = int(sink.mark.get("n", 0))
        marks.append(n)
        while n < 4:
            n += 1
            try:
                await sink.keep([payload(f"m{n}"), payload(f"m{n}")], {"n": n})
            except Unavailable as error:
                refused.append(error)
                raise
            assert sink.mark == {"n": n}
            if n == 2:
                await db.execute("BEGIN; LOCK TABLE journal_todo IN EXCLUSIVE MODE")
        await asyncio.Event().wait()

    SCRIPTS["counting"] = counting
    await here.channel("listening", script="counting")
    waiting = "SELECT pid FROM pg_stat_activity WHERE application_name = 'hub fetcher' AND wait_event_type = 'Lock'"
    async with running(here.fetchers()):
        await until(lambda: _has(here, waiting))
        await db.execute("SELECT pg_terminate_backend($1)", await here.value(waiting))
        await until(lambda: _is(bool(refused)))
        await db.execute("COMMIT")
        await here.becomes("SELECT mark ->> 'n' FROM channel_mark", "4")
    assert marks == [0, 2]
    assert await here.value(KEPT) == 4


async def _has(here: Site, query: str) -> bool:
    return await here.value(query) is not None


async def test_bodies_of_every_kind_are_kept(here: Site) -> None:
    """A big body goes to the blob store; headers that the database can't hold cost nobody his message."""

    async def bringing(sink: Sink, _io: Io) -> None:
        odd = Fetched(Payload(body=b'{"id": "odd"}', path="/a\x00b"))
        await sink.keep([payload("big", padding=300_000), odd, payload("plain")], {"n": 1})
        await asyncio.Event().wait()

    SCRIPTS["bringing"] = bringing
    await here.channel("listening", script="bringing")
    async with running(here.fetchers()):
        await here.becomes(KEPT, 3)
        await here.becomes("SELECT mark ->> 'n' FROM channel_mark", "1")
    blob = await here.value("SELECT blob FROM journal WHERE blob IS NOT NULL")
    assert len(await here.store.blobs.read(blob)) > 300_000


async def test_a_broken_listener_leaves_a_mended_channel_alone(here: Site, db: RawConnection) -> None:
    """An administrator who changed the settings while the old ones were failing is not overruled."""
    begun: list[int] = []
    go = asyncio.Event()

    async def breaking(sink: Sink, _io: Io) -> None:
        begun.append(len(begun))
        await go.wait()
        if len(begun) == 1:
            raise BadChannel("The account is closed.")
        await sink.keep([payload("mended")], {})
        await asyncio.Event().wait()

    SCRIPTS["breaking"] = breaking
    channel_id = await here.channel("listening", script="breaking")
    part = here.fetchers()
    async with running(part):
        await until(lambda: _is(bool(begun)))
        await db.execute("UPDATE channel SET version = version + 1 WHERE id = $1", channel_id)
        go.set()
        await until(lambda: _is(channel_id in part._broken))
        here.store.bus.notify(Topic.CHANNELS)
        await here.becomes(KEPT, 1)
    assert await here.value(STATE, channel_id) == "active"
    assert await here.events("channel.broken") == []


def test_lock_keys_are_stable() -> None:
    """Every process of every version must name a channel's lock alike."""
    assert lock_key(UUID(int=1)) == lock_key(UUID(int=1)) != lock_key(UUID(int=2))
    assert lock_key(UUID(int=1)) == 0x54EC0AF3
    assert all(0 <= lock_key(UUID(int=n)) < 2**31 for n in range(1000))
