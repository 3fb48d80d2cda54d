"""What would happen to a message: routing tried out, nothing written. The decision is the router's own; who would get it
is chosen by the assigner's own order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from config.errors import NotFound
from router.assigner import Room
from router.directory import Agent, Directory, Queue, load_directory
from router.presence import last_assigned, load_call_state, load_loads
from router.routing import ContactFacts, Decision, RouteRequest, decide, decide_call
from router.threads import REOPEN_DAYS
from storage.db import Connection

NOBODY = "nobody can be rung: the PBX does what it would do without us"


class Trial(NamedTuple):
    """The message to try. `source`: over the card's own; `kind`: of the conversation (message, email, form, call)."""

    channel_id: UUID
    kind: str
    at: datetime
    contact_id: UUID | None = None
    text: str = ""
    our_number: str = ""
    source: Mapping[str, Any] | None = None


class Named(msgspec.Struct):
    id: UUID
    name: str


class RuleTried(msgspec.Struct):
    """`matches`: whether all its conditions hold; the first that does decides, unless somebody has the client already."""

    id: UUID
    name: str
    matches: bool


class Candidate(msgspec.Struct, kw_only=True):
    """A member of the queue, or whom a call would ring. `why_not`: inactive, absent, offline, skills, full; empty: he could
    have it now. `busy` of `places`: his open conversations of this kind.
    """

    id: UUID
    name: str
    why_not: str = ""
    busy: int = 0
    places: int = 0


class Rehearsal(msgspec.Struct, kw_only=True):
    """`sentence`, `facts`: as they would stand at the assignment. `agent`: whose it would be at once; `queue`: where it
    would wait; `next`: who would get it now, `candidates` in that order and then those who could not.
    """

    sentence: str
    facts: dict[str, Any]
    rule: str | None
    agent: Named | None
    queue: Named | None
    queue_open: bool
    next: Named | None
    contact: Named | None
    candidates: list[Candidate]
    rules: list[RuleTried]


_CHANNEL = "SELECT queue_id FROM channel WHERE id = $1"
_CARD = """
SELECT card.id, card.name, card.owner_id, card.tags, card.vip, card.language, card.source
FROM contact AS c JOIN contact AS card ON card.id = c.card_id WHERE c.id = $1
"""
_LATEST = """
SELECT c.assignee_id, c.status, coalesce(c.resolved_at, c.last_at) AS ended_at, q.reopen_days FROM conversation AS c
LEFT JOIN queue AS q ON q.id = c.queue_id
WHERE c.contact_id IN (SELECT id FROM contact WHERE card_id = $1) AND (c.channel_id = $2 OR $3 = 'call')
ORDER BY c.status = 'resolved', c.last_at DESC, c.id DESC LIMIT 1
"""


async def rehearse(connection: Connection, trial: Trial, *, zone: ZoneInfo, now: datetime) -> Rehearsal:
    """Agents are as present at `trial.at` as they are now. Raises NotFound."""
    channel = await connection.fetchrow(_CHANNEL, trial.channel_id)
    if channel is None:
        raise NotFound("no such channel")
    directory = _as_of(await load_directory(connection, min(now, trial.at), zone=zone), now, trial.at)
    card = await connection.fetchrow(_CARD, trial.contact_id) if trial.contact_id is not None else None
    facts = ContactFacts(source=trial.source or {})
    if card is not None:
        source = {**card["source"], **(trial.source or {})}
        facts = ContactFacts(card["owner_id"], frozenset(card["tags"]), card["vip"], card["language"], source)
    current, previous = await _holders(connection, trial) if card is not None else (None, None)
    request = RouteRequest(
        channel_id=trial.channel_id,
        channel_queue_id=channel["queue_id"],
        kind=trial.kind,
        contact=facts,
        now=trial.at,
        our_number=trial.our_number,
        text=trial.text,
        current_assignee=current,
        previous_assignee=previous,
    )
    loads = await load_loads(connection, directory.agents)
    if trial.kind == "call":
        decision, candidates = await _rung(connection, directory, request)
    else:
        decision = decide(directory, request, loads)
        room = Room(loads, await last_assigned(connection, directory.agents))
        candidates = _candidates(directory, decision, room, request)
    contact = None if card is None else Named(card["id"], card["name"])
    return _told(directory, decision, candidates, request=request, contact=contact)


