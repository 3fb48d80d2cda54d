"""Channels as people see and change them: how each is doing, what it refused; its settings are the router's matter.

Archived channels are named in a workspace setting: they receive and send nothing, their history stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from config.errors import BadRequest, NotFound
from storage.db import Connection, Pool

ARCHIVE = "archived_channels"
"""Key of the workspace setting: channel id -> when, RFC 3339."""


class ChannelItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`problem`: what is wrong now; `silent_since`: nothing came for longer than it should; `hook_url`: for administrators."""

    id: UUID
    connector: str
    name: str
    state: str
    created_at: datetime
    queue_id: UUID | None = None
    last_received_at: datetime | None = None
    last_sent_at: datetime | None = None
    refused: int = 0
    problem: str = ""
    problem_since: datetime | None = None
    silent_since: datetime | None = None
    archived: bool = False
    hook_url: str = ""


_CHANNELS = """
SELECT c.id, c.connector, c.name, c.state, c.created_at, c.queue_id, c.token, h.last_received_at, h.last_sent_at,
       coalesce(h.refused, 0) AS refused, coalesce(h.problem, '') AS problem, h.problem_since, h.silent_since,
       coalesce(w.value ? c.id::text, false) AS archived
FROM channel AS c LEFT JOIN channel_health AS h ON h.channel_id = c.id
LEFT JOIN workspace_setting AS w ON w.key = 'archived_channels'
WHERE ($1::uuid IS NULL OR c.id = $1) ORDER BY c.name, c.id
"""


async def list_channels(pool: Pool, hooks: str | None, *, archived: bool = False) -> list[ChannelItem]:
    """`hooks`: what comes before the token in a hook's address; None keeps the addresses to ourselves."""
    items = [_item(row, hooks) for row in await pool.fetch(_CHANNELS, None)]
    return [item for item in items if item.archived is archived]


async def get_channel(connection: Connection | Pool, channel_id: UUID, hooks: str | None) -> ChannelItem:
    """Raises NotFound."""
    row = await connection.fetchrow(_CHANNELS, channel_id)
    if row is None:
        raise NotFound("no such channel")
    return _item(row, hooks)


def _item(row: asyncpg.Record, hooks: str | None) -> ChannelItem:
    fields = dict(row)
    token = fields.pop("token")
    return ChannelItem(**fields, hook_url="" if hooks is None or row["archived"] else hooks + token)


async def check_queue(connection: Connection, queue_id: UUID | None) -> None:
    """Raises BadRequest."""
    if queue_id is not None and not await connection.fetchval("SELECT true FROM queue WHERE id = $1", queue_id):
        raise BadRequest("queue_id: no such queue", reason="queue_gone")


async def change_channel(connection: Connection, channel_id: UUID, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Name, queue_id, state. Returns the former values of what changed. Raises NotFound, BadRequest."""
    row = await connection.fetchrow("SELECT name, queue_id, state FROM channel WHERE id = $1 FOR UPDATE", channel_id)
    if row is None:
        raise NotFound("no such channel")
    before = {name: row[name] for name, value in changes.items() if row[name] != value}
    if not before:
        return {}
    await check_queue(connection, changes.get("queue_id"))
    new = dict(row) | dict(changes)
    await connection.execute(
        "UPDATE channel SET name = $2, queue_id = $3, state = $4, version = version + 1 WHERE id = $1",
        channel_id,
        new["name"],
        new["queue_id"],
        new["state"],
    )
    return before


async def archive_channel(connection: Connection, channel_id: UUID, token: str) -> None:
    """Nothing goes in or out any more: paused, and its hook's address known to nobody (`token`). Raises NotFound."""
    done = await connection.fetchval(
        "UPDATE channel SET state = 'paused', token = $2, version = version + 1 WHERE id = $1 RETURNING true",
        channel_id,
        token,
    )
    if done is None:
        raise NotFound("no such channel")
    await connection.execute(
        "INSERT INTO workspace_setting AS w (key, value) VALUES ($1, jsonb_build_object($2::text, now()))"
        " ON CONFLICT (key) DO UPDATE SET value = w.value || excluded.value, updated_at = now()",
        ARCHIVE,
        str(channel_id),
    )


async def restore_channel(connection: Connection, channel_id: UUID) -> bool:
    """Whether it was archived; it is not any more, and still paused."""
    done = await connection.fetchval(
        "UPDATE workspace_setting SET value = value - $2::text, updated_at = now()"
        " WHERE key = $1 AND value ? $2::text RETURNING true",
        ARCHIVE,
        str(channel_id),
    )
    return done is not None


class Refusal(NamedTuple):
    """A request that was not taken. `body`: at most 4 KB of it, as it came."""

    at: datetime
    status: int
    reason: str
    request: dict[str, Any]
    body: bytes


async def list_refusals(pool: Pool, channel_id: UUID) -> list[Refusal]:
    """The last ones (20 are kept), newest first."""
    rows = await pool.fetch(
        "SELECT at, status, reason, request, body FROM channel_refusal WHERE channel_id = $1 ORDER BY at DESC, id DESC",
        channel_id,
    )
    return [Refusal(*row) for row in rows]
