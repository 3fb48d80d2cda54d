"""Lists of cards: by name, by when they were made, by when anything was last heard; what they may be narrowed to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from storage.contacts import COLUMNS
from storage.db import Connection, Pool
from storage.reading import EARLIEST, LAST_ID, LATEST, NO_ID, planned, scoped, walked

Sort = Literal["name", "created", "last"]
LAST_NAME = "\U0010ffff"
YO_MARK = "\U0010fffd"
SHORT = 3
"""Fewer characters have no trigram: then the list is walked by name, where so little is found soon."""
MANY = 2000
"""What more cards than these are called is found soon by the walk as well."""
MAX_CUSTOM = 4


class ContactFilter(msgspec.Struct, frozen=True, kw_only=True):
    """`name`: part of a sort name, `address` of an address. `values`: an address in every way it may be meant, looked for
    among `kinds`; kinds alone: cards that have such an address. `days`: "MM-DD", birthdays. `silent_since`: nothing was
    heard of the card since then.
    """

    owner: UUID | None = None
    unowned: bool | None = None
    name: str | None = None
    address: str | None = None
    values: list[str] | None = None
    kinds: list[str] | None = None
    tag: str | None = None
    type: str | None = None
    company: UUID | None = None
    source: str | None = None
    silent_since: datetime | None = None
    days: list[str] | None = None
    custom: Mapping[str, str] | None = None


# $1 viewer, $2 and $3 key, $4 limit, $5 and on: the filter. What an address or a name finds is looked for before ($8): a
# subquery behind an OR would be a walk through all cards.
_WHERE = """k.card_id = k.id AND k.erased_at IS NULL
  AND ($5::uuid IS NULL OR k.owner_id = $5)
  AND ($6::bool IS NULL OR (k.owner_id IS NULL) = $6)
  AND ($7::text IS NULL OR k.sort_name ~ $7)
  AND ($8::uuid[] IS NULL OR k.id = ANY($8))
  AND ($9::text[] IS NULL OR EXISTS (
    SELECT FROM identity AS a JOIN contact AS m ON m.id = a.contact_id
    WHERE m.card_id = k.id AND a.kind = ANY($9)))
  AND ($10::text IS NULL OR $10 = ANY(k.tags))
  AND ($11::text IS NULL OR k.kind = $11)
  AND ($12::uuid IS NULL OR k.company_id = $12)
  AND ($13::jsonb IS NULL OR jsonb_path_exists(k.source, '$.* ? (@ == $v)', $13))
  AND ($14::timestamptz IS NULL OR NOT EXISTS (
    SELECT FROM contact AS m JOIN conversation AS c ON c.contact_id = m.id
    WHERE m.card_id = k.id AND c.last_at > $14))
  AND ($15::text[] IS NULL OR to_char(k.birthday, 'MM-DD') = ANY($15))
  AND ($16::text[] IS NULL OR (
    k.custom ->> ($16::text[])[1] = ($17::text[])[1]
    AND (($16::text[])[2] IS NULL OR k.custom ->> ($16::text[])[2] = ($17::text[])[2])
    AND (($16::text[])[3] IS NULL OR k.custom ->> ($16::text[])[3] = ($17::text[])[3])
    AND (($16::text[])[4] IS NULL OR k.custom ->> ($16::text[])[4] = ($17::text[])[4])))
  AND {contact_visible}"""
# By identity's unique key, with a skip over the few scopes of a kind.
_ADDRESSED = """
SELECT DISTINCT m.card_id FROM identity AS a JOIN contact AS m ON m.id = a.contact_id
WHERE a.kind = ANY($1::text[]) AND a.value = ANY($2::text[])
"""
# By contact_name_trgm_idx and identity_value_trgm_idx.
_NAMED = """
(SELECT m.card_id FROM contact AS m WHERE translate(lower(m.name), 'ё', 'е') LIKE $1 LIMIT $3)
UNION
(SELECT m.card_id FROM identity AS a JOIN contact AS m ON m.id = a.contact_id
 WHERE $2::text IS NOT NULL AND a.value LIKE $2 LIMIT $3)
