"""Canned answers: texts for use again, everybody's or an agent's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from config.errors import NotFound
from storage.db import Connection, Pool
from storage.events import ALL, NewEvent, audience

MOST = 1000
YO = str.maketrans("ё", "е")


class CannedItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`agent_id`: whose own it is, absent: everybody's. `kinds`: connectors it is offered on, none: all."""

    id: UUID
    shortcut: str
    text: str
    used: int
    updated_at: datetime
    title: str = ""
    kinds: list[str] = []
    agent_id: UUID | None = None


_LIST = """
SELECT id, shortcut, text, used, updated_at, title, kinds, agent_id
FROM canned_answer AS a, translate(lower(a.shortcut), 'ё', 'е') AS short,
  translate(lower(a.shortcut || ' ' || a.title || ' ' || a.text), 'ё', 'е') AS whole
WHERE (a.agent_id IS NULL OR a.agent_id = $1) AND ($2::text IS NULL OR a.kinds = '{}' OR $2 = ANY(a.kinds))
  AND (starts_with(short, $3) OR whole LIKE ALL($4::text[]))
ORDER BY $3 <> '' AND starts_with(short, $3) DESC, a.used DESC, short, a.id LIMIT $5
"""
_ONE = """
SELECT id, shortcut, text, used, updated_at, title, kinds, agent_id FROM canned_answer
WHERE id = $2 AND (agent_id IS NULL OR agent_id = $1) FOR UPDATE
"""
_ADD = """
INSERT INTO canned_answer (shortcut, title, text, kinds, agent_id, updated_by) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id, shortcut, text, used, updated_at, title, kinds, agent_id
"""
_CHANGE = """
UPDATE canned_answer
SET shortcut = $2, title = $3, text = $4, kinds = $5, agent_id = $6, updated_by = $7, updated_at = now()
WHERE id = $1 RETURNING id, shortcut, text, used, updated_at, title, kinds, agent_id
"""
FIELDS = ("shortcut", "title", "text", "kinds", "agent_id")


async def list_canned(pool: Pool, agent_id: UUID | None, q: str = "", kind: str | None = None) -> list[CannedItem]:
    """Shared ones and the agent's own: those whose shortcut begins so, then those that hold all the words; among equals
    the most used.
    """
    folded = q.strip().removeprefix("/").lower().translate(YO)
    words = ["%" + re.sub(r"([\\%_])", r"\\\1", word) + "%" for word in folded.split()]
    rows = await pool.fetch(_LIST, agent_id, kind, folded, words, MOST)
    return [CannedItem(**row) for row in rows]


async def get_canned(connection: Connection, agent_id: UUID | None, canned_id: UUID) -> CannedItem:
    """Held until the end of the transaction. Raises NotFound, also for a colleague's own."""
    row = await connection.fetchrow(_ONE, agent_id, canned_id)
    if row is None:
        raise NotFound("no such canned answer")
    return CannedItem(**row)


async def save_canned(
    connection: Connection, canned_id: UUID | None, fields: Mapping[str, Any], by: UUID | None
) -> CannedItem:
    """A new one without an id; `fields`: FIELDS. The database refuses a second one of the same shortcut and owner."""
    values = [fields[name] for name in FIELDS]
    if canned_id is None:
        (row,) = await connection.fetch(_ADD, *values, by)
    else:
        (row,) = await connection.fetch(_CHANGE, canned_id, *values, by)
    return CannedItem(**row)


async def remove_canned(connection: Connection, canned_id: UUID) -> None:
    await connection.execute("DELETE FROM canned_answer WHERE id = $1", canned_id)


async def count_use(connection: Connection, canned_id: UUID) -> None:
    await connection.execute("UPDATE canned_answer SET used = used + 1 WHERE id = $1", canned_id)


def canned_event(item: CannedItem, *, removed: bool = False) -> NewEvent:
    """To those who are offered it."""
    words = [ALL] if item.agent_id is None else audience(agents=[item.agent_id])
    return NewEvent("canned.changed", words, {"id": item.id, "agent_id": item.agent_id, "removed": removed})


_VARIABLE = re.compile(r"(?P<before>,?[ \t]*)\{(?P<name>name|agent|company)\}")
_FIRST = re.compile(r"^\{(?P<name>name|agent|company)\},?[ \t]*", re.MULTILINE)


def fill(text: str, values: Mapping[str, str]) -> str:
    """With {name}, {agent} and {company} put in. One without a value takes the comma and the spaces before it along, at
    the beginning of a line those behind it: nobody is greeted as "Hello, !". Other braces stay as they are.
    """
    begun = _FIRST.sub(lambda m: m[0] if values.get(m["name"]) else "", text)
    return _VARIABLE.sub(lambda m: m["before"] + values[m["name"]] if values.get(m["name"]) else "", begun)
