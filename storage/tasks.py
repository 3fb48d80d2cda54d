"""Tasks as people see and change them. Each change says who must hear of it; the caller writes the events last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from config.errors import BadRequest, Conflict, NotFound
from storage.contacts import get_contact
from storage.conversations import get_conversation
from storage.db import Connection, Pool
from storage.events import NewEvent, audience
from storage.reading import EARLIEST, LAST_ID, LATEST, NO_ID, fetch_planned, planned, scoped, walked

Kind = Literal["todo", "call_back", "meeting", "complaint"]
State = Literal["open", "done", "cancelled"]


class TaskItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A task in lists and in events. `contact_id` is the card; `client`: the number of the call it is about; `automatic`:
    the hub made it; `remind_at` is gone once it was told.
    """

    id: UUID
    kind: str
    title: str
    state: str
    created_at: datetime
    version: int
    text: str = ""
    contact_id: UUID | None = None
    contact_name: str = ""
    conversation_id: UUID | None = None
    interaction_id: UUID | None = None
    call_id: UUID | None = None
    client: str = ""
    assignee_id: UUID | None = None
    queue_id: UUID | None = None
    created_by: UUID | None = None
    due_at: datetime | None = None
    ends_at: datetime | None = None
    remind_at: datetime | None = None
    result: str = ""
    done_at: datetime | None = None
    done_by: UUID | None = None
    automatic: bool = False


_COLUMNS = """t.id, t.kind, t.title, t.state, t.created_at, t.version, t.text,
  coalesce(o.card_id, t.contact_id) AS contact_id, {card_name} AS contact_name, t.conversation_id,
  t.interaction_id, t.call_id, coalesce(l.client, '') AS client, t.assignee_id, t.queue_id, t.created_by, t.due_at,
  t.ends_at, t.remind_at, t.result, t.done_at, t.done_by, t.key IS NOT NULL AS automatic"""
_FROM = """task AS t LEFT JOIN contact AS o ON o.id = t.contact_id
  LEFT JOIN contact AS k ON k.id = o.card_id LEFT JOIN call AS l ON l.id = t.call_id"""
TASK_VISIBLE = """($1::uuid IS NULL OR t.assignee_id = $1 OR t.created_by = $1
  OR t.queue_id IN (SELECT q.queue_id FROM queue_member AS q WHERE q.agent_id = $1)
  OR EXISTS (SELECT FROM conversation AS c WHERE c.id = t.conversation_id AND {conversation_visible})
  OR {contact_visible})"""
"""Who sees a task, about the rows `t` and `k` (its card): whose it is, who made it, its queue's members, and whoever sees
the conversation or the card it is about."""


def _scoped(sql: str) -> str:
    return scoped(sql.replace("{columns}", _COLUMNS).replace("{from}", _FROM).replace("{task_visible}", TASK_VISIBLE))


_LIST = walked(
    _scoped("""
SELECT {columns} FROM {from}
WHERE (coalesce(t.due_at, timestamptz '9999-12-31 00:00+00'), t.id) > ($2::timestamptz, $3::uuid) AND {task_visible}
  AND ($5::uuid IS NULL OR t.assignee_id = $5)
  AND ($6::bool IS NULL OR (t.assignee_id IS NULL) = $6)
  AND ($7::uuid IS NULL OR t.queue_id = $7)
  AND ($8::uuid IS NULL OR t.contact_id IN (
    SELECT m.id FROM contact AS m WHERE m.card_id = (SELECT n.card_id FROM contact AS n WHERE n.id = $8)))
  AND ($9::uuid IS NULL OR t.conversation_id = $9)
  AND ($10::text[] IS NULL OR t.state = ANY($10))
  AND ($11::text[] IS NULL OR t.kind = ANY($11))
  AND ($12::timestamptz IS NULL OR t.due_at < $12)
  AND ($13::timestamptz IS NULL OR t.due_at >= $13)
  AND ($14::text IS NULL OR strpos(lower(t.title), lower($14)) > 0 OR strpos(lower(t.text), lower($14)) > 0)
ORDER BY coalesce(t.due_at, timestamptz '9999-12-31 00:00+00') ASC, t.id ASC LIMIT $4
""")
)
Key = tuple[datetime, UUID]


class TaskFilter(msgspec.Struct, frozen=True, kw_only=True):
    """`unassigned`: True for those of a queue that nobody has taken."""

    assignee: UUID | None = None
    unassigned: bool | None = None
    queue: UUID | None = None
    contact: UUID | None = None
    conversation: UUID | None = None
    states: list[str] | None = None
    kinds: list[str] | None = None
    due_before: datetime | None = None
    due_after: datetime | None = None
    words: str | None = None


