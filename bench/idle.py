"""idle_rss_mb: memory of everything that `main.py run` starts, when nothing happens."""

from __future__ import annotations

import asyncio

from bench import procs
from bench.figures import Figure, Plan
from bench.harness import running_hub


async def run(plan: Plan) -> list[Figure]:
    async with running_hub() as hub:
        await asyncio.sleep(plan.idle_s)
        engines = {"postgres": procs.tree(hub.postgres.pid() or 0), "valkey": procs.tree(hub.valkey.pid() or 0)}
        own = set(procs.tree(hub.pid)).difference(*engines.values())
        parts = {name: (procs.pss_mb(pids), len(pids)) for name, pids in {"hub": own, **engines}.items()}
    total = sum(size for size, _ in parts.values())
    beside = [f"{name:8} {size:6.1f} MB in {count} processes" for name, (size, count) in parts.items()]
    return [Figure("idle_rss_mb", total, 250, beside=(f"PSS (shared pages once) after {plan.idle_s:g} s", *beside))]
