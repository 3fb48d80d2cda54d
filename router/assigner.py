"""Hands waiting conversations to agents. One assigner works in an installation, the others stand by for its lock.

A pass: conversations of agents who left, and waiting ones whose queue is gone, are routed anew; waiting ones go to
agents with room; who waited too long moves to the overflow queue. All in one transaction, which shares its connection
with the lock: a lost lock is a lost pass.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import structlog
from asyncpg import Record

from config.errors import Unavailable
from router.directory import Agent, Directory, Queue, load_directory
from router.presence import last_assigned, load_loads
from router.routing import ContactFacts, Decision, Loads, RouteRequest, decide
from router.rules import KINDS
from router.sentences import Facts, named, sentence
from storage.db import DATABASE_ERRORS, LOCK_HOLDER, Connection, RawConnection, connect
from storage.events import NewEvent, append_events, audience
from storage.locks import Lock, Role

log = structlog.get_logger()

BATCH = 500
"""Conversations that one pass takes of each sort; what is left follows in the next one, at once."""

APART_S = 0.025
"""From the begin of a pass to the next: one at once, and under load one for several messages."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

VIP_HEAD_START = timedelta(minutes=10)
"""A VIP goes before who waited at most this much longer; so nobody waits for ever behind a stream of VIPs."""

# Who talks has no eyes for a chat; unless the company wants it so. A call that the PBX never finished stops counting.
_ON_THE_PHONE = """
SELECT e.agent_id FROM call AS c
JOIN agent_extension AS e ON e.channel_id = c.channel_id AND e.extension = c.employee
WHERE c.state <> 'finished' AND c.state IN ('talking', 'held') AND c.started_at > $1::timestamptz - interval '4 hours'
  AND NOT EXISTS (
    SELECT FROM workspace_setting AS s WHERE s.key = 'wrap_up' AND s.value -> 'chats_on_call' = 'true')
"""

_WAITING = """
SELECT w.* FROM unnest($1::uuid[], $2::text[], $3::int[]) AS room(queue_id, kind, places)
CROSS JOIN LATERAL (
    SELECT c.id, c.kind, c.channel_id, c.contact_id, c.assignee_id, c.queue_id, c.queued_at,
        c.queued_at - CASE WHEN card.vip THEN $4::interval ELSE interval '0' END AS rank
    FROM conversation c
    LEFT JOIN contact person ON person.id = c.contact_id
    LEFT JOIN contact card ON card.id = person.card_id
    WHERE c.queue_id = room.queue_id AND c.kind = room.kind AND c.queued_at IS NOT NULL AND c.status = 'open'
    ORDER BY rank, c.id LIMIT room.places
    FOR UPDATE OF c SKIP LOCKED
) AS w ORDER BY w.rank, w.id
"""

_OVERDUE = """
SELECT c.id, c.kind, c.channel_id, c.contact_id, c.assignee_id, c.queue_id, c.queued_at, arrived.visited
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS late(queue_id, before, target)
JOIN conversation c ON c.queue_id = late.queue_id AND c.queued_at <= late.before AND c.status = 'open'
LEFT JOIN LATERAL (
    SELECT a.since, a.facts -> 'visited' AS visited FROM assignment a
    WHERE a.conversation_id = c.id AND a.until IS NULL AND a.agent_id IS NULL ORDER BY a.since DESC LIMIT 1
) AS arrived ON true
WHERE coalesce(arrived.since <= late.before, true) AND NOT coalesce(arrived.visited ? late.target, false)
    AND c.id <> ALL($4::uuid[])
ORDER BY c.queued_at, c.id LIMIT $5
FOR UPDATE OF c SKIP LOCKED
"""

# The queues that anybody waits in, one step of the index each: looking at all who wait would take the longer the more do.
_STRANDED = """
WITH RECURSIVE waited_in AS (
    (SELECT queue_id FROM conversation WHERE queued_at IS NOT NULL AND queue_id IS NOT NULL ORDER BY queue_id LIMIT 1)
    UNION ALL
    SELECT (SELECT n.queue_id FROM conversation AS n WHERE n.queued_at IS NOT NULL AND n.queue_id > w.queue_id
            ORDER BY n.queue_id LIMIT 1)
    FROM waited_in AS w WHERE w.queue_id IS NOT NULL
)
SELECT c.id, c.kind, c.channel_id, c.contact_id, c.assignee_id, c.queue_id, c.queued_at, c.last_text,
    channel.queue_id AS channel_queue_id, card.owner_id, card.tags, card.vip, card.language, card.source
FROM conversation c
LEFT JOIN channel ON channel.id = c.channel_id
LEFT JOIN contact person ON person.id = c.contact_id
LEFT JOIN contact card ON card.id = person.card_id
WHERE c.status <> 'resolved' AND c.id IN (
    (SELECT id FROM conversation WHERE status <> 'resolved' AND assignee_id = ANY($1::uuid[]) LIMIT $3)
    UNION ALL
    (SELECT id FROM conversation WHERE queued_at IS NOT NULL AND status <> 'resolved' AND queue_id IS NULL LIMIT $3)
    UNION ALL
    (SELECT id FROM conversation WHERE queued_at IS NOT NULL AND status <> 'resolved'
        AND queue_id IN (SELECT w.queue_id FROM waited_in AS w WHERE w.queue_id <> ALL($2::uuid[])) LIMIT $3))
ORDER BY c.id
FOR UPDATE OF c SKIP LOCKED
"""

