"""The events of the stream, as sockets and webhooks get them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from router.matching import client_of
from router.work import Thread, Work
from storage.events import NewEvent, audience


class InteractionFrame(msgspec.Struct, omit_defaults=True, kw_only=True):
    """An item of `GET /interactions`."""

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
    sender: Any = None
    text: str = ""
    subject: str = ""
    attachments: list[Any] = []
    reply_to: str = ""
    meta: dict[str, Any] = {}
    call: Any = None
    identity_id: UUID | None = None
    state: str | None = None


class ConversationFrame(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What the list of conversations shows."""

    id: UUID
    channel_id: UUID
    contact_id: UUID
    contact_name: str
    status: str
    unread: int
    last_at: datetime | None
    last_text: str
    version: int
    kind: str = "message"
    assignee_id: UUID | None = None
    queue_id: UUID | None = None
    assignment_reason: str = ""
    frt_due_at: datetime | None = None
    previous_id: UUID | None = None


class Created(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Data of `interaction.created`. `replayed`: not news; no effect may follow."""

    interaction: InteractionFrame
    conversation: ConversationFrame
    replayed: bool = False


def created(work: Work) -> NewEvent:
    """A new item of the stream, with its conversation as the batch leaves it."""
    thread, known, item = work.thread, work.known, work.item
    assert thread is not None
    assert known is not None
    assert work.order_at is not None
    frame = InteractionFrame(
        id=work.interaction_id,
        at=work.order_at,
        received_at=work.entry.received_at,
        sent_at=item.sent_at,
        kind=item.kind,
        direction=item.direction or "in",
        channel_id=work.channel.id,
        contact_id=known.card.id,
        conversation_id=thread.id,
        external_id=item.external_id,
        sender=item.sender,
        text=item.text,
        subject=item.subject,
        attachments=[{"name": a.name, "type": a.type, "size": a.size} for a in item.attachments],
        reply_to=item.reply_to,
        meta=item.meta,
        call=item.call,
        identity_id=known.identity_id,
        state="sent" if item.direction == "out" else None,
    )
    data = Created(
        interaction=frame, conversation=conversation(thread, known.card.id, known.card.name or _address(work))
    )
    data.replayed = not work.entry.fresh
    words = audience(agents=(thread.assignee_id, known.card.owner_id, *thread.participants), queue=thread.queue_id)
    return NewEvent("interaction.created", words, data)


def _address(work: Work) -> str:
    """What lists call a card without a name, as `storage.reading.CARD_NAME` does."""
    client = client_of(work.item)
    return client.value if client is not None and client.kind in {"phone", "email"} else ""


def conversation(thread: Thread, card_id: UUID, name: str) -> ConversationFrame:
    """The conversation's row for the list."""
    return ConversationFrame(
        id=thread.id,
        channel_id=thread.channel_id,
        contact_id=card_id,
        contact_name=name,
        status=thread.status,
        unread=thread.unread,
        last_at=thread.last_at,
        last_text=thread.last_text,
        version=thread.version,
        kind=thread.kind,
        assignee_id=thread.assignee_id,
        queue_id=thread.queue_id,
        assignment_reason=thread.assignment_reason,
        frt_due_at=thread.frt_due_at,
        previous_id=thread.previous_id,
    )
