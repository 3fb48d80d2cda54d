"""What agents have begun to write: one draft of each in a conversation, seen by its author alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from config.errors import Conflict
from storage.db import Connection, Pool
from storage.events import NewEvent, audience

MOST = 500
SHOWN = ("conversation_id", "updated_at", "contact_name", "files")


class DraftFile(msgspec.Struct, kw_only=True):
    """An uploaded file that is still to be sent. `size` in bytes."""

    id: UUID
    name: str
    type: str
    size: int


class DraftItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`attachments`: ids of uploaded files, `files`: those of them that are still there; `identity_id`, `channel_id`,
    `reply_to` as of a message; `meta` as well.
    """

    conversation_id: UUID
    updated_at: datetime
    kind: str = "message"
    text: str = ""
    identity_id: UUID | None = None
    channel_id: UUID | None = None
    attachments: list[UUID] = []
    files: list[DraftFile] = []
    reply_to: UUID | None = None
    meta: dict[str, Any] = {}
    contact_name: str = ""


_LIST = """
SELECT d.conversation_id, d.updated_at, d.body, coalesce(k.name, '') AS contact_name, (
  SELECT coalesce(jsonb_agg(jsonb_build_object('id', f.id, 'name', f.name, 'type', f.type, 'size', f.size)
                            ORDER BY n.ord), '[]')
  FROM jsonb_array_elements_text(d.body -> 'attachments') WITH ORDINALITY AS n(id, ord)
  JOIN attachment AS f ON f.id = n.id::uuid
  WHERE f.interaction_id IS NULL AND f.state = 'kept' AND f.uploaded_by = d.agent_id) AS files
FROM draft AS d LEFT JOIN conversation AS c ON c.id = d.conversation_id
LEFT JOIN contact AS o ON o.id = c.contact_id LEFT JOIN contact AS k ON k.id = o.card_id
WHERE d.agent_id = $1 AND ($2::uuid IS NULL OR d.conversation_id = $2)
ORDER BY d.updated_at DESC, d.conversation_id LIMIT $3
"""
_SAVE = """
INSERT INTO draft AS d (agent_id, conversation_id, body) VALUES ($1, $2, $3)
ON CONFLICT (agent_id, conversation_id) DO UPDATE SET body = excluded.body, updated_at = now()
WHERE NOT $4::bool OR d.updated_at = $5::timestamptz RETURNING true
"""
_DROP = """
DELETE FROM draft WHERE agent_id = $1 AND conversation_id = $2 AND ($3::text IS NULL OR body ->> 'kind' = $3)
RETURNING true
"""


async def list_drafts(
    source: Connection | Pool, agent_id: UUID, conversation_id: UUID | None = None
) -> list[DraftItem]:
    """Newest first, at most MOST."""
    rows = await source.fetch(_LIST, agent_id, conversation_id, MOST)
    return [msgspec.convert(row["body"] | {name: row[name] for name in SHOWN}, DraftItem) for row in rows]


async def save_draft(
    connection: Connection,
    agent_id: UUID,
    conversation_id: UUID,
    body: dict[str, Any],
    *,
    seen_at: datetime | None = None,
    checked: bool = False,
) -> DraftItem:
    """Instead of the one there was. `checked`: only if that is the one of `seen_at`, or there was none; else Conflict."""
    if not await connection.fetchval(_SAVE, agent_id, conversation_id, body, checked, seen_at):
        raise Conflict("this draft was changed on another page meanwhile", reason="changed_meanwhile")
    return (await list_drafts(connection, agent_id, conversation_id))[0]


async def drop_draft(connection: Connection, agent_id: UUID, conversation_id: UUID, kind: str | None = None) -> bool:
    """True if there was one, of that kind where it is given."""
    return bool(await connection.fetchval(_DROP, agent_id, conversation_id, kind))


def draft_event(agent_id: UUID, conversation_id: UUID, updated_at: datetime | None) -> NewEvent:
    """For the author's other pages. Without the text: supervisors hear every event, and a draft is nobody else's."""
    data = {"agent_id": agent_id, "conversation_id": conversation_id, "updated_at": updated_at}
    return NewEvent("draft.changed", audience(agents=[agent_id]), data)
