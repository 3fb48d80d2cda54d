"""The table of routes, and the one way from a request to a handler and back.

A handler's signature says everything: `query` and `body` are msgspec structs, `change` is a transaction that ends with
the handler, other names are parts of the path, the return type is the answer. The OpenAPI document reads the same.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_type_hints
from uuid import UUID

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from config.errors import BadRequest, NotFound, TooBig, Unavailable
from inbox.api.auth import authenticate
from inbox.api.deps import DEPS, InboxDeps
from inbox.api.scope import Actor, Scope
from storage.audit import note_change
from storage.bus import Topic
from storage.db import Connection
from storage.events import NewEvent, append_events
from storage.idempotency import answer_once
from storage.store import Store

PREFIX = "/api/v1"
MAX_BODY = 1 << 20
READ_BODY_S = 30
WORK_S = 40
MAX_KEY = 255
F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
_encoder = msgspec.json.Encoder(uuid_format="canonical")


@dataclass
class Change:
    """One transaction of the API. `events` are appended last, before COMMIT; `wake` is told after it.

    `last_event`: highest id of events that were appended by somebody else in the same transaction.
    """

    connection: Connection
    actor: Actor
    events: list[NewEvent] = field(default_factory=list)
    wake: set[Topic] = field(default_factory=set)
    last_event: int = 0

    async def note(
        self, action: str, obj: tuple[str, object], before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> None:
        """A line of the audit log; nothing where nothing changed."""
        if before or after:
            await note_change(self.connection, self.actor.word, action, obj, before=before, after=after)


@dataclass(frozen=True)
class Ctx:
    """One request of somebody known."""

    request: web.Request
    deps: InboxDeps
    actor: Actor

    @property
    def store(self) -> Store:
        return self.deps.store

    @property
    def viewer(self) -> UUID | None:
        return self.actor.viewer

    @asynccontextmanager
    async def change(self) -> AsyncIterator[Change]:
        """A transaction, its events and its wake-ups, in the one right order."""
        async with self.store.pool.acquire() as connection:
            async with connection.transaction():
                change = Change(connection, self.actor)
                yield change
                last = max(await append_events(connection, change.events), change.last_event)
            if last:
                self.store.bus.notify(Topic.EVENTS, last)
            for topic in change.wake:
                self.store.bus.notify(topic)


@dataclass(frozen=True)
class Route:
    """`scope` None: no credentials needed. `raw`: the handler reads the request and writes the response itself."""

    method: str
    path: str
    summary: str
    scope: Scope | None
    handler: Callable[..., Awaitable[Any]]
    status: int
    tag: str
    query: Any
    body: Any
    result: Any
    params: Mapping[str, Any]
    wants_ctx: bool
    writes: bool
    raw: bool


class Routes:
    """The routes of one part of the API, in the order they are written."""

    def __init__(self, tag: str) -> None:
        self.tag = tag
        self.all: list[Route] = []

    def add(
        self,
        method: str,
        path: str,
        summary: str,
        *,
        scope: Scope | None,
        status: int = 200,
        takes: Any = None,
        gives: Any = None,
    ) -> Callable[[F], F]:
        """Decorator of a handler. `takes`, `gives`: for the document, where a raw handler's signature does not say it."""

        def register(handler: F) -> F:
            hints = get_type_hints(handler, include_extras=True)
            result = hints.pop("return")
            ctx = hints.pop("ctx", None) is not None
            hints.pop("request", None)
            query, body = hints.pop("query", None), hints.pop("body", None)
            writes = hints.pop("change", None) is not None
            raw = isinstance(result, type) and issubclass(result, web.StreamResponse)
            route = Route(
                method=method,
                path=path,
                summary=summary,
                scope=scope,
                handler=handler,
                status=status,
                tag=self.tag,
                query=query,
                body=takes or body,
                result=gives if raw else result,
                params=hints,
                wants_ctx=ctx,
                writes=writes,
                raw=raw,
            )
            self.all.append(route)
            return handler

        return register


