"""A PBX whose payloads are our own items as JSON: for what Mango's calls can't show, such as a call under several ids."""

from __future__ import annotations

from connectors.base import CommonSettings, Connector, Payload, Peek, parse
from connectors.items import Item


def verify(_payload: Payload, _settings: CommonSettings) -> None:
    """Everybody may tell."""


def normalize(payload: Payload, _settings: CommonSettings) -> list[Item]:
    return parse(list[Item], payload.body)


def peek(payload: Payload, _settings: CommonSettings) -> Peek:
    items = parse(list[Item], payload.body)
    return Peek(lane=items[0].external_id)


connector: Connector[CommonSettings] = Connector(
    name="plain_pbx",
    title="Plain PBX",
    settings=CommonSettings,
    verify=verify,
    normalize=normalize,
    peek=peek,
    dedup_window_s=0,
)
