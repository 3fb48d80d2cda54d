"""Conversations offered to a colleague. One stays with its giver until it is accepted; the receiver takes part meanwhile,
by which he sees it, and no longer does once he gave it back without a word in it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from config.errors import BadRequest, Conflict, NotFound
from storage.db import Connection, Pool
from storage.events import NewEvent, audience
from storage.reading import LAST_ID, NO_ID, fetch_planned, scoped, walked

State = Literal["offered", "accepted", "returned", "withdrawn"]
Answer = Literal["accepted", "returned", "withdrawn"]
OFFERED = "offered"
"""Why the receiver takes part, until he writes something."""


class TransferItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`from_agent_id`: who offered it, absent for an integration; `answer`: why it was returned."""

    id: UUID
    conversation_id: UUID
    to_agent_id: UUID
    state: str
    at: datetime
    from_agent_id: UUID | None = None
    from_name: str = ""
    to_name: str = ""
    reason: str = ""
    answer: str = ""
    answered_at: datetime | None = None
    contact_name: str = ""
    last_text: str = ""


_COLUMNS = """t.id, t.conversation_id, t.to_agent_id, t.state, t.at, t.from_agent_id, t.reason, t.answer, t.answered_at,
  coalesce(g.name, '') AS from_name, coalesce(r.name, '') AS to_name, {card_name} AS contact_name, c.last_text"""
_FROM = """transfer AS t JOIN conversation AS c ON c.id = t.conversation_id
  LEFT JOIN agent AS g ON g.id = t.from_agent_id LEFT JOIN agent AS r ON r.id = t.to_agent_id
  LEFT JOIN contact AS o ON o.id = c.contact_id LEFT JOIN contact AS k ON k.id = o.card_id"""
_MAY = "(t.to_agent_id = $1 OR t.from_agent_id = $1 OR {conversation_visible})"


def _filled(sql: str) -> str:
    return sql.replace("{columns}", _COLUMNS).replace("{from}", _FROM).replace("{may}", _MAY)


_LIST = walked(
    _filled("""
SELECT {columns} FROM {from}
WHERE (t.id) > ($2::uuid) AND ($4::uuid IS NULL OR t.to_agent_id = $4) AND ($5::uuid IS NULL OR t.from_agent_id = $5)
  AND ($6::text IS NULL OR t.state = $6) AND ($7::uuid IS NULL OR t.conversation_id = $7) AND {may}
ORDER BY t.id ASC LIMIT $3
""")
)
_ONE = scoped(_filled("SELECT {columns} FROM {from} WHERE t.id = $2 AND {may}"))
_LOCK = "SELECT state FROM transfer WHERE id = $1 FOR UPDATE"
_OFFER = """
INSERT INTO transfer (conversation_id, from_agent_id, to_agent_id, reason) VALUES ($1, $2, $3, $4) RETURNING id
"""
_LOOK_IN = """
INSERT INTO conversation_participant (conversation_id, agent_id, why) VALUES ($1, $2, $3)
ON CONFLICT (conversation_id, agent_id) DO UPDATE SET last_at = now()
"""
_LOOK_AWAY = "DELETE FROM conversation_participant WHERE conversation_id = $1 AND agent_id = $2 AND why = $3"
_END = """
UPDATE transfer SET state = $2, answer = $3, answered_at = now()
WHERE conversation_id = $1 AND state = 'offered' RETURNING id, from_agent_id, to_agent_id
"""


class TransferFilter(msgspec.Struct, frozen=True, kw_only=True):
    to: UUID | None = None
    from_: UUID | None = None
    state: str | None = None
    conversation: UUID | None = None


async def list_transfers(
    pool: Pool, viewer: UUID | None, wanted: TransferFilter, *, after: UUID | None, limit: int, down: bool
) -> list[TransferItem]:
    """In the order they were offered."""
    rows = await fetch_planned(
        pool,
        _LIST.down if down else _LIST.up,
        viewer,
        after or (LAST_ID if down else NO_ID),
        limit,
        wanted.to,
        wanted.from_,
        wanted.state,
        wanted.conversation,
    )
    return [TransferItem(**row) for row in rows]


async def get_transfer(connection: Connection, viewer: UUID | None, transfer_id: UUID) -> TransferItem:
    """Raises NotFound, also when the viewer may not see it."""
    row = await connection.fetchrow(_ONE, viewer, transfer_id)
    if row is None:
        raise NotFound("no such transfer")
    return TransferItem(**row)


async def lock_offered(connection: Connection, viewer: UUID | None, transfer_id: UUID) -> TransferItem:
    """One that still waits for an answer; its conversation first, as everybody locks. Raises NotFound, Conflict."""
    transfer = await get_transfer(connection, viewer, transfer_id)
    await connection.execute("SELECT FROM conversation WHERE id = $1 FOR UPDATE", transfer.conversation_id)
    state = await connection.fetchval(_LOCK, transfer_id)
    if state != "offered":
        raise Conflict(f"the transfer is {state} already", reason="transfer_settled")
    return transfer


async def offer(
    connection: Connection, conversation_id: UUID, *, giver: UUID | None, receiver: UUID, reason: str
) -> TransferItem:
    """Of a conversation the caller holds locked. Raises BadRequest, Conflict when one is on offer."""
    if not await connection.fetchval("SELECT true FROM agent WHERE id = $1 AND active", receiver):
        raise BadRequest("agent_id: no such active agent", reason="agent_inactive")
    try:
        async with connection.transaction():
            transfer_id = await connection.fetchval(_OFFER, conversation_id, giver, receiver, reason)
    except asyncpg.UniqueViolationError:
        raise Conflict(
            "the conversation is on offer to somebody already: withdraw that first", reason="offered_already"
        ) from None
    await connection.execute(_LOOK_IN, conversation_id, receiver, OFFERED)
    return await get_transfer(connection, None, transfer_id)


async def end_offer(connection: Connection, conversation_id: UUID, state: Answer, answer: str = "") -> list[NewEvent]:
    """What is on offer of a conversation that the caller holds locked; nothing if nothing is."""
    row = await connection.fetchrow(_END, conversation_id, state, answer)
    if row is None:
        return []
    if state != "accepted":
        await connection.execute(_LOOK_AWAY, conversation_id, row["to_agent_id"], OFFERED)
    return [transfer_event(await get_transfer(connection, None, row["id"]))]


def transfer_event(transfer: TransferItem) -> NewEvent:
    """`transfer.<state>`, to both sides."""
    words = audience(agents=(transfer.from_agent_id, transfer.to_agent_id))
    return NewEvent(f"transfer.{transfer.state}", words, {"transfer": transfer})
