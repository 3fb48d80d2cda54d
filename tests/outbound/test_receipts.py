from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Sent
from router.outbound.claims import claim, mark_sending
from router.outbound.outcomes import record, sent
from router.outbound.receipts import Receipt, apply_receipts, sweep_pending
from router.outbound.replies import retry
from router.outbound.states import after_receipt
from storage.events import append_events
from tests.outbound.provider_stub import Hub

RANK = ["queued", "sent", "failed", "delivered", "read"]
T0 = datetime(2026, 11, 1, 12, tzinfo=UTC)


@given(
    start=st.sampled_from(["sending", "sent", "in_doubt", "failed", "delivered", "read"]),
    said=st.lists(st.sampled_from(["sent", "delivered", "read", "failed", "delayed", "nonsense"]), max_size=8),
    seed=st.integers(),
)
def test_receipts_give_the_same_state_in_any_order(start: str, said: list[str], seed: int) -> None:
    """The highest rank wins, whatever came when; a failure stands over "sent" and under "delivered"."""
    mixed = said[:]
    random.Random(seed).shuffle(mixed)
    ends = []
    for order in (said, mixed):
        state = start
        for status in order:
            state = after_receipt(state, status, of_last_try=True)
        ends.append(state)
    known = [status for status in said if status in RANK]
    rank = max((RANK.index(s) for s in known), default=0)
    expected = RANK[rank] if start not in RANK or rank > RANK.index(start) else start
    assert ends == [expected if known else start] * 2


@pytest.mark.parametrize("current", ["queued", "claimed", "cancelled"])
def test_old_news_does_not_stop_a_new_try(current: str) -> None:
    """Queued again by hand: the first try's failure must not end it, its delivery must."""
    assert after_receipt(current, "failed", of_last_try=False) == current
    assert after_receipt(current, "sent", of_last_try=True) == current
    assert after_receipt(current, "delivered", of_last_try=False) == "delivered"


async def _sent(hub: Hub, ids: list[str], conversation: UUID | None = None) -> UUID:
    outbound = await hub.queued(conversation or await hub.client(), "x")
    await _send(hub, ids)
    return outbound


async def _send(hub: Hub, ids: list[str]) -> None:
    async with hub.store.pool.acquire() as c, c.transaction():
        claims = await claim(c, hub.channel_id, token=f"me{ids}", limit=1, max_class=2)
        await mark_sending(c, claims)
        await record(c, [sent(one, Sent(ids), 5) for one in claims])


async def _hear(hub: Hub, *receipts: Receipt) -> list[dict[str, Any]]:
    async with hub.store.pool.acquire() as c, c.transaction():
        events = await apply_receipts(c, receipts)
        await append_events(c, events)
    return [dict(e.data) for e in events if isinstance(e.data, dict)]


def _receipt(hub: Hub, external_id: str, status: str, minutes: int = 0, **more: Any) -> Receipt:
    return Receipt(hub.channel_id, external_id, status, T0 + timedelta(minutes=minutes), **more)


async def test_a_batch_of_receipts_lands_where_it_belongs(hub: Hub) -> None:
    """Receipts of several messages in one statement, twice and out of order: state, dates and one event each."""
    first, second, third = [await _sent(hub, [f"p{n}"]) for n in (1, 2, 3)]
    heard = [
        _receipt(hub, "p1", "read", 2),
        _receipt(hub, "p1", "delivered", 1),
        _receipt(hub, "p1", "delivered", 1),
        _receipt(hub, "p2", "failed", 1, error_code="5.1.1", error_text="no such\0user", error_class="permanent"),
        _receipt(hub, "p3", "delayed", 1),
    ]
    events = await _hear(hub, *heard)
    assert sorted((e["state"], str(e["outbound_id"])) for e in events) == sorted(
        [("read", str(first)), ("failed", str(second))]
    )
    rows = [await hub.row(one) for one in (first, second, third)]
    assert [row["state"] for row in rows] == ["read", "failed", "sent"]
    assert (rows[0]["delivered_at"], rows[0]["read_at"]) == (T0 + timedelta(minutes=1), T0 + timedelta(minutes=2))
    assert (rows[1]["error_code"], rows[1]["error"], rows[1]["error_class"]) == ("5.1.1", "no suchuser", "permanent")
    assert (
        await hub.store.pool.fetchval("SELECT state FROM interaction WHERE id = $1", rows[0]["interaction_id"])
        == "read"
    )
    assert await _hear(hub, *heard) == []


