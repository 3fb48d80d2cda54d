"""Who may send what: rows are claimed under a lease, marked just before bytes leave, and taken back from the dead.

A claim is known by its token, made anew for each batch, so that a process that was frozen cannot mistake a later claim
of the same row for its own. All times are the database's: clocks of several hosts do not matter.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg

from router.outbound.states import FIRST_SETTLE_S, SETTLE_S, Change, Frozen, state_events, thaw
from storage.db import Connection
from storage.events import append_events

LEASE_S = 30.0
BATCH = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """A message in our hands. `tries`: those before this one; `unreachable`: why it must not be sent at all."""

    id: UUID
    interaction_id: UUID
    conversation_id: UUID
    channel_id: UUID
    thread_key: str
    identity_id: UUID
    klass: int
    tries: int
    message: Frozen
    token: str
    unreachable: str = ""


@dataclass(slots=True)
class Lease:
    """Until when a claim is surely ours, by two clocks: one of them stands still while a laptop sleeps.

    `steady` and `wall` are read before the database is asked, so that we always believe in less than it grants.
    """

    seconds: float
    steady: float
    wall: float

    def extend(self, steady: float, wall: float) -> None:
        self.steady, self.wall = steady, wall

    def holds(self) -> bool:
        safe = self.seconds * 0.9
        return time.monotonic() < self.steady + safe and time.time() < self.wall + safe


@dataclass(frozen=True, slots=True)
class Held:
    """A claim and how long it is ours."""

    claim: Claim
    lease: Lease


# One address at a time and in the order of (class, id): whatever stands in front of a row keeps it from being claimed,
# also while it waits for its next try. A message planned for later stands in nobody's way before its time.
_CLAIM = """
WITH due AS (
    SELECT o.id, i.id IS NULL AS erased, i.blocked_at IS NOT NULL AS blocked
    FROM outbound AS o LEFT JOIN identity AS i ON i.id = o.identity_id
    WHERE o.channel_id = $1 AND o.state = 'queued' AND o.next_at <= now() AND o.class <= $2
      AND NOT EXISTS (
        SELECT FROM outbound AS e
        WHERE e.channel_id = $1 AND e.thread_key = o.thread_key AND e.state IN ('queued', 'claimed', 'sending')
          AND e.id <> o.id
          AND (e.state <> 'queued'
               OR (e.class, e.id) < (o.class, o.id) AND (e.attempts > 0 OR e.next_at <= now()))
      )
    ORDER BY o.class, o.next_at, o.id
    LIMIT $3
    FOR UPDATE OF o SKIP LOCKED
)
UPDATE outbound AS o
SET state = 'claimed', claimed_by = $4, lease_until = now() + $5::interval
FROM due WHERE o.id = due.id
RETURNING o.id, o.interaction_id, o.conversation_id, o.channel_id, o.thread_key, o.identity_id, o.class, o.attempts,
          o.message, due.erased, due.blocked
"""


async def claim(
    connection: Connection, channel_id: UUID, *, token: str, limit: int, max_class: int, lease_s: float = LEASE_S
) -> list[Claim]:
    """Due rows of the channel up to that class, live first, at most one of each thread."""
    rows = await connection.fetch(_CLAIM, channel_id, max_class, limit, token, timedelta(seconds=lease_s))
    return sorted((_claim(row, token) for row in rows), key=lambda c: (c.klass, c.id))


def _claim(row: asyncpg.Record, token: str) -> Claim:
    why = "the address was erased" if row["erased"] else "the address is on the stop list" if row["blocked"] else ""
    return Claim(
        id=row["id"],
        interaction_id=row["interaction_id"],
        conversation_id=row["conversation_id"],
        channel_id=row["channel_id"],
        thread_key=row["thread_key"],
        identity_id=row["identity_id"],
        klass=row["class"],
        tries=row["attempts"],
        message=thaw(row["message"]),
        token=token,
        unreachable=why,
    )


# Asking twice is harmless: after a lost answer to the first commit the row is `sending` already, but nothing has left.
_MARK = """
UPDATE outbound AS o
SET state = 'sending', attempts = o.attempts + (o.state = 'claimed')::int, lease_until = now() + $3::interval
FROM unnest($1::uuid[], $2::text[]) AS mine(id, token), identity AS i
WHERE o.id = mine.id AND o.claimed_by = mine.token AND o.state IN ('claimed', 'sending')
  AND i.id = o.identity_id AND i.blocked_at IS NULL
