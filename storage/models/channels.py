"""Configured connections, how they are doing, and the journal of everything they brought."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Identity, Index, LargeBinary, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.models.base import Base, Document, Empty, Flag, Id, Now, Small, Zero


class Channel(Base):
    """`settings`: ciphertext of the connector's settings; `token`: the unguessable part of its hook address."""

    __tablename__ = "channel"
    __table_args__ = (
        UniqueConstraint("token"),
        CheckConstraint("state IN ('active', 'paused', 'broken')", name="state"),
    )
    id: Mapped[Id]
    connector: Mapped[str]
    name: Mapped[str]
    token: Mapped[str]
    settings: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=text("'active'"))
    queue_id: Mapped[UUID | None]
    created_at: Mapped[Now]
    version: Mapped[Zero]


class ChannelHealth(Base):
    """Written every few seconds by whoever receives or sends, not with each message."""

    __tablename__ = "channel_health"
    channel_id: Mapped[UUID] = mapped_column(primary_key=True)
    last_received_at: Mapped[datetime | None]
    last_sent_at: Mapped[datetime | None]
    refused: Mapped[int] = mapped_column(BigInteger(), server_default=text("0"))
    problem: Mapped[Empty]
    problem_since: Mapped[datetime | None]
    silent_since: Mapped[datetime | None]


class ChannelMark(Base):
    """How far a fetcher has come; committed together with the journal rows it brought."""

    __tablename__ = "channel_mark"
    channel_id: Mapped[UUID] = mapped_column(primary_key=True)
    mark: Mapped[Document]
    at: Mapped[Now]


class ChannelRefusal(Base):
    """One of the last 20 refused requests of a channel: a rotated secret looks just like an attack."""

    __tablename__ = "channel_refusal"
    __table_args__ = (Index(None, "channel_id", "at"),)
    id: Mapped[Id]
    channel_id: Mapped[UUID]
    at: Mapped[Now]
    status: Mapped[Small]
    reason: Mapped[str]
    request: Mapped[Document]
    body: Mapped[bytes] = mapped_column(LargeBinary())


class _Entry:
    channel_id: Mapped[UUID]
    received_at: Mapped[Now]
    lane: Mapped[Small]
    klass: Mapped[Small] = mapped_column("class", SmallInteger())
    silent: Mapped[Flag]
    request: Mapped[dict[str, Any] | None]
    body: Mapped[bytes | None] = mapped_column(LargeBinary())
    blob: Mapped[str | None]


class Journal(_Entry, Base):
    """Every raw payload received; never updated. `request`: method, path, query, url, kept headers; null for a bare POST.
    `blob`: SHA-256 of a body that is kept outside.
    """

    __tablename__ = "journal"
    __table_args__ = (
        Index(None, "channel_id", "id"),
        Index("journal_blob_idx", "blob", postgresql_where=text("blob IS NOT NULL")),
        {"postgresql_partition_by": "RANGE (id)"},
    )
    id: Mapped[int] = mapped_column(BigInteger(), Identity(), primary_key=True)


class JournalKept(_Entry, Base):
    """Entries not done when their partition was removed."""

    __tablename__ = "journal_kept"
    __table_args__ = (Index("journal_kept_blob_idx", "blob", postgresql_where=text("blob IS NOT NULL")),)
    id: Mapped[int] = mapped_column(BigInteger(), primary_key=True, autoincrement=False)


class _Dedup:
    key: Mapped[UUID] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime | None]


class JournalDedup(_Dedup, Base):
    """Keys seen in this generation: 128 bits of a digest over channel and the connector's key."""

    __tablename__ = "journal_dedup"


class JournalDedupOld(_Dedup, Base):
    """The generation before; the two change names when it is emptied."""

    __tablename__ = "journal_dedup_old"


class JournalTodo(Base):
    """The work list: deleted by the transaction that does the work. `attempts`: unclean deaths while it was in hand."""

    __tablename__ = "journal_todo"
    __table_args__ = (Index(None, "class", "entry_id", postgresql_include=["lane"]),)
    entry_id: Mapped[int] = mapped_column(BigInteger(), primary_key=True, autoincrement=False)
    lane: Mapped[Small]
    klass: Mapped[Small] = mapped_column("class", SmallInteger())
    attempts: Mapped[int] = mapped_column(SmallInteger(), server_default=text("0"))
    replay: Mapped[Flag]


class JournalAttempt(Base):
    """A batch in hand of one worker, noted before the work; a row whose worker is dead names the suspects."""

    __tablename__ = "journal_attempt"
    id: Mapped[int] = mapped_column(BigInteger(), Identity(), primary_key=True)
    worker: Mapped[int]
    entry_ids: Mapped[list[int]]
    at: Mapped[Now]


class JournalResult(Base):
    """What an entry became. `items`: how many; `error`: a sentence and, for failed ones, where it was raised."""

    __tablename__ = "journal_result"
    __table_args__ = (
        Index(
            "journal_result_state_entry_id_idx",
            "state",
            "entry_id",
            postgresql_where=text("state IN ('failed', 'quarantined', 'ignored')"),
        ),
        {"postgresql_partition_by": "RANGE (entry_id)"},
    )
    entry_id: Mapped[int] = mapped_column(BigInteger(), primary_key=True, autoincrement=False)
    state: Mapped[str]
    at: Mapped[Now]
    interactions: Mapped[list[UUID] | None]
    detail: Mapped[str | None]
