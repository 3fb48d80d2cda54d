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

from router import callbacks, callends, callstate, pop
from router.calljoin import take_over
from router.callstate import CallEvent, CallView
from router.directory import Directory
from router.matching import client_of
from router.threads import Again
from router.understand import to_document
from router.work import Work
from storage.db import Connection
from storage.events import NewEvent, audience
from storage.queries import load

SQL = load("calls")
STREAM = load("stream")


@dataclass(slots=True)
class CallWork:
    """The items of one batch that speak of one call. `absorbs`: other rows that turn out to be this call; `inherited`: their
    events; `left`: to those who saw them.
    """

    channel_id: UUID
    call_id: str
    works: list[Work] = field(default_factory=list)
    absorbs: list[str] = field(default_factory=list)
    inherited: list[CallEvent] = field(default_factory=list)
    left: list[NewEvent] = field(default_factory=list)

    @property
    def lead(self) -> Work:
        """The one that tells whose call it is, by the same preference as `callstate.reduce`, else the first."""
        named = [w for w in self.works if w.item.call is not None and w.item.call.client]
        ends = [w for w in named if w.item.call is not None and w.item.call.state == "finished"]
        if ends:
            return max(ends, key=_moment)
        addressed = [w for w in self.works if client_of(w.item) is not None]
        return min(named or addressed or self.works, key=_moment)

    def ids(self) -> set[str]:
        return {self.call_id}.union(*(_ids(w) for w in self.works))


def _moment(work: Work) -> tuple[datetime, int]:
    event = _event(work)
    return event.at, event.seq


def _event(work: Work) -> CallEvent:
    return callstate.event_of(work.item, work.item.sent_at or work.entry.received_at)


def _ids(work: Work) -> list[str]:
    aliases = work.item.call.aliases if work.item.call is not None else []
    return [i.replace("\x00", "")[:500] for i in (work.item.external_id, *aliases) if i]


async def by_call(connection: Connection, works: Sequence[Work]) -> list[CallWork]:
    """Items by call: ids and aliases of one call, told in this batch or before, are one. The lead gets the call's id."""
    if not works:
        return []
    wanted = sorted({(w.channel.id, i) for w in works for i in _ids(w)})
    rows = await connection.fetch(SQL.known, [c for c, _ in wanted], [i for _, i in wanted])
    known: dict[tuple[UUID, str], str] = {(row["channel_id"], row["id"]): row["call_id"] for row in rows}
    asked = {(row["channel_id"], row["call_id"]) for row in rows if row["asked"]}
    calls = _grouped(works, known, asked)
    for call in calls:
        for other in call.absorbs:
            taken = await take_over(connection, call.channel_id, call.call_id, other)
            call.inherited += taken.events
            call.left += taken.left
        lead = call.lead
        lead.item.external_id = lead.item.thread_key = call.call_id
        # What is told together stands where its first word would.
        lead.order_at = min((w.order_at for w in call.works if w.order_at is not None), default=lead.order_at)
    return calls


def _grouped(works: Sequence[Work], known: dict[tuple[UUID, str], str], asked: set[tuple[UUID, str]]) -> list[CallWork]:
    """An item that names two calls new in this batch joins them. Two that are rows already stay two, but for one that we
    asked for (`asked`): the PBX may tell of it under its own id before it names ours, and then it is that one.
    """
    rows = set(known.values())
    calls: dict[tuple[UUID, str], CallWork] = {}
    for work in works:
        channel_id = work.channel.id
        ids = _ids(work) or [f"entry:{work.entry.id}"]
        hits = list(dict.fromkeys(known[channel_id, i] for i in ids if (channel_id, i) in known))
        call_id = next((hit for hit in hits if hit in rows), (hits or ids)[0])
        ours = [hit for hit in hits if (channel_id, hit) in asked]
        call_id = ours[0] if len(ours) == 1 else call_id
        call = calls.setdefault((channel_id, call_id), CallWork(channel_id, call_id))
        for twin in [hit for hit in hits if len(ours) == 1 and hit in rows and hit not in {call_id, *call.absorbs}]:
            call.absorbs.append(twin)
            call.works += calls.pop((channel_id, twin), CallWork(channel_id, twin)).works
            known.update({key: call_id for key, of in known.items() if of == twin and key[0] == channel_id})
        for hit in hits:
            other = calls.get((channel_id, hit))
            if other is not None and other is not call and hit not in rows:
                call.works += calls.pop((channel_id, hit)).works
                known.update({key: call_id for key, of in known.items() if of == hit and key[0] == channel_id})
        call.works.append(work)
        for each in ids:
            if known.get((channel_id, each)) not in rows:
                known[channel_id, each] = call_id
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
    """Adds the events to their calls and shows what they are now. The interactions are there already. Raises Again."""
    ordered = sorted(calls, key=lambda c: (c.channel_id, c.call_id))
    rows = await connection.fetch(SQL.lock, [c.channel_id for c in ordered], [c.call_id for c in ordered])
    known = {(row["channel_id"], row["external_id"]): row for row in rows}
    events: list[NewEvent] = []
    ended: list[callbacks.Ended] = []
    for call in ordered:
        row = known.get((call.channel_id, call.call_id))
        told = callstate.load(row["events"]) if row is not None else []
        all_events = callstate.add(told, [*call.inherited, *(_event(w) for w in call.works)])
        events += call.left
        if row is not None and len(all_events) == len(told):
            continue
        if row is None and call.lead.thread is None:
            raise Again("another lane opened this call under another of its ids at the same moment")
        changed, end = await _write_one(connection, call, row, told, all_events, directory, now)
        events += changed
        ended += end
    events += await callbacks.follow(connection, ended)
    return events + await pop.tell_pops(connection, ended, directory, now)


