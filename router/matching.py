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
from router.understand import to_document
from router.work import Card, Key, Known, Work
from storage.db import Connection
from storage.queries import load

SQL = load("stream")
MAX_VALUE = 320
PROVEN = 1.0
ALONGSIDE = 0.9
HINT = 0.5


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
    suggestions: dict[tuple[UUID, UUID], tuple[float, str]] = field(default_factory=dict)

    def suggest(self, one: UUID, other: UUID, reason: str, score: float = PROVEN) -> None:
        """Of several reasons for one pair the first stays."""
        if one != other:
            self.suggestions.setdefault((min(one, other), max(one, other)), (score, reason))


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
        # A call's thread is the call: whoever withholds his number is one and the same anonymous caller.
        nobody = "anonymous" if item.kind == "call" else item.thread_key or "anonymous"
        _add(found, Identity("external", nobody), channel, bonus=0)
    ranked = sorted(found.items(), key=lambda entry: -entry[1][0])
    return [(key, ext) for key, (_, ext) in ranked]


def _add(found: dict[Key, tuple[int, str]], identity: Identity, channel: Channel, *, bonus: int) -> None:
    """An address named twice counts with its greater strength; the extension stands in one of the two places only."""
    known = IDENTITY_KINDS.get(identity.kind)
    key = _key(identity, channel)
    if known is None or key is None:
        return
    strength = known.strength * 2 + bonus if known.strength else 0
    before, ext = found.get(key, (strength, ""))
    found[key] = (max(before, strength), ext or _plain(identity.ext)[:20])


def _key(identity: Address | Identity, channel: Channel) -> Key | None:
    """As identities are unique by; None for a kind we don't know, or no value."""
    known = IDENTITY_KINDS.get(identity.kind)
    value = _plain(identity.value)[:MAX_VALUE]
    if known is None or not value:
        return None
    return Key(identity.kind, (_plain(identity.scope)[:MAX_VALUE] or str(channel.id)) if known.scoped else "", value)


def _plain(text: str) -> str:
    """Without what PostgreSQL can't hold."""
    return text.replace("\x00", "").strip()


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
                plan.suggest(owner.card.id, other.card.id, f"one {work.item.kind} carries addresses of both")
        else:
            owner = _new_card(work, plan, next(ids))
        for key, _ in ranked:
            if key in known and _is_hint(key, strong):
                plan.suggest(owner.card.id, known[key].card.id, "both go by one username", HINT)
        client = client_of(work.item)
        for key, ext in ranked:
            if key in known:
                continue
            known[key] = Known(next(ids), owner.contact_id, owner.card)
            is_client = client is not None and key == _key(client, work.channel)
            name = _plain(client.name)[:200] if client is not None and is_client else ""
            plan.identities.append(NewIdentity(key, known[key], ext, name, PROVEN if is_client else ALONGSIDE))
    return plan


def _is_hint(key: Key, strong: Sequence[Key]) -> bool:
    """A username attaches nothing. It hints at a double unless the messenger's own id came along: then the name only
    passed from one account to another.
    """
    return not IDENTITY_KINDS[key.kind].strength and all(k.kind != key.kind.removesuffix("_username") for k in strong)


def _new_card(work: Work, plan: Plan, contact_id: UUID) -> Known:
    client = client_of(work.item)
    name = _plain(client.name if client is not None else "")[:200]
    language = _plain(str(work.item.meta.get("language") or ""))[:8]
    source = to_document(work.item.meta.get("source"))
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
            [reason for _, reason in plan.suggestions.values()],
            [score for score, _ in plan.suggestions.values()],
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
    strongest of theirs, addresses already written follow it; no card is left without an address. A weak one moves nothing.
    """
    theirs = await find(connection, [n.key for n in lost])
    moved: dict[UUID, Known] = {}
    for identity in sorted(lost, key=lambda n: -IDENTITY_KINDS[n.key.kind].strength):
        winner, mine = theirs[identity.key], identity.known.contact_id
        known[identity.key] = winner
        if not IDENTITY_KINDS[identity.key.kind].strength:
            continue
        if mine in plan.contacts:
            moved[mine] = winner
            del plan.contacts[mine]
        else:
            ours = moved.get(mine, identity.known)
            plan.suggest(ours.card.id, winner.card.id, "an address was linked to another card at the same moment")
    if moved:
        await connection.execute(SQL.repoint_identities, list(moved), [winner.contact_id for winner in moved.values()])
        for key, entry in known.items():
            if entry.contact_id in moved:
                winner = moved[entry.contact_id]
                known[key] = Known(entry.identity_id, winner.contact_id, winner.card)
        suggested, plan.suggestions = plan.suggestions, {}
        for pair, (score, reason) in suggested.items():
            one, other = (moved[card_id].card.id if card_id in moved else card_id for card_id in pair)
            plan.suggest(one, other, reason, score)
