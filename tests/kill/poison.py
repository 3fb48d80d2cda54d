"""A connector for tests whose `normalize` kills its process on one text: what a bug in a C library looks like."""

from __future__ import annotations

import os
import signal

from connectors.base import CommonSettings, Connector, Payload, Peek, parse
from connectors.items import Address, Item

DEADLY = "deadly"


def _fields(payload: Payload) -> dict[str, str]:
    return parse(dict[str, str], payload.body)


def verify(_payload: Payload, _settings: CommonSettings) -> None:
    """Anybody may write."""


def peek(payload: Payload, _settings: CommonSettings) -> Peek:
    fields = _fields(payload)
    return Peek(dedup=fields["id"], lane=fields["from"])


def normalize(payload: Payload, _settings: CommonSettings) -> list[Item]:
    """`{"id", "from", "text"}` -> a message."""
    fields = _fields(payload)
    if fields["text"] == DEADLY:
        os.kill(os.getpid(), signal.SIGKILL)
    sender = Address("external", fields["from"])
    return [
        Item(
            kind="message",
            connector="poison",
            external_id=fields["id"],
            direction="in",
            sender=sender,
            text=fields["text"],
            thread_key=fields["from"],
        )
    ]


connector: Connector[CommonSettings] = Connector(
    name="poison", title="Poison", settings=CommonSettings, verify=verify, peek=peek, normalize=normalize
)
