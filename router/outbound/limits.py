"""How fast we may send: a bucket for each channel and one for each address, shared by all processes over Redis.

A bucket is one number, the time at which it would be full again (the generic cell rate algorithm), kept as long as it
differs from "full". What is missing counts from the epoch of its channel, the moment Redis was first asked about it:
so an address not written to for long has a full bucket, but after a flush every bucket starts empty.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal, NamedTuple
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from connectors.base import Limits

log = structlog.get_logger()

AWAY_S = 1.0
"""After an error Redis is left alone for so long: a wait for its time-out with each message would be a stop."""

ALONE = 0.5
"""Without Redis each process counts for itself. Two processes that send are the usual number of replicas, so each goes
at half the rate; a provider's 429 slows down the rest.
"""
BURST_S = 0.2
"""A channel's bucket holds a fifth of a second: within any second the rate is exceeded by a fifth at most."""

LOCAL_MAX = 10_000

# KEYS: epoch, pause, channel bucket, address bucket. ARGV: interval and burst of the channel, the same of the address,
# intervals in milliseconds. Answers {0} or {milliseconds to wait, "channel" or "address"}.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local epoch = tonumber(redis.call('GET', KEYS[1]))
if not epoch or epoch > now then
  epoch = now
  redis.call('SET', KEYS[1], string.format('%.3f', now))
end
local pause = redis.call('PTTL', KEYS[2])
if pause > 0 then return {pause, 'channel'} end
local full = {}
for n, scope in ipairs({'channel', 'address'}) do
  local interval, burst = tonumber(ARGV[n * 2 - 1]), tonumber(ARGV[n * 2])
  local at = tonumber(redis.call('GET', KEYS[n + 2])) or (epoch + interval * burst)
  at = math.min(math.max(at, now), now + interval * burst)
  local wait = at - interval * (burst - 1) - now
  if wait > 0 then return {math.ceil(wait), scope} end
  full[n] = at + interval
end
for n = 1, 2 do
  redis.call('SET', KEYS[n + 2], string.format('%.3f', full[n]), 'PX', math.ceil(full[n] - now) + 1000)
end
return {0}
"""


class Permit(NamedTuple):
    """`wait_s` 0: go. Else whose bucket is empty, and for how long."""

    wait_s: float
    scope: Literal["", "channel", "address"] = ""


GO = Permit(0.0)


@dataclass(frozen=True, slots=True)
class _Rate:
    """`interval_s` between messages in the long run, `burst` of them at once."""

    interval_s: float
    burst: float


def _rates(limits: Limits, share: float = 1.0) -> tuple[_Rate, _Rate]:
    channel = _Rate(1 / (limits.per_s * share), max(1.0, limits.per_s * share * BURST_S))
    address = _Rate(1 / (limits.per_address_s * share), max(1.0, limits.per_address_s * share))
    return channel, address


class _Local:
    """The same buckets in this process, all empty at `epoch`."""

    def __init__(self, epoch: float) -> None:
        self._epoch = epoch
        self._full_at: dict[tuple[UUID, str], float] = {}

    def take(self, channel_id: UUID, address: str, limits: Limits, now: float) -> Permit:
        channel, single = _rates(limits, ALONE)
        keys = ((channel_id, ""), (channel_id, "a" + address))
        full_at = []
        for key, rate, scope in zip(keys, (channel, single), ("channel", "address"), strict=True):
            at = max(self._full_at.get(key, self._epoch + rate.interval_s * rate.burst), now)
            wait = at - rate.interval_s * (rate.burst - 1) - now
            if wait > 0:
                return Permit(wait, "channel" if scope == "channel" else "address")
            full_at.append(at + rate.interval_s)
        self._full_at.update(zip(keys, full_at, strict=True))
        self._prune(now)
        return GO

    def _prune(self, now: float) -> None:
        if len(self._full_at) > LOCAL_MAX:
            self._full_at = {key: at for key, at in self._full_at.items() if at > now}


class Throttle:
    """Permits to send. Redis away is no error: see ALONE."""

    def __init__(self, redis: Redis | None) -> None:
        self._redis = redis
        self._script = redis.register_script(_TAKE) if redis is not None else None
        self._away_until = 0.0
        self._local: _Local | None = None
        self._paused: dict[UUID, float] = {}

    async def take(self, channel_id: UUID, address: str, limits: Limits) -> Permit:
        """A permit for one message to that address, or how long to wait before asking again."""
        now = time.monotonic()
        if (until := self._paused.get(channel_id, 0.0)) > now:
            return Permit(until - now, "channel")
        if self._script is not None and now >= self._away_until:
            try:
                permit = await self._ask(self._script, channel_id, address, limits)
            except (RedisError, OSError, TimeoutError) as error:
                self._lost(error, now)
            else:
                self._found()
                return permit
        if self._local is None:
            self._local = _Local(now)
        return self._local.take(channel_id, address, limits, now)

    async def _ask(self, script: AsyncScript, channel_id: UUID, address: str, limits: Limits) -> Permit:
        channel, single = _rates(limits)
        args = [channel.interval_s * 1000, channel.burst, single.interval_s * 1000, single.burst]
        answer = await script(keys=_keys(channel_id, address), args=args)
        if int(answer[0]) <= 0:
            return GO
        return Permit(int(answer[0]) / 1000, "channel" if answer[1] == b"channel" else "address")

    async def pause(self, channel_id: UUID, seconds: float) -> None:
        """The provider wants no message of this channel for so long; a longer pause already agreed on stays."""
        until = time.monotonic() + seconds
        self._paused[channel_id] = max(until, self._paused.get(channel_id, 0.0))
        if self._redis is None:
            return
        key = _keys(channel_id, "")[1]
        left_ms = max(1, int((self._paused[channel_id] - time.monotonic()) * 1000))
        try:
            await self._redis.set(key, 1, px=left_ms)
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error, time.monotonic())

    def _lost(self, error: Exception, now: float) -> None:
        if self._away_until == 0.0:
            log.warning("limits_without_redis", error=type(error).__name__)
        self._away_until = now + AWAY_S

    def _found(self) -> None:
        if self._away_until:
            log.info("limits_with_redis")
        self._away_until, self._local = 0.0, None


def _keys(channel_id: UUID, address: str) -> list[str]:
    """All of a channel's keys carry one hash tag, so that a script may use them together on a cluster as well."""
    tag = f"hub:limit:{{{channel_id}}}:"
    return [tag + "epoch", tag + "pause", tag + "channel", tag + "address:" + address]
