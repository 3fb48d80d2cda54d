"""Who there is to answer: an immutable snapshot of agents, absences, queues, rules and extensions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from asyncpg import Record

from config.errors import BadSettings
from router.hours import Calendar, is_open, read_calendar
from router.rules import Test, compile_conditions
from storage.db import Connection

log = structlog.get_logger()

SEEN_WITHIN = timedelta(seconds=90)
"""An agent none of whose pages gave a sign of life for longer is not online, whatever his row says."""


@dataclass(frozen=True, slots=True)
class Agent:
    """`capacity`: open conversations at a time by kind; a kind that is not in it is not given to him."""

    id: UUID
    name: str
    active: bool = True
    capacity: Mapping[str, int] = field(default_factory=dict)
    skills: frozenset[str] = frozenset()
    state: str = "offline"
    seen_at: datetime | None = None

    def is_online(self, at: datetime) -> bool:
        return self.state == "online" and self.seen_at is not None and at - self.seen_at <= SEEN_WITHIN


class Absence(NamedTuple):
    agent_id: UUID
    from_at: datetime
    until_at: datetime
    deputy_id: UUID | None


@dataclass(frozen=True, slots=True)
class Queue:
    """`members`: agents there are. `frt_s` in working seconds, `overflow_after_s` in seconds; 0: none."""

    id: UUID
    name: str
    calendar: Calendar
    created_at: datetime
    skills: frozenset[str] = frozenset()
    members: tuple[UUID, ...] = ()
    frt_s: int = 0
    overflow_after_s: int = 0
    overflow_queue_id: UUID | None = None
    reopen_days: int = 14
    is_default: bool = False

    def is_open(self, at: datetime) -> bool:
        return is_open(self.calendar, at)


@dataclass(frozen=True, slots=True)
class Rule:
    id: UUID
    name: str
    matches: Test
    queue_id: UUID | None = None
    agent_id: UUID | None = None


class StandIn(NamedTuple):
    """`passed`: the absences that led to this agent, that of the agent asked for first."""

    agent: Agent
    passed: tuple[Absence, ...]


@dataclass(frozen=True)
class Directory:
    """`rules` are the active ones in their order; `extensions`: (channel, extension) -> agent."""

    zone: ZoneInfo
    agents: Mapping[UUID, Agent] = field(default_factory=dict)
    absences: Mapping[UUID, tuple[Absence, ...]] = field(default_factory=dict)
    queues: Mapping[UUID, Queue] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    extensions: Mapping[tuple[UUID, str], UUID] = field(default_factory=dict)

    @cached_property
    def default_queue(self) -> Queue | None:
        """The one marked so, else the oldest."""
        return min(self.queues.values(), key=lambda q: (not q.is_default, q.created_at, q.id), default=None)

    @cached_property
    def extension_of(self) -> Mapping[tuple[UUID, UUID], str]:
        """(channel, agent) -> his extension there, the lowest of several."""
        return {
            (channel, agent): extension for (channel, extension), agent in sorted(self.extensions.items(), reverse=True)
        }

    def queue_or_default(self, queue_id: UUID | None) -> Queue | None:
        """That queue, the default one if it does not exist."""
        return (self.queues.get(queue_id) if queue_id is not None else None) or self.default_queue

    def absence_of(self, agent_id: UUID, at: datetime) -> Absence | None:
        """The absence he is in; of several the one with a deputy, then the longest."""
        now = [a for a in self.absences.get(agent_id, ()) if a.from_at <= at < a.until_at]
        return max(now, key=lambda a: (a.deputy_id is not None, a.until_at), default=None)

    def stand_in(self, agent_id: UUID, at: datetime) -> StandIn | None:
        """Who has this agent's work: himself, or along the deputies the first who is there. None: the chain leads to
        nobody, or back to somebody absent.
        """
        passed: dict[UUID, Absence] = {}
        current: UUID | None = agent_id
        while current is not None and current not in passed:
            absence = self.absence_of(current, at)
            if absence is None:
                agent = self.agents.get(current)
                return StandIn(agent, tuple(passed.values())) if agent is not None and agent.active else None
            passed[current] = absence
            current = absence.deputy_id
        return None

    def eligible(self, queue: Queue, at: datetime) -> list[Agent]:
        """Members who could be given work of the queue now: active, online, not absent, with its skills."""
        members = (self.agents[member] for member in queue.members if member in self.agents)
        return [
            agent
            for agent in members
            if agent.active
            and agent.is_online(at)
            and queue.skills <= agent.skills
            and self.absence_of(agent.id, at) is None
        ]


_AGENTS = """
SELECT a.id, a.name, a.active, a.capacity, a.skills, p.state, p.seen_at
FROM agent a LEFT JOIN presence p ON p.agent_id = a.id
"""
_ABSENCES = "SELECT agent_id, from_at, until_at, deputy_id FROM absence WHERE until_at > $1 ORDER BY from_at, id"
_QUEUES = """
SELECT q.*, ARRAY(SELECT m.agent_id FROM queue_member m WHERE m.queue_id = q.id ORDER BY m.agent_id) AS members
FROM queue q
"""
_RULES = "SELECT id, name, conditions, queue_id, agent_id FROM routing_rule WHERE active ORDER BY position, id"
_EXTENSIONS = "SELECT channel_id, extension, agent_id FROM agent_extension"


async def load_directory(connection: Connection, now: datetime, *, zone: ZoneInfo) -> Directory:
    """The snapshot as of now; absences that are over are left out. `zone`: the workspace's, for queues without one."""
    agents = {row["id"]: _agent(row) for row in await connection.fetch(_AGENTS)}
    absences: dict[UUID, tuple[Absence, ...]] = {}
    for row in await connection.fetch(_ABSENCES, now):
        absence = Absence(*row)
        absences[absence.agent_id] = (*absences.get(absence.agent_id, ()), absence)
    queues = {row["id"]: _queue(row, zone) for row in await connection.fetch(_QUEUES)}
    rules = tuple(
        Rule(row["id"], row["name"], compile_conditions(row["conditions"]), row["queue_id"], row["agent_id"])
        for row in await connection.fetch(_RULES)
    )
    extensions = {(row["channel_id"], row["extension"]): row["agent_id"] for row in await connection.fetch(_EXTENSIONS)}
    return Directory(zone, agents, absences, queues, rules, extensions)


