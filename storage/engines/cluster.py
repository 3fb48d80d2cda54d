# lint-skip: sql - names of databases can not be parameters
"""A PostgreSQL cluster on disk: how it is made, its settings, what its pid file says."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from config.errors import EngineFailed
from storage.engines.folder import Folder
from storage.engines.processes import run, send, with_command_line

MAJOR = "18"
SETTINGS_FILE = "switchboard.conf"
HALF_MADE = "postgres.new-"
THROW_AWAY_S = 20.0

# For a machine of two cores that runs the hub too: small when idle, and steady under a queue-like table.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "384MB",
    "huge_pages": "off",
    "work_mem": "8MB",
    "maintenance_work_mem": "64MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "default_statistics_target": "50",  # we go by index; half the sample is half the cost of every ANALYZE
    "jit": "off",  # compiling costs more than our short statements
    "max_worker_processes": "4",
    "max_parallel_workers": "2",
    "max_parallel_workers_per_gather": "1",
    "io_workers": "1",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_compression": "on",  # without it matching gains a tenth, and live messages beside bulk lose half
    "wal_level": "replica",  # for pg_basebackup, which takes a whole copy while the hub runs
    "max_wal_senders": "2",
    "max_logical_replication_workers": "0",  # one process less
    "min_wal_size": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "10min",
    "autovacuum_naptime": "10s",  # journal_todo is filled and emptied all day
    "autovacuum_max_workers": "2",
    "autovacuum_vacuum_cost_limit": "1000",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] ",
    # Details and statements would carry clients' data into the log.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}


def cluster_name(folder: Folder) -> str:
    """Stands in the title of every process of this cluster, so those that outlived their postmaster can be told."""
    return f"switchboard-{folder.key}"


def make_if_absent(bin_dir: Path, folder: Folder, *, user: str, database: str, quick: bool) -> None:
    """Blocking, a second or two. `quick`: not synced to disk, for tests. Raises EngineFailed.

    Built in a folder of its own and renamed when whole; what an interrupted attempt left is thrown away.
    """
    data = folder.postgres
    for half in folder.real.glob(f"{HALF_MADE}*"):
        _throw_away(half)
    if data.is_dir() and any(data.iterdir()):
        _check(data, folder)
        return
    building = Path(tempfile.mkdtemp(prefix=HALF_MADE, dir=folder.real))
    folder.own(building)
    _initdb(bin_dir, folder, building, user=user)
    # Single-user mode, so that nothing can connect to a cluster without them. In template1 first: new databases have it.
    sql = f"CREATE EXTENSION pg_trgm;\nCREATE DATABASE {database};\n"
    single = [str(bin_dir / "postgres"), "--single", "-j", "-c", "fsync=off", "-D", str(building), "template1"]
    done = run(single, account=folder.account, stdin=sql.replace(";\n", ";\n\n"))
    if "ERROR:" in done.stderr:  # single-user mode goes on after an error and ends with 0
        raise EngineFailed(f"database {database} can't be made: {' '.join(done.stderr.split())[-300:]}")
    if not quick:
        run([str(bin_dir / "initdb"), "--sync-only", "-D", str(building)], account=folder.account)
    if data.exists():
        data.rmdir()
    building.rename(data)
    _sync(folder.real)


def _throw_away(half: Path) -> None:
    """A killed hub's initdb may still be at work in there, and makes files as fast as they are removed."""
    deadline = time.monotonic() + THROW_AWAY_S
    while half.exists():
        for pid in with_command_line(str(half)):
            send(pid, signal.SIGKILL)
        shutil.rmtree(half, ignore_errors=True)
        if time.monotonic() > deadline:
            raise EngineFailed(f"{half}, left by an interrupted start, can't be removed")
        time.sleep(0.02)


def _initdb(bin_dir: Path, folder: Folder, building: Path, *, user: str) -> None:
    options = [
        f"--username={user}",
        "--auth=trust",  # the only door is a socket in a folder that nobody else can enter
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C.UTF-8",
        "--no-sync",
        "--no-instructions",
    ]
    run([str(bin_dir / "initdb"), *options, "-D", str(building)], account=folder.account)
    with (building / "postgresql.conf").open("a") as file:
        file.write(f"\ninclude_if_exists = '{SETTINGS_FILE}'\n")


def _check(data: Path, folder: Folder) -> None:
    try:
        found = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        raise EngineFailed(f"{data} is not empty and not a PostgreSQL cluster: move it away") from None
    except PermissionError:
        raise EngineFailed(f"{data} belongs to another user: start the hub as that user, or as root") from None
    if found != MAJOR:
        raise EngineFailed(
            f"{data} was made by PostgreSQL {found}, this hub brings {MAJOR}: dump it with the old version's pg_dump, "
            f"move the folder away, start, and restore"
        )
    uid = folder.account.uid if folder.account else os.geteuid()
    if data.stat().st_uid != uid:
        raise EngineFailed(f"{data} belongs to another user: start the hub as that user, or `chown -R` it")


def write_settings(folder: Folder, *, port: int, extra: Mapping[str, str]) -> None:
    """Written anew at each start, since the folder may have moved. ALTER SYSTEM (postgresql.auto.conf) wins over it."""
    settings = {
        **SETTINGS,
        "port": str(port),
        "unix_socket_directories": str(folder.run),
        "cluster_name": cluster_name(folder),
        **extra,
    }
    lines = ["# Written by Switchboard at each start. Your own settings: ALTER SYSTEM."]
    lines += [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in settings.items()]
    target = folder.postgres / SETTINGS_FILE
    fresh = folder.postgres / f"{SETTINGS_FILE}.new"
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w") as file:
        os.fchmod(file.fileno(), 0o644)  # written by root, read by the engines' user, whatever the umask
        file.write("\n".join(lines) + "\n")
    fresh.replace(target)


def noted_pid(data: Path) -> int | None:
    """The pid in postmaster.pid, dead or alive."""
    lines = _pid_file(data)
    try:
        return abs(int(lines[0])) if lines else None
    except ValueError:
        return None


def noted_status(data: Path) -> str:
    """What the postmaster says of itself in line 8: starting, stopping, ready or "" (pidfile.h)."""
    lines = _pid_file(data)
    return lines[7].strip() if len(lines) > 7 else ""


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
