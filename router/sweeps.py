"""What has to be done now and then: each a look over rows, safe to do twice, at once, or late. What must happen once is
claimed in PostgreSQL. Nothing here holds a lock for longer than a batch takes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from router.channels import Channels
from router.doubles import new_cards, suggest_doubles
from storage.bus import Topic
from storage.db import Connection, connect
from storage.events import NewEvent, append_events, last_event_id
from storage.journal import rotate_dedup
from storage.locks import Lock, Role
from storage.partitions import ensure_partitions, newest_partition, uuid7_floor
from storage.queries import load
from storage.retention import SESSION, Removal, Removed, Terms
from storage.store import Store
from storage.tasks import claim_reminders, task_event

log = structlog.get_logger()
HEALTH = load("health")

ACQUIRE_S = 10.0
BATCH = 2000
ROUNDS = 50
"""At most so many batches of a table in one run: the rest is the next run's."""
REMINDERS = 200
CARDS = 50
CARD_ROUNDS = 4
SETTLED = timedelta(minutes=2)
"""Ids are made before their transaction commits; behind this age no younger one can still appear."""
BEGIN_BACK = timedelta(days=1)
SILENT = "silent: "

_FIRST = "INSERT INTO workspace_setting (key, value) VALUES ('job:dedup_rotation', '{}') ON CONFLICT (key) DO NOTHING"
_CLAIM_ROTATION = """
UPDATE workspace_setting SET updated_at = now()
WHERE key = 'job:dedup_rotation' AND updated_at < now() - interval '3 days' RETURNING true
"""

_SAY_SILENT = """
UPDATE channel_health SET problem = $2, problem_since = now() WHERE channel_id = ANY ($1::uuid[]) AND problem = ''
"""
_NO_LONGER_SILENT = """
UPDATE channel_health SET problem = '', problem_since = NULL WHERE silent_since IS NULL AND starts_with(problem, $1)
"""

_CURSOR = """
INSERT INTO workspace_setting (key, value) VALUES ('job:doubles', jsonb_build_object('after', $1::uuid))
ON CONFLICT (key) DO NOTHING
"""
_TAKE_CURSOR = """
SELECT (value ->> 'after')::uuid FROM workspace_setting WHERE key = 'job:doubles' FOR UPDATE SKIP LOCKED
"""
_MOVE_CURSOR = """
UPDATE workspace_setting SET value = jsonb_build_object('after', $1::uuid), updated_at = now() WHERE key = 'job:doubles'
"""

# Each removes at most $1 rows.
_OLD_EVENTS = """
DELETE FROM event WHERE id = ANY (ARRAY(
    SELECT oldest.id FROM (SELECT id, at FROM event WHERE id >= $2 ORDER BY id LIMIT $1) AS oldest
    WHERE oldest.at < now() - $3::interval AND oldest.id < (SELECT max(id) FROM event)
))
"""
"""Those from $2 on: partitions before the newest go whole. The newest event stays: the log's highest id must not be
forgotten."""

_OLD_STATUSES = """
DELETE FROM pending_status AS p USING (
    SELECT channel_id, external_id, status FROM pending_status WHERE at < now() - interval '1 day'
    ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED
) AS old
WHERE p.channel_id = old.channel_id AND p.external_id = old.external_id AND p.status = old.status
"""
_OLD_KEYS = """
DELETE FROM idempotency_key AS k USING (
    SELECT actor, key FROM idempotency_key WHERE at < now() - interval '72 hours'
    ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED
) AS old
WHERE k.actor = old.actor AND k.key = old.key
"""
_OLD_PROMISES = """
DELETE FROM call_reservation WHERE (channel_id, call_id) IN (
    SELECT old.channel_id, old.call_id FROM call_reservation AS old
    WHERE old.until_at < now() - interval '1 day' AND (old.agent_id IS NULL OR EXISTS (
        SELECT FROM call_reservation AS newer WHERE newer.agent_id = old.agent_id AND newer.until_at > old.until_at))
    LIMIT $1 FOR UPDATE SKIP LOCKED
)
"""
"""Each agent's newest stays: since when he has been idle is read from it."""

_OLD_SESSIONS = """
DELETE FROM web_session WHERE id IN (
    SELECT id FROM web_session WHERE expires_at < now() LIMIT $1 FOR UPDATE SKIP LOCKED
)
"""
CLEANED: Sequence[tuple[str, str]] = (
    ("pending_status", _OLD_STATUSES),
    ("idempotency_key", _OLD_KEYS),
    ("web_session", _OLD_SESSIONS),
    ("call_reservation", _OLD_PROMISES),
)

StaleParts = Callable[[Connection], Awaitable[int]]
"""Turns pieces of a message that waited a day for the others into one of what there is; returns the highest event id."""


async def make_partitions(store: Store) -> None:
    """Tables have room ahead, whatever the time and the traffic."""
    async with store.pool.acquire(timeout=ACQUIRE_S) as connection:
        made = await ensure_partitions(connection, datetime.now(UTC))
    if made:
        log.info("partitions_made", names=made)


