"""What the pipeline passes from step to step: entries of the journal, the items in them, and what is found out of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from connectors.base import Payload
from connectors.items import Item
from router.channels import Channel

STREAM_KINDS = frozenset({"message", "call", "form"})
"""Kinds that become interactions of their own; the others speak of one that exists."""


@dataclass(slots=True)
class Entry:
    """One row of the journal in hand. `fresh`: young enough for effects (answers, pops, SLA)."""

    id: int
    lane: int
    klass: int
    attempts: int
    replay: bool
    channel: Channel | None
    received_at: datetime
    silent: bool
    payload: Payload
    fresh: bool = True


@dataclass(slots=True)
class Result:
    """What became of an entry, for the journal."""

    entry_id: int
    state: str = "done"
    interactions: list[UUID] = field(default_factory=list)
    detail: str | None = None


class Key(NamedTuple):
    """An address as identities are unique by."""

    kind: str
    scope: str
    value: str


@dataclass(slots=True)
class Card:
    """What routing wants to know of a client. `id` is the card shown, survivor of merges."""

    id: UUID
    name: str = ""
    owner_id: UUID | None = None
    tags: list[str] = field(default_factory=list)
    vip: bool = False
    language: str = ""
    source: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Known:
    """An address and whose it is. `contact_id`: the row it is linked to, which a merge may show on another card."""

    identity_id: UUID
    contact_id: UUID
    card: Card


@dataclass(slots=True)
class Thread:
    """A conversation as the batch sees and changes it; up to `participants` (agents who took part in the last 30 days) in
    the order of `latest_conversations` in storage/sql/stream.sql.
    """

    id: UUID
    channel_id: UUID
    thread_key: str
    kind: str
    contact_id: UUID
    identity_id: UUID | None
    status: str = "open"
    assignee_id: UUID | None = None
    queue_id: UUID | None = None
    queued_at: datetime | None = None
    assignment_reason: str = ""
    unread: int = 0
    last_at: datetime | None = None
    last_in_at: datetime | None = None
    last_text: str = ""
    frt_due_at: datetime | None = None
    first_response_at: datetime | None = None
    resolved_at: datetime | None = None
    previous_id: UUID | None = None
    subject: str = ""
    version: int = 0
    participants: list[UUID] = field(default_factory=list)
    is_new: bool = False
    changed: bool = False
    assigned: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Work:
    """One item on its way into the stream."""

    entry: Entry
    channel: Channel
    item: Item
    result: Result
    interaction_id: UUID
    known: Known | None = None
    thread: Thread | None = None
    order_at: datetime | None = None
