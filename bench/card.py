"""card_growth: a card's last 50 interactions, in a stream of 5,000,000 against one of 50,000, cold and warm."""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import UUID

from bench import stream
from bench.figures import Figure, Plan, median, quantile, spread
from bench.warehouse import warehouse
from storage.db import Pool, make_pool
from storage.interactions import InteractionFilter, list_interactions

PAGE = 50
CARDS, QUICK_CARDS = 500, 200


async def run(plan: Plan) -> list[Figure]:
    """The API's own function for each of 500 contacts; each size cold (its engine just restarted), then warm."""
    sizes, count = plan.interactions, QUICK_CARDS if plan.quick else CARDS
    found: dict[str, dict[int, list[float]]] = {"cold": {}, "warm": {}}
    async with warehouse("stream", sizes, stream.fill, stream.SOURCES) as house:
        for size in sizes:
            cards = list(stream.sample(size, count))
            await house.restart()
            pool = await make_pool(house.url(size), application="bench", size=1)
            await _read(pool, [stream.contact_id(1)])  # a connection's first statement loads the catalogue
            for state, took in found.items():
                took[size] = await _read(pool, cards)
                if state == "warm":
                    took[size] = [min(pair) for pair in zip(took[size], await _read(pool, cards), strict=True)]
            await pool.close()
    many, few = sizes
    ratios = {state: median(took[many]) / median(took[few]) for state, took in found.items()}
    beside = [f"{count} contacts, {PAGE} items each, {stream.MONTHS} monthly partitions in both; ms:"]
    for state, took in found.items():
        beside += [f"  {state} {size:9,}  {spread(took[size])}" for size in sizes]
        beside.append(
            f"  {state} ratio of medians {ratios[state]:.2f}, of p99s {quantile(took[many], 0.99) / quantile(took[few], 0.99):.2f}"
        )
    return [Figure("card_growth", max(ratios.values()), 2, beside=beside)]


async def _read(pool: Pool, cards: Sequence[UUID]) -> list[float]:
    took = []
    for contact in cards:
        began = time.perf_counter()
        await list_interactions(pool, None, InteractionFilter(contact=contact), after=None, limit=PAGE + 1, down=True)
        took.append(1000 * (time.perf_counter() - began))
    return took
