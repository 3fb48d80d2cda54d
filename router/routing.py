"""Whose is this? A pure decision over a directory: a person who has it at once, or the queue it waits in.

Loads are (agent, kind) -> open conversations of that kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from router.directory import Agent, Directory, Queue, Rule
from router.hours import add_working_seconds, next_open
from router.rules import ContactFacts, RouteRequest
from router.sentences import Facts, instant, named, passed_over, sentence

__all__ = [
    "CallChoice",
    "ContactFacts",
    "Decision",
    "Loads",
    "RouteRequest",
    "decide",
    "decide_call",
    "frt_due",
]

Loads: TypeAlias = Mapping[tuple[UUID, str], int]


@dataclass(frozen=True, slots=True)
class Decision:
    """With an assignee it is his at once; with a queue alone it waits there; with neither there is no queue at all."""

    assignee_id: UUID | None
    queue_id: UUID | None
    reason: str
    facts: Facts


def decide(directory: Directory, request: RouteRequest, loads: Loads | None = None) -> Decision:
    """The open conversation's assignee, the contact's owner, a deputy of either, who answered before, the first rule
    that matches, the channel's queue, the default queue.

    A client belongs to his owner as in other CRMs: an owner who is offline or has his hands full still gets the message,
    and it waits for him as his own; only an absence that was entered, or leaving the company, passes it on. A call can't
    wait: owner, deputy and a rule's agent count for it only while online. Who answered before is no owner: he
    gets a re-opened conversation only while online, else anybody may help. A rule whose agent is not there and that names
    no queue leaves the choice to the channel's queue; later rules are not asked. `loads` adds "2 of 5 busy" to the reason.
    """
    search = _Search(directory, request, loads)
    return search.sticky() or search.by_rule() or search.by_queue()


def frt_due(queue: Queue | None, at: datetime) -> datetime | None:
    """When the first answer is due (UTC) for what came then, in the queue's hours; None: the queue promises nothing.

    For a conversation without a queue pass `directory.queue_or_default(decision.queue_id)`.
    """
    return add_working_seconds(queue.calendar, at, queue.frt_s) if queue is not None and queue.frt_s > 0 else None


@dataclass
class _Search:
    """One decision under way; `passed` keeps who was passed over, once each, under the last role asked for."""

    directory: Directory
    request: RouteRequest
    loads: Loads | None
    passed: dict[UUID, dict[str, str]] = field(default_factory=dict)

    @property
    def is_call(self) -> bool:
        return self.request.kind == "call"

    def sticky(self) -> Decision | None:
        request = self.request
        current, owner = request.current_assignee, request.contact.owner_id
        if agent := self.person("assignee", current, online=False):
            return self.to_agent("assignee", agent)
        if agent := self.person("owner", owner, online=self.is_call):
            return self.to_agent("owner", agent)
        for absent in (owner, current):
            if agent := self.deputy(absent):
                return self.to_agent("deputy", agent)
        if agent := self.person("previous", request.previous_assignee, online=True):
            return self.to_agent("previous", agent)
        return None

    def by_rule(self) -> Decision | None:
        rule = first_match(self.directory.rules, self.request)
        if rule is None:
            return None
        queue = self.directory.queues.get(rule.queue_id) if rule.queue_id is not None else None
        agent = self.person("agent", rule.agent_id, online=self.is_call) or self.deputy(rule.agent_id)
        if agent is not None:
            return self.to_agent("rule", agent, queue, rule=rule.name)
        return self.to_queue("rule", queue, rule=rule.name) if queue is not None else None

    def by_queue(self) -> Decision:
        own = self.request.channel_queue_id
        if own is not None and (queue := self.directory.queues.get(own)):
            return self.to_queue("channel", queue)
        if queue := self.directory.default_queue:
            return self.to_queue("default", queue)
        return self.decision({"step": "none"}, None, None)

    def person(self, role: str, agent_id: UUID | None, *, online: bool) -> Agent | None:
        """The agent if he may have it, else None and a note why not."""
        agent = self.directory.agents.get(agent_id) if agent_id is not None else None
        if agent is None:
            return None
        absence = self.directory.absence_of(agent.id, self.request.now)
        if absence is not None:
            self.pass_over(role, agent, "absent", absence.until_at)
        elif not agent.active:
            self.pass_over(role, agent, "inactive")
        elif online and not agent.is_online(self.request.now):
            self.pass_over(role, agent, "offline")
        else:
            return agent
        return None

    def deputy(self, agent_id: UUID | None) -> Agent | None:
        """Who stands in for somebody absent."""
        stand_in = self.directory.stand_in(agent_id, self.request.now) if agent_id is not None else None
        if stand_in is None or not stand_in.passed:
            return None
        for absence in stand_in.passed[1:]:
            between = self.directory.agents.get(absence.agent_id)
            if between is not None:
                self.pass_over("deputy", between, "absent", absence.until_at)
        return self.person("deputy", stand_in.agent.id, online=self.is_call)

    def pass_over(self, role: str, agent: Agent, why: str, until: datetime | None = None) -> None:
        self.passed[agent.id] = passed_over(role, agent.id, agent.name, why, until)

    def to_agent(self, step: str, agent: Agent, queue: Queue | None = None, *, rule: str = "") -> Decision:
        facts: Facts = {"step": step, "agent": named(agent)}
        places = agent.capacity.get(self.request.kind)
        if self.loads is not None and places:
            facts["load"] = {"busy": self.loads.get((agent.id, self.request.kind), 0), "of": places}
        if not agent.is_online(self.request.now):
            facts["offline"] = True
        if rule:
            facts["rule"] = rule
        return self.decision(facts, agent, queue)

    def to_queue(self, step: str, queue: Queue, *, rule: str = "") -> Decision:
        facts: Facts = {"step": step} | ({"rule": rule} if rule else {})
        if not queue.is_open(self.request.now):
            opens_at = next_open(queue.calendar, self.request.now)
            facts["opens_at"] = instant(opens_at) if opens_at is not None else None
        return self.decision(facts, None, queue)

    def decision(self, facts: Facts, agent: Agent | None, queue: Queue | None) -> Decision:
        if queue is not None:
            facts["queue"] = named(queue)
        if self.passed:
            facts["passed"] = list(self.passed.values())
        reason = sentence(facts, self.directory.zone, self.request.now)
        return Decision(agent.id if agent else None, queue.id if queue else None, reason, facts)


def first_match(rules: Iterable[Rule], request: RouteRequest) -> Rule | None:
    """The first rule in order whose conditions all hold."""
    return next((rule for rule in rules if rule.matches(request)), None)


class CallChoice(NamedTuple):
    """One agent to ring, and at which extension of the PBX that asks."""

    agent_id: UUID
    extension: str
    reason: str
    facts: Facts


def decide_call(
    directory: Directory, request: RouteRequest, *, busy: frozenset[UUID], idle_since: Mapping[UUID, datetime]
) -> list[CallChoice]:
    """Whom to ring, in order: owner, his deputy while he is absent, who has the client's open conversation, a rule's
    agent, then the queue's members, idle longest first. Empty: nobody, the PBX does what it would do.

    Only agents who are online, take calls, have an extension on this channel and are neither talking nor promised to
    another call (`busy`). A closed queue rings none of its members; the client's own manager is rung whenever online.
    """
    search = _Search(directory, request, None)
    chosen: dict[UUID, CallChoice] = {}

    def why_not(agent: Agent) -> str:
        if not agent.capacity.get("call"):
            return "no_calls"
        if (request.channel_id, agent.id) not in directory.extension_of:
            return "no_extension"
        return "busy" if agent.id in busy else ""

    def add(step: str, agent: Agent | None, queue: Queue | None = None, **more: str) -> None:
        if agent is None or agent.id in chosen:
            return
        if why := why_not(agent):
            search.pass_over("agent" if step == "rule" else step, agent, why)
            return
        found = search.decision({"step": step, "agent": named(agent)} | more, agent, queue)
        extension = directory.extension_of[request.channel_id, agent.id]
        chosen[agent.id] = CallChoice(agent.id, extension, found.reason, found.facts)

    owner, current = request.contact.owner_id, request.current_assignee
    add("owner", search.person("owner", owner, online=True))
    add("deputy", search.deputy(owner))
    add("assignee", search.person("assignee", current, online=True))
    rule = first_match(directory.rules, request)
    if rule is not None:
        named_agent = search.person("agent", rule.agent_id, online=True) or search.deputy(rule.agent_id)
        add("rule", named_agent, rule=rule.name)
    queue = _queue_of_call(directory, request, rule)
    if queue is not None and queue.is_open(request.now):
        long_ago = datetime.min.replace(tzinfo=UTC)
        members = [agent for agent in directory.eligible(queue, request.now) if not why_not(agent)]
        for agent in sorted(members, key=lambda a: (idle_since.get(a.id, long_ago), a.name, a.id)):
            add("queue", agent, queue)
    return list(chosen.values())


def _queue_of_call(directory: Directory, request: RouteRequest, rule: Rule | None) -> Queue | None:
    wanted = (rule.queue_id if rule is not None else None, request.channel_queue_id)
    found = (directory.queues.get(queue_id) for queue_id in wanted if queue_id is not None)
    return next((queue for queue in found if queue is not None), directory.default_queue)
