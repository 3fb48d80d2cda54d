"""Whose message is it: one card for one client, whatever the order, the batches and the races."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connectors import registry
from connectors.base import IDENTITY_KINDS, Payload
from connectors.items import Address, Identity, Item
from router.channels import Channel
from router.matching import keys_of, match
from router.merging import merge_contacts, unmerge
from router.work import Entry, Key, Result, Work
from storage.db import RawConnection
from tests.conftest import Database

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CHANNEL = Channel(UUID(int=900), "bot", "t" * 24, "active", None, 0, registry.get("telegram"), None)
Pairs = set[frozenset[Any]]


def new_ids() -> Iterator[UUID]:
    while True:
        yield uuid.uuid4()


IDS = new_ids()


def work(item: Item, channel: Channel = CHANNEL) -> Work:
    entry = Entry(1, 1, 0, 0, False, channel, NOW, False, Payload())
    return Work(entry, channel, item, Result(1), next(IDS))


def item(*identities: Identity, sender: Address | None = None, **fields: Any) -> Item:
    return Item(kind="message", direction="in", sender=sender, identities=list(identities), **fields)


def phone(value: str, ext: str = "") -> Identity:
    return Identity("phone", value, ext=ext)


async def process(db: RawConnection, *items: Item) -> list[UUID]:
    """One batch, committed; the contact of each item."""
    works = [work(one) for one in items]
    async with db.transaction():
        await match(db, works, IDS)
    return [one.known.contact_id for one in works if one.known is not None]


async def partition(db: RawConnection) -> Pairs:
    """Addresses by contact."""
    groups: dict[UUID, set[Key]] = {}
    for row in await db.fetch("SELECT kind, scope, value, contact_id FROM identity"):
        groups.setdefault(row["contact_id"], set()).add(Key(row["kind"], row["scope"], row["value"]))
    return {frozenset(keys) for keys in groups.values()}


async def orphans(db: RawConnection) -> int:
    """Contacts without an address, and addresses without a contact."""
    count: int = await db.fetchval(
        "SELECT (SELECT count(*) FROM contact c WHERE NOT EXISTS (SELECT FROM identity i WHERE i.contact_id = c.id))"
        " + (SELECT count(*) FROM identity i WHERE NOT EXISTS (SELECT FROM contact c WHERE c.id = i.contact_id))"
    )
    return count


async def suggested(db: RawConnection) -> Pairs:
    """Suggested pairs, each card told by its addresses."""
    rows = await db.fetch(
        """
        SELECT array(SELECT kind || ':' || value FROM identity WHERE contact_id = s.first_id) AS one,
               array(SELECT kind || ':' || value FROM identity WHERE contact_id = s.second_id) AS two
        FROM merge_suggestion AS s
        """
    )
    return {frozenset((frozenset(row["one"]), frozenset(row["two"]))) for row in rows}


async def empty(db: RawConnection) -> None:
    await db.execute("DELETE FROM identity; DELETE FROM contact; DELETE FROM merge_suggestion")


# ------------------------------------------------------------------ the rules


async def test_one_client_by_several_addresses(db: RawConnection) -> None:
    """A form with phone and e-mail, then a message from each: one card, which keeps the name it first came with."""
    form = item(
        phone("+79001112233"), Identity("email", "a@b.ru"), sender=Address("phone", "+79001112233", name="Анна")
    )
    first, *rest = await process(db, form, item(phone("+79001112233")), item(Identity("email", "a@b.ru")))
    assert set(rest) == {first}
    row = await db.fetchrow("SELECT name, sort_name, card_id, source FROM contact")
    assert row is not None
    assert tuple(row) == ("Анна", "анна", first, {"channel": "telegram"})
    links = {r["kind"]: (r["name"], r["confidence"]) for r in await db.fetch("SELECT * FROM identity")}
    assert links == {"phone": ("Анна", 1.0), "email": ("", 0.9)}


async def test_addresses_of_two_cards(db: RawConnection) -> None:
    """The item goes to the strongest address, what is new joins that card, nothing moves, and a merge is suggested."""
    by_mail, by_phone = await process(db, item(Identity("email", "a@b.ru")), item(phone("+79001112233")))
    both = item(Identity("email", "a@b.ru"), phone("+79001112233"), Identity("visitor", "v1"))
    assert await process(db, both) == [by_phone]
    owners = {r["kind"]: r["contact_id"] for r in await db.fetch("SELECT kind, contact_id FROM identity")}
    assert owners == {"email": by_mail, "phone": by_phone, "visitor": by_phone}
    row = await db.fetchrow("SELECT first_id, second_id, reason, score, state FROM merge_suggestion")
    assert row is not None
    assert tuple(row) == (
        min(by_mail, by_phone),
        max(by_mail, by_phone),
        "one message carries addresses of both",
        1.0,
        "open",
    )


async def test_usernames_attach_nothing(db: RawConnection) -> None:
    """A username is kept beside a client's address but never leads to a card; named without the messenger's id it hints."""
    name = Identity("telegram_username", "anna")
    (anna,) = await process(db, item(name, sender=Address("telegram", "1")))
    (other,) = await process(db, item(name, sender=Address("telegram", "2")))
    assert other != anna
    assert await suggested(db) == set(), "the name passed from one account to another"
    (form,) = await process(db, item(name, sender=Address("phone", "+79001112233")))
    assert form not in {anna, other}
    assert await db.fetchval("SELECT contact_id FROM identity WHERE kind = 'telegram_username'") == anna
    hint = await db.fetchrow("SELECT first_id, second_id, score FROM merge_suggestion")
    assert hint is not None
    assert tuple(hint) == (min(anna, form), max(anna, form), 0.5)


async def test_only_a_username(db: RawConnection) -> None:
    """Somebody known by a username alone is held apart by the thread, not by the name."""
    name = Identity("telegram_username", "anna")
    one, two, one_again = [
        (await process(db, item(name, thread_key=thread)))[0] for thread in ("thread 1", "thread 2", "thread 1")
    ]
    assert one == one_again != two


async def test_anonymous(db: RawConnection) -> None:
    """Who withholds everything is the channel's anonymous one; on another channel it is another."""
    other = Channel(UUID(int=901), "other", "u" * 24, "active", None, 0, registry.get("telegram"), None)
    first, second = await process(db, item(), item(sender=Address("phone", "")))
    assert first == second
    elsewhere = work(item(), other)
    await match(db, [elsewhere], IDS)
    assert elsewhere.known is not None
    assert elsewhere.known.contact_id != first