async def _write_one(  # noqa: PLR0917 - one round of the loop in `write`
    connection: Connection,
    call: CallWork,
    row: Any,
    told: list[CallEvent],
    events: list[CallEvent],
    directory: Directory,
    now: datetime,
) -> tuple[list[NewEvent], list[callbacks.Ended]]:
    lead = call.lead
    before = callstate.reduce(told) if told else None
    view = callstate.reduce(events)
    if row is not None:
        conversation_id, interaction_id = row["conversation_id"], row["interaction_id"]
    else:
        assert lead.thread is not None
        conversation_id, interaction_id = lead.thread.id, lead.interaction_id
    if before is not None and view.client != before.client and lead.known is not None:
        whose = (interaction_id, conversation_id, lead.known.contact_id, lead.known.identity_id)
        await connection.execute(SQL.name_client, *whose)
    conversation = await connection.fetchrow(SQL.conversation, conversation_id)
    recording_id = row["recording_id"] if row is not None else None
    new = [ref for ref in callstate.recordings(events) if ref not in callstate.recordings(told)]
    if new:
        begun = view.started_at.astimezone(directory.zone)
        called = f"Звонок {begun:%Y-%m-%d %H-%M}.mp3"
        recording_id = await _add_recordings(connection, call, interaction_id, new, called)
    view.recording = str(recording_id) if recording_id is not None else ""
    call_id = await _put(connection, call, view, events, (conversation_id, interaction_id, recording_id))
    if conversation is None:
        return [], []
    employees = {event.call.employee for event in events if event.call.employee}
    agents = {agent for agent in (_agent_at(directory, call.channel_id, e) for e in employees) if agent is not None}
    if agents:
        await connection.execute(SQL.rung, conversation_id, sorted(agents))
    talked = _agent_at(directory, call.channel_id, view.employee)
    end = callends.End(call.works[0].channel, before, view, conversation, talked, directory, now)
    end.silent = all(w.entry.silent for w in call.works)
    end.fresh = any(w.entry.fresh for w in call.works)
    end.rung = agents
    closed, further = await callends.close(connection, end)
    ended = callbacks.Ended(call_id, interaction_id, end, closed)
    return [*further, _updated(call, end, closed, interaction_id, agents)], [ended]


async def _add_recordings(
    connection: Connection, call: CallWork, interaction_id: UUID, refs: Sequence[str], called: str
) -> UUID:
    """A provider's link or id, to be fetched by `MediaFetcher`. `called`: the file's name, which names nobody. Returns the
    last one's attachment.
    """
    sources = [to_document({"url": ref} if ref.startswith(("http://", "https://")) else {"id": ref}) for ref in refs]
    rows = await connection.fetch(
        SQL.add_recordings,
        interaction_id,
        call.channel_id,
        [called] * len(refs),
        ["audio/mpeg"] * len(refs),
        sources,
    )
    found: UUID = rows[-1]["id"]
    return found


async def _put(
    connection: Connection,
    call: CallWork,
    view: CallView,
    events: list[CallEvent],
    ids: tuple[UUID, UUID, UUID | None],
) -> UUID:
    conversation_id, interaction_id, recording_id = ids
    direction = view.direction if view.direction in {"in", "out"} else None
    await connection.execute(SQL.show, interaction_id, to_document(view), direction)
    put: UUID = await connection.fetchval(
        SQL.put,
        call.channel_id,
        call.call_id,
        conversation_id,
        interaction_id,
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
        recording_id,
        to_document(events),
    )
    return put


def _updated(
    call: CallWork, end: callends.End, closed: callends.Closed, interaction_id: UUID, agents: set[UUID]
) -> NewEvent:
    """To everybody the call rang at: who was not the one must see it go away."""
    row, view, directory = end.conversation, end.view, end.directory
    ringing = [_agent_at(directory, call.channel_id, extension) for extension in view.ringing]
    words = audience(agents=(closed.assignee_id, row["owner_id"], *agents), queue=closed.queue_id)
    data: dict[str, Any] = {
        "interaction_id": interaction_id,
        "conversation_id": row["id"],
        "contact_id": row["card_id"] or row["contact_id"],
        "channel_id": call.channel_id,
        "contact_name": row["name"] or "",
        "owner_id": row["owner_id"],
        "agent_id": end.talked,
        "ringing": [agent for agent in ringing if agent is not None],
        "call": view,
        "status": closed.status,
        "version": closed.version,
        "assignee_id": closed.assignee_id,
        "queue_id": closed.queue_id,
        "waiting": closed.waiting,
        "fresh": end.fresh,
    }
    if closed.reason:
        data["assignment_reason"] = closed.reason
    return NewEvent("call.updated", words, data)


def is_waiting(event: NewEvent) -> bool:
    """A missed call that waits for an agent now."""
    return event.type == "call.updated" and isinstance(event.data, dict) and bool(event.data["waiting"])


def has_recording(event: NewEvent) -> bool:
    """A call that has something to fetch."""
    return event.type == "call.updated" and isinstance(event.data, dict) and bool(event.data["call"].recording)


def _agent_at(directory: Directory, channel_id: UUID, extension: str) -> UUID | None:
    """Whose extension it is."""
    return directory.extensions.get((channel_id, extension)) if extension else None
