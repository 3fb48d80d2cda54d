"""A call is a function of the set of its events: any order, repetition and batching of them makes the same call."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Payload
from connectors.items import Call, Item
from connectors.telephony.mango import connector
from connectors.telephony.mango_tables import MangoSettings
from router.callstate import CallEvent, CallView, add, event_of, load, recordings, reduce
from router.understand import to_document
from simulator.mango_calls import Script

START = 1_795_000_000
T0 = datetime.fromtimestamp(START, UTC)
CLIENT = "79990000011"


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def events_of(script: Script) -> list[CallEvent]:
    """What the connector makes of a whole call."""
    found: list[CallEvent] = []
    for event in script.events:
        payload = Payload(body=json.dumps(event.data).encode(), path=event.path)
        items = connector.normalize(payload, MangoSettings())
        found += [event_of(item, item.sent_at or T0) for item in items if item.kind == "call"]
    return found


def reduced(events: list[CallEvent]) -> CallView:
    return reduce(add([], events))


# ---------------------------------------------------------------- whole calls


class Plot(NamedTuple):
    """`write` plays a call onto a script; `expected`: what everybody must see in the end."""

    write: Callable[[Script], None]
    expected: dict[str, Any]


def _answered(script: Script) -> None:
    ivr = script.ivr()
    script.now_s += 2
    script.leave_ivr(ivr)
    leg = script.rings("201", ivr, command_id="route-1")
    script.now_s += 3
    script.talks(leg, "201")
    script.now_s += 60
    script.ends(leg, "201", 1110)
    script.summary(extension="201", talked_at=5)
    script.now_s += 20
    script.tell("/events/record/added", entry_id=script.entry, recording_id="R1", timestamp=START + 85)


def _missed(script: Script) -> None:
    first, second = script.rings("201"), script.rings("202")
    script.now_s += 15
    script.ends(first, "201", 1111)
    script.ends(second, "202", 1111)
    script.summary(extension="201", reason=1111)


def _given_up(script: Script) -> None:
    leg = script.rings("201")
    script.now_s += 9
    script.ends(leg, "201", 1110)
    script.summary(extension="201", reason=1110)


def _transferred(script: Script) -> None:
    leg = script.rings("201")
    script.now_s += 3
    script.talks(leg, "201")
    script.now_s += 30
    leg, _ = script.transfer(leg, "201", "204", "blind")
    script.now_s += 30
    script.ends(leg, "204", 1110)
    script.summary(extension="201", talked_at=3)


def _consulted(script: Script) -> None:
    leg = script.rings("201")
    script.now_s += 3
    script.talks(leg, "201")
    script.now_s += 30
    leg, _ = script.transfer(leg, "201", "204", "consultative")
    script.now_s += 30
    script.ends(leg, "204", 1110)
    script.summary(extension="201", talked_at=3)


def _returned(script: Script) -> None:
    leg = script.rings("201")
    script.now_s += 3
    script.talks(leg, "201")
    script.now_s += 10
    leg, _ = script.transfer(leg, "201", "204", "return_blind")
    script.now_s += 10
    script.ends(leg, "201", 1110)
    script.summary(extension="201", talked_at=3)


def _called_back(script: Script) -> None:
    script.callback("201", "cmd-1", answered=True)
    script.summary(extension="201", talked_at=9, direction=2)


def _called_back_in_vain(script: Script) -> None:
    script.callback("201", "cmd-1", answered=False)
    script.summary(extension="201", reason=1111, direction=2)


def _died_in_ivr(script: Script) -> None:
    ivr = script.ivr()
    script.now_s += 12
    script.leave_ivr(ivr, 1170)
    script.summary(reason=1170)


IN = {"direction": "in", "client": "+79990000011", "our_number": "+74950000001"}
PLOTS = {
    "answered": Plot(_answered, IN | {"outcome": "answered", "employee": "201", "talk_s": 60, "wait_s": 5}),
    "missed": Plot(_missed, IN | {"outcome": "missed", "talk_s": 0, "wait_s": 15}),
    "given up": Plot(_given_up, IN | {"outcome": "cancelled", "employee": "201", "wait_s": 9}),
    "transferred": Plot(_transferred, IN | {"outcome": "answered", "employee": "204", "talk_s": 64}),
    "consulted": Plot(_consulted, IN | {"outcome": "answered", "employee": "204", "talk_s": 68}),
    "returned": Plot(_returned, IN | {"outcome": "answered", "employee": "201"}),
    "called back": Plot(_called_back, IN | {"direction": "out", "outcome": "answered", "employee": "201"}),
    "in vain": Plot(_called_back_in_vain, IN | {"direction": "out", "outcome": "missed", "employee": "201"}),
    "died in the IVR": Plot(_died_in_ivr, IN | {"outcome": "missed", "employee": "", "wait_s": 12}),
}


def script_of(name: str) -> Script:
    script = Script("E1", START, CLIENT, "74950000001")
    PLOTS[name].write(script)
    return script


@pytest.mark.parametrize("name", PLOTS)
def test_whole_call(name: str) -> None:
    """A whole call ends as it went: who rang, who talked last, for how long, from the first ring on."""
    view = reduced(events_of(script_of(name)))
    assert view.state == "finished"
    assert view.started_at == T0
    assert view.ringing == []
    assert {key: getattr(view, key) for key in PLOTS[name].expected} == PLOTS[name].expected
    assert (view.answered_at is None) == (view.outcome != "answered")


@settings(max_examples=300, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(PLOTS)))
def test_order_repetition_and_batching_change_nothing(data: st.DataObject, name: str) -> None:
    """Events shuffled, repeated, told in batches and kept as JSON between them make the call they make in order."""
    told = events_of(script_of(name))
    jumbled = data.draw(st.permutations([*told, *data.draw(st.lists(st.sampled_from(told), max_size=6))]))
    kept: list[CallEvent] = []
    while jumbled:
        size = data.draw(st.integers(1, len(jumbled)))
        batch, jumbled = jumbled[:size], jumbled[size:]
        kept = add(load(to_document(kept)), batch)
    assert reduce(kept) == reduced(told)
    assert recordings(kept) == recordings(add([], told))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(PLOTS)))
def test_only_the_end_ends(data: st.DataObject, name: str) -> None:
    """With any events missing the call is finished exactly if its summary came; and it keeps whose call it is."""
    told = events_of(script_of(name))
    some = data.draw(st.lists(st.sampled_from(told), min_size=1, unique_by=id))
    view = reduced(some)
    summaries = [event for event in some if event.call.state == "finished"]
    assert (view.state == "finished") == bool(summaries)
    assert (view.outcome is not None) == bool(summaries)
    if summaries:
        assert (view.outcome, view.direction) == (
            PLOTS[name].expected["outcome"],
            PLOTS[name].expected["direction"],
        )
        assert view.started_at == T0, "the summary's durations lead back to the first ring"


# ---------------------------------------------------------------- any events at all

EVENT = st.builds(
    CallEvent,
    at=st.integers(0, 5).map(at),
    seq=st.integers(-1, 3),
    leg=st.sampled_from(["", "A", "B"]),
    ended=st.booleans(),
    call=st.builds(
        Call,
        state=st.sampled_from(["started", "ivr", "queue", "ringing", "talking", "held", "finished"]),
        outcome=st.sampled_from([None, "answered", "missed", "busy", "cancelled", "failed"]),
        direction=st.sampled_from([None, "in", "out", "internal"]),
        client=st.sampled_from(["", "+79990000011", "+79990000012"]),
        employee=st.sampled_from(["", "201", "202"]),
        answered=st.sampled_from([None, True, False]),
        talk_s=st.one_of(st.none(), st.integers(0, 100)),
        wait_s=st.one_of(st.none(), st.integers(0, 100)),
        recording=st.sampled_from(["", "R1", "R2"]),
    ),
)


@settings(max_examples=400, deadline=None)
@given(data=st.data(), told=st.lists(EVENT, min_size=1, max_size=8))
def test_any_set_of_events_makes_one_call(data: st.DataObject, told: list[CallEvent]) -> None:
    """Contradictory, timeless, from any PBX: whatever is told makes one call, whatever the order of telling."""
    jumbled = data.draw(st.permutations(told))
    kept: list[CallEvent] = []
    for event in jumbled:
        kept = add(load(to_document(kept)), [event, event])
    assert reduce(kept) == reduced(told)
    assert reduce(kept) == reduced(kept)


@settings(max_examples=300, deadline=None)
@given(told=st.lists(EVENT, min_size=1, max_size=8))
def test_what_a_view_says_fits_together(told: list[CallEvent]) -> None:
    """A finished call has an outcome and rings nowhere; one that was not answered has no time of answering."""
    view = reduced(told)
    assert (view.state == "finished") == (view.outcome is not None) == (view.finished_at is not None)
    assert not (view.state == "finished" and view.ringing)
    assert view.outcome in {None, "answered"} or view.answered_at is None
    assert view.started_at <= min(event.at for event in told)


# ---------------------------------------------------------------- while it goes on


def test_a_call_between_two_employees() -> None:
    """Blindly transferred it rings at the second; the first talks no more."""
    script = Script("E1", START, CLIENT, "74950000001")
    leg = script.rings("201")
    script.now_s += 3
    script.talks(leg, "201")
    script.now_s += 10
    script.ends(leg, "201", 1120, transfer="blind")
    script.rings("204", leg, transfer="blind")
    view = reduced(events_of(script))
    assert (view.state, view.employee, view.ringing) == ("ringing", "204", ["204"])


def test_several_phones_ring_at_once() -> None:
    """Each of a group is shown as rung until somebody takes it or his own leg ends."""
    script = Script("E1", START, CLIENT, "74950000001")
    first = script.rings("201")
    second = script.rings("202")
    assert reduced(events_of(script)).ringing == ["201", "202"]
    script.now_s += 5
    script.ends(first, "201", 1122)
    assert reduced(events_of(script)).ringing == ["202"]
    script.talks(second, "202")
    view = reduced(events_of(script))
    assert (view.state, view.employee, view.ringing) == ("talking", "202", [])


def test_a_third_party_is_not_the_client() -> None:
    """An employee asks somebody outside while the client waits: the call stays the client's."""
    script = Script("E1", START, CLIENT, "74950000001")
    leg = script.rings("201")
    script.now_s += 3
    script.talks(leg, "201")
    script.now_s += 10
    script.leg(leg, "OnHold", "abonent", script.outside(), script.employee("201"))
    script.now_s += 2
    asking = script.employee("201", line=False) | {"taken_from_call_id": leg}
    script.leg(script.new_leg(), "Appeared", "abonent", asking, {"number": "79990000077"}, transfer="consultative")
    view = reduced(events_of(script))
    assert (view.client, view.direction, view.state) == ("+79990000011", "in", "held")


