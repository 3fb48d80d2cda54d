"""The inbox as part of a web application: the API under /api/v1 and the live socket."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import msgspec
from aiohttp import web

from inbox.api import (
    absences,
    audit,
    calls,
    canned,
    cards,
    channels,
    contacts,
    conversations,
    demo,
    dispositions,
    drafts,
    erasure,
    events,
    export,
    fields,
    files,
    handover,
    imports,
    interactions,
    journal,
    mail,
    me,
    merging,
    messages,
    outbound,
    queues,
    routing_test,
    second_factor,
    session,
    staff,
    tasks,
    transfers,
    views,
    ways,
    workflow,
    workspace,
)
from inbox.api.auth import THROTTLE, Throttle
from inbox.api.deps import DEPS, InboxDeps, open_http
from inbox.api.openapi import make_document
from inbox.api.problems import problems
from inbox.api.routes import PREFIX, Route, Routes, endpoint

PARTS = (
    session,
    interactions,
    mail,
    contacts,
    merging,
    export,
    cards,
    fields,
    imports,
    erasure,
    conversations,
    workflow,
    ways,
    transfers,
    drafts,
    canned,
    demo,
    dispositions,
    views,
    messages,
    calls,
    files,
    outbound,
    journal,
    channels,
    staff,
    absences,
    me,
    second_factor,
    handover,
    audit,
    workspace,
    queues,
    routing_test,
    tasks,
    events,
)
meta = Routes("meta")
DOCUMENT: web.AppKey[bytes] = web.AppKey("openapi_document", bytes)


@meta.add("GET", "/openapi.json", "This document", scope=None)
async def openapi(request: web.Request) -> web.Response:
    return web.Response(body=request.app[DOCUMENT], content_type="application/json")


def all_routes() -> list[Route]:
    """The whole table."""
    return [route for part in (*(part.routes for part in PARTS), meta) for route in part.all]


def add_inbox(app: web.Application, deps: InboxDeps) -> None:
    """Registers the API, and its problems middleware, which touches nothing outside /api/ and /live.

    `deps.live.run()` and `deps.store.bus.run()` are the caller's to run.
    """
    app[DEPS] = deps
    app[THROTTLE] = Throttle()
    app[DOCUMENT] = msgspec.json.encode(make_document(all_routes(), _version()))
    app.middlewares.append(problems)
    app.cleanup_ctx.append(open_http)
    for route in all_routes():
        app.router.add_route(route.method, PREFIX + route.path, endpoint(route))
        if route.path == "/live":
            app.router.add_route(route.method, "/live", endpoint(route))


def _version() -> str:
    try:
        return version("switchboard")
    except PackageNotFoundError:
        return "0.1.0"
