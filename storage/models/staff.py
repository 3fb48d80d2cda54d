"""Agents, what they can and may do, and the queues work waits in."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.models.base import Base, Document, Empty, Flag, Id, Now, On, Tags, Zero

CAPACITY = """'{"message": 5, "email": 10, "form": 10, "call": 1}'"""


class Agent(Base):
    """A person who answers. `capacity`: open conversations at a time by channel kind (message, email, form, call)."""

    __tablename__ = "agent"
    __table_args__ = (
        UniqueConstraint("login"),
        CheckConstraint("role IN ('agent', 'supervisor', 'admin')", name="role"),
    )
    id: Mapped[Id]
    login: Mapped[str]
    name: Mapped[str]
    email: Mapped[Empty]
    password_hash: Mapped[Empty]
    role: Mapped[str] = mapped_column(server_default=text("'agent'"))
    active: Mapped[On]
    language: Mapped[str] = mapped_column(server_default=text("'ru'"))
    capacity: Mapped[dict[str, Any]] = mapped_column(server_default=text(CAPACITY))
    skills: Mapped[Tags]
    created_at: Mapped[Now]


class AgentExtension(Base):
    """The short number an agent answers at on one PBX channel."""

    __tablename__ = "agent_extension"
    __table_args__ = (Index(None, "agent_id"),)
    channel_id: Mapped[UUID] = mapped_column(primary_key=True)
    extension: Mapped[str] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID]


class Presence(Base):
    """What an agent does now; `seen_at` is the last sign of life of any of his pages."""

    __tablename__ = "presence"
    __table_args__ = (CheckConstraint("state IN ('online', 'away', 'wrap_up', 'offline')", name="state"),)
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str]
    reason: Mapped[Empty]
    since: Mapped[Now]
    seen_at: Mapped[Now]


class Absence(Base):
    """Away from `from_at` until `until_at`; the deputy, if any, takes what would be his."""

    __tablename__ = "absence"
    __table_args__ = (Index(None, "agent_id", "until_at"), CheckConstraint("from_at < until_at", name="order"))
    id: Mapped[Id]
    agent_id: Mapped[UUID]
    from_at: Mapped[datetime]
    until_at: Mapped[datetime]
    deputy_id: Mapped[UUID | None]
    reason: Mapped[Empty]


class Queue(Base):
    """Where conversations wait. `hours`: weekday "1".."7" -> [["09:00", "18:00"], …], absent = round the clock;
    `holidays`: "2026-12-31" -> the same list. `frt_s`, `overflow_after_s`: working seconds and seconds; 0 = none.
    """

    __tablename__ = "queue"
    __table_args__ = (UniqueConstraint("name"),)
    id: Mapped[Id]
    name: Mapped[str]
    skills: Mapped[Tags]
    hours: Mapped[Document]
    holidays: Mapped[Document]
    timezone: Mapped[Empty]
    frt_s: Mapped[Zero]
    overflow_after_s: Mapped[Zero]
    overflow_queue_id: Mapped[UUID | None]
    reopen_days: Mapped[int] = mapped_column(server_default=text("14"))
    is_default: Mapped[Flag]
    created_at: Mapped[Now]


class QueueMember(Base):
    __tablename__ = "queue_member"
    __table_args__ = (Index(None, "agent_id"),)
    queue_id: Mapped[UUID] = mapped_column(primary_key=True)
    agent_id: Mapped[UUID] = mapped_column(primary_key=True)


class RoutingRule(Base):
    """First match by `position` wins. `conditions`: {channel, our_number, source, tag, language, vip, text}, all must hold."""

    __tablename__ = "routing_rule"
    __table_args__ = (Index(None, "position"),)
    id: Mapped[Id]
    position: Mapped[int]
    name: Mapped[str]
    conditions: Mapped[Document]
    queue_id: Mapped[UUID | None]
    agent_id: Mapped[UUID | None]
    active: Mapped[On]


class ApiToken(Base):
    """`hash`: SHA-256 of the token (32 random bytes need no slow hash)."""

    __tablename__ = "api_token"
    __table_args__ = (UniqueConstraint("hash"),)
    id: Mapped[Id]
    name: Mapped[str]
    hash: Mapped[bytes] = mapped_column(LargeBinary())
    scopes: Mapped[Tags]
    agent_id: Mapped[UUID | None]
    created_at: Mapped[Now]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class WebSession(Base):
    __tablename__ = "web_session"
    __table_args__ = (UniqueConstraint("hash"), Index(None, "agent_id"))
    id: Mapped[Id]
    hash: Mapped[bytes] = mapped_column(LargeBinary())
    agent_id: Mapped[UUID]
    created_at: Mapped[Now]
    expires_at: Mapped[datetime]
    seen_at: Mapped[Now]
    user_agent: Mapped[Empty]
    address: Mapped[Empty]


class AuditLog(Base):
    """Who changed what. `before` and `after` carry the changed fields alone, never a secret."""

    __tablename__ = "audit_log"
    __table_args__ = (Index(None, "object_kind", "object_id"),)
    id: Mapped[Id]
    at: Mapped[Now]
    actor: Mapped[str]
    action: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[str]
    before: Mapped[Document]
    after: Mapped[Document]


class IdempotencyKey(Base):
    """The answer given to a request of the API, to be given again to its repetition (kept 72 h)."""

    __tablename__ = "idempotency_key"
    __table_args__ = (Index(None, "at"),)
    actor: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[bytes] = mapped_column(LargeBinary())
    status: Mapped[int]
    body: Mapped[dict[str, Any]]
    at: Mapped[Now]
