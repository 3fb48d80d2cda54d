"""Signing in and out of the page."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web

from config.errors import Unauthorized
from inbox.api.auth import COOKIE, SESSION_S, THROTTLE, check_origin, client_address, set_cookie
from inbox.api.deps import DEPS
from inbox.api.routes import Ctx, Routes, decode_body, read_body, to_json
from storage.bus import Topic
from storage.events import last_event_id
from storage.staff import AgentItem, credentials, get_agent, password_fits
from storage.tokens import add_session, end_session

routes = Routes("session")


class Login(msgspec.Struct, forbid_unknown_fields=True):
    login: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    password: Annotated[str, msgspec.Meta(max_length=1000)]


class SessionView(msgspec.Struct, kw_only=True):
    """Who is signed in. `last_event_id`: the place in the event log that lists read from now on are at least as new as."""

    agent: AgentItem | None
    scopes: list[str]
    last_event_id: int


@routes.add(
    "POST", "/session", "Sign in: sets the session cookie", scope=None, status=201, takes=Login, gives=AgentItem
)
async def sign_in(request: web.Request) -> web.Response:
    check_origin(request)
    given: Login = decode_body(await read_body(request), Login)
    store, throttle = request.app[DEPS].store, request.app[THROTTLE]
    keys = (f"login {given.login.strip().lower()}", f"address {client_address(request)}")
    throttle.check(*keys)
    agent_id, hashed = await credentials(store.pool, given.login)
    if not await password_fits(hashed, given.password) or agent_id is None:
        throttle.failed(*keys)
        raise Unauthorized("the login or the password is wrong")
    throttle.forget(keys[0])
    async with store.pool.acquire() as connection:
        cookie = await add_session(connection, agent_id, SESSION_S, request.headers.get("User-Agent", ""))
        agent = await get_agent(connection, agent_id)
    response = to_json(agent, 201)
    set_cookie(request, response, cookie)
    return response


@routes.add("DELETE", "/session", "Sign out", scope="read")
async def sign_out(ctx: Ctx) -> web.Response:
    if ctx.actor.kind == "session":
        await end_session(ctx.store.pool, ctx.actor.credential)
        ctx.store.bus.notify(Topic.STAFF)
    response = to_json(None, 200)
    response.del_cookie(COOKIE, path="/")
    return response


@routes.add("GET", "/session", "Who the caller is", scope="read")
async def who_am_i(ctx: Ctx) -> SessionView:
    async with ctx.store.pool.acquire() as connection:
        agent = None if ctx.actor.agent_id is None else await get_agent(connection, ctx.actor.agent_id)
        return SessionView(agent=agent, scopes=sorted(ctx.actor.scopes), last_event_id=await last_event_id(connection))
