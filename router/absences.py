"""Absences that begin: what was to be handed over then goes, whoever is there to see it."""

from __future__ import annotations

import structlog

from config.errors import BadRequest
from storage.absences import Begun, claim_begun, forget_wish
from storage.audit import note_change
from storage.bus import Topic
from storage.db import Connection
from storage.events import append_events
from storage.handover import InHand, count_in_hand, move_conversations, move_tasks
from storage.store import Store

log = structlog.get_logger()

BATCH = 100
"""Conversations and tasks of one transaction: live messages never stand behind more."""
ROUNDS = 200
ACQUIRE_S = 10.0


async def begin_absences(store: Store) -> int:
    """Hands over all of whoever's absence began, batch by batch. Returns how many conversations and tasks moved."""
    moved = 0
    for _ in range(ROUNDS):
        async with store.pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction():
            begun = await claim_begun(connection)
            if begun is None:
                break
            done, event_id = await _hand_over(connection, begun)
        moved += done
        if event_id:
            store.bus.notify(Topic.EVENTS, event_id)
            store.bus.notify(Topic.QUEUE)
    return moved


async def _hand_over(connection: Connection, begun: Begun) -> tuple[int, int]:
    """(how many moved, the highest event). The wish is gone once nothing is left, or nobody to give it to."""
    said = f"all work of {begun.name} handed over" + (f": {begun.reason}" if begun.reason else "")
    try:
        talks = await move_conversations(
            connection, begun.agent_id, begun.to, reason=said, why=begun.reason, by=None, limit=BATCH
        )
        tasks = await move_tasks(connection, begun.agent_id, begun.to, limit=BATCH)
    except BadRequest as error:  # the deputy has left meanwhile, or the queue is gone
        log.warning("absence_without_deputy", absence_id=str(begun.id), error=str(error))
        await forget_wish(connection, begun.id)
        return 0, 0
    done = InHand(conversations=talks.many, tasks=tasks.many, contacts=0)
    if begun.by and (talks.many or tasks.many):
        target = {"to_agent_id": begun.to.agent_id, "queue_id": begun.to.queue_id, "reason": begun.reason}
        after = target | {"done": {"conversations": done.conversations, "tasks": done.tasks}}
        await note_change(connection, begun.by, "agent.handed_over", ("agent", begun.agent_id), before={}, after=after)
    left = await count_in_hand(connection, begun.agent_id)
    moved = talks.many + tasks.many
    if not moved or left.conversations + left.tasks == 0:
        await forget_wish(connection, begun.id)
    return moved, await append_events(connection, talks.events + tasks.events)