_WRITE = """
WITH change AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::text[])
        AS change(id, agent_id, queue_id, queued_at, reason, facts)
), changed AS (
    UPDATE conversation c SET assignee_id = n.agent_id, queue_id = n.queue_id, queued_at = n.queued_at,
        assignment_reason = n.reason, version = c.version + 1
    FROM change n WHERE c.id = n.id RETURNING c.id, c.version
), ended AS (
    UPDATE assignment a SET until = greatest(a.since, $7)
    FROM change n WHERE a.conversation_id = n.id AND a.until IS NULL RETURNING a.id
), begun AS (
    INSERT INTO assignment (conversation_id, agent_id, queue_id, since, reason, facts)
    SELECT n.id, n.agent_id, n.queue_id, $7, n.reason, n.facts::jsonb FROM change n RETURNING id
)
SELECT id, version FROM changed
"""


class Assigned(NamedTuple):
    """One change: with an agent it is his, without it waits in the queue."""

    conversation_id: UUID
    agent_id: UUID | None
    queue_id: UUID | None
    reason: str


class Outcome(NamedTuple):
    """`assigned`: in the order decided; `last_event`: the highest event id, 0 for none; `more`: begin again at once."""

    assigned: list[Assigned]
    last_event: int
    more: bool


@dataclass(frozen=True, slots=True)
class _Change:
    row: Record
    agent_id: UUID | None
    queue_id: UUID | None
    queued_at: datetime | None
    reason: str
    facts: Facts


async def assign_once(connection: Connection, directory: Directory, now: datetime, *, thorough: bool = True) -> Outcome:
    """One pass in a transaction of its own; `directory` must be fresh. What others hold locked waits for the next.

    Not `thorough`: only what waits is given out. Who waits too long, or for somebody who is gone, is looked for by a
    walk over all that waits, which under load can't be had with every message.
    """
    async with connection.transaction():
        stranded = await _route_anew(connection, directory, now) if thorough else []
        given = await _give(connection, directory, now)
        taken = [change.row["id"] for change in (*stranded, *given)]
        moved = await _overflow(connection, directory, now, taken=taken) if thorough else []
        changes = [*stranded, *given, *moved]
        if not changes:
            return Outcome([], 0, more=False)
        last_event = await _write(connection, changes, now)
    assigned = [Assigned(c.row["id"], c.agent_id, c.queue_id, c.reason) for c in changes]
    more = bool(moved) or len(given) >= BATCH or len(stranded) >= BATCH or any(c.agent_id is None for c in stranded)
    return Outcome(assigned, last_event, more)


async def _give(connection: Connection, directory: Directory, now: datetime) -> list[_Change]:
    """Waiting conversations of open queues to members with room."""
    open_queues = [queue for queue in directory.queues.values() if queue.is_open(now)]
    talking = {row["agent_id"] for row in await connection.fetch(_ON_THE_PHONE, now)}
    able = {queue.id: [a for a in directory.eligible(queue, now) if a.id not in talking] for queue in open_queues}
    members = {queue_id: found for queue_id, found in able.items() if found}
    agents = {agent.id for found in members.values() for agent in found}
    if not agents:
        return []
    room = Room(await load_loads(connection, agents), await last_assigned(connection, agents))
    places = [
        (queue_id, kind, min(sum(room.free(agent, kind) for agent in found), BATCH))
        for queue_id, found in members.items()
        for kind in KINDS
    ]
    wanted = [place for place in places if place[2] > 0]
    if not wanted:
        return []
    rows = await connection.fetch(_WAITING, *map(list, zip(*wanted, strict=True)), VIP_HEAD_START)
    changes: list[_Change] = []
    for row in rows[:BATCH]:
        agent = room.take(members[row["queue_id"]], row["kind"], now)
        if agent is not None:
            busy = room.loads[agent.id, row["kind"]] - 1
            changes.append(_given(directory, agent, row, busy, now=now))
    return changes


