"""Every recorded payload becomes exactly the items its file states: one runner for all connectors.

A case is `tests/connectors/<name>/<event>.json`, `<name>` as in the registry:

    note      what it shows                      source   where the form of the payload comes from, with a date
    settings  the channel's settings, if needed
    request   {method, path, query, url, headers, body | body_base64}; a body that is no string is sent as JSON
    expect    the items as JSON, or [] together with
    ignored   why nothing for people comes of it (then every item must be of kind `ignored`)
    error     {where, why?} of the BadPayload, instead of `expect`
    verify    "ok" | "refused"                   answer   {status, body, content_type} of the handshake; null: none
    peek      {dedup, lane, klass}
"""

from __future__ import annotations

import base64
import contextlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from config.errors import BadPayload, BadSignature
from connectors import registry
from connectors.base import CommonSettings, Connector, Payload
from connectors.items import Item, to_json

HERE = Path(__file__).parent
KEYS = {"note", "source", "settings", "request", "expect", "ignored", "error", "verify", "answer", "peek"}
# What an item of a kind can't do without (docs/architecture.md, "Items").
MUST_HAVE = {
    "message": ("external_id", "direction", "sender", "thread_key"),
    "call": ("external_id", "direction", "call"),
    "form": ("identities",),
    "delivery": ("status",),
    "edit": ("external_id", "thread_key"),
    "delete": ("external_id", "thread_key"),
    "reaction": ("external_id", "sender", "thread_key"),
    "read": ("thread_key",),
    "typing": ("thread_key",),
    "opt_out": ("sender",),
    "ignored": ("reason",),
}


@dataclass(frozen=True)
class Case:
    connector: str
    name: str
    data: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.connector}/{self.name}"

    @property
    def payload(self) -> Payload:
        """The request, byte for byte the same on each call."""
        request = self.data["request"]
        headers = {name.lower(): value for name, value in request.get("headers", {}).items()}
        plain = {key: request[key] for key in ("method", "path", "query", "url") if key in request}
        return Payload(body=_body(request), headers=headers, **plain)


def _body(request: dict[str, Any]) -> bytes:
    if "body_base64" in request:
        return base64.b64decode(request["body_base64"])
    body = request.get("body", "")
    return body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()


def load_cases() -> list[Case]:
    """Every case file of every registered connector."""
    files = (path for name in sorted(registry.MODULES) for path in sorted((HERE / name).glob("*.json")))
    return [Case(path.parent.name, path.stem, json.loads(path.read_text())) for path in files]


CASES = load_cases()


def _settings(case: Case) -> tuple[Connector[Any], CommonSettings]:
    connector = registry.get(case.connector)
    return connector, connector.settings(**case.data.get("settings", {}))


def secrets_of(settings: CommonSettings) -> list[str]:
    """Values of the settings that must never be seen outside."""
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr) and value.get_secret_value()]


def _plain(items: list[Item]) -> list[Any]:
    return [json.loads(to_json(item)) for item in items]


@pytest.mark.parametrize("name", sorted(registry.MODULES))
def test_connector_has_cases(name: str) -> None:
    """A connector without recorded payloads is not done."""
    assert any(case.connector == name for case in CASES)


def test_folders_are_connectors() -> None:
    """No case lies in a folder that nobody runs."""
    folders = {path.parent.name for path in HERE.glob("*/*.json")}
    assert folders - {"corpus"} <= set(registry.MODULES)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case_is_well_formed(case: Case) -> None:
    """A case says what it shows and where it comes from, and that nothing happens only with a reason."""
    assert set(case.data) <= KEYS
    assert case.data["note"]
    assert case.data["source"]
    outcomes = [key for key in ("expect", "error") if case.data.get(key)]
    silent = bool(case.data.get("ignored")) or "answer" in case.data or case.data.get("verify") == "refused"
    assert outcomes or silent, "an empty `expect` needs `ignored`: why"


