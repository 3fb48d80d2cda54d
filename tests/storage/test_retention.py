"""What is past its time goes, partition by partition; what is still needed stays, whenever the hub is killed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from storage.db import RawConnection
from storage.events import NewEvent, append_events, last_event_id, oldest_event_id
from storage.journal import NewEntry, insert, unique_key
from storage.journal_view import State, get_entry, list_entries
from storage.kept import drop_journal, keep_not_done, kept_rows
from storage.partitions import (
    detached,
    ensure_partitions,
    leaving,
    month_start,
    partitions_of,
    stray_partitions,
    take_out,
    uuid7_floor,
)
from storage.retention import Terms
from storage.store import Store
from tests.conftest import Database
from tests.storage.aging import TERMS, WIDTH, Aging, narrowed, someone_reading

READS = "SELECT count(*) FROM journal"


@pytest.fixture
async def old(database: Database, db: RawConnection) -> Aging:
    return await narrowed(database, db)


async def filled(old: Aging) -> list[int]:
    """Nine entries of the first partition, 3 done long ago, some not done, and a younger partition. All are old."""
    ids = await old.receive("done", "failed", "done", None, "quarantined", "ignored", "done", "failed", "done")
    await old.receive("done", "done")
    await old.grow_old()
    return ids


NOT_DONE = [2, 4, 5, 8]


# ---------------------------------------------------------------- the journal


async def test_a_partition_goes_when_all_of_it_is_old(old: Aging) -> None:
    """Done entries go with their partition and their results; those not done stay, with what became of them. The partition
    that ids are given out from stays although everything in it is old.
    """
    await filled(old)
    before = await old.db.fetch("SELECT * FROM journal WHERE id = ANY ($1::bigint[]) ORDER BY id", NOT_DONE)
    removed = (await old.remove()).removed
    assert (removed.partitions, removed.held, removed.copied) == (["journal_p0"], {}, 4)
    assert not await old.exists("journal_p0")
    assert await old.ids("SELECT id FROM journal ORDER BY id") == [10, 11]
    assert await old.db.fetch("SELECT * FROM journal_kept ORDER BY id") == before
    assert await old.ids("SELECT entry_id FROM journal_result ORDER BY entry_id") == [2, 5, 8, 10, 11]
    assert (await old.remove()).removed.partitions == []
    assert [p.low for p in await old.partitions()] == [10, 20]


async def test_one_young_entry_keeps_its_partition(old: Aging) -> None:
    """A partition stays until the last of its entries is past its time."""
    await filled(old)
    await old.db.execute("UPDATE journal SET received_at = now() - interval '89 days' WHERE id = 9")
    assert (await old.remove()).removed.partitions == []
    assert len(await old.ids("SELECT id FROM journal")) == 11
    assert await old.ids("SELECT id FROM journal_kept") == []


async def test_what_something_waits_for_is_not_done(old: Aging) -> None:
    """An entry whose enclosed file is yet to be kept, or whose piece of a message waits for the others, is kept."""
    await old.receive(*["done"] * 11)
    await old.grow_old()
    await old.db.execute(
        "INSERT INTO attachment (state, source) VALUES ('pending', '{\"entry\": 3}'), ('kept', '{\"entry\": 4}')"
    )
    await old.db.execute(
        "INSERT INTO part_buffer (channel_id, ref, n, \"of\", entry_id, item) VALUES ($1, 'r', 1, 2, 5, '{}')",
        old.channel,
    )
    await old.remove()
    assert await old.ids("SELECT id FROM journal_kept ORDER BY id") == [3, 5]


async def test_kept_entries_are_shown(old: Aging, store: Store) -> None:
    """The journal lists and shows them like the rest, each once: before, while and after their partition goes."""
    ids = await filled(old)

    async def shown(state: State | None) -> list[int]:
        items = await list_entries(
            store.pool,
            state=state,
            channel=None,
            after=None,
            limit=50,
            down=False,
        )
        assert {item.state for item in items} <= (
            {state} if state else {"new", "done", "ignored", "failed", "quarantined"}
        )
        return [item.id for item in items]

    await keep_not_done(old.db, "journal_p0")
    assert await shown(None) == [*ids, 10, 11]
    [first, _] = (await old.partitions())[:2]
    await take_out(old.db, first)
    assert await shown(None) == [*NOT_DONE, 10, 11]
    await old.remove()
    assert await shown(None) == [*NOT_DONE, 10, 11]
    assert await shown("failed") == [2, 8]
    assert await shown("quarantined") == [5]
    assert await shown("new") == [4]
    entry, row = await get_entry(store.pool, 8)
    assert (entry.state, entry.detail, row["body"], row["request"]) == ("failed", "why", b'{"n": 1}', {"path": "/x"})


async def test_a_kept_entry_is_processed_again(old: Aging, store: Store) -> None:
    """Put on the work list again, its payload is found as it came, what becomes of it can be written and is shown; after
    the journal's time it is forgotten, and the last of a range takes the range's results along.
    """
    await filled(old)
    was = await old.db.fetchrow("SELECT * FROM journal WHERE id = 8")
    await old.remove()
    await old.again(8)
    assert await kept_rows(old.db, [8, 999]) == [was]
    assert (await get_entry(store.pool, 8))[0].state == "new"
    await old.finish(8, "done", ago="89 days")
    assert (await get_entry(store.pool, 8))[0].state == "done"
    assert (await old.remove()).removed.forgotten == 0
    for entry_id in NOT_DONE:
        await old.finish(entry_id, "done", ago="91 days")
    await old.again(2)
    assert (await old.remove()).removed.forgotten == 3
    assert await old.ids("SELECT id FROM journal_kept") == [2]
    assert await old.ids("SELECT entry_id FROM journal_result WHERE entry_id < 10") == [2]
    await old.finish(2, "ignored", ago="91 days")
    assert (await old.remove()).removed.forgotten == 1
    assert (await old.remove()).removed.partitions == ["journal_result_p0"]
    assert not await old.exists("journal_result_p0")


async def test_a_kept_entry_about_to_be_replayed_stays(old: Aging, database: Database) -> None:
    """A replay locks the entry that it puts on the work list: it is not forgotten before that commits, nor after."""
    await filled(old)
    await old.remove()
    for entry_id in NOT_DONE:
        await old.finish(entry_id, "done", ago="91 days")
    locks = "SELECT id FROM journal_kept WHERE id = 2 FOR KEY SHARE"
    puts = "INSERT INTO journal_todo (entry_id, lane, class, replay) VALUES (2, 7, 2, true)"
    async with someone_reading(database, locks, puts) as someone:
        assert (await old.remove()).removed.forgotten == 3
        await someone.execute("COMMIT")
    assert (await old.remove()).removed.forgotten == 0
    assert [row["id"] for row in await kept_rows(old.db, NOT_DONE)] == [2]


# ---------------------------------------------------------------- killed in between


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_a_run_that_died_is_finished_by_the_next(old: Aging, steps: int) -> None:
    """Killed after the copying, after the detaching, after the drop: nothing lost, nothing twice."""
    await filled(old)
    [first, *_] = await old.partitions()
    await keep_not_done(old.db, first.name)
    if steps > 1:
        await take_out(old.db, first)
    if steps > 2:
        await drop_journal(old.db, old.blobs, first.name)
    removed = (await old.remove()).removed
    assert removed.partitions == ([] if steps > 2 else ["journal_p0"])
    assert removed.copied == 0
    assert await old.ids("SELECT id FROM journal_kept ORDER BY id") == NOT_DONE
    assert await old.ids("SELECT entry_id FROM journal_result ORDER BY entry_id") == [2, 5, 8, 10, 11]
    assert await stray_partitions(old.db) == []


async def test_a_replay_between_the_steps_is_kept(old: Aging) -> None:
    """A done entry that is put on the work list after the copying: its payload is found while its partition is on its way
    out, and copied before that is dropped.
    """
    await filled(old)
    [first, *_] = await old.partitions()
    was = await old.db.fetchrow("SELECT * FROM journal WHERE id = 3")
    await keep_not_done(old.db, first.name)
    await old.again(3)
    await take_out(old.db, first)
    assert await old.db.fetchval("SELECT count(*) FROM journal WHERE id = 3") == 0
    assert await kept_rows(old.db, [3]) == [was]
    assert (await old.remove()).removed.copied == 1
    assert await kept_rows(old.db, [3]) == [was]
    assert await old.ids("SELECT id FROM journal_kept ORDER BY id") == sorted([3, *NOT_DONE])


async def test_a_replay_that_is_not_committed_yet_is_waited_for(old: Aging, database: Database) -> None:
    """Somebody has read an old entry and put it on the work list, but not committed: the partition waits for him."""
    await filled(old)
    put = "INSERT INTO journal_todo (entry_id, lane, class, replay) SELECT id, lane, 2, true FROM journal WHERE id = 3"
    async with someone_reading(database, put) as someone:
        assert "journal_p0" in (await old.remove()).removed.held
        assert "journal_p0" in (await old.remove()).removed.held
        assert await old.exists("journal_p0")
        await someone.execute("COMMIT")
    assert (await old.remove()).removed.partitions == ["journal_p0"]
    assert await old.ids("SELECT id FROM journal_kept ORDER BY id") == sorted([3, *NOT_DONE])


# ---------------------------------------------------------------- beside others


async def test_a_long_transaction_is_not_waited_for(old: Aging, database: Database, store: Store) -> None:
    """Somebody's open transaction makes the removal give up soon, the partition half taken out. Meanwhile payloads are
    kept, partitions made and entries found; the next run goes on, and when the other has gone finishes.
    """
    await filled(old)
    async with someone_reading(database, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", READS) as someone:
        async with asyncio.timeout(10):
            removed = (await old.remove()).removed
        assert (removed.partitions, list(removed.held)) == ([], ["journal_p0"])
        assert [p.pending for p in await old.partitions()][:2] == [True, False]
        assert await leaving(old.db, "journal") == ["journal_p0"] == await stray_partitions(old.db)
        await old.receive(*["done"] * WIDTH)
        assert (await get_entry(store.pool, 8))[0].state == "failed"
        assert [row["id"] for row in await kept_rows(old.db, [3, 8])] == [3, 8]
        assert list((await old.remove()).removed.held) == ["journal_p0"]
        assert await someone.fetchval("SELECT count(*) FROM journal WHERE id < 10") == 9
    assert (await old.remove()).removed.partitions == ["journal_p0"]
    assert await stray_partitions(old.db) == []


async def test_traffic_goes_on_while_the_removal_waits(old: Aging, database: Database) -> None:
    """While it waits for somebody's transaction, payloads are kept and work is finished without waiting for it."""
    await filled(old)
    async with someone_reading(database, READS), old.removal(patience="5s") as removal:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(removal.journal())
            await _until_pending(old)
            async with asyncio.timeout(2):
                [entry] = await old.receive("done")
            assert not task.done()
            task.cancel()
    assert await old.ids("SELECT max(id) FROM journal") == [entry]


