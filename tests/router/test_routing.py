"""Whose is it? Promises that hold for every directory, and the sentences people read."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.directory import Absence, Agent, Directory, Queue, Rule
from router.hours import Calendar, read_calendar
from router.routing import ContactFacts, RouteRequest, decide, decide_call, frt_due
from router.rules import compile_conditions

ZONE = ZoneInfo("Europe/Moscow")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CHANNEL = UUID(int=900)
CAPACITY = {"message": 5, "email": 10, "form": 10, "call": 1}
SALES, SUPPORT = UUID(int=101), UUID(int=102)
NAMES = ["Anna", "Boris", "Clara", "Denis", "Elena"]
PEOPLE = [UUID(int=n + 1) for n in range(len(NAMES))]
ANNA, BORIS, CLARA, DENIS, ELENA = PEOPLE


def agent(who: UUID, *, active: bool = True, state: str = "online", seen_s: int = 5) -> Agent:
    seen_at = NOW - timedelta(seconds=seen_s)
    return Agent(who, NAMES[PEOPLE.index(who)], active, CAPACITY, frozenset({"cakes"}), state, seen_at)


def queue(queue_id: UUID, name: str, members: tuple[UUID, ...] = (), *, is_default: bool = False) -> Queue:
    return Queue(queue_id, name, Calendar(ZONE), NOW, members=members, is_default=is_default)


def directory(*agents: Agent, absences: tuple[Absence, ...] = (), rules: tuple[Rule, ...] = ()) -> Directory:
    by_agent = {who: tuple(a for a in absences if a.agent_id == who) for who in PEOPLE}
    queues = {SALES: queue(SALES, "Sales", (BORIS, CLARA), is_default=True), SUPPORT: queue(SUPPORT, "Support")}
    extensions = {(CHANNEL, str(100 + n)): who for n, who in enumerate(PEOPLE)}
    everybody = {who: agent(who) for who in PEOPLE} | {a.id: a for a in agents}
    return Directory(ZONE, everybody, by_agent, queues, rules, extensions)


def absence(who: UUID, deputy: UUID | None = None, *, days: int = 7) -> Absence:
    return Absence(who, NOW - timedelta(days=1), NOW + timedelta(days=days), deputy)


def request(owner: UUID | None = None, kind: str = "message", *, current: UUID | None = None) -> RouteRequest:
    return RouteRequest(CHANNEL, None, kind, ContactFacts(owner), NOW, current_assignee=current)


RuleMaker = Callable[[str, dict[str, object], UUID | None, UUID | None], Rule]


@pytest.fixture
def rule() -> RuleMaker:
    numbers = count(500)
    return lambda name, conditions, to_queue, to_agent: Rule(
        UUID(int=next(numbers)), name, compile_conditions(conditions), to_queue, to_agent
    )


anybody = st.sampled_from([None, *PEOPLE])
people = st.fixed_dictionaries(
    {
        who: st.builds(
            lambda who, active, state, seen: agent(who, active=active, state=state, seen_s=seen),
            st.just(who),
            st.booleans(),
            st.sampled_from(["online", "away", "wrap_up", "offline"]),
            st.sampled_from([5, 200]),
        )
        for who in PEOPLE
    }
)
absence_lists = st.lists(
    st.builds(
        lambda who, deputy, begin, days: Absence(who, NOW + begin, NOW + begin + timedelta(days=days), deputy),
        st.sampled_from(PEOPLE),
        anybody,
        st.sampled_from([timedelta(days=-5), timedelta(0), timedelta(days=1)]),
        st.integers(1, 9),
    ),
    max_size=6,
)
rule_lists = st.lists(
    st.builds(
        lambda n, conditions, to_queue, to_agent: Rule(
            UUID(int=n), f"rule {n}", compile_conditions(conditions), to_queue, to_agent
        ),
        st.integers(500, 600),
        st.sampled_from([{}, {"vip": True}, {"vip": False}, {"kind": ["call"]}, {"nonsense": 1}]),
        st.sampled_from([None, SALES, SUPPORT, UUID(int=199)]),
        anybody,
    ),
    max_size=4,
)
queue_sets = st.sets(st.sampled_from([SALES, SUPPORT])).map(
    lambda ids: {q: queue(q, f"queue {q.int}", tuple(PEOPLE)) for q in ids}
)
directories = st.builds(
    lambda agents, absences, queues, rules: Directory(
        ZONE,
        agents,
        {who: tuple(a for a in absences if a.agent_id == who) for who in PEOPLE},
        queues,
        tuple(rules),
        {(CHANNEL, str(who.int)): who for who in PEOPLE[:4]},
    ),
    people,
    absence_lists,
    queue_sets,
    rule_lists,
)
requests = st.builds(
    lambda kind, owner, vip, own, current, previous: RouteRequest(
        CHANNEL, own, kind, ContactFacts(owner, vip=vip), NOW, current_assignee=current, previous_assignee=previous
    ),
    st.sampled_from(["message", "email", "form", "call"]),
    anybody,
    st.booleans(),
    st.sampled_from([None, SALES, SUPPORT, UUID(int=198)]),
    anybody,
    anybody,
)


def there(found: Directory, who: UUID | None) -> bool:
    return who is not None and found.agents[who].active and found.absence_of(who, NOW) is None


@given(directories, requests)
def test_every_decision_is_usable(found: Directory, asked: RouteRequest) -> None:
    """Nobody absent or gone gets anything, a call goes to nobody offline, nothing is left without queue or reason."""
    decision = decide(found, asked)
    assert decision.reason
    assert decision.assignee_id is None or there(found, decision.assignee_id)
    assert decision.queue_id is None or decision.queue_id in found.queues
    chosen = found.agents[decision.assignee_id] if decision.assignee_id is not None else None
    if asked.kind == "call" and chosen is not None and chosen.id != asked.current_assignee:
        assert chosen.is_online(NOW)
    if decision.assignee_id is None and found.queues:
        assert decision.queue_id is not None
    if (decision.assignee_id, decision.queue_id) == (None, None):
        assert decision.reason.endswith("no queue exists: create one")


@given(directories, requests)
def test_the_owner_comes_before_every_queue(found: Directory, asked: RouteRequest) -> None:
    """A present owner gets his client's message, online or not, unless its conversation is in present hands already."""
    owner, current = asked.contact.owner_id, asked.current_assignee
    decision = decide(found, asked)
    if there(found, current):
        assert decision.assignee_id == current
    elif there(found, owner) and (asked.kind != "call" or found.agents[owner or ANNA].is_online(NOW)):
        assert decision.assignee_id == owner


