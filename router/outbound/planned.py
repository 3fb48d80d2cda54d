"""Messages that have not left yet: written anew, put off, or taken back as if they had never been."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from config.errors import BadRequest, Conflict, NotFound
from connectors import registry
from connectors.base import Capabilities
from router.outbound.destinations import Destination
from router.outbound.states import Frozen, audiences, check_text, freeze, thaw
from router.outbound.window import check_window
from storage.conversations import get_conversation
from storage.db import Connection
from storage.events import NewEvent, append_events

_LOCK = "SELECT * FROM outbound WHERE id = $1 FOR UPDATE"
_PLACE = """
SELECT h.connector, (SELECT max(n.last_in_at) FROM conversation AS n
    WHERE n.channel_id = o.channel_id AND n.thread_key = o.thread_key) AS last_in_at
FROM outbound AS o JOIN channel AS h ON h.id = o.channel_id WHERE o.id = $1
"""
_CONVERSATION = "SELECT * FROM conversation WHERE id = $1 FOR UPDATE"
_IDENTITY = "SELECT * FROM identity WHERE id = $1"
_WRITE = "UPDATE outbound SET message = $2, next_at = $3 WHERE id = $1"
_SHOW = "UPDATE interaction SET text = $2 WHERE id = $1 RETURNING contact_id, channel_id"
_LIST = """
UPDATE conversation SET version = version + 1,
    first_response_at = CASE WHEN first_response_at = $2 THEN $3 ELSE first_response_at END,
    last_text = CASE WHEN last_text = left($4, 200) THEN left($5, 200) ELSE last_text END
WHERE id = $1
"""
# An answer that was taken back was none: the first response is owed again, and the list shows the line before it.
_UNANSWERED = """
UPDATE conversation AS c
SET first_response_at = CASE WHEN c.first_response_at IS DISTINCT FROM $3 THEN c.first_response_at END,
    last_text = coalesce((
        SELECT left(i.text, 200) FROM interaction AS i
        WHERE i.conversation_id = c.id AND i.id <> $2 AND i.kind <> 'note' AND i.state IS DISTINCT FROM 'cancelled'
        ORDER BY i.order_at DESC, i.seq DESC, i.id DESC LIMIT 1
    ), ''), version = c.version + 1
WHERE c.id = $1
"""
# Its files are their author's again: he takes them into what he writes instead.
_FREE_FILES = """
UPDATE attachment SET interaction_id = NULL, channel_id = NULL WHERE interaction_id = $1 AND uploaded_by IS NOT NULL
"""


async def change_planned(
    connection: Connection, outbound_id: UUID, *, text: str | None, send_at: datetime | None, now: datetime
) -> int:
    """Another text or time, for a message that was not tried yet. None: as it is. Returns the highest event id.

    Raises NotFound, BadRequest, Conflict when it is on its way, WindowClosed for a time at which it could not leave.
    """
    row = await connection.fetchrow(_LOCK, outbound_id)
    if row is None:
        raise NotFound("no such message")
    if row["state"] != "queued" or row["attempts"]:
        raise Conflict(
            f"the message is {row['state']} and can't be changed any more",
            reason="message_gone",
            state=str(row["state"]),
        )
    old = thaw(row["message"])
    new = msgspec.structs.replace(
        old, text=old.text if text is None else text, due_at=old.due_at if send_at is None else max(now, send_at)
    )
    if new == old:
        return 0
    await _check(connection, row, new, now)
    await connection.execute(_WRITE, outbound_id, freeze(new), new.due_at)
    await connection.execute(_LIST, row["conversation_id"], old.due_at, new.due_at, old.text, new.text)
    shown = await connection.fetchrow(_SHOW, row["interaction_id"], new.text)
    return await _tell(connection, row, shown, new)


async def _check(connection: Connection, row: asyncpg.Record, new: Frozen, now: datetime) -> None:
    place = await connection.fetchrow(_PLACE, row["id"])
    if place is None:
        raise Conflict("the channel of this message is gone: cancel it", reason="channel_gone")
    connector = registry.get(place["connector"])
    able: Capabilities = connector.capabilities
    check_text(new.text)
    if not new.text.strip() and not new.files:
        raise BadRequest("text: neither text nor attachments", reason="message_empty")
    if len(new.text) > able.max_text:
        raise BadRequest(
            f"text: {len(new.text)} characters, this channel takes {able.max_text}",
            reason="text_long",
            length=len(new.text),
            most=able.max_text,
        )
    if able.templates and new.meta.get("template"):
        return
    conversation = await connection.fetchrow(_CONVERSATION, row["conversation_id"])
    identity = await connection.fetchrow(_IDENTITY, row["identity_id"])
    if conversation is None or identity is None:
        raise Conflict("the client's address is gone: cancel the message", reason="address_gone")
    check_window(Destination(conversation, identity, connector, place["last_in_at"]), able, new.due_at, now)


async def _tell(connection: Connection, row: asyncpg.Record, shown: asyncpg.Record | None, new: Frozen) -> int:
    """`interaction.edited`, as of any other message; `send_at` when it will leave."""
    conversation_id = row["conversation_id"]
    data = {"interaction_id": row["interaction_id"], "conversation_id": conversation_id, "outbound_id": row["id"]}
    data |= {"text": new.text, "send_at": new.due_at, **(shown or {})}
    words = (await audiences(connection, [conversation_id])).get(conversation_id, [])
    return await append_events(
        connection, [NewEvent("interaction.edited", words, data), await _updated(connection, conversation_id, words)]
    )


async def take_back(connection: Connection, row: asyncpg.Record) -> NewEvent:
    """The conversation as if that message of `outbound` had not been written; the event that tells it."""
    conversation_id: UUID = row["conversation_id"]
    await connection.execute(_UNANSWERED, conversation_id, row["interaction_id"], thaw(row["message"]).due_at)
    await connection.execute(_FREE_FILES, row["interaction_id"])
    words = (await audiences(connection, [conversation_id])).get(conversation_id, [])
    return await _updated(connection, conversation_id, words)


async def _updated(connection: Connection, conversation_id: UUID, words: list[str]) -> NewEvent:
    return NewEvent(
        "conversation.updated", words, {"conversation": await get_conversation(connection, None, conversation_id)}
    )
