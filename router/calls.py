"""Calls in the stream: one interaction and one conversation a call, however many events tell of it.

The first event opens both; the others are added to the row's set of events and the call is reduced anew. While it rings
nobody is assigned: the PBX rings people. Answered, it is done by whom it was answered; missed, it becomes work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from router import callstate
from router.callstate import CallEvent, CallView
from router.directory import Directory
from router.routing import ContactFacts, RouteRequest, decide
from router.understand import to_document
from router.work import Work
from storage.db import Connection
from storage.events import NewEvent, audience
from storage.queries import load

SQL = load("calls")
STREAM = load("stream")
ASSIGNMENT = """
INSERT INTO assignment (conversation_id, agent_id, queue_id, reason, facts) VALUES ($1, $2, $3, $4, $5)
"""


@dataclass(slots=True)
class CallWork:
    """The items of one batch that speak of one call."""

    channel_id: UUID
    call_id: str
    works: list[Work] = field(default_factory=list)

    @property
    def lead(self) -> Work:
        """The one that tells most: it names the client, if any does."""
        return next((w for w in self.works if w.item.call is not None and w.item.call.client), self.works[0])

    def ids(self) -> set[str]:
        return {self.call_id}.union(*(_ids(w) for w in self.works))


def _ids(work: Work) -> list[str]:
    aliases = work.item.call.aliases if work.item.call is not None else []
    return [i.replace("\x00", "")[:500] for i in (work.item.external_id, *aliases) if i]


async def by_call(connection: Connection, works: Sequence[Work]) -> list[CallWork]:
    """Items by call: ids and aliases of one call, told in this batch or before, are one."""
    wanted = sorted({(w.channel.id, i) for w in works for i in _ids(w)})
    rows = await connection.fetch(SQL.known, [c for c, _ in wanted], [i for _, i in wanted])
    known: dict[tuple[UUID, str], str] = {(row["channel_id"], row["id"]): row["call_id"] for row in rows}
    calls: dict[tuple[UUID, str], CallWork] = {}
    for work in works:
        ids = _ids(work) or [f"entry:{work.entry.id}"]
        call_id = next((known[work.channel.id, i] for i in ids if (work.channel.id, i) in known), ids[0])
        for each in ids:
            known.setdefault((work.channel.id, each), call_id)
        calls.setdefault((work.channel.id, call_id), CallWork(work.channel.id, call_id)).works.append(work)
    return list(calls.values())


async def claim_aliases(connection: Connection, calls: Sequence[CallWork]) -> None:
    """Further ids of calls lead to the same interaction."""
    rows = sorted((c.channel_id, i, c.lead.interaction_id) for c in calls for i in c.ids())
    await connection.execute(
        STREAM.claim_refs,
        [channel_id for channel_id, _, _ in rows],
        ["call"] * len(rows),
        [i for _, i, _ in rows],
        [""] * len(rows),
        [interaction_id for _, _, interaction_id in rows],
    )


async def write(
    connection: Connection, calls: Sequence[CallWork], directory: Directory, now: datetime
) -> list[NewEvent]:
    """Adds the events to their calls and shows what they are now. The interactions are there already."""
    ordered = sorted(calls, key=lambda c: (c.channel_id, c.call_id))
    rows = await connection.fetch(SQL.lock, [c.channel_id for c in ordered], [c.call_id for c in ordered])
    known = {(row["channel_id"], row["external_id"]): row for row in rows}
    events: list[NewEvent] = []
    for call in ordered:
        row = known.get((call.channel_id, call.call_id))
        before = callstate.load(row["events"]) if row is not None else []
        new = [callstate.event_of(w.item, w.item.sent_at or w.entry.received_at) for w in call.works]
        all_events = callstate.add(before, new)
        view = callstate.reduce(all_events)
        if row is not None and len(all_events) == len(before):
            continue
        ids = (row["conversation_id"], row["interaction_id"]) if row is not None else _new_ids(call)
        await _put(connection, call, view, all_events, ids)
        events += await _show(connection, call, view, ids, directory, now, row)
    return events


def _new_ids(call: CallWork) -> tuple[UUID, UUID]:
    lead = call.lead
    assert lead.thread is not None
    return lead.thread.id, lead.interaction_id


async def _put(
    connection: Connection, call: CallWork, view: CallView, events: list[CallEvent], ids: tuple[UUID, UUID]
) -> None:
    await connection.execute(
        SQL.put,
        call.channel_id,
        call.call_id,
        *ids,
        view.state,
        view.outcome,
        view.direction,
        view.client,
        view.our_number,
        view.employee,
        view.started_at,
        view.answered_at,
        view.finished_at,
        view.talk_s,
        view.wait_s,
        to_document(events),
    )
    await connection.execute(SQL.show, ids[1], to_document(view))


async def _show(  # noqa: PLR0917 - one step of `write`, split for its length alone
    connection: Connection,
    call: CallWork,
    view: CallView,
    ids: tuple[UUID, UUID],
    directory: Directory,
    now: datetime,
    before: Any,
) -> list[NewEvent]:
    conversation_id, interaction_id = ids
    if before is not None and call.lead.known is not None and call.lead.item.call and call.lead.item.call.client:
        known = call.lead.known
        await connection.execute(SQL.name_client, interaction_id, conversation_id, known.contact_id, known.identity_id)
    row = await connection.fetchrow(SQL.conversation, conversation_id)
    if row is None:
        return []
    rung = _agent_at(directory, call.channel_id, view.employee)
    assignee, queue, version, reason = row["assignee_id"], row["queue_id"], row["version"], ""
    just_finished = view.state == "finished" and (before is None or before["state"] != "finished")
    if just_finished or (view.state == "finished" and before["outcome"] != view.outcome):
        assignee, queue, reason, version = await _close(connection, call, view, row, directory, now, rung)
    words = audience(agents=(assignee, row["owner_id"], rung), queue=queue)
    data: dict[str, Any] = {
        "interaction_id": interaction_id,
        "conversation_id": conversation_id,
        "contact_id": row["card_id"] or row["contact_id"],
        "channel_id": call.channel_id,
        "contact_name": row["name"] or "",
        "owner_id": row["owner_id"],
        "agent_id": rung,
        "call": view,
        "version": version,
        "assignee_id": assignee,
        "queue_id": queue,
        "fresh": any(w.entry.fresh for w in call.works),
    }
    if reason:
        data["assignment_reason"] = reason
    return [NewEvent("call.updated", words, data)]


async def _close(  # noqa: PLR0917 - one step of `_show`, split for its length alone
    connection: Connection,
    call: CallWork,
    view: CallView,
    row: Any,
    directory: Directory,
    now: datetime,
    rung: UUID | None,
) -> tuple[UUID | None, UUID | None, str, int]:
    """What is left to do after the end of a call: nothing, or to call back."""
    if view.outcome == "answered" or view.direction != "in":
        agent = directory.agents.get(rung) if rung else None
        reason = f"answered by {agent.name}" if agent else f"answered at {view.employee or '?'}"
        if view.outcome != "answered":
            reason = f"outgoing call, {view.outcome}"
        version = await connection.fetchval(SQL.close, row["id"], "resolved", rung, row["queue_id"], None, reason)
        return rung, row["queue_id"], reason, int(version)
    facts = ContactFacts(
        row["owner_id"], frozenset(row["tags"] or ()), bool(row["vip"]), row["language"] or "", row["source"] or {}
    )
    channel = call.works[0].channel
    request = RouteRequest(
        channel_id=channel.id,
        channel_queue_id=channel.queue_id,
        kind="message",
        contact=facts,
        our_number=view.our_number,
        text="",
        current_assignee=row["assignee_id"],
        previous_assignee=None,
        now=now,
    )
    decision = decide(directory, request)
    reason = f"missed call: {decision.reason}"
    queued_at = None if decision.assignee_id is not None else now
    version = await connection.fetchval(
        SQL.close, row["id"], "open", decision.assignee_id, decision.queue_id, queued_at, reason
    )
    await connection.execute(ASSIGNMENT, row["id"], decision.assignee_id, decision.queue_id, reason, decision.facts)
    return decision.assignee_id, decision.queue_id, reason, int(version)


def _agent_at(directory: Directory, channel_id: UUID, extension: str) -> UUID | None:
    """Whose extension it is."""
    return (
        next(
            (
                agent_id
                for (channel, agent_id), known in directory.extension_of.items()
                if channel == channel_id and known == extension
            ),
            None,
        )
        if extension
        else None
    )
