"""Mango's payloads from anybody: whatever stands in the fields, they are read or refused, and every reading is writable."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import BadPayload
from connectors.base import Payload
from connectors.items import to_json
from connectors.telephony.mango import connector
from connectors.telephony.mango_tables import IN_OUTCOME, OUT_OUTCOME, SENTENCES, MangoSettings, by_class

VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["201", "79990000011", "sip:u@h", 1_795_000_000, "1795000000", 0, "Connected", "ivr", [], {}]),
)
PARTY = st.one_of(
    VALUE,
    st.dictionaries(
        st.sampled_from(["extension", "number", "taken_from_call_id", "line_number", "acd_group"]), VALUE, max_size=5
    ),
)
FIELDS = (
    *("entry_id", "call_id", "timestamp", "seq", "call_state", "location", "disconnect_reason", "command_id"),
    *("call_direction", "create_time", "talk_time", "end_time", "recording_id", "recording_state", "result"),
    *("completion_code", "recipient", "callback_initiator", "transfer", "line_number", "dct"),
)
EVENT = st.builds(
    lambda fields, ends: fields | ends,
    st.dictionaries(st.sampled_from(FIELDS), VALUE, max_size=12),
    st.fixed_dictionaries({}, optional={"from": PARTY, "to": PARTY}),
)
PATH = st.sampled_from(
    ["", "/events/call", "/events/summary", "/events/recording", "/events/record/added", "/result/callback", "/x/y"]
)
SETTINGS = st.builds(
    MangoSettings,
    clock_offset_s=st.sampled_from([0, 10800, -86400]),
    internal_calls=st.booleans(),
    region=st.just("RU"),
)


@settings(max_examples=500, deadline=None)
@given(path=PATH, event=EVENT, own=SETTINGS)
def test_any_fields_are_read_or_refused(path: str, event: dict[str, Any], own: MangoSettings) -> None:
    """Wrong types, absurd times and numbers: items as JSON, or BadPayload; `peek` and `asks` raise nothing at all."""
    body = urlencode({"json": json.dumps(event)}).encode()
    payload = Payload(body=body, path=path)
    assert connector.peek(payload, own) == connector.peek(payload, own)
    connector.asks(payload, own)
    with contextlib.suppress(BadPayload):
        for item in connector.normalize(payload, own):
            assert json.loads(to_json(item))["kind"] == item.kind
            assert item.kind == "ignored" or item.external_id


@given(code=st.integers(1000, 5999))
def test_every_code_means_something(code: int) -> None:
    """Also those that are not in the list: by their class."""
    assert by_class(code, SENTENCES)
    assert (by_class(code, IN_OUTCOME) or "missed") != "answered"
    assert (by_class(code, OUT_OUTCOME) or "missed") != "answered"


@pytest.mark.parametrize(
    ("code", "inbound", "outbound"),
    [
        (1111, "missed", "missed"),
        (1122, "missed", "missed"),
        (1124, "busy", "busy"),
        (1133, "missed", "failed"),
        (1183, "missed", "missed"),
        (1197, "missed", "missed"),
        (2240, "failed", "failed"),
        (4203, "missed", "missed"),
    ],
)
def test_documented_codes(code: int, inbound: str, outbound: str) -> None:
    """The description's table, and its rule for codes it does not name."""
    assert by_class(code, IN_OUTCOME) == inbound
    assert by_class(code, OUT_OUTCOME) == outbound