def _as_of(directory: Directory, now: datetime, at: datetime) -> Directory:
    """Who is online now counts as online then."""
    moved = {
        agent.id: replace(agent, seen_at=at if agent.is_online(now) else None) for agent in directory.agents.values()
    }
    return replace(directory, agents=moved)


async def _holders(connection: Connection, trial: Trial) -> tuple[UUID | None, UUID | None]:
    """(assignee of the open conversation it would join, of the one it would re-open)."""
    if trial.kind == "form":
        return None, None
    row = await connection.fetchrow(_LATEST, trial.contact_id, trial.channel_id, trial.kind)
    if row is None:
        return None, None
    if row["status"] != "resolved":
        return row["assignee_id"], None
    days = REOPEN_DAYS if row["reopen_days"] is None else row["reopen_days"]
    return None, row["assignee_id"] if row["ended_at"] >= trial.at - timedelta(days=days) else None


async def _rung(
    connection: Connection, directory: Directory, request: RouteRequest
) -> tuple[Decision, list[Candidate]]:
    """A call is offered to several in turn; the first speaks for the decision."""
    busy, idle_since = await load_call_state(connection, request.channel_id, "", request.now)
    choices = decide_call(directory, request, busy=busy, idle_since=idle_since)
    candidates = [
        Candidate(id=choice.agent_id, name=directory.agents[choice.agent_id].name, places=1) for choice in choices
    ]
    if not choices:
        return Decision(None, None, NOBODY, {"step": "nobody"}), []
    first = choices[0]
    queue = first.facts.get("queue")
    queue_id = UUID(queue["id"]) if queue else None
    return Decision(first.agent_id, queue_id, first.reason, first.facts), candidates


def _candidates(directory: Directory, decision: Decision, room: Room, request: RouteRequest) -> list[Candidate]:
    """Members of the queue where it would wait: who could have it, first to last, then the others."""
    queue = directory.queues.get(decision.queue_id) if decision.queue_id is not None else None
    if decision.assignee_id is not None or queue is None:
        return []
    eligible = directory.eligible(queue, request.now)
    able = room.in_order(eligible, request.kind)
    members = [directory.agents[member] for member in queue.members if member in directory.agents]
    rest = sorted((agent for agent in members if agent not in able), key=lambda agent: (agent.name, agent.id))
    return [
        Candidate(
            id=agent.id,
            name=agent.name,
            why_not="" if agent in able else _why_not(directory, queue, agent, request.now),
            busy=room.loads.get((agent.id, request.kind), 0),
            places=agent.capacity.get(request.kind, 0),
        )
        for agent in (*able, *rest)
    ]


def _why_not(directory: Directory, queue: Queue, agent: Agent, at: datetime) -> str:
    if not agent.active:
        return "inactive"
    if directory.absence_of(agent.id, at) is not None:
        return "absent"
    if not agent.is_online(at):
        return "offline"
    return "full" if queue.skills <= agent.skills else "skills"


def _told(
    directory: Directory,
    decision: Decision,
    candidates: list[Candidate],
    *,
    request: RouteRequest,
    contact: Named | None,
) -> Rehearsal:
    agent = directory.agents.get(decision.assignee_id) if decision.assignee_id is not None else None
    queue = directory.queues.get(decision.queue_id) if decision.queue_id is not None else None
    is_open = queue is None or queue.is_open(request.now)
    able = next((one for one in candidates if not one.why_not), None) if is_open else None
    following = agent or able
    return Rehearsal(
        sentence=decision.reason,
        facts=decision.facts,
        rule=decision.facts.get("rule"),
        agent=None if agent is None else Named(agent.id, agent.name),
        queue=None if queue is None else Named(queue.id, queue.name),
        queue_open=is_open,
        next=None if following is None else Named(following.id, following.name),
        contact=contact,
        candidates=candidates,
        rules=[RuleTried(rule.id, rule.name, rule.matches(request)) for rule in directory.rules],
    )
