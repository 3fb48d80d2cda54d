"""Snoozed conversations whose time has come are open again, and unread: somebody wanted to be reminded."""

from __future__ import annotations

from uuid import UUID

import structlog

from storage.bus import Topic
from storage.conversations import audience_of, get_conversation
from storage.db import Connection
from storage.events import NewEvent, append_events
from storage.store import Store

log = structlog.get_logger()

ACQUIRE_S = 10.0
BATCH = 200
ROUNDS = 20

# Few are open: the index of open threads leads to them. A process that sweeps beside us takes the others.
_WAKE = """
UPDATE conversation AS c
SET status = 'open', snoozed_until = NULL, unread = greatest(c.unread, 1), version = c.version + 1
FROM (
    SELECT id FROM conversation
    WHERE status = 'snoozed' AND snoozed_until <= now() ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
) AS due
WHERE c.id = due.id RETURNING c.id
"""


async def wake_snoozed(store: Store) -> int:
    """Returns how many woke."""
    woken = 0
    for _ in range(ROUNDS):
        async with store.pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction():
            ids = [row["id"] for row in await connection.fetch(_WAKE, BATCH)]
            event_id = await append_events(connection, [await _event(connection, one) for one in ids])
        woken += len(ids)
        if event_id:
            store.bus.notify(Topic.EVENTS, event_id)
            store.bus.notify(Topic.QUEUE)
        if len(ids) < BATCH:
            break
    if woken:
        log.info("snoozed_woken", count=woken)
    return woken


async def _event(connection: Connection, conversation_id: UUID) -> NewEvent:
    item = await get_conversation(connection, None, conversation_id)
    words = sorted(await audience_of(connection, item.id))
    return NewEvent("conversation.updated", words, {"conversation": item, "woken": True})
