"""What every provider's stand-in is made of: a web server of its own, a session towards the hub's hooks, and those who
wait for something to happen.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Generic, Self, TypeVar

import aiohttp
from aiohttp import web

DELIVERY_S = 30.0
BACKOFF_MAX_S = 60.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Simulator:
    """`base_url`: for the channel's settings once it listens. `deliveries`: calls of hooks, repeated ones too."""

    root = ""
    """The path below which the API stands."""

    def __init__(self) -> None:
        self.base_url = ""
        self.deliveries = 0
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._http: aiohttp.ClientSession | None = None

    def _application(self) -> web.Application:
        """Its API. Of the subclass."""
        raise NotImplementedError

    def _running(self) -> Iterable[asyncio.Task[None]]:
        """Tasks that end with it. Of the subclass."""
        return ()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listens; returns the base URL for a channel's settings."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DELIVERY_S))
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.base_url = f"http://{host}:{self._runner.addresses[0][1]}{self.root}"
        return self.base_url

    async def stop(self) -> None:
        """Ends what hangs, waits or goes on; what was not delivered is forgotten."""
        self._stopping.set()
        tasks = list(self._running())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._http is not None:
            await self._http.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    async def wait(self, is_true: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Returns once `is_true()`, looked at after every change here. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not is_true():
                await self._changed.wait()

    def note(self) -> None:
        """Something changed: `wait` looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def call_hook(self, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> int:
        """One call of a hook (GET without a body). Returns the status it was answered with; 0 for no answer at all."""
        self.deliveries += 1
        if self._http is None:
            raise RuntimeError("start the simulator first")
        method = "GET" if body is None else "POST"
        try:
            async with self._http.request(method, url, data=body, headers=headers) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0

    async def break_off(self, request: web.Request, *, hang: bool) -> None:
        """A request that gets no answer: cut at once, or only when everything ends."""
        if hang:
            await self._stopping.wait()
        if request.transport is not None:
            request.transport.abort()


class Lines(Generic[K, T]):
    """Deliveries in order by key: one that is not taken is repeated, with growing pauses, and holds its own key alone.

    `deliver` says whether it was taken; `noted` hears of each try; while not `open` nothing more is begun.
    """

    def __init__(
        self,
        deliver: Callable[[T], Awaitable[bool]],
        noted: Callable[[], None],
        *,
        backoff_s: float = 1.0,
        most_s: float = BACKOFF_MAX_S,
        is_open: Callable[[], bool] = lambda: True,
    ) -> None:
        self.backoff_s, self.most_s = backoff_s, most_s
        self._deliver, self._noted, self._is_open = deliver, noted, is_open
        self._queues: dict[K, deque[T]] = defaultdict(deque)
        self._workers: dict[K, asyncio.Task[None]] = {}

    @property
    def waiting(self) -> list[T]:
        """What has not been taken yet."""
        return [one for queue in self._queues.values() for one in queue]

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """To be cancelled and awaited by whoever ends it."""
        return list(self._workers.values())

    def add(self, key: K, *items: T) -> None:
        """Behind what waits for the same key."""
        self._queues[key].extend(items)
        if key not in self._workers:
            # Owned: kept in `_workers` until the queue is empty, cancelled and awaited by `clear`, or by `Simulator.stop`.
            self._workers[key] = asyncio.create_task(  # lint-skip: tasks - owned by `_workers`
                self._run(key)
            )

    async def clear(self) -> None:
        """Forgets everything."""
        tasks = self.tasks
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._queues.clear()

    async def _run(self, key: K) -> None:
        queue = self._queues[key]
        delay = self.backoff_s
        try:
            while queue and self._is_open():
                if await self._deliver(queue[0]):
                    queue.popleft()
                    delay = self.backoff_s
                else:
                    await asyncio.sleep(delay)
                    delay = min(delay * 2, self.most_s)
                self._noted()
        finally:
            if self._workers.get(key) is asyncio.current_task():
                del self._workers[key]