@pytest.mark.parametrize("case", [c for c in CASES if c.data.get("verify") != "refused"], ids=str)
def test_normalize(case: Case, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """Each payload becomes exactly the items its file states, the second time as well, and no secret comes along."""
    connector, settings = _settings(case)
    if case.data.get("answer") and not case.data.get("expect"):
        return  # a handshake: there is nothing to understand
    with caplog.at_level(logging.DEBUG):
        if case.data.get("error"):
            shown = _assert_error(case, connector, settings)
        else:
            items = connector.normalize(case.payload, settings)
            shown = json.dumps(_plain(items), ensure_ascii=False)
            _assert_items(case, items)
            assert _plain(connector.normalize(case.payload, settings)) == _plain(items)
    streams = capfd.readouterr()
    for secret in secrets_of(settings):
        assert secret not in shown + caplog.text + streams.out + streams.err


def _assert_error(case: Case, connector: Connector[Any], settings: CommonSettings) -> str:
    with pytest.raises(BadPayload) as caught:
        connector.normalize(case.payload, settings)
    assert caught.value.where == case.data["error"]["where"]
    assert case.data["error"].get("why", "") in caught.value.why
    return str(caught.value)


def _assert_items(case: Case, items: list[Item]) -> None:
    if case.data.get("ignored"):
        assert {item.kind for item in items} <= {"ignored"}
    if case.data.get("expect"):
        assert _plain(items) == case.data["expect"]
    for item in items:
        for key in MUST_HAVE[item.kind]:
            assert getattr(item, key), f"a {item.kind} without {key}"
        assert item.sent_at is None or item.sent_at.tzinfo is not None


@pytest.mark.parametrize("case", [c for c in CASES if "verify" in c.data], ids=str)
def test_verify(case: Case) -> None:
    """The right signature passes; a wrong, empty or missing one does not."""
    connector, settings = _settings(case)
    if case.data["verify"] == "ok":
        connector.verify(case.payload, settings)
        return
    with pytest.raises((BadSignature, BadPayload)) as caught:
        connector.verify(case.payload, settings)
    assert not any(secret in str(caught.value) for secret in secrets_of(settings))


@pytest.mark.parametrize("case", [c for c in CASES if "answer" in c.data], ids=str)
def test_handshake(case: Case) -> None:
    """A request without an event gets the answer the provider insists on."""
    connector, settings = _settings(case)
    answer = connector.handshake(case.payload, settings)
    expected = case.data["answer"]
    if expected is None:
        assert answer is None
        return
    assert answer is not None
    assert (answer.status, answer.body.decode()) == (expected.get("status", 200), expected["body"])
    assert expected.get("content_type", answer.content_type) == answer.content_type


@pytest.mark.parametrize("case", CASES, ids=str)
def test_peek(case: Case) -> None:
    """Before a payload is understood its key, lane and class are known, whatever it holds, and always the same."""
    connector, settings = _settings(case)
    found = connector.peek(case.payload, settings)
    assert found == connector.peek(case.payload, settings)
    for key, value in case.data.get("peek", {}).items():
        actual = getattr(found, key)
        assert (actual.name.lower() if key == "klass" else actual) == value


@pytest.mark.parametrize("name", sorted(registry.MODULES))
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}", b'"x"', b"[" * 5000, b'{"update_id":{}}']
)
def test_anything_is_read_or_refused(name: str, body: bytes) -> None:
    """No bytes from outside raise anything but BadPayload; `peek` does not even raise that."""
    connector = registry.get(name)
    settings = connector.settings.model_construct(**_defaults(connector))
    connector.peek(Payload(body=body), settings)
    with contextlib.suppress(BadPayload):
        connector.normalize(Payload(body=body), settings)


def _defaults(connector: Connector[Any]) -> dict[str, Any]:
    """Settings as `normalize` on the command line has them without `--set`: what is required is empty."""
    fields = connector.settings.model_fields.items()
    return {
        name: SecretStr("") if field.annotation is SecretStr else "" for name, field in fields if field.is_required()
    }
