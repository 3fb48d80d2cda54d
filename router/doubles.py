"""Cards that may be one person: found by their names, in either alphabet, and suggested to people, who decide.

For a cron job over new cards. One given name alone says nothing, nor does a name that many bear. Equal phones need no
search: an address belongs to one contact (identity's unique key), its extension apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from router.likeness import Name, likeness, spellings, to_name
from storage.db import Connection
from storage.partitions import uuid7_floor
from storage.queries import load

SQL = load("doubles")
THRESHOLD = "0.45"
"""Trigram similarity a spelling must have to be looked at; what is like enough is decided word by word."""
NEAREST = 20
COLLEAGUES = 200
COMMON = 4
"""A name that more other cards (or colleagues) bear is common: no two of them are suggested for it."""
ENOUGH = 0.7
COMPANY_BONUS = 0.05
ONE_WORD = 0.7
TOGETHER = "at the same company"


@dataclass(frozen=True, slots=True)
class _Card:
    """A contact as it is compared. `id`: the card it shows on."""

    id: UUID
    name: Name
    kind: str
    company_id: UUID | None


async def new_cards(connection: Connection, after: UUID, limit: int) -> list[UUID]:
    """Named cards younger than `after`, oldest first: a job that keeps the last id as its cursor misses none."""
    return [row["id"] for row in await connection.fetch(SQL.new_cards, after, limit)]


async def suggest_doubles(
    connection: Connection,
    contact_ids: Sequence[UUID] | None = None,
    *,
    since: datetime | None = None,
    limit: int = 200,
) -> int:
    """Compares these contacts (or the oldest `limit` cards made since then) with all others; returns how many pairs are
    suggested anew. In a transaction of its own or in the caller's.
    """
    async with connection.transaction():
        if contact_ids is None:
            contact_ids = await new_cards(connection, uuid7_floor(since) if since else UUID(int=0), limit)
        rows = await connection.fetch(SQL.names, list(contact_ids)[:limit])
        asked = {row["id"]: _to_card(row) for row in rows}
        found = await _alike(connection, rows) + await _colleagues(connection, rows)
        return await _suggest(connection, _pairs(asked, found))


def _to_card(row: asyncpg.Record) -> _Card:
    name = to_name(row["name"], company=row["kind"] == "company")
    return _Card(row["card_id"], name, row["kind"], row["company_id"])


async def _alike(connection: Connection, rows: Iterable[asyncpg.Record]) -> list[asyncpg.Record]:
    asked = [
        (row["id"], row["card_id"], row["kind"], spelling)
        for row in rows
        for spelling in spellings(row["name"], company=row["kind"] == "company")
    ]
    if not asked:
        return []
    await connection.execute("SELECT set_config('pg_trgm.similarity_threshold', $1, true)", THRESHOLD)
    return await connection.fetch(SQL.alike, *(list(column) for column in zip(*asked, strict=True)), NEAREST)


async def _colleagues(connection: Connection, rows: Iterable[asyncpg.Record]) -> list[asyncpg.Record]:
    asked = [(row["id"], row["card_id"], row["company_id"]) for row in rows if row["company_id"] is not None]
    if not asked:
        return []
    return await connection.fetch(SQL.colleagues, *(list(column) for column in zip(*asked, strict=True)), COLLEAGUES)


def _pairs(asked: dict[UUID, _Card], found: Iterable[asyncpg.Record]) -> dict[tuple[UUID, UUID], tuple[float, str]]:
    """Pairs of cards with the best score and its reason."""
    alike: defaultdict[UUID, dict[UUID, tuple[float, str]]] = defaultdict(dict)
    for row in found:
        other = _to_card(row)
        score, reason = judge(asked[row["asked"]], other)
        if score >= ENOUGH:
            mine = alike[row["asked"]]
            mine[other.id] = max(mine.get(other.id, (0.0, "")), (score, reason))
    pairs: dict[tuple[UUID, UUID], tuple[float, str]] = {}
    for contact_id, others in alike.items():
        card_id = asked[contact_id].id
        colleagues = {other_id for other_id, (_, reason) in others.items() if TOGETHER in reason}
        for other_id, verdict in others.items():
            bearers = colleagues if other_id in colleagues else others.keys() - colleagues
            if len(bearers) > COMMON:
                continue
            pair = (min(card_id, other_id), max(card_id, other_id))
            pairs[pair] = max(pairs.get(pair, (0.0, "")), verdict)
    return pairs


def judge(one: _Card, two: _Card) -> tuple[float, str]:
    """(score from 0 to 1, why). The reason names no name: it outlives an erasure."""
    score, words = likeness(one.name, two.name)
    company = one.kind == "company"
    together = one.company_id is not None and one.company_id == two.company_id
    if not score or one.kind != two.kind or (words < 2 and not (company or together)):
        return 0.0, ""
    if company and sum(map(len, one.name.words)) < 4:
        return 0.0, ""
    parts = ["the same name" if score >= 0.9 else "nearly the same name"]
    if one.name.cyrillic != two.name.cyrillic:
        parts.append("in the other alphabet")
    if together:
        score = min(score + COMPANY_BONUS, 1.0) if words > 1 else min(score, ONE_WORD)
        parts.append(TOGETHER)
    return round(score, 3), " ".join(parts)


async def _suggest(connection: Connection, pairs: dict[tuple[UUID, UUID], tuple[float, str]]) -> int:
    if not pairs:
        return 0
    rows = await connection.fetch(
        SQL.suggest,
        [first for first, _ in pairs],
        [second for _, second in pairs],
        [reason for _, reason in pairs.values()],
        [score for score, _ in pairs.values()],
    )
    return len(rows)
