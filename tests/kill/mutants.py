"""Does the suite see it? Breaks a promise in a copy of the tree, runs a test there and expects it to fail.

    python tests/kill/mutants.py [NAME …]

Exit code 1 if a mutant lives. Not collected by pytest: each takes as long as the test it must fail.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAYLOADS = 1500
KILLS = "tests/kill/test_kills.py::test_nothing_lost_twice_or_out_of_order"
LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".git", "data", "node_modules", "dist", "__pycache__", ".cache", ".*_cache", ".hypothesis"
)


@dataclass(frozen=True)
class Mutant:
    """In `path` the text `before`, which stands there once, becomes `after`; without `before`, `after` is added at the
    end. Then `test` must fail, and speak of `sees`.
    """

    promise: str
    path: str
    before: str
    after: str
    test: str = KILLS
    sees: str = "tests/kill/checks.py"


UNAWAITED = """
_keep = JournalWriter.keep


async def _keep_some_time(self: JournalWriter, entry: object) -> bool:
    asyncio.get_running_loop().create_task(_keep(self, entry))
    return True


JournalWriter.keep = _keep_some_time
"""

MUTANTS = {
    "answer-before-commit": Mutant(
        "P1: a provider gets 2xx only once its payload is committed", "webhooks/incoming/hook.py", "", UNAWAITED
    ),
    "batch-in-pieces": Mutant(
        "P2: what became of an entry is committed with its interactions",
        "router/batch.py",
        "    async with connection.transaction():\n",
        "    import contextlib\n\n    async with contextlib.nullcontext():\n",
    ),
    "greedy-workers": Mutant(
        "a new worker gets its share of lanes",
        "router/lanes.py",
        "ceil(LANES / max(1, equals))",
        "LANES or ceil(1)",
        "tests/kill/test_lanes.py",
        "with their share",
    ),
    "frozen-keep-lanes": Mutant(
        "a frozen worker loses its lanes within seconds",
        "storage/db.py",
        '"idle_in_transaction_session_timeout": "4s"',
        '"idle_in_transaction_session_timeout": "40s"',
        "tests/kill/test_lanes.py::test_frozen_worker",
        "one worker left",
    ),
    "deaths-not-counted": Mutant(
        "P5: an entry that kills its worker ends in quarantine",
        "router/owner.py",
        "DEATHS = 3",
        "DEATHS = 30",
        "tests/kill/test_poison.py::test_an_entry_that_kills",
        "journal_todo",
    ),
}


def _mutate(tree: Path, mutant: Mutant) -> None:
    path = tree / mutant.path
    text = path.read_text()
    if not mutant.before:
        path.write_text(text + mutant.after)
        return
    if text.count(mutant.before) != 1:
        raise SystemExit(f"{mutant.path} holds {text.count(mutant.before)} of {mutant.before!r}, expected one")
    path.write_text(text.replace(mutant.before, mutant.after))


def is_killed(mutant: Mutant) -> bool:
    """Whether the test fails on the broken tree for the right reason, not because it can't even start."""
    with tempfile.TemporaryDirectory(prefix="hub-mutant-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=LEFT_OUT)
        _mutate(tree, mutant)
        kills = tree / "tests/kill/test_kills.py"
        kills.write_text(kills.read_text().replace("PAYLOADS = 5_000", f"PAYLOADS = {PAYLOADS}"))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", mutant.test, "-q", "-x", "--tb=short"],
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
        )
    said = [line for line in done.stdout.splitlines() if line.startswith(("E  ", "    | Assert", "FAILED", "ERROR"))]
    print(*said[-8:], sep="\n")
    return done.returncode == 1 and mutant.sees in done.stdout


def main(names: list[str]) -> int:
    alive = []
    for name in names or MUTANTS:
        mutant = MUTANTS[name]
        print(f"== {name}: {mutant.promise}", flush=True)
        if is_killed(mutant):
            print("killed")
        else:
            print("LIVES")
            alive.append(name)
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