async def _until_pending(old: Aging) -> None:
    async with asyncio.timeout(5):
        while not any(p.pending for p in await old.partitions()):
            await asyncio.sleep(0.01)


async def test_a_cancelled_run_is_finished_by_the_next(old: Aging, database: Database) -> None:
    """Cancelled in the middle of the detaching, as at shutdown: the partition is half out, the next run finishes."""
    await filled(old)
    async with someone_reading(database, READS), old.removal(patience="20s") as removal:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(removal.run())
            await _until_pending(old)
            task.cancel()
    assert await old.exists("journal_p0")
    assert (await old.remove()).removed.partitions == ["journal_p0"]
    assert await old.ids("SELECT id FROM journal_kept ORDER BY id") == NOT_DONE


async def test_what_is_held_does_not_stop_the_rest(old: Aging, database: Database) -> None:
    """Events go although the journal can't."""
    await filled(old)
    await _events(old, 2 * WIDTH)
    async with someone_reading(database, READS):
        removed = (await old.remove()).removed
    assert (removed.partitions, list(removed.held)) == (["event_p0", "event_p1"], ["journal_p0"])


async def test_a_default_partition_is_told_of(old: Aging) -> None:
    """With one, PostgreSQL would have to stop everybody: nothing is done, and why is said."""
    await filled(old)
    await old.db.execute("CREATE TABLE journal_rest PARTITION OF journal DEFAULT")
    removed = (await old.remove()).removed
    assert removed.partitions == []
    assert "default partition" in removed.held["journal_p0"]
    assert [p.pending for p in await old.partitions()] == [False, False, False]


