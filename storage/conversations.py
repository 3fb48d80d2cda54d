"""Conversations as people see and change them. Each change says who must hear of it; the caller writes the events last."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from config.errors import BadRequest, Conflict, NotFound
from storage.db import Connection
from storage.events import NewEvent
from storage.owed import settle_owed
from storage.reading import planned, scoped
from storage.transfers import end_offer

Status = Literal["open", "pending", "snoozed", "resolved"]


class ContactBrief(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The card as a list shows it; `company`: the name of the one it belongs to."""

    id: UUID
    name: str = ""
    vip: bool = False
    company: str = ""


class ChannelBrief(msgspec.Struct, omit_defaults=True, kw_only=True):
    id: UUID
    connector: str = ""
    name: str = ""


class ConversationItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A conversation in lists and as the snapshot in events. `contact_id` is the card, `owner_id` its owner,
    `assignment_reason` a sentence.
    """

    id: UUID
    channel_id: UUID
    kind: str
    contact_id: UUID
    status: str
    created_at: datetime
    last_at: datetime
    version: int
    unread: int
    contact: ContactBrief
    channel: ChannelBrief
    contact_name: str = ""
    owner_id: UUID | None = None
    identity_id: UUID | None = None
    assignee_id: UUID | None = None
    queue_id: UUID | None = None
    queued_at: datetime | None = None
    assignment_reason: str = ""
    subject: str = ""
    previous_id: UUID | None = None
    last_in_at: datetime | None = None
    last_text: str = ""
    frt_due_at: datetime | None = None
    first_response_at: datetime | None = None
    snoozed_until: datetime | None = None
    resolved_at: datetime | None = None
    disposition: str = ""
    tags: list[str] = []


COLUMNS = """c.id, c.channel_id, c.kind, coalesce(o.card_id, c.contact_id) AS contact_id, c.status, c.created_at,
  c.last_at, c.version, c.unread, {card_name} AS contact_name, c.identity_id, c.assignee_id, c.queue_id,
  c.queued_at, c.assignment_reason, c.subject, c.previous_id, c.last_in_at, c.last_text, c.frt_due_at,
  c.first_response_at, c.snoozed_until, c.resolved_at, c.disposition, c.tags, k.owner_id, coalesce(k.vip, false) AS vip,
  coalesce(f.name, '') AS company, coalesce(h.connector, '') AS connector, coalesce(h.name, '') AS channel_name"""
JOINS = """LEFT JOIN contact AS o ON o.id = c.contact_id LEFT JOIN contact AS k ON k.id = o.card_id
  LEFT JOIN contact AS f ON f.id = k.company_id LEFT JOIN channel AS h ON h.id = c.channel_id"""


def to_conversation(row: asyncpg.Record) -> ConversationItem:
    """From a row of COLUMNS."""
    fields = dict(row)
    contact = ContactBrief(
        id=fields["contact_id"], name=fields["contact_name"], vip=fields.pop("vip"), company=fields.pop("company")
    )
    channel = ChannelBrief(id=fields["channel_id"], connector=fields.pop("connector"), name=fields.pop("channel_name"))
    return ConversationItem(**fields, contact=contact, channel=channel)


_ONE = scoped(
    "SELECT {columns} FROM conversation AS c {joins} WHERE c.id = $2 AND {conversation_visible}".replace(
        "{columns}", COLUMNS
    ).replace("{joins}", JOINS)
)


async def get_conversation(connection: Connection, viewer: UUID | None, conversation_id: UUID) -> ConversationItem:
    """Raises NotFound, also when the viewer may not see it."""
    rows = await planned(connection, _ONE, viewer, conversation_id)
    if not rows:
        raise NotFound("no such conversation")
    return to_conversation(rows[0])


async def lock_conversation(connection: Connection, viewer: UUID | None, conversation_id: UUID) -> ConversationItem:
    """The same, held until the end of the transaction."""
    await connection.execute("SELECT FROM conversation WHERE id = $1 FOR UPDATE", conversation_id)
    return await get_conversation(connection, viewer, conversation_id)


_AUDIENCE = """
SELECT 'agent:' || a.id FROM (
  SELECT c.assignee_id AS id FROM conversation AS c WHERE c.id = $1
  UNION SELECT card.owner_id FROM conversation AS c JOIN contact AS o ON o.id = c.contact_id
        JOIN contact AS card ON card.id = o.card_id WHERE c.id = $1
  UNION SELECT p.agent_id FROM conversation_participant AS p
        WHERE p.conversation_id = $1 AND p.last_at > now() - interval '30 days') AS a
WHERE a.id IS NOT NULL
UNION ALL SELECT 'queue:' || c.queue_id FROM conversation AS c WHERE c.id = $1 AND c.queue_id IS NOT NULL
"""


async def audience_of(connection: Connection, conversation_id: UUID) -> set[str]:
    """The words of everybody who sees it now."""
    return {row[0] for row in await connection.fetch(_AUDIENCE, conversation_id)}


class Changed(NamedTuple):
    """`events` to be appended last; `before` and `after`: the changed fields, for the audit log."""

    item: ConversationItem
    events: list[NewEvent]
    before: dict[str, Any]
    after: dict[str, Any]


CHANGEABLE = ("status", "snoozed_until", "disposition", "tags", "unread")
_CHANGE = """
UPDATE conversation SET status = $2, snoozed_until = $3, disposition = $4, tags = $5, unread = $6,
  resolved_at = CASE WHEN $2 <> 'resolved' THEN NULL ELSE coalesce(resolved_at, now()) END,
  queued_at = CASE WHEN $2 = 'resolved' THEN NULL
                   WHEN status = 'resolved' AND assignee_id IS NULL AND queue_id IS NOT NULL THEN now()
                   ELSE queued_at END,
  version = version + 1
