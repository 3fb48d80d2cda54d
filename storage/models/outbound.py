"""The way out: what is to be sent, what became of it, and each try."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.models.base import Base, Document, Empty, Id, Now, Small, Tags, Zero
from storage.words import STATES


class Outbound(Base):
    """A reply on its way. `message`: what to send, frozen; `lease_until`: a claim older than this is taken back.

    `result`: what the provider said beside the ids.

    queued -> claimed (safe to take back) -> sending (committed before bytes leave) -> sent -> delivered -> read,
    or failed / in_doubt / cancelled.
    """

    __tablename__ = "outbound"
    __table_args__ = (
        Index("outbound_due_idx", "channel_id", "class", "next_at", postgresql_where=text("state = 'queued'")),
        Index("outbound_in_hand_idx", "state", "lease_until", postgresql_where=text("state IN ('claimed', 'sending')")),
        Index(
            "outbound_trouble_idx", "state", "id", postgresql_where=text("state IN ('failed', 'in_doubt', 'queued')")
        ),
        Index(
            "outbound_thread_idx",
            "channel_id",
            "thread_key",
            "class",
            "id",
            postgresql_where=text("state IN ('queued', 'claimed', 'sending')"),
        ),
        Index(None, "interaction_id"),
        Index(None, "conversation_id", "id"),
        CheckConstraint(f"state IN {STATES}", name="state"),
    )
    id: Mapped[Id]
    interaction_id: Mapped[UUID]
    conversation_id: Mapped[UUID]
    channel_id: Mapped[UUID]
    thread_key: Mapped[str]
    identity_id: Mapped[UUID]
    klass: Mapped[Small] = mapped_column("class", SmallInteger(), server_default=text("0"))
    state: Mapped[str] = mapped_column(server_default=text("'queued'"))
    message: Mapped[dict[str, Any]]
    agent_id: Mapped[UUID | None]
    attempts: Mapped[Zero]
    next_at: Mapped[Now]
    lease_until: Mapped[datetime | None]
    claimed_by: Mapped[Empty]
    external_ids: Mapped[Tags]
    result: Mapped[Document]
    error_class: Mapped[Empty]
    error_code: Mapped[Empty]
    error: Mapped[Empty]
    created_at: Mapped[Now]
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]


class OutboundAttempt(Base):
    """One try at sending, for the operator's eyes: verdict, the provider's words, how long it took."""

    __tablename__ = "outbound_attempt"
    __table_args__ = (Index(None, "outbound_id", "id"),)
    id: Mapped[Id]
    outbound_id: Mapped[UUID]
    at: Mapped[Now]
    took_ms: Mapped[int]
    verdict: Mapped[str]
    provider_code: Mapped[Empty]
    provider_text: Mapped[Empty]
