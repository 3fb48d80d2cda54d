"""Cards merge and come apart again, in any order, and no history is lost."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.errors import Conflict, NotFound
from router.card_parts import Parts, give, to_parts
from router.merging import Merged, join_cards, merge_contacts, move_identity, part_cards, unmerge
from storage.contacts import get_contact
from storage.db import RawConnection
from storage.events import read_events
from tests.conftest import Database

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CHANNEL = UUID(int=900)
ANNA, BORIS = UUID(int=1), UUID(int=2)
_numbers = itertools.count(1)


async def contact(db: RawConnection, name: str = "", **columns: Any) -> UUID:
    """A card with one address and one message."""
    contact_id: UUID = await db.fetchval(
        "WITH new AS (SELECT uuidv7() AS id) INSERT INTO contact (id, card_id, name, sort_name)"
        " SELECT id, id, $1, lower($1) FROM new RETURNING id",
        name,
    )
    for column, value in columns.items():
        await db.execute(f"UPDATE contact SET {column} = $2 WHERE id = $1", contact_id, value)
    await message(db, contact_id, await identity(db, contact_id))
    return contact_id


async def identity(db: RawConnection, contact_id: UUID) -> UUID:
    made: UUID = await db.fetchval(
        "INSERT INTO identity (kind, value, contact_id) VALUES ('phone', $1, $2) RETURNING id",
        f"+7900{next(_numbers):07}",
        contact_id,
    )
    return made


async def message(db: RawConnection, contact_id: UUID, identity_id: UUID) -> UUID:
    made: UUID = await db.fetchval(
        """
        INSERT INTO interaction (id, order_at, seq, journal_id, kind, direction, channel_id, conversation_id, contact_id,
                                 identity_id, external_id, reply_to, received_at, text)
        VALUES (uuidv7(), $1, 0, 1, 'message', 'in', $2, $2, $3, $4, '', '', $1, 'hello') RETURNING id
        """,
        NOW,
        CHANNEL,
        contact_id,
        identity_id,
    )
    return made


async def history(db: RawConnection, contact_id: UUID) -> set[UUID]:
    """What the card shows: interactions of its member set."""
    rows = await db.fetch(
        "SELECT i.id FROM interaction i JOIN contact m ON m.id = i.contact_id"
        " WHERE m.card_id = (SELECT card_id FROM contact WHERE id = $1)",
        contact_id,
    )
    return {row["id"] for row in rows}


async def cards(db: RawConnection) -> dict[UUID, UUID]:
    return {row["id"]: row["card_id"] for row in await db.fetch("SELECT id, card_id FROM contact")}


async def merge(db: RawConnection, survivor: UUID, merged: UUID) -> Merged:
    return await merge_contacts(db, survivor, merged, by=ANNA, now=NOW)


async def row_of(db: RawConnection, contact_id: UUID) -> dict[str, Any]:
    row = await db.fetchrow("SELECT * FROM contact WHERE id = $1", contact_id)
    assert row is not None
    return dict(row)


RICH = {
    "owner_id": BORIS,
    "tags": ["gold", "bread"],
    "custom": {"inn": "77", "shared": "theirs"},
    "language": "ru",
    "timezone": "Europe/Moscow",
    "birthday": date(1990, 2, 3),
    "vip": True,
    "source": {"channel": "form"},
}


async def test_a_merge_fills_what_is_empty(db: RawConnection) -> None:
    """The survivor keeps every field of its own and gets from the other what it lacks; tags and custom fields unite."""
    survivor = await contact(db, tags=["new", "gold"], custom={"shared": "ours"}, source={"channel": "telegram"})
    merged = await contact(db, "Анна Петрова", **RICH, created_at=NOW - timedelta(days=900))
    await merge(db, survivor, merged)
    row = await row_of(db, survivor)
    assert row["name"] == "Анна Петрова"
    assert row["sort_name"] == "анна петрова"
    assert row["tags"] == ["new", "gold", "bread"]
    assert row["custom"] == {"shared": "ours", "inn": "77"}
    assert (row["owner_id"], row["vip"], row["birthday"]) == (BORIS, True, date(1990, 2, 3))
    assert (row["language"], row["timezone"]) == ("ru", "Europe/Moscow")
    assert row["source"] == {"channel": "form"}, "the earliest source counts"


async def test_a_later_source_does_not_replace(db: RawConnection) -> None:
    """The source that brought the client first stays."""
    survivor = await contact(db, "Anna", source={"channel": "telegram"}, owner_id=ANNA)
    merged = await contact(db, "Boris", **RICH, created_at=NOW + timedelta(days=900))
    await merge(db, survivor, merged)
    row = await row_of(db, survivor)
    assert (row["name"], row["owner_id"], row["source"]) == ("Anna", ANNA, {"channel": "telegram"})


async def test_undo_puts_all_back(db: RawConnection) -> None:
    """After merge and undo both cards are as they were: fields, addresses, history."""
    survivor, merged = await contact(db, source={"channel": "sms"}), await contact(db, "Анна", **RICH)
    before = [await row_of(db, one) for one in (survivor, merged)]
    mine, theirs = await history(db, survivor), await history(db, merged)
    done = await merge(db, survivor, merged)
    assert await history(db, survivor) == await history(db, merged) == mine | theirs
    undone = await unmerge(db, done.merge_id, by=BORIS, now=NOW)
    assert undone.kept == []
    after = [await row_of(db, one) for one in (survivor, merged)]
    skip = {"version", "updated_at"}
    assert [{k: v for k, v in row.items() if k not in skip} for row in after] == [
        {k: v for k, v in row.items() if k not in skip} for row in before
    ]
    assert await history(db, survivor) == mine
    assert await history(db, merged) == theirs


async def test_undo_keeps_what_people_edited(db: RawConnection) -> None:
    """A field changed by hand after the merge stays, and the undo says which; the others go back."""
    survivor, merged = await contact(db), await contact(db, "Анна", **RICH)
    done = await merge(db, survivor, merged)
    await db.execute(
        "UPDATE contact SET name = 'Anna by hand', tags = array_remove(tags, 'gold'),"
        ' custom = custom || \'{"inn": "78"}\' WHERE id = $1',
        survivor,
    )
    undone = await unmerge(db, done.merge_id, by=ANNA)
    assert undone.kept == ["custom:inn", "name", "tag:gold"]
    row = await row_of(db, survivor)
    assert (row["name"], row["tags"], row["custom"]) == ("Anna by hand", [], {"inn": "78"})
    assert (row["owner_id"], row["vip"], row["language"]) == (None, False, "")
    kept = await db.fetchval("SELECT before -> 'kept' FROM contact_merge WHERE id = $1", done.merge_id)
    assert kept == undone.kept


async def test_undo_gives_way_to_a_later_merge(db: RawConnection) -> None:
    """What an undone merge had given comes from a later one that has it too; what a person removed does not come back."""
    survivor, first, second = [await contact(db, name) for name in ("", "Anna", "Boris")]
    for one in (first, second):
        await db.execute("UPDATE contact SET tags = '{gold,late}', language = 'ru' WHERE id = $1", one)
    done = await merge(db, survivor, first)
    await merge(db, survivor, second)
    await db.execute("UPDATE contact SET tags = '{gold}' WHERE id = $1", survivor)
    assert (await unmerge(db, done.merge_id, by=ANNA)).kept == ["tag:late"]
    row = await row_of(db, survivor)
    assert (row["name"], row["sort_name"], row["tags"], row["language"]) == ("Boris", "boris", ["gold"], "ru")


async def test_later_items_follow_their_address(db: RawConnection) -> None:
    """What arrived by the merged card's address while it was merged goes with that card when it comes apart."""
    survivor, merged = await contact(db, "Anna"), await contact(db, "Boris")
    done = await merge(db, survivor, merged)
    address = await db.fetchrow("SELECT id, contact_id FROM identity WHERE contact_id = $1", merged)
    assert address is not None
    late = await message(db, address["contact_id"], address["id"])
    assert late in await history(db, survivor)
    await unmerge(db, done.merge_id, by=ANNA)
    assert late in await history(db, merged)
    assert late not in await history(db, survivor)


