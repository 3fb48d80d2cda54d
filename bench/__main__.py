"""`python -m bench [figure …] [--quick] [--scale X]`: measures, prints a table, writes bench/results.json."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path

from aiohttp import ClientError

from bench.figures import Figure, Plan, Unmeasurable
from commands.runtime import event_loop, start_logging
from config.errors import HubError
from config.settings import Settings
from storage.db import DATABASE_ERRORS

RESULTS = Path(__file__).with_name("results.json")
MODULES = {
    "idle_rss_mb": "idle",
    "ingest_vs_noop": "ingest",
    "latency_ratio_p99": "latency",
    "latency_bulk_ratio": "latency",
    "match_growth": "match",
    "card_growth": "card",
    "search_p95_ms": "search",
    "pop_p95_ms": "pop",
    "pop_p99_ms": "pop",
    "open_conversation_p95_ms": "page",
    "list_fps": "page",
    "first_load_kb": "page",
    "live_p99_ms": "agents",
    "ws_kb_per_agent": "agents",
}
"""Each figure's module; its `run(plan)` gives one figure or more."""


def main() -> int:
    """0: all that was asked for is measured, whether or not a target is met; 1: something could not be; 2: bad words."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="figure", help=", ".join(MODULES))
    parser.add_argument("--quick", action="store_true", help="few short rounds, small data: does it work at all?")
    parser.add_argument("--scale", type=float, help="of the big data sets; 1 by default, 0.01 with --quick")
    args = parser.parse_args()
    wanted: list[str] = args.figures or list(MODULES)
    if unknown := set(wanted) - set(MODULES):
        parser.error(f"no figure {', '.join(sorted(unknown))}; there are {', '.join(MODULES)}")
    start_logging(Settings(log_level="warning"))
    plan = Plan(quick=args.quick, scale=args.scale or (0.01 if args.quick else 1.0))
    found: list[Figure] = []
    failed: dict[str, str] = {}
    for module in dict.fromkeys(MODULES[name] for name in wanted):
        names = [name for name, home in MODULES.items() if home == module]
        try:
            found += _measured(module, plan)
        except Unmeasurable as error:
            failed |= dict.fromkeys(names, str(error))
        except (*DATABASE_ERRORS, HubError, ClientError, ExceptionGroup) as error:
            traceback.print_exc()
            failed |= dict.fromkeys(names, f"{type(error).__name__}: {error}")
    _write(found, failed)
    _summary(plan, found, failed)
    return 1 if failed else 0


def _measured(module: str, plan: Plan) -> list[Figure]:
    """The module's figures, printed with what stands beside them. Raises Unmeasurable."""
    print(f"== {module}", flush=True)
    began = time.monotonic()
    work = importlib.import_module(f"bench.{module}").run(plan)
    try:
        with asyncio.Runner(loop_factory=event_loop) as runner:
            figures: list[Figure] = runner.run(work)
    except ExceptionGroup as group:  # a task group wraps what ended it
        inner = group.exceptions[0]
        if isinstance(inner, Unmeasurable):
            raise inner from None
        raise
    for figure in figures:
        print("\n".join(figure.lines()), flush=True)
    print(f"    took {time.monotonic() - began:.0f} s", flush=True)
    return figures


def _write(found: Iterable[Figure], failed: Iterable[str]) -> None:
    """Figures not asked for keep what an earlier run found; those that failed have no number."""
    try:
        results = json.loads(RESULTS.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        results = {}
    results |= {figure.name: round(figure.value, 4) for figure in found}
    kept = {name: results[name] for name in MODULES if name in results and name not in set(failed)}
    RESULTS.write_text(json.dumps(kept, indent=2) + "\n")


def _summary(plan: Plan, found: Iterable[Figure], failed: Mapping[str, str]) -> None:
    print(f"\n== summary{', QUICK: not the defined figures' if plan.quick or plan.scale != 1 else ''}")
    for figure in found:
        print(figure.lines()[0])
    for name, why in failed.items():
        print(f"{name:20} not measured: {why.splitlines()[0][:120]}")


if __name__ == "__main__":
    sys.exit(main())
