"""Where a reply goes: by which address of the client, over which channel, into which conversation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from config.errors import BadRequest, Conflict, HubError, NotFound
from connectors import registry
from connectors.base import Connector
from storage.db import Connection

Row = asyncpg.Record


@dataclass(frozen=True, slots=True)
class Destination:
    """`conversation`: its row, locked; `last_in_at`: when the client last wrote in this thread, in any conversation."""

    conversation: Row
    identity: Row
    connector: Connector[Any]
    last_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class Thread:
    """Of one channel. `known`: the client wrote in it, or was written to."""

    channel_id: UUID
    thread_key: str
    connector: Connector[Any]
    known: bool


_SOURCE = """
SELECT c.*, ch.connector, t.card_id
FROM conversation AS c JOIN channel AS ch ON ch.id = c.channel_id LEFT JOIN contact AS t ON t.id = c.contact_id
WHERE c.id = $1
"""
_IDENTITY = "SELECT i.*, t.card_id FROM identity AS i LEFT JOIN contact AS t ON t.id = i.contact_id WHERE i.id = $1"
_THREADS = """
SELECT c.channel_id, c.thread_key, ch.connector
FROM conversation AS c JOIN channel AS ch ON ch.id = c.channel_id
WHERE c.identity_id = $1 AND c.contact_id IN (SELECT id FROM contact WHERE card_id = $2)
  AND ($3::uuid IS NULL OR c.channel_id = $3)
ORDER BY c.id DESC
"""
_ACTIVE = """
SELECT id, connector FROM channel WHERE state = 'active' AND ($1::uuid IS NULL OR id = $1) ORDER BY id
"""
_LOCK = "SELECT * FROM conversation WHERE id = $1 FOR UPDATE"
_LOCK_OPEN = """
SELECT * FROM conversation WHERE channel_id = $1 AND thread_key = $2 AND status <> 'resolved' FOR UPDATE
"""
_LAST_IN = "SELECT max(last_in_at) FROM conversation WHERE channel_id = $1 AND thread_key = $2"
_NEWEST = "SELECT id FROM conversation WHERE channel_id = $1 AND thread_key = $2 ORDER BY id DESC LIMIT 1"
_REOPEN = "UPDATE conversation SET status = 'open', resolved_at = NULL WHERE id = $1 RETURNING *"
_OPEN = """
INSERT INTO conversation
    (channel_id, thread_key, contact_id, identity_id, assignee_id, queue_id, assignment_reason, subject, previous_id,
     last_at, kind)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (channel_id, thread_key) WHERE status <> 'resolved' DO NOTHING
