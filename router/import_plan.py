"""From rows to cards: which row is which client, and the writing of a batch, set-based and in the order that lanes keep
(addresses sorted, then contacts), so that live messages and an import never wait for one another in a circle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from router.import_rows import Options, Row
from router.names import sort_name
from storage.db import Connection
from storage.queries import load

SQL = load("imports")
Address = tuple[str, str, str]


@dataclass
class Plan:
    """`made`, `changed`: card id -> the rows it comes of; `claims`: address -> the card that gets it; `doubles`: two cards
    of one address, and its kind; `action`: of each row's number, make, change or skip.
    """

    made: dict[UUID, list[Row]] = field(default_factory=dict)
    changed: dict[UUID, list[Row]] = field(default_factory=dict)
    claims: dict[Address, UUID] = field(default_factory=dict)
    doubles: list[tuple[UUID, UUID, str]] = field(default_factory=list)
    action: dict[int, tuple[str, UUID | None]] = field(default_factory=dict)


async def make_plan(connection: Connection, rows: Sequence[Row], options: Options) -> Plan:
    """Writes nothing. Rows of one file that have an address in common are one client."""
    addresses = sorted({address for row in rows for address in row.addresses})
    whose = await _holders(connection, addresses)
    new_ids = iter([row["id"] for row in await connection.fetch(SQL.new_ids, len(rows))])
    plan = Plan()
    for row in rows:
        card_id = _match(row, whose, options)
        if card_id is None:
            card_id, action = next(new_ids), "make"
            plan.made[card_id] = [row]
        elif not options.update:
            plan.action[row.number] = ("skip", card_id)
            continue
        else:
            action = "change"
            known = plan.made if card_id in plan.made else plan.changed
            known.setdefault(card_id, []).append(row)
        plan.action[row.number] = (action, None if card_id in plan.made else card_id)
        for address in row.addresses:
            holder = whose.setdefault(address, card_id)
            if holder == card_id:
                plan.claims[address] = card_id
            else:
                plan.doubles.append((card_id, holder, address[0]))
    return plan


async def _holders(connection: Connection, addresses: Sequence[Address]) -> dict[Address, UUID]:
    columns = [[address[n] for address in addresses] for n in range(3)]
    rows = await connection.fetch(SQL.holders, *columns)
    return {(row["kind"], row["scope"], row["value"]): row["card_id"] for row in rows}


def _match(row: Row, whose: Mapping[Address, UUID], options: Options) -> UUID | None:
    for kind in options.match_by:
        for address in row.addresses:
            if address[0] == kind and address in whose:
                return whose[address]
    return None


async def write_plan(connection: Connection, plan: Plan, options: Options, *, file: str) -> None:
    """All of a batch, in the caller's transaction."""
    await _add_addresses(connection, plan)
    rows = [row for rows in (*plan.made.values(), *plan.changed.values()) for row in rows]
    companies = await _companies(connection, {row.company for row in rows if row.company})
    made = [_card(card_id, {}, rows, companies, file) for card_id, rows in plan.made.items()]
    await connection.executemany(SQL.add_contact, made)
    changed = []
    for old in await connection.fetch(SQL.lock_cards, list(plan.changed)):
        card = _card(old["id"], old, plan.changed[old["id"]], companies, file)
        if card != _columns(old):
            changed.append(card)
    await connection.executemany(SQL.change_contact, changed)
    if options.consent is not None:
        given = options.consent
        source = {"file": file, "how": given.how}
        ids = [*plan.made, *plan.changed]
        await connection.execute(SQL.add_consents, ids, given.channel_kind, given.purpose, source)
    if plan.doubles:
        reasons = [f"the same {kind} in an import" for _, _, kind in plan.doubles]
        pairs = ([one for one, _, _ in plan.doubles], [two for _, two, _ in plan.doubles])
        await connection.execute(SQL.suggest, *pairs, reasons)


async def _add_addresses(connection: Connection, plan: Plan) -> None:
    """What a live message has made its own meanwhile stays with its card: the two are doubles then."""
    claims = sorted(plan.claims.items())
    columns = [[address[n] for address, _ in claims] for n in range(3)]
    rows = await connection.fetch(SQL.add_identities, *columns, [card_id for _, card_id in claims])
    lost = dict(claims).keys() - {(row["kind"], row["scope"], row["value"]) for row in rows}
    for address, holder in (await _holders(connection, sorted(lost))).items():
        if holder != plan.claims[address]:
            plan.doubles.append((plan.claims[address], holder, address[0]))


async def _companies(connection: Connection, names: set[str]) -> dict[str, UUID]:
    """Cards of companies by sort name; those that are missing are made."""
    wanted = {sort_name(name): name for name in sorted(names)}
    rows = await connection.fetch(SQL.companies, list(wanted))
    found: dict[str, UUID] = {row["sort_name"]: row["id"] for row in rows}
    missing = [folded for folded in wanted if folded not in found]
    ids = [row["id"] for row in await connection.fetch(SQL.new_ids, len(missing))]
    new = zip(missing, ids, strict=True)
    made: list[tuple[Any, ...]] = [
        (card_id, "company", wanted[folded], folded, None, None, {}, [], False, "", "", None, {"channel": "import"})
        for folded, card_id in new
    ]
    await connection.executemany(SQL.add_contact, made)
    return found | dict(zip(missing, ids, strict=True))


def _card(
    card_id: UUID,
    old: Mapping[str, Any] | asyncpg.Record,
    rows: Sequence[Row],
    companies: Mapping[str, UUID],
    file: str,
) -> tuple[Any, ...]:
    """The card's columns once these rows have had their say: later ones over earlier ones, what they leave open stays."""
    empty: dict[str, Any] = {"kind": "person", "name": "", "vip": False, "timezone": "", "language": "", "custom": {}}
    new: dict[str, Any] = empty | {"tags": [], "source": {}} | dict(old)
    for row in rows:
        new |= row.values
        new["custom"] = new["custom"] | row.custom
        new["tags"] = list(dict.fromkeys([*new["tags"], *row.tags]))
        company = companies.get(sort_name(row.company)) if row.company else None
        if company is not None and company != card_id:
            new["company_id"] = company
        if not new["source"]:
            new["source"] = {"channel": "import", "file": file} | ({"source": row.source} if row.source else {})
    new["id"] = card_id
    return _columns(new)


def _columns(card: Mapping[str, Any] | asyncpg.Record) -> tuple[Any, ...]:
    """As `add_contact` and `change_contact` take them."""
    get = dict(card).get
    return (
        *(card["id"], card["kind"], card["name"], sort_name(card["name"]), get("company_id"), get("owner_id")),
        *(card["custom"], list(card["tags"]), card["vip"], card["timezone"], card["language"], get("birthday")),
        card["source"],
    )
