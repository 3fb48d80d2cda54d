"""Echoes: providers that show us our own message as one more update, with an id that we may not know yet.

After the answer to our sending the id is known (external_ref) and the echo is no news. Before it, or when the answer
never comes, the echo is recognised by what it says: `adopt` takes it as the message of ours that is on its way, which
is then sent. The id is registered by `logbook.claim`, the row of `outbound` follows as a receipt: external_ref before
outbound, as in router/batch.py and in `outcomes.record`.

What is not recognised (a long text that left in pieces, markup that the echo shows as plain text) becomes an
interaction of its own until the answer names its id: `answers.register` then takes it out of the stream again. If
the answer never comes, both stay, ours in doubt. An equal text written elsewhere in the very seconds in which ours is
on its way can't be told from an echo: the two are then shown as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

import asyncpg

from router.logbook import find_refs
from router.outbound.receipts import Receipt
from router.outbound.states import EARLY, Frozen, thaw
from router.threads import thread_key_of
from router.work import Work
from storage.db import Connection
from storage.partitions import uuid7_floor

LATE = timedelta(minutes=15)
"""How long after the end of our try an echo may be dated: providers have queues too."""
PLANNED = timedelta(days=1)
Ref: TypeAlias = tuple[UUID, str, str]

# Rows in hand and in doubt are few, each with an index of their own, which one condition for both would not use. What was
# sent has an id as a rule: only that of the last day is looked through for those without one. Uses outbound_in_hand_idx,
# outbound_trouble_idx, conversation_channel_id_thread_key_id_idx, outbound_conversation_id_id_idx.
_ON_THEIR_WAY = """
SELECT o.id, o.interaction_id, o.channel_id, o.thread_key, o.message, NULL::timestamptz AS until
FROM outbound AS o
WHERE o.state = 'sending' AND o.channel_id = ANY($1::uuid[])
  AND (o.thread_key = ANY($2::text[]) OR o.message -> 'to' ->> 'value' = ANY($3::text[]))
UNION ALL
SELECT o.id, o.interaction_id, o.channel_id, o.thread_key, o.message,
    (SELECT max(a.at) FROM outbound_attempt AS a WHERE a.outbound_id = o.id AND a.verdict = 'in_doubt')
FROM outbound AS o
WHERE o.state = 'in_doubt' AND o.channel_id = ANY($1::uuid[])
  AND (o.thread_key = ANY($2::text[]) OR o.message -> 'to' ->> 'value' = ANY($3::text[]))
UNION ALL
SELECT o.id, o.interaction_id, o.channel_id, o.thread_key, o.message, o.sent_at
FROM conversation AS c JOIN outbound AS o ON o.conversation_id = c.id
WHERE c.channel_id = ANY($1::uuid[]) AND c.thread_key = ANY($2::text[])
  AND o.id > $4 AND o.state = 'sent' AND o.external_ids = '{}'
ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A message of ours whose id is not known. `until`: the end of its try, None while it goes on."""

    row: asyncpg.Record
    message: Frozen
    until: datetime | None

    def is_told_by(self, work: Work) -> bool:
        item, message = work.item, self.message
        at = item.sent_at or work.entry.received_at
        return (
            work.channel.id == self.row["channel_id"]
            and at >= message.due_at - EARLY
            and (self.until is None or at <= self.until + LATE)
            and _words(item.text) == _words(message.text)
            and len(item.attachments) == len(message.files)
            and self._goes_to(work)
        )

    def _goes_to(self, work: Work) -> bool:
        to = self.message.to
        return thread_key_of(work) == self.row["thread_key"] or any(
            (one.kind, one.value) == (to.kind, to.value) for one in work.item.recipients
        )


def _words(text: str) -> list[str]:
    return text.replace("\0", "").split()


async def adopt(connection: Connection, works: Sequence[Work]) -> dict[UUID, UUID]:
    """Gives those works that are echoes of messages on their way the interaction of the message, before `claim`.

    The oldest message is taken first, each for one echo. Returns interaction -> outbound, for `heard`.
    """
    first: dict[Ref, Work] = {}  # of one that is told twice `claim` takes the first
    for work in works:
        if work.item.direction == "out" and work.item.kind == "message" and work.item.external_id:
            first.setdefault((work.channel.id, "message", work.item.external_id), work)
    told = {ref: work for ref, work in first.items() if work.item.attachments or work.item.text.strip()}
    if not told:
        return {}
    waiting = await _on_their_way(connection, list(told.values()))
    told = {ref: work for ref, work in told.items() if any(one.is_told_by(work) for one in waiting)}
    if not told:
        return {}
    # An echo that is known must not use up a message that still waits for its own.
    seen = await find_refs(connection, list(told))
    adopted: dict[UUID, UUID] = {}
    for work in sorted((told[ref] for ref in told.keys() - seen.keys()), key=_place):
        found = next((one for one in waiting if one.is_told_by(work)), None)
        if found is not None:
            waiting.remove(found)
            work.interaction_id = found.row["interaction_id"]
            adopted[work.interaction_id] = found.row["id"]
    return adopted


def _place(work: Work) -> tuple[datetime, int]:
    return work.order_at or work.entry.received_at, work.entry.id


async def _on_their_way(connection: Connection, told: Sequence[Work]) -> list[_Waiting]:
    oldest = min(w.entry.received_at for w in told) - PLANNED
    rows = await connection.fetch(
        _ON_THEIR_WAY,
        sorted({w.channel.id for w in told}),
        sorted({thread_key_of(w) for w in told}),
        sorted({one.value for w in told for one in w.item.recipients}),
        uuid7_floor(oldest),
    )
    waiting = [_Waiting(row, thaw(row["message"]), row["until"]) for row in rows]
    return [one for one in waiting if one.message.is_new]


def heard(new: Sequence[Work], adopted: Mapping[UUID, UUID]) -> tuple[list[Work], list[Work], list[Receipt]]:
    """What `claim` found new -> the new interactions, the echoes among them, and the receipts these amount to.

    An echo that `claim` found known meanwhile is not among them: whoever registered it did the rest.
    """
    echoes = [work for work in new if work.interaction_id in adopted]
    receipts = [
        Receipt(
            channel_id=work.channel.id,
            external_id=str(adopted[work.interaction_id]),
            status="sent",
            at=work.item.sent_at or work.entry.received_at,
            echo=work.item.external_id,
        )
        for work in echoes
    ]
    return [work for work in new if work.interaction_id not in adopted], echoes, receipts
