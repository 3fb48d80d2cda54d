"""The engines of one data folder: started or adopted together, supervised, stopped by whom they belong to.

    engines = Engines(settings)
    try:
        addresses = await engines.start()
        ...                                  # with engines.supervise() as one task of the process's TaskGroup
    finally:
        await engines.stop()

Who stops them: the hub (`run`), which holds `hub.lock`, when it stops. Without a hub, the last process that uses them,
provided that a command or replica had started them; what a killed hub left running waits for the next hub.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal

import structlog
from pydantic import SecretStr

from config.errors import EngineFailed
from config.settings import Settings
from storage.engines import processes
from storage.engines.folder import Folder
from storage.engines.health import Condition, Health
from storage.engines.postgres import Postgres, Tell
from storage.engines.valkey import Valkey

log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)

SAY_AFTER_S = 3.0  # a start that lasts longer says in the log what it waits for,
SAY_AGAIN_S = 60.0  # and again each minute

Role = Literal["hub", "guest"]


@dataclass(frozen=True)
class Addresses:
    """`database_url`: postgresql://…; `redis_url`: redis://… or unix:///path. Embedded ones hold no secret."""

    database_url: str
    redis_url: str


@dataclass(frozen=True)
class EngineState:
    """For /readyz: `str(state.postgres)` is `ready`, `starting`, `external`, `recovering: why` or `down: why`."""

    postgres: Health
    valkey: Health

    @property
    def ready(self) -> bool:
        return self.postgres.usable and self.valkey.usable


@dataclass(frozen=True)
class Pace:
    """Of the supervisor, in seconds."""

    look_s: float = 0.5  # is the process there: no more than a system call
    probe_s: float = 2.0  # does it answer: a connection
    answer_s: float = 5.0
    hung_s: float = 15.0  # so long silent or cut off before something is done about it
    first_retry_s: float = 0.2
    last_retry_s: float = 30.0


