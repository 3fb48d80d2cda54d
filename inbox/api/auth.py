# lint-skip: words - a ticket here is the one-time credential of a socket
"""Credentials: API tokens as `Authorization: Bearer`, the page's session as a cookie, tickets for its socket.

A cookie goes along with requests that other sites cause, so it counts for unsafe methods only where the browser says
that our own page asked (Sec-Fetch-Site, else Origin). What is not a browser sends neither and has no foreign cookies.
# lint-skip: words - a ticket here is the one-time credential of a socket
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections import OrderedDict
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from aiohttp import web

from config.errors import Forbidden, Unauthorized
from config.settings import Settings
from inbox.api.deps import DEPS
from inbox.api.problems import TooManyTries
from inbox.api.scope import Actor, Scope, to_actor
from storage.idempotency import use_once
from storage.store import Store
from storage.tokens import holder_of_session, holder_of_token, still_valid
from storage.vault import Undecipherable

COOKIE = "hub_session"
SESSION_S = 14 * 24 * 3600
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MAX_CREDENTIAL = 512


async def authenticate(request: web.Request) -> Actor:
    """Whose request it is. Raises Unauthorized, Forbidden for a request that another site caused."""
    header = request.headers.get("Authorization")
    pool = request.app[DEPS].store.pool
    if header is not None:
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer" or not 0 < len(token) <= MAX_CREDENTIAL:
            raise Unauthorized("Authorization is not a bearer token")
        holder = await holder_of_token(pool, token.strip())
        if holder is None:
            raise Unauthorized("this token is not valid")
        return to_actor(holder, "token")
    cookie = request.cookies.get(COOKIE, "")
    if not 0 < len(cookie) <= MAX_CREDENTIAL:
        raise Unauthorized("no credentials")
    if request.method not in SAFE:
        check_origin(request)
    holder = await holder_of_session(pool, cookie)
    if holder is None:
        raise Unauthorized("the session has ended", reason="session_over")
    return to_actor(holder, "session")


def check_origin(request: web.Request) -> None:
    """Raises Forbidden when a browser says that a page of another site caused this."""
    site = request.headers.get("Sec-Fetch-Site")
    if site in {"same-origin", "none"}:
        return
    origin = request.headers.get("Origin")
    if (origin is None and site is not None) or (origin is not None and not is_ours(request, origin)):
        raise Forbidden("this request comes from a page of another site")


def is_ours(request: web.Request, origin: str) -> bool:
    """Whether an Origin is the address this request was sent to, or the public one."""
    try:
        given, public = urlsplit(origin), urlsplit(request.app[DEPS].store.settings.public_url)
        host = given.netloc.lower()
    except ValueError:
        return False
    if given.scheme not in {"http", "https"} or not host:
        return False
    return host == request.host.lower() or (given.scheme, host) == (public.scheme, public.netloc.lower())


def client_address(request: web.Request) -> str:
    """The caller's address; X-Forwarded-For is believed from trusted proxies alone, read from its right end."""
    settings = request.app[DEPS].store.settings
    address = request.remote or ""
    forwarded = [part.strip() for part in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")]
    while forwarded and _trusted(address, settings):
        address = forwarded.pop() or address
    return address[:64]


def _trusted(address: str, settings: Settings) -> bool:
    try:
        ip = ipaddress.ip_address(address)
        return any(ip in ipaddress.ip_network(network, strict=False) for network in settings.trusted_proxies)
    except ValueError:
        return False


def set_cookie(request: web.Request, response: web.Response, cookie: str) -> None:
    """Secure wherever the page is reached over TLS."""
    secure = request.secure or request.app[DEPS].store.settings.public_url.startswith("https:")
    response.set_cookie(COOKIE, cookie, max_age=SESSION_S, httponly=True, samesite="Lax", secure=secure, path="/")


class Throttle:
    """Wrong log-ins of this process: per name and per address, `tries` of them within `window_s` seconds."""

    def __init__(self, tries: int = 10, window_s: float = 300.0, kept: int = 10_000) -> None:
        self._tries = tries
        self._window_s = window_s
        self._kept = kept
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def check(self, *keys: str) -> None:
        """Raises TooManyTries."""
        now = time.monotonic()
        for key in keys:
            recent = [at for at in self._failed.get(key, ()) if at > now - self._window_s]
            if len(recent) >= self._tries:
                raise TooManyTries("too many wrong tries", after_s=int(recent[0] + self._window_s - now) + 1)

    def failed(self, *keys: str) -> None:
        for key in keys:
            times = self._failed.setdefault(key, [])
            times.append(time.monotonic())
            del times[: -self._tries]
            self._failed.move_to_end(key)
        while len(self._failed) > self._kept:
            self._failed.popitem(last=False)

    def forget(self, *keys: str) -> None:
        for key in keys:
            self._failed.pop(key, None)


THROTTLE: web.AppKey[Throttle] = web.AppKey("login_throttle", Throttle)


TICKET_S = 30


class _Ticket(msgspec.Struct):
    """What stands in a ticket, encrypted. `until`: unix seconds."""

    nonce: str
    until: float
    kind: Literal["session", "token"]
    credential: UUID
    agent_id: UUID | None
    role: str | None
    scopes: list[Scope]


def issue_ticket(store: Store, actor: Actor) -> str:
    """A pass to the live socket for half a minute, so that no token stands in an address. Any process can read it."""
    ticket = _Ticket(
        nonce=secrets.token_urlsafe(18),
        until=time.time() + TICKET_S,
        kind=actor.kind,
        credential=actor.credential,
        agent_id=actor.agent_id,
        role=actor.role,
        scopes=sorted(actor.scopes),
    )
    return store.vault.encrypt(msgspec.to_builtins(ticket))


async def redeem_ticket(store: Store, text: str) -> Actor:
    """Once. Raises Unauthorized."""
    try:
        ticket = msgspec.convert(store.vault.decrypt(text), _Ticket)
    except (Undecipherable, msgspec.ValidationError):
        raise Unauthorized("this is no ticket", reason="link_over") from None
    if ticket.until < time.time() or ticket.credential not in await still_valid(store.pool, [ticket.credential]):
        raise Unauthorized("this ticket is over", reason="link_over")
    if not await use_once(store.pool, "ticket", ticket.nonce):
        raise Unauthorized("this ticket was used", reason="link_over")
    return Actor(ticket.kind, ticket.credential, ticket.agent_id, ticket.role, frozenset(ticket.scopes))
