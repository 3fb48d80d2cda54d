"""The team as a supervisor sees it: who is there, since when, how busy."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from storage.db import Pool


class TeamItem(msgspec.Struct, kw_only=True):
    """`online`: whether he can be given work now (state, a sign of life within 90 s, not absent). `open`: conversations he
    holds by kind, of `capacity` places; pending and snoozed ones take no place. `absent_until`: of an absence entered.
    """

    agent_id: UUID
    name: str
    role: str
    state: str
    reason: str
    since: datetime | None
    seen_at: datetime | None
    online: bool
    open: dict[str, int]
    capacity: dict[str, Any]
    skills: list[str]
    queues: list[UUID]
    absent_until: datetime | None
    deputy_id: UUID | None


_TEAM = """
SELECT a.id AS agent_id, a.name, a.role, coalesce(p.state, 'offline') AS state, coalesce(p.reason, '') AS reason,
  p.since, p.seen_at, a.capacity, a.skills,
  coalesce(p.state = 'online' AND p.seen_at > now() - interval '90 seconds' AND away.until_at IS NULL, false) AS online,
  coalesce((SELECT jsonb_object_agg(n.kind, n.count) FROM (
    SELECT c.kind, count(*) FROM conversation AS c
    WHERE c.assignee_id = a.id AND c.status = 'open' GROUP BY c.kind) AS n), '{}') AS open,
  array(SELECT m.queue_id FROM queue_member AS m WHERE m.agent_id = a.id ORDER BY m.queue_id) AS queues,
  away.until_at AS absent_until, away.deputy_id
FROM agent AS a
LEFT JOIN presence AS p ON p.agent_id = a.id
LEFT JOIN LATERAL (
  SELECT b.until_at, b.deputy_id FROM absence AS b WHERE b.agent_id = a.id AND b.from_at <= now() AND b.until_at > now()
  ORDER BY b.deputy_id IS NOT NULL DESC, b.until_at DESC LIMIT 1) AS away ON true
WHERE a.active
  AND ($1::uuid IS NULL OR EXISTS (SELECT FROM queue_member AS m WHERE m.queue_id = $1 AND m.agent_id = a.id))
ORDER BY a.name, a.id
"""


async def list_team(pool: Pool, queue_id: UUID | None) -> list[TeamItem]:
    """Active agents by name, of one queue or all."""
    return [TeamItem(**row) for row in await pool.fetch(_TEAM, queue_id)]