@given(directories, requests, st.randoms(use_true_random=False))
def test_rules_after_the_first_match_do_not_matter(
    found: Directory, asked: RouteRequest, shuffle: random.Random
) -> None:
    """Shuffling or dropping what follows the first rule that matches changes no decision."""
    first = next((n for n, one in enumerate(found.rules) if one.matches(asked)), len(found.rules))
    rest = list(found.rules[first + 1 :])
    shuffle.shuffle(rest)
    head = found.rules[: first + 1]
    for rules in ((*head, *rest), head):
        assert decide(replace(found, rules=rules), asked) == decide(found, asked)


@given(directories, requests, st.sets(st.sampled_from(PEOPLE)))
def test_calls_ring_only_who_can_answer(found: Directory, asked: RouteRequest, busy: set[UUID]) -> None:
    """Whoever is rung is there, online, free, has an extension and is named once; a free owner is the first."""
    choices = decide_call(found, replace(asked, kind="call"), busy=frozenset(busy), idle_since={})
    rung = [choice.agent_id for choice in choices]
    assert len(rung) == len(set(rung))
    for choice in choices:
        assert there(found, choice.agent_id)
        assert found.agents[choice.agent_id].is_online(NOW)
        assert choice.agent_id not in busy
        assert found.extensions[CHANNEL, choice.extension] == choice.agent_id
        assert choice.reason
    owner = asked.contact.owner_id
    can_answer = owner in PEOPLE[:4] and owner not in busy and there(found, owner)
    if can_answer and found.agents[owner or ANNA].is_online(NOW):
        assert rung[0] == owner


def test_sentence_of_a_deputy() -> None:
    """The reason reads as a colleague would say it, with the load if that is known."""
    found = directory(absences=(absence(ANNA, BORIS),))
    loads = {(BORIS, "message"): 2}
    decision = decide(found, request(ANNA), loads)
    assert (decision.assignee_id, decision.reason) == (
        BORIS,
        "owner Anna absent until 01.12, deputy Boris, 2 of 5 busy",
    )
    assert decision.facts == {
        "step": "deputy",
        "agent": {"id": str(BORIS), "name": "Boris"},
        "load": {"busy": 2, "of": 5},
        "passed": [
            {"role": "owner", "id": str(ANNA), "name": "Anna", "why": "absent", "until": "2026-12-01T12:00:00Z"}
        ],
    }


