"""What becomes of an outbound message: its states and their ranks, what exactly is sent, when it is tried again, and
the event that tells of a change.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest
from connectors.items import Address
from storage.db import Connection
from storage.events import NewEvent, audience

State = Literal["queued", "claimed", "sending", "sent", "delivered", "read", "failed", "in_doubt", "cancelled"]

_RANK: Mapping[str, int] = {
    "cancelled": 0,
    "queued": 0,
    "claimed": 0,
    "sending": 1,
    "in_doubt": 1,
    "sent": 2,
    "failed": 3,
    "delivered": 4,
    "read": 5,
}
"""A failure stands over "sent", and under "delivered": some gateways report a failed try before the one that worked."""

RETRY_S = (2.0, 5.0, 15.0, 60.0, 300.0, 900.0)
GIVE_UP_S = 24 * 3600.0
SETTLE_S = (60.0, 300.0, 1800.0, 7200.0)
"""Pauses after each question what became of a message in doubt; after the last answer of "don't know" it is a person's."""

FIRST_SETTLE_S = 30.0
"""Not at once: what timed out here may still be on its way through the provider, and "surely not" would be premature."""


EARLY = timedelta(seconds=60)
"""How far a provider's clock may be behind ours, where its time tells what may be an echo of ours."""


def after_receipt(current: str, status: str, *, of_last_try: bool) -> str:
    """The state after a provider's receipt; the result does not depend on the order of the receipts.

    `of_last_try` is False for an id that an earlier try got, before a person had the message sent again: then its
    failure is old news, but its delivery is not.
    """
    if status not in _RANK or _RANK[status] <= _RANK[current]:
        return current
    if status in {"sent", "failed"} and (not of_last_try or _RANK[current] == 0):
        return current
    return status


def retry_after_s(tries: int, wish_s: float | None) -> float:
    """Seconds until the next try after `tries` of them. The provider's wish wins, but never under a second."""
    if wish_s is not None:
        return max(1.0, wish_s)
    return RETRY_S[min(max(tries, 1), len(RETRY_S)) - 1] * random.uniform(0.8, 1.2)


def clean(text: str) -> str:
    """A provider's words as a text column takes them: no NUL, no lone surrogates, at most 500 characters."""
    return text[:500].encode("utf-8", "replace").decode().replace("\0", "")


def check_text(text: str) -> None:
    """Raises BadRequest for what no text column takes."""
    if "\0" in text:
        raise BadRequest("text: holds a NUL character", reason="text_broken")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRequest("text: holds half of a surrogate pair", reason="text_broken") from None


class FrozenFile(msgspec.Struct, frozen=True):
    """`blob`: SHA-256 of the bytes."""

    name: str
    type: str
    size: int
    blob: str


class Frozen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`outbound.message`: what is sent, whatever happens to card and conversation meanwhile. `due_at`: when it should
    have left; retries end 24 h later.
    """

    to: Address
    due_at: datetime
    text: str = ""
    subject: str = ""
    html: str = ""
    files: Sequence[FrozenFile] = ()
    reply_to: str = ""
    references: Sequence[str] = ()
    meta: dict[str, Any] = {}

    @property
    def is_new(self) -> bool:
        """Not one that edits or deletes a message that is there, types, or rings."""
        return "action" not in self.meta


def freeze(message: Frozen) -> dict[str, Any]:
    """The message as the row keeps it."""
    plain: dict[str, Any] = msgspec.to_builtins(message)
    return plain


def thaw(row: object) -> Frozen:
    """The message of a row."""
    return msgspec.convert(row, Frozen)


@dataclass(frozen=True, slots=True)
class Change:
    """A new state of a message of ours. `error` with its class: why it is not (yet) sent."""

    interaction_id: UUID
    conversation_id: UUID
    outbound_id: UUID | None
    state: str
    error: str = ""
    error_class: str = ""
    error_code: str = ""


_AUDIENCE = """
SELECT c.id, c.queue_id, array_remove(array[c.assignee_id, card.owner_id] || p.agents, NULL) AS agents
FROM conversation AS c
LEFT JOIN contact AS t ON t.id = c.contact_id
LEFT JOIN contact AS card ON card.id = t.card_id
LEFT JOIN LATERAL (
    SELECT array_agg(agent_id) AS agents FROM conversation_participant
    WHERE conversation_id = c.id AND last_at > now() - interval '30 days'
) AS p ON true
WHERE c.id = ANY($1::uuid[])
"""


async def audiences(connection: Connection, conversations: Iterable[UUID]) -> dict[UUID, list[str]]:
    """Who may see what happens in these conversations: assignee, owner, participants of 30 days, the queue's members."""
    rows = await connection.fetch(_AUDIENCE, list(set(conversations)))
    return {row["id"]: audience(agents=row["agents"], queue=row["queue_id"]) for row in rows}


async def state_events(connection: Connection, changes: Sequence[Change]) -> list[NewEvent]:
    """`interaction.state` for each change, to be appended last in the transaction."""
    if not changes:
        return []
    words = await audiences(connection, (change.conversation_id for change in changes))
    return [NewEvent("interaction.state", words.get(c.conversation_id, []), _data(c)) for c in changes]


def _data(change: Change) -> dict[str, Any]:
    data: dict[str, Any] = {
        "interaction_id": change.interaction_id,
        "conversation_id": change.conversation_id,
        "outbound_id": change.outbound_id,
        "state": change.state,
    }
    if change.error or change.error_class:
        data["error"] = {"class": change.error_class, "code": change.error_code, "text": change.error}
    return data
