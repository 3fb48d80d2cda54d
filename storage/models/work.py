"""What people do beside answering: tasks, texts they keep, what they looked for, and what they hand to one another."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from storage.models.base import Base, Document, Empty, Flag, Id, Now, On, Tags, Zero


class Task(Base):
    """Something to be done by `assignee_id`, or by whoever of `queue_id` is first. `key`: what makes an automatic one the
    same task (`missed_call:<call>`); `result`: what came of it.
    """

    __tablename__ = "task"
    __table_args__ = (
        Index("task_key_key", "key", unique=True, postgresql_where=sql("key IS NOT NULL")),
        Index("task_open_assignee_id_idx", "assignee_id", "due_at", postgresql_where=sql("state = 'open'")),
        Index("task_open_due_at_idx", "due_at", postgresql_where=sql("state = 'open'")),
        Index("task_remind_at_idx", "remind_at", postgresql_where=sql("state = 'open' AND remind_at IS NOT NULL")),
        Index(None, "contact_id", "id"),
        Index(None, "conversation_id", postgresql_where=sql("conversation_id IS NOT NULL")),
        CheckConstraint("kind IN ('todo', 'call_back', 'meeting', 'complaint')", name="kind"),
        CheckConstraint("state IN ('open', 'done', 'cancelled')", name="state"),
    )
    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(server_default=sql("'todo'"))
    title: Mapped[str]
    text: Mapped[Empty]
    contact_id: Mapped[UUID | None]
    conversation_id: Mapped[UUID | None]
    interaction_id: Mapped[UUID | None]
    call_id: Mapped[UUID | None]
    assignee_id: Mapped[UUID | None]
    queue_id: Mapped[UUID | None]
    created_by: Mapped[UUID | None]
    due_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    remind_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(server_default=sql("'open'"))
    result: Mapped[Empty]
    done_at: Mapped[datetime | None]
    done_by: Mapped[UUID | None]
    key: Mapped[str | None]
    created_at: Mapped[Now]
    version: Mapped[Zero]


class CannedAnswer(Base):
    """A text for use again, found by `shortcut`. `agent_id`: whose own it is, none is everybody's. `kinds`: of channels it
    is offered on, none is all.
    """

    __tablename__ = "canned_answer"
    __table_args__ = (
        Index(
            "canned_answer_shortcut_key",
            sql("lower(shortcut)"),
            "agent_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )
    id: Mapped[Id]
    shortcut: Mapped[str]
    title: Mapped[Empty]
    text: Mapped[str]
    kinds: Mapped[Tags]
    agent_id: Mapped[UUID | None]
    used: Mapped[Zero]
    updated_at: Mapped[Now]
    updated_by: Mapped[UUID | None]


class Draft(Base):
    """What an agent has begun to write in a conversation. `body`: {kind, text, identity, attachments, reply_to}."""

    __tablename__ = "draft"
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]]
    updated_at: Mapped[Now]


class SavedView(Base):
    """A list as somebody likes it. `agent_id`: whose own, none is everybody's; `filters`, `columns`: the list's own words."""

    __tablename__ = "saved_view"
    __table_args__ = (
        Index(None, "agent_id"),
        CheckConstraint("object IN ('conversation', 'contact', 'call', 'task')", name="object"),
    )
    id: Mapped[Id]
    object: Mapped[str]
    name: Mapped[str]
    agent_id: Mapped[UUID | None]
    filters: Mapped[Document]
    columns: Mapped[Tags]
    position: Mapped[Zero]
    created_at: Mapped[Now]


class CustomField(Base):
    """A field of the company's own on the card. `key`: its name in `contact.custom`; `options`: of a choice."""

    __tablename__ = "custom_field"
    __table_args__ = (
        UniqueConstraint("key"),
        CheckConstraint("type IN ('text', 'number', 'date', 'choice', 'flag', 'link')", name="type"),
    )
    id: Mapped[Id]
    key: Mapped[str]
    label: Mapped[str]
    type: Mapped[str] = mapped_column(server_default=sql("'text'"))
    options: Mapped[Tags]
    position: Mapped[Zero]
    active: Mapped[On]


