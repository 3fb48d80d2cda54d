"""Who held a conversation and to whom it was offered, in one line of time."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from storage.db import Connection

MOST = 500


class HistoryItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`what`: assigned, or offered, accepted, returned, withdrawn of a transfer. `agent_id`: to whom, `by`: by whom; a
    machine where absent. `reason`: a sentence, or what the colleague wrote; `facts`: what it was decided on, for those who
    say it in another language (router/sentences.py; `why`: what a colleague wrote as he handed it over).
    """

    at: datetime
    what: str
    reason: str = ""
    agent_id: UUID | None = None
    agent_name: str = ""
    queue_id: UUID | None = None
    queue_name: str = ""
    by: UUID | None = None
    by_name: str = ""
    facts: dict[str, Any] = {}


_HISTORY = """
SELECT h.at, h.what, h.reason, h.agent_id, coalesce(a.name, '') AS agent_name, h.queue_id,
  coalesce(q.name, '') AS queue_name, h.by, coalesce(b.name, '') AS by_name, h.facts
FROM (
  SELECT s.since AS at, 'assigned' AS what, s.reason, s.agent_id, s.queue_id, s.by, s.facts, 1 AS place
  FROM assignment AS s WHERE s.conversation_id = $1
  UNION ALL
  SELECT t.at, 'offered', t.reason, t.to_agent_id, NULL, t.from_agent_id, '{}'::jsonb, 0
  FROM transfer AS t WHERE t.conversation_id = $1
  UNION ALL
  SELECT t.answered_at, t.state, t.answer, t.to_agent_id, NULL,
    CASE WHEN t.state = 'withdrawn' THEN t.from_agent_id ELSE t.to_agent_id END, '{}'::jsonb, 0
  FROM transfer AS t WHERE t.conversation_id = $1 AND t.answered_at IS NOT NULL
) AS h
LEFT JOIN agent AS a ON a.id = h.agent_id LEFT JOIN agent AS b ON b.id = h.by LEFT JOIN queue AS q ON q.id = h.queue_id
ORDER BY h.at, h.place LIMIT $2
"""


async def conversation_history(connection: Connection, conversation_id: UUID) -> list[HistoryItem]:
    """From the beginning, at most MOST."""
    return [HistoryItem(**row) for row in await connection.fetch(_HISTORY, conversation_id, MOST)]
