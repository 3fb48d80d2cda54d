"""A call is a function of the set of its events: whatever the order they came in, however often, the same call results."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from connectors.items import Call, CallOutcome, CallState, Item

RANK: dict[CallState, int] = {"started": 0, "ivr": 1, "queue": 2, "ringing": 3, "talking": 4, "held": 4, "finished": 5}
OUTCOME_RANK: dict[CallOutcome, int] = {"failed": 0, "cancelled": 1, "missed": 2, "busy": 3, "answered": 4}
TALKING = frozenset({"talking", "held"})
MAX_TEXT = 500
MAX_SECONDS = (1 << 31) - 1


class CallEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One event of a call as it is kept on its row. `seq`: the provider's own order within one moment. `leg`: which of the
    call's connections it speaks of, `ended`: that one is over. `refused`: the PBX turned the caller away by its lists.
    """

    at: datetime
    call: Call
    seq: int = 0
    leg: str = ""
    ended: bool = False
    refused: bool = False


class CallView(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The call as people see it. Times are UTC, durations seconds; `ringing`: extensions that ring now, `recording`: the
    attachment.
    """

    state: CallState
    outcome: CallOutcome | None = None
    direction: str | None = None
    client: str = ""
    our_number: str = ""
    employee: str = ""
    ringing: list[str] = []
    started_at: datetime
    answered_at: datetime | None = None
    finished_at: datetime | None = None
    talk_s: int | None = None
    wait_s: int | None = None
    refused: bool = False
    recording: str = ""


def event_of(item: Item, at: datetime) -> CallEvent:
    """The event in an item of kind call, with nothing in it that a row can't hold."""
    meta = item.meta
    seq = meta.get("seq", 0)
    return CallEvent(
        at=at,
        call=_plain(item.call or Call(state="started")),
        seq=seq if isinstance(seq, int) and abs(seq) < 1 << 62 else 0,
        leg=_text(str(meta.get("leg") or "")),
        ended=meta.get("ended") is True,
        refused=meta.get("refused") is True,
    )


def _plain(call: Call) -> Call:
    return msgspec.structs.replace(
        call,
        client=_text(call.client),
        our_number=_text(call.our_number),
        employee=_text(call.employee),
        recording=call.recording.replace("\x00", ""),
        aliases=[],
        talk_s=_seconds(call.talk_s),
        wait_s=_seconds(call.wait_s),
    )


def _text(value: str) -> str:
    return value.replace("\x00", "")[:MAX_TEXT]


def _seconds(value: int | None) -> int | None:
    return None if value is None else min(max(value, 0), MAX_SECONDS)


def add(events: Iterable[CallEvent], new: Iterable[CallEvent]) -> list[CallEvent]:
    """Both as one set in one order; an event told twice counts once."""
    distinct = {msgspec.json.encode(event): event for event in (*events, *new)}
    return [event for _, event in sorted(distinct.items(), key=lambda pair: (pair[1].at, pair[1].seq, pair[0]))]


def reduce(events: list[CallEvent]) -> CallView:
    """The call its events make, given in the order of `add`. Raises ValueError for none.

    Only an event that says `finished` ends a call: legs come and go. It also wins where it tells what others tell, as
    it speaks of the whole call.
    """
    if not events:
        raise ValueError("a call has at least one event")
    calls = [event.call for event in events]
    ends = [event for event in events if event.call.state == "finished"]
    told = [event.call for event in ends]
    legs = _legs(events)
    state, employee = _now(legs)
    talk_s = max((call.talk_s for call in calls if call.talk_s is not None), default=None)
    outcome = _outcome(events, talk_s) if ends else None
    return CallView(
        state="finished" if ends else state,
        outcome=outcome,
        direction=_last(call.direction for call in told) or _direction(calls),
        client=_last(call.client for call in told) or _first(call.client for call in calls) or "",
        our_number=_first(call.our_number for call in calls) or "",
        employee=_who(calls) if ends or not employee else employee,
        ringing=[] if ends else _ringing(legs),
        started_at=_started_at(events),
        answered_at=_answered_at(events, outcome),
        finished_at=ends[0].at if ends else None,
        talk_s=talk_s,
        wait_s=max((call.wait_s for call in calls if call.wait_s is not None), default=None),
        refused=any(event.refused for event in events),
    )


def recordings(events: Iterable[CallEvent]) -> list[str]:
    """The provider's ids (or addresses) of a call's recordings, each once, oldest first."""
    return list(dict.fromkeys(event.call.recording for event in events if event.call.recording))


# ---------------------------------------------------------------- legs


class _Leg(msgspec.Struct):
    """A connection with one employee, IVR or queue. `at` and `seq`: of its last event."""

    state: CallState
    employee: str
    ended: bool
    at: tuple[datetime, int]


def _legs(events: Iterable[CallEvent]) -> list[_Leg]:
    """In the order they began. What speaks of no leg in particular makes one together; PBXs without legs have just that."""
    by_leg: dict[str, list[CallEvent]] = {}
    for event in events:
        speaks_of_none = not event.leg and event.call.state == "started"
        if event.call.state != "finished" and not speaks_of_none:
            by_leg.setdefault(event.leg, []).append(event)
    return [_leg(own) for own in by_leg.values()]


def _leg(events: list[CallEvent]) -> _Leg:
    state = max((event.call.state for event in events), key=RANK.__getitem__)
    if state in TALKING:
        state = next(event.call.state for event in reversed(events) if event.call.state in TALKING)
    at_that_stage = [event.call for event in events if event.call.state == state]
    employee = _last(call.employee for call in at_that_stage) or _last(event.call.employee for event in events) or ""
    return _Leg(state, employee, any(event.ended for event in events), (events[-1].at, events[-1].seq))


def _now(legs: list[_Leg]) -> tuple[CallState, str]:
    """How far the call is and with whom: of the legs that live the furthest, then the latest; a call between two legs is
    where it had come to.
    """
    living = [leg for leg in legs if not leg.ended] or legs
    if not living:
        return "started", ""
    leg = max(living, key=lambda leg: (RANK[leg.state], leg.at))
    return leg.state, leg.employee


def _ringing(legs: list[_Leg]) -> list[str]:
    return list(
        dict.fromkeys(leg.employee for leg in legs if leg.state == "ringing" and leg.employee and not leg.ended)
    )


# ---------------------------------------------------------------- what was and how it ended


def _outcome(events: list[CallEvent], talk_s: int | None) -> CallOutcome:
    """Answered if the end says so, or somebody talked and the end says nothing."""
    told = [event.call for event in events if event.call.state == "finished"]
    said = [call.answered for call in told if call.answered is not None]
    outcomes: list[CallOutcome] = [call.outcome for call in told if call.outcome is not None]
    if talk_s or any(said) or "answered" in outcomes:
        return "answered"
    if not said and not outcomes and any(event.call.state in TALKING for event in events):
        return "answered"
    return max(outcomes, key=OUTCOME_RANK.__getitem__, default="missed")


def _direction(calls: Iterable[Call]) -> str | None:
    """As the call began. A leg between two employees is part of a call with a client if there is one."""
    found = [call.direction for call in calls if call.direction is not None]
    return next((direction for direction in found if direction != "internal"), next(iter(found), None))


def _started_at(events: list[CallEvent]) -> datetime:
    """The first event's time, or what the end's durations lead back to."""
    begun = [
        event.at - _duration(event.call)
        for event in events
        if event.call.state == "finished" and _duration(event.call) < timedelta(days=7)
    ]
    return min([events[0].at, *begun])


def _duration(call: Call) -> timedelta:
    return timedelta(seconds=(call.talk_s or 0) + (call.wait_s or 0))


def _answered_at(events: list[CallEvent], outcome: CallOutcome | None) -> datetime | None:
    if outcome not in {None, "answered"}:
        return None
    talked = next((event.at for event in events if event.call.state in TALKING), None)
    if talked is not None:
        return talked
    ended = next((event for event in events if event.call.state == "finished" and event.call.talk_s), None)
    return ended.at - timedelta(seconds=ended.call.talk_s or 0) if ended is not None else None


def _who(calls: list[Call]) -> str:
    """Who talked last, else whom the end names, else who was rung last."""
    return (
        _last(call.employee for call in calls if call.state in TALKING)
        or _last(call.employee for call in calls if call.state == "finished")
        or _last(call.employee for call in calls)
        or ""
    )


def _first(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value), None)


def _last(values: Iterable[str | None]) -> str | None:
    found = None
    for value in values:
        found = value or found
    return found


def load(documents: list[Any]) -> list[CallEvent]:
    """Events as they stand on a row."""
    return msgspec.convert(documents, list[CallEvent])