def endpoint(route: Route) -> Handler:
    """The aiohttp handler of a route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if route.scope is None:
            arguments = _path_of(request, route)
            if route.query is not None:
                arguments["query"] = query_of(request, route.query)
            response: web.StreamResponse = await route.handler(request, **arguments)
            return response
        ctx = Ctx(request, request.app[DEPS], await authenticate(request))
        ctx.actor.must(route.scope)
        arguments = _path_of(request, route)
        if route.wants_ctx:
            arguments["ctx"] = ctx
        if route.query is not None:
            arguments["query"] = query_of(request, route.query)
        if route.raw:
            response = await route.handler(**arguments)
            return response  # noqa: RET504 - says its type
        raw_body = await read_body(request) if route.body is not None or route.writes else b""
        if route.body is not None:
            arguments["body"] = decode_body(raw_body, route.body)
        try:
            async with asyncio.timeout(WORK_S):
                return await _work(ctx, route, arguments, raw_body)
        except TimeoutError:
            raise Unavailable("the answer took too long", reason="answer_late") from None

    return handle


async def _work(ctx: Ctx, route: Route, arguments: dict[str, Any], raw_body: bytes) -> web.Response:
    if not route.writes:
        return to_json(await route.handler(**arguments), route.status)
    key = ctx.request.headers.get("Idempotency-Key", "") if route.method == "POST" else ""
    if len(key) > MAX_KEY:
        raise BadRequest(f"Idempotency-Key: at most {MAX_KEY} characters")
    async with ctx.change() as change:
        if not key:
            return to_json(await route.handler(change=change, **arguments), route.status)

        async def work() -> tuple[int, Any]:
            result = await route.handler(change=change, **arguments)
            return route.status, msgspec.to_builtins(result) or {}

        digest = hashlib.sha256(f"{route.method} {ctx.request.rel_url}\n".encode() + raw_body).digest()
        status, body, earlier = await answer_once(change.connection, ctx.actor.word, key, digest, work)
        response = to_json(body, status)
        if earlier:
            response.headers["Idempotency-Replayed"] = "true"
        return response


def to_json(value: Any, status: int) -> web.Response:
    return web.Response(
        status=status,
        body=_encoder.encode({} if value is None else value),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def _path_of(request: web.Request, route: Route) -> dict[str, Any]:
    try:
        return {
            name: msgspec.convert(request.match_info[name], type_, strict=False) for name, type_ in route.params.items()
        }
    except msgspec.ValidationError:
        raise NotFound("no such thing: the id is not one") from None


def query_of(request: web.Request, type_: Any) -> Any:
    """The query as that struct; empty parameters are absent, `a.b=c` is a table {b: c} under a. Raises BadRequest naming
    the parameter.
    """
    values: dict[str, Any] = {}
    for name, value in request.query.items():
        if not value:
            continue
        table, dot, key = name.partition(".")
        inner = values.setdefault(table, {}) if dot else values
        if not isinstance(inner, dict) or (key if dot else name) in inner:
            raise BadRequest(f"{name[:50]}: given twice")
        inner[_clean(table, key) if dot else name] = _clean(name, value)
    try:
        return msgspec.convert(values, type_, strict=False)
    except msgspec.ValidationError as error:
        raise _told(error) from None


def _clean(name: str, value: str) -> str:
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise BadRequest(f"{name[:50]}: not text")
    return value


async def read_body(request: web.Request) -> bytes:
    """All of it, at most 1 MB. Raises TooBig, BadRequest for one that does not come."""
    data = bytearray()
    try:
        async with asyncio.timeout(READ_BODY_S):
            async for chunk in request.content.iter_any():
                data += chunk
                if len(data) > MAX_BODY:
                    raise TooBig(f"the body has more than {MAX_BODY} bytes")
    except TimeoutError:
        raise BadRequest("the body did not come in time", reason="body_late") from None
    return bytes(data)


def decode_body(data: bytes, type_: Any) -> Any:
    """Raises BadRequest with the path to the field."""
    try:
        return msgspec.json.decode(data or b"{}", type=type_)
    except msgspec.ValidationError as error:
        raise _told(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest("the body is not JSON") from None
    except RecursionError:
        raise BadRequest("the body is nested too deep") from None


def _told(error: msgspec.ValidationError) -> BadRequest:
    """Names the field, by its path."""
    what, _, where = str(error).rpartition(" - at `$")
    field = where.strip(".`")[:100]
    if not what or not field:
        return BadRequest(str(error)[:300])
    return BadRequest(f"{field}: {what}", reason="field_wrong", field=field)
