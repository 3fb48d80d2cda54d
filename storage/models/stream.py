"""The stream itself: conversations and the interactions in them.

`interaction` is partitioned by its id, that is by arrival; nothing points at it by a foreign key, and what must be
unique about it stands in `external_ref`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Computed, Identity, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from storage.models.base import Base, Big, Document, Empty, Flag, Id, Now, Tags, Zero

SEARCH = "to_tsvector('hub'::regconfig, coalesce(body ->> 'subject', '') || ' ' || text)"
"""What an interaction is found by: the stems of Russian and English words, small ones too (migration 0003)."""


class Conversation(Base):
    """The thread with one contact on one channel. `queued_at`: waiting in `queue_id` since; `frt_due_at`: first answer due."""

    __tablename__ = "conversation"
    __table_args__ = (
        Index(
            "conversation_channel_id_thread_key_open_key",
            "channel_id",
            "thread_key",
            unique=True,
            postgresql_where=text("status <> 'resolved'"),
        ),
        Index(None, "channel_id", "thread_key", "id"),
        Index(None, "contact_id"),
        Index(None, "assignee_id", "id"),
        Index(None, "queue_id", "id"),
        Index("conversation_waiting_idx", "queue_id", "queued_at", postgresql_where=text("queued_at IS NOT NULL")),
        CheckConstraint("status IN ('open', 'pending', 'snoozed', 'resolved')", name="status"),
        {"postgresql_with": {"fillfactor": "80"}},
    )
    id: Mapped[Id]
    channel_id: Mapped[UUID]
    thread_key: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default=text("'message'"))
    contact_id: Mapped[UUID]
    identity_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(server_default=text("'open'"))
    assignee_id: Mapped[UUID | None]
    queue_id: Mapped[UUID | None]
    queued_at: Mapped[datetime | None]
    assignment_reason: Mapped[Empty]
    subject: Mapped[Empty]
    previous_id: Mapped[UUID | None]
    last_at: Mapped[Now]
    last_in_at: Mapped[datetime | None]
    last_text: Mapped[Empty]
    unread: Mapped[Zero]
    frt_due_at: Mapped[datetime | None]
    first_response_at: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    disposition: Mapped[Empty]
    tags: Mapped[Tags]
    created_at: Mapped[Now]
    version: Mapped[Zero]


class ConversationParticipant(Base):
    """Agents who may see a conversation although it is not theirs: wrote in it, were mentioned, or were rung."""

    __tablename__ = "conversation_participant"
    __table_args__ = (Index(None, "agent_id", "last_at"),)
    conversation_id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    last_at: Mapped[Now]
    why: Mapped[Empty]


class Interaction(Base):
    """One item of the stream. `order_at`, `seq`, `journal_id`: its place. `body`: the item's other parts (html, quoted,
    subject, attachments, sender, call, meta). `state`: of one that we sent.
    """

    __tablename__ = "interaction"
    __table_args__ = (
        Index(None, "conversation_id", "order_at", "seq", "id"),
        Index(None, "contact_id", "order_at", "seq", "id"),
        Index(None, "channel_id", "order_at", "seq", "id"),
        Index("interaction_search_idx", "search", postgresql_using="gin"),
        {"postgresql_partition_by": "RANGE (id)"},
    )
    id: Mapped[Id]
    order_at: Mapped[datetime]
    seq: Mapped[Big] = mapped_column(BigInteger(), server_default=text("0"))
    journal_id: Mapped[int | None] = mapped_column(BigInteger())
    kind: Mapped[str]
    direction: Mapped[str]
    channel_id: Mapped[UUID]
    conversation_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    identity_id: Mapped[UUID | None]
    agent_id: Mapped[UUID | None]
    external_id: Mapped[Empty]
    reply_to: Mapped[Empty]
    sent_at: Mapped[datetime | None]
    received_at: Mapped[Now]
    text: Mapped[Empty]
    body: Mapped[dict[str, Any] | None]
    state: Mapped[str | None]
    edited_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    replayed: Mapped[Flag]
    search: Mapped[Any] = mapped_column(TSVECTOR(), Computed(SEARCH, persisted=True), nullable=True)


class ExternalRef(Base):
    """The provider's ids of our interactions, as old as the interaction: what was seen once is never made twice."""

    __tablename__ = "external_ref"
    channel_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True, server_default=text("''"))
    interaction_id: Mapped[UUID]


