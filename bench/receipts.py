"""A provider's delivery reports at their plainest: a connector of the benchmark's own, since a report costs the hub the
same whoever sends it. `{"id": the provider's id, "status": ours}`.
"""

from __future__ import annotations

import msgspec

from connectors import registry
from connectors.base import Class, CommonSettings, Connector, Payload, Peek, parse
from connectors.items import Item, Status

NAME = "bench_receipts"


class Report(msgspec.Struct):
    id: str
    status: Status


def verify(_payload: Payload, _settings: CommonSettings) -> None:
    return None


def peek(payload: Payload, _settings: CommonSettings) -> Peek:
    report = parse(Report, payload.body)
    return Peek(lane=report.id, klass=Class.STATUS)


def normalize(payload: Payload, _settings: CommonSettings) -> list[Item]:
    report = parse(Report, payload.body)
    return [Item(kind="delivery", external_id=report.id, status=report.status)]


connector = Connector(
    name=NAME, title="Reports", settings=CommonSettings, normalize=normalize, verify=verify, peek=peek
)


def register() -> None:
    """Puts it among this process's connectors."""
    registry.MODULES[NAME] = __name__
