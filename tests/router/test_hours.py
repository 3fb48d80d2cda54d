"""Working hours, held against an evaluation that only looks at the clock, minute by minute."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import BadSettings
from router.hours import Calendar, add_working_seconds, is_open, next_open, read_calendar

Hours: TypeAlias = Mapping[str, list[list[str]]]
MOSCOW = ZoneInfo("Europe/Moscow")
MINUTE = timedelta(minutes=1)


def naive_is_open(hours: Hours, holidays: Hours, zone: ZoneInfo, at: datetime) -> bool:
    """The same question in strings: today's list, and what yesterday's left over midnight."""

    def listed(day: datetime) -> list[list[str]]:
        if f"{day:%Y-%m-%d}" in holidays:
            return holidays[f"{day:%Y-%m-%d}"]
        return hours.get(str(day.isoweekday()), []) if hours else [["00:00", "24:00"]]

    local = at.astimezone(zone)
    shown = f"{local:%H:%M}"
    yesterday = local.replace(tzinfo=None) - timedelta(days=1)
    today = any(a <= shown and (shown < b or b <= a) for a, b in listed(local))
    return today or any(b <= a and shown < b for a, b in listed(yesterday))


times = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.sampled_from([0, 0, 15, 30, 59]))
spans = st.lists(st.tuples(times, times | st.just("24:00")).map(list), max_size=3)
weeks = st.dictionaries(st.sampled_from("1234567"), spans, max_size=7)
# Around changes of the clock: Berlin, Havana (at midnight), Lord Howe (half an hour), and where there are none.
MOMENTS = [
    ("Europe/Berlin", datetime(2026, 3, 28, 22, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC)),
    ("America/Havana", datetime(2026, 3, 8, 0, tzinfo=UTC)),
    ("America/Havana", datetime(2026, 10, 31, 22, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 10, tzinfo=UTC)),
    ("Europe/Moscow", datetime(2026, 12, 30, 20, tzinfo=UTC)),
]
moments = st.sampled_from(MOMENTS).flatmap(
    lambda m: st.tuples(st.just(m[0]), st.integers(0, 2000).map(lambda n: m[1] + n * MINUTE))
)
free_days = st.dictionaries(
    st.sampled_from(["2026-03-29", "2026-10-25", "2026-12-31", "2027-01-01", "2026-03-08", "2026-11-01"]), spans
)


@given(weeks, free_days, moments)
@settings(max_examples=60, deadline=None)
def test_hours_follow_the_clock(hours: Hours, holidays: Hours, moment: tuple[str, datetime]) -> None:
    """is_open, next_open and the working seconds agree with looking at the wall clock every minute for two days."""
    zone, start = ZoneInfo(moment[0]), moment[1]
    calendar = read_calendar(hours, holidays, moment[0], MOSCOW)
    shown = [naive_is_open(hours, holidays, zone, start + n * MINUTE) for n in range(2880)]
    assert [is_open(calendar, start + n * MINUTE) for n in range(0, 2880, 7)] == shown[::7]
    first = shown.index(True) if True in shown else None
    found = next_open(calendar, start)
    assert first is None or found == start + first * MINUTE
    assert first is not None or found is None or found >= start + timedelta(days=2)
    for wanted in (1, 90, 700):
        opened = [n for n, is_it in enumerate(shown) if is_it]
        due = add_working_seconds(calendar, start, wanted * 60)
        if len(opened) >= wanted:
            assert due == start + (opened[wanted - 1] + 1) * MINUTE
        else:
            assert due is None or due > start + timedelta(days=2) - MINUTE


@given(weeks, free_days, moments, st.integers(0, 20_000), st.integers(0, 20_000))
@settings(max_examples=60, deadline=None)
def test_working_seconds_add_up(
    hours: Hours, holidays: Hours, moment: tuple[str, datetime], first: int, second: int
) -> None:
    """Adding in two steps ends where adding at once ends, and never before the time itself has passed."""
    calendar = read_calendar(hours, holidays, moment[0], MOSCOW)
    halfway = add_working_seconds(calendar, moment[1], first)
    at_once = add_working_seconds(calendar, moment[1], first + second)
    if halfway is not None and at_once is not None:
        assert add_working_seconds(calendar, halfway, second) == at_once
        assert at_once - moment[1] >= timedelta(seconds=first + second)


def test_first_answer_is_due_on_the_next_working_morning() -> None:
    """A message of Friday 17:50 with 15 minutes to answer is due on Monday 09:05."""
    calendar = read_calendar({str(day): [["09:00", "18:00"]] for day in range(1, 6)}, {}, "Europe/Moscow", MOSCOW)
    friday = datetime(2026, 11, 27, 17, 50, tzinfo=MOSCOW)
    assert add_working_seconds(calendar, friday, 900) == datetime(2026, 11, 30, 9, 5, tzinfo=MOSCOW)


def test_a_holiday_closes_and_a_short_day_shortens() -> None:
    """On 31 December it is open as that date says, on 1 January not at all, although hours are round the clock."""
    calendar = read_calendar({}, {"2026-12-31": [["10:00", "14:00"]], "2027-01-01": []}, "", MOSCOW)
    assert is_open(calendar, datetime(2026, 12, 31, 13, 59, tzinfo=MOSCOW))
    assert not is_open(calendar, datetime(2026, 12, 31, 14, tzinfo=MOSCOW))
    opens = next_open(calendar, datetime(2026, 12, 31, 14, tzinfo=MOSCOW))
    assert opens == datetime(2027, 1, 2, tzinfo=MOSCOW)


def test_never_open_says_so() -> None:
    """A queue without a single open minute has no opening and no due time, rather than a search without end."""
    calendar = read_calendar({"1": []}, {}, "", MOSCOW)
    now = datetime(2026, 11, 27, tzinfo=UTC)
    assert (next_open(calendar, now), add_working_seconds(calendar, now, 60)) == (None, None)
    once_a_week = Calendar(MOSCOW, {1: ((540, 541),)})
    assert add_working_seconds(once_a_week, now, 3600 * 24) is None


@pytest.mark.parametrize(
    ("hours", "holidays", "zone", "field"),
    [
        ({"8": []}, {}, "", "hours.8"),
        ({"1": "09:00-18:00"}, {}, "", "hours.1"),
        ({"1": [["9:00", "18:00"]]}, {}, "", "hours.1[0]"),
        ({"1": [["09:00", "24:01"]]}, {}, "", "hours.1[0]"),
        ({"1": [["24:00", "08:00"]]}, {}, "", "hours.1[0]"),
        ({"1": [["08:00"]]}, {}, "", "hours.1[0]"),
        ({"1": [[None, 5]]}, {}, "", "hours.1[0]"),
        ({}, {"31.12.2026": []}, "", "holidays.31.12.2026"),
        ({}, {"2026-12-31": None}, "", "holidays.2026-12-31"),
        ({}, {}, "Europe/Moskva", "timezone"),
        ({}, {}, "../../etc/passwd", "timezone"),
        ({}, {}, "Europe", "timezone"),
    ],
)
def test_bad_hours_name_the_field(hours: dict[str, object], holidays: dict[str, object], zone: str, field: str) -> None:
    """What an administrator mistypes comes back with the field's name."""
    with pytest.raises(BadSettings) as caught:
        read_calendar(hours, holidays, zone, MOSCOW)
    assert str(caught.value).startswith(field)