class PendingStatus(Base):
    """A receipt that came before the answer to our sending; joined when the id becomes known, dropped after a day."""

    __tablename__ = "pending_status"
    __table_args__ = (Index(None, "at"),)
    channel_id: Mapped[UUID] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str] = mapped_column(primary_key=True)
    error: Mapped[Document]
    at: Mapped[Now]


class PartBuffer(Base):
    """Pieces of a long message that wait for the others."""

    __tablename__ = "part_buffer"
    __table_args__ = (Index(None, "at"),)
    channel_id: Mapped[UUID] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    of: Mapped[int]
    entry_id: Mapped[int] = mapped_column(BigInteger())
    item: Mapped[dict[str, Any]]
    given_up: Mapped[Flag]
    at: Mapped[Now]


class Assignment(Base):
    """Who held a conversation from when to when. `reason`: a sentence; `facts`: what it was decided on."""

    __tablename__ = "assignment"
    __table_args__ = (
        Index(None, "conversation_id", "since"),
        Index(None, "agent_id", "since"),
    )
    id: Mapped[Id]
    conversation_id: Mapped[UUID]
    agent_id: Mapped[UUID | None]
    queue_id: Mapped[UUID | None]
    since: Mapped[Now]
    until: Mapped[datetime | None]
    reason: Mapped[str]
    facts: Mapped[Document]
    by: Mapped[UUID | None]


class Call(Base):
    """One call, reduced from the set of its events whatever their order. Durations in seconds."""

    __tablename__ = "call"
    __table_args__ = (
        UniqueConstraint("channel_id", "external_id"),
        Index(None, "conversation_id"),
        Index("call_unfinished_idx", "started_at", postgresql_where=text("state <> 'finished'")),
    )
    id: Mapped[Id]
    channel_id: Mapped[UUID]
    external_id: Mapped[str]
    conversation_id: Mapped[UUID | None]
    interaction_id: Mapped[UUID | None]
    state: Mapped[str]
    outcome: Mapped[str | None]
    direction: Mapped[str | None]
    client: Mapped[Empty]
    our_number: Mapped[Empty]
    employee: Mapped[Empty]
    started_at: Mapped[Now]
    answered_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    talk_s: Mapped[int | None]
    wait_s: Mapped[int | None]
    recording_id: Mapped[UUID | None]
    disposition: Mapped[Empty]
    events: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))


class CallReservation(Base):
    """An agent promised to a PBX that asked who should take a call; the same question gets the same answer."""

    __tablename__ = "call_reservation"
    __table_args__ = (Index(None, "agent_id", "until_at"),)
    channel_id: Mapped[UUID] = mapped_column(primary_key=True)
    call_id: Mapped[str] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID | None]
    answer: Mapped[dict[str, Any]]
    until_at: Mapped[datetime]


class Attachment(Base):
    """A file of an interaction. `blob`: its SHA-256 once kept; `source`: how to fetch it until then."""

    __tablename__ = "attachment"
    __table_args__ = (
        Index(None, "interaction_id"),
        Index("attachment_pending_idx", "next_at", postgresql_where=text("state = 'pending'")),
        CheckConstraint("state IN ('pending', 'kept', 'too_large', 'failed')", name="state"),
    )
    id: Mapped[Id]
    interaction_id: Mapped[UUID | None]
    channel_id: Mapped[UUID | None]
    name: Mapped[Empty]
    type: Mapped[Empty]
    size: Mapped[int | None] = mapped_column(BigInteger())
    blob: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default=text("'pending'"))
    source: Mapped[Document]
    attempts: Mapped[Zero]
    next_at: Mapped[Now]
    error: Mapped[Empty]
    uploaded_by: Mapped[UUID | None]
    created_at: Mapped[Now]


class Blob(Base):
    """Bytes kept once, however many attachments and journal entries share them. `refs` counts the attachments; an entry
    holds its blob by naming it. A row with `refs` 0 is to be looked at: perhaps nobody needs it any more.
    """

    __tablename__ = "blob"
    __table_args__ = (Index("blob_unused_idx", "sha256", postgresql_where=text("refs <= 0")),)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[Big]
    refs: Mapped[Zero]
    created_at: Mapped[Now]


class Event(Base):
    """What sockets and webhooks are told, in commit order. `data`: JSON text, sent as it is; `audience`: who may see it."""

    __tablename__ = "event"
    __table_args__ = ({"postgresql_partition_by": "RANGE (id)"},)
    id: Mapped[int] = mapped_column(BigInteger(), Identity(), primary_key=True)
    at: Mapped[Now]
    type: Mapped[str]
    audience: Mapped[Tags]
    data: Mapped[str]
