"""The stream as it looks after two years: interactions of many contacts over 24 monthly partitions, by COPY."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

from bench.harness import past_id
from bench.language import Language
from bench.warehouse import indexes_of, without_indexes
from router.names import sort_name
from storage.db import RawConnection, connect
from storage.partitions import month_start, months_from

SOURCES = ("stream.py", "language.py", "warehouse.py")
MONTHS = 24
EACH = 50
"""Interactions of a contact, on average."""
HEAVY_SHARE, HEAVY_ITEMS = 0.01, 0.20
"""The heaviest 1 % of contacts have a fifth of all interactions."""
LONGEST_CARD = 5_000
CHUNK = 5_000
WORKERS = 2
COLUMNS = (
    *("id", "order_at", "seq", "journal_id", "kind", "direction", "channel_id", "conversation_id", "contact_id"),
    *("identity_id", "external_id", "received_at", "text", "body"),
)


def contact_id(number: int) -> UUID:
    """Number 0 is the one with 5,000 items, then come the heaviest."""
    return past_id(number + 1)


def contacts_of(interactions: int) -> tuple[int, int]:
    """(how many contacts, how many of them are the heaviest)."""
    count = interactions // EACH
    return count, max(1, int(count * HEAVY_SHARE))


CHANNELS = [past_id(n, 1_500_000_000_000) for n in range(1, 6)]


async def fill(connection: RawConnection, url: str, size: int) -> None:
    """Contacts with an address and a conversation each; then the partitions, two at a time."""
    for number, channel_id in enumerate(CHANNELS):
        await connection.execute(
            "INSERT INTO channel (id, connector, name, token, settings) VALUES ($1, 'telegram', $2, $2, '')",
            channel_id,
            f"Bot {number}",
        )
    await _people(connection, contacts_of(size)[0])
    now = datetime.now(UTC)
    first = month_start(now.year, now.month - MONTHS + 1)
    months = iter(list(months_from(first, MONTHS)))
    await connection.execute("DROP TABLE " + f"interaction_p{now:%Y%m}")

    async def work() -> None:
        own = await connect(url, application="bench", settings={})
        for suffix, low, high in months:
            await _partition(own, f"interaction_p{suffix}", (low, high), size)
        await own.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(WORKERS):
            tasks.create_task(work(), name="partitions")
    await connection.execute("ANALYZE", timeout=1200)


async def _people(connection: RawConnection, count: int) -> None:
    numbers = range(count)
    async with without_indexes(connection, "contact", "identity", "conversation"):
        await connection.copy_records_to_table(
            "contact",
            records=((contact_id(n), contact_id(n), f"Клиент {n}", sort_name(f"Клиент {n}")) for n in numbers),
            columns=("id", "card_id", "name", "sort_name"),
            timeout=1200,
        )
        await connection.copy_records_to_table(
            "identity",
            records=((contact_id(n), "telegram", str(n), contact_id(n)) for n in numbers),
            columns=("id", "kind", "value", "contact_id"),
            timeout=1200,
        )
        await connection.copy_records_to_table(
            "conversation",
            records=((contact_id(n), CHANNELS[n % 5], str(n), contact_id(n), contact_id(n)) for n in numbers),
            columns=("id", "channel_id", "thread_key", "contact_id", "identity_id"),
            timeout=1200,
        )


async def _partition(connection: RawConnection, name: str, bounds: tuple[UUID, UUID], size: int) -> None:
    """Filled and indexed on its own, then attached: its indexes are those of the parent and are taken over."""
    low, high = bounds
    last = min(high.int >> 80, int(datetime.now(UTC).timestamp() * 1000))
    rows = _rows(size, (low.int >> 80, last), seed=name)
    async with connection.transaction():
        await connection.execute(
            f"CREATE TABLE {name} (LIKE interaction INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE)"
        )
        await connection.copy_to_table(name, source=rows, columns=COLUMNS, freeze=True, timeout=1200)
    await connection.execute(f"ALTER TABLE {name} ADD PRIMARY KEY (id)", timeout=1200)
    for index, definition in (await indexes_of(connection, "interaction")).items():
        own = definition.replace(f"{index} ON ONLY public.interaction ", f"ON public.{name} ")
        await connection.execute(own, timeout=1200)
    await connection.execute(f"ALTER TABLE {name} ADD CHECK (id >= '{low}' AND id < '{high}')", timeout=1200)
    await connection.execute(
        f"ALTER TABLE interaction ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}')", timeout=1200
    )


async def _rows(size: int, span_ms: tuple[int, int], *, seed: str) -> AsyncIterator[bytes]:
    """COPY's text format, a partition's share of `size` rows."""
    rng = random.Random(seed)
    language = Language(rng.randrange(1 << 30))
    contacts, heavy = contacts_of(size)
    left = size // MONTHS
    start, end = span_ms
    step = (end - start) / left
    numbers = itertools.count()
    while left > 0:
        count = min(left, CHUNK)
        left -= count
        who = _who(rng, count, (contacts, heavy), min(0.5, LONGEST_CARD / size))
        yield "".join(
            _row(start + int(next(numbers) * step), rng, number, text)
            for number, text in zip(who, language.texts(count), strict=True)
        ).encode()
        await asyncio.sleep(0)


def _who(rng: random.Random, count: int, groups: tuple[int, int], longest: float) -> Sequence[int]:
    contacts, heavy = groups

    def one() -> int:
        draw = rng.random()
        if draw < longest:
            return 0
        return rng.randrange(heavy) if draw < longest + HEAVY_ITEMS else rng.randrange(contacts)

    return [one() for _ in range(count)]


def _row(ms: int, rng: random.Random, number: int, text: str) -> str:
    bits = rng.getrandbits(74)
    row_id = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{bits >> 62:03x}-{0x8000 | bits & 0x3FFF:04x}-{bits >> 14 & 0xFFFFFFFFFFFF:012x}"
    at = datetime.fromtimestamp(ms / 1000, UTC).isoformat()
    who = contact_id(number)
    outgoing = bits & 3 == 0
    name = f'"name":"Клиент {number}","value":"{number}","kind":"telegram"'
    body = (
        '{"meta":{"content_type":"text"}}' if outgoing else f'{{"meta":{{"content_type":"text"}},"sender":{{{name}}}}}'
    )
    words = (row_id, at, str(ms), str(ms), "message", "out" if outgoing else "in", str(CHANNELS[number % 5]))
    return "\t".join((*words, f"{who}\t{who}\t{who}", f"{number}:{ms}", at, text, body)) + "\n"


def sample(size: int, count: int, seed: int = 1) -> Iterator[UUID]:
    """Random contacts; among them one in a hundred of the heaviest, and the one with 5,000 items."""
    rng = random.Random(seed)
    contacts, heavy = contacts_of(size)
    chosen = [0, *(rng.randrange(heavy) for _ in range(max(1, count // 100)))]
    chosen += [rng.randrange(contacts) for _ in range(count - len(chosen))]
    rng.shuffle(chosen)
    return map(contact_id, chosen)
