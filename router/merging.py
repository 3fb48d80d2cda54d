"""Two cards become one, and two again. Rows never move: a merge is a row, and `card_id` says on which card a contact shows.

Live merges form a forest: each contact was merged into at most one other, and `card_id` is the root it leads to. A merge
joins two roots; an undo, in any order, cuts one edge: the merged card takes with it what was merged into it before.
Fields are then as if that merge had never been, but for what people edited since, which stays.

Whoever changes a tree holds its root locked. `join_cards`, `part_cards` and `relink` write the rows alone, for callers
whose transaction has its own audit and events; `merge_contacts`, `unmerge` and `move_identity` do all of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from config.errors import Conflict, NotFound
from router.card_parts import SOURCE, Gift, Parts, give, take_back, to_columns, to_gift, to_parts
from router.names import sort_name
from storage.audit import note_change
from storage.contacts import contact_audience, get_contact
from storage.db import Connection
from storage.events import NewEvent, append_events, audience
from storage.queries import load

SQL = load("merging")
NOBODY = str(UUID(int=0))


class Merged(NamedTuple):
    """`contact_id`: the card that shows both now."""

    merge_id: UUID
    contact_id: UUID
    merged_id: UUID
    event_id: int


class Unmerged(NamedTuple):
    """`kept`: parts the merge had given that were edited since (`name`, `tag:gold`, `custom:inn` …): they stay as they are."""

    merge_id: UUID
    contact_id: UUID
    merged_id: UUID
    kept: list[str]
    event_id: int


class Moved(NamedTuple):
    """`event_id` 0: the address was there already."""

    from_id: UUID
    to_id: UUID
    event_id: int


@dataclass(slots=True)
class _Merge:
    id: UUID
    survivor_id: UUID
    merged_id: UUID
    gift: Gift
    rewritten: bool = False


@dataclass(slots=True)
class _Tree:
    """Contacts that show on some cards, with the live merges among them."""

    card: dict[UUID, UUID] = field(default_factory=dict)
    parts: dict[UUID, Parts] = field(default_factory=dict)
    into: defaultdict[UUID, list[_Merge]] = field(default_factory=lambda: defaultdict(list))
    above: dict[UUID, _Merge] = field(default_factory=dict)

    def below(self, contact_id: UUID) -> list[UUID]:
        """The contact and all that was merged into it."""
        found = [contact_id]
        for one in found:
            found.extend(merge.merged_id for merge in self.into[one])
        return found


async def merge_contacts(
    connection: Connection, survivor_id: UUID, merged_id: UUID, *, by: UUID | None, now: datetime | None = None
) -> Merged:
    """`join_cards` with audit and event, in a transaction of its own or, as its last act, in the caller's."""
    async with connection.transaction():
        merge = await _join(connection, survivor_id, merged_id, by, now)
        facts = {"merge_id": merge.id, "merged_id": merge.merged_id}
        filled = sorted(merge.gift.given)
        await _note(connection, by, "contact.merged", merge.survivor_id, {**facts, "filled": filled})
        event_id = await _tell(connection, "contact.merged", [merge.survivor_id, merge.merged_id], facts)
    return Merged(merge.id, merge.survivor_id, merge.merged_id, event_id)


async def unmerge(connection: Connection, merge_id: UUID, *, by: UUID | None, now: datetime | None = None) -> Unmerged:
    """`part_cards` with audit and events, in a transaction of its own or, as its last act, in the caller's."""
    async with connection.transaction():
        survivor_id, merged_id, kept = await _part(connection, merge_id, by, now)
        facts = {"merge_id": merge_id, "merged_id": merged_id, "kept": kept}
        await _note(connection, by, "contact.unmerged", survivor_id, facts)
        event_id = await _tell(connection, "contact.unmerged", [survivor_id, merged_id], facts)
    return Unmerged(merge_id, survivor_id, merged_id, kept, event_id)


async def move_identity(connection: Connection, identity_id: UUID, to_contact_id: UUID, *, by: UUID | None) -> Moved:
    """`relink` with audit and event, in a transaction of its own or, as its last act, in the caller's."""
    async with connection.transaction():
        from_id, conversations = await relink(connection, identity_id, to_contact_id)
        if from_id == to_contact_id:
            return Moved(from_id, to_contact_id, 0)
        ends = {"identity_id": identity_id, "from_id": from_id, "to_id": to_contact_id}
        await _note(connection, by, "contact.identity_moved", to_contact_id, ends)
        facts = {**ends, "conversation_ids": conversations}
        event_id = await _tell(connection, "contact.identity_moved", [to_contact_id, from_id], facts)
    return Moved(from_id, to_contact_id, event_id)