async def list_tasks(
    pool: Pool, viewer: UUID | None, wanted: TaskFilter, *, after: Key | None, limit: int, down: bool
) -> list[TaskItem]:
    """In the order they are due; those without a time come last."""
    rows = await fetch_planned(
        pool,
        _LIST.down if down else _LIST.up,
        viewer,
        *(after or ((LATEST, LAST_ID) if down else (EARLIEST, NO_ID))),
        limit,
        wanted.assignee,
        wanted.unassigned,
        wanted.queue,
        wanted.contact,
        wanted.conversation,
        wanted.states,
        wanted.kinds,
        wanted.due_before,
        wanted.due_after,
        wanted.words,
    )
    return [TaskItem(**row) for row in rows]


def key_of(item: TaskItem) -> Key:
    """Its place in `list_tasks` and `list_calendar`."""
    return item.due_at or LATEST, item.id


_CALENDAR = walked(
    _scoped("""
SELECT {columns} FROM {from}
WHERE (t.due_at, t.id) > ($2::timestamptz, $3::uuid) AND {task_visible}
  AND t.assignee_id = $5 AND t.state <> 'cancelled' AND t.due_at < $7 AND (t.due_at >= $6 OR t.ends_at > $6)
ORDER BY t.due_at ASC, t.id ASC LIMIT $4
""")
)


async def list_calendar(
    pool: Pool,
    viewer: UUID | None,
    agent_id: UUID,
    span: tuple[datetime, datetime],
    *,
    after: Key | None,
    limit: int,
    down: bool,
) -> list[TaskItem]:
    """What of his begins in that time, or lasts into it."""
    key = after or ((LATEST, LAST_ID) if down else (EARLIEST, NO_ID))
    statement = _CALENDAR.down if down else _CALENDAR.up
    return [TaskItem(**row) for row in await fetch_planned(pool, statement, viewer, *key, limit, agent_id, *span)]


_ONE = _scoped("SELECT {columns} FROM {from} WHERE t.id = $2 AND {task_visible}")
_SEVERAL = _scoped("SELECT {columns} FROM {from} WHERE t.id = ANY($1::uuid[]) ORDER BY t.id")


async def get_task(connection: Connection, viewer: UUID | None, task_id: UUID) -> TaskItem:
    """Raises NotFound, also when the viewer may not see it."""
    rows = await planned(connection, _ONE, viewer, task_id)
    if not rows:
        raise NotFound("no such task")
    return TaskItem(**rows[0])


async def read_tasks(connection: Connection, ids: Sequence[UUID]) -> list[TaskItem]:
    """For events alone: whoever may see them."""
    return [TaskItem(**row) for row in await connection.fetch(_SEVERAL, ids)] if ids else []


def audience_of(item: TaskItem) -> set[str]:
    """Who hears of it: whose it is, who made it, its queue."""
    return set(audience(agents=(item.assignee_id, item.created_by), queue=item.queue_id))


def task_event(type_: str, item: TaskItem) -> NewEvent:
    return NewEvent(type_, sorted(audience_of(item)), {"task": item})


# ---------------------------------------------------------------- making and changing

_INSERT = """
INSERT INTO task (kind, title, text, contact_id, conversation_id, interaction_id, assignee_id, queue_id, created_by,
                  due_at, ends_at, remind_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id
"""
_FIELDS = (
    *("kind", "title", "text", "contact_id", "conversation_id", "interaction_id", "assignee_id", "queue_id"),
    *("created_by", "due_at", "ends_at", "remind_at"),
)
_ABOUT = "SELECT conversation_id FROM interaction WHERE id = $1"


async def add_task(connection: Connection, viewer: UUID | None, fields: Mapping[str, Any]) -> TaskItem:
    """`fields`: the changeable ones, `kind`, `created_by`, and what it is about: an interaction names its conversation, a
    conversation its client. Raises NotFound for what the viewer does not see, BadRequest.
    """
    new = dict(fields)
    if new["interaction_id"] is not None:
        found = await connection.fetchval(_ABOUT, new["interaction_id"])
        if found is None or new["conversation_id"] not in {None, found}:
            raise NotFound("no such interaction, or it is of another conversation")
        new["conversation_id"] = found
    card = None
    if new["contact_id"] is not None:
        card = (await get_contact(connection, viewer, new["contact_id"])).id
    if new["conversation_id"] is not None:
        talk = await get_conversation(connection, viewer, new["conversation_id"])
        if card not in {None, talk.contact_id}:
            raise BadRequest("contact_id: the conversation is with somebody else")
        new["contact_id"] = new["contact_id"] or talk.contact_id
    await _check(connection, new, new)
    task_id = await connection.fetchval(_INSERT, *(new[name] for name in _FIELDS))
    return await get_task(connection, None, task_id)


