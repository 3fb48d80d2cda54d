"""Every endpoint there is, asked by everybody. A new one is covered by itself: what it takes is made from its types."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from inbox.api.auth import COOKIE
from inbox.api.routes import Route
from inbox.api.scope import EVERY, OF_ROLE
from inbox.app import all_routes
from storage.tokens import add_session, create_token
from tests.inbox.conftest import World
from tests.inbox.walking import MARK, Things, body_of, form_of, make_things, path_of, queries_of, told

ORDER = ("GET", "POST", "PUT", "PATCH", "DELETE")
OPEN = {
    ("POST", "/session"),
    ("POST", "/session/second-factor"),
    ("POST", "/session/second-factor/enrol"),
    ("POST", "/session/second-factor/confirm"),
    ("POST", "/session/password"),
    ("GET", "/openapi.json"),
    ("GET", "/live"),
}

OWN = {"/conversations/{conversation_id}/draft"}
"""The caller's own thing, under an id that needs not be his: reads and removes nothing of others."""


class Caller(NamedTuple):
    """`role`: of the agent behind the credential, "" for nobody; `scopes`: what it may at most."""

    role: str
    scopes: tuple[str, ...]

    def may(self, route: Route) -> bool:
        of_role = OF_ROLE.get(self.role, EVERY)
        return route.scope in (of_role if "all" in self.scopes else of_role & set(self.scopes))


CALLERS = {
    "agent": Caller("agent", ("all",)),
    "supervisor": Caller("supervisor", ("all",)),
    "administrator": Caller("admin", ("all",)),
    "integration": Caller("", ("all",)),
    "reader": Caller("", ("read",)),
    "writer": Caller("", ("write",)),
    "journal": Caller("", ("journal",)),
    "settings": Caller("", ("admin",)),
    "agent with an admin token": Caller("agent", ("admin", "journal")),
}


def routes() -> list[Route]:
    """Reading first, removing last, so that what is asked for is still there."""
    return sorted(all_routes(), key=lambda route: (ORDER.index(route.method), "erase" in route.path))


async def _ask(
    world: World,
    route: Route,
    things: Things,
    headers: dict[str, str],
    query: dict[str, str] | None = None,
    *,
    full: bool,
) -> tuple[int, bytes]:
    form = form_of(route)
    data: dict[str, Any] = {"data": form} if form else {"json": body_of(route, things, full=full)}
    url = world.url + path_of(route, things)
    async with world.http.request(route.method, url, params=query or {}, headers=headers, **data) as response:
        return response.status, await response.read()


async def _token(world: World, caller: Caller) -> dict[str, str]:
    logins = {"agent": world.boris, "supervisor": world.sue, "admin": world.root}
    agent_id = logins[caller.role].id if caller.role else None
    async with world.store.pool.acquire() as connection:
        token = await create_token(connection, "walk", caller.scopes, agent_id)
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", CALLERS)
async def test_every_role_and_scope(world: World, name: str) -> None:
    """Without the scope every endpoint is a 403; with it none fails or takes the caller for nobody, whatever is sent."""
    things, caller = await make_things(world), CALLERS[name]
    headers = await _token(world, caller)
    for route in routes():
        for full in (False, True):
            for query in queries_of(route, things) if route.scope is not None and caller.may(route) else [{}]:
                status, body = await _ask(world, route, things, headers, query, full=full)
                where = (route.method, route.path, query, full, status, body[:300])
                assert status < 500, where
                if route.scope is not None:
                    assert (status == 403) if not caller.may(route) else (status != 401), where


async def test_nobody_gets_nothing(world: World) -> None:
    """Without credentials, and with those of nobody, only the document and the steps of signing in answer."""
    things = await make_things(world)
    for headers in ({}, {"Authorization": "Bearer hub_nobody"}, {"Cookie": f"{COOKIE}=nobody"}):
        for route in routes():
            status, body = await _ask(world, route, things, headers, full=True)
            if (route.method, route.path) in OPEN:
                assert status < 500, (route.path, status)
            else:
                assert status == 401, (route.method, route.path, status)
            assert MARK not in told(body), route.path
    assert {(route.method, route.path) for route in all_routes() if route.scope is None} == OPEN


async def test_page_of_another_site_changes_nothing(world: World) -> None:
    """With the cookie alone, a request caused by another site's page is a 403 wherever something could change."""
    things = await make_things(world)
    async with world.store.pool.acquire() as connection:
        assert world.root.id is not None
        cookie = await add_session(connection, world.root.id, 600, "browser")
    headers = {"Cookie": f"{COOKIE}={cookie}", "Sec-Fetch-Site": "cross-site"}
    for route in routes():
        if route.method != "GET":
            status, _ = await _ask(world, route, things, headers, full=True)
            assert status == 403, (route.method, route.path, status)


@pytest.mark.timeout(180)
async def test_what_is_another_agents_does_not_exist(world: World) -> None:
    """Boris never reads a word of what is Anna's alone: not by id, list, search, filter or export, nor by naming it in what
    he sends. Asking for it by id is a 404, or a 403 where he may not ask at all.
    """
    things, headers = await make_things(world), await _token(world, CALLERS["agent"])
    for route in routes():
        if route.scope is None or not CALLERS["agent"].may(route):
            continue
        names = {param.removesuffix("_id") for param in route.params}
        for full in (False, True):
            for query in queries_of(route, things):
                status, body = await _ask(world, route, things, headers, query, full=full)
                where = (route.method, route.path, query, full, status, body[:300])
                assert MARK not in told(body), where
                if names & things.private and route.path not in OWN:
                    odd = status == 422 and await _refused_to_anna(world, route, things, full=full)
                    assert status in {403, 404} or odd, where
    for table, column in (("conversation", "assignee_id"), ("task", "assignee_id"), ("contact", "owner_id")):
        rows = await world.store.pool.fetch(f"SELECT {column} AS who FROM {table} WHERE id = $1", things.ids[table])
        assert [row["who"] for row in rows] == [world.anna.id], table
    assert await world.store.pool.fetchval("SELECT body->>'text' FROM draft WHERE agent_id = $1", world.anna.id) == MARK


async def _refused_to_anna(world: World, route: Route, things: Things, *, full: bool) -> bool:
    """Whether it is what was sent that is wrong, not whose the thing is."""
    status, _ = await _ask(world, route, things, {"Authorization": f"Bearer {world.anna.token}"}, full=full)
    return status == 422
