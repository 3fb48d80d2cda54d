"""Client cards and the addresses they are reached at.

Rows never move: a merge is a row that points the merged card's `card_id` at the survivor, and un-merging ends it.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.models.base import Base, Document, Empty, Flag, Id, Now, Tags, Zero


class Contact(Base):
    """A person or a company. `card_id`: the card it shows on, itself unless merged. `sort_name`: case folded, ё after е."""

    __tablename__ = "contact"
    __table_args__ = (
        CheckConstraint("kind IN ('person', 'company')", name="kind"),
        Index(None, "card_id"),
        Index(None, "owner_id", postgresql_where=text("owner_id IS NOT NULL")),
        Index(None, "company_id", postgresql_where=text("company_id IS NOT NULL")),
        Index(None, "sort_name", "id"),
        Index(
            "contact_name_trgm_idx",
            literal_column("translate(lower(name), 'ё', 'е')").label("folded"),
            postgresql_using="gin",
            postgresql_ops={"folded": "gin_trgm_ops"},
        ),
    )
    id: Mapped[Id]
    card_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(server_default=text("'person'"))
    name: Mapped[Empty]
    sort_name: Mapped[Empty]
    company_id: Mapped[UUID | None]
    owner_id: Mapped[UUID | None]
    custom: Mapped[Document]
    tags: Mapped[Tags]
    vip: Mapped[Flag]
    timezone: Mapped[Empty]
    language: Mapped[Empty]
    birthday: Mapped[date | None]
    source: Mapped[Document]
    created_at: Mapped[Now]
    updated_at: Mapped[Now]
    version: Mapped[Zero]
    erased_at: Mapped[datetime | None]


class Identity(Base):
    """One address. `source` says where the link to the contact came from, `confidence` (0 to 1) how sure it is."""

    __tablename__ = "identity"
    __table_args__ = (
        # With whose it is: a batch is matched without reading the rows.
        UniqueConstraint("kind", "scope", "value", postgresql_include=["id", "contact_id"]),
        Index(None, "contact_id"),
        Index("identity_value_trgm_idx", "value", postgresql_using="gin", postgresql_ops={"value": "gin_trgm_ops"}),
    )
    id: Mapped[Id]
    kind: Mapped[str]
    scope: Mapped[Empty]
    value: Mapped[str]
    ext: Mapped[Empty]
    name: Mapped[Empty]
    contact_id: Mapped[UUID]
    source: Mapped[str] = mapped_column(server_default=text("'message'"))
    confidence: Mapped[float] = mapped_column(server_default=text("1"))
    created_at: Mapped[Now]
    blocked_at: Mapped[datetime | None]
    blocked_reason: Mapped[Empty]


class Consent(Base):
    """A yes or no of a contact to a purpose over a kind of channel; the newest row counts."""

    __tablename__ = "consent"
    __table_args__ = (Index(None, "contact_id", "purpose", "channel_kind", "at"),)
    id: Mapped[Id]
    contact_id: Mapped[UUID]
    channel_kind: Mapped[Empty]
    purpose: Mapped[str]
    given: Mapped[bool]
    source: Mapped[Document]
    at: Mapped[Now]


class ContactMerge(Base):
    """`before`: the survivor's fields as they were, to be put back by an undo."""

    __tablename__ = "contact_merge"
    __table_args__ = (
        Index("contact_merge_merged_id_live_key", "merged_id", unique=True, postgresql_where=text("undone_at IS NULL")),
        Index(None, "survivor_id"),
        CheckConstraint("survivor_id <> merged_id", name="distinct"),
    )
    id: Mapped[Id]
    survivor_id: Mapped[UUID]
    merged_id: Mapped[UUID]
    by: Mapped[UUID | None]
    at: Mapped[Now]
    before: Mapped[Document]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[UUID | None]


class MergeSuggestion(Base):
    """Two cards that may be one person; `first_id` < `second_id`."""

    __tablename__ = "merge_suggestion"
    __table_args__ = (
        UniqueConstraint("first_id", "second_id"),
        Index(None, "second_id"),
        CheckConstraint("first_id < second_id", name="ordered"),
        CheckConstraint("state IN ('open', 'merged', 'dismissed')", name="state"),
    )
    id: Mapped[Id]
    first_id: Mapped[UUID]
    second_id: Mapped[UUID]
    reason: Mapped[str]
    score: Mapped[float]
    state: Mapped[str] = mapped_column(server_default=text("'open'"))
    at: Mapped[Now]
    decided_by: Mapped[UUID | None]


class WorkspaceSetting(Base):
    """Settings of the company that people change while the hub runs."""

    __tablename__ = "workspace_setting"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
    updated_at: Mapped[Now]