async def rotate_keys(store: Store) -> bool:
    """Every three days the older generation of payload keys is forgotten. True if it was now, and by us."""
    connection = await connect(store.url, application="hub jobs")
    try:
        await connection.execute(_FIRST)
        async with connection.transaction():
            # Raised in the middle, nothing is claimed, and the next run tries.
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1, $2)", Lock.ROLE, Role.DEDUP):
                return False
            if not await connection.fetchval(_CLAIM_ROTATION):
                return False
            await rotate_dedup(connection)
    finally:
        await connection.close(timeout=2)
    log.info("dedup_rotated")
    return True


async def tell_silence(store: Store, channels: Channels) -> None:
    """An event and a word on the card for each channel from which nothing comes; the word goes when something comes."""
    limits = {c.id: c.settings.silent_after_s for c in channels.all() if c.state == "active"}
    limits = {channel_id: limits[channel_id] for channel_id in sorted(limits) if limits[channel_id] > 0}
    async with store.pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction():
        await connection.execute(_NO_LONGER_SILENT, SILENT)
        rows = await connection.fetch(HEALTH.silent, list(limits), list(limits.values())) if limits else []
        events = []
        for row in rows:
            channel = channels.get(row["channel_id"])
            after_s = limits[row["channel_id"]]
            problem = f"nothing has come for longer than {after_s} s"
            await connection.execute(_SAY_SILENT, [row["channel_id"]], SILENT + problem)
            data = {
                "channel_id": row["channel_id"],
                "name": channel.name if channel else "",
                "problem": problem,
                "last_received_at": row["last_received_at"],
            }
            events.append(NewEvent("channel.silent", [], data))
        event_id = await append_events(connection, events)
    if event_id:
        log.warning("channels_silent", channel_ids=[str(row["channel_id"]) for row in rows])
        store.bus.notify(Topic.EVENTS, event_id)


async def remind(store: Store) -> int:
    """Tells each task whose time to remind has come, once. Returns how many."""
    reminded = 0
    for _ in range(ROUNDS):
        async with store.pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction():
            tasks = await claim_reminders(connection, REMINDERS)
            event_id = await append_events(connection, [task_event("task.due", task) for task in tasks])
        if event_id:
            store.bus.notify(Topic.EVENTS, event_id)
        reminded += len(tasks)
        if len(tasks) < REMINDERS:
            break
    return reminded


async def clean_up(store: Store, stale_parts: StaleParts | None = None) -> dict[str, int]:
    """Removes what is past its time, batch by batch. Returns how many rows of each table."""
    async with store.pool.acquire(timeout=ACQUIRE_S) as connection:
        events_from = await newest_partition(connection, "event", await last_event_id(connection))
    kept_for = timedelta(hours=store.settings.keep_events_hours)
    removed = {"event": await _clean(store, _OLD_EVENTS, events_from, kept_for)}
    for table, statement in CLEANED:
        removed[table] = await _clean(store, statement)
    if stale_parts is not None:
        async with store.pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction():
            event_id = await stale_parts(connection)
        if event_id:
            store.bus.notify(Topic.EVENTS, event_id)
    return removed


async def _clean(store: Store, statement: str, *more: object) -> int:
    removed = 0
    for _ in range(ROUNDS):
        done = await store.pool.execute(statement, BATCH, *more, timeout=ACQUIRE_S)
        count = int(done.rpartition(" ")[2])
        removed += count
        if count < BATCH:
            break
    return removed


async def remove_old(store: Store, told: set[str] | None = None) -> Removed | None:
    """Removes the partitions that are past their time. None: another process is at it. `told`: the names of those that
    somebody's transaction holds, so that each is told of once.
    """
    connection = await connect(store.url, application="hub retention", settings=SESSION)
    try:
        # A lock of the session: taking partitions out is done between transactions.
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", Lock.ROLE, Role.RETENTION):
            return None
        removed = await Removal(connection, store.blobs, Terms.of(store.settings), datetime.now(UTC)).run()
    finally:
        await connection.close(timeout=2)
    if removed.partitions:
        log.info("partitions_removed", names=removed.partitions, entries_kept=removed.copied)
    if removed.forgotten or removed.files or removed.blobs:
        log.info("leftovers_removed", entries=removed.forgotten, attachments=removed.files, blobs=removed.blobs)
    _tell_held(removed.held, set() if told is None else told)
    return removed


def _tell_held(held: Mapping[str, str], told: set[str]) -> None:
    for name in sorted(held.keys() - told):
        log.warning("partition_held", name=name, why=held[name], next_try="with the next run")
    told.intersection_update(held)
    told.update(held)


async def find_doubles(store: Store) -> int:
    """Compares new cards with the others, each once. Returns how many pairs are suggested."""
    now = datetime.now(UTC)
    last = uuid7_floor(now - SETTLED)
    suggested = 0
    async with store.pool.acquire(timeout=ACQUIRE_S) as connection:
        await connection.execute(_CURSOR, uuid7_floor(now - BEGIN_BACK))
        for _ in range(CARD_ROUNDS):
            async with connection.transaction():
                after: UUID | None = await connection.fetchval(_TAKE_CURSOR)
                cards = [] if after is None else [c for c in await new_cards(connection, after, CARDS) if c < last]
                if not cards:
                    break
                suggested += await suggest_doubles(connection, cards)
                await connection.execute(_MOVE_CURSOR, cards[-1])
    return suggested
