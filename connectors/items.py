"""The words connectors speak: what `normalize` yields, as the wire contract of `main.py normalize` has it.

Plain msgspec structs: decoding and encoding them is on the hot path. A key without a value is absent in JSON.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

Kind = Literal[
    "message",
    "call",
    "form",
    "delivery",
    "edit",
    "delete",
    "reaction",
    "read",
    "typing",
    "opt_out",
    "ignored",
]
Direction = Literal["in", "out"]
Status = Literal["sent", "delivered", "read", "failed", "delayed"]
ErrorClass = Literal["retry", "rate_limited", "permanent", "blocked", "window_closed", "channel", "in_doubt"]
CallState = Literal["started", "ivr", "queue", "ringing", "talking", "held", "finished"]
CallOutcome = Literal["answered", "missed", "busy", "cancelled", "failed"]


class Address(msgspec.Struct, omit_defaults=True, frozen=True):
    """One end of an item: `kind` is an identity kind, `scope` the page, bot, site or PBX where the value is unique."""

    kind: str
    value: str
    scope: str = ""
    name: str = ""


class Identity(msgspec.Struct, omit_defaults=True, frozen=True):
    """An address the payload proves to belong to the sender. `ext`: extension behind a phone, digits."""

    kind: str
    value: str
    scope: str = ""
    ext: str = ""


class Attachment(msgspec.Struct, omit_defaults=True):
    """`url` can be fetched as it is; `id` needs the connector's `fetch_media`; `data` came inside the payload (base64)."""

    name: str = ""
    type: str = ""
    size: int | None = None
    url: str = ""
    id: str = ""
    data: bytes | None = None


class Part(msgspec.Struct, omit_defaults=True, frozen=True):
    """Piece `n` (from 1) of `of` pieces that share `ref`; the router joins them."""

    ref: str
    n: int
    of: int = 0


class ItemError(msgspec.Struct, omit_defaults=True, frozen=True):
    """Why a message of ours was not delivered. `code`, `text`: the provider's; `class_`: ours."""

    code: str = ""
    text: str = ""
    class_: ErrorClass | None = msgspec.field(default=None, name="class")


class Call(msgspec.Struct, omit_defaults=True):
    """State of a call as one event tells it. Phones are E.164, durations whole seconds, `aliases` further ids of it."""

    state: CallState
    outcome: CallOutcome | None = None
    direction: Literal["in", "out", "internal"] | None = None
    client: str = ""
    our_number: str = ""
    employee: str = ""
    answered: bool | None = None
    talk_s: int | None = None
    wait_s: int | None = None
    recording: str = ""
    aliases: list[str] = []


class Item(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One thing that happened. Which keys a kind must have: docs/architecture.md, "Items"."""

    kind: Kind
    connector: str = ""
    external_id: str = ""
    direction: Direction | None = None
    sender: Address | None = None
    recipients: list[Address] = []
    identities: list[Identity] = []
    text: str = ""
    quoted: str = ""
    html: str = ""
    subject: str = ""
    attachments: list[Attachment] = []
    sent_at: datetime | None = None
    reply_to: str = ""
    thread_key: str = ""
    part: Part | None = None
    status: Status | None = None
    error: ItemError | None = None
    call: Call | None = None
    reason: str = ""
    meta: dict[str, Any] = {}


_encoder = msgspec.json.Encoder(uuid_format="canonical")


def to_json(item: Item) -> bytes:
    """The item as the contract's JSON object."""
    return _encoder.encode(item)


def ignored(reason: str) -> Item:
    """A payload understood, but not for people."""
    return Item(kind="ignored", reason=reason)


def from_unix(seconds: float) -> datetime:
    """Aware UTC time of a provider's Unix time; 10^12 and above are milliseconds. Raises ValueError when absurd."""
    if abs(seconds) >= 1e12:
        seconds /= 1000
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("not a time") from error
