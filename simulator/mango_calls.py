"""Calls as Mango's PBX tells of them: lists of events with the seconds at which they happen. Pure; mango.py sends them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Transfer = Literal["blind", "consultative", "return_blind"]


class Event(NamedTuple):
    """`after_s`: since the call began. `path`: what Mango appends to the hook's address."""

    after_s: float
    path: str
    data: dict[str, Any]


@dataclass
class Script:
    """One call on its way. `start`: Unix time; `events` grow as it goes on; legs are numbered from 1."""

    entry: str
    start: int
    client: str
    line: str
    events: list[Event] = field(default_factory=list)
    now_s: float = 0.0
    _legs: Any = field(default_factory=lambda: itertools.count(1))
    _seqs: dict[str, int] = field(default_factory=dict)

    def new_leg(self) -> str:
        return f"{self.entry}-L{next(self._legs)}"

    def leg(
        self,
        leg: str,
        state: str,
        location: str,
        caller: dict[str, Any],
        called: dict[str, Any],
        **more: Any,
    ) -> None:
        """A leg's next event, now."""
        self._seqs[leg] = self._seqs.get(leg, 0) + 1
        data = {
            "entry_id": self.entry,
            "call_id": leg,
            "timestamp": self.start + int(self.now_s),
            "seq": self._seqs[leg],
            "call_state": state,
            "location": location,
            "from": caller,
            "to": called,
        }
        self.events.append(Event(self.now_s, "/events/call", data | more))

    def outside(self, taken_from: str = "") -> dict[str, Any]:
        """The client's end; a withheld number is not there at all."""
        number = {"number": self.client} if self.client else {}
        return number | ({"taken_from_call_id": taken_from} if taken_from else {})

    def employee(self, extension: str, *, line: bool = True) -> dict[str, Any]:
        """An employee's end."""
        own = {"extension": extension, "number": f"sip:user{extension}@vpbx.example"}
        return own | ({"line_number": self.line} if line else {})

    def tell(self, path: str, **data: Any) -> None:
        """Any other event, now."""
        self.events.append(Event(self.now_s, path, data))

    # ------------------------------------------------------------ what happens in calls

    def ivr(self) -> str:
        """The greeting answers."""
        leg = self.new_leg()
        self.leg(leg, "Appeared", "ivr", self.outside(), {"number": self.line, "line_number": self.line})
        return leg

    def leave_ivr(self, leg: str, reason: int = 1100) -> None:
        called = {"number": self.line, "line_number": self.line}
        self.leg(leg, "Disconnected", "ivr", self.outside(), called, disconnect_reason=reason)

    def rings(self, extension: str, taken_from: str = "", **more: Any) -> str:
        leg = self.new_leg()
        self.leg(leg, "Appeared", "abonent", self.outside(taken_from), self.employee(extension), **more)
        return leg

    def talks(self, leg: str, extension: str, **more: Any) -> None:
        self.leg(leg, "Connected", "abonent", self.outside(), self.employee(extension), **more)

    def ends(self, leg: str, extension: str, reason: int, **more: Any) -> None:
        more["disconnect_reason"] = reason
        self.leg(leg, "Disconnected", "abonent", self.outside(), self.employee(extension), **more)

    def transfer(self, leg: str, first: str, second: str, kind: Transfer) -> tuple[str, str]:
        """From one employee to the next; returns the leg the client is on afterwards, and who is on it."""
        if kind == "consultative":
            return self._consult(leg, first, second), second
        self.ends(leg, first, 1120, transfer="blind")
        new = self.rings(second, leg, transfer="blind")
        self.now_s += 4
        if kind == "blind":
            self.talks(new, second)
            return new, second
        self.ends(new, second, 1111)
        back = self.rings(first, new, transfer="return_blind")
        self.now_s += 2
        self.talks(back, first)
        return back, first

    def _consult(self, leg: str, first: str, second: str) -> str:
        self.leg(leg, "OnHold", "abonent", self.outside(), self.employee(first) | {"hold_initiator": True})
        new = self.new_leg()
        asking = self.employee(first, line=False) | {"taken_from_call_id": leg}
        self.leg(new, "Appeared", "abonent", asking, self.employee(second), transfer="consultative")
        self.now_s += 3
        self.leg(new, "Connected", "abonent", asking, self.employee(second), transfer="consultative")
        self.now_s += 5
        self.ends(leg, first, 1120, transfer="consultative")
        self.leg(new, "Connected", "abonent", self.outside(leg), self.employee(second), transfer="consultative")
        return new

    def callback(self, extension: str, command_id: str, *, answered: bool) -> None:
        """Click-to-call: the employee first, with the client in `from`; then the client."""
        own = {"command_id": command_id, "callback_initiator": "API"}
        employee = self.employee(extension, line=False)
        first = self.new_leg()
        self.leg(first, "Appeared", "abonent", self.outside(), employee, **own)
        self.now_s += 3
        self.leg(first, "Connected", "abonent", self.outside(), employee, **own)
        self.leg(first, "Disconnected", "abonent", self.outside(), employee, disconnect_reason=1000, **own)
        second = self.new_leg()
        caller = employee | {"taken_from_call_id": first}
        client = {"number": self.client, "line_number": self.line}
        self.leg(second, "Appeared", "abonent", caller, client, command_id=command_id)
        self.now_s += 6
        if answered:
            self.leg(second, "Connected", "abonent", caller, client, command_id=command_id)
            self.now_s += 40
        reason = 1110 if answered else 1111
        self.leg(second, "Disconnected", "abonent", caller, client, disconnect_reason=reason)

    def summary(
        self, *, extension: str = "", talked_at: float | None = None, reason: int = 1110, direction: int = 1
    ) -> None:
        """The call is over. `talked_at`: seconds since it began, None for no conversation."""
        person = self.employee(extension, line=False) if extension else {}
        client = {"number": self.client} if self.client else {}
        sides = {"from": client, "to": person} if direction == 1 else {"from": person, "to": client}
        self.tell(
            "/events/summary",
            entry_id=self.entry,
            call_direction=direction,
            **sides,
            line_number=self.line,
            create_time=self.start,
            forward_time=self.start if talked_at is not None else 0,
            talk_time=self.start + int(talked_at) if talked_at is not None else 0,
            end_time=self.start + int(self.now_s),
            entry_result=int(talked_at is not None),
            disconnect_reason=reason,
        )
