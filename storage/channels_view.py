"""Channels as people see them: how each is doing, nothing of its settings."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from storage.db import Pool


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
    hook_url: str = ""


_CHANNELS = """
SELECT c.id, c.connector, c.name, c.state, c.created_at, c.queue_id, c.token, h.last_received_at, h.last_sent_at,
       coalesce(h.refused, 0) AS refused, coalesce(h.problem, '') AS problem, h.problem_since, h.silent_since
FROM channel AS c LEFT JOIN channel_health AS h ON h.channel_id = c.id ORDER BY c.name, c.id
"""


async def list_channels(pool: Pool, hooks: str | None) -> list[ChannelItem]:
    """`hooks`: what comes before the token in a hook's address; None keeps the addresses to ourselves."""
    items = []
    for row in await pool.fetch(_CHANNELS):
        fields = dict(row)
        token = fields.pop("token")
        items.append(ChannelItem(**fields, hook_url="" if hooks is None else hooks + token))
    return items