async def test_members_stand_for_their_card(db: RawConnection) -> None:
    """Merging names of members merges the cards they show on; nobody ends on a card that is no card."""
    a, b, c, d = [await contact(db, name) for name in "abcd"]
    await merge(db, a, b)
    await merge(db, c, d)
    done = await merge(db, b, d)
    assert (done.contact_id, done.merged_id) == (a, c)
    assert await cards(db) == dict.fromkeys((a, b, c, d), a)


async def test_what_can_not_be_merged(db: RawConnection) -> None:
    """Unknown ids, one and the same card, a person with a company, an erased card: refused, nothing written."""
    a, b, firm, gone = [await contact(db, name) for name in ("a", "b", "firm", "gone")]
    await db.execute("UPDATE contact SET kind = 'company' WHERE id = $1", firm)
    await db.execute("UPDATE contact SET erased_at = now() WHERE id = $1", gone)
    done = await merge(db, a, b)
    for survivor, merged in ((a, a), (a, b), (b, a), (a, firm), (a, gone), (gone, a)):
        with pytest.raises(Conflict):
            await merge(db, survivor, merged)
    for survivor, merged in ((a, CHANNEL), (CHANNEL, a)):
        with pytest.raises(NotFound):
            await merge(db, survivor, merged)
    with pytest.raises(NotFound):
        await unmerge(db, CHANNEL, by=None)
    assert await db.fetchval("SELECT count(*) FROM contact_merge") == 1
    await unmerge(db, done.merge_id, by=None)
    with pytest.raises(Conflict):
        await unmerge(db, done.merge_id, by=None)


