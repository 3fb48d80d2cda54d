"""Every connector by name. Adding a provider is one line here, one file, and its folder of cases."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Any

from config.errors import BadSettings
from connectors.base import Connector

MODULES = {
    "email": "connectors.email.connector",
    "form": "connectors.site.form",
    "mango": "connectors.telephony.mango",
    "smsc": "connectors.sms.smsc",
    "telegram": "connectors.messengers.telegram",
}


@cache
def get(name: str) -> Connector[Any]:
    """The connector of that name. Raises BadSettings naming those there are."""
    try:
        module = MODULES[name]
    except KeyError:
        raise BadSettings(f"no connector {name!r}; there are: {', '.join(sorted(MODULES))}") from None
    found: Connector[Any] = import_module(module).connector
    if found.name != name:
        raise BadSettings(f"{module} calls itself {found.name!r}, the registry {name!r}")
    return found


def preload(names: Iterable[str]) -> None:
    """Imports those that exist; the others are reported where they are used."""
    for name in names:
        if name in MODULES:
            get(name)