RETURNING o.id
"""


async def mark_sending(connection: Connection, claims: Sequence[Claim], *, lease_s: float = LEASE_S) -> set[UUID]:
    """To be committed before bytes leave; returns the rows that may be sent (still ours, address not blocked since)."""
    rows = await connection.fetch(_MARK, *_mine(claims), timedelta(seconds=lease_s))
    return {row["id"] for row in rows}


_RENEW = """
UPDATE outbound AS o SET lease_until = now() + $3::interval
FROM unnest($1::uuid[], $2::text[]) AS mine(id, token)
WHERE o.id = mine.id AND o.claimed_by = mine.token AND o.state IN ('claimed', 'sending')
RETURNING o.id
"""


async def renew(connection: Connection, claims: Sequence[Claim], *, lease_s: float = LEASE_S) -> set[UUID]:
    """Extends the lease; returns the rows that are still ours."""
    rows = await connection.fetch(_RENEW, *_mine(claims), timedelta(seconds=lease_s))
    return {row["id"] for row in rows}


_RELEASE = """
UPDATE outbound AS o SET state = 'queued', claimed_by = '', lease_until = NULL
FROM unnest($1::uuid[], $2::text[]) AS mine(id, token)
WHERE o.id = mine.id AND o.claimed_by = mine.token AND o.state = 'claimed'
"""


async def release(connection: Connection, claims: Sequence[Claim]) -> None:
    """Hands back what was not begun."""
    await connection.execute(_RELEASE, *_mine(claims))


def _mine(claims: Sequence[Claim]) -> tuple[list[UUID], list[str]]:
    ordered = sorted(claims, key=lambda c: c.id)
    return [c.id for c in ordered], [c.token for c in ordered]


_REQUEUE_DEAD = """
WITH dead AS (
    SELECT id FROM outbound WHERE state = 'claimed' AND lease_until < now()
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE outbound AS o SET state = 'queued', claimed_by = '', lease_until = NULL FROM dead WHERE o.id = dead.id
"""

# claimed_by stays: should its owner come back from a freeze with the provider's answer, that answer still counts.
_DOUBT_DEAD = """
WITH dead AS (
    SELECT id FROM outbound WHERE state = 'sending' AND lease_until < now()
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE outbound AS o
SET state = 'in_doubt', lease_until = NULL, next_at = now() + $2::interval, error_class = 'in_doubt', error_code = '',
    error = $3
FROM dead WHERE o.id = dead.id
RETURNING o.id, o.interaction_id, o.conversation_id
"""
_ATTEMPTS = """
INSERT INTO outbound_attempt (outbound_id, took_ms, verdict, provider_text)
SELECT id, 0, $2, $3 FROM unnest($1::uuid[]) AS o(id)
"""
_INTERACTIONS = "UPDATE interaction SET state = 'in_doubt' WHERE id = ANY($1::uuid[])"
DIED = "The process that was sending it stopped before the provider's answer was recorded."


async def take_back(connection: Connection) -> int:
    """Ends the claims of the dead: what was not begun is queued again, what was begun is in doubt.

    One transaction of its own; returns the highest event id, 0 when nobody needs to be told.
    """
    async with connection.transaction():
        await connection.execute(_REQUEUE_DEAD, BATCH)
        rows = await connection.fetch(_DOUBT_DEAD, BATCH, timedelta(seconds=FIRST_SETTLE_S), DIED)
        if not rows:
            return 0
        await connection.execute(_ATTEMPTS, [row["id"] for row in rows], "in_doubt", DIED)
        await connection.execute(_INTERACTIONS, sorted(row["interaction_id"] for row in rows))
        changes = [
            Change(row["interaction_id"], row["conversation_id"], row["id"], "in_doubt", DIED, "in_doubt")
            for row in rows
        ]
        return await append_events(connection, await state_events(connection, changes))


# Taking the next question's time along keeps two processes from asking at once.
_DOUBTFUL = """
WITH due AS (
    SELECT o.id, tries.n FROM outbound AS o,
    LATERAL (
        SELECT count(*)::int AS n FROM outbound_attempt AS a WHERE a.outbound_id = o.id AND a.verdict = 'unsettled'
    ) AS tries
    WHERE o.state = 'in_doubt' AND o.channel_id = $1 AND o.next_at <= now() AND tries.n < cardinality($2::float8[])
    ORDER BY o.id LIMIT $3
    FOR UPDATE OF o SKIP LOCKED
)
UPDATE outbound AS o SET next_at = now() + make_interval(secs => ($2::float8[])[due.n + 1])
FROM due WHERE o.id = due.id
RETURNING o.id, o.interaction_id, o.conversation_id, o.channel_id, o.thread_key, o.identity_id, o.class, o.attempts,
          o.message, o.claimed_by, false AS erased, false AS blocked
"""


async def claim_doubtful(connection: Connection, channel_id: UUID, *, limit: int) -> list[Claim]:
    """Rows in doubt whose turn it is to be asked about, under the token of the try that is in doubt; each comes a few
    times at growing distance.
    """
    rows = await connection.fetch(_DOUBTFUL, channel_id, list(SETTLE_S), limit)
    return [_claim(row, row["claimed_by"]) for row in rows]


async def note_unsettled(connection: Connection, claims: Sequence[Claim], why: str) -> None:
    """The provider could not tell; counted, as the questions end."""
    await connection.execute(_ATTEMPTS, [claim.id for claim in claims], "unsettled", why)
