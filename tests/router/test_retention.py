"""The sweep that removes what is past its time: one process at a time, told of once, for the terms of the settings."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from config.settings import Settings, load
from router import sweeps
from router.sweeps import clean_up, remove_old
from storage.db import RawConnection
from storage.events import NewEvent, append_events
from storage.locks import Lock, Role
from storage.partitions import ensure_partitions
from storage.retention import SESSION, Terms
from storage.store import Store
from tests.conftest import Database
from tests.storage.aging import WIDTH, Aging, narrowed, someone_reading


@pytest.fixture
async def old(database: Database, db: RawConnection) -> Aging:
    """A full and old first partition of the journal."""
    aging = await narrowed(database, db)
    await aging.receive(*["done"] * (WIDTH + 1))
    await aging.grow_old()
    return aging


def test_terms_are_settings() -> None:
    """90 days, 72 hours and for ever, unless told otherwise."""
    assert Terms.of(Settings()) == Terms(timedelta(days=90), timedelta(hours=72), 0)
    told = {"HUB_KEEP_JOURNAL_DAYS": "7", "HUB_KEEP_EVENTS_HOURS": "24", "HUB_KEEP_INTERACTIONS_MONTHS": "36"}
    assert Terms.of(load(told)) == Terms(timedelta(days=7), timedelta(hours=24), 36)


async def test_one_process_removes_at_a_time(old: Aging, store: Store, db: RawConnection) -> None:
    """While another is at it there is nothing to do; afterwards the lock is free again."""
    await db.execute("SELECT pg_advisory_lock($1, $2)", Lock.ROLE, Role.RETENTION)
    assert await remove_old(store) is None
    assert await old.exists("journal_p0")
    await db.execute("SELECT pg_advisory_unlock($1, $2)", Lock.ROLE, Role.RETENTION)
    found = await asyncio.gather(remove_old(store), remove_old(store))
    assert "journal_p0" in {name for removed in found if removed for name in removed.partitions}
    assert not await old.exists("journal_p0")


async def test_what_holds_a_partition_is_told_once(
    old: Aging, store: Store, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each partition that somebody's transaction holds is logged with the first run that finds it so, and anew when it
    is held again later.
    """
    monkeypatch.setattr(sweeps, "SESSION", {**SESSION, "lock_timeout": "200ms"})
    told: set[str] = set()
    with structlog.testing.capture_logs() as logs:
        async with someone_reading(database, "SELECT count(*) FROM journal"):
            await remove_old(store, told)
            await remove_old(store, told)
        assert told == {"journal_p0"}
        await remove_old(store, told)
    assert [entry["name"] for entry in logs if entry["event"] == "partition_held"] == ["journal_p0"]
    assert [entry["names"] for entry in logs if entry["event"] == "partitions_removed"] == [
        ["journal_p0", "journal_result_p0"]
    ]
    assert told == set()


async def test_rows_of_events_go_from_the_newest_partition_alone(old: Aging, store: Store, db: RawConnection) -> None:
    """Earlier partitions go whole, which costs nothing; in the newest, old events go row by row."""
    for _ in range(WIDTH + 5):
        async with db.transaction():
            await append_events(db, [NewEvent("x", [], {})])
        await ensure_partitions(db, datetime.now(UTC), width=WIDTH)
    await db.execute("UPDATE event SET at = now() - interval '73 hours' WHERE id < 14")
    assert (await clean_up(store))["event"] == 4
    assert await old.ids("SELECT id FROM event WHERE id >= 10 ORDER BY id") == [14, 15]
    removed = await remove_old(store)
    assert removed is not None
    assert "event_p0" in removed.partitions