class Disposition(Base):
    """An outcome to choose when a conversation or a call is closed."""

    __tablename__ = "disposition"
    __table_args__ = (
        UniqueConstraint("object", "name"),
        CheckConstraint("object IN ('conversation', 'call')", name="object"),
    )
    id: Mapped[Id]
    object: Mapped[str]
    name: Mapped[str]
    position: Mapped[Zero]
    active: Mapped[On]


class Transfer(Base):
    """A conversation offered to a colleague, with why; accepted by him or returned, also with why."""

    __tablename__ = "transfer"
    __table_args__ = (
        Index("transfer_offered_key", "conversation_id", unique=True, postgresql_where=sql("state = 'offered'")),
        Index("transfer_to_agent_id_idx", "to_agent_id", postgresql_where=sql("state = 'offered'")),
        CheckConstraint("state IN ('offered', 'accepted', 'returned', 'withdrawn')", name="state"),
    )
    id: Mapped[Id]
    conversation_id: Mapped[UUID]
    from_agent_id: Mapped[UUID | None]
    to_agent_id: Mapped[UUID]
    reason: Mapped[Empty]
    state: Mapped[str] = mapped_column(server_default=sql("'offered'"))
    answer: Mapped[Empty]
    at: Mapped[Now]
    answered_at: Mapped[datetime | None]


class Mention(Base):
    """An agent named in a note. `seen_at`: when he opened it."""

    __tablename__ = "mention"
    __table_args__ = (Index("mention_unseen_idx", "agent_id", postgresql_where=sql("seen_at IS NULL")),)
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    interaction_id: Mapped[UUID] = mapped_column(primary_key=True)
    conversation_id: Mapped[UUID]
    at: Mapped[Now]
    seen_at: Mapped[datetime | None]


class ImportJob(Base):
    """A file of cards on its way in. `mapping`: column -> field; `done_rows` goes on from there after a restart."""

    __tablename__ = "import_job"
    __table_args__ = (
        Index("import_job_waiting_idx", "id", postgresql_where=sql("state IN ('waiting', 'running')")),
        CheckConstraint("state IN ('uploaded', 'waiting', 'running', 'done', 'failed', 'cancelled')", name="state"),
    )
    id: Mapped[Id]
    name: Mapped[str]
    blob: Mapped[str]
    columns: Mapped[Tags]
    mapping: Mapped[Document]
    state: Mapped[str] = mapped_column(server_default=sql("'uploaded'"))
    rows: Mapped[Zero]
    done_rows: Mapped[Zero]
    made: Mapped[Zero]
    changed: Mapped[Zero]
    refused: Mapped[Zero]
    errors_blob: Mapped[str | None]
    error: Mapped[Empty]
    created_by: Mapped[UUID | None]
    created_at: Mapped[Now]
    finished_at: Mapped[datetime | None]


class Erasure(Base):
    """The certificate of a person's data removed. `counts`: what was, by table; nothing of what it said."""

    __tablename__ = "erasure"
    id: Mapped[Id]
    contact_id: Mapped[UUID]
    asked_by: Mapped[Empty]
    reason: Mapped[Empty]
    counts: Mapped[Document]
    by: Mapped[UUID | None]
    at: Mapped[Now]


class SecondFactor(Base):
    """TOTP of an agent. `secret`: ciphertext; `last_step`: the last code's time step, so that none works twice;
    `recovery`: SHA-256 of codes not used yet.
    """

    __tablename__ = "second_factor"
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    secret: Mapped[str]
    confirmed_at: Mapped[datetime | None]
    last_step: Mapped[Zero]
    recovery: Mapped[Tags]
    required: Mapped[Flag]
