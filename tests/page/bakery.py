"""The demo's hub with a page for each role: what every screen is looked at on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from inbox.page import ONE_CLICK
from tests.e2e.hub import running
from tests.page.browser import Api, Desk, browser, desk

ROLES = dict(ONE_CLICK)


@dataclass(frozen=True)
class Bakery:
    """`desks`: by role, signed in; "nobody" is not. `ids`: of what the places show."""

    url: str
    desks: Mapping[str, Desk]
    ids: Mapping[str, str]


@asynccontextmanager
async def bakery_of() -> AsyncIterator[Bakery]:
    async with running(DEMO="1") as hub, browser() as chromium, AsyncExitStack() as stack:
        token = await hub.last_line("token", "create", "--name", "Проверка", "--scope", "all")
        http = await stack.enter_async_context(aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}))
        desks = {}
        for role in ROLES:
            desks[role] = await stack.enter_async_context(desk(chromium, hub.url))
            await enter_demo(desks[role], role)
        desks["nobody"] = await stack.enter_async_context(desk(chromium, hub.url))
        yield Bakery(hub.url, desks, await ids_of(Api(http, hub.url), ROLES["agent"]))


async def enter_demo(found: Desk, role: str) -> None:
    """By the one click of the sign-in page."""
    await found.page.goto(f"{found.url}/sign-in")
    await found.page.locator(f'[data-role="{role}"]').click(timeout=60_000)
    await found.page.wait_for_url("**/inbox")


async def ids_of(api: Api, login: str) -> dict[str, str]:
    """One conversation of each kind (the operator's own, where he has one), a client, a channel."""
    agents = (await api.call("GET", "/agents?limit=200"))["items"]
    me = next((one["id"] for one in agents if one["login"] == login), "")
    mine = (await api.call("GET", f"/conversations?assignee={me}&{NEWEST}"))["items"] if me else []
    rows = mine + (await api.call("GET", f"/conversations?{NEWEST}"))["items"]
    kinds = ("message", "email", "form", "call")
    found = {kind: next((one["id"] for one in rows if one["kind"] == kind), "") for kind in kinds}
    found["contact"] = next((one["contact_id"] for one in rows), "")
    found["channel"] = next((one["id"] for one in (await api.call("GET", "/channels"))["items"]), "")
    return {name: id_ for name, id_ in found.items() if id_}


NEWEST = "limit=200&order=desc&sort=last"
