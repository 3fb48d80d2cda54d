"""Queues, their members and the rules that lead into them, as an administrator edits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from config.errors import BadRequest, Conflict, NotFound
from storage.db import Connection, Pool


class QueueItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`waiting`: conversations without an assignee now, `longest_since` the first of them."""

    id: UUID
    name: str
    waiting: int
    frt_s: int
    overflow_after_s: int
    reopen_days: int
    is_default: bool
    skills: list[str] = []
    hours: dict[str, Any] = {}
    holidays: dict[str, Any] = {}
    timezone: str = ""
    overflow_queue_id: UUID | None = None
    longest_since: datetime | None = None
    members: list[UUID] = []


_QUEUES = """
SELECT q.id, q.name, coalesce(w.waiting, 0) AS waiting, q.frt_s, q.overflow_after_s, q.reopen_days, q.is_default,
       q.skills, q.hours, q.holidays, q.timezone, q.overflow_queue_id, w.longest_since,
       array(SELECT m.agent_id FROM queue_member AS m WHERE m.queue_id = q.id ORDER BY m.agent_id) AS members
FROM queue AS q LEFT JOIN (
  SELECT c.queue_id, count(*) AS waiting, min(c.queued_at) AS longest_since
  FROM conversation AS c WHERE c.queued_at IS NOT NULL GROUP BY c.queue_id) AS w ON w.queue_id = q.id
WHERE ($1::uuid IS NULL OR q.id = $1) ORDER BY q.name
"""
CHANGEABLE = (
    "name",
    "skills",
    "hours",
    "holidays",
    "timezone",
    "frt_s",
    "overflow_after_s",
    "overflow_queue_id",
    "reopen_days",
)


async def list_queues(pool: Pool) -> list[QueueItem]:
    return [QueueItem(**row) for row in await pool.fetch(_QUEUES, None)]


async def get_queue(connection: Connection, queue_id: UUID) -> QueueItem:
    """Raises NotFound."""
    row = await connection.fetchrow(_QUEUES, queue_id)
    if row is None:
        raise NotFound("no such queue")
    return QueueItem(**row)


async def add_queue(connection: Connection, fields: Mapping[str, Any]) -> UUID:
    """The first queue becomes the default one. Raises Conflict for a name that is taken."""
    await _check_overflow(connection, fields.get("overflow_queue_id"))
    queue_id: UUID | None = await connection.fetchval(
        "INSERT INTO queue (name, skills, hours, holidays, timezone, frt_s, overflow_after_s, overflow_queue_id,"
        " reopen_days, is_default)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NOT EXISTS (SELECT FROM queue WHERE is_default))"
        " ON CONFLICT (name) DO NOTHING RETURNING id",
        *(fields[name] for name in CHANGEABLE),
    )
    if queue_id is None:
        raise Conflict("a queue of this name exists", reason="name_taken")
    return queue_id


_CHANGE = """
UPDATE queue SET name = $2, skills = $3, hours = $4, holidays = $5, timezone = $6, frt_s = $7, overflow_after_s = $8,
  overflow_queue_id = $9, reopen_days = $10 WHERE id = $1
"""


async def change_queue(connection: Connection, queue_id: UUID, changes: Mapping[str, Any]) -> QueueItem:
    """Raises NotFound, BadRequest, Conflict."""
    await _check_overflow(connection, changes.get("overflow_queue_id"))
    old = await get_queue(connection, queue_id)
    fields = {name: getattr(old, name) for name in CHANGEABLE} | dict(changes)
    try:
        await connection.execute(_CHANGE, queue_id, *(fields[name] for name in CHANGEABLE))
    except asyncpg.UniqueViolationError:
        raise Conflict("a queue of this name exists", reason="name_taken") from None
    return await get_queue(connection, queue_id)


async def _check_overflow(connection: Connection, queue_id: UUID | None) -> None:
    if queue_id is not None and not await connection.fetchval("SELECT true FROM queue WHERE id = $1", queue_id):
        raise BadRequest("overflow_queue_id: no such queue", reason="queue_gone")


async def set_members(connection: Connection, queue_id: UUID, agents: Sequence[UUID]) -> QueueItem:
    """Exactly these agents from now on. Raises NotFound, BadRequest."""
    await get_queue(connection, queue_id)
    wanted = sorted(set(agents))
    known = await connection.fetchval("SELECT count(*) FROM agent WHERE id = ANY($1)", wanted)
    if known != len(wanted):
        raise BadRequest("agents: one of them does not exist")
    await connection.execute("DELETE FROM queue_member WHERE queue_id = $1 AND agent_id <> ALL($2)", queue_id, wanted)
    await connection.execute(
        "INSERT INTO queue_member (queue_id, agent_id) SELECT $1, unnest($2::uuid[]) ON CONFLICT DO NOTHING",
        queue_id,
        wanted,
    )
    return await get_queue(connection, queue_id)


class RuleItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The first rule by `position` whose conditions all hold decides."""

    id: UUID
    position: int
    name: str
    active: bool
    conditions: dict[str, Any] = {}
    queue_id: UUID | None = None
    agent_id: UUID | None = None


RULE_FIELDS = ("position", "name", "conditions", "queue_id", "agent_id", "active")
_RULES = "SELECT id, position, name, conditions, queue_id, agent_id, active FROM routing_rule ORDER BY position, id"


async def list_rules(pool: Pool) -> list[RuleItem]:
    return [RuleItem(**row) for row in await pool.fetch(_RULES)]


async def save_rule(connection: Connection, rule_id: UUID | None, fields: Mapping[str, Any]) -> RuleItem:
    """A new one, or all fields of an old one. Raises NotFound, BadRequest."""
    if fields["queue_id"] is None and fields["agent_id"] is None:
        raise BadRequest("queue_id or agent_id is needed", reason="target_needed")
    for table, field in (
        ("SELECT true FROM queue WHERE id = $1", "queue_id"),
        ("SELECT true FROM agent WHERE id = $1", "agent_id"),
    ):
        if fields[field] is not None and not await connection.fetchval(table, fields[field]):
            raise BadRequest(f"{field}: no such {field.removesuffix('_id')}")
    row = await connection.fetchrow(
        "INSERT INTO routing_rule AS r (id, position, name, conditions, queue_id, agent_id, active)"
        " SELECT coalesce($1, uuidv7()), $2, $3, $4, $5, $6, $7"
        " WHERE $1::uuid IS NULL OR EXISTS (SELECT FROM routing_rule WHERE id = $1)"
        " ON CONFLICT (id) DO UPDATE SET position = $2, name = $3, conditions = $4, queue_id = $5, agent_id = $6,"
        " active = $7 RETURNING id, position, name, conditions, queue_id, agent_id, active",
        rule_id,
        *(fields[name] for name in RULE_FIELDS),
    )
    if row is None:
        raise NotFound("no such rule")
    return RuleItem(**row)


async def delete_rule(connection: Connection, rule_id: UUID) -> None:
    """Raises NotFound."""
    if await connection.fetchval("DELETE FROM routing_rule WHERE id = $1 RETURNING id", rule_id) is None:
        raise NotFound("no such rule")
