"""CPU time and memory of processes, from /proc: what each message costs whom."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from storage.db import RawConnection

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the state on (the name before it may hold spaces)."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def cpu_s(pid: int, *, with_reaped: bool = False) -> float:
    """User and system time; `with_reaped`: and that of children it has waited for. 0 for a process that is gone."""
    with suppress(OSError):
        fields = _stat(pid)[11:15]
        return sum(map(int, fields if with_reaped else fields[:2])) / TICKS
    return 0.0


def children(pid: int) -> list[int]:
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if int(_stat(int(entry.name))[1]) == pid:
                    found.append(int(entry.name))
    return found


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for child in children(pid):
        found += tree(child)
    return found


def pss_mb(pids: Iterable[int]) -> float:
    """Proportional set size: shared pages are counted once, however many processes share them."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


@dataclass(frozen=True)
class Snapshot:
    """CPU seconds so far. `worker`: of the processes beside the hub's first; `backends`: pid -> (kind, seconds);
    `postgres`: all of the cluster, ended backends too.
    """

    hub: float
    worker: float
    postgres: float
    valkey: float
    bench: float
    backends: dict[int, tuple[str, float]]


def _is_worker(pid: int) -> bool:
    """Among the hub's children are its engines as well."""
    with suppress(OSError):
        return b"--attached" in (PROC / str(pid) / "cmdline").read_bytes()
    return False


_KINDS = """
SELECT pid, CASE WHEN backend_type = 'client backend' THEN application_name ELSE backend_type END AS kind
FROM pg_stat_activity
"""


async def snapshot(connection: RawConnection, *, hub: int, postmaster: int, valkey: int) -> Snapshot:
    rows = await connection.fetch(_KINDS)
    living = sum(cpu_s(pid) for pid in children(postmaster))
    return Snapshot(
        hub=cpu_s(hub),
        worker=sum(cpu_s(pid) for pid in children(hub) if _is_worker(pid)),
        postgres=cpu_s(postmaster, with_reaped=True) + living,
        valkey=cpu_s(valkey),
        bench=cpu_s(os.getpid()),
        backends={row["pid"]: (row["kind"], cpu_s(row["pid"])) for row in rows},
    )


def spent(before: Snapshot, after: Snapshot) -> dict[str, float]:
    """Seconds between two snapshots by process, PostgreSQL's backends by kind, the largest first."""
    kinds: dict[str, float] = {}
    for pid, (kind, seconds) in after.backends.items():
        start = before.backends.get(pid, ("", 0.0))[1]
        kinds[f"  {kind}"] = kinds.get(f"  {kind}", 0.0) + seconds - start
    total = after.postgres - before.postgres
    kinds["  ended meanwhile"] = max(0.0, total - sum(kinds.values()))
    shown = sorted(((k, s) for k, s in kinds.items() if s > 0.005 * total), key=lambda pair: -pair[1])
    return {
        "hub": after.hub - before.hub,
        "worker": after.worker - before.worker,
        "postgres": total,
        **dict(shown),
        "valkey": after.valkey - before.valkey,
        "bench": after.bench - before.bench,
    }
