"""Who is on a leg or call of Mango's: the client outside, the employee inside, and which way it goes."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from connectors.items import Address
from connectors.phones import is_internal, parse_phone
from connectors.telephony.mango_tables import ROUTE_PREFIX, Leg, MangoSettings, Party, text

Direction = Literal["in", "out", "internal"]


class Numbers:
    """Mango's numbers as ours."""

    def __init__(self, settings: MangoSettings) -> None:
        self._region = settings.region
        self._digits = settings.internal_digits

    def extension(self, party: Party) -> str:
        """Of an employee; empty for anybody outside."""
        found = text(party.extension)
        phone = text(party.phone)
        if not found and not phone.lower().startswith("sip") and is_internal(phone, max_digits=self._digits):
            found = phone
        return found[:50]

    def phone(self, raw: Any) -> str:
        """E.164, or empty: withheld, a SIP device, a service number."""
        found = parse_phone(text(raw), self._region)
        return found.e164 if found else ""

    def line(self, raw: Any) -> str:
        """The number of ours that was called: E.164 where it is one, else as Mango writes it (a SIP trunk)."""
        return self.phone(raw) or text(raw)[:100]


class Side(NamedTuple):
    """Who is on a leg or call. `client`: E.164, empty if withheld; `address`: what identifies him, if anything does."""

    direction: Direction
    client: str = ""
    address: Address | None = None
    employee: str = ""


def party(value: Any) -> Party:
    return value if isinstance(value, Party) else Party()


def address_of(party: Party, phone: str) -> Address | None:
    """A phone; a SIP address outside the PBX is an address too."""
    if phone:
        return Address(kind="phone", value=phone)
    raw = text(party.phone)
    return Address(kind="external", value=raw[:200].lower()) if raw.lower().startswith("sip") and "@" in raw else None


def sides_of(leg: Leg, numbers: Numbers) -> Side:
    """Direction out of who stands where; a click-to-call is ours although the client stands in `from` at first."""
    caller, callee = party(leg.from_), party(leg.to)
    calling, called = numbers.extension(caller), numbers.extension(callee)
    if not calling:
        client = numbers.phone(caller.phone)
        direction: Direction = "out" if is_callback(leg) else "in"
        return Side(direction, client, address_of(caller, client), called)
    inside = called or text(leg.location) in {"ivr", "queue"} or text(callee.acd_group)
    if inside or not text(callee.phone):
        return between(calling, called)
    client = numbers.phone(callee.phone)
    return Side("out", client, address_of(callee, client), calling)


def between(calling: str, called: str) -> Side:
    """For those who want to see them: the caller stands where a client would."""
    return Side("internal", "", Address(kind="external", value=f"extension {calling}", name=calling), called)


def is_callback(leg: Leg) -> bool:
    """A click-to-call or a call-back widget: whoever commanded it. Our routing command echoes its id as well, but the
    leg it makes comes out of another one.
    """
    if text(leg.callback_initiator):
        return True
    command = text(leg.command_id)
    moved = text(party(leg.from_).taken_from_call_id)
    return bool(command) and not command.startswith(ROUTE_PREFIX) and not moved


def rings_employee_first(leg: Leg) -> bool:
    """The leg that rings the employee first: his answer is not the client's."""
    return is_callback(leg) and not text(party(leg.from_).extension) and not text(party(leg.from_).taken_from_call_id)