async def test_extensions_stand_apart(db: RawConnection) -> None:
    """A number is one address whatever its extension; the extension is kept, also when the sender is named without it."""
    number = "+74951234567"
    first, second = await process(
        db, item(phone(number, "12"), sender=Address("phone", number)), item(phone(number, "34"))
    )
    assert first == second
    assert [tuple(r) for r in await db.fetch("SELECT value, ext FROM identity")] == [(number, "12")]


async def test_unknown_kinds_and_foreign_scopes(db: RawConnection) -> None:
    """A kind we don't know is left out; ids of a page count on that page alone."""
    keys = keys_of(item(Identity("pager", "1"), Identity("avito", "7", scope="shop"), phone("+79001112233")), CHANNEL)
    assert [key for key, _ in keys] == [Key("avito", "shop", "7"), Key("phone", "", "+79001112233")]
    one, other = await process(db, item(Identity("avito", "7", scope="a")), item(Identity("avito", "7", scope="b")))
    assert one != other


async def test_what_postgresql_can_not_hold(db: RawConnection) -> None:
    """NULs in any field of a client do not fail the entry; very long values are cut."""
    dirty = item(
        Identity("avito", "7\x00", scope="sh\x00op"),
        phone("+7900111\x002233", "1\x002"),
        sender=Address("avito", " 7\x00 ", scope="sh\x00op", name="An\x00na"),
        meta={"language": "r\x00u", "source": {"utm": "a\x00b"}},
    )
    long = item(Identity("external", "x" * 10_000))
    await process(db, dirty, long)
    row = await db.fetchrow("SELECT name, language, source FROM contact WHERE name <> ''")
    assert row is not None
    assert tuple(row) == ("Anna", "ru", {"channel": "telegram", "utm": "ab"})
    found = {(r["kind"], r["scope"], r["ext"], r["name"]) for r in await db.fetch("SELECT * FROM identity")}
    assert found >= {("avito", "shop", "", "Anna"), ("phone", "", "12", "")}


async def test_the_client_of_what_we_wrote(db: RawConnection) -> None:
    """Of an outgoing item the recipient is the client, not the sender."""
    out = Item(
        kind="message", direction="out", sender=Address("phone", "+70000000000"), recipients=[Address("telegram", "5")]
    )
    await process(db, out)
    assert await partition(db) == {frozenset({Key("telegram", "", "5")})}


async def test_items_of_a_merged_card_follow_their_address(db: RawConnection) -> None:
    """Merged: the facts are those of the card shown, the link is to the member; apart again: each address to its own."""
    one, two = await process(db, item(phone("+79000000001")), item(phone("+79000000002")))
    done = await merge_contacts(db, one, two, by=None)
    again = work(item(phone("+79000000002"), Identity("email", "late@b.ru")))
    await match(db, [again], IDS)
    assert again.known is not None
    assert (again.known.contact_id, again.known.card.id) == (two, one)
    await unmerge(db, done.merge_id, by=None)
    assert await process(db, item(Identity("email", "late@b.ru"))) == [two]


