"""Mango Office, VPBX API 1.9 (edition of June 2026): calls in, routing and click-to-call out, recordings.

Quirks that shape this file:
- Mango appends `/events/call`, `/events/summary`, `/result/route` … to the hook's address and posts a form of three fields;
  `json` is signed as it was sent, so it is checked before it is read;
- `entry_id` is the call, `call_id` a leg of it. A leg's end says nothing of the call: only the summary finishes it;
- events come out of order; `seq` counts within a leg, times are whole seconds;
- there is no direction before the summary. A click-to-call's first leg looks like an inbound call: the client's number
  stands in `from` while the employee is rung, and his answer is no conversation yet;
- the reply of a hook routes nothing: `/commands/route` does, one command in two seconds for the whole product;
- the summary's `entry_result` is wrong where a call died in the IVR: `talk_time` tells whether anybody talked.

Beside it: mango_tables.py (structs, codes), mango_parties.py (who is who), mango_api.py (commands, click-to-call, recordings).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from config.errors import BadPayload
from connectors.base import (
    Capabilities,
    Class,
    Connector,
    Limits,
    Payload,
    Peek,
    RouteQuestion,
    parse,
    same_secret,
)
from connectors.items import Call, CallOutcome, CallState, Identity, Item, ItemError, from_unix
from connectors.telephony.mango_api import check, fetch_media, route_command, send, signature
from connectors.telephony.mango_parties import (
    Numbers,
    Side,
    address_of,
    between,
    is_callback,
    party,
    rings_employee_first,
    sides_of,
)
from connectors.telephony.mango_tables import (
    DIRECTIONS,
    FORMS,
    IN_OUTCOME,
    OUT_OUTCOME,
    REFUSED_CALLERS,
    SENTENCES,
    STATES,
    UNUSED,
    Dct,
    Key,
    Leg,
    MangoSettings,
    Recording,
    Result,
    Summary,
    by_class,
    number,
    text,
)


def verify(payload: Payload, settings: MangoSettings) -> None:
    """Raises BadSignature unless key and signature fit the `json` as it was sent. Source: section "Подпись"."""
    form = payload.form()
    key, salt = settings.api_key.get_secret_value(), settings.api_salt.get_secret_value()
    same_secret(form.get("vpbx_api_key"), key)
    expected = signature(key, form.get("json", ""), salt) if salt else ""
    same_secret(form.get("sign", "").lower(), expected)


def peek(payload: Payload, _settings: MangoSettings) -> Peek:
    """Lane: the call. Key: leg and its counter; the call, for a summary; the recording and its state."""
    try:
        raw = _json(payload)
        event, found = _event(payload, raw), parse(Key, raw)
    except BadPayload:
        return Peek()
    entry = text(found.entry_id)
    klass = Class.LIVE if event in {"/events/call", "/events/summary"} else Class.STATUS
    parts: tuple[str, ...] = ()
    if event == "/events/call":
        parts = (text(found.call_id), text(found.seq))
    elif event == "/events/summary":
        parts = (entry,)
    elif event.startswith("/events/record"):
        state = (text(found.recording_state), text(found.seq)) if event == "/events/recording" else ()
        parts = (text(found.recording_id), *(part for part in state if part))
    dedup = ":".join((event, *parts)) if parts and all(parts) else ""
    return Peek(dedup=dedup, lane=entry or text(found.command_id), klass=klass)


# ---------------------------------------------------------------- what came


def _json(payload: Payload) -> bytes:
    """The event: the form's field, or a body that is the JSON itself. Raises BadPayload."""
    if payload.body.lstrip()[:1] == b"{":
        return payload.body
    form = payload.form()
    if "json" not in form:
        raise BadPayload("json", "the form has no such field")
    return form["json"].encode("utf-8", "replace")


def _event(payload: Payload, raw: bytes) -> str:
    """`/events/call` out of the address called, else what the fields look like; "" for neither."""
    path = payload.path.rstrip("/")
    for root in ("/events/", "/result/"):
        before, found, event = path.rpartition(root)
        if found and (not before or before.startswith("/")):
            return root + event
    fields = parse(dict[str, msgspec.Raw], raw)
    return next((event for field, event in FORMS if field in fields), path)


# ---------------------------------------------------------------- normalize


