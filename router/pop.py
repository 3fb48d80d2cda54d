"""The screen pop: what a call's agents are told as it rings, as it is answered and as it is over.

`call.ringing` carries all the page shows, so that it needs no second request. It is read by one statement for all calls
of the batch, inside the lane's transaction: the pop then stands in the same commit, and the same frame, as the call. A
read right after would save the lane a millisecond per ringing call, and lose the pop when the worker dies in between.

`call.ringing` is told again whenever the set of phones that ring has changed, also to those that have stopped; without
any (`ringing` is empty, `pop` is null) the call is between two phones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from router.callbacks import Ended
from router.callers import to_caller
from router.callstate import TALKING, CallView
from router.directory import Directory
from router.wrapup import begin_wrap_ups, tell_states
from storage.db import Connection
from storage.events import NewEvent, audience
from storage.pops import Pop, read_pops

Stage = Literal["ringing", "answered", "finished"]
INCOMING = frozenset({None, "in"})


@dataclass(slots=True)
class Moment:
    """A call at a stage worth telling. `rings_at`, `rang_at`: agents, now and before this."""

    call: Ended
    stage: Stage
    rings_at: list[UUID]
    rang_at: list[UUID]


def _moment(call: Ended, directory: Directory) -> Moment | None:
    """None: nothing that the pop shows has changed, or it is too old for a pop."""
    before, view = call.end.before, call.end.view
    if not call.end.fresh or (before is not None and before.state == "finished"):
        return None
    channel_id = call.end.channel.id
    rings_at, rang_at = (_agents_at(directory, channel_id, one) for one in (view, before))
    if view.state == "finished":
        return Moment(call, "finished", rings_at, rang_at)
    if view.state in TALKING and (before is None or before.state not in TALKING or before.employee != view.employee):
        return Moment(call, "answered", rings_at, rang_at)
    changed = set(rings_at) != set(rang_at)
    return Moment(call, "ringing", rings_at, rang_at) if changed and view.direction in INCOMING else None


async def tell_pops(
    connection: Connection, calls: Sequence[Ended], directory: Directory, now: datetime
) -> list[NewEvent]:
    """The events of a batch's calls, and of the agents whose state follows them. Presence rows are written here."""
    moments = [moment for call in calls if (moment := _moment(call, directory)) is not None]
    if not moments:
        return []
    ringing = [(m.call.card_id, m.call.interaction_id) for m in moments if m.stage == "ringing" and m.rings_at]
    pops = await read_pops(connection, ringing)
    until = await begin_wrap_ups(connection, _ended(moments), now)
    events = [_event(moment, pops, directory, until) for moment in moments]
    return events + await tell_states(connection, _on_the_phone(moments, directory), now, until)


def _ended(moments: Sequence[Moment]) -> dict[UUID, UUID | None]:
    """Who has just hung up -> the call's queue."""
    return {
        m.call.end.talked: m.call.closed.queue_id
        for m in moments
        if m.stage == "finished" and m.call.end.talked is not None and m.call.end.view.outcome == "answered"
    }


def _on_the_phone(moments: Sequence[Moment], directory: Directory) -> set[UUID]:
    """Who has begun to talk, or ended; also who handed the call on."""
    agents: set[UUID | None] = set()
    for moment in moments:
        end = moment.call.end
        if moment.stage == "answered" or end.view.outcome == "answered":
            agents.add(end.talked)
        if end.before is not None and end.before.state in TALKING:
            agents.add(directory.extensions.get((end.channel.id, end.before.employee)))
    return {agent for agent in agents if agent is not None}


def _event(moment: Moment, pops: dict[UUID, Pop], directory: Directory, until: dict[UUID, datetime]) -> NewEvent:
    """To those it rings at and those it has stopped ringing at; then to all it ever rang at, and who talks."""
    end, view = moment.call.end, moment.call.end.view
    data = _facts(moment, directory)
    heard: set[UUID | None] = {*moment.rings_at, *moment.rang_at}
    if moment.stage == "ringing":
        found = pops.get(moment.call.card_id)
        data |= {"pop": found, "new": found is not None and found.new}
    else:
        heard |= {*end.rung, end.talked}
        data["answered_at"] = view.answered_at
    if moment.stage == "finished":
        data |= {"outcome": view.outcome, "finished_at": view.finished_at, "talk_s": view.talk_s, "wait_s": view.wait_s}
        data["wrap_up_until"] = until.get(end.talked) if end.talked is not None else None
    return NewEvent(f"call.{moment.stage}", audience(agents=heard), data)


def _facts(moment: Moment, directory: Directory) -> dict[str, Any]:
    """What every stage says. `agent_id`: who talks, or talked last."""
    end, view = moment.call.end, moment.call.end.view
    talks = directory.agents.get(end.talked) if end.talked is not None and moment.stage != "ringing" else None
    return {
        "call_id": moment.call.call_id,
        "interaction_id": moment.call.interaction_id,
        "conversation_id": end.conversation["id"],
        "contact_id": moment.call.card_id,
        "contact_name": end.conversation["name"] or "",
        "channel_id": end.channel.id,
        "channel_name": end.channel.name,
        "direction": view.direction,
        "caller": to_caller(view.client),
        "our_number": view.our_number,
        "started_at": view.started_at,
        "ringing": _named(moment.rings_at, directory),
        "agent_id": talks.id if talks is not None else None,
        "agent_name": talks.name if talks is not None else "",
    }


def _named(agents: Sequence[UUID], directory: Directory) -> list[dict[str, Any]]:
    return [{"id": agent, "name": directory.agents[agent].name} for agent in agents if agent in directory.agents]


def _agents_at(directory: Directory, channel_id: UUID, view: CallView | None) -> list[UUID]:
    """Whose phones ring."""
    extensions = view.ringing if view is not None else ()
    found = (directory.extensions.get((channel_id, extension)) for extension in extensions)
    return list(dict.fromkeys(agent for agent in found if agent is not None))
