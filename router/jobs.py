"""Cron, over arq: when the sweeps of router/sweeps.py are due. The only module that knows arq.

Redis decides which worker sweeps this time, nothing more: a job carries no data, so that a flushed Redis loses nothing.
While Redis is away each worker does by itself what people wait for: partitions, ends of wrap-ups, snoozes and reminders.
What they do is claimed in PostgreSQL, so that nothing happens twice.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from typing import Any

import msgspec
import structlog
from arq.connections import ArqRedis
from arq.cron import CronJob, cron
from arq.worker import Worker
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from config.errors import HubError
from router.absences import begin_absences
from router.channels import Channels
from router.snooze import wake_snoozed
from router.sweeps import (
    StaleParts,
    clean_up,
    find_doubles,
    make_partitions,
    remind,
    remove_old,
    rotate_keys,
    tell_silence,
)
from router.understand import place
from router.wrapup import end_wrap_ups
from storage.db import DATABASE_ERRORS
from storage.store import Store

log = structlog.get_logger()

QUEUE = "hub:jobs"
JOB_S = 55.0
POLL_S = 0.5
PARTITIONS_S = 60.0
ALONE_S = 2.0
URGENT = ("wrap_ups", "snooze", "reminders")
PARALLEL = 2
REDIS_TIMEOUT_S = 5.0
EVERY_2_S = frozenset(range(1, 60, 2))
EVERY_5_S = frozenset(range(0, 60, 5))


@dataclass(frozen=True)
class Job:
    """`second` and `minute` (all of them if None): when, in UTC."""

    name: str
    sweep: Callable[[], Awaitable[object]]
    second: frozenset[int]
    minute: frozenset[int] | None = None


class Jobs:
    """The cron of one worker. `redis_url`: the bus's; `stale_parts`: what to do with pieces that wait in vain."""

    def __init__(
        self,
        store: Store,
        channels: Channels,
        *,
        redis_url: str,
        stale_parts: StaleParts | None = None,
        more: Sequence[Job] = (),
    ) -> None:
        self._redis_url = redis_url
        self._partitions = Job("partitions", partial(make_partitions, store), frozenset({10}))
        self._jobs = (
            self._partitions,
            Job("silence", partial(tell_silence, store, channels), frozenset({20})),
            Job("reminders", partial(remind, store), EVERY_5_S),
            Job("wrap_ups", partial(end_wrap_ups, store), EVERY_2_S),
            Job("clean_up", partial(clean_up, store, stale_parts), frozenset({30})),
            Job("doubles", partial(find_doubles, store), frozenset({40})),
            Job("absences", partial(begin_absences, store), frozenset(range(4, 60, 10))),
            Job("snooze", partial(wake_snoozed, store), EVERY_5_S),
            Job("dedup_rotation", partial(rotate_keys, store), frozenset({50}), frozenset(range(3, 60, 10))),
            Job("retention", partial(remove_old, store, set[str]()), frozenset({0}), frozenset(range(7, 60, 10))),
            *more,
        )
        self._failing: set[str] = set()
        self._down = False

    async def run(self) -> None:
        """Until cancelled; begins with the partitions, with or without Redis."""
        while not await self._do(self._partitions):
            await asyncio.sleep(random.uniform(0.5, 1.5))
        looked_at = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._alone(), name="jobs without Redis")
            while True:
                try:
                    await self._work()
                except (RedisError, OSError, TimeoutError) as error:
                    if not self._down:
                        log.warning("jobs_down", error=type(error).__name__)
                    self._down = True
                await asyncio.sleep(random.uniform(0.3, 1.0))
                if time.monotonic() - looked_at > PARTITIONS_S:
                    looked_at = time.monotonic()
                    await self._do(self._partitions)

    async def _alone(self) -> None:
        """Until cancelled. Nobody waits in wrap-up for Redis to come back."""
        urgent = [job for job in self._jobs if job.name in URGENT]
        while True:
            await asyncio.sleep(ALONE_S)
            for job in urgent if self._down else ():
                await self._do(job)

    async def _work(self) -> None:
        """One arq worker, until Redis fails it."""
        pool: ConnectionPool = ConnectionPool.from_url(
            self._redis_url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
        )
        # JSON, not arq's pickle: who can write into Redis must not be able to run code here.
        redis = ArqRedis(
            pool, job_serializer=msgspec.json.encode, job_deserializer=msgspec.json.decode, default_queue_name=QUEUE
        )
        worker = Worker(
            cron_jobs=[self._cron(job) for job in self._jobs],
            redis_pool=redis,
            queue_name=QUEUE,
            on_startup=self._on_up,
            handle_signals=False,
            max_jobs=PARALLEL,
            poll_delay=POLL_S,
            keep_result=0,
            job_serializer=msgspec.json.encode,
            job_deserializer=msgspec.json.decode,
            timezone=UTC,
            log_results=False,
        )
        try:
            await worker.main()
        finally:
            await _end(worker)
            await redis.aclose(close_connection_pool=True)
            await pool.disconnect()

    async def _on_up(self, ctx: dict[Any, Any]) -> None:  # noqa: ARG002 - arq's protocol names it
        if self._down:
            log.info("jobs_up")
        self._down = False

    def _cron(self, job: Job) -> CronJob:
        async def run(ctx: dict[Any, Any], *_: Any, **__: Any) -> None:  # noqa: ARG001 - arq's protocol names it
            await self._do(job)

        minute = None if job.minute is None else set(job.minute)
        return cron(run, name=job.name, second=set(job.second), minute=minute, timeout=JOB_S + 10)

    async def _do(self, job: Job) -> bool:
        """One run; what goes wrong is told once until it goes right, and the next run tries again."""
        try:
            async with asyncio.timeout(JOB_S):
                await job.sweep()
        except (HubError, *DATABASE_ERRORS) as error:
            self._tell(job, error)
            return False
        except Exception as error:  # noqa: BLE001 - the job's wrapper: one sweep's bug must not stop the others
            self._tell(job, error, at=place(error))
            return False
        if job.name in self._failing:
            log.info("job_works_again", job=job.name)
        self._failing.discard(job.name)
        return True

    def _tell(self, job: Job, error: Exception, **where: str) -> None:
        if job.name not in self._failing:
            log.warning("job_failed", job=job.name, error=type(error).__name__, **where)
        self._failing.add(job.name)


async def _end(worker: Worker) -> None:
    """What is left of a worker. Its own `close` asks Redis first, which may be what has just failed."""
    tasks = list(worker.tasks.values())
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=REDIS_TIMEOUT_S)
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()
