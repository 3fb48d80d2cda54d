"""Messages on their way out, as people see them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from config.errors import NotFound
from storage.db import Connection, Pool
from storage.reading import LAST_ID, NO_ID, fetch_planned, planned, scoped, walked


class Attempt(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One try at sending; `provider_text` in the provider's own words."""

    at: datetime
    took_ms: int
    verdict: str
    provider_code: str = ""
    provider_text: str = ""


class OutboundItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A message of ours. `send_at`: when it is, or was, meant to leave; `tries`: its history, in the single view alone."""

    id: UUID
    interaction_id: UUID
    conversation_id: UUID
    channel_id: UUID
    identity_id: UUID
    state: str
    attempts: int
    next_at: datetime
    created_at: datetime
    text: str = ""
    send_at: datetime | None = None
    agent_id: UUID | None = None
    external_ids: list[str] = []
    error_class: str = ""
    error_code: str = ""
    error: str = ""
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    read_at: datetime | None = None
    tries: list[Attempt] = []


_COLUMNS = """o.id, o.interaction_id, o.conversation_id, o.channel_id, o.identity_id, o.state, o.attempts, o.next_at,
  o.created_at, coalesce(o.message ->> 'text', '') AS text,
  (o.message ->> 'due_at')::timestamptz AS send_at, o.agent_id, o.external_ids, o.error_class, o.error_code,
  o.error, o.sent_at, o.delivered_at, o.read_at"""
_LIST = walked(
    """
SELECT {columns} FROM outbound AS o JOIN conversation AS c ON c.id = o.conversation_id
WHERE (o.id) > ($2::uuid) AND ($4::text[] IS NULL OR o.state = ANY($4)) AND ($5::uuid IS NULL OR o.channel_id = $5)
  AND ($6::uuid IS NULL OR o.conversation_id = $6)
  AND ($7::bool IS NULL OR (o.state = 'queued' AND o.attempts = 0 AND o.next_at > now()) = $7)
  AND {conversation_visible}
ORDER BY o.id ASC LIMIT $3
""".replace("{columns}", _COLUMNS)
)


async def list_outbound(
    pool: Pool,
    viewer: UUID | None,
    *,
    states: list[str] | None,
    channel: UUID | None,
    conversation: UUID | None,
    scheduled: bool | None = None,
    after: UUID | None,
    limit: int,
    down: bool,
) -> list[OutboundItem]:
    """In the order they were written."""
    key = after or (LAST_ID if down else NO_ID)
    statement = _LIST.down if down else _LIST.up
    rows = await fetch_planned(pool, statement, viewer, key, limit, states, channel, conversation, scheduled)
    return [OutboundItem(**row) for row in rows]


_ONE = scoped(
    """
SELECT {columns} FROM outbound AS o JOIN conversation AS c ON c.id = o.conversation_id
WHERE o.id = $2 AND {conversation_visible}
""".replace("{columns}", _COLUMNS)
)
_TRIES = """
SELECT at, took_ms, verdict, provider_code, provider_text FROM outbound_attempt WHERE outbound_id = $1 ORDER BY id
"""


async def get_outbound(connection: Connection, viewer: UUID | None, outbound_id: UUID) -> OutboundItem:
    """With its tries. Raises NotFound, also when the viewer may not see it."""
    rows = await planned(connection, _ONE, viewer, outbound_id)
    if not rows:
        raise NotFound("no such outbound message")
    tries = [Attempt(**row) for row in await connection.fetch(_TRIES, outbound_id)]
    return OutboundItem(**rows[0], tries=tries)
