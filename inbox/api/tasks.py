"""Tasks: what is to be done, by whom and until when; the calendar."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec

from config.errors import BadRequest, Forbidden
from inbox.api.contacts import given
from inbox.api.conversations import words_of
from inbox.api.lists import Aware, Page, Walk, to_page
from inbox.api.routes import Change, Ctx, Routes
from storage.tasks import (
    Kind,
    State,
    TaskChange,
    TaskFilter,
    TaskItem,
    add_task,
    change_task,
    get_task,
    key_of,
    list_calendar,
    list_tasks,
    set_task_state,
    task_event,
)

routes = Routes("tasks")
Title = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"\S")]
Text = Annotated[str, msgspec.Meta(max_length=10_000)]
Result = Annotated[str, msgspec.Meta(max_length=2000)]
Words = Annotated[str, msgspec.Meta(max_length=60)]
STATES = ("open", "done", "cancelled")
KINDS = ("todo", "call_back", "meeting", "complaint")
TIMES = ("due_at", "ends_at", "remind_at")
YEARS = range(1970, 2200)
MAX_SPAN = timedelta(days=400)


class TaskQuery(Walk, kw_only=True):
    """`assignee`: an agent, `me` or `none` (waits in a queue for whoever is first). `state`, `kind`: one or several, comma
    separated. `due_before` excludes its moment, `due_after` includes it. `q`: part of the title or of what is said about it.
    """

    assignee: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    queue: UUID | None = None
    contact: UUID | None = None
    conversation: UUID | None = None
    state: Words | None = None
    kind: Words | None = None
    due_before: Aware | None = None
    due_after: Aware | None = None
    q: Annotated[str, msgspec.Meta(max_length=100)] | None = None


@routes.add("GET", "/tasks", "Tasks the caller may see, in the order they are due", scope="read")
async def tasks(ctx: Ctx, query: TaskQuery) -> Page[TaskItem]:
    wanted = TaskFilter(
        assignee=_assignee_of(ctx, query.assignee),
        unassigned=True if query.assignee == "none" else None,
        queue=query.queue,
        contact=query.contact,
        conversation=query.conversation,
        states=words_of(query.state, STATES, "state"),
        kinds=words_of(query.kind, KINDS, "kind"),
        due_before=query.due_before,
        due_after=query.due_after,
        words=query.q,
    )
    after = query.key(tuple[Aware, UUID])
    items = await list_tasks(ctx.store.pool, ctx.viewer, wanted, after=after, limit=query.count + 1, down=query.down)
    return to_page(items, query, key_of, lambda item: item)


def _assignee_of(ctx: Ctx, text: str | None) -> UUID | None:
    if text in {None, "none"}:
        return None
    try:
        return ctx.actor.person if text == "me" else UUID(text)
    except ValueError:
        raise BadRequest("assignee: an agent's id, me or none") from None


class CalendarQuery(Walk, kw_only=True):
    """From `from` until before `to`, at most 400 days. `agent`: whose; the caller's own without it."""

    from_: Aware = msgspec.field(name="from")
    to: Aware
    agent: UUID | None = None


@routes.add("GET", "/tasks/calendar", "Tasks with a time, of one agent", scope="read")
async def calendar(ctx: Ctx, query: CalendarQuery) -> Page[TaskItem]:
    agent_id = query.agent or ctx.actor.person
    if ctx.viewer is not None and agent_id != ctx.viewer:
        raise Forbidden("only a supervisor sees the calendar of others", reason="supervisors_only")
    if not timedelta(0) < query.to - query.from_ <= MAX_SPAN:
        raise BadRequest(f"to: later than from, by at most {MAX_SPAN.days} days")
    after = query.key(tuple[Aware, UUID])
    span = (query.from_, query.to)
    items = await list_calendar(
        ctx.store.pool, ctx.viewer, agent_id, span, after=after, limit=query.count + 1, down=query.down
    )
    return to_page(items, query, key_of, lambda item: item)


@routes.add("GET", "/tasks/{task_id}", "One task", scope="read")
async def task(ctx: Ctx, task_id: UUID) -> TaskItem:
    async with ctx.store.pool.acquire() as connection, connection.transaction(readonly=True):
        return await get_task(connection, ctx.viewer, task_id)


