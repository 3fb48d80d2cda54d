"""What people do with the way out: queue a reply or a note, cancel it, have it tried again, say what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import asyncpg

from config.errors import BadRequest, Conflict, NotFound
from connectors.base import Capabilities
from connectors.items import Address
from router.outbound.destinations import Destination, find_destination, lock_conversation
from router.outbound.planned import take_back
from router.outbound.states import Change, Frozen, FrozenFile, audiences, check_text, freeze, state_events, thaw
from router.outbound.window import check_window
from storage.db import Connection
from storage.events import NewEvent, append_events, audience
from storage.mentions import add_mentions, known_agents

NOTE_MAX = 20_000
LAST_TEXT = 200
REFERENCES = 10
FILES_MAX = 20


@dataclass(frozen=True, slots=True)
class NewReply:
    """`identity_id`, `channel_id`: another address of the client, another channel, than the conversation's; `reply_to`: an
    interaction quoted; `meta`: what the connector understands beyond text (subject, template, buttons); `mentions`:
    agents a note names.
    """

    conversation_id: UUID
    agent_id: UUID | None = None
    kind: Literal["message", "note"] = "message"
    text: str = ""
    attachment_ids: Sequence[UUID] = ()
    identity_id: UUID | None = None
    channel_id: UUID | None = None
    reply_to: UUID | None = None
    send_at: datetime | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    mentions: Sequence[UUID] = ()


class Queued(NamedTuple):
    """`outbound_id`: None for a note; `event_id`: the highest written, for the wake-up after the commit; `send_at`: when it
    leaves, where that is later.
    """

    outbound_id: UUID | None
    interaction_id: UUID
    conversation_id: UUID
    state: str
    event_id: int
    send_at: datetime | None = None


_FILES = """
SELECT id, name, type, size, blob FROM attachment
WHERE id = ANY($1::uuid[]) AND state = 'kept' AND interaction_id IS NULL
  AND (uploaded_by IS NULL OR $2::uuid IS NULL OR uploaded_by = $2)
FOR UPDATE
"""
_USE_FILES = "UPDATE attachment SET interaction_id = $2, channel_id = $3 WHERE id = ANY($1::uuid[])"
_QUOTED = "SELECT external_id FROM interaction WHERE id = $1 AND conversation_id = ANY($2::uuid[])"
_REFERENCES = """
SELECT external_id FROM interaction WHERE conversation_id = $1 AND kind = 'message' AND external_id <> ''
ORDER BY order_at DESC, seq DESC, id DESC LIMIT $2
"""
_AGENT = "SELECT name FROM agent WHERE id = $1"
_INTERACTION = """
INSERT INTO interaction
    (order_at, kind, direction, channel_id, conversation_id, contact_id, identity_id, agent_id, reply_to, received_at,
     text, body, state)
