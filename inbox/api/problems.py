# lint-skip: words - a ticket here is a short-lived credential between two steps of signing in
"""Every refusal and failure of the API as application/problem+json (RFC 9457), with what was kept and what to do."""

from __future__ import annotations

import re
import secrets
from http import HTTPStatus

import asyncpg
import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from config.errors import BadRequest, Conflict, Fact, HubError, NotFound, SendError, TooBig, Unavailable
from storage.db import DATABASE_ERRORS

log = structlog.get_logger()
PREFIXES = ("/api/", "/live")
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")
RETRY_AFTER_S = 2

# The database refuses or is away for now: the same request may work in a moment.
_PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)


class Problem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`kept` says what became of the data, `do` what helps. `reason` and `facts`: which of the code's sentences `detail` is,
    and what it tells, for those who say it in another language. `ticket`: for the next step of signing in.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    kept: str
    do: str
    reason: str = ""
    facts: dict[str, Fact] = {}
    request_id: str = ""
    ticket: str = ""


class SecondFactorNeeded(HubError):
    """The password was right. `ticket` goes with the code to `POST /session/second-factor`, within five minutes."""

    code = "second_factor_needed"
    status = 401
    do = "Send the code of the authenticator app, or a recovery code, with the ticket."

    def __init__(self, message: str, *, ticket: str) -> None:
        super().__init__(message)
        self.ticket = ticket


class SecondFactorMissing(SecondFactorNeeded):
    """The password was right, but the role asks for a second factor, and there is none yet."""

    code = "second_factor_setup"
    do = "Set one up with the ticket: POST /session/second-factor/enrol, then …/confirm, within 15 minutes."


class TooManyTries(HubError):
    """`after_s`: when to try again."""

    code = "too_many_tries"
    status = 429
    do = "Wait a little, then try again."

    def __init__(self, message: str, *, after_s: int) -> None:
        super().__init__(message, after_s=after_s)
        self.after_s = after_s


class Failed(HubError):
    code = "internal"
    kept = "What was committed before; the rest was rolled back."
    do = "Give the request id to whoever runs the hub: the log has the cause."


class WrongMethod(HubError):
    code = "method_not_allowed"
    status = 405
    do = "See /api/v1/openapi.json for what there is."


class Unreadable(HubError):
    code = "unreadable"
    status = 400
    do = "See /api/v1/openapi.json for what is expected."


def classify(error: Exception) -> HubError | None:
    """The error as one of ours; None for what nobody foresaw."""
    found: HubError | None = None
    if isinstance(error, HubError):
        found = error
    elif isinstance(error, asyncpg.UniqueViolationError):
        found = Conflict("something with this name or key exists", reason="name_taken")
    elif isinstance(error, asyncpg.IntegrityConstraintViolationError):
        found = BadRequest("a value breaks a rule of the data", reason="value_wrong")
    elif isinstance(error, asyncpg.DataError):
        found = BadRequest(
            "a value can't be stored: a NUL character, half a character, or a number out of range", reason="value_wrong"
        )
    elif isinstance(error, _PASSING):
        found = Unavailable("the hub can't reach its database just now")
    return found


def _of_http(error: web.HTTPException) -> HubError:
    if error.status == HTTPStatus.NOT_FOUND:
        return NotFound("no such address in the API")
    if error.status == HTTPStatus.METHOD_NOT_ALLOWED:
        return WrongMethod("this address does not take this method")
    if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TooBig("the body is too big")
    return Unreadable(error.reason)


def to_response(error: HubError, request_id: str) -> web.Response:
    """The problem, with Retry-After where waiting helps."""
    status = HTTPStatus.CONFLICT if isinstance(error, SendError) else HTTPStatus(error.status)
    body = Problem(
        type=f"urn:switchboard:problem:{error.code}",
        title=status.phrase,
        status=status,
        detail=str(error),
        code=error.code,
        kept=error.kept,
        do=error.do,
        reason=error.reason,
        facts=dict(error.facts),
        request_id=request_id,
        ticket=error.ticket if isinstance(error, SecondFactorNeeded) else "",
    )
    response = web.Response(status=status, body=msgspec.json.encode(body), content_type="application/problem+json")
    if isinstance(error, TooManyTries):
        response.headers["Retry-After"] = str(error.after_s)
    elif status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    elif status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="hub"'
    return response


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Around the API alone. What nobody foresaw is logged once, with the request id the caller gets."""
    if not request.path.startswith(PREFIXES):
        return await handler(request)
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        response = await _answer(request, handler, request_id)
    if not response.prepared:
        response.headers["X-Request-ID"] = request_id
    return response


async def _answer(request: web.Request, handler: Handler, request_id: str) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return to_response(_of_http(error), request_id)
    except Exception as error:
        found = classify(error)
        if found is None:
            log.exception("request_failed", method=request.method, route=_route_of(request))
            found = Failed("something went wrong on our side")
        elif isinstance(error, DATABASE_ERRORS) and found.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("request_refused", route=_route_of(request), error=type(error).__name__)
        return to_response(found, request_id)


def _route_of(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else ""
