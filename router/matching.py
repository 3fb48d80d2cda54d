"""Whose message is it? Addresses of a batch against the cards there are, in one query; new cards for the rest.

An item hangs on the card of its strongest known address. Addresses not known yet join that card. Where they point to
different cards nothing is moved: a merge is suggested.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from connectors.base import IDENTITY_KINDS
from connectors.items import Address, Identity, Item
from router.channels import Channel
from router.names import sort_name
from router.work import Card, Key, Known, Work
from storage.db import Connection
from storage.queries import load

SQL = load("stream")
MAX_VALUE = 320
PROVEN = 1.0
ALONGSIDE = 0.9


@dataclass(slots=True)
class NewIdentity:
    key: Key
    known: Known
    ext: str = ""
    name: str = ""
    confidence: float = PROVEN


@dataclass(slots=True)
class Plan:
    """What a batch is about to add."""

    identities: list[NewIdentity] = field(default_factory=list)
    contacts: dict[UUID, tuple[Card, str]] = field(default_factory=dict)
    suggestions: dict[tuple[UUID, UUID], str] = field(default_factory=dict)


def client_of(item: Item) -> Address | None:
    """The client's end of an item: who wrote in, or whom we wrote to."""
    if item.direction == "out":
        return item.recipients[0] if item.recipients else None
    return item.sender


def keys_of(item: Item, channel: Channel) -> list[tuple[Key, str]]:
    """(address, extension) of the client, strongest first; unknown kinds are left out. Never empty: a client who
    withholds everything is the channel's anonymous one.
    """
    found: dict[Key, tuple[int, str]] = {}
    client = client_of(item)
    if client is not None:
        _add(found, Identity(client.kind, client.value, client.scope), channel, bonus=1)
    for identity in item.identities:
        _add(found, identity, channel, bonus=0)
    if not any(strength > 0 for strength, _ in found.values()):
        _add(found, Identity("external", item.thread_key or "anonymous"), channel, bonus=0)
    ranked = sorted(found.items(), key=lambda entry: -entry[1][0])
    return [(key, ext) for key, (_, ext) in ranked]


def _add(found: dict[Key, tuple[int, str]], identity: Identity, channel: Channel, *, bonus: int) -> None:
    known = IDENTITY_KINDS.get(identity.kind)
    value = identity.value.replace("\x00", "").strip()[:MAX_VALUE]
    if known is None or not value:
        return
    key = Key(identity.kind, (identity.scope or str(channel.id)) if known.scoped else "", value)
    strength = known.strength * 2 + bonus if known.strength else 0
    if key not in found or found[key][0] < strength:
        found[key] = (strength, identity.ext)


async def match(connection: Connection, works: Sequence[Work], ids: Iterator[UUID]) -> dict[UUID, Card]:
    """Sets `known` of every work, writing what is new. Returns the cards made, by id."""
    if not works:
        return {}
    keys = [keys_of(work.item, work.channel) for work in works]
    known = await find(connection, {key for ranked in keys for key, _ in ranked})
    plan = resolve(works, keys, known, ids)
    await _write(connection, plan, known)
    for work, ranked in zip(works, keys, strict=True):
        work.known = next(known[key] for key, _ in ranked)
    return {contact_id: card for contact_id, (card, _) in plan.contacts.items()}


async def find(connection: Connection, keys: Iterable[Key]) -> dict[Key, Known]:
    """Those of the addresses that are known."""
    wanted = sorted(keys)
    cards: dict[UUID, Card] = {}
    found: dict[Key, Known] = {}
    rows = await connection.fetch(
        SQL.match_identities, [k.kind for k in wanted], [k.scope for k in wanted], [k.value for k in wanted]
    )
    for row in rows:
        card_id = row["card_id"] or row["contact_id"]
        card = cards.get(card_id)
        if card is None:
            card = cards[card_id] = Card(
                card_id,
                row["name"] or "",
                row["owner_id"],
                row["tags"] or [],
                bool(row["vip"]),
                row["language"] or "",
                row["source"] or {},
            )
        key = Key(row["kind"], row["scope"], row["value"])
        found[key] = Known(row["identity_id"], row["contact_id"], card)
    return found


