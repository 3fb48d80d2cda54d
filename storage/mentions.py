"""Agents named in notes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from config.errors import BadRequest
from storage.db import Connection, Pool
from storage.reading import LAST_ID, NO_ID, walked

MENTIONED = "mentioned"


class MentionItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A note that names the caller. `agent_id`: who wrote it."""

    interaction_id: UUID
    conversation_id: UUID
    at: datetime
    text: str
    seen_at: datetime | None = None
    agent_id: UUID | None = None
    agent_name: str = ""
    contact_name: str = ""


_LIST = """
SELECT m.interaction_id, m.conversation_id, m.at, coalesce(i.text, '') AS text, m.seen_at, i.agent_id,
  coalesce(a.name, '') AS agent_name, {card_name} AS contact_name
FROM mention AS m LEFT JOIN interaction AS i ON i.id = m.interaction_id LEFT JOIN agent AS a ON a.id = i.agent_id
LEFT JOIN conversation AS c ON c.id = m.conversation_id LEFT JOIN contact AS o ON o.id = c.contact_id
LEFT JOIN contact AS k ON k.id = o.card_id
WHERE m.agent_id = $1 AND (m.interaction_id) > ($2::uuid) AND ($4::bool IS NULL OR (m.seen_at IS NULL) = $4)
ORDER BY m.interaction_id ASC LIMIT $3
"""
_LISTS = walked(_LIST)
_KNOWN = "SELECT id FROM agent WHERE id = ANY($1::uuid[]) AND active"
_TAKE_PART = """
INSERT INTO conversation_participant (conversation_id, agent_id, last_at, why)
SELECT $1, a.id, $3, $4 FROM unnest($2::uuid[]) AS a (id) ORDER BY a.id
ON CONFLICT (conversation_id, agent_id)
DO UPDATE SET last_at = greatest(conversation_participant.last_at, excluded.last_at), why = excluded.why
"""
_ADD = """
INSERT INTO mention (agent_id, interaction_id, conversation_id, at)
SELECT a.id, $2, $1, $4 FROM unnest($3::uuid[]) AS a (id)
"""
_SEEN = """
UPDATE mention SET seen_at = now() WHERE agent_id = $1 AND conversation_id = $2 AND seen_at IS NULL
"""


async def known_agents(connection: Connection, agents: Sequence[UUID]) -> list[UUID]:
    """Each once. Raises BadRequest for one who is not there."""
    wanted = sorted(set(agents))
    known = {row["id"] for row in await connection.fetch(_KNOWN, wanted)} if wanted else set()
    missing = [one for one in wanted if one not in known]
    if missing:
        raise BadRequest(f"mentions: {missing[0]} is no active agent", reason="agent_inactive")
    return wanted


async def add_mentions(
    connection: Connection, agents: Sequence[UUID], *, conversation_id: UUID, interaction_id: UUID, at: datetime
) -> None:
    """They take part from now on, by which they see the conversation. `agents`: each once."""
    await connection.execute(_TAKE_PART, conversation_id, agents, at, MENTIONED)
    await connection.execute(_ADD, conversation_id, interaction_id, agents, at)


async def list_mentions(
    pool: Pool, agent_id: UUID, *, unseen: bool | None, after: UUID | None, limit: int, down: bool
) -> list[MentionItem]:
    """In the order they were written."""
    key = after or (LAST_ID if down else NO_ID)
    rows = await pool.fetch(_LISTS.down if down else _LISTS.up, agent_id, key, limit, unseen)
    return [MentionItem(**row) for row in rows]


async def mark_seen(connection: Connection, agent_id: UUID, conversation_id: UUID) -> int:
    """How many were new to him."""
    done = await connection.execute(_SEEN, agent_id, conversation_id)
    return int(done.rpartition(" ")[2])
