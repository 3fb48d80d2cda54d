"""What whoever merges chose, and what he had said before, survive the undo."""

from __future__ import annotations

from datetime import date

from router.merging import join_cards, part_cards, unmerge
from router.names import sort_name
from storage.db import RawConnection
from tests.router.test_merging import ANNA, BORIS, contact, merge, row_of


async def test_what_was_dismissed_stays_so(db: RawConnection) -> None:
    """A pair that somebody had dismissed, merged by hand and taken apart, is not asked about again."""
    a, b = await contact(db, "a"), await contact(db, "b")
    await db.execute(
        "INSERT INTO merge_suggestion (first_id, second_id, reason, score, state) VALUES ($1, $2, 'x', 1, 'dismissed')",
        *sorted([a, b]),
    )
    done = await merge(db, a, b)
    await unmerge(db, done.merge_id, by=ANNA)
    assert await db.fetchval("SELECT state FROM merge_suggestion") == "dismissed"


async def test_chosen_values_win_and_come_back(db: RawConnection) -> None:
    """What whoever merges takes from the other card replaces the survivor's own; the undo puts that back, also when an
    earlier merge is undone first.
    """
    a = await contact(db, "Пётр", owner_id=ANNA, custom={"inn": "1", "size": "s"}, birthday=date(1990, 1, 1))
    b = await contact(db, "Пётр Ёлкин", owner_id=BORIS, custom={"inn": "2"}, birthday=date(1991, 1, 1))
    c = await contact(db, "П. Ёлкин", language="ru")
    before = await row_of(db, a)
    async with db.transaction():
        first = await join_cards(db, a, c, None)
    async with db.transaction():
        second = await join_cards(db, a, b, None, ["name", "owner_id", "custom:inn"])
    row = await row_of(db, a)
    assert (row["name"], row["sort_name"], row["owner_id"]) == ("Пётр Ёлкин", sort_name("Пётр Ёлкин"), BORIS)
    assert (row["custom"], row["birthday"]) == ({"inn": "2", "size": "s"}, date(1990, 1, 1))
    async with db.transaction():
        await part_cards(db, first, None)
    row = await row_of(db, a)
    assert (row["name"], row["custom"]["inn"], row["language"]) == ("Пётр Ёлкин", "2", "")
    async with db.transaction():
        await part_cards(db, second, None)
    after = await row_of(db, a)
    skip = {"version", "updated_at", "sort_name"}
    assert {k: v for k, v in after.items() if k not in skip} == {k: v for k, v in before.items() if k not in skip}