# ------------------------------------------------------------------ any items in any batches

KINDS = ("telegram", "phone", "email", "visitor", "telegram_username")
ADDRESSES = st.builds(Identity, st.sampled_from(KINDS), st.sampled_from("1234"))


@st.composite
def clients(draw: st.DrawFn) -> Item:
    identities = draw(st.lists(ADDRESSES, max_size=4, unique=True))
    sender = draw(st.sampled_from([None, *identities]))
    thread = draw(st.sampled_from(["", "thread"]))
    return item(*identities, sender=Address(sender.kind, sender.value) if sender else None, thread_key=thread)


class Naive:
    """One item after another, addresses in a plain dictionary."""

    def __init__(self) -> None:
        self.owner: dict[Key, int] = {}
        self.pairs: set[frozenset[int]] = set()
        self.count = 0

    def take(self, one: Item) -> int:
        keys = [key for key, _ in keys_of(one, CHANNEL)]
        strong = [key for key in keys if IDENTITY_KINDS[key.kind].strength]
        weak = [key for key in keys if not IDENTITY_KINDS[key.kind].strength]
        found = [self.owner[key] for key in strong if key in self.owner]
        if not found:
            self.count += 1
        card = found[0] if found else self.count
        hints = (
            [] if any(key.kind == "telegram" for key in strong) else [self.owner[k] for k in weak if k in self.owner]
        )
        self.pairs |= {frozenset((card, other)) for other in [*found, *hints] if other != card}
        for key in keys:
            self.owner.setdefault(key, card)
        return card

    def groups(self) -> dict[int, frozenset[Key]]:
        return {card: frozenset(k for k, c in self.owner.items() if c == card) for card in self.owner.values()}


def strongest_first(keys: Sequence[tuple[Key, str]]) -> bool:
    strengths = [IDENTITY_KINDS[key.kind].strength for key, _ in keys]
    return strengths == sorted(strengths, reverse=True) and strengths[0] > 0


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=st.lists(clients(), max_size=12), cuts=st.sets(st.integers(1, 11)))
@example(items=[item(phone("1")), item(Identity("email", "1")), item(phone("1"), Identity("email", "1"))], cuts=set())
async def test_batches_change_nothing(db: RawConnection, items: list[Item], cuts: set[int]) -> None:
    """However items are cut into batches, cards and suggestions are those of one item after another; none is an orphan."""
    await empty(db)
    naive, places = Naive(), [0, *sorted(cut for cut in cuts if cut < len(items)), len(items)]
    expected = [naive.take(one) for one in items]
    contacts = [c for start, end in itertools.pairwise(places) for c in await process(db, *items[start:end])]
    assert all(strongest_first(keys_of(one, CHANNEL)) for one in items)
    assert len(set(contacts)) == len(set(expected)) == len(set(zip(contacts, expected, strict=True)))
    groups = naive.groups()
    assert await partition(db) == set(groups.values())
    assert await orphans(db) == 0
    assert await db.fetchval("SELECT count(*) FROM contact") == naive.count
    told = {card: frozenset(f"{key.kind}:{key.value}" for key in keys) for card, keys in groups.items()}
    assert await suggested(db) == {frozenset(told[card] for card in pair) for pair in naive.pairs}


# ------------------------------------------------------------------ races


async def race(database: Database, batches: Sequence[Sequence[Item]]) -> list[list[UUID]]:
    """Each batch on a connection of its own, all at the same moment; no retry: none may deadlock."""
    hands = [await database.connect() for _ in batches]
    start = asyncio.Event()

    async def one(hand: RawConnection, items: Sequence[Item]) -> list[UUID]:
        await start.wait()
        return await process(hand, *items)

    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one(hand, items)) for hand, items in zip(hands, batches, strict=True)]
            start.set()
        return [task.result() for task in running]
    finally:
        for hand in hands:
            hand.terminate()


async def test_first_messages_in_the_same_moment(database: Database, db: RawConnection) -> None:
    """Twelve first messages of one new client at once, each with an address of its own besides: one card, no orphan."""
    batches = [[item(phone("+79001112233"), Identity("email", f"{n}@b.ru"))] for n in range(12)]
    results = await race(database, batches)
    assert len({contact for result in results for contact in result}) == 1
    assert await db.fetchval("SELECT count(*) FROM contact") == 1
    assert await db.fetchval("SELECT count(*) FROM identity") == 13
    assert await orphans(db) == 0


