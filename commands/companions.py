"""The workers of `run`: processes of their own, so that a batch in hand never holds up a hook's answer, and an entry that
kills a worker leaves the hooks alive. Restarted when they die; they end when this process does, however it ends.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

log = structlog.get_logger()

entry = [sys.executable, str(Path(__file__).parents[1] / "main.py")]
"""The command line; who starts the hub otherwise than by main.py puts its own here."""

ATTACHED = "--attached"
STOP_S = 15.0
STEADY_S = 10.0
FIRST_RETRY_S, LAST_RETRY_S = 0.2, 10.0


async def keep_worker() -> None:
    """Until cancelled: one worker process, brought back whenever it ends."""
    retry_s = FIRST_RETRY_S
    while True:
        began = time.monotonic()
        async with _worker() as process:
            code = await process.wait()
        retry_s = FIRST_RETRY_S if time.monotonic() - began > STEADY_S else min(2 * retry_s, LAST_RETRY_S)
        log.error("worker_process_ended", code=code, again_in_s=round(retry_s, 1))
        await asyncio.sleep(retry_s)


@asynccontextmanager
async def _worker() -> AsyncIterator[asyncio.subprocess.Process]:
    """Its standard input is a pipe that nothing is written to: the end of it tells the worker of ours."""
    process = await asyncio.create_subprocess_exec(*entry, "worker", ATTACHED, stdin=asyncio.subprocess.PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                log.warning("worker_process_killed", after_s=STOP_S)
                process.kill()
                await process.wait()


def end_with_parent(stop: asyncio.Event) -> None:
    """For the worker itself: `stop` is set once the pipe from its parent ends."""
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(sys.stdin.fileno())
        stop.set()

    loop.add_reader(sys.stdin.fileno(), ended)
