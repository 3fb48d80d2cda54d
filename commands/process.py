"""The hub as processes: `web` (hooks, API, page), `worker` (lanes, sending, fetching, jobs), and `run`: the first with the
second beside it.

The port is open before the engines are ready: until then /readyz says why not and hooks are told to come again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Literal

import structlog
from aiohttp import ClientSession, web

from commands.companions import end_with_parent, keep_worker
from commands.runtime import settle_memory
from commands.web import make_app, outward
from commands.work import work
from config.errors import BadSettings
from config.settings import Settings
from router.channels import Channels
from router.directory import DirectoryCache
from storage.engines.embedded import Engines
from storage.revisions import prepare_database, wait_for_revision
from storage.store import Store, open_store
from webhooks.incoming.status import StartingUp, Status

log = structlog.get_logger()
Role = Literal["run", "web", "worker"]
DRAIN_S = 10.0
PORT_S = 5.0


async def serve(settings: Settings, role: Role, *, attached: bool = False) -> None:
    """Until SIGTERM or SIGINT; then drains and stops what it started. Raises BadSettings, EngineFailed.

    `attached`: ends with its parent, too.
    """
    stop = asyncio.Event()
    if attached:
        end_with_parent(stop)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    engines = Engines(settings, role="hub" if role == "run" else "guest")
    status = Status(engines)
    async with contextlib.AsyncExitStack() as stack:
        port: socket.socket | None = None
        if role != "worker":
            port = await _listen(settings)
            stack.callback(port.close)
        stack.push_async_callback(engines.stop)
        async with _starting(status, port):
            await _until(stop, _prepare(settings, engines, role))
        if stop.is_set():
            return
        addresses = await engines.start()
        store = await stack.enter_async_context(
            open_store(
                settings,
                database_url=addresses.database_url,
                redis_url=addresses.redis_url,
                application=f"hub {role}",
            )
        )
        http = await stack.enter_async_context(outward())
        await first_queue(store)
        await _run(store, engines, status, http, role=role, port=port, stop=stop, redis_url=addresses.redis_url)


async def _prepare(settings: Settings, engines: Engines, role: Role) -> None:
    addresses = await engines.start()
    if role == "web" and settings.database_url is not None:
        await wait_for_revision(addresses.database_url)
    else:
        await prepare_database(addresses.database_url)


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Does the work unless a signal comes first."""
    try:
        async with asyncio.TaskGroup() as tasks:
            doing = tasks.create_task(work, name="prepare")
            waiting = tasks.create_task(stop.wait(), name="signal")
            await asyncio.wait({doing, waiting}, return_when=asyncio.FIRST_COMPLETED)
            doing.cancel()
            waiting.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def _run(
    store: Store,
    engines: Engines,
    status: Status,
    http: ClientSession,
    *,
    role: Role,
    port: socket.socket | None,
    stop: asyncio.Event,
    redis_url: str,
) -> None:
    channels = Channels(store)
    await channels.refresh()
    directory = DirectoryCache(zone=store.settings.zone)
    settle_memory()
    async with asyncio.TaskGroup() as tasks:
        background = [
            tasks.create_task(engines.supervise(), name="engines"),
            tasks.create_task(store.bus.run(), name="bus"),
            tasks.create_task(channels.run(), name="channels"),
        ]
        status.ready_parts(store)
        if role == "worker" or (role == "run" and not store.settings.worker_processes):
            working = work(store, channels, directory, http, redis_url=redis_url)
            background.append(tasks.create_task(working, name="work"))
        if role == "run":
            count = store.settings.worker_processes
            background += [tasks.create_task(keep_worker(), name=f"worker {number}") for number in range(count)]
        if port is not None:
            app = make_app(store, channels, directory, status, http)
            async with _site(app, port):
                log.info("listening", host=store.settings.host, port=port.getsockname()[1], role=role)
                print(f"http://{store.settings.host}:{port.getsockname()[1]}", flush=True)
                if role == "run" and store.settings.demo:
                    background.append(tasks.create_task(_demo(store, channels, port), name="demo"))
                await stop.wait()
                status.draining = True
        else:
            log.info("working", role=role)
            await stop.wait()
        log.info("stopping", role=role)
        for task in reversed(background):
            task.cancel()


async def _demo(store: Store, channels: Channels, port: socket.socket) -> None:
    from commands.demo.run import run_demo  # noqa: PLC0415 - simulators are loaded only where they are wanted

    host, number = port.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - seen from this machine
    await run_demo(store, channels, f"http://[{host}]:{number}" if ":" in host else f"http://{host}:{number}")


async def first_queue(store: Store) -> None:
    """A new installation has one queue, so that nothing that comes in is without a place."""
    await store.pool.execute(
        "INSERT INTO queue (name, is_default) SELECT 'Входящие', true WHERE NOT EXISTS (SELECT FROM queue)"
        " ON CONFLICT (name) DO NOTHING"
    )


async def _listen(settings: Settings) -> socket.socket:
    """The port, once a predecessor that is just dying has let go of it. Raises BadSettings after a few seconds."""
    deadline = asyncio.get_running_loop().time() + PORT_S
    while True:
        try:
            return _bind(settings)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or asyncio.get_running_loop().time() > deadline:
                where = f"{settings.host}:{settings.port}"
                raise BadSettings(f"HUB_HOST, HUB_PORT: {where} can't be listened on: {error.strerror}") from None
        await asyncio.sleep(0.1)


def _bind(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((settings.host, settings.port))
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


@asynccontextmanager
async def _starting(status: Status, port: socket.socket | None) -> AsyncIterator[None]:
    """Answers while the engines start; the socket stays open afterwards, so that no connection is refused between."""
    if port is None:
        yield
        return
    runner = web.ServerRunner(web.Server(StartingUp(status).handle))
    await runner.setup()
    site = web.SockSite(runner, port.dup())
    await site.start()
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _site(app: web.Application, port: socket.socket) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=DRAIN_S, keepalive_timeout=75)
    await runner.setup()
    try:
        await web.SockSite(runner, port, backlog=1024).start()
        yield
    finally:
        await runner.cleanup()
