"""Outcomes to choose from when a conversation or a call is closed. What was chosen is kept as its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest, NotFound
from storage.db import Connection, Pool

Object = Literal["conversation", "call"]


class DispositionItem(msgspec.Struct, kw_only=True):
    id: UUID
    object: str
    name: str
    position: int
    active: bool


_LIST = """
SELECT id, object, name, position, active FROM disposition
WHERE ($1::text IS NULL OR object = $1) AND ($2::bool IS NULL OR active = $2) ORDER BY object, position, name
"""
_ADD = """
INSERT INTO disposition (object, name, position)
VALUES ($1, $2, coalesce($3, (SELECT coalesce(max(d.position), 0) + 1 FROM disposition AS d WHERE d.object = $1)))
RETURNING id, object, name, position, active
"""
_CHANGE = """
UPDATE disposition SET name = $2, position = $3, active = $4 WHERE id = $1
RETURNING id, object, name, position, active
"""
_ONE = "SELECT id, object, name, position, active FROM disposition WHERE id = $1 FOR UPDATE"
_NAMES = "SELECT name FROM disposition WHERE object = $1 AND active ORDER BY position, name"
SHOWN = 10


async def list_dispositions(pool: Pool, obj: Object | None, *, active: bool | None = None) -> list[DispositionItem]:
    """In the order they are offered."""
    return [DispositionItem(**row) for row in await pool.fetch(_LIST, obj, active)]


async def add_disposition(connection: Connection, obj: Object, name: str, position: int | None) -> DispositionItem:
    """Without a position: behind the others."""
    (row,) = await connection.fetch(_ADD, obj, name, position)
    return DispositionItem(**row)


async def change_disposition(
    connection: Connection, disposition_id: UUID, changes: Mapping[str, Any]
) -> tuple[DispositionItem, DispositionItem]:
    """As it was and as it is. Raises NotFound."""
    row = await connection.fetchrow(_ONE, disposition_id)
    if row is None:
        raise NotFound("no such disposition")
    new = {**row, **changes}
    (changed,) = await connection.fetch(_CHANGE, disposition_id, new["name"], new["position"], new["active"])
    return DispositionItem(**row), DispositionItem(**changed)


async def remove_disposition(connection: Connection, disposition_id: UUID) -> DispositionItem:
    """Where it was chosen it stays. Raises NotFound."""
    row = await connection.fetchrow(_ONE, disposition_id)
    if row is None:
        raise NotFound("no such disposition")
    await connection.execute("DELETE FROM disposition WHERE id = $1", disposition_id)
    return DispositionItem(**row)


async def check_disposition(connection: Connection, obj: Object, chosen: str) -> None:
    """Raises BadRequest for none or an unknown one, where there are some to choose from; else any word will do."""
    names = [row["name"] for row in await connection.fetch(_NAMES, obj)]
    if names and chosen not in names:
        offered = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
        raise BadRequest(f"disposition: closing needs one of {offered}", reason="disposition_needed", offered=offered)