async def test_suggestions_are_settled(db: RawConnection) -> None:
    """A merge settles suggestions between its members, and its undo opens them again; a pair that nobody had suggested, merged
    by hand and taken apart, is not suggested afterwards.
    """
    a, b, c = [await contact(db, name) for name in "abc"]
    await db.executemany(
        "INSERT INTO merge_suggestion (first_id, second_id, reason, score) VALUES (least($1::uuid, $2::uuid),"
        " greatest($1::uuid, $2::uuid), 'x', 1)",
        [(a, b), (b, c)],
    )

    async def states() -> Counter[str]:
        return Counter([row["state"] for row in await db.fetch("SELECT state FROM merge_suggestion")])

    first = await merge(db, a, b)
    assert await states() == {"merged": 1, "open": 1}
    second = await merge(db, c, a)
    assert await states() == {"merged": 2}
    await unmerge(db, second.merge_id, by=ANNA)
    assert await states() == {"merged": 1, "open": 1, "dismissed": 1}, "b and c again; c and a nobody had suggested"
    await unmerge(db, first.merge_id, by=ANNA)
    assert await states() == {"open": 2, "dismissed": 1}


async def test_audit_and_events(db: RawConnection) -> None:
    """Each act leaves a line in the audit log and an event with the card, heard by its owner and by the former one."""
    a, b = await contact(db, "a", owner_id=ANNA), await contact(db, "b", owner_id=BORIS)
    done = await merge(db, a, b)
    undone = await unmerge(db, done.merge_id, by=None)
    events = await read_events(db, 0, 10)
    assert [event.type for event in events] == ["contact.merged", "contact.unmerged", "contact.unmerged"]
    assert (events[0].id, events[2].id) == (done.event_id, undone.event_id)
    assert set(events[0].audience) == {f"agent:{ANNA}", f"agent:{BORIS}"}
    data = json.loads(events[0].data)
    assert (data["contact"]["id"], data["contact"]["members"]) == (str(a), [str(a), str(b)])
    log = [(r["actor"], r["action"]) for r in await db.fetch("SELECT actor, action FROM audit_log ORDER BY id")]
    assert log == [(f"agent:{ANNA}", "contact.merged"), ("hub", "contact.unmerged")]


async def test_bare_rows_for_callers_with_their_own_events(db: RawConnection) -> None:
    """`join_cards` and `part_cards` write neither events nor audit: the caller's transaction does."""
    a, b = await contact(db, "a"), await contact(db, "b")
    async with db.transaction():
        merge_id = await join_cards(db, a, b, None)
    assert (await get_contact(db, None, b)).id == a
    async with db.transaction():
        assert await part_cards(db, merge_id, None) == (a, b)
    assert await read_events(db, 0, 10) == []
    assert await db.fetchval("SELECT count(*) FROM audit_log") == 0


