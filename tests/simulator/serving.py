"""The hub's address as the stand-ins' tests need it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler

HOOK = "/hooks/secret-path"


@asynccontextmanager
async def serving(handle: Handler) -> AsyncIterator[str]:
    """`handle` answers at the yielded address, and below it."""
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", HOOK + "{tail:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{HOOK}"
    finally:
        await runner.cleanup()