def normalize(payload: Payload, settings: MangoSettings) -> list[Item]:
    """An event -> items. Raises BadPayload. Source: "Описание API Виртуальной АТС", sections on events."""
    raw = _json(payload)
    event = _event(payload, raw)
    if event == "/events/call":
        return [_leg(parse(Leg, raw), settings)]
    if event == "/events/summary":
        return [_summary(parse(Summary, raw), settings)]
    if event in {"/events/recording", "/events/record/added"}:
        return [_recording(event, parse(Recording, raw), settings)]
    if event.startswith("/result/"):
        return [_result(event.removeprefix("/result/"), parse(Result, raw))]
    return [_ignored(UNUSED.get(event) or f"event not used: {event[:100] or 'none'}")]


def _leg(leg: Leg, settings: MangoSettings) -> Item:
    entry = _required(leg.entry_id, "entry_id")
    state = text(leg.call_state)
    if state not in STATES:
        return _ignored(f"call_state not known: {state[:50]}")
    side = sides_of(leg, Numbers(settings))
    if side.direction == "internal" and not settings.internal_calls:
        return _ignored("a leg between employees")
    to = party(leg.to)
    call = Call(
        state=_state(leg, state, side),
        direction=side.direction,
        client=side.client,
        our_number=Numbers(settings).line(to.line_number),
        employee=side.employee,
        aliases=[text(leg.command_id)[:200]] if is_callback(leg) and text(leg.command_id) else [],
    )
    item = _item(entry, side, call, _at(leg.timestamp, "timestamp", settings))
    item.meta = _known(
        leg=text(leg.call_id)[:200],
        seq=number(leg.seq),
        ended=(state == "Disconnected") or None,
        reason=number(leg.disconnect_reason),
        queue=text(to.acd_group)[:50],
        transfer=text(leg.transfer)[:50],
        tracking_number=_tracked(leg, settings),
        sip_call_id=text(leg.sip_call_id)[:200],
    )
    return item


def _state(leg: Leg, state: str, side: Side) -> CallState:
    """How far the call has come by this leg. A leg that ended had at least come to where it was."""
    location = text(leg.location)
    if location == "ivr":
        return "ivr"
    if location == "queue" or (not side.employee and text(party(leg.to).acd_group)):
        return "queue"
    if state == "Connected" and not rings_employee_first(leg):
        return "talking"
    return "held" if state == "OnHold" else "ringing"


def _summary(summary: Summary, settings: MangoSettings) -> Item:
    entry = _required(summary.entry_id, "entry_id")
    direction = (
        DIRECTIONS.get(number(summary.call_direction) or 0) if number(summary.call_direction) is not None else ""
    )
    numbers = Numbers(settings)
    caller, callee = party(summary.from_), party(summary.to)
    if direction == "internal" and not settings.internal_calls:
        return _ignored("a call between employees")
    if direction == "internal":
        side = between(numbers.extension(caller), numbers.extension(callee))
    elif direction == "out" or (not direction and numbers.extension(caller)):
        phone = numbers.phone(callee.phone)
        side = Side("out", phone, address_of(callee, phone), numbers.extension(caller))
    else:
        phone = numbers.phone(caller.phone)
        side = Side("in", phone, address_of(caller, phone), numbers.extension(callee))
    ended = _at(summary.end_time, "end_time", settings)
    created = _at_or_none(summary.create_time, "create_time", settings) or ended
    talked = _at_or_none(summary.talk_time, "talk_time", settings)
    reason = number(summary.disconnect_reason)
    call = Call(
        state="finished",
        outcome="answered" if talked else _outcome(reason, side),
        direction=side.direction,
        client=side.client,
        our_number=numbers.line(summary.line_number or callee.line_number),
        employee=side.employee,
        answered=talked is not None,
        talk_s=_seconds(talked, ended) if talked else 0,
        wait_s=_seconds(created, talked or ended),
    )
    item = _item(entry, side, call, ended)
    refused = True if reason in REFUSED_CALLERS and side.direction == "in" else None
    item.meta = _known(reason=reason, refused=refused)
    return item


def _outcome(reason: int | None, side: Side) -> CallOutcome:
    table = IN_OUTCOME if side.direction == "in" else OUT_OUTCOME
    found: CallOutcome = by_class(reason or 1000, table) or "missed"
    return found


def _recording(event: str, recording: Recording, settings: MangoSettings) -> Item:
    """A file that can be had. `record/added` tells so; `Completed` as well, where it goes to the cloud at all."""
    entry = _required(recording.entry_id, "entry_id")
    recording_id = _required(recording.recording_id, "recording_id")
    if event == "/events/recording":
        state, code = text(recording.recording_state), number(recording.completion_code)
        if state != "Completed":
            return _ignored(f"recording {state[:30].lower() or 'goes on'}")
        if code not in {None, 1000}:
            return _ignored(f"a recording that was not kept: {by_class(code or 0, SENTENCES) or code}")
        if "cloud" not in (text(recording.recipient) or "cloud").lower():
            return _ignored("a recording sent by mail alone")
    at = _at_or_none(recording.timestamp, "timestamp", settings)
    call = Call(state="started", recording=recording_id[:200])
    return Item(
        kind="call", connector="mango", external_id=entry, direction="in", sent_at=at, thread_key=entry, call=call
    )


