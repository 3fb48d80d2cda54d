"""The journal as people read it: what came, what it became, and why not (P5)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from config.errors import NotFound
from storage.db import Pool
from storage.reading import INT8_MAX, fetch_planned, walked

State = Literal["new", "done", "ignored", "failed", "quarantined"]


class EntryItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One payload. `class`: 0 live, 1 status, 2 bulk. `attempts`: unclean deaths while it was in hand."""

    id: int
    channel_id: UUID
    received_at: datetime
    state: str
    lane: int
    klass: int = msgspec.field(name="class")
    size: int
    silent: bool = False
    replay: bool = False
    attempts: int = 0
    done_at: datetime | None = None
    interactions: list[UUID] | None = None
    detail: str | None = None


# Entries not done outlive their partition in journal_kept. What is on the work list is new, whatever it was before.
_ENTRY = """
SELECT j.id, j.channel_id, j.received_at, CASE WHEN t.entry_id IS NULL THEN coalesce(r.state, 'done') ELSE 'new' END AS state,
       j.lane, j.class AS klass, coalesce(length(j.body), 0) AS size, j.silent, coalesce(t.replay, false) AS replay,
       coalesce(t.attempts, 0) AS attempts, r.at AS done_at, r.interactions, r.detail{more}
FROM ({ids}) AS d
CROSS JOIN LATERAL (
  SELECT id, channel_id, received_at, lane, class, silent, request, body, blob FROM journal WHERE id = d.id
  UNION ALL SELECT id, channel_id, received_at, lane, class, silent, request, body, blob FROM journal_kept
  WHERE id = d.id LIMIT 1) AS j
LEFT JOIN journal_todo AS t ON t.entry_id = j.id LEFT JOIN journal_result AS r ON r.entry_id = j.id
WHERE ($3::uuid IS NULL OR j.channel_id = $3) AND ($4::text IS NULL OR {state})
ORDER BY j.id ASC LIMIT $2
"""
# While its partition waits to be taken out, an entry is in both. Partitions go oldest first.
_ALL = """SELECT e.id FROM (SELECT id, channel_id FROM journal UNION ALL SELECT k.id, k.channel_id FROM journal_kept AS k
    WHERE k.id < (SELECT coalesce(min(id), 9223372036854775807) FROM journal)) AS e
  WHERE (e.id) > ($1::bigint) AND ($3::uuid IS NULL OR e.channel_id = $3) ORDER BY e.id ASC"""
_TODO = "SELECT entry_id AS id FROM journal_todo WHERE (entry_id) > ($1::bigint) ORDER BY entry_id ASC"
_RESULTS = """SELECT entry_id AS id FROM journal_result
  WHERE state = $4 AND (entry_id) > ($1::bigint) ORDER BY entry_id ASC"""


def _entries(ids: str, state: str) -> str:
    return _ENTRY.replace("{ids}", ids).replace("{state}", state).replace("{more}", "")


_LISTS = {
    "new": walked(_entries(_TODO, "true")),
    "done": walked(_entries(_ALL, "(t.entry_id IS NULL AND coalesce(r.state, 'done') = $4)")),
    "": walked(_entries(_ALL, "true")),
}
_BY_RESULT = walked(_entries(_RESULTS, "t.entry_id IS NULL"))


async def list_entries(
    pool: Pool, *, state: State | None, channel: UUID | None, after: int | None, limit: int, down: bool
) -> list[EntryItem]:
    """In the order they came."""
    statement = _LISTS.get(state or "", _BY_RESULT)
    key = after if after is not None else INT8_MAX if down else -1
    rows = await fetch_planned(pool, statement.down if down else statement.up, key, limit, channel, state)
    return [EntryItem(**row) for row in rows]


_ONE = (
    _ENTRY.replace("{ids}", "SELECT $1::bigint AS id")
    .replace("{state}", "true")
    .replace("{more}", ", j.request, j.body, j.blob, h.connector, h.token")
    .replace("WHERE ($3", "LEFT JOIN channel AS h ON h.id = j.channel_id WHERE ($3")
)


async def get_entry(pool: Pool, entry_id: int) -> tuple[EntryItem, asyncpg.Record]:
    """The entry, and the row with `request`, `body`, `blob`, `connector`, hook `token`. Raises NotFound."""
    rows = await fetch_planned(pool, _ONE, entry_id, 1, None, None)
    if not rows:
        raise NotFound("no such journal entry")
    raw = ("request", "body", "blob", "connector", "token")
    fields: dict[str, Any] = {name: value for name, value in rows[0].items() if name not in raw}
    return EntryItem(**fields), rows[0]


class Became(msgspec.Struct, omit_defaults=True, kw_only=True):
    """An interaction that came of an entry; `text`: its beginning."""

    id: UUID
    conversation_id: UUID
    kind: str
    direction: str
    text: str = ""


_BECAME = """
SELECT id, conversation_id, kind, direction, left(text, 200) AS text FROM interaction
WHERE id = ANY($1::uuid[]) ORDER BY order_at, seq, id LIMIT $2
"""
MAX_BECAME = 50


async def became_of(pool: Pool, interactions: list[UUID] | None) -> list[Became]:
    """At most MAX_BECAME; those removed since are not among them."""
    if not interactions:
        return []
    return [Became(**row) for row in await fetch_planned(pool, _BECAME, interactions, MAX_BECAME)]
