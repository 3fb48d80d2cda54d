"""Two rows that are one call: one we asked the PBX for, and one it told of under its own id before it named ours.

Our row stays, as people know it by its id; the other's events and what people wrote in it go there, and it is gone.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from router import callstate
from router.callstate import CallEvent
from storage.conversations import audience_of
from storage.db import Connection
from storage.events import NewEvent

_BOTH = """
SELECT id, external_id, conversation_id, interaction_id, events, disposition FROM call
WHERE channel_id = $1 AND external_id = ANY($2::text[]) ORDER BY id FOR UPDATE
"""
_LOCK = "SELECT FROM conversation WHERE id IN ($1, $2) ORDER BY id FOR UPDATE"
_WORDS = "UPDATE interaction SET conversation_id = $2 WHERE conversation_id = $1 AND id <> $3"
_REFS = "UPDATE external_ref SET interaction_id = $3 WHERE channel_id = $1 AND kind = 'call' AND external_id = $2"
_RESULTS = """
UPDATE journal_result SET interactions = array_replace(interactions, $1, $2)
WHERE entry_id = (SELECT i.journal_id FROM interaction AS i WHERE i.id = $1)
"""
_FILES = """
WITH gone AS (DELETE FROM attachment WHERE interaction_id = $1 RETURNING blob),
    counted AS (SELECT blob, count(*) AS n FROM gone WHERE blob IS NOT NULL GROUP BY blob)
UPDATE blob AS b SET refs = b.refs - counted.n FROM counted WHERE b.sha256 = counted.blob
"""
_TASKS = """
UPDATE task SET conversation_id = $2, interaction_id = CASE interaction_id WHEN $3 THEN $4 ELSE interaction_id END,
    call_id = $5, version = version + 1 WHERE conversation_id = $1
"""
_PARTICIPANTS = """
INSERT INTO conversation_participant (conversation_id, agent_id, last_at, why)
SELECT $2, agent_id, last_at, why FROM conversation_participant WHERE conversation_id = $1 ORDER BY agent_id
ON CONFLICT (conversation_id, agent_id) DO NOTHING
"""
_GONE = (
    "DELETE FROM conversation_participant WHERE conversation_id = $1",
    "DELETE FROM assignment WHERE conversation_id = $1",
    "DELETE FROM conversation WHERE id = $1",
)


class Taken(NamedTuple):
    """`events` of the row that is gone; `left` tells those who saw its conversation."""

    events: list[CallEvent]
    left: list[NewEvent]


async def take_over(connection: Connection, channel_id: UUID, kept_id: str, gone_id: str) -> Taken:
    """Inside the lane's transaction, before the batch is written. Nothing happens where one of them is there no more."""
    rows = {row["external_id"]: row for row in await connection.fetch(_BOTH, channel_id, [kept_id, gone_id])}
    kept, gone = rows.get(kept_id), rows.get(gone_id)
    if kept is None or gone is None or not (kept["conversation_id"] and gone["conversation_id"]):
        return Taken([], [])
    heard = await audience_of(connection, gone["conversation_id"])
    old, new = gone["conversation_id"], kept["conversation_id"]
    await connection.execute(_LOCK, old, new)
    await connection.execute(_WORDS, old, new, gone["interaction_id"])
    await connection.execute(_REFS, channel_id, gone_id, kept["interaction_id"])
    await connection.execute(_RESULTS, gone["interaction_id"], kept["interaction_id"])
    await connection.execute(_FILES, gone["interaction_id"])
    await connection.execute(_TASKS, old, new, gone["interaction_id"], kept["interaction_id"], kept["id"])
    await connection.execute(_PARTICIPANTS, old, new)
    await connection.execute("DELETE FROM interaction WHERE id = $1", gone["interaction_id"])
    await connection.execute("DELETE FROM call WHERE id = $1", gone["id"])
    for statement in _GONE:
        await connection.execute(statement, old)
    if gone["disposition"] and not kept["disposition"]:
        await connection.execute("UPDATE call SET disposition = $2 WHERE id = $1", kept["id"], gone["disposition"])
    left = NewEvent("conversation.left", sorted(heard), {"conversation_id": old})
    return Taken(callstate.load(gone["events"]), [left])
