"""Answering a client, and notes among colleagues."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest
from inbox.api.lists import Aware
from inbox.api.routes import Change, Ctx, Routes
from router.outbound.replies import NewReply, Queued, queue_reply
from storage.bus import Topic
from storage.conversations import get_conversation
from storage.drafts import draft_event, drop_draft

routes = Routes("messages")


class NewMessage(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`attachments`: ids of uploaded files. `identity`, `channel`: another address of the client, another channel.
    `reply_to`: an interaction. `hold_s`: seconds in which it can be taken back. `mentions`: agents whom a note names: they
    see the conversation from now on. The caller's draft of that kind is gone.
    """

    kind: Literal["message", "note"] = "message"
    text: Annotated[str, msgspec.Meta(max_length=100_000)] = ""
    attachments: Annotated[list[UUID], msgspec.Meta(max_length=20)] = []
    identity: UUID | None = None
    channel: UUID | None = None
    reply_to: UUID | None = None
    send_at: Aware | None = None
    hold_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0
    meta: Annotated[dict[str, Any], msgspec.Meta(max_length=50)] = {}
    mentions: Annotated[list[UUID], msgspec.Meta(max_length=50)] = []


class Accepted(msgspec.Struct, kw_only=True):
    """`outbound_id`: null for a note. `send_at`: when it leaves, null for at once."""

    outbound_id: UUID | None
    interaction_id: UUID
    conversation_id: UUID
    state: str
    send_at: datetime | None = None


@routes.add("POST", "/conversations/{conversation_id}/messages", "Answer, or note", scope="write", status=201)
async def send_message(ctx: Ctx, change: Change, conversation_id: UUID, body: NewMessage) -> Accepted:
    await get_conversation(change.connection, ctx.viewer, conversation_id)
    if body.mentions and body.kind != "note":
        raise BadRequest("mentions: only a note names colleagues", reason="mention_in_note")
    agent_id = ctx.actor.agent_id
    if agent_id is not None and await drop_draft(change.connection, agent_id, conversation_id, body.kind):
        change.events.append(draft_event(agent_id, conversation_id, None))
    now = datetime.now(UTC)
    reply = NewReply(
        conversation_id=conversation_id,
        agent_id=agent_id,
        kind=body.kind,
        text=body.text,
        attachment_ids=body.attachments,
        identity_id=body.identity,
        channel_id=body.channel,
        reply_to=body.reply_to,
        send_at=leaves_at(body, now),
        meta=body.meta,
        mentions=body.mentions,
    )
    queued = await queue_reply(change.connection, reply, now)
    change.last_event = queued.event_id
    change.wake.update({Topic.OUTBOUND, Topic.QUEUE})
    return accepted(queued)


def leaves_at(body: NewMessage, now: datetime) -> datetime | None:
    """By our clock, as the writer's may be wrong; None: at once."""
    if not body.hold_s:
        return body.send_at
    held = now + timedelta(seconds=body.hold_s)
    return held if body.send_at is None else max(held, body.send_at)


def accepted(queued: Queued) -> Accepted:
    return Accepted(
        outbound_id=queued.outbound_id,
        interaction_id=queued.interaction_id,
        conversation_id=queued.conversation_id,
        state=queued.state,
        send_at=queued.send_at,
    )