async def _check(connection: Connection, new: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
    """`new`: the task as it would be; of people and queues only what changed is asked for. Raises BadRequest."""
    if new["assignee_id"] is None and new["queue_id"] is None:
        raise BadRequest("assignee_id or queue_id is needed: somebody has to do it", reason="target_needed")
    if new["ends_at"] is not None and (new["due_at"] is None or new["ends_at"] < new["due_at"]):
        raise BadRequest("ends_at: not before due_at, which it needs", reason="ends_before")
    agent, queue = changed.get("assignee_id"), changed.get("queue_id")
    if agent is not None and not await connection.fetchval("SELECT true FROM agent WHERE id = $1 AND active", agent):
        raise BadRequest("assignee_id: no such active agent", reason="agent_inactive")
    if queue is not None and not await connection.fetchval("SELECT true FROM queue WHERE id = $1", queue):
        raise BadRequest("queue_id: no such queue", reason="queue_gone")


class TaskChange(NamedTuple):
    """`events` to be appended last; `before` and `after`: the changed fields, for the audit log."""

    item: TaskItem
    events: list[NewEvent]
    before: dict[str, Any]
    after: dict[str, Any]


CHANGEABLE = ("title", "text", "assignee_id", "queue_id", "due_at", "ends_at", "remind_at")
_UPDATE = """
UPDATE task SET title = $2, text = $3, assignee_id = $4, queue_id = $5, due_at = $6, ends_at = $7, remind_at = $8,
  version = version + 1
WHERE id = $1
"""


async def _lock(connection: Connection, viewer: UUID | None, task_id: UUID) -> TaskItem:
    await connection.execute("SELECT FROM task WHERE id = $1 FOR UPDATE", task_id)
    return await get_task(connection, viewer, task_id)


async def change_task(
    connection: Connection, viewer: UUID | None, task_id: UUID, changes: Mapping[str, Any], *, version: int | None
) -> TaskChange:
    """Sets fields of CHANGEABLE. Raises NotFound, BadRequest; Conflict on another `version` or when it is not open."""
    old = await _lock(connection, viewer, task_id)
    if version is not None and version != old.version:
        raise Conflict(f"the task was changed meanwhile: its version is {old.version}", reason="changed_meanwhile")
    if old.state != "open":
        raise Conflict(f"the task is {old.state}: open it again first", reason="task_closed")
    before = {name: getattr(old, name) for name in CHANGEABLE}
    after = {name: value for name, value in changes.items() if value != before[name]}
    if not after:
        return TaskChange(old, [], {}, {})
    new = before | after
    await _check(connection, new, after)
    await connection.execute(_UPDATE, task_id, *(new[name] for name in CHANGEABLE))
    item = await get_task(connection, None, task_id)
    return TaskChange(item, change_events(old, item), {name: before[name] for name in after}, after)


def change_events(old: TaskItem, new: TaskItem) -> list[NewEvent]:
    """`left` to those whose it is no more, with nothing of what it says by now; `changed` to the others."""
    gone = audience_of(old) - audience_of(new)
    left = NewEvent("task.left", sorted(gone), {"task_id": new.id, "version": new.version})
    return [left, task_event("task.changed", new)] if gone else [task_event("task.changed", new)]


_SET_STATE = """
UPDATE task SET state = $2, result = $3, done_by = $4, done_at = CASE WHEN $2 <> 'open' THEN coalesce(done_at, now()) END,
  remind_at = CASE WHEN $2 = 'open' THEN remind_at END, version = version + 1
WHERE id = $1
"""


async def set_task_state(
    connection: Connection, viewer: UUID | None, task_id: UUID, state: State, *, result: str, by: UUID | None
) -> TaskChange:
    """Done, cancelled or open again. Asked for what it is already, it changes at most the result. Raises NotFound;
    Conflict between done and cancelled.
    """
    old = await _lock(connection, viewer, task_id)
    if old.state != state and "open" not in {old.state, state}:
        raise Conflict(f"the task is {old.state}: open it again first", reason="task_closed")
    if old.state == state and (state == "open" or result in {"", old.result}):
        return TaskChange(old, [], {}, {})
    doer = None if state == "open" else old.done_by if old.state == state else by
    await connection.execute(_SET_STATE, task_id, state, "" if state == "open" else result, doer)
    item = await get_task(connection, None, task_id)
    names = [name for name in ("state", "result") if getattr(old, name) != getattr(item, name)]
    before, after = ({name: getattr(one, name) for name in names} for one in (old, item))
    return TaskChange(item, change_events(old, item), before, after)


_CLAIM_REMINDERS = """
WITH due AS (
    SELECT id FROM task WHERE state = 'open' AND remind_at <= now() ORDER BY remind_at, id LIMIT $1
    FOR UPDATE SKIP LOCKED
)
UPDATE task AS t SET remind_at = NULL, version = t.version + 1 FROM due WHERE t.id = due.id RETURNING t.id
"""


async def claim_reminders(connection: Connection, limit: int) -> list[TaskItem]:
    """Tasks of which it is time to remind, taken so that it is done once, with this transaction."""
    rows = await connection.fetch(_CLAIM_REMINDERS, limit)
    return await read_tasks(connection, [row["id"] for row in rows])
