"""Lists of cards: by name, by when they were made, by when anything was last heard; what they may be narrowed to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from storage.contact_filter import IDS, WHERE, ContactFilter, arguments_of
from storage.contacts import COLUMNS
from storage.db import Connection, Pool
from storage.reading import EARLIEST, LAST_ID, LATEST, NO_ID, planned, scoped, walked

Sort = Literal["name", "created", "last"]
LAST_NAME = "\U0010ffff"
STEPS = (2_000, 40_000)
"""Of the newest conversations, before all of them are looked through."""
FEW = 5_000
"""So many cards are sorted by themselves."""


def _list(sql: str) -> str:
    return sql.replace("{columns}", COLUMNS).replace("{where}", WHERE)


_BY_NAME = walked(
    _list("""
SELECT {columns}, k.sort_name FROM contact AS k
WHERE {where} AND (k.sort_name, k.id) > ($2::text, $3::uuid)
ORDER BY k.sort_name ASC, k.id ASC LIMIT $4
""")
)
_BY_ID = walked(
    _list("""
SELECT {columns}, k.sort_name FROM contact AS k
WHERE {where} AND ($2::text IS NULL OR true) AND (k.id) > ($3::uuid)
ORDER BY k.id ASC LIMIT $4
""")
)
_SOME = scoped(
    _list("""
SELECT k.id FROM contact AS k
WHERE {where} AND ($2::text IS NULL OR true) AND ($3::uuid IS NULL OR true) LIMIT $4
""")
)
# Each card at its newest conversation.
_BY_LAST = walked(
    _list("""
SELECT {columns}, k.sort_name, l.last_at FROM conversation AS l
JOIN contact AS o ON o.id = l.contact_id JOIN contact AS k ON k.id = o.card_id
WHERE {where} AND (l.last_at, k.id) > ($2::timestamptz, $3::uuid)
  AND NOT EXISTS (
    SELECT FROM contact AS m JOIN conversation AS c ON c.contact_id = m.id
    WHERE m.card_id = k.id AND c.last_at >= l.last_at AND (c.last_at > l.last_at OR c.id > l.id))
ORDER BY l.last_at ASC, k.id ASC LIMIT $4
""")
)
# The same for the newest of all conversations from the key down: a scan that keeps the $26 newest costs a tenth of comparing
# each with its neighbours, and an index on a column that every message changes would cost each of them more. Whatever is
# newer than the oldest of these is complete; ties with that one may not be.
_NEWEST = scoped(
    _list("""
WITH newest AS MATERIALIZED (
  SELECT c.contact_id, c.last_at FROM conversation AS c WHERE c.last_at <= $2::timestamptz
  ORDER BY c.last_at DESC LIMIT $26::int)
SELECT {columns}, k.sort_name, l.last_at
FROM (SELECT o.card_id, max(n.last_at) AS last_at FROM newest AS n JOIN contact AS o ON o.id = n.contact_id
      GROUP BY o.card_id) AS l
JOIN contact AS k ON k.id = l.card_id
WHERE {where} AND (l.last_at, k.id) < ($2::timestamptz, $3::uuid)
  AND ((SELECT count(*) FROM newest) < $26 OR l.last_at > (SELECT min(n.last_at) FROM newest AS n))
  AND NOT EXISTS (
    SELECT FROM contact AS m JOIN conversation AS c ON c.contact_id = m.id
    WHERE m.card_id = k.id AND c.last_at > l.last_at)
ORDER BY l.last_at DESC, k.id DESC LIMIT $4
""")
)
# Cards nothing was ever heard of: before all others.
_SILENT = walked(
    _list("""
SELECT {columns}, k.sort_name, $2::timestamptz AS last_at FROM contact AS k
WHERE {where} AND (k.id) > ($3::uuid)
  AND NOT EXISTS (SELECT FROM contact AS m JOIN conversation AS c ON c.contact_id = m.id WHERE m.card_id = k.id)
ORDER BY k.id ASC LIMIT $4
""")
)


async def list_contacts(
    pool: Pool,
    viewer: UUID | None,
    wanted: ContactFilter,
    *,
    sort: Sort,
    after: tuple[Any, UUID] | None,
    limit: int,
    down: bool,
) -> list[asyncpg.Record]:
    """Cards from behind the key on; each row's own key is what `key_of` says."""
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        if sort == "last":
            return await _by_last(connection, viewer, wanted, after=after, limit=limit, down=down)
        filters = await arguments_of(connection, viewer, wanted)
        both = _BY_NAME if sort == "name" else _BY_ID
        key = after or ((LAST_NAME, LAST_ID) if down else ("", NO_ID))
        return await planned(connection, both.down if down else both.up, viewer, *key, limit, *filters)


def key_of(row: asyncpg.Record, sort: Sort) -> tuple[Any, UUID]:
    """The cursor behind this row."""
    if sort != "last":
        return row["sort_name"], row["id"]
    heard: datetime = row["last_at"]
    return heard if heard.tzinfo else EARLIEST, row["id"]  # asyncpg reads the earliest time back without its zone


