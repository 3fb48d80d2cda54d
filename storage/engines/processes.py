"""Server processes known by their id alone: they outlive the hub, so nothing here depends on being their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from config.errors import EngineFailed

PROC = Path("/proc")
LINUX = PROC.joinpath("self/stat").exists()
POLL_S = 0.05
LOG_LIMIT_BYTES = 10_000_000
# Neither the hub's secrets nor the locale of whoever starts it reach an engine.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"}

_spawned: set[int] = set()


@dataclass(frozen=True)
class Account:
    """The system user the engines run as when the hub is root."""

    name: str
    uid: int
    gid: int


def spawn(argv: Sequence[str], *, account: Account | None, log: Path) -> int:
    """Start a server in a session of its own (a Ctrl-C in the terminal must not reach it) and return its pid.

    Not an asyncio subprocess: its transport kills the process when it is collected.
    """
    try:
        with log.open("ab") as out:
            process = subprocess.Popen(  # noqa: S603
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
    except OSError as error:
        raise EngineFailed(f"{argv[0]} can't be started: {error}") from error
    _spawned.add(process.pid)
    process.returncode = 0  # watched by pid from here on; without this, collecting the object warns of a running child
    return process.pid


def run(
    argv: Sequence[str], *, account: Account | None = None, stdin: str = "", timeout_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end. Raises EngineFailed if it can't be run, fails or takes longer than `timeout_s`."""
    try:
        done = subprocess.run(  # noqa: S603
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            cwd="/",
            env=ENVIRONMENT,
            timeout=timeout_s,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except subprocess.TimeoutExpired:
        raise EngineFailed(f"{argv[0]} did not end within {timeout_s:.0f} s") from None
    except OSError as error:
        raise EngineFailed(f"{argv[0]} can't be run: {error.strerror}") from error
    if done.returncode:
        raise EngineFailed(f"{argv[0]} failed: {' '.join(done.stderr.split())[-500:] or done.returncode}")
    return done


def alive(pid: int) -> bool:
    """The process runs or is stopped. A zombie is dead; if it is our child (we may be PID 1), it is collected."""
    if pid <= 0:
        return False
    if pid in _spawned or _state(pid) in {"Z", "X"}:
        with suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                _spawned.discard(pid)
                return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _state(pid) not in {"Z", "X"}


def _state(pid: int) -> str:
    try:
        return PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def command_line(pid: int) -> str:
    """The process's arguments joined by spaces, "" if it is gone.

    Not its working directory: root inside a container may not read that of another user's process.
    """
    if LINUX:
        try:
            return PROC.joinpath(str(pid), "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""
    return _ps().get(pid, "")


def with_command_line(part: str) -> list[int]:
    """Living processes that have `part` in their command line."""
    pids = [int(p.name) for p in PROC.iterdir() if p.name.isdigit()] if LINUX else list(_ps())
    return [pid for pid in pids if part in command_line(pid) and pid != os.getpid() and alive(pid)]


def _ps() -> dict[int, str]:
    lines = (line.split(maxsplit=1) for line in run(["/bin/ps", "-axo", "pid=,command="]).stdout.splitlines())
    return {int(parts[0]): parts[1] for parts in lines if len(parts) == 2}


def send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


async def gone(pid: int, *, timeout_s: float) -> bool:
    """Wait until the process has ended; False if it still runs after `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            while alive(pid):
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        return False
    return True


def last_words(log: Path, *, since: int = 0) -> str:
    """What a log says from byte `since` on: its last FATAL or PANIC line, else its last line, at most 300 characters."""
    try:
        with log.open("rb") as file:
            file.seek(max(since, file.seek(0, os.SEEK_END) - 20_000))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    fatal = [line for line in lines if "FATAL:" in line or "PANIC:" in line]
    return (fatal or lines or [""])[-1][-300:]


def trim(log: Path) -> None:
    """Keep a log that a server holds open below LOG_LIMIT_BYTES: the older half is dropped in place."""
    with suppress(FileNotFoundError), log.open("r+b") as file:
        if file.seek(0, os.SEEK_END) <= LOG_LIMIT_BYTES:
            return
        file.seek(-LOG_LIMIT_BYTES // 2, os.SEEK_END)
        tail = file.read()
        file.truncate(0)  # the server appends (O_APPEND), so it goes on at the new end
        file.seek(0)
        file.write(tail)
