"""Words in the stream, newest first, by arrival: the order of ids, which is that of the partitions.

The planner guesses how many texts hold a word, and for words that come together it guesses wrong by thousands: one
statement is then either a walk through every row or a sort of every hit. So it is looked for in three steps, each with one
sensible plan; a frequent word ends with the first of them, a rare one has few hits in the last.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import asyncpg

from storage.db import Pool
from storage.interactions import MEMBERS, SHOWN, InteractionFilter
from storage.reading import LAST_ID, NO_ID, planned, scoped

RECENT = timedelta(days=90)

# $1 viewer, $2 text, $3 id to start below, $4 limit, $5 lowest id, $6 to $12 filters.
_QUERY = "websearch_to_tsquery('hub', $2)"
_FILTERS = """
  AND ($6::uuid IS NULL OR i.channel_id = $6) AND ($7::text IS NULL OR i.kind = $7)
  AND ($8::text IS NULL OR i.direction = $8)
  AND ($11::timestamptz IS NULL OR i.order_at >= $11) AND ($12::timestamptz IS NULL OR i.order_at < $12)
  AND ($9::uuid IS NULL OR i.contact_id IN ({members})) AND ($10::uuid IS NULL OR i.conversation_id = $10)
  AND {interaction_visible}""".replace("{members}", MEMBERS.replace("$7", "$9"))


_NAME = "coalesce((SELECT n.name FROM contact AS n WHERE n.id = k.card_id), '') AS contact_name"


def _statement(sql: str) -> str:
    return scoped(sql.replace("{shown}", f"{SHOWN}, {_NAME}").replace("{query}", _QUERY).replace("{filters}", _FILTERS))


_NEWEST = _statement("""
{shown}
FROM (
  SELECT * FROM interaction AS n WHERE n.id < $3::uuid AND n.id >= $5::uuid ORDER BY n.id DESC LIMIT 10000) AS i
LEFT JOIN contact AS k ON k.id = i.contact_id
WHERE i.search @@ {query} {filters}
ORDER BY i.id DESC LIMIT $4
""")
"""By the newest partition's primary key, stopping at the page."""

_WITHIN = _statement("""
WITH hits AS MATERIALIZED (
  SELECT i.id FROM interaction AS i
  WHERE i.search @@ {query} AND i.id < $3::uuid AND i.id >= $5::uuid {filters}),
page AS (SELECT h.id FROM hits AS h ORDER BY h.id DESC LIMIT $4)
{shown}
FROM interaction AS i LEFT JOIN contact AS k ON k.id = i.contact_id
WHERE i.id = ANY (ARRAY (SELECT p.id FROM page AS p))
ORDER BY i.id DESC
""")
"""By the GIN indexes of the partitions the lowest id leaves over; or, within a card or a conversation, by theirs."""


async def search_interactions(
    pool: Pool, viewer: UUID | None, text: str, wanted: InteractionFilter, *, before: UUID | None, limit: int
) -> list[asyncpg.Record]:
    """Those whose text has the words, newest first. `text` in web search syntax: quotes, `or`, a leading minus."""
    upper = before or LAST_ID
    found: list[asyncpg.Record] = []
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        for statement, lowest in _steps(upper, wanted):
            found = await planned(
                connection,
                statement,
                viewer,
                text,
                upper,
                limit,
                lowest,
                wanted.channel,
                wanted.kind,
                wanted.direction,
                wanted.contact,
                wanted.conversation,
                wanted.since,
                wanted.until,
            )
            if len(found) >= limit:
                break
    return found


def _steps(upper: UUID, wanted: InteractionFilter) -> Iterator[tuple[str, UUID]]:
    """(statement, lowest id), wider and wider. What is narrowed to a client is little: it is looked through at once."""
    if wanted.contact is None and wanted.conversation is None:
        yield _NEWEST, NO_ID
        start_ms = min(time.time_ns() // 1_000_000, upper.int >> 80)  # 48 bits of milliseconds lead an id
        yield _WITHIN, UUID(int=max(0, start_ms - RECENT // timedelta(milliseconds=1)) << 80)
    yield _WITHIN, NO_ID
