"""A connector for tests that takes free text for a day after the client's last message; nothing of it is ever sent."""

from __future__ import annotations

from config.errors import Rejected
from connectors.base import Capabilities, CommonSettings, Connector, Io, OutMessage, Payload, Sent
from connectors.items import Item


def verify(_payload: Payload, _settings: CommonSettings) -> None:
    return None


def normalize(_payload: Payload, _settings: CommonSettings) -> list[Item]:
    return []


async def send(_message: OutMessage, _settings: CommonSettings, _io: Io) -> Sent:
    raise Rejected("this connector has no provider")


connector = Connector(
    name="windowed",
    title="Windowed",
    settings=CommonSettings,
    normalize=normalize,
    verify=verify,
    send=send,
    reaches=frozenset({"external"}),
    capabilities=Capabilities(window_s=24 * 3600, templates=True),
)
