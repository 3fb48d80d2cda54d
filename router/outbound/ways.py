"""By which ways a client can be written to: each of his addresses over each channel that reaches its kind, and why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from config.errors import Conflict
from connectors.base import Capabilities
from router.outbound.destinations import can_write, identity_of, open_conversation, reaches, thread_of
from router.outbound.states import check_text
from storage.contacts import ContactItem, IdentityItem
from storage.db import Connection
from storage.reading import planned, scoped

Obstacle = Literal["", "blocked", "paused", "broken", "never_wrote", "window_closed"]


class Way(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One address over one channel. `why_not`: empty where free text can go now; `window_ends_at`: until when it can, where
    that is limited. `conversation_id`: the open one there, if the viewer may see it.
    """

    identity_id: UUID
    kind: str
    value: str
    channel_id: UUID
    channel: str
    connector: str
    title: str
    able: Capabilities
    name: str = ""
    why_not: Obstacle = ""
    window_ends_at: datetime | None = None
    conversation_id: UUID | None = None


_CHANNELS = """
SELECT c.id, c.name, c.connector, c.state FROM channel AS c
LEFT JOIN workspace_setting AS w ON w.key = 'archived_channels'
WHERE NOT coalesce(w.value ? c.id::text, false) ORDER BY c.name, c.id
"""
_THREADS = scoped("""
SELECT DISTINCT ON (t.identity_id, t.channel_id) t.identity_id, t.channel_id,
  (SELECT max(n.last_in_at) FROM conversation AS n
   WHERE n.channel_id = t.channel_id AND n.thread_key = t.thread_key) AS last_in_at,
  (SELECT c.id FROM conversation AS c WHERE c.channel_id = t.channel_id AND c.thread_key = t.thread_key
     AND c.status <> 'resolved' AND {conversation_visible}) AS open_id
FROM contact AS m JOIN conversation AS t ON t.contact_id = m.id
WHERE m.card_id = $2 AND t.identity_id IS NOT NULL ORDER BY t.identity_id, t.channel_id, t.id DESC
""")
Known = Mapping[tuple[UUID, UUID], asyncpg.Record]


async def ways_to(connection: Connection, viewer: UUID | None, card: ContactItem, now: datetime) -> list[Way]:
    """Addresses in the card's order; of each the channels where the client is known first. Inside a transaction."""
    channels = await connection.fetch(_CHANNELS)
    rows = await planned(connection, _THREADS, viewer, card.id)
    known = {(row["identity_id"], row["channel_id"]): row for row in rows}
    return [way for identity in card.identities for way in _ways_of(identity, channels, known, now)]


def _ways_of(identity: IdentityItem, channels: Sequence[asyncpg.Record], known: Known, now: datetime) -> Iterator[Way]:
    for channel in sorted(channels, key=lambda one: (identity.id, one["id"]) not in known):
        connector = can_write(channel["connector"])
        thread = known.get((identity.id, channel["id"]))
        if connector is None or identity.kind not in reaches(connector) or (identity.scope and thread is None):
            continue
        able = connector.capabilities
        ends_at = _window_end(able, thread)
        yield Way(
            identity_id=identity.id,
            kind=identity.kind,
            value=identity.value,
            name=identity.name,
            channel_id=channel["id"],
            channel=channel["name"],
            connector=connector.name,
            title=connector.title,
            able=able,
            why_not=_unreachable(identity, channel["state"]) or _unasked(able, ends_at, now, known=thread is not None),
            window_ends_at=ends_at,
            conversation_id=thread["open_id"] if thread else None,
        )


def _window_end(able: Capabilities, thread: asyncpg.Record | None) -> datetime | None:
    last_in_at = thread["last_in_at"] if thread else None
    if able.window_s is None or last_in_at is None:
        return None
    end: datetime = last_in_at + timedelta(seconds=able.window_s)
    return end


def _unreachable(identity: IdentityItem, state: str) -> Obstacle:
    if identity.blocked_at is not None:
        return "blocked"
    if state == "active":
        return ""
    return "broken" if state == "broken" else "paused"


def _unasked(able: Capabilities, ends_at: datetime | None, now: datetime, *, known: bool) -> Obstacle:
    """What the provider forbids as the client did not write, or not lately."""
    if not known and not able.cold:
        return "never_wrote"
    closed = able.window_s is not None and (ends_at is None or ends_at < now)
    return "window_closed" if closed else ""


# ---------------------------------------------------------------- writing first

_OPEN = "SELECT id FROM conversation WHERE channel_id = $1 AND thread_key = $2 AND status <> 'resolved'"
_QUEUE = "SELECT queue_id FROM channel WHERE id = $1"
_ASSIGNED = "INSERT INTO assignment (conversation_id, agent_id, queue_id, reason, by) VALUES ($1, $2, $3, $4, $2)"
_WAITS = "UPDATE conversation SET queued_at = now() WHERE id = $1 AND queue_id IS NOT NULL"
_AGENT = "SELECT name FROM agent WHERE id = $1"


class Begun(NamedTuple):
    """`is_new`: it was opened just now."""

    conversation_id: UUID
    is_new: bool


async def begin_conversation(
    connection: Connection,
    card: ContactItem,
    *,
    channel_id: UUID,
    identity_id: UUID,
    subject: str,
    agent_id: UUID | None,
    now: datetime,
) -> Begun:
    """The open conversation with that address on that channel, else a new one, the agent's. Raises BadRequest, Conflict."""
    check_text(subject)
    identity = await identity_of(connection, card.id, identity_id)
    thread = await thread_of(connection, identity, channel_id)
    name: Any = await connection.fetchval(_AGENT, agent_id)
    reason = f"begun by {name}" if name else "begun by an integration"
    for _ in range(3):  # each round loses only against a transaction that opened one, to be found in the next
        found = await connection.fetchval(_OPEN, thread.channel_id, thread.thread_key)
        if found is not None:
            return Begun(found, is_new=False)
        queue_id = await connection.fetchval(_QUEUE, channel_id)
        row = await open_conversation(
            connection,
            identity,
            thread,
            queue_id=queue_id,
            subject=subject,
            now=now,
            agent_id=agent_id,
            reason=reason,
        )
        if row is None:
            continue
        if agent_id is None:
            await connection.execute(_WAITS, row["id"])
        else:
            await connection.execute(_ASSIGNED, row["id"], agent_id, queue_id, reason)
        return Begun(row["id"], is_new=True)
    raise Conflict("the conversation changes too quickly; try again", reason="changed_meanwhile")