async def test_a_table_somebody_took_out_is_not_dropped(old: Aging) -> None:
    """An administrator may detach a partition to archive it; `doctor` can name it."""
    await filled(old)
    await old.db.execute("ALTER TABLE journal DETACH PARTITION journal_p0")
    assert (await old.remove()).removed.partitions == []
    assert await old.exists("journal_p0")
    assert await stray_partitions(old.db) == ["journal_p0"]
    assert await detached(old.db, "journal") == []


# ---------------------------------------------------------------- blobs


async def test_a_body_kept_outside_goes_with_its_last_entry(old: Aging) -> None:
    """Two entries share a big body, one failed: the file stays for that one and goes once it is done and forgotten."""
    sha256 = await old.keep_file(b"a big body")
    await old.receive("done", "failed", blob=sha256)
    await old.receive(*["done"] * 9)
    await old.grow_old()
    assert (await old.remove()).removed.blobs == 0
    assert await old.ids("SELECT id FROM journal_kept") == [2]
    assert old.has_file(sha256)
    assert await old.db.fetchval("SELECT count(*) FROM blob") == 0
    await old.finish(2, "done", ago="91 days")
    assert (await old.remove()).removed.blobs == 1
    assert not old.has_file(sha256)
    assert await old.db.fetchval("SELECT count(*) FROM blob") == 0


