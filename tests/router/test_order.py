"""The place of an item in the stream."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Payload
from connectors.items import Item
from router.understand import order_at
from router.work import Entry

WEEK = timedelta(days=7)
RECEIVED = datetime(2026, 11, 24, 12, tzinfo=UTC)
instants = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
seconds = instants.map(lambda at: at.replace(microsecond=0))


def place(sent_at: datetime | None, *, received_at: datetime = RECEIVED, archive: bool = False) -> datetime:
    entry = Entry(1, 0, 0, 0, False, None, received_at, archive, Payload())
    item = Item(kind="message", sent_at=sent_at)
    return order_at(item, entry, whole_seconds=True, backwards=None if archive else WEEK)


@given(instants | st.none(), instants)
def test_never_after_it_was_received_nor_a_week_before(sent_at: datetime | None, received_at: datetime) -> None:
    """A mail dated 2099 stands where it arrived, one dated 1998 a week before; without a date, where it arrived."""
    at = place(sent_at, received_at=received_at)
    assert received_at - WEEK <= at <= received_at
    if sent_at is None or sent_at >= received_at:
        assert at == received_at


@given(instants)
def test_archives_keep_their_dates(sent_at: datetime) -> None:
    """An import stands where it was written, however long ago."""
    assert place(sent_at, archive=True) in {
        min(sent_at, RECEIVED),
        min(sent_at + timedelta(microseconds=999_999), RECEIVED),
    }


@given(seconds, seconds)
def test_the_providers_order_holds(first: datetime, second: datetime) -> None:
    """What the provider says came later never stands before, whatever the clamps do."""
    earlier, later = sorted((first, second))
    assert place(earlier) <= place(later)


@given(st.integers(1, 6 * 86_400), st.integers(0, 999_999))
def test_an_outage_does_not_turn_messages_round(age_s: int, fraction: int) -> None:
    """Of two messages of one second, the one delivered late by an outage still follows the one delivered at once."""
    second = (RECEIVED - timedelta(seconds=age_s)).replace(microsecond=0)
    at_once = place(second, received_at=second + timedelta(microseconds=fraction))
    delayed = place(second, received_at=RECEIVED)
    assert at_once <= delayed
