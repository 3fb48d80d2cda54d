"""What a missed call leaves to do is done once somebody resolves its conversation by hand."""

from __future__ import annotations

from uuid import UUID

from storage.db import Connection
from storage.events import NewEvent

RESULT = "Закрыто вместе с диалогом"
MAX_RESULT = 300

_SETTLE = """
UPDATE task SET state = 'done', result = $2, done_at = now(), remind_at = NULL, version = version + 1,
    done_by = (SELECT c.assignee_id FROM conversation AS c WHERE c.id = $1)
WHERE conversation_id = $1 AND state = 'open' AND starts_with(key, 'missed_call:') RETURNING id
"""


async def settle_owed(connection: Connection, conversation_id: UUID, disposition: str) -> list[NewEvent]:
    """The task to call back, of a missed call's conversation that has just been resolved. Uses task_conversation_id_idx."""
    from storage.tasks import read_tasks, task_event  # noqa: PLC0415 - tasks read conversations, which call this

    result = f"{RESULT}: {disposition}" if disposition else RESULT
    rows = await connection.fetch(_SETTLE, conversation_id, result[:MAX_RESULT])
    done = await read_tasks(connection, [row["id"] for row in rows])
    return [task_event("task.changed", item) for item in done]