class Room:
    """Free places as they fill during a pass, and who was given something last."""

    def __init__(self, loads: Loads, last: dict[UUID, datetime]) -> None:
        self.loads: defaultdict[tuple[UUID, str], int] = defaultdict(int, loads)
        self.last = last

    def free(self, agent: Agent, kind: str) -> int:
        return max(agent.capacity.get(kind, 0) - self.loads[agent.id, kind], 0)

    def in_order(self, members: Sequence[Agent], kind: str) -> list[Agent]:
        """Those who have a place: the least loaded first; of equals, who has waited longest for work."""
        return sorted(self._with_place(members, kind), key=lambda agent: self._rank(agent, kind))

    def take(self, members: Sequence[Agent], kind: str, now: datetime) -> Agent | None:
        """A place of the first of them."""
        chosen = min(self._with_place(members, kind), key=lambda agent: self._rank(agent, kind), default=None)
        if chosen is None:
            return None
        self.loads[chosen.id, kind] += 1
        self.last[chosen.id] = now
        return chosen

    def _with_place(self, members: Sequence[Agent], kind: str) -> list[Agent]:
        return [agent for agent in members if self.free(agent, kind) > 0]

    def _rank(self, agent: Agent, kind: str) -> tuple[float, datetime, str, UUID]:
        load = self.loads[agent.id, kind] / agent.capacity[kind]
        return load, self.last.get(agent.id, _LONG_AGO), agent.name, agent.id


def _given(directory: Directory, agent: Agent, row: Record, busy: int, *, now: datetime) -> _Change:
    queue = directory.queues[row["queue_id"]]
    facts: Facts = {
        "step": "queue",
        "queue": named(queue),
        "agent": named(agent),
        "load": {"busy": busy, "of": agent.capacity[row["kind"]]},
        "waited_s": max(int((now - row["queued_at"]).total_seconds()), 0),
    }
    return _Change(row, agent.id, queue.id, None, sentence(facts, directory.zone, now), facts)


async def _overflow(connection: Connection, directory: Directory, now: datetime, *, taken: list[UUID]) -> list[_Change]:
    """Moves who waited too long to the overflow queue, if that is open; never back to a queue waited in before."""
    targets: dict[UUID, Queue] = {}
    for queue in directory.queues.values():
        target = directory.queues.get(queue.overflow_queue_id) if queue.overflow_queue_id is not None else None
        if queue.overflow_after_s > 0 and target is not None and target.id != queue.id and target.is_open(now):
            targets[queue.id] = target
    if not targets:
        return []
    before = [now - timedelta(seconds=directory.queues[queue_id].overflow_after_s) for queue_id in targets]
    names = [str(target.id) for target in targets.values()]
    rows = await connection.fetch(_OVERDUE, list(targets), before, names, taken, BATCH)
    changes: list[_Change] = []
    for row in rows:
        queue, target = directory.queues[row["queue_id"]], targets[row["queue_id"]]
        facts: Facts = {
            "step": "overflow",
            "from": named(queue),
            "queue": named(target),
            "waited_s": int((now - row["queued_at"]).total_seconds()),
            "visited": [*(row["visited"] or ()), str(queue.id)],
        }
        reason = sentence(facts, directory.zone, now)
        changes.append(_Change(row, None, target.id, row["queued_at"], reason, facts))
    return changes


async def _route_anew(connection: Connection, directory: Directory, now: datetime) -> list[_Change]:
    """Conversations of agents who left, and those that wait in no queue there is."""
    gone = [agent.id for agent in directory.agents.values() if not agent.active]
    changes: list[_Change] = []
    for row in await connection.fetch(_STRANDED, gone, list(directory.queues), BATCH):
        if row["assignee_id"] not in gone and (row["queued_at"] is None or row["queue_id"] in directory.queues):
            continue  # settled by somebody between the snapshot and our lock on the row
        decision = _decide_anew(directory, row, now)
        queued_at = None if decision.assignee_id is not None else row["queued_at"] or now
        before = (row["assignee_id"], row["queue_id"], row["queued_at"])
        if (decision.assignee_id, decision.queue_id, queued_at) != before:
            changes.append(
                _Change(row, decision.assignee_id, decision.queue_id, queued_at, decision.reason, decision.facts)
            )
    return changes


