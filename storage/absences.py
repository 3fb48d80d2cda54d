"""Absences: who is away from when until when, who stands in, and what is to be handed over as they begin.

The wish to hand over is a workspace setting beside the absence, gone once it is done: its key is in no one's way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from config.errors import BadRequest, NotFound
from storage.db import Connection, Pool
from storage.handover import Target
from storage.workspace import write_setting


class AbsenceItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Away from `from_at` until `until_at`. `hand_over`: as it begins, all conversations and tasks go to the deputy, or to
    wait in `queue_id`.
    """

    id: UUID
    agent_id: UUID
    from_at: datetime
    until_at: datetime
    deputy_id: UUID | None = None
    reason: str = ""
    hand_over: bool = False
    queue_id: UUID | None = None


_LIST = """
SELECT a.id, a.agent_id, a.from_at, a.until_at, a.deputy_id, a.reason, w.key IS NOT NULL AS hand_over,
  (w.value ->> 'queue_id')::uuid AS queue_id
FROM absence AS a LEFT JOIN workspace_setting AS w ON w.key = 'absence:' || a.id
WHERE a.until_at > now() AND ($1::uuid IS NULL OR a.agent_id = $1) ORDER BY a.from_at, a.id
"""


async def list_absences(pool: Pool, agent_id: UUID | None) -> list[AbsenceItem]:
    """Of one or all agents, those not over yet."""
    return [AbsenceItem(**row) for row in await pool.fetch(_LIST, agent_id)]


async def add_absence(connection: Connection, absence: Mapping[str, Any]) -> UUID:
    """Raises BadRequest."""
    for name in ("agent_id", "deputy_id"):
        if absence[name] is not None:
            await _must_exist(connection, name, absence[name])
    if absence["deputy_id"] == absence["agent_id"]:
        raise BadRequest("deputy_id: nobody stands in for himself", reason="own_deputy")
    try:
        absence_id: UUID = await connection.fetchval(
            "INSERT INTO absence (agent_id, from_at, until_at, deputy_id, reason) VALUES ($1, $2, $3, $4, $5)"
            " RETURNING id",
            *(absence[name] for name in ("agent_id", "from_at", "until_at", "deputy_id", "reason")),
        )
    except asyncpg.CheckViolationError:
        raise BadRequest("until_at must be after from_at", reason="ends_before") from None
    return absence_id


async def _must_exist(connection: Connection, field: str, agent_id: UUID) -> None:
    if not await connection.fetchval("SELECT true FROM agent WHERE id = $1", agent_id):
        raise BadRequest(f"{field}: no such agent", reason="agent_inactive")


async def end_absence(connection: Connection, absence_id: UUID, agent_id: UUID | None) -> None:
    """`agent_id`: only one of his. Raises NotFound."""
    done = await connection.fetchval(
        "DELETE FROM absence WHERE id = $1 AND ($2::uuid IS NULL OR agent_id = $2) RETURNING id", absence_id, agent_id
    )
    if done is None:
        raise NotFound("no such absence")
    await forget_wish(connection, absence_id)


# ---------------------------------------------------------------- handing over as it begins


async def wish_hand_over(connection: Connection, absence_id: UUID, queue_id: UUID | None, by: str) -> None:
    """`queue_id` None: to the deputy. `by`: the audit log's word for who wants it. Raises BadRequest for no such queue."""
    if queue_id is not None and not await connection.fetchval("SELECT true FROM queue WHERE id = $1", queue_id):
        raise BadRequest("queue_id: no such queue", reason="queue_gone")
    value = {"queue_id": None if queue_id is None else str(queue_id), "by": by}
    await write_setting(connection, f"absence:{absence_id}", value)


async def forget_wish(connection: Connection, absence_id: UUID) -> None:
    await connection.execute("DELETE FROM workspace_setting WHERE key = $1", f"absence:{absence_id}")


class Begun(NamedTuple):
    """An absence that has begun, and whose work is still to go. `by`: an actor of the audit log."""

    id: UUID
    agent_id: UUID
    name: str
    reason: str
    by: str
    to: Target


_BEGUN = """
SELECT a.id, a.agent_id, g.name, a.reason, coalesce(w.value ->> 'by', '') AS by, (w.value ->> 'queue_id')::uuid AS queue_id,
  a.deputy_id
FROM workspace_setting AS w JOIN absence AS a ON w.key = 'absence:' || a.id JOIN agent AS g ON g.id = a.agent_id
WHERE a.from_at <= now() AND starts_with(w.key, 'absence:') ORDER BY a.from_at LIMIT 1 FOR UPDATE OF w SKIP LOCKED
"""


async def claim_begun(connection: Connection) -> Begun | None:
    """One that nobody else works on; held until the end of the transaction."""
    row = await connection.fetchrow(_BEGUN)
    if row is None:
        return None
    to = Target(None, row["queue_id"]) if row["queue_id"] is not None else Target(row["deputy_id"], None)
    return Begun(row["id"], row["agent_id"], row["name"], row["reason"], row["by"], to)
