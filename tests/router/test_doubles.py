"""Cards that may be one person are found in either alphabet, and only where there is reason to ask."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.doubles import new_cards, suggest_doubles
from router.likeness import fold, likeness, skeleton, spellings, to_name
from router.merging import merge_contacts, unmerge
from storage.db import RawConnection
from storage.partitions import uuid7_floor
from storage.queries import load

SQL = load("doubles")
FIRM, OTHER_FIRM = UUID(int=70), UUID(int=71)


async def contact(db: RawConnection, name: str, **columns: Any) -> UUID:
    made: UUID = await db.fetchval(
        "WITH new AS (SELECT uuidv7() AS id) INSERT INTO contact (id, card_id, name) SELECT id, id, $1 FROM new RETURNING id",
        name,
    )
    for column, value in columns.items():
        await db.execute(f"UPDATE contact SET {column} = $2 WHERE id = $1", made, value)
    return made


async def suggestions(db: RawConnection) -> set[tuple[UUID, UUID]]:
    return {(r["first_id"], r["second_id"]) for r in await db.fetch("SELECT * FROM merge_suggestion")}


def pair(one: UUID, other: UUID) -> tuple[UUID, UUID]:
    return min(one, other), max(one, other)


# ------------------------------------------------------------------ names, word by word


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Анна Петрова", "Anna Petrova"),
        ("Анна Петрова", "ПЕТРОВА  АННА"),
        ("Анна Петрова", "Петрова Анна Сергеевна"),
        ("Фёдор Ёлкин", "Федор Елкин"),
        ("Фёдор Ёлкин", "Fyodor Yolkin"),
        ("Юлия Кузнецова", "Yuliya Kuznetsova"),
        ("Юлия Кузнецова", "Iuliia Kuznetsova"),
        ("Юлия Кузнецова", "Julia Kusnezowa"),
        ("Юлия Кузнецова", "Ulia Kuznecova"),
        ("Дмитрий Щукин", "Dmitry Shchukin"),
        ("Дмитрий Щукин", "Dmitrii Schukin"),
        ("Александр Жуков", "Alexander Zhukov"),
        ("Евгений Яковлев", "Yevgeniy Iakovlev"),
        ("Михаил Шишкин", "Mikhail Shishkin"),
        ("Сергей Цой", "Sergey Tsoy"),
        ("Хабиб Хайруллин", "Khabib Khairullin"),
        ("Екатерина Смирнова", "Екатерина Смирнва"),
    ],
)
def test_one_person(one: str, other: str) -> None:
    """Spellings of one name agree in two words or more, whichever is asked first."""
    score, words = likeness(to_name(one), to_name(other))
    assert score >= 0.7
    assert words >= 2
    assert likeness(to_name(other), to_name(one)) == (score, words)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Иван Иванов", "Иван Сидоров"),
        ("Иван Петров", "Иван Петрова"),
        ("Александр Иванов", "Александра Иванова"),
        ("Анна Сергеевна Петрова", "Анна Ивановна Петрова"),
        ("Анна", "Anna"),
        ("Анна Сергеевна", "Анна Сергеевна"),
        ("А. Петрова", "Анна Петрова"),
        ("Ли Ан", "Ли Ан"),
        ("Клиент Сайта 17", "Клиент Сайта 18"),
        ("+7 900 111-22-33", "+7 900 111-22-33"),
        ("", ""),
    ],
)
def test_too_little_to_ask(one: str, other: str) -> None:
    """Others' names, names of one word or of very few letters, given name with patronymic: no two words agree."""
    score, words = likeness(to_name(one), to_name(other))
    assert score == 0 or words < 2


TEXTS = st.one_of(
    st.text(max_size=40), st.text("абвгдеёжзийклмнопрстуфхцчшщъыьэюя abcdefghijklmnopqrstuvwxyz'-.", max_size=40)
)


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
def test_any_text_is_a_name(one: str, other: str) -> None:
    """Whatever stands in a name: no error, the order of the two does not matter, a score is from 0 to 1."""
    first, second = to_name(one), to_name(other)
    score, _ = likeness(first, second)
    assert 0 <= score <= 1
    assert likeness(second, first)[0] == score
    assert all(spelling == fold(spelling) for spelling in spellings(one))
    assert likeness(first, first)[0] in {0.0, 0.95}


