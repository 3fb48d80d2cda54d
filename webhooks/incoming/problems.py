"""Errors of the hooks and the status pages as problem+json; what was not foreseen is logged once and says nothing.

A browser shows a page's script no answer that lacks CORS headers: a hook puts them under `CORS`, and every answer gets
them, a failure's above all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec
import structlog
from aiohttp import web

from config.errors import HubError

log = structlog.get_logger()
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CORS: web.RequestKey[Mapping[str, str]] = web.RequestKey("cors", Mapping)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await _answer(request, handler)
    if not response.prepared:
        response.headers.update(request.get(CORS, {}))
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
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