def test_an_employee_who_takes_a_click_to_call_does_not_talk_yet() -> None:
    """His answer is not the client's: the call rings until the client takes it."""
    script = Script("E1", START, CLIENT, "74950000001")
    script.callback("201", "cmd-1", answered=True)
    told = events_of(script)
    before = [event for event in told if event.leg == told[0].leg]
    assert (reduced(before).state, reduced(before).direction) == ("ringing", "out")
    assert reduced(told).state == "talking"


def test_a_recording_changes_nothing_but_itself() -> None:
    """A recording that comes first, last, or twice by two events is one, and moves no state."""
    call = Call(state="started", recording="R1")
    first = CallEvent(at=at(90), call=call)
    again = CallEvent(at=at(95), call=call)
    talking = CallEvent(at=at(3), call=Call(state="talking", employee="201"), leg="A")
    assert reduced([first]).state == "started"
    assert reduced([first, talking, again]).state == "talking"
    assert recordings([talking, first, again]) == ["R1"]


def test_no_event_makes_no_call() -> None:
    """There is no call without an event."""
    with pytest.raises(ValueError, match="at least one"):
        reduce([])


def test_what_a_row_cannot_hold_is_left_out() -> None:
    """NULs, endless texts and absurd durations of a strange PBX cost the row nothing."""
    call = Call(state="finished", employee="2\x0001", client="+7" * 1000, talk_s=1 << 40, wait_s=-5, recording="r\x00")
    item = Item(kind="call", external_id="e", call=call, meta={"seq": 1 << 70, "leg": "L\x00"})
    event = event_of(item, T0)
    assert (event.call.employee, event.call.talk_s, event.call.wait_s) == ("201", (1 << 31) - 1, 0)
    assert (len(event.call.client), event.call.recording, event.seq, event.leg) == (500, "r", 0, "L")
    assert reduce([event]).started_at == T0