def _agent(row: Record) -> Agent:
    capacity = {kind: places for kind, places in row["capacity"].items() if isinstance(places, int)}
    skills = frozenset(row["skills"])
    return Agent(row["id"], row["name"], row["active"], capacity, skills, row["state"] or "offline", row["seen_at"])


def _queue(row: Record, zone: ZoneInfo) -> Queue:
    """Hours that can't be read leave the queue open: work must not stop at a typing error."""
    try:
        calendar = read_calendar(row["hours"], row["holidays"], row["timezone"], zone)
    except BadSettings as error:
        log.warning("queue_hours_unreadable", queue_id=str(row["id"]), error=str(error))
        calendar = Calendar(zone)
    return Queue(
        row["id"],
        row["name"],
        calendar,
        row["created_at"],
        frozenset(row["skills"]),
        tuple(row["members"]),
        row["frt_s"],
        row["overflow_after_s"],
        row["overflow_queue_id"],
        row["reopen_days"],
        row["is_default"],
    )


class DirectoryCache:
    """The newest snapshot, at most a second old; one caller reads, the others wait for it."""

    def __init__(self, *, zone: ZoneInfo, ttl_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._zone = zone
        self._ttl_s = ttl_s
        self._clock = clock
        self._lock = asyncio.Lock()
        self._held: Directory | None = None
        self._until = 0.0
        self._generation = 0

    def invalidate(self) -> None:
        """The next `get` reads again, also when a reading is under way now."""
        self._held = None
        self._generation += 1

    async def get(self, connection: Connection, now: datetime) -> Directory:
        """The snapshot, read over this connection if it has to be. Raises what the database raises."""
        async with self._lock:
            if self._held is not None and self._clock() < self._until:
                return self._held
            generation, begun = self._generation, self._clock()
            directory = await load_directory(connection, now, zone=self._zone)
            if generation == self._generation:
                self._held, self._until = directory, begun + self._ttl_s
            return directory
