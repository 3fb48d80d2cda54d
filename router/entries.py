"""Between a connector's payload and the journal's row, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.base import Connector, Payload, Peek
from router.channels import Channel
from storage.journal import NewEntry, dedup_key, digest_key, lane_of, unique_key


def to_entry(channel: Channel, payload: Payload, peek: Peek, *, silent: bool = False) -> NewEntry:
    """The payload as the journal keeps it."""
    connector = channel.connector
    window: int | None = None
    if peek.dedup:
        key = dedup_key(channel.id, peek.dedup)
    elif connector.dedup_window_s:
        window = connector.dedup_window_s
        key = digest_key(
            channel.id, (payload.method.encode(), payload.path.encode(), payload.query.encode(), payload.body)
        )
    else:
        key = unique_key()
    return NewEntry(
        channel_id=channel.id,
        key=key,
        lane=lane_of(channel.id, peek.lane),
        klass=int(peek.klass),
        window_s=window,
        silent=silent,
        request=_request_of(payload, connector),
        body=payload.body,
    )


def _request_of(payload: Payload, connector: Connector[Any]) -> dict[str, Any] | None:
    """What `normalize` may need beside the body; None for a bare POST, which is most of them."""
    kept: dict[str, Any] = {}
    if payload.method != "POST":
        kept["method"] = payload.method
    if payload.path not in {"", "/"}:
        kept["path"] = payload.path
    if payload.query:
        kept["query"] = payload.query
    headers = {name: payload.headers[name] for name in connector.keep_headers if name in payload.headers}
    if headers:
        kept["headers"] = headers
    return kept or None


def to_payload(request: Mapping[str, Any] | None, body: bytes, now: float = 0.0) -> Payload:
    """The journal's row as the connector saw it; `now`: unix seconds of its arrival."""
    if request is None:
        return Payload(body=body, now=now)
    return Payload(
        now=now,
        body=body,
        headers=request.get("headers", {}),
        query=request.get("query", ""),
        method=request.get("method", "POST"),
        path=request.get("path", ""),
    )
