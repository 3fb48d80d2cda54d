"""Mango Office's words: the channel's settings, payload structs, events and result codes. VPBX API 1.9, edition of June 2026."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import Field, SecretStr

from connectors.base import CommonSettings
from connectors.items import CallOutcome

OFFICIAL = "https://app.mango-office.ru/vpbx"
ROUTE_PREFIX = "route-"
"""Begins the ids of our routing commands: their echo on a leg is no click-to-call."""


class MangoSettings(CommonSettings):
    """One VPBX product. Key and salt stand in the cabinet under API; both directions are signed with them."""

    api_key: SecretStr = Field(SecretStr(""), description="unique code of the VPBX, from the cabinet's API page")
    api_salt: SecretStr = Field(SecretStr(""), description="key for the signature, from the same page")
    base_url: str = Field(OFFICIAL, pattern="^https?://", description="address of the VPBX API")
    clock_offset_s: int = Field(
        0, ge=-86400, le=86400, description="seconds the PBX's times are ahead of UTC (10800 where they are Moscow's)"
    )
    internal_digits: int = Field(5, ge=1, le=6, description="longest internal number, in digits")
    internal_calls: bool = Field(default=False, description="show calls between employees as well")
    route_calls: bool = Field(default=True, description="send inbound calls to the responsible manager")
    route_every_s: float = Field(
        2.0, ge=0, le=60, description="seconds between two routing commands (Mango: 1 per 2 s)"
    )
    route_patience_s: float = Field(6.0, ge=0, le=30, description="longest wait for that: later the greeting is over")
    show_name: bool = Field(default=True, description="put the client's name on the phone's display")
    line_number: str = Field("", description="number that click-to-call shows to the client; empty: the employee's own")


# ---------------------------------------------------------------- payloads

Word = str | int | float | None
"""Mango and the proxies before it write ids, times and extensions as text or as a number."""


def text(value: Any) -> str:
    """A `Word` as text, without what no id has."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).replace("\x00", "").strip()


def number(value: Any) -> int | None:
    """A `Word` as a whole number, None for anything else."""
    try:
        return int(float(text(value)))
    except (ValueError, OverflowError):
        return None


class Party(msgspec.Struct, rename={"phone": "number"}, gc=False):
    """One end of a leg or call."""

    extension: Word = None
    phone: Word = None
    taken_from_call_id: Word = None
    line_number: Word = None
    acd_group: Word = None


class Dct(msgspec.Struct, rename={"phone": "number"}, gc=False):
    """Call tracking: the number that was shown to this visitor. Type 0: none."""

    phone: Word = None
    type: Word = None


Some = Party | list[Any] | None
"""PHP writes an empty object as []."""


class Leg(msgspec.Struct, rename={"from_": "from"}, gc=False):
    """POST /events/call: one leg changed its state."""

    entry_id: Word = None
    call_id: Word = None
    timestamp: Word = None
    seq: Word = None
    call_state: Word = None
    location: Word = None
    from_: Some = None
    to: Some = None
    dct: Dct | list[Any] | None = None
    disconnect_reason: Word = None
    transfer: Word = None
    sip_call_id: Word = None
    command_id: Word = None
    task_id: Word = None
    callback_initiator: Word = None


class Summary(msgspec.Struct, rename={"from_": "from"}, gc=False):
    """POST /events/summary: the whole call, once it is over."""

    entry_id: Word = None
    call_direction: Word = None
    from_: Some = None
    to: Some = None
    line_number: Word = None
    create_time: Word = None
    talk_time: Word = None
    end_time: Word = None
    entry_result: Word = None
    disconnect_reason: Word = None


class Recording(msgspec.Struct, gc=False):
    """POST /events/recording and /events/record/added."""

    entry_id: Word = None
    recording_id: Word = None
    recording_state: Word = None
    call_id: Word = None
    seq: Word = None
    timestamp: Word = None
    completion_code: Word = None
    recipient: Word = None


