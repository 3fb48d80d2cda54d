"""Errors of the hooks and the status pages as problem+json; what was not foreseen is logged once and says nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import structlog
from aiohttp import web

from config.errors import HubError

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except HubError as error:
        return problem(error)
    except web.HTTPException:
        raise
    except Exception:
        log.exception("request_failed", route=str(request.match_info.route.resource))
        return problem(HubError("something went wrong here; it was logged"))


def problem(error: HubError) -> web.Response:
    """RFC 9457."""
    body = {
        "type": f"about:blank#{error.code}",
        "title": error.code.replace("_", " "),
        "status": error.status,
        "detail": str(error),
        "code": error.code,
        "kept": error.kept,
        "do": error.do,
    }
    return web.Response(body=msgspec.json.encode(body), status=error.status, content_type="application/problem+json")
