"""What is done now and then: the right rows, each effect once, and cron that outlives its Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog
from redis.asyncio import Redis

from router import sweeps
from router.jobs import Job, Jobs
from router.sweeps import clean_up, find_doubles, make_partitions, rotate_keys, tell_silence
from storage.bus import Topic
from storage.db import Connection, RawConnection
from storage.events import NewEvent, append_events, last_event_id, oldest_event_id
from storage.journal import NewEntry, dedup_key, insert
from storage.queries import load
from storage.store import Store
from tests.conftest import Database
from tests.router.running import Site, running, site, until

EVERY_SECOND = frozenset(range(60))
PROBLEM = "SELECT problem FROM channel_health WHERE channel_id = $1"


@pytest.fixture
async def here(store: Store) -> AsyncIterator[Site]:
    async with site(store) as found:
        yield found


async def twice(*sweeps: object) -> None:
    """At the same time, as two workers might."""
    await asyncio.gather(*sweeps)  # type: ignore[call-overload]


# ---------------------------------------------------------------- sweeps


async def test_partitions_are_made_ahead(store: Store, db: RawConnection) -> None:
    """A missing partition is made, by two workers at once as well as by one."""
    month = datetime.now(UTC) + timedelta(days=62)
    name = f"interaction_p{month:%Y%m}"
    await db.execute(f"DROP TABLE IF EXISTS {name}")
    await twice(make_partitions(store), make_partitions(store))
    assert await db.fetchval("SELECT to_regclass($1) IS NOT NULL", name)


async def test_keys_are_rotated_every_three_days(here: Site, db: RawConnection) -> None:
    """The first run starts the clock; three days later one of two runs rotates; a key is known through one rotation
    and forgotten by the second.
    """
    channel_id = await here.channel("listening")

    async def keep() -> int:
        return len(await insert(db, [NewEntry(channel_id, dedup_key(channel_id, "k"), 0, body=b"x")]))

    async def later() -> list[bool]:
        await db.execute("UPDATE workspace_setting SET updated_at = now() - interval '73 hours'")
        return sorted(await asyncio.gather(rotate_keys(here.store), rotate_keys(here.store)))

    assert await keep() == 1
    assert not await rotate_keys(here.store)
    assert await later() == [False, True]
    assert await keep() == 0
    assert not await rotate_keys(here.store)
    assert await later() == [False, True]
    assert await keep() == 1


async def test_silence_is_told_once_and_taken_back(here: Site, db: RawConnection) -> None:
    """A channel from which nothing comes for too long: one event to supervisors, a word on the card until it speaks."""
    silent = await here.channel("listening", silent_after_s=3600)
    patient = await here.channel("listening", silent_after_s=90_000)
    unwatched = await here.channel("listening")
    paused = await here.channel("listening", silent_after_s=60)
    await here.change(paused, state="paused")
    await here.channels.refresh()
    await db.executemany(
        "INSERT INTO channel_health (channel_id, last_received_at) VALUES ($1, now() - interval '5 hours')",
        [(channel_id,) for channel_id in (silent, patient, unwatched, paused)],
    )
    await twice(tell_silence(here.store, here.channels), tell_silence(here.store, here.channels))
    [event] = await here.events("channel.silent")
    assert (event["channel_id"], event["name"], event["audience"]) == (str(silent), "Channel", [])
    assert await here.value(PROBLEM, silent) == "silent: nothing has come for longer than 3600 s"
    assert await here.value("SELECT count(*) FROM channel_health WHERE problem <> ''") == 1
    await db.execute(load("health").record, [silent], [datetime.now(UTC)], [0])
    await tell_silence(here.store, here.channels)
    assert await here.value(PROBLEM, silent) == ""
    assert len(await here.events("channel.silent")) == 1


async def test_a_graver_problem_is_not_overwritten(here: Site, db: RawConnection) -> None:
    """Silence does not hide why it is silent."""
    channel_id = await here.channel("listening", silent_after_s=3600)
    await db.execute(
        "INSERT INTO channel_health (channel_id, last_received_at, problem)"
        " VALUES ($1, now() - interval '5 hours', 'receiving: no money')",
        channel_id,
    )
    await tell_silence(here.store, here.channels)
    await tell_silence(here.store, here.channels)
    assert await here.value(PROBLEM, channel_id) == "receiving: no money"
    assert len(await here.events("channel.silent")) == 1


async def test_what_is_past_its_time_is_removed(here: Site, db: RawConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old rows go, in batches, and none that is still wanted; the event log keeps its highest id."""
    monkeypatch.setattr(sweeps, "BATCH", 3)
    async with db.transaction():
        await append_events(db, [NewEvent("x", [], {"n": n}) for n in range(10)])
    newest = await last_event_id(db)
    await db.execute("UPDATE event SET at = now() - interval '73 hours' WHERE id <= $1", newest - 2)
    for age in ("25 hours", "23 hours"):
        await db.execute(
            "INSERT INTO pending_status (channel_id, external_id, status, error, at)"
            " SELECT uuidv7(), n::text, 'sent', '{}', now() - $1::text::interval FROM generate_series(1, 7) AS n",
            age,
        )
    for age in ("73 hours", "71 hours"):
        await db.execute(
            "INSERT INTO idempotency_key SELECT $1, n::text, '', 200, '{}', now() - $1::text::interval"
            " FROM generate_series(1, 7) AS n",
            age,
        )
    for ends in ("-1 hours", "1 hours"):
        await db.execute(
            "INSERT INTO web_session (hash, agent_id, expires_at)"
            " SELECT sha256(($1 || n)::bytea), uuidv7(), now() + $1::text::interval FROM generate_series(1, 7) AS n",
            ends,
        )
    await twice(clean_up(here.store), clean_up(here.store))
    assert await oldest_event_id(db) == newest - 1
    for table in ("pending_status", "idempotency_key", "web_session"):
        assert await here.value(f"SELECT count(*) FROM {table}") == 7, table
    await db.execute("UPDATE event SET at = now() - interval '73 hours'")
    assert (await clean_up(here.store))["event"] == 1
    assert await last_event_id(db) == newest


