# lint-skip: sql - names and bounds of partitions can not be parameters; they are made here, not given
"""Partitions of the journal, the interactions and the events: made ahead of time, removed without stopping anybody.

Names: `<table>_p<key>`; the key is the first id in millions for bigint ids, year and month for UUIDv7 ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from storage.db import Connection
from storage.locks import Lock, Role

WIDTH = 20_000_000
"""Ids of one partition of a bigint table."""

AHEAD_MONTHS = 3
BIGINT_TABLES = (("journal", "id"), ("journal_result", "entry_id"), ("event", "id"))


def month_start(year: int, month: int) -> datetime:
    """First instant of a month, months counted on past 12."""
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


async def ensure_partitions(connection: Connection, now: datetime) -> list[str]:
    """Makes what will be needed soon; cheap when nothing is missing. Returns the names made."""
    made: list[str] = []
    async with connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '2s'")
        await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", Lock.ROLE, Role.PARTITIONS)
        existing = set(await _partitions(connection))
        for suffix, low, high in months_from(now, AHEAD_MONTHS + 1):
            name = f"interaction_p{suffix}"
            if name not in existing:
                await _make(connection, "interaction", "id", name, low=f"'{low}'", high=f"'{high}'")
                made.append(name)
        for table, column in BIGINT_TABLES:
            at = await _position(connection, table)
            for start in (at // WIDTH, at // WIDTH + 1):
                name = f"{table}_p{start * WIDTH // 1_000_000}"
                if name not in existing:
                    await _make(connection, table, column, name, low=str(start * WIDTH), high=str((start + 1) * WIDTH))
                    made.append(name)
    return made


async def _partitions(connection: Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent"
        " WHERE p.relname = ANY($1) AND pg_table_is_visible(c.oid)",
        ["interaction", *(table for table, _ in BIGINT_TABLES)],
    )
    return [row["relname"] for row in rows]


async def _position(connection: Connection, table: str) -> int:
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