RETURNING *
"""
_ASSIGN = """
UPDATE conversation SET assignee_id = $2, assignment_reason = $3, queued_at = NULL WHERE id = $1 RETURNING *
"""
_ASSIGNED = """
INSERT INTO assignment (conversation_id, agent_id, queue_id, since, reason, by) VALUES ($1, $2, $3, $4, $5, $6)
"""
CONTINUES = "Continues the client's conversation on another channel."


async def lock_conversation(connection: Connection, conversation_id: UUID) -> Row:
    """Raises NotFound."""
    row = await connection.fetchrow(_LOCK, conversation_id)
    if row is None:
        raise NotFound("no such conversation")
    return row


async def find_destination(
    connection: Connection,
    conversation_id: UUID,
    identity_id: UUID | None,
    agent_id: UUID | None,
    now: datetime,
    *,
    channel_id: UUID | None = None,
) -> Destination:
    """The conversation's own thread, or for another address of the client (or another channel, or from one that can't
    send) the thread by which that address was last, or can be, reached. Raises NotFound, BadRequest, Conflict.
    """
    source = await connection.fetchrow(_SOURCE, conversation_id)
    if source is None:
        raise NotFound("no such conversation")
    identity = await _identity(connection, source, identity_id)
    own = can_write(source["connector"])
    if own is not None and identity["id"] == source["identity_id"] and channel_id in {None, source["channel_id"]}:
        thread = Thread(source["channel_id"], source["thread_key"], own, known=True)
    else:
        thread = await thread_of(connection, identity, channel_id)
    conversation = await _conversation(connection, source, identity, thread, now)
    if conversation["assignee_id"] is None and source["assignee_id"] is not None:
        conversation = await _hand_over(connection, conversation, source, agent_id, now)
    last_in_at = await connection.fetchval(_LAST_IN, thread.channel_id, thread.thread_key)
    return Destination(conversation, identity, thread.connector, last_in_at)


async def _identity(connection: Connection, source: Row, identity_id: UUID | None) -> Row:
    wanted = identity_id or source["identity_id"]
    if wanted is None:
        raise BadRequest("identity: this conversation has no address; name one of the client's", reason="no_address")
    return await identity_of(connection, source["card_id"], wanted)


async def identity_of(connection: Connection, card_id: UUID | None, identity_id: UUID) -> Row:
    """An address of that card that may be written to. Raises BadRequest, Conflict."""
    identity = await connection.fetchrow(_IDENTITY, identity_id)
    if identity is None or identity["card_id"] is None or identity["card_id"] != card_id:
        raise BadRequest("identity: not an address of this client", reason="address_gone")
    if identity["blocked_at"] is not None:
        raise Conflict(
            "this address is on the stop list: the client refuses messages, or nothing can be delivered",
            reason="stop_list",
        )
    return identity


def can_write(connector: str) -> Connector[Any] | None:
    """The connector, where messages can be sent by it: a PBX that only rings is none."""
    try:
        found = registry.get(connector)
    except HubError:  # a channel of a connector that this version no longer has
        return None
    able = found.capabilities
    return found if found.send is not None and (able.text or able.attachments) else None


async def thread_of(connection: Connection, identity: Row, channel_id: UUID | None) -> Thread:
    """Where that address was last, or can be, reached; `channel_id`: only there. Raises Conflict."""
    for row in await connection.fetch(_THREADS, identity["id"], identity["card_id"], channel_id):
        if (connector := can_write(row["connector"])) is not None:
            return Thread(row["channel_id"], row["thread_key"], connector, known=True)
    able = [
        (row["id"], connector)
        for row in await connection.fetch(_ACTIVE, channel_id)
        if (connector := can_write(row["connector"])) is not None and identity["kind"] in reaches(connector)
    ]
    if len(able) != 1 or identity["scope"]:
        many = "several channels can" if able else "no channel can" if channel_id is None else "this channel can't"
        raise Conflict(f"{many} reach this address, and none of them knows the client yet", reason="no_way_there")
    thread = Thread(able[0][0], identity["value"], able[0][1], known=False)
    if not thread.connector.capabilities.cold:
        raise Conflict(
            f"{thread.connector.title} lets us write only to people who wrote first",
            reason="not_first",
            provider=thread.connector.title,
        )
    return thread


def reaches(connector: Connector[Any]) -> frozenset[str]:
    """Kinds of identities the connector can write to; messengers call theirs by their own name."""
    kinds: frozenset[str] = connector.reaches or frozenset({connector.name})
    return kinds


async def _conversation(connection: Connection, source: Row, identity: Row, thread: Thread, now: datetime) -> Row:
    """The thread's open conversation, else the one replied to opened again, else a new one."""
    where = (thread.channel_id, thread.thread_key)
    own = where == (source["channel_id"], source["thread_key"])
    for _ in range(3):  # each round loses only against a transaction that opened one, to be found in the next
        found = await connection.fetchrow(_LOCK_OPEN, *where)
        if found is None and own:
            found = await _reopened(connection, source["id"])
        elif found is None:
            found = await _opened(connection, source, identity, thread, now)
        if found is not None:
            return found
    raise Conflict("the conversation changes too quickly; try again", reason="changed_meanwhile")


async def _reopened(connection: Connection, conversation_id: UUID) -> Row | None:
    try:
        async with connection.transaction():
            return await connection.fetchrow(_REOPEN, conversation_id)
    except asyncpg.UniqueViolationError:
        return None


async def _opened(connection: Connection, source: Row, identity: Row, thread: Thread, now: datetime) -> Row | None:
    return await open_conversation(
        connection, identity, thread, queue_id=source["queue_id"], subject=source["subject"], now=now
    )


async def open_conversation(
    connection: Connection,
    identity: Row,
    thread: Thread,
    *,
    queue_id: UUID | None,
    subject: str,
    now: datetime,
    agent_id: UUID | None = None,
    reason: str = "",
) -> Row | None:
    """A new one in that thread, behind those resolved; None where one is open. `agent_id`: whose it is at once."""
    where = (thread.channel_id, thread.thread_key)
    return await connection.fetchrow(
        _OPEN,
        *where,
        identity["contact_id"],
        identity["id"],
        agent_id,
        queue_id,
        reason,
        subject,
        await connection.fetchval(_NEWEST, *where),
        now,
        "email" if thread.connector.capabilities.subject else "message",
    )


async def _hand_over(
    connection: Connection, conversation: Row, source: Row, agent_id: UUID | None, now: datetime
) -> Row:
    assignee = source["assignee_id"]
    changed = await connection.fetchrow(_ASSIGN, conversation["id"], assignee, CONTINUES)
    await connection.execute(_ASSIGNED, conversation["id"], assignee, source["queue_id"], now, CONTINUES, agent_id)
    return changed or conversation