async def join_cards(
    connection: Connection, contact_id: UUID, other_id: UUID, by: UUID | None, chosen: Collection[str] = ()
) -> UUID:
    """Merges `other_id`'s card into `contact_id`'s, in the caller's transaction; returns the merge's id. Members stand for
    their cards. `chosen`: parts (router/card_parts.py) in which the other card's value wins. Raises NotFound; Conflict for
    one and the same card, a person and a company, an erased card.
    """
    return (await _join(connection, contact_id, other_id, by, None, chosen=chosen)).id


async def part_cards(connection: Connection, merge_id: UUID, by: UUID | None) -> tuple[UUID, UUID]:
    """Undoes a merge, in the caller's transaction; returns the two cards: what is left, what went. Raises NotFound,
    Conflict when it is undone already.
    """
    survivor_id, merged_id, _ = await _part(connection, merge_id, by, None)
    return survivor_id, merged_id


async def relink(connection: Connection, identity_id: UUID, to_contact_id: UUID) -> tuple[UUID, list[UUID]]:
    """Links an address to another contact: later items and open conversations go with it, history stays where it is.
    Returns the former contact and those conversations. Raises NotFound, Conflict for an erased card.
    """
    identity = await connection.fetchrow(SQL.lock_identity, identity_id)
    if identity is None:
        raise NotFound("no such identity")
    former: UUID = identity["contact_id"]
    if to_contact_id == former:
        return former, []
    cards = await _cards_of(connection, to_contact_id)
    await _lock(connection, cards)
    await connection.execute(SQL.relink_identity, identity_id, to_contact_id)
    rows = await connection.fetch(SQL.relink_conversations, identity_id, former, to_contact_id)
    return former, [row["id"] for row in rows]


async def _join(
    connection: Connection,
    contact_id: UUID,
    other_id: UUID,
    by: UUID | None,
    now: datetime | None,
    *,
    chosen: Collection[str] = (),
) -> _Merge:
    survivor, merged = await _cards_of(connection, contact_id, other_id)
    if survivor == merged:
        raise Conflict("these are one card already", reason="one_card")
    locked = await _lock(connection, [survivor, merged])
    if locked[survivor]["kind"] != locked[merged]["kind"]:
        raise Conflict(
            "a person and a company can't be merged: change the kind of one of the cards first", reason="merge_kinds"
        )
    tree = await _load(connection, [survivor, merged])
    offered = dict(tree.parts[merged])
    if UUID(offered.get("company_id", NOBODY)) in tree.card:
        del offered["company_id"]
    gift = give(tree.parts[survivor], offered, chosen=chosen)
    merge_id: UUID = await connection.fetchval(SQL.insert_merge, survivor, merged, by, now, gift.to_document())
    await connection.execute(SQL.show_on, tree.below(merged), survivor)
    await _write_fields(connection, survivor, tree.parts[survivor])
    await connection.execute(SQL.settle_suggestions, list(tree.card), by)
    return _Merge(merge_id, survivor, merged, gift)


async def _part(
    connection: Connection, merge_id: UUID, by: UUID | None, now: datetime | None
) -> tuple[UUID, UUID, list[str]]:
    """(the card left, the card that went, parts kept)."""
    row = await connection.fetchrow(SQL.merge_of, merge_id)
    if row is None:
        raise NotFound("no such merge")
    (root,) = await _cards_of(connection, row["survivor_id"])
    await _lock(connection, [root], erased_too=True)
    tree = await _load(connection, [root])
    merge = tree.above.get(row["merged_id"])
    if merge is None or merge.id != merge_id:
        raise Conflict("this merge is undone already", reason="merge_undone")
    changed, kept = _without(tree, merge)
    apart = tree.below(merge.merged_id)
    await connection.fetchval(SQL.end_merge, merge_id, by, now, kept)
    await _rewrite(connection, [m for merges in tree.into.values() for m in merges if m.rewritten])
    await connection.execute(SQL.show_on, apart, merge.merged_id)
    for contact_id in sorted({*changed, root}):
        await _write_fields(connection, contact_id, tree.parts[contact_id])
    rest = sorted(tree.card.keys() - set(apart))
    await connection.execute(SQL.reopen_between, rest, apart)
    await connection.execute(SQL.remember_apart, merge.survivor_id, merge.merged_id, by)
    return root, merge.merged_id, kept


def _without(tree: _Tree, merge: _Merge) -> tuple[list[UUID], list[str]]:
    """Takes the merge out of the tree. What it had given is taken back, and given anew by later merges that have it; the
    same up to the root. Returns the contacts whose fields changed, and the parts that stay since they were edited.
    """
    merges = tree.into[merge.survivor_id]
    place = merges.index(merge)
    changed, kept = [], _regive(tree, merges, place, drop=True)
    merges.remove(merge)
    del tree.above[merge.merged_id]
    contact_id = merge.survivor_id
    changed.append(contact_id)
    while (above := tree.above.get(contact_id)) is not None:
        siblings = tree.into[above.survivor_id]
        _regive(tree, siblings, siblings.index(above), drop=False)
        contact_id = above.survivor_id
        changed.append(contact_id)
    return changed, kept