def _decide_anew(directory: Directory, row: Record, now: datetime) -> Decision:
    """As for a new message, but who belongs to nobody stays in the queue he was in."""
    contact = ContactFacts(
        row["owner_id"], frozenset(row["tags"] or ()), bool(row["vip"]), row["language"] or "", row["source"] or {}
    )
    request = RouteRequest(
        row["channel_id"],
        row["channel_queue_id"],
        row["kind"],
        contact,
        now,
        text=row["last_text"],
        current_assignee=row["assignee_id"],
    )
    decision = decide(directory, request)
    queue = directory.queues.get(row["queue_id"])
    if decision.assignee_id is not None or queue is None:
        return decision
    facts: Facts = {"step": "returned", "queue": named(queue), "passed": decision.facts.get("passed", [])}
    return Decision(None, queue.id, sentence(facts, directory.zone, now), facts)


async def _write(connection: Connection, changes: Sequence[_Change], now: datetime) -> int:
    """Conversations, then assignments, then the events. Returns the highest event id."""
    ordered = sorted(changes, key=lambda change: change.row["id"])
    rows = await connection.fetch(
        _WRITE,
        [c.row["id"] for c in ordered],
        [c.agent_id for c in ordered],
        [c.queue_id for c in ordered],
        [c.queued_at for c in ordered],
        [c.reason for c in ordered],
        [msgspec.json.encode(c.facts).decode() for c in ordered],
        now,
    )
    versions = {row["id"]: row["version"] for row in rows}
    return await append_events(connection, [e for c in changes for e in _events(c, versions[c.row["id"]])])


def _events(change: _Change, version: int) -> list[NewEvent]:
    """Who loses it is told first, so that somebody in both audiences ends up with it."""
    row = change.row
    data = {
        "conversation_id": row["id"],
        "assignee_id": change.agent_id,
        "queue_id": change.queue_id,
        "reason": change.reason,
        "contact_id": row["contact_id"],
        "channel_id": row["channel_id"],
        "version": version,
    }
    events: list[NewEvent] = []
    former_agent = row["assignee_id"] if row["assignee_id"] != change.agent_id else None
    former_queue = row["queue_id"] if row["queue_id"] != change.queue_id else None
    if former_agent is not None or former_queue is not None:
        events.append(NewEvent("conversation.left", audience(agents=[former_agent], queue=former_queue), data))
    kind = "conversation.queued" if change.agent_id is None else "conversation.assigned"
    events.append(NewEvent(kind, audience(agents=[change.agent_id], queue=change.queue_id), data))
    return events


class Assigner:
    """`wake` waits until told or for that many seconds; `on_events` is called after each commit with the highest id."""

    def __init__(
        self,
        url: str,
        *,
        zone: ZoneInfo,
        wake: Callable[[float], Awaitable[object]],
        on_events: Callable[[int], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        heartbeat_s: float = 1.0,
    ) -> None:
        self._url = url
        self._zone = zone
        self._wake = wake
        self._on_events = on_events
        self._clock = clock
        self._heartbeat_s = heartbeat_s
        self.is_holder = False
        """Whether this one has the lock and works."""

    async def run(self) -> None:
        """Until cancelled. Whatever happens to the connection, it begins anew."""
        delay, told = 0.2, False
        while True:
            try:
                connection = await connect(self._url, application="hub assigner", settings=LOCK_HOLDER)
                try:
                    await self._wait_for_lock(connection)
                    delay, told = 0.2, False
                    await self._work(connection)
                finally:
                    self.is_holder = False
                    await _close(connection)
            except (Unavailable, *DATABASE_ERRORS) as error:
                if not told:
                    log.warning("assigner_interrupted", error=type(error).__name__)
                told = True
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))
            delay = min(delay * 2, 5.0)

    async def _wait_for_lock(self, connection: RawConnection) -> None:
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", Lock.ROLE, Role.ASSIGNER):
            await asyncio.sleep(self._heartbeat_s)
        self.is_holder = True
        log.info("assigner_holds_lock")

    async def _work(self, connection: RawConnection) -> None:
        """Each pass is also the heartbeat that keeps the session, and with it the lock."""
        clock = asyncio.get_running_loop().time
        looked_at = -self._heartbeat_s
        while True:
            now, began = self._clock(), clock()
            thorough = clock() - looked_at >= self._heartbeat_s
            directory = await load_directory(connection, now, zone=self._zone)
            outcome = await assign_once(connection, directory, now, thorough=thorough)
            if thorough and not outcome.more:
                looked_at = clock()
            if outcome.last_event:
                self._on_events(outcome.last_event)
                log.debug("conversations_assigned", count=len(outcome.assigned))
            if not outcome.more:
                await asyncio.sleep(max(0.0, began + APART_S - clock()))
                await self._wake(self._heartbeat_s)


async def _close(connection: RawConnection) -> None:
    try:
        await connection.close(timeout=2)
    except DATABASE_ERRORS:
        connection.terminate()
