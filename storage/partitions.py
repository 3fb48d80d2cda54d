# lint-skip: sql - names and bounds of partitions can not be parameters; they are made here or read from the catalog
"""Partitions of the journal, the interactions and the events: made ahead of time, taken out without stopping anybody.

Names: `<table>_p<key>`; the key is the first id in millions for bigint ids, year and month for UUIDv7 ids. What is past
its time, and what must outlive it, is the business of `storage.retention`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from config.errors import Conflict
from storage.db import Connection
from storage.locks import Lock, Role

WIDTH = 20_000_000
"""Ids of one partition of a bigint table."""

AHEAD_MONTHS = 3
BIGINT_TABLES = (("journal", "id"), ("journal_result", "entry_id"), ("event", "id"))
MARK = "past its time, to be dropped by the hub"
"""Comment on a table that we take out: one that somebody else detached is not ours to drop."""

_BOUND = re.compile(r"FROM \('?([0-9a-f-]+)'?\) TO \('?([0-9a-f-]+)'?\)")

_ATTACHED = """
SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound, i.inhdetachpending AS pending
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass($1)
"""
_DETACHED = """
SELECT c.relname AS name, obj_description(c.oid, 'pg_class') IS NOT DISTINCT FROM $2 AS ours FROM pg_class AS c
WHERE c.relnamespace = (SELECT p.relnamespace FROM pg_class AS p WHERE p.oid = to_regclass($1)) AND c.relkind = 'r'
  AND c.relname ~ ('^' || $1 || '_p[0-9]+$') AND NOT EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = c.oid)
ORDER BY c.relname
"""
_HAS_DEFAULT = "SELECT partdefid <> 0 FROM pg_partitioned_table WHERE partrelid = to_regclass($1)"


class Partition(NamedTuple):
    """`low` and `high`: the bounds as numbers, those of UUIDs as their 128 bits; `high` is outside. `pending`: half taken
    out, nobody sees it through its table any more.
    """

    table: str
    name: str
    low: int
    high: int
    pending: bool


def month_start(year: int, month: int) -> datetime:
    """First instant of a month, months counted on past 12 and back past 1."""
    years, month0 = divmod(month - 1, 12)
    return datetime(year + years, month0 + 1, 1, tzinfo=UTC)


def uuid7_floor(at: datetime) -> UUID:
    """The lowest UUIDv7 of that millisecond or later (48 bits of milliseconds lead; version and variant bits follow)."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def months_from(now: datetime, count: int) -> Iterator[tuple[str, UUID, UUID]]:
    """(name suffix, lower bound, upper bound) of this month and the next ones."""
    for offset in range(count):
        start, end = month_start(now.year, now.month + offset), month_start(now.year, now.month + offset + 1)
        yield f"{start:%Y%m}", uuid7_floor(start), uuid7_floor(end)


async def ensure_partitions(connection: Connection, now: datetime, *, width: int = WIDTH) -> list[str]:
    """Makes what will be needed soon; cheap when nothing is missing. Returns the names made."""
    made: list[str] = []
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '2s'")
        await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", Lock.ROLE, Role.PARTITIONS)
        existing = {p.name for p in await partitions_of(connection, "interaction")}
        for suffix, low, high in months_from(now, AHEAD_MONTHS + 1):
            name = f"interaction_p{suffix}"
            if name not in existing:
                await _make(connection, "interaction", "id", name, low=f"'{low}'", high=f"'{high}'")
                made.append(name)
        for table, column in BIGINT_TABLES:
            existing = {p.name for p in await partitions_of(connection, table)}
            at = await position(connection, table)
            for start in (at // width, at // width + 1):
                name = f"{table}_p{start * width // min(width, 1_000_000)}"
                if name not in existing:
                    await _make(connection, table, column, name, low=str(start * width), high=str((start + 1) * width))
                    made.append(name)
    return made


async def partitions_of(connection: Connection, table: str) -> list[Partition]:
    """In order; those with other bounds than the hub's are left out."""
    found = []
    for row in await connection.fetch(_ATTACHED, table):
        if bound := _BOUND.search(row["bound"]):
            low, high = (UUID(text).int if "-" in text else int(text) for text in bound.groups())
            found.append(Partition(table, row["name"], low, high, row["pending"]))
    return sorted(found, key=lambda p: p.low)


async def newest_partition(connection: Connection, table: str, last: int) -> int:
    """Lower bound of the partition that holds the row with the highest id, `last`."""
    return max((p.low for p in await partitions_of(connection, table) if p.low <= last), default=0)


async def detached(connection: Connection, table: str) -> list[str]:
    """Former partitions that we took out and have not dropped yet."""
    return [row["name"] for row in await connection.fetch(_DETACHED, table, MARK) if row["ours"]]


async def leaving(connection: Connection, table: str) -> list[str]:
    """Partitions with rows that can no longer be seen through the table."""
    pending = [p.name for p in await partitions_of(connection, table) if p.pending]
    return pending + await detached(connection, table)


async def stray_partitions(connection: Connection) -> list[str]:
    """What hangs about: taken out but not dropped, by us or by hand. For `doctor`."""
    found: list[str] = []
    for table in ("interaction", *(table for table, _ in BIGINT_TABLES)):
        found += [p.name for p in await partitions_of(connection, table) if p.pending]
        found += [row["name"] for row in await connection.fetch(_DETACHED, table, MARK)]
    return found


async def take_out(connection: Connection, partition: Partition) -> None:
    """Detaches beside the traffic; finishes what was begun earlier. The connection is in no transaction and has a
    `lock_timeout`: raises LockNotAvailableError when somebody's transaction outlasts it, the partition pending then.
    Raises Conflict if somebody made a default partition: PostgreSQL would have to stop everybody.
    """
    if await connection.fetchval(_HAS_DEFAULT, partition.table):
        raise Conflict(f"{partition.table} has a default partition, which the hub does not make: detach it")
    # COMMENT takes no parameters either; MARK has no quotes.
    await connection.execute(f"COMMENT ON TABLE {partition.name} IS '{MARK}'")
    how = "FINALIZE" if partition.pending else "CONCURRENTLY"
    await connection.execute(f"ALTER TABLE {partition.table} DETACH PARTITION {partition.name} {how}")


async def position(connection: Connection, table: str) -> int:
    """The last id given out by the table's sequence; results follow the journal's."""
    sequence = "journal" if table == "journal_result" else table
    value = await connection.fetchval(
        "SELECT pg_sequence_last_value(pg_get_serial_sequence($1, 'id')::regclass)", sequence
    )
    return int(value or 1)


async def _make(connection: Connection, table: str, column: str, name: str, *, low: str, high: str) -> None:
    """CREATE apart, then ATTACH with the bound already checked: the parent is locked for an instant only."""
    for statement in (
        f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE)",
        f"ALTER TABLE {name} ADD CONSTRAINT {name}_bound CHECK ({column} >= {low} AND {column} < {high})",
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({low}) TO ({high})",
        f"ALTER TABLE {name} DROP CONSTRAINT {name}_bound",
    ):
        await connection.execute(statement)
