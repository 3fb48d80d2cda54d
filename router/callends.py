"""What is left to do when a call is over: nothing, if somebody talked; to call back, if nobody did."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from router.callstate import CallView
from router.channels import Channel
from router.directory import Directory
from router.routing import ContactFacts, RouteRequest, decide, frt_due
from storage.conversations import get_conversation
from storage.db import Connection
from storage.events import NewEvent, audience
from storage.queries import load

SQL = load("calls")
STREAM = load("stream")


@dataclass(slots=True)
class End:
    """A call as it was and is. `conversation`: its row with the card's facts; `talked`: the agent at `view.employee`;
    `silent`: told by an archive; `fresh`: young enough for promises; `rung`: agents it ever rang at.
    """

    channel: Channel
    before: CallView | None
    view: CallView
    conversation: Any
    talked: UUID | None
    directory: Directory
    now: datetime
    silent: bool = False
    fresh: bool = True
    rung: set[UUID] = field(default_factory=set)


@dataclass(slots=True)
class Closed:
    """The conversation as it is left. `reason`: if this call has just decided whose it is; `missed`: it was decided that
    somebody calls back, until `due_at` if a queue promises it.
    """

    status: str
    assignee_id: UUID | None
    queue_id: UUID | None
    version: int
    waiting: bool = False
    reason: str = ""
    missed: bool = False
    due_at: datetime | None = None


async def close(connection: Connection, end: End) -> tuple[Closed, list[NewEvent]]:
    """The conversation after this event of its call, and what else changed with it."""
    row = end.conversation
    as_it_is = Closed(row["status"], row["assignee_id"], row["queue_id"], row["version"])
    if not _decides(end):
        return as_it_is, []
    view = end.view
    if view.outcome == "answered":
        return await _done(connection, end, _answered_by(end)), await _reached(connection, end)
    if view.direction != "in":
        return await _done(connection, end, f"{view.direction or 'internal'} call, {view.outcome}"), []
    if view.refused:
        return await _done(connection, end, "the PBX turned the caller away by its own lists"), []
    if end.silent:
        return await _done(connection, end, "from an archive"), []
    return await _missed(connection, end), []


def _decides(end: End) -> bool:
    """The end itself, or later word that the end was another. What people did since stays: a missed call that was dealt
    with is not opened again.
    """
    before, view, row = end.before, end.view, end.conversation
    if view.state != "finished":
        return False
    if before is None or before.state != "finished":
        return True
    if view.outcome == "answered" and before.outcome == "answered":
        return view.employee != before.employee and row["status"] == "resolved"
    was_done = before.outcome == "answered" or before.direction != "in" or before.refused
    return view.outcome != before.outcome and (row["status"] == "resolved") == was_done


def _answered_by(end: End) -> str:
    agent = end.directory.agents.get(end.talked) if end.talked is not None else None
    if agent is not None:
        return f"answered by {agent.name}" if end.view.direction == "in" else f"called by {agent.name}"
    return f"answered at {end.view.employee}" if end.view.employee else "answered"


async def _done(connection: Connection, end: End, reason: str) -> Closed:
    row = end.conversation
    version = await connection.fetchval(
        SQL.close, row["id"], "resolved", end.talked, row["queue_id"], None, reason, None, None
    )
    facts = {"step": "call", "extension": end.view.employee, "outcome": end.view.outcome}
    await _assign(connection, row["id"], end.talked, row["queue_id"], reason, facts)
    return Closed("resolved", end.talked, row["queue_id"], int(version), reason=reason)


async def _missed(connection: Connection, end: End) -> Closed:
    row, view = end.conversation, end.view
    facts = ContactFacts(
        row["owner_id"], frozenset(row["tags"] or ()), bool(row["vip"]), row["language"] or "", row["source"] or {}
    )
    request = RouteRequest(
        channel_id=end.channel.id,
        channel_queue_id=end.channel.queue_id,
        kind="message",  # to call back can wait for an owner who is away from his desk; a ringing call could not
        contact=facts,
        our_number=view.our_number,
        text="",
        current_assignee=row["assignee_id"],
        previous_assignee=None,
        now=end.now,
    )
    decision = decide(end.directory, request)
    reason = f"missed call: {decision.reason}"
    waiting = decision.assignee_id is None
    due = frt_due(end.directory.queue_or_default(decision.queue_id), end.now) if end.fresh else None
    version = await connection.fetchval(
        SQL.close,
        row["id"],
        "open",
        decision.assignee_id,
        decision.queue_id,
        end.now if waiting else None,
        reason,
        due,
        view.started_at,
    )
    told = decision.facts | {"missed": True}
    await _assign(connection, row["id"], decision.assignee_id, decision.queue_id, reason, told)
    return Closed(
        "open", decision.assignee_id, decision.queue_id, int(version), waiting, reason, missed=True, due_at=due
    )


async def _assign(  # noqa: PLR0917 - the columns of one row
    connection: Connection,
    conversation_id: UUID,
    agent_id: UUID | None,
    queue_id: UUID | None,
    reason: str,
    facts: dict[str, Any],
) -> None:
    await connection.execute(STREAM.insert_assignments, [conversation_id], [agent_id], [queue_id], [reason], [facts])


async def _reached(connection: Connection, end: End) -> list[NewEvent]:
    """Missed calls of the client that wait: he was talked to since."""
    row, view = end.conversation, end.view
    if not view.client or row["card_id"] is None:
        return []
    reason = "reached by a later call"
    done = await connection.fetch(SQL.reached, row["card_id"], row["id"], view.started_at, reason)
    events = []
    for changed in done:
        item = await get_conversation(connection, None, changed["id"])
        words = audience(agents=(item.assignee_id, row["owner_id"]), queue=item.queue_id)
        events.append(NewEvent("conversation.updated", words, {"conversation": item}))
    return events
