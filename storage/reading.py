"""Lists for people: always from the viewer's rights, always planned for the filters at hand, walked by key.

Conventions of every statement here and in its neighbours: `$1` is the viewer (an agent's id, NULL sees everything);
a filter that is not wanted is NULL, and since each execution is planned anew, costs nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from storage.db import Connection, Pool

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)
NO_ID = UUID(int=0)
LAST_ID = UUID(int=2**128 - 1)
INT8_MIN, INT8_MAX = -(2**63), 2**63 - 1

CONVERSATION_VISIBLE = """($1::uuid IS NULL OR c.assignee_id = $1
  OR c.queue_id IN (SELECT m.queue_id FROM queue_member AS m WHERE m.agent_id = $1)
  OR EXISTS (SELECT FROM conversation_participant AS p WHERE p.conversation_id = c.id AND p.agent_id = $1
             AND p.last_at > now() - interval '30 days')
  OR EXISTS (SELECT FROM contact AS o JOIN contact AS card ON card.id = o.card_id
             WHERE o.id = c.contact_id AND card.owner_id = $1))"""
"""The one rule of who sees a conversation, about the row `c`: its assignee, the queue's members, who took part in the
last 30 days (wrote, was mentioned, was rung), the owner of the card."""

INTERACTION_VISIBLE = """($1::uuid IS NULL OR EXISTS (
  SELECT FROM conversation AS c WHERE c.id = i.conversation_id AND {conversation_visible}))"""

CONTACT_VISIBLE = """($1::uuid IS NULL OR k.owner_id = $1 OR EXISTS (
  SELECT FROM contact AS m JOIN conversation AS c ON c.contact_id = m.id
  WHERE m.card_id = k.id AND {conversation_visible}))"""

CARD_NAME = """CASE WHEN k.name <> '' THEN k.name ELSE coalesce((
    SELECT n.value FROM identity AS n WHERE n.contact_id = k.id AND n.kind IN ('phone', 'email', 'telegram_username')
    ORDER BY array_position('{phone,email,telegram_username}', n.kind), n.id LIMIT 1), '') END"""
"""What the card `k` is called in lists: who has not told a name is his number or address."""


class Statement(NamedTuple):
    """The same list walked up and down."""

    up: str
    down: str


def scoped(sql: str) -> str:
    """Puts the rules in for `{conversation_visible}` (row c), `{interaction_visible}` (row i), `{contact_visible}` (row k),
    and what a card is called for `{card_name}` (row k).
    """
    return (
        sql.replace("{interaction_visible}", INTERACTION_VISIBLE)
        .replace("{card_name}", CARD_NAME)
        .replace("{contact_visible}", CONTACT_VISIBLE)
        .replace("{conversation_visible}", CONVERSATION_VISIBLE)
    )


def walked(sql: str) -> Statement:
    """From the statement in ascending order: `) > (` is its keyset condition, `ASC` its order."""
    text = scoped(sql)
    return Statement(text, text.replace(") > (", ") < (").replace(" ASC", " DESC"))


async def fetch_planned(pool: Pool, sql: str, *args: Any) -> list[asyncpg.Record]:
    """Rows of a read whose best plan depends on which filters are set."""
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        return await planned(connection, sql, *args)


async def planned(connection: Connection, sql: str, *args: Any) -> list[asyncpg.Record]:
    """The same inside a transaction."""
    await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
    return await connection.fetch(sql, *args)
