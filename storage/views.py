"""Lists as people like them: filters, columns and a name, an agent's own or everybody's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from config.errors import NotFound
from storage.db import Connection, Pool

Object = Literal["conversation", "contact", "call", "task"]
MOST = 200


class SavedViewItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`agent_id`: whose own it is, absent: everybody's. `filters`: parameters of the list, as its address has them."""

    id: UUID
    object: str
    name: str
    filters: dict[str, Any]
    position: int
    created_at: datetime
    columns: list[str] = []
    agent_id: UUID | None = None


_LIST = """
SELECT id, object, name, filters, position, created_at, columns, agent_id FROM saved_view
WHERE (agent_id IS NULL OR agent_id = $1) AND ($2::text IS NULL OR object = $2)
ORDER BY object, agent_id IS NOT NULL, position, name, id LIMIT $3
"""
_ONE = """
SELECT id, object, name, filters, position, created_at, columns, agent_id FROM saved_view
WHERE id = $2 AND (agent_id IS NULL OR agent_id = $1) FOR UPDATE
"""
_ADD = """
INSERT INTO saved_view (object, name, filters, columns, position, agent_id) VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id, object, name, filters, position, created_at, columns, agent_id
"""
_CHANGE = """
UPDATE saved_view SET object = $2, name = $3, filters = $4, columns = $5, position = $6, agent_id = $7 WHERE id = $1
RETURNING id, object, name, filters, position, created_at, columns, agent_id
"""
FIELDS = ("object", "name", "filters", "columns", "position", "agent_id")


async def list_views(pool: Pool, agent_id: UUID | None, obj: Object | None = None) -> list[SavedViewItem]:
    """Everybody's first, then the agent's own; at most MOST."""
    return [SavedViewItem(**row) for row in await pool.fetch(_LIST, agent_id, obj, MOST)]


async def get_view(connection: Connection, agent_id: UUID | None, view_id: UUID) -> SavedViewItem:
    """Held until the end of the transaction. Raises NotFound, also for a colleague's own."""
    row = await connection.fetchrow(_ONE, agent_id, view_id)
    if row is None:
        raise NotFound("no such view")
    return SavedViewItem(**row)


async def save_view(connection: Connection, view_id: UUID | None, fields: Mapping[str, Any]) -> SavedViewItem:
    """A new one without an id; `fields`: FIELDS."""
    values = [fields[name] for name in FIELDS]
    if view_id is None:
        (row,) = await connection.fetch(_ADD, *values)
    else:
        (row,) = await connection.fetch(_CHANGE, view_id, *values)
    return SavedViewItem(**row)


async def remove_view(connection: Connection, view_id: UUID) -> None:
    await connection.execute("DELETE FROM saved_view WHERE id = $1", view_id)