def _result(command: str, result: Result) -> Item:
    """What became of a command. A click-to-call is a sending of ours, so this is its receipt."""
    code, command_id = number(result.result), text(result.command_id)
    if not command.startswith("callback") or not command_id:
        return _ignored(f"result of {command[:50]}: {code if code is not None else 'none'}")
    if code == 1000:
        return Item(kind="delivery", connector="mango", external_id=command_id[:200], status="delivered")
    why = by_class(code or 1000, SENTENCES) or SENTENCES[1000]
    error = ItemError(code=str(code or ""), text=why, class_="permanent")
    return Item(kind="delivery", connector="mango", external_id=command_id[:200], status="failed", error=error)


# ---------------------------------------------------------------- who should take it


def asks(payload: Payload, settings: MangoSettings) -> RouteQuestion | None:
    """The first leg of an inbound call that stands in the IVR or in a queue can still be sent to somebody."""
    if not settings.route_calls:
        return None
    try:
        raw = _json(payload)
        if _event(payload, raw) != "/events/call":
            return None
        leg = parse(Leg, raw)
    except BadPayload:
        return None
    entry, call_id = text(leg.entry_id), text(leg.call_id)
    is_first = text(leg.call_state) == "Appeared" and not text(party(leg.from_).taken_from_call_id)
    if not (entry and call_id and is_first) or text(leg.location) not in {"ivr", "queue"}:
        return None
    numbers = Numbers(settings)
    side = sides_of(leg, numbers)
    if side.direction != "in":
        return None
    return RouteQuestion(entry, side.client, numbers.line(party(leg.to).line_number), call_id)


# ---------------------------------------------------------------- small words


def _item(entry: str, side: Side, call: Call, at: datetime) -> Item:
    is_out = side.direction == "out"
    item = Item(
        kind="call",
        connector="mango",
        external_id=entry,
        direction="out" if is_out else "in",
        sent_at=at,
        thread_key=entry,
        call=call,
    )
    if side.address is not None:
        item.identities = [Identity(kind=side.address.kind, value=side.address.value)]
        item.sender = None if is_out else side.address
        item.recipients = [side.address] if is_out else []
    return item


def _ignored(reason: str) -> Item:
    return Item(kind="ignored", connector="mango", reason=reason)


def _known(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in {None, ""}}


def _required(value: Any, where: str) -> str:
    found = text(value)
    if not found:
        raise BadPayload(where, "expected an id")
    return found[:500]


def _tracked(leg: Leg, settings: MangoSettings) -> str:
    """The number shown to the visitor by call tracking, where there is one."""
    if not isinstance(leg.dct, Dct) or not number(leg.dct.type):
        return ""
    return Numbers(settings).line(leg.dct.phone)


def _at(value: Any, where: str, settings: MangoSettings) -> datetime:
    found = _at_or_none(value, where, settings)
    if found is None:
        raise BadPayload(where, "expected a Unix time")
    return found


def _at_or_none(value: Any, where: str, settings: MangoSettings) -> datetime | None:
    """None for 0, which is "never" here. Raises BadPayload for what is no time."""
    seconds = number(value)
    if not seconds:
        return None
    try:
        return from_unix(seconds) - timedelta(seconds=settings.clock_offset_s)
    except (ValueError, OverflowError):
        raise BadPayload(where, "not a Unix time") from None


def _seconds(begin: datetime, end: datetime) -> int:
    return max(0, int((end - begin).total_seconds()))


connector: Connector[MangoSettings] = Connector(
    name="mango",
    title="Mango Office",
    settings=MangoSettings,
    reaches=frozenset({"phone"}),
    verify=verify,
    peek=peek,
    normalize=normalize,
    asks=asks,
    route_command=route_command,
    send=send,
    fetch_media=fetch_media,
    check=check,
    capabilities=Capabilities(text=False, max_text=0, cold=True, call=True),
    limits=Limits(per_s=4.0, per_address_s=0.2, parallel=4),
    mask=frozenset({"vpbx_api_key", "sign"}),
    max_body=256 << 10,
)
