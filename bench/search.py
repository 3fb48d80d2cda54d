"""search_p95_ms: searching the stream's 5,000,000 texts for one word or two, by the API's own function."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence

from bench import stream
from bench.figures import Figure, Plan, quantile, spread
from bench.language import vocabulary
from bench.warehouse import warehouse
from storage.db import Pool, make_pool
from storage.interactions import InteractionFilter
from storage.search import search_interactions

PAGE = 50
RANKS = {"frequent": (0, 80), "medium": (80, 3000), "rare": (3000, 40_000), "phrase": (20, 26)}
"""Places in the vocabulary. Of 1,000 texts a frequent word is in 13 to 300, a medium one in 0.4 to 13."""
QUERIES: Mapping[tuple[str, ...], int] = {
    ("frequent",): 34,
    ("medium",): 40,
    ("rare",): 40,
    ("frequent", "frequent"): 20,
    ("frequent", "medium"): 20,
    ("frequent", "rare"): 20,
    ("medium", "medium"): 10,
    ("rare", "rare"): 10,
    ("phrase",): 6,
}


async def run(plan: Plan) -> list[Figure]:
    """200 queries, each once on an engine that was just restarted; then again, for comparison."""
    sizes = plan.interactions
    queries = _queries()
    async with warehouse("stream", sizes, stream.fill, stream.SOURCES) as house:
        await house.restart()
        pool = await make_pool(house.url(sizes[0]), application="bench", size=1)
        await _search(pool, ["нетакогослова"])
        first = {kind: await _search(pool, texts) for kind, texts in queries.items()}
        again = [took for texts in queries.values() for took in await _search(pool, texts)]
        await pool.close()
    every = [took for kind in first.values() for took in kind]
    beside = [f"{len(every)} queries over {sizes[0]:,} texts, page of {PAGE}; each for the first time; ms:"]
    beside += [f"  {' + '.join(kind):20} {spread(took)}" for kind, took in first.items()]
    beside += [f"  {'all':20} {spread(every)}", f"  {'all, again':20} {spread(again)}"]
    return [Figure("search_p95_ms", quantile(every, 0.95), 300, beside=beside)]


def _queries() -> dict[tuple[str, ...], list[str]]:
    rng = random.Random(3)
    words = vocabulary()
    return {
        kinds: [" ".join(words[rng.randrange(*RANKS[kind])] for kind in kinds) for _ in range(count)]
        for kinds, count in QUERIES.items()
    }


async def _search(pool: Pool, texts: Sequence[str]) -> list[float]:
    took = []
    for text in texts:
        began = time.perf_counter()
        await search_interactions(pool, None, text, InteractionFilter(), before=None, limit=PAGE + 1)
        took.append(1000 * (time.perf_counter() - began))
    return took
