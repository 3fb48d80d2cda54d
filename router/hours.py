"""Working hours of a queue: is it open, when does it open next, when are N working seconds over.

The wall clock rules: a queue is open while the clock in its zone shows a time within its hours, so an hour that the
change to winter time repeats counts twice, and one that is skipped not at all. A span over midnight belongs to the day
it begins on: a holiday replaces what would begin on that day and does not cut the night before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import TypeAlias
from zoneinfo import ZoneInfo

from config.errors import BadSettings

Span: TypeAlias = tuple[int, int]
"""Minutes from the midnight of a local day, [start, end); an end over 1440 is in the next day."""

DAY = 24 * 60
HORIZON = timedelta(days=400)
"""How far ahead an opening is looked for: a year and a holiday season."""

_TIME = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")


@dataclass(frozen=True)
class Calendar:
    """`hours`: ISO weekday 1 to 7 -> spans, a day without an entry is closed; None: round the clock."""

    zone: ZoneInfo
    hours: Mapping[int, tuple[Span, ...]] | None = None
    holidays: Mapping[date, tuple[Span, ...]] = field(default_factory=dict)

    @cached_property
    def always_open(self) -> bool:
        return self.hours is None and not self.holidays

    @cached_property
    def never_open(self) -> bool:
        return self.hours is not None and not any(self.hours.values()) and not any(self.holidays.values())

    def spans_on(self, day: date) -> list[Span]:
        """The open minutes of one local day, yesterday's night included, sorted and without overlaps."""
        own = [(start, min(end, DAY)) for start, end in self._begun_on(day)]
        rest = [(0, end - DAY) for _, end in self._begun_on(day - timedelta(days=1)) if end > DAY]
        joined: list[Span] = []
        for start, end in sorted(rest + own):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
            else:
                joined.append((start, end))
        return joined

    def _begun_on(self, day: date) -> tuple[Span, ...]:
        special = self.holidays.get(day)
        if special is not None:
            return special
        return ((0, DAY),) if self.hours is None else self.hours.get(day.isoweekday(), ())


def is_open(calendar: Calendar, at: datetime) -> bool:
    """Whether the wall clock shows an open minute."""
    if calendar.always_open:
        return True
    local = at.astimezone(calendar.zone)
    minute = local.hour * 60 + local.minute
    return any(start <= minute < end for start, end in calendar.spans_on(local.date()))


def next_open(calendar: Calendar, at: datetime) -> datetime | None:
    """`at` itself while open, else the next opening (UTC); None when there is none within 400 days."""
    if calendar.always_open:
        return at.astimezone(UTC)
    return next((start for start, _ in _open_times(calendar, at)), None)


def add_working_seconds(calendar: Calendar, start: datetime, seconds: float) -> datetime | None:
    """The instant (UTC) at which that many open seconds have passed; None when 400 days do not hold them."""
    if calendar.always_open or seconds <= 0:
        return start.astimezone(UTC) + timedelta(seconds=max(seconds, 0))
    left = timedelta(seconds=seconds)
    for begin, end in _open_times(calendar, start):
        if left <= end - begin:
            return begin + left
        left -= end - begin
    return None


def _open_times(calendar: Calendar, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Open stretches from `start` on, in UTC and in order; neighbours are not joined."""
    at = start.astimezone(UTC)
    end = at if calendar.never_open else at + HORIZON
    while at < end:
        upto = _offset_change(calendar.zone, at, at + timedelta(days=1))
        offset = at.astimezone(calendar.zone).utcoffset() or timedelta()
        yield from _open_within(calendar, at, upto, offset)
        at = upto


def _open_within(
    calendar: Calendar, start: datetime, end: datetime, offset: timedelta
) -> Iterator[tuple[datetime, datetime]]:
    """The same within a stretch of one UTC offset, where local and UTC time run in parallel."""
    first, last = (start + offset).date(), (end + offset).date()
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(ordinal)
        midnight = datetime.combine(day, time(), UTC) - offset
        for from_minute, to_minute in calendar.spans_on(day):
            begin = max(start, midnight + timedelta(minutes=from_minute))
            finish = min(end, midnight + timedelta(minutes=to_minute))
            if begin < finish:
                yield begin, finish


def _offset_change(zone: ZoneInfo, start: datetime, end: datetime) -> datetime:
    """The first instant after `start` at which the zone's offset differs, `end` if it does not change before."""

    def offset(second: int) -> timedelta | None:
        return datetime.fromtimestamp(second, zone).utcoffset()

    low, high = int(start.timestamp()), int(end.timestamp())
    before = offset(low)
    if offset(high) == before:
        return end
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if offset(middle) == before else (low, middle)
    return min(datetime.fromtimestamp(high, UTC), end)


def read_calendar(
    hours: Mapping[str, object], holidays: Mapping[str, object], timezone: str, default_zone: ZoneInfo
) -> Calendar:
    """The calendar of a queue's columns. Raises BadSettings naming the field."""
    try:
        zone = ZoneInfo(timezone) if timezone else default_zone
    except (KeyError, ValueError, OSError):  # unknown; a path or NUL; the name of a folder
        raise BadSettings(
            f"timezone: {timezone[:60]!r} is not a time zone such as Europe/Moscow", reason="zone_unknown"
        ) from None
    days: dict[int, tuple[Span, ...]] = {}
    for key, value in hours.items():
        if key not in {"1", "2", "3", "4", "5", "6", "7"}:
            raise BadSettings(f"hours.{key[:20]}: weekdays are 1 (Monday) to 7 (Sunday)")
        days[int(key)] = _read_spans(f"hours.{key}", value)
    special = {_read_date(key): _read_spans(f"holidays.{key[:20]}", value) for key, value in holidays.items()}
    return Calendar(zone, days or None, special)


def _read_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadSettings(f"holidays.{text[:20]}: a date is written 2026-12-31", reason="date_form") from None


def _read_spans(where: str, value: object) -> tuple[Span, ...]:
    if not isinstance(value, list | tuple):
        raise BadSettings(f'{where}: expected a list such as [["09:00", "18:00"]]')
    return tuple(_read_span(f"{where}[{n}]", pair) for n, pair in enumerate(value))


def _read_span(where: str, pair: object) -> Span:
    """An end at or before its start is in the next day, so ["00:00", "00:00"] is a whole day."""
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise BadSettings(f'{where}: expected two times such as ["09:00", "18:00"]')
    start, end = (_read_minute(where, text) for text in pair)
    if start == DAY:
        raise BadSettings(f"{where}: 24:00 is an end, not a start", reason="hours_form")
    return start, end if end > start else end + DAY


def _read_minute(where: str, text: object) -> int:
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    minutes = int(found[1]) * 60 + int(found[2]) if found else DAY + 1
    if minutes > DAY:
        raise BadSettings(f"{where}: a time is written 09:00, between 00:00 and 24:00", reason="hours_form")
    return minutes