"""


def _list(sql: str) -> str:
    return sql.replace("{columns}", COLUMNS).replace("{where}", _WHERE)


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
        filters = await _arguments(connection, wanted)
        if sort == "last":
            return await _by_last(connection, viewer, filters, after=after, limit=limit, down=down)
        both = _BY_NAME if sort == "name" else _BY_ID
        key = after or ((LAST_NAME, LAST_ID) if down else ("", NO_ID))
        return await planned(connection, both.down if down else both.up, viewer, *key, limit, *filters)


def key_of(row: asyncpg.Record, sort: Sort) -> tuple[Any, UUID]:
    """The cursor behind this row."""
    if sort != "last":
        return row["sort_name"], row["id"]
    heard: datetime = row["last_at"]
    return heard if heard.tzinfo else EARLIEST, row["id"]  # asyncpg reads the earliest time back without its zone


async def _by_last(
    connection: Connection,
    viewer: UUID | None,
    filters: list[Any],
    *,
    after: tuple[datetime, UUID] | None,
    limit: int,
    down: bool,
) -> list[asyncpg.Record]:
    """Two lists one behind the other: those never heard of, and the others."""
    heard, silent = (_BY_LAST.down, _SILENT.down) if down else (_BY_LAST.up, _SILENT.up)
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
        start = (LATEST, LAST_ID) if down else (EARLIEST, NO_ID)
        at, contact_id = after if after is not None and goes_on else start
        key = (EARLIEST, contact_id) if statement is silent else (at, contact_id)
        rows += await planned(connection, statement, viewer, *key, missing, *filters)
    return rows


async def _arguments(connection: Connection, wanted: ContactFilter) -> list[Any]:
    """$5 to $17."""
    pattern, ids = await _found(connection, wanted)
    custom = sorted(wanted.custom.items())[:MAX_CUSTOM] if wanted.custom else None
    return [
        wanted.owner,
        wanted.unowned,
        pattern,
        ids,
        None if wanted.values is not None else wanted.kinds,
        wanted.tag,
        wanted.type,
        wanted.company,
        None if wanted.source is None else {"v": wanted.source},
        wanted.silent_since,
        wanted.days,
        None if custom is None else [key for key, _ in custom],
        None if custom is None else [value for _, value in custom],
    ]


async def _found(connection: Connection, wanted: ContactFilter) -> tuple[str | None, list[UUID] | None]:
    """(what names must be like, which cards): by an address, by a part of a name or an address, or neither."""
    pattern: str | None = None
    ids: set[UUID] | None = None
    name, address = wanted.name, wanted.address
    if name is not None and len(name) < SHORT and address is None:
        pattern = _pattern(name)
    elif name is not None:
        likes = _like(name.replace(YO_MARK, "")), _like(address) if address is not None else None
        ids = {row["card_id"] for row in await planned(connection, _NAMED, *likes, MANY)}
        if len(ids) >= MANY:
            pattern, ids = _pattern(name), None
    if wanted.values is not None:
        rows = await planned(connection, _ADDRESSED, wanted.kinds, wanted.values)
        addressed = {row["card_id"] for row in rows}
        ids = addressed if ids is None else ids & addressed
    return pattern, None if ids is None else sorted(ids)


def _like(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _pattern(folded: str) -> str:
    """A regular expression of these very characters, in which е also finds ё (kept as е and U+10FFFD)."""
    found = []
    for char in folded.replace(YO_MARK, ""):
        if char == "е":
            found.append(f"е{YO_MARK}?")
        else:
            found.append(char if char.isalnum() or char == " " else "\\" + char)
    return "".join(found)


_LAST_HEARD = """
SELECT m.card_id, max(c.last_at) AS last_at FROM contact AS m JOIN conversation AS c ON c.contact_id = m.id
WHERE m.card_id = ANY($1::uuid[]) GROUP BY m.card_id
"""


async def last_heard(connection: Connection | Pool, card_ids: list[UUID]) -> dict[UUID, datetime]:
    """When anything was last said with these cards, in either direction."""
    return {row["card_id"]: row["last_at"] for row in await connection.fetch(_LAST_HEARD, card_ids)}


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
            filters = await _arguments(connection, wanted)
            rows = await planned(connection, _EXPORT, viewer, None, last, batch, *filters)
        if rows:
            yield rows
        if len(rows) < batch:
            return
        last = rows[-1]["id"]
