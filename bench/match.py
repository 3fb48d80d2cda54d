"""match_growth: finding whose 400 messages are, among 1,000,000 addresses against 10,000."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

from bench.figures import Figure, Plan, median, spread
from bench.harness import past_id
from bench.warehouse import warehouse, without_indexes
from connectors import registry
from connectors.base import Payload
from connectors.items import Address, Identity, Item
from router.channels import Channel
from router.matching import match
from router.names import sort_name
from router.work import Entry, Result, Work
from storage.db import RawConnection

SOURCES = ("match.py", "warehouse.py")
BATCH = 400
NEW = 0.10
ROUNDS, WARM = 100, 250
"""Batches of random clients until the engine holds what it can hold, then those that count."""


async def fill(connection: RawConnection, _url: str, size: int) -> None:
    """Contacts with a Telegram id and a phone each."""
    numbers = range(size // 2)
    async with without_indexes(connection, "contact", "identity"):
        await connection.copy_records_to_table(
            "contact",
            records=((past_id(n), past_id(n), f"Клиент {n}", sort_name(f"Клиент {n}")) for n in numbers),
            columns=("id", "card_id", "name", "sort_name"),
            timeout=1200,
        )
        kinds = (("telegram", 0, str), ("phone", size, _phone))
        await connection.copy_records_to_table(
            "identity",
            records=((past_id(n + at), kind, value(n), past_id(n)) for kind, at, value in kinds for n in numbers),
            columns=("id", "kind", "value", "contact_id"),
            timeout=1200,
        )
    await connection.execute("VACUUM (ANALYZE) contact, identity", timeout=1200)


def _phone(number: int) -> str:
    return f"+7{9_000_000_000 + number}"


async def run(plan: Plan) -> list[Figure]:
    """Batches that differ, in both sizes in turn, each rolled back."""
    sizes = plan.identities
    rng = random.Random(5)
    took: dict[int, list[float]] = {size: [] for size in sizes}
    async with warehouse("match", sizes, fill, SOURCES) as house:
        connections = {size: await house.connect(size) for size in sizes}
        warm, rounds = (WARM // 10, ROUNDS // 4) if plan.quick else (WARM, ROUNDS)
        for number in range(warm + rounds):
            for size, connection in connections.items():
                spent = await _once(connection, _works(rng, size), rng)
                if number >= warm:
                    took[size].append(spent)
        for connection in connections.values():
            await connection.close()
    many, few = sizes
    beside = [f"batch of {BATCH} addresses, {NEW:.0%} of them new; ms a batch:"]
    beside += [f"  {size:9,}  {spread(took[size])}" for size in sizes]
    return [Figure("match_growth", median(took[many]) / median(took[few]), 1.5, beside=beside)]


async def _once(connection: RawConnection, works: list[Work], rng: random.Random) -> float:
    ids = iter([_id(rng) for _ in range(4 * BATCH)])
    transaction = connection.transaction()
    await transaction.start()
    began = time.perf_counter()
    await match(connection, works, ids)
    spent = 1000 * (time.perf_counter() - began)
    await transaction.rollback()
    await connection.execute(TIDY)  # as a worker does beside, every second
    return spent


TIDY = "SELECT gin_clean_pending_list('contact_name_trgm_idx'), gin_clean_pending_list('identity_value_trgm_idx')"


def _id(rng: random.Random) -> UUID:
    """As the database makes them: behind all there are."""
    return UUID(int=int(time.time() * 1000) << 80 | 7 << 76 | 2 << 62 | rng.getrandbits(60))


def _works(rng: random.Random, size: int) -> list[Work]:
    """A batch of messages, each from a client of its own: 400 addresses, ids and phones in turn."""
    connector = registry.get("telegram")
    channel = Channel(past_id(1), "Bot", "token", "active", None, 1, connector, connector.settings())
    return [_work(channel, n, entry_id) for entry_id, n in enumerate(_clients(rng, size), 1)]


def _clients(rng: random.Random, size: int) -> Iterator[int]:
    for _ in range(BATCH):
        new = rng.random() < NEW
        yield rng.randrange(10_000_000, 90_000_000) if new else rng.randrange(size // 2)


def _work(channel: Channel, client: int, entry_id: int) -> Work:
    kind, value = ("phone", _phone(client)) if entry_id % 2 else ("telegram", str(client))
    item = Item(
        kind="message",
        direction="in",
        sender=Address(kind, value, name=f"Клиент {client}"),
        identities=[Identity(kind, value)],
        thread_key=str(client),
        text="добрый день",
    )
    entry = Entry(entry_id, 0, 0, 0, False, channel, datetime.now(UTC), False, Payload())
    return Work(entry, channel, item, Result(entry_id), uuid4())
