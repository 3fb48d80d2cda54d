"""What agents do now, and how busy they are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from config.errors import BadRequest
from router.directory import SEEN_WITHIN
from router.routing import Loads
from router.sentences import instant
from storage.db import Connection
from storage.events import ALL, NewEvent, append_events

STATES = ("online", "away", "wrap_up", "offline")

_SET = """
INSERT INTO presence AS p (agent_id, state, reason, since, seen_at) VALUES ($1, $2, $3, $4, $4)
ON CONFLICT (agent_id) DO UPDATE SET state = excluded.state, reason = excluded.reason,
    since = CASE WHEN p.state = excluded.state THEN p.since ELSE excluded.since END,
    seen_at = greatest(p.seen_at, excluded.seen_at)
RETURNING since, old.state AS former, old.reason AS former_reason, old.seen_at AS former_seen_at
"""


async def set_presence(connection: Connection, agent_id: UUID, state: str, reason: str, now: datetime) -> int:
    """Notes the state and a sign of life. Tells everybody if something changed, or if he counted as gone.

    Returns the id of the event, 0 if there was nothing to tell. Raises BadRequest for an unknown state. Nothing may be
    written after it in the caller's transaction; wake the assigner after the commit.
    """
    if state not in STATES:
        raise BadRequest(f"state: expected one of {', '.join(STATES)}")
    async with connection.transaction():
        row = await connection.fetchrow(_SET, agent_id, state, reason, now)
        assert row is not None
        same = (row["former"], row["former_reason"]) == (state, reason)
        if same and (state == "offline" or now - row["former_seen_at"] <= SEEN_WITHIN):
            return 0
        data = {"agent_id": str(agent_id), "state": state, "reason": reason, "since": instant(row["since"])}
        return await append_events(connection, [NewEvent("agent.presence", [ALL], data)])


async def load_loads(connection: Connection, agents: Iterable[UUID]) -> Loads:
    """(agent, kind) -> his open conversations; pending and snoozed ones cost no attention and do not count."""
    rows = await connection.fetch(
        "SELECT assignee_id, kind, count(*) AS n FROM conversation"
        " WHERE status <> 'resolved' AND status = 'open' AND assignee_id = ANY($1::uuid[]) GROUP BY 1, 2",
        list(agents),
    )
    return {(row["assignee_id"], row["kind"]): row["n"] for row in rows}


async def last_assigned(connection: Connection, agents: Iterable[UUID]) -> dict[UUID, datetime]:
    """When each was given something last; who never was is not in it."""
    rows = await connection.fetch(
        "SELECT wanted.id, last.since FROM unnest($1::uuid[]) AS wanted(id)"
        " CROSS JOIN LATERAL (SELECT a.since FROM assignment a WHERE a.agent_id = wanted.id"
        " ORDER BY a.since DESC LIMIT 1) AS last",
        list(agents),
    )
    return {row["id"]: row["since"] for row in rows}


class CallState(NamedTuple):
    """The facts `decide_call` wants."""

    busy: frozenset[UUID]
    idle_since: dict[UUID, datetime]


# The call that asks may ring somebody already, and be known by another of its ids than the one it asks under.
_BUSY = """
SELECT e.agent_id FROM call c JOIN agent_extension e ON e.channel_id = c.channel_id AND e.extension = c.employee
WHERE c.state <> 'finished' AND c.started_at > $1::timestamptz - interval '4 hours'
  AND (c.channel_id, c.external_id) <> ($2, $3)
  AND NOT EXISTS (
    SELECT FROM external_ref AS r
    WHERE r.channel_id = $2 AND r.kind = 'call' AND r.external_id = $3 AND r.version = ''
      AND r.interaction_id = c.interaction_id)
UNION
SELECT agent_id FROM call_reservation WHERE agent_id IS NOT NULL AND until_at > $1 AND (channel_id, call_id) <> ($2, $3)
"""
_IDLE = """
SELECT a.id, greatest(
    (SELECT max(r.until_at) FROM call_reservation r WHERE r.agent_id = a.id),
    (SELECT s.since FROM assignment s WHERE s.agent_id = a.id ORDER BY s.since DESC LIMIT 1)) AS since
FROM agent a WHERE a.active
"""


async def load_call_state(connection: Connection, channel_id: UUID, call_id: str, now: datetime) -> CallState:
    """Who talks or is promised to another call than this one, and since when the others are idle.

    A call that the PBX never finished stops counting after four hours.
    """
    busy = frozenset(row["agent_id"] for row in await connection.fetch(_BUSY, now, channel_id, call_id))
    idle = {row["id"]: row["since"] for row in await connection.fetch(_IDLE) if row["since"] is not None}
    return CallState(busy, idle)