def resolve(
    works: Sequence[Work], keys: Sequence[Sequence[tuple[Key, str]]], known: dict[Key, Known], ids: Iterator[UUID]
) -> Plan:
    """Decides for each work in turn; what one adds the next ones know. `known` grows."""
    plan = Plan()
    for work, ranked in zip(works, keys, strict=True):
        strong = [key for key, _ in ranked if IDENTITY_KINDS[key.kind].strength]
        found = [known[key] for key in strong if key in known]
        if found:
            owner = found[0]
            for other in found[1:]:
                if other.card.id != owner.card.id:
                    pair = (min(owner.card.id, other.card.id), max(owner.card.id, other.card.id))
                    plan.suggestions.setdefault(pair, f"one {work.item.kind} carries addresses of both")
        else:
            owner = _new_card(work, plan, next(ids))
        client = client_of(work.item)
        for key, ext in ranked:
            if key in known:
                continue
            known[key] = Known(next(ids), owner.contact_id, owner.card)
            is_client = client is not None and key.value == client.value
            name = client.name if client is not None and is_client else ""
            plan.identities.append(
                NewIdentity(key, known[key], ext, name.replace("\x00", "")[:200], PROVEN if is_client else ALONGSIDE)
            )
    return plan


def _new_card(work: Work, plan: Plan, contact_id: UUID) -> Known:
    client = client_of(work.item)
    name = (client.name if client is not None else "").replace("\x00", "").strip()[:200]
    language = str(work.item.meta.get("language") or "")[:8]
    source = work.item.meta.get("source")
    card = Card(contact_id, name, language=language, source=source if isinstance(source, dict) else {})
    plan.contacts[contact_id] = (card, work.channel.connector.name)
    return Known(contact_id, contact_id, card)


async def _write(connection: Connection, plan: Plan, known: dict[Key, Known]) -> None:
    if plan.identities:
        lost = await _insert_identities(connection, plan.identities)
        if lost:
            await _settle_lost(connection, plan, known, lost)
    if plan.contacts:
        cards = [card for card, _ in plan.contacts.values()]
        await connection.execute(
            SQL.insert_contacts,
            [card.id for card in cards],
            [card.name for card in cards],
            [sort_name(card.name) for card in cards],
            [card.language for card in cards],
            [{"channel": connector, **card.source} for card, connector in plan.contacts.values()],
            ["person"] * len(cards),
        )
    if plan.suggestions:
        await connection.execute(
            SQL.suggest_merges,
            [first for first, _ in plan.suggestions],
            [second for _, second in plan.suggestions],
            list(plan.suggestions.values()),
            [1.0] * len(plan.suggestions),
        )


async def _insert_identities(connection: Connection, new: list[NewIdentity]) -> list[NewIdentity]:
    """Returns those that another lane was quicker with."""
    rows = await connection.fetch(
        SQL.insert_identities,
        [n.known.identity_id for n in new],
        [n.key.kind for n in new],
        [n.key.scope for n in new],
        [n.key.value for n in new],
        [n.ext for n in new],
        [n.name for n in new],
        [n.known.contact_id for n in new],
        ["message"] * len(new),
        [n.confidence for n in new],
    )
    if len(rows) == len(new):
        return []
    won = {(row["kind"], row["scope"], row["value"]) for row in rows}
    return [n for n in new if n.key not in won]


async def _settle_lost(connection: Connection, plan: Plan, known: dict[Key, Known], lost: list[NewIdentity]) -> None:
    """Somebody else made these addresses a moment ago. A card that only this batch would have made gives way to the
    strongest of theirs, addresses already written follow it; no card is left without an address.
    """
    theirs = await find(connection, [n.key for n in lost])
    moved: dict[UUID, Known] = {}
    for identity in sorted(lost, key=lambda n: -IDENTITY_KINDS[n.key.kind].strength):
        winner, mine = theirs[identity.key], identity.known.contact_id
        if mine in plan.contacts:
            moved[mine] = winner
            del plan.contacts[mine]
        elif winner.card.id != (ours := moved.get(mine, identity.known)).card.id:
            pair = (min(ours.card.id, winner.card.id), max(ours.card.id, winner.card.id))
            plan.suggestions.setdefault(pair, "an address was linked to another card at the same moment")
        known[identity.key] = winner
    if moved:
        await connection.execute(SQL.repoint_identities, list(moved), [winner.contact_id for winner in moved.values()])
        for key, entry in known.items():
            if entry.contact_id in moved:
                winner = moved[entry.contact_id]
                known[key] = Known(entry.identity_id, winner.contact_id, winner.card)
        plan.suggestions = {pair: reason for pair, reason in plan.suggestions.items() if not (moved.keys() & set(pair))}
