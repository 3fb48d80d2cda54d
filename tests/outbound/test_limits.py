from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from connectors.base import Limits
from router.outbound import limits
from router.outbound.limits import Throttle
from tests.conftest import Database

FAST = Limits(per_s=50, per_address_s=50, parallel=8)


@pytest.fixture
async def redis(database: Database) -> AsyncIterator[Redis]:
    client: Redis = Redis.from_url(database.redis_url)
    yield client
    await client.aclose()


async def _age(redis: Redis, channel: UUID, seconds: float = 3600) -> None:
    """As if the channel had been known for so long."""
    await redis.set(f"hub:limit:{{{channel}}}:epoch", str((time.time() - seconds) * 1000))


async def _permits(
    throttles: list[Throttle], channel: UUID, limit: Limits, *, seconds: float, address: str = ""
) -> int:
    """How many permits several processes get who ask as fast as they can."""
    end = time.monotonic() + seconds
    got = 0

    async def ask(throttle: Throttle, n: int) -> None:
        nonlocal got
        while (left := end - time.monotonic()) > 0:
            permit = await throttle.take(channel, address or f"{n}-{got}", limit)
            got += permit.wait_s == 0
            await asyncio.sleep(min(permit.wait_s, left))

    async with asyncio.TaskGroup() as tasks:
        for n, throttle in enumerate(throttles):
            tasks.create_task(ask(throttle, n))
    return got


async def test_several_processes_share_one_rate(redis: Redis) -> None:
    """Three processes together keep the channel's rate: 50 a second, a fifth of a second's worth at once."""
    channel = uuid4()
    await _age(redis, channel)
    got = await _permits([Throttle(redis) for _ in range(3)], channel, FAST, seconds=1)
    assert 35 <= got <= 62


async def test_one_address_has_a_rate_of_its_own(redis: Redis) -> None:
    """A client is not flooded, and meanwhile others are served; a permit refused costs nothing."""
    channel, limit = uuid4(), Limits(per_s=1000, per_address_s=1, parallel=8)
    await _age(redis, channel)
    throttle = Throttle(redis)
    assert (await throttle.take(channel, "anna", limit)).wait_s == 0
    refused = await throttle.take(channel, "anna", limit)
    assert refused.scope == "address"
    assert 0.8 < refused.wait_s <= 1
    assert (await throttle.take(channel, "boris", limit)).wait_s == 0


async def test_after_a_flush_buckets_are_empty(redis: Redis) -> None:
    """Else every FLUSHALL would let through a full bucket on top of what had just been sent."""
    channel, limit = uuid4(), Limits(per_s=50, per_address_s=1, parallel=8)
    throttle = Throttle(redis)
    await _age(redis, channel)
    assert (await throttle.take(channel, "anna", limit)).wait_s == 0
    keys = [key async for key in redis.scan_iter(f"hub:limit:{{{channel}}}:*")]
    await redis.delete(*keys)
    assert (await throttle.take(channel, "anna", limit)).wait_s > 0
    await _age(redis, channel)
    assert (await throttle.take(channel, "anna", limit)).wait_s == 0


async def test_a_script_forgotten_by_redis_is_brought_again(redis: Redis) -> None:
    """SCRIPT FLUSH, a restart or a failover: the next permit loads it."""
    channel = uuid4()
    await _age(redis, channel)
    throttle = Throttle(redis)
    assert (await throttle.take(channel, "a", FAST)).wait_s == 0
    await redis.script_flush()
    assert (await throttle.take(channel, "b", FAST)).wait_s == 0


async def test_a_clock_set_back_does_not_stop_a_channel(redis: Redis) -> None:
    """Times far in the future are no longer than a full bucket's worth of waiting."""
    channel = uuid4()
    throttle = Throttle(redis)
    future = str((time.time() + 3600) * 1000)
    for part in ("epoch", "channel", "address:a"):
        await redis.set(f"hub:limit:{{{channel}}}:{part}", future)
    assert (await throttle.take(channel, "a", FAST)).wait_s < 0.5


async def test_a_pause_is_known_to_all_processes(redis: Redis) -> None:
    """One process is told 429; the others hold still too, and a shorter pause does not shorten it."""
    channel = uuid4()
    await _age(redis, channel)
    one, other = Throttle(redis), Throttle(redis)
    await one.pause(channel, 5)
    await one.pause(channel, 1)
    for throttle in (one, other):
        permit = await throttle.take(channel, "anna", FAST)
        assert permit.scope == "channel"
        assert 3 < permit.wait_s <= 5


async def test_without_redis_each_process_goes_at_half_the_rate() -> None:
    """Two processes that can't see each other together keep the channel's rate; a pause is kept in memory."""
    nowhere: Redis = Redis.from_url("redis://127.0.0.1:1/0")
    channel = uuid4()
    got = await _permits([Throttle(nowhere)], channel, FAST, seconds=1)
    assert 15 <= got <= 32
    throttle = Throttle(nowhere)
    await throttle.pause(channel, 5)
    assert (await throttle.take(channel, "a", FAST)).wait_s > 3
    await nowhere.aclose()


def test_local_buckets_do_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A campaign without Redis writes to many addresses; full buckets are forgotten."""
    monkeypatch.setattr(limits, "LOCAL_MAX", 50)
    local, channel = limits._Local(epoch=0.0), uuid4()
    assert all(local.take(channel, str(n), FAST, now=10.0 + n).wait_s == 0 for n in range(500))
    assert len(local._full_at) <= 52
