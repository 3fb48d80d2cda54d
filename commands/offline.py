"""`normalize` and `verify`: a connector at work on payloads from stdin. No database, no channel, no network."""

from __future__ import annotations

import base64
import binascii
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from config.errors import BadPayload, BadSettings, BadSignature, HubError
from connectors import registry
from connectors.base import Connector, Payload
from router.channels import check_settings

UNREADABLE = 2


class Line(msgspec.Struct):
    """One request of `--jsonl`."""

    id: Any = None
    method: str = "POST"
    path: str = ""
    query: str = ""
    url: str = ""
    now: float | None = None
    headers: dict[str, str] = {}
    settings: dict[str, Any] = {}
    body: Any = None
    body_base64: str | None = None


def run(
    command: str,
    connector: str,
    *,
    headers_file: str | None,
    query: str,
    settings: Mapping[str, Any],
    jsonl: bool,
) -> int:
    """Exit code 0, or 2 with a line on stderr for a payload that can't be read. Raises BadSettings."""
    found = registry.get(connector)
    answer = _verify if command == "verify" else _normalize
    if jsonl or command == "verify":
        return _lines(found, settings, answer)
    payload = Payload(
        body=sys.stdin.buffer.read(),
        headers=_headers(headers_file),
        query=query,
        now=time.time(),
    )
    try:
        items = found.normalize(payload, check_settings(found, settings))
    except BadPayload as error:
        print(f"{connector}: {error}", file=sys.stderr)
        return UNREADABLE
    for item in items:
        item.connector = connector
        sys.stdout.buffer.write(msgspec.json.encode(item) + b"\n")
    sys.stdout.buffer.flush()
    return 0


def _headers(file: str | None) -> dict[str, str]:
    """`Name: value` lines. Raises BadSettings."""
    if file is None:
        return {}
    try:
        lines = Path(file).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"--headers {file}: {type(error).__name__}") from None
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _lines(
    connector: Connector[Any],
    settings: Mapping[str, Any],
    answer: Callable[[Connector[Any], Payload, Any], dict[str, Any]],
) -> int:
    out = sys.stdout.buffer
    for raw in sys.stdin.buffer:
        if not raw.strip():
            continue
        line_id: Any = None
        try:
            line = msgspec.json.decode(raw, type=Line)
            line_id = line.id
            result = answer(connector, _payload(line), check_settings(connector, {**settings, **line.settings}))
        except (HubError, msgspec.MsgspecError, binascii.Error, RecursionError) as error:
            result = {"error": str(error)}
        out.write(msgspec.json.encode({"id": line_id, **result}) + b"\n")
        out.flush()
    return 0


def _payload(line: Line) -> Payload:
    if line.body_base64 is not None:
        body = base64.b64decode(line.body_base64, validate=True)
    elif isinstance(line.body, str):
        body = line.body.encode("utf-8", "surrogatepass")
    else:
        body = b"" if line.body is None else msgspec.json.encode(line.body)
    return Payload(
        body=body,
        headers={name.lower(): value for name, value in line.headers.items()},
        query=line.query.removeprefix("?"),
        method=line.method.upper(),
        path=line.path,
        url=line.url,
        now=time.time() if line.now is None else line.now,
    )


def _normalize(connector: Connector[Any], payload: Payload, settings: Any) -> dict[str, Any]:
    items = connector.normalize(payload, settings)
    for item in items:
        item.connector = connector.name
    return {"items": items}


def _verify(connector: Connector[Any], payload: Payload, settings: Any) -> dict[str, Any]:
    """What the hook would answer as to signature and handshake."""
    try:
        connector.verify(payload, settings)
        answer = connector.handshake(payload, settings)
        if answer is None:
            answer = connector.acknowledge(payload, settings) if connector.acknowledge else connector.ok
    except (BadSignature, BadPayload) as error:
        return {"ok": False, "status": error.status, "body": error.code}
    return {
        "ok": 200 <= answer.status < 300,
        "status": answer.status,
        "body": answer.body.decode("utf-8", "replace"),
    }
