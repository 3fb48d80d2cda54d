"""Sending is a table too: message in, scripted answers of the provider, then the requests we made, the ids, the error.

A case is `tests/connectors/<name>/send/<what>.json`:

    note, source
    settings   `{base}` in a value stands for the scripted server's address
    message    {to, thread_key, text, subject, html, reply_to, references, meta, files: [{name, type, text | size}]}
    exchange   [{asked: {method, path, query, form, headers, files}, answer: …}] in order (scripted.py has the answers);
               only the keys named in `asked` are compared, each exactly; `*` in a string stands for anything
    refused    true: nobody listens at the provider's address
    timeout_s  deadline of a request (default 5)
    sent       {external_ids, meta}
    error      {class, after_s, whole_channel, address_is_bad, provider_code}
    call       "send" (default) or "settle"; a settled `sent: null` means: surely not accepted
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import structlog

from config.errors import SendError
from connectors import registry
from connectors.base import CommonSettings, Connector, Io, OutFile, OutMessage, Sent
from connectors.items import Address
from tests.connectors.scripted import Scripted, refused_base, scripted
from tests.connectors.test_cases import secrets_of

HERE = Path(__file__).parent
KEYS = {"note", "source", "settings", "message", "exchange", "refused", "timeout_s", "sent", "error", "call"}


@dataclass(frozen=True)
class Case:
    connector: str
    name: str
    data: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.connector}/{self.name}"


def load_cases() -> list[Case]:
    """Every sending of every registered connector."""
    files = (path for name in sorted(registry.MODULES) for path in sorted((HERE / name / "send").glob("*.json")))
    return [Case(path.parent.parent.name, path.stem, json.loads(path.read_text())) for path in files]


CASES = load_cases()


@pytest.mark.parametrize("name", sorted(registry.MODULES))
def test_connector_that_sends_has_cases(name: str) -> None:
    """A connector that can send shows that it does."""
    if registry.get(name).send is not None:
        assert any(case.connector == name for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_send(case: Case, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """The provider is asked exactly this, the outcome is exactly that, and no secret, address or text gets into logs."""
    assert set(case.data) <= KEYS
    assert ("sent" in case.data) != ("error" in case.data)
    connector = registry.get(case.connector)
    answers = [step["answer"] for step in case.data.get("exchange", [])]
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as told:
        async with scripted(answers) as server, aiohttp.ClientSession() as http:
            base = refused_base() if case.data.get("refused") else server.base
            settings = _settings(case, connector, base)
            message = _message(case.data["message"])
            io = Io(http=http, timeout_s=case.data.get("timeout_s", 5.0))
            outcome = await _outcome(connector, case, message, settings, io)
            _assert_asked(case, server)
            _assert_outcome(case, outcome)
    streams = capfd.readouterr()
    public = [caplog.text, repr(told), streams.out, streams.err, str(outcome) if isinstance(outcome, SendError) else ""]
    for private in [*secrets_of(settings), *_private(message)]:
        assert private not in "\n".join(public)


def _settings(case: Case, connector: Connector[Any], base: str) -> CommonSettings:
    raw = json.dumps(case.data.get("settings", {})).replace("{base}", base)
    settings: CommonSettings = connector.settings(**json.loads(raw))
    return settings


def _message(data: dict[str, Any]) -> OutMessage:
    files = [_file(one) for one in data.get("files", [])]
    rest = {key: value for key, value in data.items() if key not in {"files", "to"}}
    return OutMessage(
        **({"id": "0198c0de-0000-7000-8000-000000000001", "thread_key": ""} | rest),
        to=Address(**data["to"]),
        files=files,
    )


def _file(data: dict[str, Any]) -> OutFile:
    content: bytes = data["text"].encode() if "text" in data else b"x" * min(data["size"], 1000)

    async def read() -> bytes:
        return content

    return OutFile(name=data["name"], type=data["type"], size=data.get("size", len(content)), read=read)


def _private(message: OutMessage) -> list[str]:
    return [word for word in (message.to.value, message.text, message.subject) if len(word) > 3]


async def _outcome(
    connector: Connector[Any], case: Case, message: OutMessage, settings: CommonSettings, io: Io
) -> Sent | SendError | None:
    call = connector.settle if case.data.get("call") == "settle" else connector.send
    assert call is not None
    try:
        return await call(message, settings, io)
    except SendError as error:
        return error


def _assert_outcome(case: Case, outcome: Sent | SendError | None) -> None:
    if "error" in case.data:
        assert isinstance(outcome, SendError), outcome
        # A library's exception hanging on to ours would bring URL and text into every traceback.
        assert (outcome.__cause__, outcome.__context__) == (None, None)
        expected = dict(case.data["error"])
        assert outcome.code == expected.pop("class"), outcome
        assert {key: getattr(outcome, key) for key in expected} == expected
        return
    assert not isinstance(outcome, SendError), f"{outcome.code}: {outcome} {outcome.provider_text}"
    if outcome is None or case.data["sent"] is None:
        assert outcome is case.data["sent"]
        return
    plain = msgspec.to_builtins(outcome)
    assert {key: list(value) if key == "external_ids" else value for key, value in plain.items()} == {
        "external_ids": case.data["sent"]["external_ids"],
        "meta": case.data["sent"].get("meta", {}),
    }


def _assert_asked(case: Case, server: Scripted) -> None:
    steps = case.data.get("exchange", [])
    assert not server.unused, "answers nobody came for"
    assert len(server.asked) == len(steps), server.asked[len(steps) :]
    for number, (step, asked) in enumerate(zip(steps, server.asked, strict=True)):
        for key, expected in step["asked"].items():
            actual = getattr(asked, key)
            if key == "headers":
                actual = {name: actual.get(name) for name in expected}
            assert _matches(expected, actual), f"request {number}, {key}: {actual!r} is not {expected!r}"


def _matches(expected: Any, actual: Any) -> bool:
    """Equal, but that `*` in an expected string stands for anything."""
    if isinstance(expected, str) and "*" in expected and isinstance(actual, str):
        return fnmatchcase(actual, expected.replace("[", "[[]"))
    if isinstance(expected, dict) and isinstance(actual, dict):
        return set(expected) == set(actual) and all(_matches(expected[key], actual[key]) for key in expected)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(_matches, expected, actual))
    return bool(expected == actual)