VALUES ($1, $2, 'out', $3, $4, $5, $6, $7, $8, $1, $9, $10, $11)
RETURNING id
"""
_OUTBOUND = """
INSERT INTO outbound
    (interaction_id, conversation_id, channel_id, thread_key, identity_id, message, agent_id, next_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING id
"""
_ANSWERED = """
UPDATE conversation
SET first_response_at = coalesce(first_response_at, $4), unread = 0, last_at = greatest(last_at, $2), last_text = $3,
    status = 'open', snoozed_until = NULL, resolved_at = NULL, version = version + 1
WHERE id = $1
"""
_NOTED = "UPDATE conversation SET version = version + 1 WHERE id = $1"
_TAKE_PART = """
INSERT INTO conversation_participant (conversation_id, agent_id, last_at, why) VALUES ($1, $2, $3, $4)
ON CONFLICT (conversation_id, agent_id)
DO UPDATE SET last_at = greatest(conversation_participant.last_at, excluded.last_at), why = excluded.why
"""


async def queue_reply(
    connection: Connection, reply: NewReply, now: datetime, *, capabilities: Capabilities | None = None
) -> Queued:
    """A reply on its way, or a note, inside the caller's transaction; the events are its last statement.

    `capabilities`: instead of those of the connector that will send it. After the commit wake `outbound` and, with
    `event_id`, `events`. Raises NotFound, BadRequest, Conflict, WindowClosed; nothing is to be committed then.
    """
    check_text(reply.text)
    if reply.kind == "note":
        return await _queue_note(connection, reply, now)
    to = await find_destination(
        connection, reply.conversation_id, reply.identity_id, reply.agent_id, now, channel_id=reply.channel_id
    )
    able = capabilities or to.connector.capabilities
    files = await _files(connection, reply)
    _check(reply, files, able)
    if not _has_template(reply, able):
        check_window(to, able, max(now, reply.send_at or now), now)
    message = await _frozen(connection, reply, to, files, able=able, now=now)
    stored = await _store(connection, reply, to.conversation, files, now, identity=to.identity["id"], frozen=message)
    outbound_id: UUID = await connection.fetchval(
        _OUTBOUND,
        stored.id,
        to.conversation["id"],
        to.conversation["channel_id"],
        to.conversation["thread_key"],
        to.identity["id"],
        freeze(message),
        reply.agent_id,
        message.due_at,
    )
    await connection.execute(_ANSWERED, to.conversation["id"], now, _last_text(reply, files), message.due_at)
    send_at = message.due_at if message.due_at > now else None
    planned = {"outbound_id": outbound_id, "send_at": send_at} if send_at else {}
    event_id = await _tell(connection, reply, to.conversation["id"], {"interaction": stored.data, **planned}, now)
    return Queued(outbound_id, stored.id, to.conversation["id"], "queued", event_id, send_at)


async def _queue_note(connection: Connection, reply: NewReply, now: datetime) -> Queued:
    """For colleagues alone: it has no address, and does not count as an answer."""
    named = await known_agents(connection, reply.mentions)
    conversation = await lock_conversation(connection, reply.conversation_id)
    files = await _files(connection, reply)
    _check(reply, files, Capabilities(max_text=NOTE_MAX, attachments=True))
    stored = await _store(connection, reply, conversation, files, now)
    await connection.execute(_NOTED, conversation["id"])
    mentioned = await _mention(connection, reply, named, stored, now) if named else []
    event_id = await _tell(connection, reply, conversation["id"], {"interaction": stored.data}, now, more=mentioned)
    return Queued(None, stored.id, conversation["id"], "sent", event_id)


async def _mention(
    connection: Connection, reply: NewReply, named: Sequence[UUID], stored: _Stored, now: datetime
) -> list[NewEvent]:
    """Rows of those who are named, and an event for each of them alone."""
    about = {"conversation_id": reply.conversation_id, "interaction_id": stored.id}
    await add_mentions(connection, named, **about, at=now)
    data = about | {"by": reply.agent_id, "text": reply.text[:LAST_TEXT]}
    return [NewEvent("mention.created", audience(agents=[one]), data | {"agent_id": one}) for one in named]


# ---------------------------------------------------------------- checks


def _check(reply: NewReply, files: Sequence[asyncpg.Record], able: Capabilities) -> None:
    if not reply.text.strip() and not files and not _has_template(reply, able):
        raise BadRequest("text: neither text nor attachments", reason="message_empty")
    if reply.text and not able.text:
        raise BadRequest("text: this channel takes no text", reason="channel_no_text")
    if len(reply.text) > able.max_text:
        raise BadRequest(
            f"text: {len(reply.text)} characters, this channel takes {able.max_text}",
            reason="text_long",
            length=len(reply.text),
            most=able.max_text,
        )
    if files and not able.attachments:
        raise BadRequest("attachments: this channel takes no files", reason="channel_no_files")
    for file in files:
        if able.max_file and (file["size"] or 0) > able.max_file:
            raise BadRequest(
                f"attachments: {file['name']} is larger than the {able.max_file} bytes this channel takes",
                reason="file_large",
                name=str(file["name"]),
                most_mb=able.max_file >> 20,
            )


def _has_template(reply: NewReply, able: Capabilities) -> bool:
    return able.templates and bool(reply.meta.get("template"))


def _last_text(reply: NewReply, files: Sequence[asyncpg.Record]) -> str:
    """The line of the conversation list: what was written, else what went instead."""
    if reply.text:
        return reply.text[:LAST_TEXT]
    template = reply.meta.get("template")
    name = template.get("name", "") if isinstance(template, dict) else template
    return str(files[0]["name"] if files else name).replace("\0", "")[:LAST_TEXT]


async def _files(connection: Connection, reply: NewReply) -> list[asyncpg.Record]:
    """In the order asked for. Raises BadRequest for what is not there, not kept yet, somebody else's or used already."""
    wanted = list(dict.fromkeys(reply.attachment_ids))
    if not wanted:
        return []
    if len(wanted) > FILES_MAX:
        raise BadRequest(f"attachments: more than {FILES_MAX}", reason="files_many", most=FILES_MAX)
    found = {row["id"]: row for row in await connection.fetch(_FILES, wanted, reply.agent_id)}
    missing = [str(one) for one in wanted if one not in found]
    if missing:
        raise BadRequest(
            f"attachments: {missing[0]} is not an uploaded file of yours that is still unused", reason="file_used"
        )
    return [found[one] for one in wanted]


# ---------------------------------------------------------------- rows


async def _frozen(
    connection: Connection,
    reply: NewReply,
    to: Destination,
    files: Sequence[asyncpg.Record],
    *,
    able: Capabilities,
    now: datetime,
) -> Frozen:
    identity, conversation = to.identity, to.conversation
    quoted = await _quoted(connection, reply, conversation["id"])
    references: list[str] = []
    if able.subject:  # mail: without In-Reply-To and References the client's program starts a new thread
        rows = await connection.fetch(_REFERENCES, conversation["id"], REFERENCES)
        references = [row["external_id"] for row in reversed(rows)]
        quoted = quoted or (references[-1] if references else "")
    return Frozen(
        to=Address(identity["kind"], identity["value"], identity["scope"], identity["name"]),
        due_at=max(now, reply.send_at or now),
        text=reply.text,
        subject=_subject(reply, conversation["subject"]) if able.subject else "",
        files=[FrozenFile(f["name"], f["type"], f["size"] or 0, f["blob"]) for f in files],
        reply_to=quoted,
        references=references,
        meta=dict(reply.meta),
    )


async def _quoted(connection: Connection, reply: NewReply, conversation_id: UUID) -> str:
    """The provider's id of the message replied to; empty while it has none (our own, not sent yet)."""
    if reply.reply_to is None:
        return ""
    found = await connection.fetchval(_QUOTED, reply.reply_to, [conversation_id, reply.conversation_id])
    if found is None:
        raise BadRequest("reply_to: not an interaction of this conversation", reason="quoted_elsewhere")
    return str(found)


def _subject(reply: NewReply, subject: str) -> str:
    given = str(reply.meta.get("subject", "")).strip()
    if given or not subject:
        return given
    return subject if subject[:3].lower() == "re:" else f"Re: {subject}"


class _Stored(NamedTuple):
    id: UUID
    data: dict[str, Any]


async def _store(
    connection: Connection,
    reply: NewReply,
    conversation: asyncpg.Record,
    files: Sequence[asyncpg.Record],
    now: datetime,
    *,
    identity: UUID | None = None,
    frozen: Frozen | None = None,
) -> _Stored:
    """The interaction; also as the API shows it. A note is where it belongs at once."""
    state = "queued" if frozen is not None else None
    sender = await _sender(connection, reply.agent_id)
    attachments = [{"id": f["id"], "name": f["name"], "type": f["type"], "size": f["size"]} for f in files]
    body: dict[str, Any] = {"sender": sender, "attachments": attachments}
    if frozen is not None and frozen.subject:
        body["subject"] = frozen.subject
    meta = dict(reply.meta) | ({"mentions": [str(one) for one in reply.mentions]} if reply.mentions else {})
    if meta:
        body["meta"] = meta
    place = {key: conversation[key] for key in ("channel_id", "contact_id")} | {"conversation_id": conversation["id"]}
    interaction_id: UUID = await connection.fetchval(
        _INTERACTION,
        now,
        reply.kind,
        *(place[key] for key in ("channel_id", "conversation_id", "contact_id")),
        identity,
        reply.agent_id,
        frozen.reply_to if frozen is not None else "",
        reply.text,
        body,
        state,
    )
    if files:
        await connection.execute(_USE_FILES, [f["id"] for f in files], interaction_id, conversation["channel_id"])
    data = {"id": interaction_id, "at": now, "sent_at": None, "received_at": now, "kind": reply.kind}
    data |= {"direction": "out", **place, "external_id": "", "sender": sender, "text": reply.text}
    return _Stored(interaction_id, data | {"attachments": attachments, "state": state})


async def _sender(connection: Connection, agent_id: UUID | None) -> dict[str, Any] | None:
    if agent_id is None:
        return None
    name = await connection.fetchval(_AGENT, agent_id)
    return {"kind": "agent", "value": str(agent_id), "name": name or ""}


async def _tell(
    connection: Connection,
    reply: NewReply,
    conversation_id: UUID,
    data: dict[str, Any],
    now: datetime,
    *,
    more: Sequence[NewEvent] = (),
) -> int:
    if reply.agent_id is not None:
        why = "noted" if reply.kind == "note" else "replied"
        await connection.execute(_TAKE_PART, conversation_id, reply.agent_id, now, why)
    words = await audiences(connection, [conversation_id])
    event = NewEvent("interaction.created", words.get(conversation_id, []), data)
    return await append_events(connection, [event, *more])


# ---------------------------------------------------------------- what people decide later

_LOCK = "SELECT * FROM outbound WHERE id = $1 FOR UPDATE"
_DECIDE = """
UPDATE outbound
SET state = $2, claimed_by = '', lease_until = NULL, error_class = '', error_code = '', error = '',
    sent_at = CASE WHEN $2 = 'sent' THEN coalesce(sent_at, $3) ELSE sent_at END
WHERE id = $1
"""
_ANEW = "UPDATE outbound SET next_at = $2, attempts = 0, external_ids = '{}', message = $3 WHERE id = $1"
_SHOW = (
    "UPDATE interaction SET state = $2, sent_at = CASE WHEN $2 = 'sent' THEN coalesce(sent_at, $3) END WHERE id = $1"
)
_NOTE_ATTEMPT = "INSERT INTO outbound_attempt (outbound_id, at, took_ms, verdict) VALUES ($1, $2, 0, $3)"


async def cancel_reply(connection: Connection, outbound_id: UUID, now: datetime) -> int:
    """Before its sending has begun; returns the highest event id, as the others below. Raises NotFound, Conflict."""
    row = await _locked(connection, outbound_id, {"queued", "claimed"}, "can't be cancelled any more")
    told = await take_back(connection, row)
    return await _decide(connection, row, "cancelled", "cancelled", now, more=[told])


async def retry(connection: Connection, outbound_id: UUID, now: datetime) -> int:
    """Queues a failed message again, as new: all its tries are before it. Raises NotFound, Conflict."""
    row = await _locked(connection, outbound_id, {"failed"}, "has not failed")
    return await _again(connection, row, now)


async def settle(connection: Connection, outbound_id: UUID, verdict: Literal["sent", "again"], now: datetime) -> int:
    """A person looked at the provider's side of a message in doubt. Raises NotFound, Conflict."""
    row = await _locked(connection, outbound_id, {"in_doubt"}, "is not in doubt")
    if verdict == "again":
        return await _again(connection, row, now)
    return await _decide(connection, row, "sent", "settled_by_hand", now)


async def _locked(connection: Connection, outbound_id: UUID, states: set[str], otherwise: str) -> asyncpg.Record:
    row = await connection.fetchrow(_LOCK, outbound_id)
    if row is None:
        raise NotFound("no such message")
    if row["state"] not in states:
        raise Conflict(f"the message is {row['state']} and {otherwise}", reason="message_gone", state=str(row["state"]))
    return row


async def _again(connection: Connection, row: asyncpg.Record, now: datetime) -> int:
    message = freeze(thaw({**row["message"], "due_at": now.isoformat()}))
    await connection.execute(_ANEW, row["id"], now, message)
    return await _decide(connection, row, "queued", "again_by_hand", now)


async def _decide(
    connection: Connection,
    row: asyncpg.Record,
    state: str,
    verdict: str,
    now: datetime,
    *,
    more: Sequence[NewEvent] = (),
) -> int:
    await connection.execute(_DECIDE, row["id"], state, now)
    await connection.execute(_SHOW, row["interaction_id"], state, now)
    await connection.execute(_NOTE_ATTEMPT, row["id"], now, verdict)
    change = Change(row["interaction_id"], row["conversation_id"], row["id"], state)
    return await append_events(connection, [*await state_events(connection, [change]), *more])
