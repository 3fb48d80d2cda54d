"""A call is a function of the set of its events: whatever the order they came in, however often, the same call results."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from connectors.items import Call, CallOutcome, CallState, Item

RANK: dict[CallState, int] = {"started": 0, "ivr": 1, "queue": 2, "ringing": 3, "talking": 4, "held": 4, "finished": 5}
OUTCOME_RANK: dict[CallOutcome, int] = {"failed": 0, "cancelled": 1, "missed": 2, "busy": 3, "answered": 4}


class CallEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One event of a call as it is kept on its row. `seq`: the provider's own order within one moment."""

    at: datetime
    call: Call
    seq: int = 0


class CallView(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The call as people see it. Times are UTC, durations seconds."""

    state: CallState
    outcome: CallOutcome | None = None
    direction: str | None = None
    client: str = ""
    our_number: str = ""
    employee: str = ""
    started_at: datetime
    answered_at: datetime | None = None
    finished_at: datetime | None = None
    talk_s: int | None = None
    wait_s: int | None = None
    recording: str = ""


def event_of(item: Item, at: datetime) -> CallEvent:
    """The event in an item of kind call."""
    seq = item.meta.get("seq", 0)
    return CallEvent(at=at, call=item.call or Call(state="started"), seq=seq if isinstance(seq, int) else 0)


def add(events: Iterable[CallEvent], new: Iterable[CallEvent]) -> list[CallEvent]:
    """Both as one set in one order; an event told twice counts once."""
    distinct = {msgspec.json.encode(event): event for event in (*events, *new)}
    return [event for _, event in sorted(distinct.items(), key=lambda pair: (pair[1].at, pair[1].seq, pair[0]))]


def reduce(events: list[CallEvent]) -> CallView:
    """The call its events make, given in the order of `add`. Raises ValueError for none."""
    if not events:
        raise ValueError("a call has at least one event")
    calls = [event.call for event in events]
    state = max((call.state for call in calls), key=RANK.__getitem__)
    if RANK[state] == RANK["talking"]:
        state = next(call.state for call in reversed(calls) if RANK[call.state] == RANK["talking"])
    talked = [event for event in events if event.call.state in {"talking", "held"}]
    talk_s = max((call.talk_s for call in calls if call.talk_s is not None), default=None)
    answered = bool(talk_s) or bool(talked) or any(call.answered for call in calls)
    outcomes: list[CallOutcome] = [call.outcome for call in calls if call.outcome is not None]
    outcome = max(outcomes, key=lambda known: OUTCOME_RANK[known], default=None)
    if state == "finished":
        outcome = "answered" if answered else (outcome or "missed")
        if not answered and outcome == "answered":
            outcome = "missed"
    direction = _last(call.direction for call in calls)
    finished = [event for event in events if event.call.state == "finished"]
    return CallView(
        state=state,
        outcome=outcome if state == "finished" else None,
        direction=direction,
        client=_last(call.client for call in calls) or "",
        our_number=_first(call.our_number for call in calls) or "",
        employee=_employee(calls),
        started_at=events[0].at,
        answered_at=talked[0].at if talked else None,
        finished_at=finished[0].at if finished else None,
        talk_s=talk_s,
        wait_s=max((call.wait_s for call in calls if call.wait_s is not None), default=None),
        recording=_last(call.recording for call in calls) or "",
    )


def _employee(calls: list[Call]) -> str:
    """Who talked last, else whom the end names, else who was rung last."""
    return (
        _last(call.employee for call in calls if call.state in {"talking", "held"})
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
