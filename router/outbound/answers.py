"""Ids that the provider's answers give to messages of ours, and the echoes that were there before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

import asyncpg

from router.outbound.claims import Claim
from router.outbound.receipts import ECHOED
from router.outbound.states import EARLY, audiences
from storage.db import Connection
from storage.events import NewEvent

_REFS = """
INSERT INTO external_ref (channel_id, kind, external_id, interaction_id)
SELECT channel_id, 'message', external_id, interaction_id
FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS n(channel_id, external_id, interaction_id)
ORDER BY channel_id, external_id
ON CONFLICT DO NOTHING
RETURNING external_id
"""
_OTHERS = """
SELECT n.n::int - 1 AS n, r.interaction_id, o.id IS NULL AS apart,
    EXISTS (
        SELECT FROM outbound_attempt AS a
        WHERE a.outbound_id = o.id AND a.verdict = $4 AND a.provider_code = n.external_id
    ) AS echoed
FROM unnest($1::uuid[], $2::text[], $3::uuid[]) WITH ORDINALITY AS n(channel_id, external_id, interaction_id, n)
JOIN external_ref AS r
    ON r.channel_id = n.channel_id AND r.kind = 'message' AND r.external_id = n.external_id AND r.version = ''
LEFT JOIN outbound AS o ON o.interaction_id = r.interaction_id
WHERE r.interaction_id <> n.interaction_id
"""
_TAKE_OUT = """
DELETE FROM interaction AS i
USING unnest($1::uuid[], $2::timestamptz[]) AS n(id, due_at)
WHERE i.id = n.id AND i.id = ANY($1::uuid[]) AND i.kind = 'message' AND i.direction = 'out' AND i.journal_id IS NOT NULL
  AND i.received_at >= n.due_at
RETURNING i.id, i.conversation_id, i.contact_id, i.channel_id, i.journal_id
"""
_MOVE_REFS = """
UPDATE external_ref AS r SET interaction_id = n.ours
FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS n(channel_id, external_id, ours)
WHERE r.channel_id = n.channel_id AND r.kind = 'message' AND r.external_id = n.external_id AND r.version = ''
"""
_MOVE_FILES = """
UPDATE attachment AS a SET interaction_id = n.ours
FROM unnest($1::uuid[], $2::uuid[]) AS n(id, ours) WHERE a.interaction_id = n.id
"""
_EXPLAIN = """
UPDATE journal_result AS j SET interactions = array_replace(j.interactions, n.id, n.ours)
FROM unnest($1::bigint[], $2::uuid[], $3::uuid[]) AS n(entry_id, id, ours)
WHERE j.entry_id = n.entry_id AND j.entry_id = ANY($1::bigint[])
"""


class Answer(NamedTuple):
    """An id that the provider's answer gave to a message."""

    claim: Claim
    external_id: str


@dataclass(slots=True)
class Registered:
    """`elsewhere`: ids that an equal message of ours, in doubt at the time, had taken from an echo."""

    elsewhere: set[tuple[UUID, str]] = field(default_factory=set)
    doubles: list[tuple[asyncpg.Record, UUID]] = field(default_factory=list)

    def is_known_elsewhere(self, answer: Answer) -> bool:
        return (answer.claim.interaction_id, answer.external_id) in self.elsewhere


async def register(connection: Connection, answers: Sequence[Answer]) -> Registered:
    """Makes the ids lead to the messages; an echo that had slipped in as an interaction of its own goes.

    To be called before any row of `outbound` is locked, and `explain` after what is done to those.
    """
    found = Registered()
    ordered = sorted(answers, key=lambda a: (a.claim.channel_id, a.external_id))
    if not ordered:
        return found
    columns = (
        [a.claim.channel_id for a in ordered],
        [a.external_id for a in ordered],
        [a.claim.interaction_id for a in ordered],
    )
    if len(await connection.fetch(_REFS, *columns)) == len(ordered):
        return found
    doubles: dict[UUID, Answer] = {}
    for row in await connection.fetch(_OTHERS, *columns, ECHOED):
        answer = ordered[row["n"]]
        if row["echoed"]:
            found.elsewhere.add((answer.claim.interaction_id, answer.external_id))
        elif row["apart"] and answer.claim.message.is_new:
            doubles[row["interaction_id"]] = answer
    if doubles:
        found.doubles = await _take_out(connection, doubles)
    return found


async def _take_out(connection: Connection, doubles: Mapping[UUID, Answer]) -> list[tuple[asyncpg.Record, UUID]]:
    since = [answer.claim.message.due_at - EARLY for answer in doubles.values()]
    rows = await connection.fetch(_TAKE_OUT, list(doubles), since)
    gone = [(row, doubles[row["id"]]) for row in rows]
    if gone:
        await connection.execute(
            _MOVE_REFS,
            [answer.claim.channel_id for _, answer in gone],
            [answer.external_id for _, answer in gone],
            [answer.claim.interaction_id for _, answer in gone],
        )
        ours = [answer.claim.interaction_id for _, answer in gone]
        await connection.execute(_MOVE_FILES, [row["id"] for row, _ in gone], ours)
    return [(row, answer.claim.interaction_id) for row, answer in gone]


async def explain(connection: Connection, registered: Registered) -> list[NewEvent]:
    """The journal and everybody who watches learn that an interaction was the echo of another one."""
    doubles = registered.doubles
    if not doubles:
        return []
    entries, ids, ours = zip(*((row["journal_id"], row["id"], own) for row, own in doubles), strict=True)
    await connection.execute(_EXPLAIN, entries, ids, ours)
    words = await audiences(connection, [row["conversation_id"] for row, _ in doubles])
    return [
        NewEvent(
            "interaction.deleted",
            words.get(row["conversation_id"], []),
            {
                "interaction_id": row["id"],
                "conversation_id": row["conversation_id"],
                "contact_id": row["contact_id"],
                "channel_id": row["channel_id"],
                "echo_of": own,
            },
        )
        for row, own in doubles
    ]
