"""P4: what others do in the same database does not delay the live stream."""

from __future__ import annotations

import pytest

from tests.kill.checks import whole
from tests.kill.clients import Traffic, provider
from tests.kill.harness import Site

pytestmark = [pytest.mark.kill, pytest.mark.timeout(240)]

LATENCY = """
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM r.at - j.received_at))
FROM journal AS j JOIN journal_result AS r ON r.entry_id = j.id
WHERE j.id > $1
"""
LAST = "SELECT coalesce(max(id), 0) FROM journal"


async def _median_s(site: Site, traffic: Traffic) -> float:
    """From kept to in the stream, of that traffic."""
    after = await site.count(LAST)
    await traffic.run()
    await site.drained()
    return float((await site.fetch(LATENCY, after))[0][0])


async def test_an_open_transaction_elsewhere(site: Site) -> None:
    """A forgotten REPEATABLE READ transaction keeps every dead row of the work list; the stream flows as before."""
    await site.up("web", "worker")
    async with provider(site) as telegram:
        traffic = Traffic(telegram, 1500, connections=16)
        before_s = await _median_s(site, traffic)
        forgotten = await site.connect()
        await forgotten.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await forgotten.execute("SELECT count(*) FROM journal_todo")
        during_s = [await _median_s(site, traffic) for _ in range(3)]
        assert await site.count(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND state = 'idle in transaction'"
        )
        forgotten.terminate()
    print(f"median {before_s * 1000:.1f} ms, then {[round(s * 1000, 1) for s in during_s]} ms")
    assert during_s[-1] < before_s * 3 + 0.05
    await whole(site, traffic.sent)