async def test_an_address_moves_to_another_card(db: RawConnection) -> None:
    """Later items and the open conversation go with the address; history and closed conversations stay."""
    a, b = await contact(db, "a"), await contact(db, "b")
    moved = await identity(db, a)
    old = await history(db, a)
    for number, status in enumerate(("open", "resolved")):
        await db.execute(
            "INSERT INTO conversation (channel_id, thread_key, contact_id, identity_id, status) VALUES ($1, $2, $3, $4, $5)",
            CHANNEL,
            str(number),
            a,
            moved,
            status,
        )
    done = await move_identity(db, moved, b, by=ANNA)
    assert (done.from_id, done.to_id) == (a, b)
    link = await db.fetchrow("SELECT contact_id, source, confidence FROM identity WHERE id = $1", moved)
    assert link is not None
    assert tuple(link) == (b, "manual", 1.0)
    held = {row["status"]: row["contact_id"] for row in await db.fetch("SELECT status, contact_id FROM conversation")}
    assert held == {"open": b, "resolved": a}
    assert await history(db, a) == old
    assert await db.fetchval("SELECT action FROM audit_log") == "contact.identity_moved"
    assert (await move_identity(db, moved, b, by=ANNA)).event_id == 0
    with pytest.raises(NotFound):
        await move_identity(db, CHANNEL, b, by=ANNA)
    with pytest.raises(NotFound):
        await move_identity(db, moved, CHANNEL, by=ANNA)


async def test_merging_at_the_same_moment(database: Database, db: RawConnection) -> None:
    """Eight people merge the same cards in all directions at once: no ring, no deadlock, one tree that `card_id` follows."""
    made = [await contact(db, str(n)) for n in range(6)]
    pairs = list(itertools.permutations(made, 2))
    hands = [await database.connect() for _ in range(8)]

    async def work(hand: RawConnection, mine: list[tuple[UUID, UUID]]) -> list[UUID]:
        done = []
        for survivor, merged in mine:
            try:
                done.append((await merge_contacts(hand, survivor, merged, by=ANNA)).merge_id)
            except Conflict:
                continue
        return done

    try:
        async with asyncio.TaskGroup() as tasks:
            results = [tasks.create_task(work(hand, pairs[n:] + pairs[:n])) for n, hand in enumerate(hands)]
        merges = [merge_id for task in results for merge_id in task.result()]
        assert len(merges) == 5
        assert len(set((await cards(db)).values())) == 1
        async with asyncio.TaskGroup() as tasks:
            for hand, merge_id in zip(hands, merges, strict=False):
                tasks.create_task(_undo_again(hand, merge_id))
        assert await cards(db) == {one: one for one in made}
    finally:
        for hand in hands:
            hand.terminate()


async def test_who_comes_too_late_lets_go(database: Database, db: RawConnection) -> None:
    """Who waited for a card that meanwhile shows on another is told so at once: waiting on, he would deadlock with its card."""
    c, d, e = [await contact(db, name) for name in "cde"]
    first, late, other = [await database.connect() for _ in range(3)]
    try:
        async with other.transaction():
            await other.execute("SELECT FROM contact WHERE id = $1 FOR UPDATE", e)
            async with first.transaction():
                await join_cards(first, c, d, None)
                waiting = asyncio.create_task(merge_contacts(late, d, e, by=ANNA))
                while not await db.fetchval(
                    "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1", late.get_server_pid()
                ):
                    await asyncio.sleep(0.005)
            await join_cards(other, e, c, None)
        with pytest.raises(Conflict):
            await waiting
        assert await cards(db) == dict.fromkeys((c, d, e), e)
    finally:
        for hand in (first, late, other):
            hand.terminate()


async def _undo_again(hand: RawConnection, merge_id: UUID) -> None:
    """As a person does who is told that somebody else was quicker."""
    while await hand.fetchval("SELECT undone_at IS NULL FROM contact_merge WHERE id = $1", merge_id):
        try:
            await unmerge(hand, merge_id, by=ANNA)
        except Conflict:
            continue


# ------------------------------------------------------------------ any sequence of merges, undos, edits and messages