def test_deputy_of_a_deputy() -> None:
    """The chain is followed, and each absence on it is said."""
    found = directory(absences=(absence(ANNA, BORIS), absence(BORIS, CLARA, days=2)))
    decision = decide(found, request(ANNA))
    assert decision.assignee_id == CLARA
    assert decision.reason == "owner Anna absent until 01.12, deputy Boris absent until 26.11, deputy Clara"


def test_deputies_in_a_circle_end_in_the_queue() -> None:
    """Two who stand in for each other and are both away leave the client to the queue."""
    found = directory(absences=(absence(ANNA, BORIS), absence(BORIS, ANNA)))
    decision = decide(found, request(ANNA))
    assert (decision.assignee_id, decision.queue_id) == (None, SALES)
    assert decision.reason == "owner Anna absent until 01.12, default queue Sales"


def test_a_manager_who_left_with_a_deputy_is_replaced() -> None:
    """An inactive owner's clients go to the deputy entered for him."""
    found = directory(agent(ANNA, active=False), absences=(absence(ANNA, BORIS),))
    assert decide(found, request(ANNA)).assignee_id == BORIS
    gone = decide(directory(agent(ANNA, active=False)), request(ANNA))
    assert (gone.queue_id, gone.reason) == (SALES, "owner Anna no longer active, default queue Sales")


def test_an_offline_owner_keeps_messages_but_not_calls() -> None:
    """A message waits for its owner; a call is answered by somebody."""
    found = directory(agent(ANNA, state="offline"))
    assert decide(found, request(ANNA)).reason == "owner Anna, offline now, it waits"
    call = decide(found, request(ANNA, "call"))
    assert (call.queue_id, call.reason) == (SALES, "owner Anna offline, default queue Sales")


def test_a_call_waits_for_no_offline_deputy_or_agent_of_a_rule(rule: RuleMaker) -> None:
    """The same person gets the message and not the call."""
    to_boris = rule("Boris first", {}, SUPPORT, BORIS)
    by_deputy = directory(agent(BORIS, state="offline"), absences=(absence(ANNA, BORIS),))
    by_rule = directory(agent(BORIS, state="offline"), rules=(to_boris,))
    for found, owner, queue_id in ((by_deputy, ANNA, SALES), (by_rule, None, SUPPORT)):
        assert decide(found, request(owner)).assignee_id == BORIS
        call = decide(found, request(owner, "call"))
        assert (call.assignee_id, call.queue_id) == (None, queue_id)


def test_first_rule_wins(rule: RuleMaker) -> None:
    """Rules are asked in order; one that names an absent agent and a queue uses the queue."""
    vip = rule("VIP", {"vip": True}, SUPPORT, ANNA)
    everything = rule("all", {}, SALES, None)
    found = directory(rules=(vip, everything))
    asked = replace(request(), contact=ContactFacts(vip=True))
    assert decide(found, asked).reason == "rule VIP: Anna"
    away = directory(rules=(vip, everything), absences=(absence(ANNA),))
    assert decide(away, asked).reason == "agent Anna absent until 01.12, rule VIP: queue Support"
    assert decide(found, request()).reason == "rule all: queue Sales"


def test_a_closed_queue_says_when_it_opens() -> None:
    """What waits overnight says until when, and its first answer is due in working time."""
    calendar = read_calendar({str(day): [["09:00", "18:00"]] for day in range(1, 8)}, {}, "", ZONE)
    found = directory()
    sales = replace(found.queues[SALES], calendar=calendar, frt_s=600)
    evening = datetime(2026, 11, 24, 20, tzinfo=ZONE)
    decision = decide(replace(found, queues={SALES: sales}), replace(request(), now=evening))
    assert decision.reason == "default queue Sales, closed until 25.11 09:00"
    assert frt_due(sales, evening) == datetime(2026, 11, 25, 9, 10, tzinfo=ZONE)
    assert frt_due(found.queues[SALES], evening) is None


def test_calls_go_to_the_owner_then_to_who_is_idle_longest() -> None:
    """The PBX gets the owner first and then the queue's members in order of their rest."""
    idle = {BORIS: NOW - timedelta(minutes=1), CLARA: NOW - timedelta(minutes=9)}
    choices = decide_call(directory(), request(ANNA, "call"), busy=frozenset(), idle_since=idle)
    assert [(c.extension, c.reason) for c in choices] == [
        ("100", "owner Anna"),
        ("102", "queue Sales: Clara"),
        ("101", "queue Sales: Boris"),
    ]
    busy = decide_call(directory(), request(ANNA, "call"), busy=frozenset({ANNA, CLARA}), idle_since=idle)
    assert [c.reason for c in busy] == ["owner Anna on a call, queue Sales: Boris"]
