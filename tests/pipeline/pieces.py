"""A connector of the tests: items as they stand in the payload. One file and a registry line, as any other."""

from __future__ import annotations

from connectors.base import CommonSettings, Connector, Payload, Peek, parse
from connectors.items import Item


class Settings(CommonSettings):
    """None of its own."""


def verify(_payload: Payload, _settings: Settings) -> None:
    """Everybody may."""


def peek(payload: Payload, _settings: Settings) -> Peek:
    items = parse(list[Item], payload.body)
    return Peek(lane=items[0].thread_key if items else "")


def normalize(payload: Payload, _settings: Settings) -> list[Item]:
    return parse(list[Item], payload.body)


connector: Connector[Settings] = Connector(
    name="pieces", title="Pieces", settings=Settings, verify=verify, peek=peek, normalize=normalize
)
