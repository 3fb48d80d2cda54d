"""What an agent has in hand now: his open conversations, open tasks, and the cards he owns."""

from __future__ import annotations

from uuid import UUID

import msgspec

from storage.db import Connection, Pool


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
