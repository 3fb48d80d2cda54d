"""Settings of the company that are kept in the database: a JSON object by key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from storage.db import Connection, Pool

_WRITE = """
INSERT INTO workspace_setting (key, value) VALUES ($1, $2)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()
"""

_MERGE = """
INSERT INTO workspace_setting AS w (key, value) VALUES ($1, $2)
ON CONFLICT (key) DO UPDATE SET value = w.value || excluded.value, updated_at = now()
"""


async def read_setting(connection: Connection | Pool, key: str) -> dict[str, Any] | None:
    """None: never written."""
    value: dict[str, Any] | None = await connection.fetchval("SELECT value FROM workspace_setting WHERE key = $1", key)
    return value


async def write_setting(connection: Connection, key: str, value: Mapping[str, Any]) -> None:
    """In the caller's transaction."""
    await connection.execute(_WRITE, key, dict(value))


async def merge_setting(connection: Connection, key: str, changes: Mapping[str, Any]) -> None:
    """Sets these fields and keeps the others, whoever writes beside."""
    await connection.execute(_MERGE, key, dict(changes))


KEY = "workspace"
NAME = "Switchboard"
UNDO_SEND_S = 5
REASONS = ("Обед", "Перерыв", "Обучение")


class WorkspaceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the company chose. `undo_send_s`: seconds in which a reply can be taken back; `presence_reasons`: to choose from
    when one goes away.
    """

    name: str = NAME
    undo_send_s: int = UNDO_SEND_S
    presence_reasons: list[str] = msgspec.field(default_factory=lambda: list(REASONS))


async def workspace_settings(connection: Connection | Pool) -> WorkspaceSettings:
    """What is kept over the defaults; what can't be read counts as never written."""
    try:
        return msgspec.convert(await read_setting(connection, KEY) or {}, WorkspaceSettings)
    except msgspec.ValidationError:
        return WorkspaceSettings()


async def workspace_name(connection: Connection | Pool) -> str:
    return (await workspace_settings(connection)).name
