"""Which conversation an item belongs to, and who answers it: found or opened for a batch at once.

Open conversations are unique by (channel, thread key). A new message re-opens a resolved one within the queue's
`reopen_days`, else it starts a new one that knows its predecessor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from config.errors import HubError
from router.directory import Directory
from router.routing import ContactFacts, RouteRequest, decide, frt_due
from router.work import Thread, Work
from storage.db import Connection
from storage.queries import load

SQL = load("stream")
SNIPPET = 200
REOPEN_DAYS = 14
KINDS = {"email": "email", "form": "form"}


class Again(HubError):
    """Somebody changed what this batch stands on: it is thrown away and done again."""

    code = "again"


def thread_key_of(work: Work) -> str:
    """The item's own thread, else the client's address."""
    if work.item.thread_key:
        return work.item.thread_key
    client = work.item.sender if work.item.direction != "out" else next(iter(work.item.recipients), None)
    return client.value[:500] if client is not None and client.value else "anonymous"


async def thread(
    connection: Connection, works: Sequence[Work], ids: Iterator[UUID], directory: Directory, now: datetime
) -> list[Thread]:
    """Sets `thread` of every work; returns the conversations touched, those new already written. Raises Again."""
    if not works:
        return []
    keys = sorted({(work.channel.id, thread_key_of(work)) for work in works})
    rows = await connection.fetch(SQL.latest_conversations, [k for k, _ in keys], [t for _, t in keys])
    known = {(row["channel_id"], row["thread_key"]): Thread(*row) for row in rows}
    touched: dict[UUID, Thread] = {}
    for work in works:
        key = (work.channel.id, thread_key_of(work))
        found = known.get(key)
        if found is None or _is_over(found, directory, now):
            found = known[key] = _open(work, key[1], next(ids), previous=found)
        work.thread = found
        touched[found.id] = found
        _advance(found, work, directory, now)
    new = [t for t in touched.values() if t.is_new]
    if new:
        await _insert(connection, new)
    return list(touched.values())


def _is_over(thread: Thread, directory: Directory, now: datetime) -> bool:
    if thread.status != "resolved":
        return False
    queue = directory.queues.get(thread.queue_id) if thread.queue_id else None
    days = queue.reopen_days if queue is not None else REOPEN_DAYS
    return (thread.resolved_at or thread.last_at or now) < now - timedelta(days=days)


def _open(work: Work, thread_key: str, new_id: UUID, *, previous: Thread | None) -> Thread:
    assert work.known is not None
    kind = "call" if work.item.kind == "call" else KINDS.get(work.channel.connector.name, "message")
    return Thread(
        id=new_id,
        channel_id=work.channel.id,
        thread_key=thread_key,
        kind="form" if work.item.kind == "form" else kind,
        contact_id=work.known.contact_id,
        identity_id=work.known.identity_id,
        subject=work.item.subject.replace("\x00", "")[:500],
        previous_id=previous.id if previous is not None else None,
        assignee_id=None,
        is_new=True,
    )


def _advance(thread: Thread, work: Work, directory: Directory, now: datetime) -> None:
    """What one more item does to a conversation."""
    assert work.known is not None
    assert work.order_at is not None
    item = work.item
    thread.changed = True
    if thread.last_at is None or work.order_at >= thread.last_at or not thread.last_text:
        thread.last_at = work.order_at
        thread.last_text = snippet(item.text or item.subject)
    if item.kind == "call":
        thread.assignment_reason = thread.assignment_reason or "the PBX rings"
        return
    if item.direction == "out":
        if thread.first_response_at is None and not thread.is_new:
            thread.first_response_at = work.order_at
        return
    thread.unread += 1
    thread.last_in_at = max(filter(None, (thread.last_in_at, work.order_at)))
    thread.identity_id = work.known.identity_id
    reopened = thread.status == "resolved"
    thread.status = "open"
    if thread.is_new or reopened or (thread.assignee_id is None and thread.queued_at is None):
        if not thread.assigned:
            _route(thread, work, directory, now, reopened=reopened)
    elif thread.assignee_id is not None and not _may_hold(directory, thread.assignee_id, now):
        _route(thread, work, directory, now, reopened=False)


def _may_hold(directory: Directory, agent_id: UUID, now: datetime) -> bool:
    agent = directory.agents.get(agent_id)
    return agent is not None and agent.active and directory.absence_of(agent_id, now) is None


def _route(thread: Thread, work: Work, directory: Directory, now: datetime, *, reopened: bool) -> None:
    assert work.known is not None
    card = work.known.card
    item = work.item
    decision = decide(
        directory,
        RouteRequest(
            channel_id=work.channel.id,
            channel_queue_id=work.channel.queue_id,
            kind=thread.kind,
            contact=ContactFacts(card.owner_id, frozenset(card.tags), card.vip, card.language, card.source),
            our_number=item.call.our_number if item.call is not None else str(item.meta.get("our_number") or ""),
            text=item.text[:2000],
            current_assignee=None if reopened else thread.assignee_id,
            previous_assignee=thread.assignee_id if reopened else None,
            now=now,
        ),
    )
    thread.assignee_id = decision.assignee_id
    thread.queue_id = decision.queue_id
    thread.queued_at = None if decision.assignee_id is not None else now
    thread.assignment_reason = decision.reason
    thread.facts = decision.facts
    thread.assigned = True
    if work.entry.fresh:
        thread.frt_due_at = frt_due(directory.queue_or_default(decision.queue_id), now)


def snippet(text: str) -> str:
    """The line of the list."""
    return " ".join(text[: SNIPPET * 2].split())[:SNIPPET]


async def _insert(connection: Connection, new: list[Thread]) -> None:
    rows = await connection.fetch(
        SQL.insert_conversations,
        [t.id for t in new],
        [t.channel_id for t in new],
        [t.thread_key for t in new],
        [t.kind for t in new],
        [t.contact_id for t in new],
        [t.identity_id for t in new],
        [t.assignee_id for t in new],
        [t.queue_id for t in new],
        [t.queued_at for t in new],
        [t.assignment_reason for t in new],
        [t.subject for t in new],
        [t.previous_id for t in new],
        [t.last_at for t in new],
        [t.last_in_at for t in new],
        [t.last_text for t in new],
        [t.unread for t in new],
        [t.frt_due_at for t in new],
    )
    if len(rows) != len(new):
        raise Again("a conversation was opened by somebody else at the same moment")


async def write(connection: Connection, threads: Sequence[Thread]) -> None:
    """Changes of conversations that were there, and the assignments of all."""
    changed = sorted((t for t in threads if t.changed and not t.is_new), key=lambda t: t.id)
    for t in changed:
        t.version += 1
    if changed:
        await connection.execute(
            SQL.update_conversations,
            [t.id for t in changed],
            [t.status for t in changed],
            [t.identity_id for t in changed],
            [t.assignee_id for t in changed],
            [t.queue_id for t in changed],
            [t.queued_at for t in changed],
            [t.assignment_reason for t in changed],
            [t.last_at for t in changed],
            [t.last_in_at for t in changed],
            [t.last_text for t in changed],
            [t.unread for t in changed],
            [t.frt_due_at for t in changed],
            [t.version for t in changed],
        )
    assigned = [t for t in threads if t.assigned]
    if assigned:
        await connection.execute(
            SQL.insert_assignments,
            [t.id for t in assigned],
            [t.assignee_id for t in assigned],
            [t.queue_id for t in assigned],
            [t.assignment_reason for t in assigned],
            [t.facts for t in assigned],
        )
