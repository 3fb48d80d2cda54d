"""Setting channels up: what connectors there are and ask for, settings as they may be seen, testing, attaching."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from pydantic import SecretStr

from config.errors import BadSettings, SendError
from connectors import registry
from connectors.base import Capabilities, CommonSettings, Connector, Io
from router.channels import Channel

MASK = "•••"
CHECK_S = 20.0
CARDS = Path(__file__).resolve().parents[1] / "docs" / "connectors"
_SETUP = re.compile(r"^## (?:Set-up|Setting up)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
NOTHING_TO_TEST = "this provider offers nothing to test: wait for its first request"


class ConnectorItem(msgspec.Struct, kw_only=True):
    """A provider to connect. `settings`: JSON schema, secrets are `writeOnly`; `setup`: Markdown, what to do at the
    provider's side. `attaches`: can be told our address from here; `fetches`: we look for messages ourselves.
    """

    name: str
    title: str
    settings: dict[str, Any]
    capabilities: Capabilities
    reaches: list[str]
    setup: str
    sends: bool
    fetches: bool
    tests: bool
    attaches: bool
    calls: bool
    experimental: bool


class Verdict(msgspec.Struct, kw_only=True):
    """What came of a test. `text`: a sentence; `do`: what helps, where something is wrong."""

    ok: bool
    text: str
    do: str = ""


async def list_connectors() -> list[ConnectorItem]:
    """By title. The first call imports them all, off the loop."""
    return list(await asyncio.to_thread(_connectors))


@cache
def _connectors() -> tuple[ConnectorItem, ...]:
    found = [registry.get(name) for name in registry.MODULES]
    return tuple(_item(connector) for connector in sorted(found, key=lambda connector: connector.title))


def _item(connector: Connector[Any]) -> ConnectorItem:
    return ConnectorItem(
        name=connector.name,
        title=connector.title,
        settings=connector.settings.model_json_schema(),
        capabilities=connector.capabilities,
        reaches=sorted(connector.reaches),
        setup=_setup_of(connector.name),
        sends=connector.send is not None,
        fetches=connector.listen is not None,
        tests=connector.check is not None,
        attaches=connector.attach is not None,
        calls=connector.route_reply is not None or connector.route_command is not None,
        experimental=connector.experimental,
    )


def _setup_of(name: str) -> str:
    """The section of the connector's card in docs/; empty where the docs are not installed."""
    try:
        card = (CARDS / f"{name}.md").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = _SETUP.search(card)
    return found[1].strip() if found is not None else ""


def _secret_fields(settings: type[CommonSettings]) -> frozenset[str]:
    return frozenset(name for name, field in settings.model_fields.items() if field.annotation is SecretStr)


def visible_settings(settings: CommonSettings) -> dict[str, Any]:
    """As people may see them: a secret that is set is the mask, one that is not is empty."""
    secrets = _secret_fields(type(settings))
    plain = settings.model_dump(mode="json", exclude=set(secrets))
    hidden = {name: MASK if getattr(settings, name).get_secret_value() else "" for name in secrets}
    return {name: hidden.get(name, plain.get(name)) for name in type(settings).model_fields}


def wanted_changes(connector: Connector[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What a form sends that was filled from `visible_settings`: a secret sent back as its mask stays as it is."""
    secrets = _secret_fields(connector.settings)
    return {name: value for name, value in values.items() if not (name in secrets and value == MASK)}


async def check_channel(channel: Channel, http: aiohttp.ClientSession, public_url: str) -> Verdict:
    """Asks the provider whether the settings are right. Raises nothing a provider can cause."""
    check = channel.connector.check
    if check is None:
        return Verdict(ok=True, text=f"{channel.connector.title}: {NOTHING_TO_TEST}")
    io = _io(channel, http, public_url)
    try:
        async with asyncio.timeout(CHECK_S):
            return Verdict(ok=True, text=await check(channel.settings, io))
    except SendError as error:
        return Verdict(ok=False, text=str(error), do=error.do)
    except TimeoutError:
        return Verdict(ok=False, text=f"no answer within {CHECK_S:g} s", do="Check the address, and the network there.")
    except (OSError, aiohttp.ClientError) as error:
        return Verdict(
            ok=False, text=f"no connection ({type(error).__name__})", do="Check the address and the network."
        )
    finally:
        await io.aclose()


async def attach_channel(channel: Channel, http: aiohttp.ClientSession, public_url: str) -> Verdict:
    """Tells the provider where to call. Raises BadSettings where that is done in its own console."""
    attach = channel.connector.attach
    if attach is None:
        raise BadSettings(
            f"{channel.connector.title} is told its address in its own console, not from here",
            reason="attach_by_hand",
            provider=channel.connector.title,
        )
    io = _io(channel, http, public_url)
    try:
        async with asyncio.timeout(CHECK_S):
            await attach(channel.settings, io, f"{public_url}/hooks/{channel.token}")
    except SendError as error:
        return Verdict(ok=False, text=str(error), do=error.do)
    except TimeoutError:
        return Verdict(
            ok=False, text=f"no answer within {CHECK_S:g} s", do="Try again; it may or may not have been set."
        )
    except (OSError, aiohttp.ClientError) as error:
        return Verdict(
            ok=False, text=f"no connection ({type(error).__name__})", do="Check the address and the network."
        )
    finally:
        await io.aclose()
    return Verdict(ok=True, text="attached")


def _io(channel: Channel, http: aiohttp.ClientSession, public_url: str) -> Io:
    """One of its own: a test must not live on a session that an earlier setting opened."""
    return Io(http=http, public_url=public_url, timeout_s=min(channel.connector.limits.send_s, CHECK_S))