async def test_nothing_to_remove_is_no_trouble(here: Site) -> None:
    """A new hub's empty tables."""
    assert set((await clean_up(here.store)).values()) == {0}


async def test_pieces_that_wait_in_vain_are_handed_on(here: Site) -> None:
    """A part of a message is never thrown away by the clean-up itself; who joins parts decides, and listeners hear."""
    signal = here.store.bus.signal(Topic.EVENTS)

    async def deliver(connection: Connection) -> int:
        await connection.execute("DELETE FROM part_buffer")
        return await append_events(connection, [NewEvent("interaction.created", [], {})])

    await here.store.pool.execute(
        "INSERT INTO part_buffer (channel_id, ref, n, of, entry_id, item, at)"
        " VALUES (uuidv7(), 'r', 1, 2, 1, '{}', now() - interval '2 days')"
    )
    await clean_up(here.store)
    assert await here.value("SELECT count(*) FROM part_buffer") == 1
    await clean_up(here.store, deliver)
    assert await here.value("SELECT count(*) FROM part_buffer") == 0
    assert signal.value > 0


async def test_new_cards_are_compared_once(here: Site, db: RawConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards of one person, in either alphabet, are suggested; each card is looked at once, and not before every older
    one can be seen.
    """
    names = ("Константин Преображенский", "Konstantin Preobrazhensky", "Мария Ольховская")
    for name in names:
        await db.execute(
            "WITH new AS (SELECT uuidv7() AS id) INSERT INTO contact (id, card_id, name, sort_name, kind)"
            " SELECT id, id, $1, lower($1), 'person' FROM new",
            name,
        )
    assert await find_doubles(here.store) == 0
    monkeypatch.setattr(sweeps, "SETTLED", timedelta(seconds=-1))
    found = await asyncio.gather(find_doubles(here.store), find_doubles(here.store))
    assert sum(found) == 1
    assert await here.value("SELECT count(*) FROM merge_suggestion") == 1
    cursor = await here.value("SELECT value ->> 'after' FROM workspace_setting WHERE key = 'job:doubles'")
    assert cursor == str(await here.value("SELECT id FROM contact ORDER BY id DESC LIMIT 1"))
    await db.execute("DELETE FROM merge_suggestion")
    assert await find_doubles(here.store) == 0


# ---------------------------------------------------------------- cron


class Ticks:
    """A sweep that counts, and fails when told to."""

    def __init__(self) -> None:
        self.count = 0
        self.error: Exception | None = None

    async def __call__(self) -> None:
        self.count += 1
        if self.error is not None:
            raise self.error

    async def more(self, count: int = 1, timeout_s: float = 15) -> None:
        wanted = self.count + count

        async def there() -> bool:
            return self.count >= wanted

        await until(there, timeout_s=timeout_s)


def jobs_of(here: Site, redis_url: str, ticks: Ticks) -> Jobs:
    return Jobs(here.store, here.channels, redis_url=redis_url, more=[Job("tick", ticks, EVERY_SECOND)])


async def test_cron_outlives_its_redis(here: Site, database: Database) -> None:
    """A flushed Redis loses no run, broken connections cost a restart: one line when it is away, one when it is back."""
    redis: Redis = Redis.from_url(database.redis_url)
    ticks = Ticks()
    try:
        with structlog.testing.capture_logs() as lines:
            async with running(jobs_of(here, database.redis_url, ticks)):
                await ticks.more(2)
                await redis.flushall()
                await ticks.more(2)
                await redis.client_kill_filter(_type="normal", skipme=True)
                await ticks.more(2)
    finally:
        await redis.aclose()
    told = [line["event"] for line in lines if line["event"].startswith("jobs_")]
    assert told in ([], ["jobs_down", "jobs_up"])


async def test_partitions_do_not_wait_for_redis(here: Site, database: Database, db: RawConnection) -> None:
    """A worker that starts without Redis makes the partitions; cron begins by itself once Redis is there."""
    name = f"interaction_p{datetime.now(UTC) + timedelta(days=62):%Y%m}"
    await db.execute(f"DROP TABLE IF EXISTS {name}")
    there = Path(database.redis_url.removeprefix("unix://").partition("?")[0])
    later = there.parent / f"later-{database.url.partition('?')[0].rpartition('/')[2]}.sock"
    ticks = Ticks()
    try:
        with structlog.testing.capture_logs() as lines:
            async with running(jobs_of(here, f"unix://{later}", ticks)):
                await here.becomes("SELECT to_regclass($1) IS NOT NULL", True, name)
                await until(lambda: _told(lines, "jobs_down"))
                later.symlink_to(there)
                await ticks.more(2)
    finally:
        later.unlink(missing_ok=True)
    assert [line["event"] for line in lines if line["event"].startswith("jobs_")] == ["jobs_down", "jobs_up"]


async def test_wrap_up_ends_without_redis(here: Site, database: Database, db: RawConnection) -> None:
    """An agent whose time to write up a call is over is there again, and is told so, while Redis is away."""
    gone = Path(database.redis_url.removeprefix("unix://").partition("?")[0]).parent / "nobody-listens.sock"
    agent = await db.fetchval("INSERT INTO agent (login, name) VALUES ('anna', 'Anna') RETURNING id")
    since = datetime.now(UTC) - timedelta(seconds=30)
    await db.execute("INSERT INTO presence VALUES ($1, 'wrap_up', '', $2, now())", agent, since)
    value = {"since": since.isoformat(), "until": (since + timedelta(seconds=20)).isoformat()}
    await db.execute("INSERT INTO workspace_setting (key, value) VALUES ($1, $2)", f"wrap_up:{agent}", value)
    async with running(jobs_of(here, f"unix://{gone}", Ticks())):
        await here.becomes("SELECT state FROM presence WHERE agent_id = $1", "online", agent)
    assert [event["state"] for event in await here.events("agent.presence")] == ["online"]


async def _told(lines: Sequence[Mapping[str, object]], event: str) -> bool:
    return any(line["event"] == event for line in lines)


async def test_a_failing_sweep_is_told_once_and_runs_on(here: Site, database: Database) -> None:
    """A sweep that raises is tried at its next time; one line when it begins to fail, without the error's text."""
    ticks = Ticks()
    ticks.error = ZeroDivisionError("a client's name")
    with structlog.testing.capture_logs() as lines:
        async with running(jobs_of(here, database.redis_url, ticks)):
            await ticks.more(3)
            ticks.error = None
            await ticks.more(2)
    told = [line["event"] for line in lines if line.get("job") == "tick"]
    assert told == ["job_failed", "job_works_again"]
    assert "client's name" not in str(lines)


async def test_of_two_workers_one_sweeps(here: Site, database: Database) -> None:
    """Two workers on one Redis share the runs of a job between them."""
    one, two = Ticks(), Ticks()
    async with running(jobs_of(here, database.redis_url, one), jobs_of(here, database.redis_url, two)):
        await until(lambda: _sum(one, two, 2))
        start, before = asyncio.get_running_loop().time(), one.count + two.count
        await until(lambda: _sum(one, two, before + 4))
        took_s = asyncio.get_running_loop().time() - start
    assert took_s > 2.0


async def _sum(one: Ticks, two: Ticks, wanted: int) -> bool:
    return one.count + two.count >= wanted
