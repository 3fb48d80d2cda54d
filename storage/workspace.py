"""Settings of the company that are kept in the database: a JSON object by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.db import Connection, Pool

_WRITE = """
INSERT INTO workspace_setting (key, value) VALUES ($1, $2)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()
"""


async def read_setting(connection: Connection | Pool, key: str) -> dict[str, Any] | None:
    """None: never written."""
    value: dict[str, Any] | None = await connection.fetchval("SELECT value FROM workspace_setting WHERE key = $1", key)
    return value


async def write_setting(connection: Connection, key: str, value: Mapping[str, Any]) -> None:
    """In the caller's transaction."""
    await connection.execute(_WRITE, key, dict(value))