async def _few(connection: Connection, viewer: UUID | None, filters: list[Any]) -> list[Any] | None:
    """The filter as the cards it finds, where these are few: then nothing else need be looked through. None: they are many,
    and so found soon among the newest.
    """
    if not any(value is not None for value in filters):
        return None
    rows = await planned(connection, _SOME, viewer, None, None, FEW + 1, *filters)
    if len(rows) > FEW:
        return None
    return [sorted(row["id"] for row in rows) if place == IDS else None for place in range(len(filters))]


async def _by_last(
    connection: Connection,
    viewer: UUID | None,
    wanted: ContactFilter,
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    down: bool,
) -> list[asyncpg.Record]:
    """Two lists one behind the other: those never heard of, and the others."""
    filters = await arguments_of(connection, viewer, wanted)
    few = await _few(connection, viewer, filters)
    heard, silent = (_BY_LAST.down, _SILENT.down) if down else (_BY_LAST.up, _SILENT.up)
    newest = min(filter(None, (wanted.silent_since, wanted.heard_before)), default=LATEST)
    begun_silent = after is not None and after[0] == EARLIEST
    rows: list[asyncpg.Record] = []
    for statement in (heard, silent) if down else (silent, heard):
        if statement is heard and down and begun_silent:
            continue
        if statement is silent and not down and after is not None and not begun_silent:
            continue
        missing = limit - len(rows)
        if not missing:
            break
        goes_on = after is not None and begun_silent == (statement is silent)
        start = (newest, LAST_ID) if down else (EARLIEST, NO_ID)
        at, contact_id = after if after is not None and goes_on else start
        key = (EARLIEST, contact_id) if statement is silent else (at, contact_id)
        given = viewer, *key, missing, *(few or filters)
        found = await _newest(connection, given) if few is None and statement is heard and down else None
        rows += found or await planned(connection, statement, *given)
    return rows


async def _newest(connection: Connection, given: tuple[Any, ...]) -> list[asyncpg.Record] | None:
    """A page of the cards heard of last, from ever more of the newest conversations; None: it takes all of them."""
    for count in STEPS:
        rows = await planned(connection, _NEWEST, *given, count)
        if len(rows) >= given[3]:
            return rows
    return None


_LAST_HEARD = """
SELECT m.card_id, max(c.last_at) AS last_at FROM contact AS m JOIN conversation AS c ON c.contact_id = m.id
WHERE m.card_id = ANY($1::uuid[]) GROUP BY m.card_id
"""


_COMPANIES = """
SELECT m.id, k.name FROM contact AS m JOIN contact AS k ON k.id = m.card_id WHERE m.id = ANY($1::uuid[])
"""


async def company_names(connection: Connection | Pool, ids: set[UUID]) -> dict[UUID, str]:
    """How the companies of cards are called; a merged one as the card it shows on."""
    return {row["id"]: row["name"] for row in await connection.fetch(_COMPANIES, list(ids))} if ids else {}


async def last_heard(connection: Connection | Pool, card_ids: list[UUID]) -> dict[UUID, datetime]:
    """When anything was last said with these cards, in either direction."""
    return {row["card_id"]: row["last_at"] for row in await connection.fetch(_LAST_HEARD, card_ids)}


_COUNT = scoped(
    """
SELECT count(*) FROM (
  SELECT FROM contact AS k
  WHERE {where} AND ($2::text IS NULL OR true) AND ($3::uuid IS NULL OR true) LIMIT $4) AS found
""".replace("{where}", WHERE)
)


async def count_contacts(pool: Pool, viewer: UUID | None, wanted: ContactFilter, *, most: int) -> int:
    """How many cards, counted up to `most` + 1."""
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        filters = await arguments_of(connection, viewer, wanted)
        rows = await planned(connection, _COUNT, viewer, None, None, most + 1, *filters)
        return int(rows[0]["count"])


_EXPORT = scoped(
    _list("""
SELECT {columns}, k.sort_name, company.name AS company, owner.name AS owner, owner.login AS owner_login
FROM contact AS k LEFT JOIN contact AS company ON company.id = k.company_id LEFT JOIN agent AS owner ON owner.id = k.owner_id
WHERE {where} AND ($2::text IS NULL OR true) AND k.id > $3::uuid ORDER BY k.id LIMIT $4
""")
)


async def walk_contacts(
    pool: Pool, viewer: UUID | None, wanted: ContactFilter, *, batch: int
) -> AsyncIterator[list[asyncpg.Record]]:
    """All of them in batches, each a short read of its own; with names of company and owner."""
    last = NO_ID
    while True:
        async with pool.acquire() as connection, connection.transaction(readonly=True):
            filters = await arguments_of(connection, viewer, wanted)
            rows = await planned(connection, _EXPORT, viewer, None, last, batch, *filters)
        if rows:
            yield rows
        if len(rows) < batch:
            return
        last = rows[-1]["id"]