async def test_a_body_somebody_else_holds_stays(old: Aging) -> None:
    """A younger entry with the same body holds the file, and so does an attachment; the attachment's size is known."""
    young, attached, free = [await old.keep_file(data) for data in (b"young", b"attached", b"free")]
    await old.db.execute("INSERT INTO blob (sha256, size, refs) VALUES ($1, 8, 1)", attached)
    for sha256 in (young, attached, free):
        await old.receive("done", blob=sha256)
    await old.receive(*["done"] * 7, blob=None)
    await old.receive("done", blob=young)
    await old.grow_old()
    assert (await old.remove()).removed.blobs == 1
    assert [old.has_file(sha256) for sha256 in (young, attached, free)] == [True, True, False]
    assert [tuple(row) for row in await old.db.fetch("SELECT sha256, size, refs FROM blob")] == [(attached, 8, 1)]


async def test_bytes_kept_again_lately_stay(old: Aging) -> None:
    """Who has just kept the same bytes has no row yet: the file stays for him, and goes later if no row comes."""
    sha256 = await old.keep_file(b"a big body")
    await old.receive("done", blob=sha256)
    await old.receive(*["done"] * 9)
    await old.grow_old()
    await old.blobs.keep(b"a big body")
    assert (await old.remove()).removed.blobs == 0
    assert old.has_file(sha256)
    await old.keep_file(b"a big body")
    assert (await old.remove()).removed.blobs == 1
    assert not old.has_file(sha256)


async def test_a_sweep_that_died_over_a_file_lost_nothing(old: Aging) -> None:
    """Killed between moving a file out of the way and removing it: the next look takes it up again."""
    sha256 = await old.keep_file(b"a big body")
    path = old.blobs.path(sha256)
    path.replace(path.with_name(f".{sha256}.going"))
    assert not await old.blobs.free(sha256, unused_for_s=1e12)
    assert await old.blobs.read(sha256) == b"a big body"
    assert await old.blobs.free(sha256, unused_for_s=3600)
    assert await old.blobs.free(sha256, unused_for_s=3600)
    assert list(path.parent.iterdir()) == []


async def test_uploads_that_nobody_sent_go(old: Aging) -> None:
    """After a month an upload of no message goes with its bytes, unless a draft names it or it is young."""
    agent = await old.db.fetchval("INSERT INTO agent (login, name) VALUES ('anna', 'Anna') RETURNING id")
    files = [await old.keep_file(data) for data in (b"forgotten", b"in a draft", b"young", b"sent")]
    ids = []
    for sha256, days in zip(files, (31, 31, 29, 31), strict=True):
        await old.db.execute("INSERT INTO blob (sha256, size, refs) VALUES ($1, 9, 1)", sha256)
        ids.append(
            await old.db.fetchval(
                "INSERT INTO attachment (blob, state, uploaded_by, created_at)"
                " VALUES ($1, 'kept', $2, now() - make_interval(days => $3)) RETURNING id",
                sha256,
                agent,
                days,
            )
        )
    await old.db.execute("UPDATE attachment SET interaction_id = uuidv7() WHERE id = $1", ids[3])
    await old.db.execute(
        "INSERT INTO draft (agent_id, conversation_id, body) VALUES ($1, uuidv7(), $2)",
        agent,
        {"attachments": [str(ids[1])]},
    )
    removed = (await old.remove()).removed
    assert (removed.files, removed.blobs) == (1, 1)
    assert set(await old.ids("SELECT id FROM attachment")) == set(ids[1:])
    assert [old.has_file(sha256) for sha256 in files] == [False, True, True, True]