@given(st.text("абвгдежзийклмнопрстуфхцчшщыэюя", min_size=1, max_size=12))
def test_a_skeleton_survives_romanising(word: str) -> None:
    """A word and its usual romanisation have one skeleton."""
    assert skeleton(spellings(word)[1]) == skeleton(word)


# ------------------------------------------------------------------ cards


async def test_found_in_both_alphabets(db: RawConnection) -> None:
    """A new card finds its double in the other alphabet, in either direction, with a score and a reason without names."""
    old = [await contact(db, "Юлия Кузнецова"), await contact(db, "Dmitry Shchukin"), await contact(db, "Пётр Чехов")]
    new = [await contact(db, "Iuliia Kuznetsova"), await contact(db, "Дмитрий Щукин"), await contact(db, "Петр Чехов")]
    assert await suggest_doubles(db, new) == 3
    assert await suggestions(db) == {pair(one, other) for one, other in zip(old, new, strict=True)}
    told = {(r["reason"], r["score"]) for r in await db.fetch("SELECT reason, score FROM merge_suggestion")}
    assert told == {("the same name in the other alphabet", 0.9), ("the same name", 0.95)}
    assert await suggest_doubles(db, [*old, *new]) == 0, "nothing is suggested twice"


async def test_one_given_name_alone_is_nothing(db: RawConnection) -> None:
    """Annas are many; two Annas of one company are worth a question."""
    cards = [
        await contact(db, "Анна"),
        await contact(db, "Anna"),
        await contact(db, "Анна", company_id=FIRM),
        await contact(db, "Anna", company_id=FIRM),
        await contact(db, "Анна", company_id=OTHER_FIRM),
    ]
    assert await suggest_doubles(db, cards) == 1
    assert await suggestions(db) == {pair(cards[2], cards[3])}
    reason = await db.fetchval("SELECT reason FROM merge_suggestion")
    assert reason == "the same name in the other alphabet at the same company"


async def test_a_name_that_many_bear(db: RawConnection) -> None:
    """Twelve cards of one name are namesakes, not doubles, unless they work at one company."""
    cards = [await contact(db, "Иван Иванов") for _ in range(10)]
    together = [await contact(db, "Иван Иванов", company_id=FIRM) for _ in range(2)]
    assert await suggest_doubles(db, cards) == 0
    assert await suggest_doubles(db, together) == 1
    assert await suggestions(db) == {pair(*together)}


async def test_companies_by_name_without_legal_form(db: RawConnection) -> None:
    """ООО "Ромашка" and Romashka LLC may be one company; a person of that name is none."""
    firm = await contact(db, 'ООО "Ромашка"', kind="company")
    same = await contact(db, "Romashka LLC", kind="company")
    person = await contact(db, "Ромашка")
    assert await suggest_doubles(db, [firm, same, person]) == 1
    assert await suggestions(db) == {pair(firm, same)}


async def test_never_asked_again(db: RawConnection) -> None:
    """Dismissed is dismissed: also for cards the two were merged into since, and for cards taken apart by hand."""
    one, other = await contact(db, "Анна Петрова"), await contact(db, "Anna Petrova")
    assert await suggest_doubles(db, [other]) == 1
    await db.execute("UPDATE merge_suggestion SET state = 'dismissed'")
    assert await suggest_doubles(db, [one, other]) == 0
    third = await contact(db, "nobody")
    await merge_contacts(db, third, one, by=None)
    assert await suggest_doubles(db, [one, other]) == 0

    left, right = await contact(db, "Борис Котов"), await contact(db, "Boris Kotov")
    done = await merge_contacts(db, left, right, by=None)
    assert await suggest_doubles(db, [left, right]) == 0, "one card now"
    await unmerge(db, done.merge_id, by=None)
    assert await suggest_doubles(db, [left, right]) == 0