async def test_a_failure_is_overruled_by_delivery(hub: Hub) -> None:
    """The gateway's first route failed, the second one worked."""
    outbound = await _sent(hub, ["p1"])
    await _hear(hub, _receipt(hub, "p1", "failed"))
    await _hear(hub, _receipt(hub, "p1", "delivered"))
    await _hear(hub, _receipt(hub, "p1", "failed"))
    row = await hub.row(outbound)
    assert (row["state"], row["error"], row["error_class"]) == ("delivered", "", "")


async def test_a_receipt_before_the_answer_is_kept_and_joined(hub: Hub) -> None:
    """The provider's receipt was quicker than its answer to our request."""
    await hub.queued(await hub.client(), "x")
    assert await _hear(hub, _receipt(hub, "p7", "delivered"), _receipt(hub, "p7", "delivered")) == []
    await _send(hub, ["p7"])
    assert await hub.store.pool.fetchval("SELECT state FROM outbound") == "delivered"
    assert await hub.store.pool.fetchval("SELECT count(*) FROM pending_status") == 0
    assert [e["state"] for e in await hub.events("interaction.state")] == ["sent", "delivered"]


async def test_a_receipt_that_missed_its_answer_is_found_by_the_sweep(hub: Hub) -> None:
    """Both committed at the same instant, neither saw the other; strangers' receipts go after a day."""
    outbound = await _sent(hub, ["p1"])
    await hub.store.pool.execute(
        "INSERT INTO pending_status (channel_id, external_id, status, at)"
        " VALUES ($1, 'p1', 'read', now()), ($1, 'old', 'read', now() - interval '25 hours'), ($1, 'new', 'read', now())",
        hub.channel_id,
    )
    async with hub.store.pool.acquire() as c, c.transaction():
        assert len(await sweep_pending(c)) == 1
    assert await hub.state(outbound) == "read"
    assert await hub.store.pool.fetchval("SELECT array_agg(external_id) FROM pending_status") == ["new"]


async def test_reading_a_thread_reads_what_was_sent_before(hub: Hub) -> None:
    """A watermark: all of the thread up to its time, nothing later, nothing of others, nothing failed."""
    anna, boris = await hub.client("anna"), await hub.client("boris")
    first, second, late = [await _sent(hub, [f"a{n}"], anna) for n in range(3)]
    other = await _sent(hub, ["b1"], boris)
    await _hear(hub, _receipt(hub, "a1", "failed"))
    await hub.store.pool.execute("UPDATE outbound SET sent_at = $1", T0)
    await hub.store.pool.execute("UPDATE outbound SET sent_at = $1 WHERE id = $2", T0 + timedelta(hours=1), late)
    await _hear(hub, _receipt(hub, "", "read", 5, thread_key="anna", watermark=True))
    assert [await hub.state(one) for one in (first, second, late, other)] == ["read", "failed", "sent", "sent"]


async def test_a_receipt_ends_a_doubt(hub: Hub) -> None:
    """Known by our own id, which the provider was given: any status settles it."""
    outbound = await hub.queued(await hub.client(), "x")
    await hub.store.pool.execute("UPDATE outbound SET state = 'in_doubt'")
    await _hear(hub, _receipt(hub, str(outbound), "sent"))
    assert await hub.state(outbound) == "sent"


async def test_an_old_failure_does_not_end_the_second_try(hub: Hub) -> None:
    """Sent again by hand with a new id: a repeated receipt of the first try's failure changes nothing."""
    outbound = await _sent(hub, ["p1"])
    await _hear(hub, _receipt(hub, "p1", "failed"))
    async with hub.store.pool.acquire() as c, c.transaction():
        await retry(c, outbound, datetime.now(UTC))
    await _hear(hub, _receipt(hub, "p1", "failed"))
    assert await hub.state(outbound) == "queued"
    await _send(hub, ["p2"])
    await _hear(hub, _receipt(hub, "p1", "failed"))
    assert await hub.state(outbound) == "sent"
    await _hear(hub, _receipt(hub, "p2", "failed", error_class="blocked"))
    row = await hub.row(outbound)
    assert row["state"] == "failed"
    assert (
        await hub.store.pool.fetchval("SELECT blocked_at FROM identity WHERE id = $1", row["identity_id"]) is not None
    )