async def test_large_batches_that_cross(database: Database, db: RawConnection) -> None:
    """Eight lanes bring the same fifty new clients in different orders: fifty cards, no deadlock, no orphan."""
    people = [item(Identity("telegram", str(n)), phone(f"+7900{n:07}")) for n in range(50)]
    batches = [people[turn * 7 % 50 :] + people[: turn * 7 % 50] for turn in range(4)]
    results = await race(database, [*batches, *(batch[::-1] for batch in batches)])
    assert len({contact for result in results for contact in result}) == 50
    assert await db.fetchval("SELECT count(*) FROM contact") == 50
    assert await orphans(db) == 0


async def held(database: Database, first: Sequence[Item], second: Sequence[Item]) -> tuple[list[UUID], list[UUID]]:
    """The second batch has looked before the first one commits, and waits for it."""
    one, two, eye = [await database.connect() for _ in range(3)]
    try:
        async with one.transaction():
            works = [work(i) for i in first]
            await match(one, works, IDS)
            waiting = asyncio.create_task(process(two, *second))
            pid = two.get_server_pid()
            while not await eye.fetchval("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1", pid):
                await asyncio.sleep(0.005)
        return [w.known.contact_id for w in works if w.known is not None], await waiting
    finally:
        for hand in (one, two, eye):
            hand.terminate()


async def test_a_lost_username_moves_nobody(database: Database, db: RawConnection) -> None:
    """Two strangers with one username write first at the same moment: two cards, as if one had come after the other."""
    name = Identity("telegram_username", "anna")
    (anna,), (other,) = await held(
        database,
        [item(name, sender=Address("telegram", "1", name="Anna"))],
        [item(name, sender=Address("telegram", "2", name="Other"))],
    )
    assert anna != other
    assert {tuple(r) for r in await db.fetch("SELECT id, name FROM contact")} == {(anna, "Anna"), (other, "Other")}
    assert await orphans(db) == 0


async def test_who_comes_second_gives_way(database: Database, db: RawConnection) -> None:
    """A card only the second batch would have made is not made; its addresses and its other items go to the first one's."""
    (first,), second = await held(
        database,
        [item(phone("+79001112233"))],
        [
            item(Identity("telegram", "1"), Identity("email", "a@b.ru")),
            item(Identity("email", "a@b.ru"), phone("+79001112233")),
        ],
    )
    assert second == [first, first]
    assert await db.fetchval("SELECT count(*) FROM contact") == 1
    assert await orphans(db) == 0


async def test_a_suggestion_outlives_the_race(database: Database, db: RawConnection) -> None:
    """What the second batch found to be alike is suggested of the card that won, not forgotten with the one that lost."""
    (winner,), (_, mail, _) = await held(
        database,
        [item(phone("+79001112233"))],
        [
            item(phone("+79001112233")),
            item(Identity("email", "a@b.ru")),
            item(phone("+79001112233"), Identity("email", "a@b.ru")),
        ],
    )
    pairs = [tuple(row) for row in await db.fetch("SELECT first_id, second_id FROM merge_suggestion")]
    assert pairs == [(min(winner, mail), max(winner, mail))]


async def test_a_race_lost_to_two_cards(database: Database, db: RawConnection) -> None:
    """A new client whose addresses two others took at the same moment: the strongest wins, the two are suggested."""
    (by_phone, by_mail), (mine,) = await held(
        database,
        [item(phone("+79001112233")), item(Identity("email", "a@b.ru"))],
        [item(phone("+79001112233"), Identity("email", "a@b.ru"), Identity("visitor", "v"))],
    )
    assert mine == by_phone
    assert await db.fetchval("SELECT contact_id FROM identity WHERE kind = 'visitor'") == by_phone
    pairs = [tuple(row) for row in await db.fetch("SELECT first_id, second_id FROM merge_suggestion")]
    assert pairs == [(min(by_phone, by_mail), max(by_phone, by_mail))]
    assert await orphans(db) == 0


RACES = st.lists(st.lists(clients(), min_size=1, max_size=3), min_size=2, max_size=4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=RACES)
async def test_any_race_leaves_no_orphan(database: Database, db: RawConnection, batches: list[list[Item]]) -> None:
    """Whatever batches meet: each item has a card that is there, and no card and no address stands alone."""
    await empty(db)
    results = await race(database, batches)
    assert [len(result) for result in results] == [len(batch) for batch in batches]
    there = {row["id"] for row in await db.fetch("SELECT id FROM contact")}
    assert {contact for result in results for contact in result} <= there
    assert await orphans(db) == 0
    wanted = {key for batch in batches for one in batch for key, _ in keys_of(one, CHANNEL)}
    assert set().union(*await partition(db)) == wanted
