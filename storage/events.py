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


async def append_events(connection: Connection, events: Sequence[NewEvent]) -> int:
    """Writes them in this order; the last thing a transaction does. Returns the highest id, 0 for none."""
    if not events:
        return 0
    rows = [(e.type, list(e.audience), _encoder.encode(e.data).decode()) for e in events]
    await connection.execute("SELECT pg_advisory_xact_lock($1)", EVENTS)
    await connection.copy_records_to_table("event", records=rows, columns=("type", "audience", "data"))
    return int(await connection.fetchval("SELECT currval(pg_get_serial_sequence('event', 'id'))"))


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
