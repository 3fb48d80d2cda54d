"""Reads of the stream."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from config.errors import NotFound
from storage.db import Pool
from storage.reading import EARLIEST, INT8_MAX, INT8_MIN, LAST_ID, LATEST, NO_ID, fetch_planned, scoped, walked

BODY_KEYS = ("sender", "recipients", "attachments", "subject", "html", "quoted", "call", "error", "reactions", "meta")
Key = tuple[datetime, int, UUID]
FIRST: Key = (EARLIEST, INT8_MIN, NO_ID)
LAST: Key = (LATEST, INT8_MAX, LAST_ID)


class InteractionItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One item of the stream as the API shows it. `contact_id` is the card, `contact_name` its name where it was searched
    for; keys without a value are absent.
    """

    id: UUID
    at: datetime
    received_at: datetime
    kind: str
    direction: str
    channel_id: UUID
    contact_id: UUID
    conversation_id: UUID
    sent_at: datetime | None = None
    external_id: str = ""
    sender: dict[str, Any] | None = None
    recipients: list[Any] | None = None
    text: str = ""
    attachments: list[Any] | None = None
    state: str | None = None
    identity_id: UUID | None = None
    agent_id: UUID | None = None
    reply_to: str = ""
    subject: str = ""
    html: str = ""
    quoted: str = ""
    call: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    reactions: list[Any] | dict[str, Any] | None = None
    meta: dict[str, Any] | None = None
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    replayed: bool = False
    contact_name: str = ""


class InteractionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What a list is narrowed to; `contact` is any member of a card and means the whole card; `since` is
    included, `until` is not.
    """

    channel: UUID | None = None
    contact: UUID | None = None
    conversation: UUID | None = None
    kind: str | None = None
    direction: str | None = None
    since: datetime | None = None
    until: datetime | None = None


SHOWN = """SELECT i.id, i.order_at AS at, i.seq, i.received_at, i.kind, i.direction, i.channel_id, i.conversation_id,
       coalesce(k.card_id, i.contact_id) AS contact_id, i.identity_id, i.agent_id, i.external_id, i.reply_to,
       i.sent_at, i.text, i.body, i.state, i.edited_at, i.deleted_at, i.replayed"""
"""Columns of what `to_item` reads: row i an interaction, row k its contact."""

# Inner part of every list: one driver row (a conversation, a member of a card, a channel) leads into the index
# (driver, order_at, seq, id), so that a page costs the same in a stream of any length.
_PAGE = """
{shown}
FROM ({drivers}) AS d CROSS JOIN LATERAL (
  SELECT * FROM interaction AS i
  WHERE i.{column} = d.id AND (i.order_at, i.seq, i.id) > ($2::timestamptz, $3::bigint, $4::uuid)
    AND ($6::uuid IS NULL OR i.channel_id = $6)
    AND ($7::uuid IS NULL OR i.contact_id IN ({members}))
    AND ($8::uuid IS NULL OR i.conversation_id = $8)
    AND ($9::text IS NULL OR i.kind = $9) AND ($10::text IS NULL OR i.direction = $10)
    AND ($11::timestamptz IS NULL OR i.order_at >= $11) AND ($12::timestamptz IS NULL OR i.order_at < $12)
    AND {interaction_visible}
  ORDER BY i.order_at ASC, i.seq ASC, i.id ASC LIMIT $5) AS i
LEFT JOIN contact AS k ON k.id = i.contact_id
ORDER BY i.order_at ASC, i.seq ASC, i.id ASC LIMIT $5
"""
MEMBERS = "SELECT m.id FROM contact AS m WHERE m.card_id = (SELECT n.card_id FROM contact AS n WHERE n.id = $7)"


def _page(column: str, drivers: str) -> str:
    return (
        _PAGE.replace("{column}", column)
        .replace("{drivers}", drivers)
        .replace("{members}", MEMBERS)
        .replace("{shown}", SHOWN)
    )


_BY_CONVERSATION = walked(_page("conversation_id", "SELECT $8::uuid AS id"))
_BY_CONTACT = walked(_page("contact_id", MEMBERS))
_BY_CHANNEL = walked(_page("channel_id", "SELECT h.id FROM channel AS h WHERE $6::uuid IS NULL OR h.id = $6"))
_BY_VIEWER = walked(
    _page("conversation_id", "SELECT unnest($13::uuid[]) AS id").replace(
        "{interaction_visible}", "$1::uuid IS NOT NULL"
    )
)

# The rule of storage/reading.py as a union, each part by an index of its own; as many as make a driver worth while.
FEW = 2000
_FEW_VISIBLE = """
SELECT v.id FROM (
  SELECT c.id FROM conversation AS c WHERE c.assignee_id = $1
  UNION SELECT c.id FROM queue_member AS m JOIN conversation AS c ON c.queue_id = m.queue_id WHERE m.agent_id = $1
  UNION SELECT p.conversation_id FROM conversation_participant AS p
        WHERE p.agent_id = $1 AND p.last_at > now() - interval '30 days'
  UNION SELECT c.id FROM contact AS card JOIN contact AS o ON o.card_id = card.id
        JOIN conversation AS c ON c.contact_id = o.id WHERE card.owner_id = $1) AS v LIMIT $2
"""


async def list_interactions(
    pool: Pool, viewer: UUID | None, wanted: InteractionFilter, *, after: Key | None, limit: int, down: bool
) -> list[asyncpg.Record]:
    """One page in (order_at, seq, id) order.

    An agent who sees few conversations is led by these: in the channels' streams his would be needles in a haystack.
    """
    more: list[list[UUID]] = []
    if wanted.conversation is not None:
        statement = _BY_CONVERSATION
    else:
        statement = _BY_CONTACT if wanted.contact is not None else _BY_CHANNEL
        if viewer is not None and wanted.contact is None:
            visible = await pool.fetch(_FEW_VISIBLE, viewer, FEW + 1)
            if len(visible) <= FEW:
                statement, more = _BY_VIEWER, [[row["id"] for row in visible]]
    key = after or (LAST if down else FIRST)
    return await fetch_planned(
        pool,
        statement.down if down else statement.up,
        viewer,
        *key,
        limit,
        wanted.channel,
        wanted.contact,
        wanted.conversation,
        wanted.kind,
        wanted.direction,
        wanted.since,
        wanted.until,
        *more,
    )


_ONE = scoped(
    "{shown} FROM interaction AS i LEFT JOIN contact AS k ON k.id = i.contact_id WHERE i.id = $2 AND {interaction_visible}"
).replace("{shown}", SHOWN)


async def get_interaction(pool: Pool, viewer: UUID | None, interaction_id: UUID) -> InteractionItem:
    """Raises NotFound, also when the viewer may not see it."""
    rows = await fetch_planned(pool, _ONE, viewer, interaction_id)
    if not rows:
        raise NotFound("no such interaction")
    return to_item(rows[0])


def to_item(row: asyncpg.Record) -> InteractionItem:
    """The row's columns, and of its body the parts that are shown."""
    fields = dict(row)
    del fields["seq"]
    body = fields.pop("body") or {}
    fields.update({name: body[name] for name in BODY_KEYS if body.get(name)})
    return InteractionItem(**fields)