def _regive(tree: _Tree, merges: Sequence[_Merge], place: int, *, drop: bool) -> list[str]:
    """Takes back what merges of one survivor gave, from the newest down to `place`, and gives it again, without that one
    if it is to drop. Only what was taken is given: a tag that somebody removed does not come back.
    """
    parts = tree.parts[merges[0].survivor_id]
    taken: set[str] = set()
    kept: list[str] = []
    for merge in reversed(merges[place:]):
        mine = take_back(parts, merge.gift)
        taken |= mine
        kept = sorted(merge.gift.given.keys() - mine)
        merge.gift.given = {part: value for part, value in merge.gift.given.items() if part not in mine}
        merge.gift.replaced = {part: value for part, value in merge.gift.replaced.items() if part not in mine}
        merge.rewritten = True
    for merge in merges[place + drop :]:
        gift = give(parts, tree.parts[merge.merged_id], only=taken, chosen=merge.gift.chosen)
        merge.gift.given |= gift.given
        merge.gift.replaced |= gift.replaced
    return kept


async def _cards_of(connection: Connection, *contact_ids: UUID) -> list[UUID]:
    """The card of each. Raises NotFound."""
    rows = {row["id"]: row["card_id"] for row in await connection.fetch(SQL.cards_of, list(contact_ids))}
    if any(contact_id not in rows for contact_id in contact_ids):
        raise NotFound("no such contact")
    return [rows[contact_id] for contact_id in contact_ids]


async def _lock(
    connection: Connection, cards: Iterable[UUID], *, erased_too: bool = False
) -> dict[UUID, asyncpg.Record]:
    """One after another in the order of ids. Raises Conflict when one is erased, or no card of its own any more: at once,
    as whoever holds its card may wait for it, so nothing may be waited for with it in hand.
    """
    rows: dict[UUID, asyncpg.Record] = {}
    for card_id in sorted(set(cards)):
        row = await connection.fetchrow(SQL.lock_card, card_id)
        if row is None or row["card_id"] != card_id:
            raise Conflict("somebody merged one of these cards at the same moment", reason="changed_meanwhile")
        if row["erased"] and not erased_too:
            raise Conflict("the card was erased", reason="card_erased")
        rows[card_id] = row
    return rows


async def _load(connection: Connection, cards: Sequence[UUID]) -> _Tree:
    tree = _Tree()
    for row in await connection.fetch(SQL.members, cards):
        tree.card[row["id"]] = row["card_id"]
        tree.parts[row["id"]] = to_parts(dict(row))
    for row in await connection.fetch(SQL.live_merges, list(tree.card)):
        merge = _Merge(row["id"], row["survivor_id"], row["merged_id"], to_gift(row["before"]))
        tree.into[merge.survivor_id].append(merge)
        tree.above[merge.merged_id] = merge
        parts, source = tree.parts[merge.survivor_id], merge.gift.given.get(SOURCE)
        if source is not None and SOURCE in parts and parts[SOURCE]["value"] == source["value"]:
            parts[SOURCE] = source
    return tree


async def _write_fields(connection: Connection, contact_id: UUID, parts: Parts) -> None:
    new = to_columns(parts)
    await connection.execute(
        SQL.write_fields,
        contact_id,
        new["name"],
        sort_name(new["name"]),
        new["company_id"],
        new["owner_id"],
        new["custom"],
        new["tags"],
        new["vip"],
        new["timezone"],
        new["language"],
        new["birthday"],
        new["source"],
    )


async def _rewrite(connection: Connection, merges: Sequence[_Merge]) -> None:
    if merges:
        documents = [merge.gift.to_document() for merge in merges]
        await connection.execute(SQL.rewrite_merges, [merge.id for merge in merges], documents)


async def _note(connection: Connection, by: UUID | None, action: str, contact_id: UUID, after: dict[str, Any]) -> None:
    actor = f"agent:{by}" if by is not None else "hub"
    await note_change(connection, actor, action, ("contact", contact_id), before={}, after=after)


async def _tell(connection: Connection, type_: str, contact_ids: Sequence[UUID], facts: Mapping[str, Any]) -> int:
    """An event with each of the cards, as they are now, to all who own or answer one of the contacts."""
    cards = {card.id: card for card in [await get_contact(connection, None, one) for one in contact_ids]}
    heard = [agent for one in {*contact_ids, *cards} for agent in await contact_audience(connection, one)]
    words = audience(agents=heard)
    return await append_events(
        connection, [NewEvent(type_, words, {"contact": card, **facts}) for card in cards.values()]
    )