WHERE id = $1
"""


async def change_conversation(
    connection: Connection, viewer: UUID | None, conversation_id: UUID, changes: Mapping[str, Any]
) -> Changed:
    """Sets fields of CHANGEABLE. Raises NotFound; Conflict when its thread has another open conversation by now."""
    old = await lock_conversation(connection, viewer, conversation_id)
    before = {name: getattr(old, name) for name in CHANGEABLE}
    new = before | dict(changes)
    if new["status"] != "snoozed":
        new["snoozed_until"] = None
    elif new["snoozed_until"] is None:
        raise BadRequest("snoozed_until is needed with status snoozed")
    after = {name: value for name, value in new.items() if value != before[name]}
    if not after:
        return Changed(old, [], {}, {})
    try:
        await connection.execute(_CHANGE, conversation_id, *(new[name] for name in CHANGEABLE))
    except asyncpg.UniqueViolationError:
        raise Conflict(
            "the client already has a newer open conversation in this thread", reason="newer_conversation"
        ) from None
    ended = []
    if after.get("status") == "resolved":
        ended = await end_offer(connection, conversation_id, "withdrawn")
        ended += await settle_owed(connection, conversation_id, str(new["disposition"]))
    item = await get_conversation(connection, None, conversation_id)
    heard = await audience_of(connection, conversation_id)
    event = NewEvent("conversation.updated", sorted(heard), {"conversation": item})
    return Changed(item, [*ended, event], {name: before[name] for name in after}, after)


_ASSIGN = """
UPDATE conversation SET assignee_id = $2, queue_id = coalesce($3, queue_id), assignment_reason = $4,
  queued_at = CASE WHEN $2::uuid IS NULL THEN coalesce(queued_at, now()) END, version = version + 1,
  status = CASE WHEN status = 'snoozed' THEN 'open' ELSE status END, snoozed_until = NULL
WHERE id = $1
"""
_HISTORY = """
WITH ended AS (UPDATE assignment SET until = now() WHERE conversation_id = $1 AND until IS NULL)
INSERT INTO assignment (conversation_id, agent_id, queue_id, reason, facts, by) VALUES ($1, $2, $3, $4, $5, $6)
"""


async def assign_conversation(
    connection: Connection,
    viewer: UUID | None,
    conversation_id: UUID,
    *,
    agent_id: UUID | None,
    queue_id: UUID | None,
    reason: str,
    by: UUID | None,
    why: str = "",
) -> Changed:
    """Hands it to an agent, or back to a queue to wait. `why`: what a colleague wrote, within `reason`. Raises NotFound, BadRequest, Conflict when resolved."""
    old = await lock_conversation(connection, viewer, conversation_id)
    if old.status == "resolved":
        raise Conflict("the conversation is resolved: open it first", reason="conversation_resolved")
    if agent_id is not None and not await connection.fetchval(
        "SELECT true FROM agent WHERE id = $1 AND active", agent_id
    ):
        raise BadRequest("agent_id: no such active agent", reason="agent_inactive")
    if queue_id is not None and not await connection.fetchval("SELECT true FROM queue WHERE id = $1", queue_id):
        raise BadRequest("queue_id: no such queue", reason="queue_gone")
    if old.assignee_id == agent_id and queue_id in (None, old.queue_id):
        return Changed(old, [], {}, {})
    heard_before = await audience_of(connection, conversation_id)
    await connection.execute(_ASSIGN, conversation_id, agent_id, queue_id, reason)
    facts = {"from_agent": old.assignee_id, "from_queue": old.queue_id} | ({"why": why} if why else {})
    await connection.execute(_HISTORY, conversation_id, agent_id, queue_id or old.queue_id, reason, facts, by)
    item = await get_conversation(connection, None, conversation_id)
    ended = await end_offer(connection, conversation_id, "withdrawn")
    events = ended + transfer_events(old, item, heard_before, await audience_of(connection, conversation_id))
    before = {"assignee_id": old.assignee_id, "queue_id": old.queue_id}
    return Changed(item, events, before, {"assignee_id": item.assignee_id, "queue_id": item.queue_id})


def _holders(item: ConversationItem) -> set[str]:
    agent = set() if item.assignee_id is None else {f"agent:{item.assignee_id}"}
    return agent if item.queue_id is None else agent | {f"queue:{item.queue_id}"}


def transfer_events(
    old: ConversationItem, new: ConversationItem, heard_before: set[str], heard_after: set[str]
) -> list[NewEvent]:
    """`left` to those who held it or can't see it any more, `updated` to those who still do, `entered` to the new ones.

    Who took part and still sees it gets `left` first and its state right after.
    """
    left = (heard_before - heard_after) | (_holders(old) - _holders(new))
    entered = (heard_after - heard_before) | (_holders(new) - _holders(old))
    events = []
    if left:
        gone = {"conversation_id": new.id, "assignee_id": new.assignee_id, "queue_id": new.queue_id}
        events.append(NewEvent("conversation.left", sorted(left), gone))
    events.append(
        NewEvent("conversation.updated", sorted((heard_before & heard_after) - entered), {"conversation": new})
    )
    if entered:
        events.append(NewEvent("conversation.entered", sorted(entered), {"conversation": new}))
    return events