NAMES = st.sampled_from(["", "", "Анна", "Boris"])
CARDS = st.fixed_dictionaries(
    {
        "name": NAMES,
        "owner_id": st.sampled_from([None, ANNA, BORIS]),
        "tags": st.lists(st.sampled_from(["gold", "bread", "late"]), unique=True),
        "custom": st.dictionaries(st.sampled_from(["inn", "size"]), st.integers(0, 2)),
        "vip": st.booleans(),
        "language": st.sampled_from(["", "ru"]),
        "birthday": st.sampled_from([None, date(1990, 2, 3)]),
        "source": st.sampled_from([{}, {"channel": "form"}, {"channel": "sms"}]),
        "created_at": st.integers(1, 6).map(lambda days: NOW - timedelta(days=days)),
    }
)
INDEX = st.integers(0, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("merge"), INDEX, INDEX),
        st.tuples(st.just("undo"), st.integers(0, 7), st.just(0)),
        st.tuples(st.just("message"), INDEX, st.just(0)),
    ),
    max_size=14,
)


class Model:
    """Merges as a plain list of edges, oldest first; everything else is computed from it."""

    def __init__(self, own: dict[UUID, Parts]) -> None:
        self.own = own
        self.edges: list[tuple[UUID, UUID, UUID]] = []
        self.messages: dict[UUID, set[UUID]] = {one: set() for one in own}

    def root(self, one: UUID) -> UUID:
        up = {merged: survivor for _, survivor, merged in self.edges}
        while one in up:
            one = up[one]
        return one

    def parts(self, one: UUID) -> Parts:
        """The card's own parts, then what each card merged into it has, in the order of the merges."""
        parts = dict(self.own[one])
        for _, survivor, merged in self.edges:
            if survivor == one:
                give(parts, self.parts(merged))
        return parts

    def history(self, one: UUID) -> set[UUID]:
        return set().union(*(found for other, found in self.messages.items() if self.root(other) == self.root(one)))


async def check(db: RawConnection, model: Model) -> None:
    found = await cards(db)
    assert found == {one: model.root(one) for one in model.own}
    for one in model.own:
        assert await history(db, one) == model.history(one)
        actual, expected = to_parts(await row_of(db, one)), model.parts(one)
        for parts in (actual, expected):
            if "source" in parts:
                parts["source"] = parts["source"]["value"]
        assert actual == expected
    live = await db.fetch("SELECT survivor_id, merged_id FROM contact_merge WHERE undone_at IS NULL ORDER BY id")
    assert [tuple(row) for row in live] == [edge[1:] for edge in model.edges]


async def play(db: RawConnection, fields: list[dict[str, Any]], steps: list[tuple[str, int, int]]) -> None:
    made = [await contact(db, **columns) for columns in fields]
    model = Model({one: to_parts(await row_of(db, one)) for one in made})
    address = {row["contact_id"]: row["id"] for row in await db.fetch("SELECT id, contact_id FROM identity")}
    for one in made:
        model.messages[one] = await history(db, one)
    for step, first, second in steps:
        one, other = made[first % len(made)], made[second % len(made)]
        if step == "message":
            model.messages[one].add(await message(db, one, address[one]))
        elif step == "merge" and model.root(one) == model.root(other):
            with pytest.raises(Conflict):
                await merge(db, one, other)
        elif step == "merge":
            survivor, merged = model.root(one), model.root(other)
            done = await merge(db, one, other)
            assert (done.contact_id, done.merged_id) == (survivor, merged)
            model.edges.append((done.merge_id, survivor, merged))
        elif model.edges:
            edge = model.edges.pop(first % len(model.edges))
            assert (await unmerge(db, edge[0], by=ANNA)).kept == []
        await check(db, model)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.lists(CARDS, min_size=5, max_size=5), steps=STEPS)
async def test_any_order_of_merges_and_undos(db: RawConnection, fields: list[dict[str, Any]], steps: Any) -> None:
    """`card_id` is always the root by live merges, fields are as if undone merges had never been, history is all there."""
    transaction = db.transaction()
    await transaction.start()
    try:
        await db.execute("DELETE FROM contact")
        await db.execute("DELETE FROM identity")
        await db.execute("DELETE FROM contact_merge")
        await play(db, fields, steps)
    finally:
        await transaction.rollback()