# ---------------------------------------------------------------- events, interactions


async def _events(old: Aging, count: int, *, hours: int = 73) -> None:
    for _ in range(count):
        async with old.db.transaction():
            await append_events(old.db, [NewEvent("x", [], {})])
        await ensure_partitions(old.db, datetime.now(UTC), width=WIDTH)
    await old.db.execute("UPDATE event SET at = now() - make_interval(hours => $1)", hours)


async def test_old_events_go_by_partitions(old: Aging) -> None:
    """Partitions whose events are all too old go; the newest event stays, however old, and ids go on behind it."""
    await _events(old, 2 * WIDTH)
    assert (await old.remove()).removed.partitions == ["event_p0", "event_p1"]
    assert await last_event_id(old.db) == 20
    async with old.db.transaction():
        assert await append_events(old.db, [NewEvent("x", [], {})]) == 21
    assert (await old.remove()).removed.partitions == []
    assert await oldest_event_id(old.db) == 20


async def test_the_last_event_is_not_dropped_with_its_partition(old: Aging) -> None:
    """Ids 1-9 are all too old and the next id is 10, but no event stands above them: the log would forget where it is."""
    await _events(old, WIDTH - 1)
    await old.db.execute("SELECT nextval(pg_get_serial_sequence('event', 'id'))")
    assert (await old.remove()).removed.partitions == []
    assert await last_event_id(old.db) == 9


async def test_interactions_stay_unless_told(old: Aging) -> None:
    """By default history is for ever. Told otherwise, whole months go, with the files only they held."""
    now = datetime.now(UTC)
    await ensure_partitions(old.db, month_start(now.year, now.month - 5))
    held, shared = [await old.keep_file(data) for data in (b"held", b"shared")]
    await old.db.execute("INSERT INTO blob (sha256, size, refs) VALUES ($1, 4, 1), ($2, 6, 2)", held, shared)
    ids = {}
    for back in (5, 3, 2, 0):
        ids[back] = await _interaction(old, month_start(now.year, now.month - back) + timedelta(hours=1))
    for back, blob in ((5, held), (3, shared), (2, shared)):
        await old.db.execute(
            "INSERT INTO attachment (interaction_id, blob, state) VALUES ($1, $2, 'kept')", ids[back], blob
        )
    assert (await old.remove()).removed.partitions == []
    removed = (await old.remove(Terms(TERMS.journal, TERMS.events, interactions_months=2))).removed
    assert len(removed.partitions) == 3
    assert (removed.files, removed.blobs) == (2, 1)
    assert {row["id"] for row in await old.db.fetch("SELECT id FROM interaction")} == {ids[2], ids[0]}
    assert [old.has_file(sha256) for sha256 in (held, shared)] == [False, True]
    assert await old.db.fetchval("SELECT refs FROM blob WHERE sha256 = $1", shared) == 1
    assert (await old.remove(Terms(TERMS.journal, TERMS.events, interactions_months=2))).removed.partitions == []


async def _interaction(old: Aging, at: datetime) -> object:
    return await old.db.fetchval(
        "INSERT INTO interaction (id, order_at, kind, direction, channel_id, conversation_id, contact_id)"
        " VALUES ($1, $2, 'message', 'in', $3, $3, $3) RETURNING id",
        uuid7_floor(at),
        at,
        old.channel,
    )


async def test_partitions_are_made_beside_one_on_its_way_out(old: Aging, database: Database) -> None:
    """A partition half taken out does not keep the next ones from being made, nor payloads from being kept there."""
    await filled(old)
    async with someone_reading(database, READS):
        await old.remove()
        await old.db.execute("SELECT setval(pg_get_serial_sequence('journal', 'id'), 55)")
        assert "journal_p6" in await ensure_partitions(old.db, datetime.now(UTC), width=WIDTH)
        assert len(await insert(old.db, [NewEntry(old.channel, unique_key(), 1, body=b"x")])) == 1
    assert [p.low for p in await partitions_of(old.db, "journal")] == [0, 10, 20, 50, 60]
