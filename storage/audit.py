"""Who changed what. Never a secret: callers pass the changed fields alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from storage.db import Connection, Pool
from storage.reading import LAST_ID, NO_ID, fetch_planned, walked

_ADD = """
INSERT INTO audit_log (actor, action, object_kind, object_id, before, after) VALUES ($1, $2, $3, $4, $5, $6)
"""


async def note_change(
    connection: Connection,
    actor: str,
    action: str,
    obj: tuple[str, object],
    *,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> None:
    """`actor`: agent:<id> or token:<id>; `obj`: (kind, id). In the transaction of the change."""
    await connection.execute(_ADD, actor, action, obj[0], str(obj[1]), dict(before), dict(after))


class AuditItem(msgspec.Struct, kw_only=True):
    """One change. `actor`: agent:<id> or token:<id>, `actor_name` who that is."""

    id: UUID
    at: datetime
    actor: str
    actor_name: str
    action: str
    object_kind: str
    object_id: str
    before: dict[str, Any]
    after: dict[str, Any]


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """`actor`: the word as kept; `action`: whole, or up to a dot ("agent." finds all of agents)."""

    actor: str | None = None
    action: str | None = None
    object_kind: str | None = None
    object_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


_LIST = walked(
    """
SELECT l.id, l.at, l.actor, coalesce(a.name, t.name, '') AS actor_name, l.action, l.object_kind, l.object_id, l.before,
  l.after
FROM audit_log AS l
LEFT JOIN agent AS a ON l.actor = 'agent:' || a.id
LEFT JOIN api_token AS t ON l.actor = 'token:' || t.id
WHERE (l.id) > ($1::uuid)
  AND ($3::text IS NULL OR l.actor = $3)
  AND ($4::text IS NULL OR l.action = $4 OR (right($4, 1) = '.' AND starts_with(l.action, $4)))
  AND ($5::text IS NULL OR l.object_kind = $5)
  AND ($6::text IS NULL OR l.object_id = $6)
  AND ($7::timestamptz IS NULL OR l.at >= $7)
  AND ($8::timestamptz IS NULL OR l.at < $8)
ORDER BY l.id ASC LIMIT $2
"""
)


async def list_audit(pool: Pool, wanted: AuditFilter, *, after: UUID | None, limit: int, down: bool) -> list[AuditItem]:
    """In the order of the changes, or newest first."""
    rows = await fetch_planned(
        pool,
        _LIST.down if down else _LIST.up,
        after or (LAST_ID if down else NO_ID),
        limit,
        wanted.actor,
        wanted.action,
        wanted.object_kind,
        wanted.object_id,
        wanted.since,
        wanted.until,
    )
    return [AuditItem(**row) for row in rows]