class NewTask(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """For an agent, or for whoever of a queue takes it; without either the caller's own. `interaction_id`: the message it
    was made of; its conversation and client follow from it.
    """

    title: Title
    kind: Kind = "todo"
    text: Text = ""
    contact_id: UUID | None = None
    conversation_id: UUID | None = None
    interaction_id: UUID | None = None
    assignee_id: UUID | None = None
    queue_id: UUID | None = None
    due_at: Aware | None = None
    ends_at: Aware | None = None
    remind_at: Aware | None = None


@routes.add("POST", "/tasks", "A new task", scope="write", status=201)
async def new_task(ctx: Ctx, change: Change, body: NewTask) -> TaskItem:
    fields = {name: getattr(body, name) for name in body.__struct_fields__}
    _check_times(fields)
    if body.assignee_id is None and body.queue_id is None:
        fields["assignee_id"] = ctx.actor.agent_id
    fields["created_by"] = ctx.actor.agent_id
    item = await add_task(change.connection, ctx.viewer, fields)
    made = {"title": item.title, "kind": item.kind, "assignee_id": item.assignee_id, "queue_id": item.queue_id}
    await change.note("task.created", ("task", item.id), {}, made)
    change.events.append(task_event("task.created", item))
    return item


def _check_times(fields: dict[str, Any]) -> None:
    """Raises BadRequest naming the field: a slip in the year must not hide a task for ever."""
    for name in TIMES:
        at: datetime | None = fields.get(name)
        if at is not None and at.year not in YEARS:
            raise BadRequest(f"{name}: a year from {YEARS.start} to {YEARS.stop - 1}")


class TaskPatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays. `version`: refused when the task was changed meanwhile."""

    title: Title | msgspec.UnsetType = msgspec.UNSET
    text: Text | msgspec.UnsetType = msgspec.UNSET
    assignee_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    queue_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    due_at: Aware | msgspec.UnsetType | None = msgspec.UNSET
    ends_at: Aware | msgspec.UnsetType | None = msgspec.UNSET
    remind_at: Aware | msgspec.UnsetType | None = msgspec.UNSET
    version: int | msgspec.UnsetType = msgspec.UNSET


@routes.add("PATCH", "/tasks/{task_id}", "Change an open task, take it, hand it on", scope="write")
async def patch_task(ctx: Ctx, change: Change, task_id: UUID, body: TaskPatch) -> TaskItem:
    changes = given(body)
    version = changes.pop("version", None)
    _check_times(changes)
    changed = await change_task(change.connection, ctx.viewer, task_id, changes, version=version)
    return await _finish(change, changed, "task.changed")


class Outcome(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`result`: what came of it, or why not."""

    result: Result = ""


@routes.add(
    "POST", "/tasks/{task_id}/done", "It is done; once more, with another result, mends the result", scope="write"
)
async def done(ctx: Ctx, change: Change, task_id: UUID, body: Outcome) -> TaskItem:
    return await _set(ctx, change, task_id, "done", body.result)


@routes.add("POST", "/tasks/{task_id}/cancel", "It need not be done", scope="write")
async def cancel(ctx: Ctx, change: Change, task_id: UUID, body: Outcome) -> TaskItem:
    return await _set(ctx, change, task_id, "cancelled", body.result)


@routes.add("POST", "/tasks/{task_id}/reopen", "It is to be done after all", scope="write")
async def reopen(ctx: Ctx, change: Change, task_id: UUID) -> TaskItem:
    return await _set(ctx, change, task_id, "open", "")


async def _set(ctx: Ctx, change: Change, task_id: UUID, state: State, result: str) -> TaskItem:
    by = ctx.actor.agent_id
    changed = await set_task_state(change.connection, ctx.viewer, task_id, state, result=result, by=by)
    return await _finish(change, changed, f"task.{'reopened' if state == 'open' else state}")


async def _finish(change: Change, changed: TaskChange, action: str) -> TaskItem:
    await change.note(action, ("task", changed.item.id), changed.before, changed.after)
    change.events.extend(changed.events)
    return changed.item