class Engines:
    """The engines of one data folder, as one process sees them. What `settings` gives an address for is left alone."""

    def __init__(
        self,
        settings: Settings,
        *,
        role: Role = "hub",
        extra: Mapping[str, str] | None = None,
        pace: Pace | None = None,
    ) -> None:
        """`role`: "hub" for `run`, one per data folder (unless both engines are external: then nothing is locked).

        "guest" for everything beside it: `web` and `worker` replicas, and commands. Guests join what runs, start it if
        nothing does, restart a dead engine like the hub (the start lock keeps them apart), and stop it only as the
        last user of engines that no hub has had. `extra`: PostgreSQL settings over ours.
        """
        self._role = role
        self._pace = pace or Pace()
        self.folder = Folder(settings.data_dir, engine_user=settings.engine_user)
        self._external = Addresses(_plain(settings.database_url), _plain(settings.redis_url))
        self._engines: list[Postgres | Valkey] = []
        if not self._external.database_url:
            self._engines.append(Postgres(self.folder, extra=extra))
        if not self._external.redis_url:
            self._engines.append(Valkey(self.folder))
        self._addresses: Addresses | None = None
        own = {engine.name for engine in self._engines}
        outside = Health(Condition.EXTERNAL)
        self.state = EngineState(
            postgres=Health(Condition.STARTING) if "postgres" in own else outside,
            valkey=Health(Condition.STARTING) if "valkey" in own else outside,
        )

    async def start(self) -> Addresses:
        """Start or adopt what is ours and wait until it is ready; recovery after a crash may take its time.

        Idempotent. Raises EngineFailed: a hub runs on this folder already, or an engine can't be started; `stop` has
        been called then.
        """
        if self._addresses is None:
            try:
                await self._start()
            except BaseException:
                await self.stop()
                raise
            found = {engine.name: engine.url for engine in self._engines}
            self._addresses = Addresses(
                found.get("postgres", self._external.database_url), found.get("valkey", self._external.redis_url)
            )
        return self._addresses

    async def _start(self) -> None:
        if not self._engines:
            return
        await asyncio.to_thread(self.folder.prepare)
        async with self.folder.start_lock():
            await asyncio.to_thread(self._enter)
            for engine in self._engines:
                await self._launch(engine)
        for engine in self._engines:
            if isinstance(engine, Postgres):
                await engine.ready(self._teller(engine), answer_s=self._pace.answer_s)
            self._note(engine, Health(Condition.READY))

    def _enter(self) -> None:
        if self._role == "hub":
            if not self.folder.hub_lock.take():
                raise EngineFailed(
                    f"a hub (process {self.folder.hub_lock.holder()}) runs on {self.folder.path} already"
                )
            self.folder.transient.unlink(missing_ok=True)
        self.folder.users_lock.take(shared=True)

    async def _launch(self, engine: Postgres | Valkey) -> None:
        """The caller holds the start lock."""
        began = time.monotonic()
        started = await (engine.launch(self._teller(engine)) if isinstance(engine, Postgres) else engine.launch())
        if started and self._role == "guest" and await asyncio.to_thread(self.folder.hub_lock.is_free):
            await asyncio.to_thread(self.folder.transient.touch)
        took_ms = round((time.monotonic() - began) * 1000)
        log.debug("engine_started" if started else "engine_adopted", engine=engine.name, took_ms=took_ms)

    def _teller(self, engine: Postgres | Valkey) -> Tell:
        said_at = time.monotonic() + SAY_AFTER_S

        def tell(why: str) -> None:
            nonlocal said_at
            self._note(engine, Health(Condition.RECOVERING, why))
            if time.monotonic() > said_at:
                log.info("engine_wait", engine=engine.name, why=why)
                said_at += SAY_AGAIN_S

        return tell

    def _note(self, engine: Postgres | Valkey, health: Health) -> None:
        self.state = (
            replace(self.state, postgres=health) if isinstance(engine, Postgres) else replace(self.state, valkey=health)
        )

    async def supervise(self) -> None:
        """Runs until cancelled, after `start`: keeps `state`, brings dead engines back, logs each fall and each return.

        A PostgreSQL that gives no answer is reported only: it may be stopped for a reason, or busy, and killing it
        costs a recovery. A Valkey that hangs is replaced, since it keeps nothing.
        """
        async with asyncio.TaskGroup() as tasks:
            for engine in self._engines:
                tasks.create_task(self._watch(engine), name=f"watch-{engine.name}")
            if not self._engines:
                await asyncio.Event().wait()

    async def _watch(self, engine: Postgres | Valkey) -> None:
        down_since: float | None = None
        retry_s = self._pace.first_retry_s
        while True:
            health = await engine.health(self._pace.answer_s)
            self._note(engine, health)
            if health.condition is Condition.READY:
                if down_since is not None:
                    log.info("engine_up", engine=engine.name, down_s=round(time.monotonic() - down_since, 3))
                down_since, retry_s = None, self._pace.first_retry_s
                await self._until_due(engine)
                continue
            if down_since is None:
                down_since = time.monotonic()
                log.warning("engine_down", engine=engine.name, state=str(health))
            if not await self._mend(engine, health, silent_s=time.monotonic() - down_since):
                await asyncio.sleep(retry_s * random.uniform(0.5, 1))
                retry_s = min(retry_s * 2, self._pace.last_retry_s if health.condition is Condition.GONE else 1.0)

    async def _mend(self, engine: Postgres | Valkey, health: Health, *, silent_s: float) -> bool:
        """Do what can be done; True if the engine was started, so that it is worth a look at once."""
        try:
            if health.condition is not Condition.GONE and (
                silent_s < self._pace.hung_s or not await self._end(engine, health)
            ):
                return False
            await asyncio.to_thread(self.folder.prepare)
            async with self.folder.start_lock():
                await self._launch(engine)
            if isinstance(engine, Postgres):
                await engine.ready(self._teller(engine), answer_s=self._pace.answer_s)
        except EngineFailed as error:
            self._note(engine, Health(Condition.GONE, str(error)))
            return False
        return True

    async def _end(self, engine: Postgres | Valkey, health: Health) -> bool:
        """End an engine that is of no use to anybody; False if that is not for us to judge."""
        if isinstance(engine, Valkey) and health.condition in {Condition.SILENT, Condition.CUT_OFF}:
            await engine.kill()
            return True
        if health.condition is Condition.CUT_OFF:  # nobody can reach it any more, but it listens to signals
            await engine.stop()
            return True
        return False

    async def _until_due(self, engine: Postgres | Valkey) -> None:
        """Until the next probe is due, or the process is seen to be gone."""
        due = time.monotonic() + self._pace.probe_s
        await asyncio.to_thread(processes.trim, engine.log)
        while time.monotonic() < due:
            await asyncio.sleep(self._pace.look_s)
            if engine.pid() is None:
                return

    async def stop(self) -> None:
        """Stop what is ours to stop and let go of the folder. Safe to call twice, and after a failed start."""
        if not self._engines or not self.folder.path.exists():
            return
        self._addresses = None
        try:
            if self.folder.hub_lock.held or self.folder.users_lock.held:
                async with self.folder.start_lock():
                    await self._stop_ours()
                    # Before the start lock: a guest that starts them anew has to see that no hub is there.
                    self.folder.hub_lock.release()
        finally:
            self.folder.users_lock.release()
            self.folder.hub_lock.release()

    async def _stop_ours(self) -> None:
        """The caller holds the start lock, so nobody can join meanwhile."""
        if not self.folder.hub_lock.held and not await asyncio.to_thread(self._last_out):
            return
        for engine in self._engines:
            await engine.stop()
            self._note(engine, Health(Condition.GONE, "stopped"))
        self.folder.transient.unlink(missing_ok=True)

    def _last_out(self) -> bool:
        # A hub shares the lock of the users too, so nobody gets it alone beside one.
        return self.folder.transient.exists() and self.folder.users_lock.take()


@asynccontextmanager
async def joined(settings: Settings, *, extra: Mapping[str, str] | None = None) -> AsyncIterator[Addresses]:
    """Engines for a command: those that run, else started for the block and stopped after it if nobody else uses them."""
    engines = Engines(settings, role="guest", extra=extra)
    addresses = await engines.start()
    try:
        yield addresses
    finally:
        await engines.stop()


async def join(settings: Settings) -> Addresses:
    """The same for the rest of this process's life: what it had to start itself is left to the next user to stop."""
    engines = Engines(settings, role="guest")
    _for_life.append(engines)
    return await engines.start()


_for_life: list[Engines] = []


def _plain(url: SecretStr | None) -> str:
    return url.get_secret_value() if url else ""