async def test_merged_names_count_for_their_card(db: RawConnection) -> None:
    """A card is also known by the names of those merged into it; the suggestion names the cards."""
    survivor, member = await contact(db, "Мария Белова"), await contact(db, "Мария Чернова")
    await merge_contacts(db, survivor, member, by=None)
    double = await contact(db, "Maria Chernova")
    assert await suggest_doubles(db, [double]) == 1
    assert await suggestions(db) == {pair(survivor, double)}


async def test_erased_cards_are_left_alone(db: RawConnection) -> None:
    """Who was erased is neither asked about nor found."""
    gone = await contact(db, "Анна Петрова", erased_at=datetime(2026, 1, 1, tzinfo=UTC))
    there = await contact(db, "Анна Петрова")
    assert await suggest_doubles(db, [gone, there]) == 0


async def test_new_cards_in_portions(db: RawConnection) -> None:
    """A job that remembers the last id sees every new card once; `since` takes the oldest first."""
    made = [await contact(db, f"Client Number {n}") for n in range(5)]
    await contact(db, "")
    seen: list[UUID] = []
    cursor = uuid7_floor(datetime.now(UTC) - timedelta(hours=1))
    while portion := await new_cards(db, cursor, 2):
        seen += portion
        cursor = portion[-1]
    assert seen == made
    assert await new_cards(db, uuid7_floor(datetime.now(UTC) + timedelta(hours=1)), 9) == []
    one, other = await contact(db, "Анна Петрова"), await contact(db, "Anna Petrova")
    assert await suggest_doubles(db, since=datetime.now(UTC) - timedelta(hours=1), limit=5) == 0
    assert await suggest_doubles(db, since=datetime.now(UTC) - timedelta(hours=1)) == 1
    assert await suggestions(db) == {pair(one, other)}


async def test_hostile_names(db: RawConnection) -> None:
    """Quotes, wildcards, emoji, other scripts, very long ones: looked for like any other."""
    names = [
        "100% _; DROP TABLE contact --",
        "😀 😀",
        "王小明 李小龙",
        "م حمد علي",
        "а" * 5000,
        "' '' \\ \\\\",
        "ß ẞ İ ı",
    ]
    cards = [await contact(db, name) for name in names]
    assert await suggest_doubles(db, cards) == 0


FILL = """
INSERT INTO contact (id, card_id, name, company_id)
SELECT id, id, name, company_id
FROM (
    SELECT uuidv7() AS id, initcap(translate(substr(md5(n::text), 1, 7), '0123456789', 'оаеиуклмнр')) || ' '
        || initcap(translate(substr(md5((n * 7)::text), 1, 9), '0123456789', 'стврнлкдмп')) AS name,
        CASE WHEN n % 3 = 0 THEN md5((n / 30)::text)::uuid END AS company_id
    FROM generate_series(1, 20000) AS n
) AS made
"""


async def plan_of(db: RawConnection, name: str, *values: object) -> str:
    """The plan the server makes for a prepared statement with these values."""
    statement = getattr(SQL, name)
    plan = await db.fetch("EXPLAIN " + statement, *values)
    return "\n".join(row[0] for row in plan)


async def test_indexes_are_used(db: RawConnection) -> None:
    """On 20,000 cards every statement of the search goes by its index; none reads the whole table."""
    await db.execute(FILL)
    await db.execute("ANALYZE contact, merge_suggestion")
    await db.execute("SELECT set_config('pg_trgm.similarity_threshold', '0.45', false)")
    some = [row["id"] for row in await db.fetch("SELECT id FROM contact LIMIT 50")]
    spelling = ["анна петрова"] * len(some)
    kinds = ["person"] * len(some)
    plans = {
        "contact_name_trgm_idx": await plan_of(db, "alike", some, some, kinds, spelling, 20),
        "contact_company_id_idx": await plan_of(db, "colleagues", some, some, some, 200),
        "contact_pkey": await plan_of(db, "names", some),
        "contact_card_id_idx": await plan_of(db, "suggest", some, some, kinds, [1.0] * len(some)),
    }
    for index, plan in plans.items():
        assert index in plan, plan
        assert "Seq Scan on contact" not in plan, plan
    cursor = await db.fetchval("SELECT id FROM contact ORDER BY id DESC OFFSET 300 LIMIT 1")
    assert "contact_pkey" in await plan_of(db, "new_cards", cursor, 100)
