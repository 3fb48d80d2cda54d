from __future__ import annotations

import json
import re
from typing import Any

from aiohttp import web

from inbox.api.deps import InboxDeps
from inbox.app import add_inbox, all_routes
from tests.inbox.conftest import World


async def test_document_and_routes_are_the_same(world: World) -> None:
    """Every registered route of the API is in the document, and the document names no other."""
    async with world.http.get(f"{world.url}/openapi.json") as response:
        document = await response.json()
    assert document["openapi"].startswith("3.1")
    app = web.Application()
    add_inbox(app, _deps(world))
    registered = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD" and route.resource.canonical != "/live"
    }
    documented = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert documented == registered


def _deps(world: World) -> Any:
    async def nothing(*_args: Any, **_named: Any) -> Any:
        raise AssertionError

    return InboxDeps(store=world.store, live=world.live, merge=nothing, undo_merge=nothing, replay=nothing)


async def test_references_resolve(world: World) -> None:
    """Each $ref leads to something; operation ids are unique; path parameters are declared; every write has a body type."""
    async with world.http.get(f"{world.url}/openapi.json") as response:
        document = await response.json()
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))):
        here: Any = document
        for part in reference.split("/"):
            here = here[part]
    operations = [o for path in document["paths"].values() for o in path.values()]
    assert len({o["operationId"] for o in operations}) == len(operations)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            declared = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert declared == set(re.findall(r"\{(\w+)\}", path))
    assert all(route.summary for route in all_routes())
