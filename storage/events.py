"""The event log: what sockets, `/events` and webhooks read by cursor.

Ids must become visible in their order, so the log is written last before COMMIT, under one advisory lock held to the
end of the transaction. Append nothing after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from storage.db import Connection
from storage.locks import EVENTS

ALL = "all"
"""Audience of events that everybody signed in may see. Supervisors and administrators see every event anyway."""

COLUMNS = ("type", "audience", "data")
# Under the lock nobody else takes an id.
_LOCK = """
SELECT pg_advisory_xact_lock($1),
    coalesce(pg_sequence_last_value(pg_get_serial_sequence('event', 'id')::regclass), 0) AS event_id
"""

_encoder = msgspec.json.Encoder()


class NewEvent(NamedTuple):
    """`audience`: words such as `agent:<id>`, `queue:<id>`, `all`; none: supervisors alone. `data`: a JSON object."""

    type: str
    audience: Iterable[str]
    data: dict[str, Any] | msgspec.Struct


def audience(*, agents: Iterable[UUID | None] = (), queue: UUID | None = None) -> list[str]:
    """The words for these agents and the members of that queue."""
    words = {f"agent:{agent}" for agent in agents if agent is not None}
    if queue is not None:
        words.add(f"queue:{queue}")
    return sorted(words)


async def lock_events(connection: Connection) -> int:
    """The log is this transaction's until it ends. Returns the newest id: those appended are counted on from it."""
    return int(await connection.fetchval(_LOCK, EVENTS, column=1))


async def append_events(connection: Connection, events: Sequence[NewEvent], *, after: int | None = None) -> int:
    """Writes them in this order; the last thing a transaction does. Returns the highest id, 0 for none.

    `after`: what `lock_events` said, where the caller has locked the log already.
    """
    if not events:
        return 0
    rows = [(e.type, list(e.audience), _encoder.encode(e.data).decode()) for e in events]
    newest = await lock_events(connection) if after is None else after
    await connection.copy_records_to_table("event", records=rows, columns=COLUMNS)
    return newest + len(rows)


class StoredEvent(NamedTuple):
    """`data` is the JSON text as written."""

    id: int
    at: str
    type: str
    audience: list[str]
    data: str


_READ = """
SELECT id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, type, audience, data
FROM event WHERE id > $1 ORDER BY id LIMIT $2
"""


async def read_events(connection: Connection, after: int, limit: int) -> list[StoredEvent]:
    """Events behind the cursor, in order."""
    return [StoredEvent(*row) for row in await connection.fetch(_READ, after, limit)]


async def last_event_id(connection: Connection) -> int:
    """The newest visible id, 0 in an empty log."""
    return int(await connection.fetchval("SELECT coalesce(max(id), 0) FROM event"))


async def oldest_event_id(connection: Connection) -> int | None:
    """The oldest id still kept, None in an empty log."""
    oldest: int | None = await connection.fetchval("SELECT min(id) FROM event")
    return oldest