class Result(msgspec.Struct, gc=False):
    """POST /result/<command>: what became of a command. Also what a command is answered with."""

    command_id: Word = None
    result: Word = None
    code: Word = None


class Key(msgspec.Struct, gc=False):
    """What `peek` needs of any event."""

    entry_id: Word = None
    call_id: Word = None
    seq: Word = None
    recording_id: Word = None
    recording_state: Word = None
    command_id: Word = None


# ---------------------------------------------------------------- vocabularies

# Fields that tell an event by its form, for payloads that come without their path.
FORMS: tuple[tuple[str, str], ...] = (
    ("call_state", "/events/call"),
    ("call_direction", "/events/summary"),
    ("entry_result", "/events/summary"),
    ("recording_state", "/events/recording"),
    ("recording_id", "/events/record/added"),
    ("dtmf", "/events/dtmf"),
    ("result", "/result/command"),
)

# Events that nobody needs, and why.
UNUSED: dict[str, str] = {
    "/events/dtmf": "keys pressed in the IVR",
    "/events/sms": "an SMS of the PBX",
    "/events/record/tagged": "speech analytics of a recording",
}

STATES = frozenset({"Appeared", "Connected", "OnHold", "Disconnected"})
DIRECTIONS: dict[int, str] = {0: "internal", 1: "in", 2: "out"}

# Result codes, section 5 of the description: the meaning of a call's end without a conversation. Unknown ones fall back
# to their class: 1xyz -> 1xy0 -> 1x00 -> 1000.
IN_OUTCOME: dict[int, CallOutcome] = {
    1000: "missed",
    1110: "cancelled",
    1111: "missed",
    1121: "busy",
    1123: "busy",
    1124: "busy",
    1150: "failed",
    1171: "failed",
    2000: "failed",
    3000: "failed",
    4000: "failed",
    4200: "missed",
    5000: "failed",
}
OUT_OUTCOME: dict[int, CallOutcome] = {
    1000: "missed",
    1110: "cancelled",
    1111: "missed",
    1121: "busy",
    1123: "busy",
    1124: "busy",
    1130: "failed",
    1131: "missed",
    1140: "failed",
    1150: "failed",
    1171: "failed",
    2000: "failed",
    3000: "failed",
    4000: "failed",
    4200: "missed",
    5000: "failed",
}
REFUSED_CALLERS = frozenset({1150, 1151, 1152})
"""The PBX's own lists turned the caller away: nobody need call back."""

BARRED = frozenset({2110, 2240})
TOO_MANY = frozenset({2220, 4501})
WRONG_KEYS = frozenset({3102, 3105})
OVERLOADED = frozenset({5000, 5001, 5008})
NOT_READY = frozenset({3300, 3320})
HARMLESS = frozenset({4100, 4101})
"""A routing command came too late: the call was answered or is over."""

SENTENCES: dict[int, str] = {
    1000: "The PBX could not carry out the command.",
    1100: "The call ended before it began.",
    2000: "The PBX's account does not allow the call.",
    3000: "The PBX does not accept the command as it stands.",
    3104: "The PBX does not understand a field of the command.",
    3200: "The PBX does not accept this phone number.",
    3300: "The PBX does not know this extension or call.",
    3310: "The PBX does not know this call any more.",
    3320: "The PBX does not have this recording.",
    4000: "The PBX can't do this now.",
    4001: "The PBX does not support this command.",
    4002: "The recording was too short to be kept.",
    4100: "The call's state does not allow the command.",
    4101: "The call is over.",
    4200: "The employee's phone can't be reached.",
    5000: "The PBX has a fault of its own.",
}


def by_class(code: int, known: dict[int, Any]) -> Any:
    """The entry of the code, else of its class; None when even that is not in the table."""
    for step in (1, 10, 100, 1000):
        found = known.get(code // step * step)
        if found is not None:
            return found
    return None
