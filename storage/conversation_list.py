"""The list of conversations and the counts beside its views, both from the same conditions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from storage.conversations import COLUMNS, JOINS, ConversationItem, to_conversation
from storage.db import Pool
from storage.reading import EARLIEST, LAST_ID, LATEST, NO_ID, fetch_planned, scoped, walked

Key = tuple[datetime, UUID]
Sort = Literal["begun", "last", "activity", "sla"]
MOST = 1000
"""Counts go so far and no further: nobody reads 18,342 differently from 18,343."""


class ConversationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """All that is set must hold. `unassigned`: True for those without an assignee, False for those with one. `queue_of`:
    in any queue of this agent. `mentioned`: he was named in a note; `unseen_by`: and has not opened it yet. `words`: part of
    the client's name, of the subject or of the last line.
    """

    assignee: UUID | None = None
    unassigned: bool | None = None
    queue: UUID | None = None
    queue_of: UUID | None = None
    statuses: list[str] | None = None
    contact: UUID | None = None
    channel: UUID | None = None
    tag: str | None = None
    unread: bool | None = None
    words: str | None = None
    mentioned: UUID | None = None
    unseen_by: UUID | None = None


# A field of the filter each; `$?` is its value. The statuses first: with them the index of open threads is enough.
_CONDITIONS = {
    "statuses": "c.status = ANY($?::text[])",
    "assignee": "c.assignee_id = $?::uuid",
    "unassigned": "(c.assignee_id IS NULL) = $?::bool",
    "queue": "c.queue_id = $?::uuid",
    "queue_of": "c.queue_id IN (SELECT m.queue_id FROM queue_member AS m WHERE m.agent_id = $?::uuid)",
    "contact": """c.contact_id IN (
    SELECT m.id FROM contact AS m WHERE m.card_id = (SELECT n.card_id FROM contact AS n WHERE n.id = $?::uuid))""",
    "channel": "c.channel_id = $?::uuid",
    "tag": "$?::text = ANY(c.tags)",
    "unread": "(c.unread > 0) = $?::bool",
    "words": """(strpos(lower(c.last_text), lower($?::text)) > 0 OR strpos(lower(c.subject), lower($?::text)) > 0
    OR EXISTS (SELECT FROM contact AS m JOIN contact AS n ON n.id = m.card_id
               WHERE m.id = c.contact_id AND strpos(lower(n.name), lower($?::text)) > 0))""",
    "mentioned": "c.id IN (SELECT m.conversation_id FROM mention AS m WHERE m.agent_id = $?::uuid)",
    "unseen_by": """c.id IN (
    SELECT m.conversation_id FROM mention AS m WHERE m.agent_id = $?::uuid AND m.seen_at IS NULL)""",
}


def _where(wanted: ConversationFilter, args: list[Any]) -> str:
    """The conditions, numbered on from `args`, which takes their values."""
    parts = []
    for name, condition in _CONDITIONS.items():
        value = getattr(wanted, name)
        if value is not None:
            args.append(value)
            parts.append(condition.replace("$?", f"${len(args)}"))
    return " AND ".join(parts) or "true"


# The page is cut before anything is joined to it: sorted are narrow rows, and cards are read for those shown alone.
_LIST = """
SELECT {columns} FROM (
  SELECT c.* FROM conversation AS c
  WHERE {key} AND {filters} AND {conversation_visible}
  ORDER BY {order} LIMIT $4) AS c {joins}
ORDER BY {order}
"""
# When the client is owed a first answer; those who are owed none stand last.
_DUE = "coalesce(CASE WHEN c.first_response_at IS NULL THEN c.frt_due_at END, '9999-12-31 00:00:00+00'::timestamptz)"


def _list(key: str, order: str) -> str:
    text = _LIST.replace("{key}", key).replace("{order}", order)
    return text.replace("{columns}", COLUMNS).replace("{joins}", JOINS).replace("{due}", _DUE)


_BY_ID = walked(_list("($2::timestamptz IS NOT NULL AND (c.id) > ($3::uuid))", "c.id ASC"))
_BY_LAST = walked(_list("(c.last_at, c.id) > ($2::timestamptz, $3::uuid)", "c.last_at ASC, c.id ASC"))
_BY_DUE = walked(_list("({due}, c.id) > ($2::timestamptz, $3::uuid)", "{due} ASC, c.id ASC"))
_SORTED = {"begun": _BY_ID, "last": _BY_LAST, "activity": _BY_LAST, "sla": _BY_DUE}


def key_of(item: ConversationItem, sort: Sort) -> Key:
    """Where the list goes on behind this one."""
    if sort != "sla":
        return item.last_at, item.id
    owed = item.frt_due_at is not None and item.first_response_at is None
    return item.frt_due_at if owed and item.frt_due_at is not None else LATEST, item.id


async def list_conversations(
    pool: Pool,
    viewer: UUID | None,
    wanted: ConversationFilter,
    *,
    after: Key | None,
    limit: int,
    down: bool,
    sort: Sort = "begun",
) -> list[ConversationItem]:
    """In the order they began, of their last item (`last`, `activity`), or of when a first answer is due."""
    statement = _SORTED[sort]
    args: list[Any] = [viewer, *(after or ((LATEST, LAST_ID) if down else (EARLIEST, NO_ID))), limit]
    filters = _where(wanted, args)
    text = (statement.down if down else statement.up).replace("{filters}", filters)
    return [to_conversation(row) for row in await fetch_planned(pool, text, *args)]


_COUNT = scoped("""
SELECT {n} AS n, count(*) AS count
FROM (SELECT FROM conversation AS c WHERE {filters} AND {conversation_visible} LIMIT {most}) AS found
""").replace("{most}", str(MOST + 1))


async def count_conversations(pool: Pool, viewer: UUID | None, wanted: Sequence[ConversationFilter]) -> list[int]:
    """How many each filter finds, at most MOST + 1; one statement."""
    if not wanted:
        return []
    args: list[Any] = [viewer]
    parts = [_COUNT.replace("{n}", str(n)).replace("{filters}", _where(f, args)) for n, f in enumerate(wanted)]
    rows = await fetch_planned(pool, " UNION ALL ".join(parts), *args)
    counts = {row["n"]: row["count"] for row in rows}
    return [counts[n] for n in range(len(wanted))]
