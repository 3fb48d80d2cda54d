"""What an agent has in hand now: his open conversations, open tasks, and the cards he owns."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import msgspec

from config.errors import Conflict
from storage.conversations import assign_conversation
from storage.db import Connection, Pool
from storage.events import NewEvent
from storage.tasks import change_task


class InHand(msgspec.Struct, kw_only=True):
    """How many of each."""

    conversations: int
    tasks: int
    contacts: int


_COUNT = """
SELECT (SELECT count(*) FROM conversation WHERE assignee_id = $1 AND status <> 'resolved') AS conversations,
  (SELECT count(*) FROM task WHERE assignee_id = $1 AND state = 'open') AS tasks,
  (SELECT count(*) FROM contact WHERE owner_id = $1 AND card_id = id AND erased_at IS NULL) AS contacts
"""


async def count_in_hand(connection: Connection | Pool, agent_id: UUID) -> InHand:
    row = await connection.fetchrow(_COUNT, agent_id)
    assert row is not None
    return InHand(**row)


async def conversations_in_hand(connection: Connection, agent_id: UUID, limit: int) -> list[UUID]:
    """Not resolved ones, oldest first."""
    rows = await connection.fetch(
        "SELECT id FROM conversation WHERE assignee_id = $1 AND status <> 'resolved' ORDER BY id LIMIT $2",
        agent_id,
        limit,
    )
    return [row["id"] for row in rows]


async def tasks_in_hand(connection: Connection, agent_id: UUID, limit: int) -> list[UUID]:
    rows = await connection.fetch(
        "SELECT id FROM task WHERE assignee_id = $1 AND state = 'open' ORDER BY id LIMIT $2", agent_id, limit
    )
    return [row["id"] for row in rows]


async def contacts_in_hand(connection: Connection, agent_id: UUID, limit: int) -> list[UUID]:
    """Cards he owns; those merged into another follow that one."""
    rows = await connection.fetch(
        "SELECT id FROM contact WHERE owner_id = $1 AND card_id = id AND erased_at IS NULL ORDER BY id LIMIT $2",
        agent_id,
        limit,
    )
    return [row["id"] for row in rows]


class Target(NamedTuple):
    """One of the two: to a colleague, or to wait in a queue."""

    agent_id: UUID | None
    queue_id: UUID | None


class Moved(NamedTuple):
    """`events`: to be appended last."""

    many: int
    events: list[NewEvent]


async def move_conversations(
    connection: Connection, agent_id: UUID, to: Target, *, reason: str, why: str, by: UUID | None, limit: int
) -> Moved:
    """At most `limit`. Raises BadRequest for a target that is gone."""
    moved = Moved(0, [])
    for conversation_id in await conversations_in_hand(connection, agent_id, limit):
        try:
            changed = await assign_conversation(
                connection,
                None,
                conversation_id,
                agent_id=to.agent_id,
                queue_id=to.queue_id,
                reason=reason,
                by=by,
                why=why,
            )
        except Conflict:  # resolved in this very moment
            continue
        moved = Moved(moved.many + 1, moved.events + changed.events)
    return moved


async def move_tasks(connection: Connection, agent_id: UUID, to: Target, *, limit: int) -> Moved:
    """At most `limit`. Raises BadRequest for a target that is gone."""
    changes = {"assignee_id": to.agent_id} | ({"queue_id": to.queue_id} if to.queue_id else {})
    moved = Moved(0, [])
    for task_id in await tasks_in_hand(connection, agent_id, limit):
        try:
            changed = await change_task(connection, None, task_id, changes, version=None)
        except Conflict:  # done in this very moment
            continue
        moved = Moved(moved.many + 1, moved.events + changed.events)
    return moved
