# lint-skip: words - a ticket here is a short-lived credential between two steps of signing in
"""Signing in and out of the page: a password, and the second factor where there is one or has to be."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import web

from config.errors import Unauthorized
from inbox.api.auth import COOKIE, SESSION_S, THROTTLE, check_origin, client_address, set_cookie
from inbox.api.deps import DEPS
from inbox.api.passes import give_pass, read_pass, use_pass
from inbox.api.problems import SecondFactorMissing, SecondFactorNeeded
from inbox.api.routes import Ctx, Routes, decode_body, read_body, to_json
from inbox.api.second_factor import Enrolment, RecoveryCodes, confirm_enrolment, spend_code, start_enrolment
from storage.audit import note_change
from storage.bus import Topic
from storage.events import last_event_id
from storage.second_factor import standing_of
from storage.staff import AgentItem, credentials, get_agent, password_fits, set_password
from storage.store import Store
from storage.tokens import add_session, end_session

routes = Routes("session")
TicketText = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Code = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


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
    """A problem `second_factor_needed` or `second_factor_setup` carries the ticket for the next step."""
    check_origin(request)
    given: Login = decode_body(await read_body(request), Login)
    store, throttle = request.app[DEPS].store, request.app[THROTTLE]
    keys = (f"login {given.login.strip().lower()}", f"address {client_address(request)}")
    throttle.check(*keys)
    agent_id, hashed = await credentials(store.pool, given.login)
    if not await password_fits(hashed, given.password) or agent_id is None:
        throttle.failed(*keys)
        raise Unauthorized("the login or the password is wrong", reason="login_wrong")
    throttle.forget(keys[0])
    await _ask_for_more(store, agent_id)
    return to_cookie(request, *await open_session(request, agent_id))


async def _ask_for_more(store: Store, agent_id: UUID) -> None:
    """Raises SecondFactorNeeded, SecondFactorMissing."""
    standing = await standing_of(store.pool, agent_id)
    if standing.enabled:
        raise SecondFactorNeeded("a code is needed", ticket=await give_pass(store, "second_factor", agent_id))
    if standing.required:
        raise SecondFactorMissing(
            "your role asks for a second factor", ticket=await give_pass(store, "enrol", agent_id)
        )


async def open_session(request: web.Request, agent_id: UUID) -> tuple[AgentItem, str]:
    """(who, his new cookie); the audit log says from where."""
    address = client_address(request)
    async with request.app[DEPS].store.pool.acquire() as connection, connection.transaction():
        cookie = await add_session(connection, agent_id, SESSION_S, request.headers.get("User-Agent", ""), address)
        await note_change(
            connection,
            f"agent:{agent_id}",
            "session.opened",
            ("agent", agent_id),
            before={},
            after={"address": address},
        )
        return await get_agent(connection, agent_id), cookie


def to_cookie(request: web.Request, answer: object, cookie: str) -> web.Response:
    response = to_json(answer, 201)
    set_cookie(request, response, cookie)
    return response


class SecondStep(msgspec.Struct, forbid_unknown_fields=True):
    """`code`: of the app, or one of the recovery codes."""

    ticket: TicketText
    code: Code


@routes.add(
    "POST",
    "/session/second-factor",
    "Second step of signing in: sets the session cookie",
    scope=None,
    status=201,
    takes=SecondStep,
    gives=AgentItem,
)
async def second_step(request: web.Request) -> web.Response:
    check_origin(request)
    given: SecondStep = decode_body(await read_body(request), SecondStep)
    store, throttle = request.app[DEPS].store, request.app[THROTTLE]
    passed = await read_pass(store, given.ticket, "second_factor")
    await spend_code(store, throttle, passed.agent_id, given.code, address=client_address(request))
    await use_pass(store, passed)
    return to_cookie(request, *await open_session(request, passed.agent_id))


class TicketOnly(msgspec.Struct, forbid_unknown_fields=True):
    ticket: TicketText


@routes.add(
    "POST",
    "/session/second-factor/enrol",
    "Set up the second factor that the role asks for",
    scope=None,
    takes=TicketOnly,
    gives=Enrolment,
)
async def enrol(request: web.Request) -> web.Response:
    check_origin(request)
    given: TicketOnly = decode_body(await read_body(request), TicketOnly)
    store = request.app[DEPS].store
    passed = await read_pass(store, given.ticket, "enrol")
    return to_json(await start_enrolment(store, passed.agent_id), 200)


@routes.add(
    "POST",
    "/session/second-factor/confirm",
    "Its first code: sets the session cookie, gives the recovery codes",
    scope=None,
    status=201,
    takes=SecondStep,
    gives=RecoveryCodes,
)
async def confirm(request: web.Request) -> web.Response:
    check_origin(request)
    given: SecondStep = decode_body(await read_body(request), SecondStep)
    store, throttle = request.app[DEPS].store, request.app[THROTTLE]
    passed = await read_pass(store, given.ticket, "enrol")
    codes = await confirm_enrolment(store, throttle, passed.agent_id, given.code)
    await use_pass(store, passed)
    _, cookie = await open_session(request, passed.agent_id)
    return to_cookie(request, codes, cookie)


class NewPassword(msgspec.Struct, forbid_unknown_fields=True):
    """`ticket`: what stands behind the # of the link."""

    ticket: TicketText
    password: Annotated[str, msgspec.Meta(min_length=8, max_length=1000)]


class Done(msgspec.Struct):
    done: bool = True


@routes.add(
    "POST",
    "/session/password",
    "Choose a password by a link; ends all sessions",
    scope=None,
    takes=NewPassword,
    gives=Done,
)
async def choose_password(request: web.Request) -> web.Response:
    check_origin(request)
    given: NewPassword = decode_body(await read_body(request), NewPassword)
    store, throttle = request.app[DEPS].store, request.app[THROTTLE]
    key = f"link {client_address(request)}"
    throttle.check(key)
    try:
        passed = await read_pass(store, given.ticket, "password")
    except Unauthorized:
        throttle.failed(key)
        raise
    async with store.pool.acquire() as connection, connection.transaction():
        await set_password(connection, passed.agent_id, given.password)
        await use_pass(store, passed)
        who = f"agent:{passed.agent_id}"
        await note_change(
            connection, who, "agent.password", ("agent", passed.agent_id), before={}, after={"password": "by link"}
        )
    store.bus.notify(Topic.STAFF)
    return to_json(Done(), 200)


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
