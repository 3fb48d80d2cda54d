"""Channels that must be asked (IMAP, long polling, SMPP, AMI): each has one owner among all processes.

The owner holds a session advisory lock on a connection of its own, the one that also keeps what it fetched: a lost lock
is a lost transaction. Whoever is quicker takes over when an owner dies (at once) or is frozen (the server ends its
silent session after four seconds).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
import structlog

from config.errors import BadChannel, HubError, RetryLater, Unavailable
from router.channels import Channel, Channels
from router.fetched import PROBLEM, Cards, Keeper
from router.ios import Ios
from router.outbound.states import clean
from router.understand import place
from storage.bus import Signal, Topic
from storage.db import DATABASE_ERRORS, LOCK_HOLDER, RawConnection, connect
from storage.events import NewEvent, append_events
from storage.locks import Lock
from storage.store import Store

log = structlog.get_logger()

LOOK_S = 1.0
STOP_S = 5.0
PAUSE_S = 1.0
MAX_PAUSE_S = 60.0
TIMEOUT_S = 10.0

_FREE = """
SELECT k.channel_id FROM unnest($2::uuid[], $3::int8[]) AS k(channel_id, key)
WHERE NOT EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = k.key AND objsubid = 2
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""
_STATE = """
SELECT c.state, c.version, m.mark FROM channel AS c LEFT JOIN channel_mark AS m ON m.channel_id = c.id WHERE c.id = $1
"""
_BREAK = """
UPDATE channel SET state = 'broken', version = version + 1
WHERE id = $1 AND version = $2 AND state = 'active' RETURNING name
"""
_PROBLEM = """
INSERT INTO channel_health (channel_id, problem, problem_since) VALUES ($1, $2, now())
ON CONFLICT (channel_id) DO UPDATE SET problem = excluded.problem, problem_since = excluded.problem_since
"""


def lock_key(channel_id: UUID) -> int:
    """The channel's place in Lock.FETCHER: 31 bits, the same in every process."""
    return int.from_bytes(hashlib.blake2b(channel_id.bytes, digest_size=4).digest()) & 0x7FFFFFFF


@dataclass(slots=True)
class _Trouble:
    """`until`: not before (monotonic seconds)."""

    version: int
    failures: int = 0
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class _Broken:
    """Only an administrator can help. `told`: the channel's row says so."""

    version: int
    why: str
    told: bool = False


class Fetchers:
    """The fetchers of one process. `http`: one session for all, without a cookie jar."""

    def __init__(self, store: Store, channels: Channels, http: aiohttp.ClientSession) -> None:
        self._store = store
        self._channels = channels
        self._ios = Ios(http, store.settings.base_url)
        self._cards = Cards(store.pool)
        self._wake = Signal()
        self._running: dict[UUID, tuple[Channel, asyncio.Task[None]]] = {}
        self._trouble: dict[UUID, _Trouble] = {}
        self._broken: dict[UUID, _Broken] = {}
        self._down = False
        self.owned: set[UUID] = set()
        """Channels that this process fetches now."""

    async def run(self) -> None:
        """Until cancelled; commits in hand are finished."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._watch(), name="fetchers watch")
                while True:
                    await self._look(tasks)
                    await self._wake.wait(LOOK_S * random.uniform(0.7, 1.0))
        finally:
            await self._ios.aclose()

    async def _look(self, tasks: asyncio.TaskGroup) -> None:
        """One turn; a database away costs nothing but time."""
        try:
            await self._turn(tasks)
        except (Unavailable, *DATABASE_ERRORS) as error:
            if not self._down:
                log.warning("fetchers_down", error=type(error).__name__)
            self._down = True
        else:
            if self._down:
                log.info("fetchers_up")
            self._down = False

    async def _watch(self) -> None:
        while True:
            await self._channels.changed.wait()
            self._wake.set()

    async def _turn(self, tasks: asyncio.TaskGroup) -> None:
        wanted = {channel.id: channel for channel in self._channels.all() if _is_wanted(channel)}
        for channel_id, (channel, task) in self._running.items():
            now = wanted.get(channel_id)
            if now is None or now.version != channel.version:
                task.cancel()
        for channel in await self._free(wanted):
            task = tasks.create_task(self._own(channel), name=f"fetch {channel.id}")
            self._running[channel.id] = (channel, task)
        await self._tell_broken()
        await self._cards.flush()

    async def _free(self, wanted: Mapping[UUID, Channel]) -> list[Channel]:
        """Channels that nobody fetches and that may be tried now."""
        candidates = [c for c in wanted.values() if c.id not in self._running and self._may_try(c)]
        if not candidates:
            return []
        ids = [c.id for c in candidates]
        rows = await self._store.pool.fetch(_FREE, Lock.FETCHER, ids, [lock_key(i) for i in ids], timeout=TIMEOUT_S)
        free = {row["channel_id"] for row in rows}
        return [c for c in candidates if c.id in free]

    def _may_try(self, channel: Channel) -> bool:
        broken, trouble = self._broken.get(channel.id), self._trouble.get(channel.id)
        if broken is not None and broken.version == channel.version:
            return False
        return trouble is None or trouble.version != channel.version or trouble.until <= time.monotonic()

    # ------------------------------------------------------------ one channel

    async def _own(self, channel: Channel) -> None:
        """One session with the channel's lock; ends at once if another process was quicker."""
        try:
            await self._session(channel)
        except Exception as error:  # noqa: BLE001 - the supervisor of listeners: one must not hurt the others
            self._failed(channel, error)
        finally:
            self.owned.discard(channel.id)
            self._running.pop(channel.id, None)
            self._wake.set()

    async def _session(self, channel: Channel) -> None:
        connection = await connect(self._store.url, application="hub fetcher", settings=LOCK_HOLDER)
        try:
            key = lock_key(channel.id)
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", Lock.FETCHER, key):
                return
            row = await connection.fetchrow(_STATE, channel.id)
            if row is None or (row["state"], row["version"]) != ("active", channel.version):
                await self._channels.refresh()
                return
            self.owned.add(channel.id)
            self._cards.forget(channel.id)
            log.info("fetcher_started", channel_id=str(channel.id))
            await self._listen(connection, channel, row["mark"] or {})
        except BadChannel as error:
            log.error("fetcher_broken", channel_id=str(channel.id))
            self._broken[channel.id] = _Broken(channel.version, clean(str(error)))
            # Told while the lock is still held: no other process tries the same in vain. What fails here is told later.
            with contextlib.suppress(Unavailable, *DATABASE_ERRORS):
                await self._tell_broken()
        finally:
            await _close(connection)

    async def _listen(self, connection: RawConnection, channel: Channel, mark: Mapping[str, Any]) -> None:
        listen = channel.connector.listen
        assert listen is not None
        keeper = Keeper(
            connection, self._store, channel, self._cards, mark=mark, on_up=lambda: self._recovered(channel)
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(keeper.run(), name=f"keep {channel.id}")
                try:
                    await listen(channel.settings, self._ios.of(channel), keeper)
                finally:
                    # Not cut off by a cancellation: what is being committed then is known to be committed.
                    keeper.stop()
                    await asyncio.wait({keeping}, timeout=STOP_S)
                raise RetryLater("The connector stopped listening.")
        except ExceptionGroup as group:
            raise _cause(group) from None

    def _failed(self, channel: Channel, error: Exception) -> None:
        trouble = self._trouble.get(channel.id)
        if trouble is None or trouble.version != channel.version:
            trouble = self._trouble[channel.id] = _Trouble(channel.version)
        trouble.failures += 1
        is_database = isinstance(error, (Unavailable, *DATABASE_ERRORS))
        longest = PAUSE_S if is_database else MAX_PAUSE_S
        pause = min(PAUSE_S * 2 ** min(trouble.failures - 1, 10), longest) * random.uniform(0.5, 1.0)
        trouble.until = time.monotonic() + pause
        foreseen = is_database or isinstance(error, HubError)
        if trouble.failures == 1:
            where = {} if foreseen else {"at": place(error)}
            log.warning("fetcher_down", channel_id=str(channel.id), error=type(error).__name__, **where)
        if not is_database:
            why = str(error) if foreseen else f"the connector failed unexpectedly ({type(error).__name__})"
            self._cards.note(channel.id, why)

    def _recovered(self, channel: Channel) -> None:
        if self._trouble.pop(channel.id, None) is not None:
            log.info("fetcher_up", channel_id=str(channel.id))

    # ------------------------------------------------------------ broken channels

    async def _tell_broken(self) -> None:
        for channel_id, broken in list(self._broken.items()):
            if not broken.told:
                await self._break(channel_id, broken)
                self._broken[channel_id] = _Broken(broken.version, broken.why, told=True)

    async def _break(self, channel_id: UUID, broken: _Broken) -> None:
        """Takes the channel out of service, unless somebody has changed it meanwhile."""
        bus = self._store.bus
        async with self._store.pool.acquire(timeout=TIMEOUT_S) as connection, connection.transaction():
            name = await connection.fetchval(_BREAK, channel_id, broken.version)
            if name is None:
                return
            await connection.execute(_PROBLEM, channel_id, PROBLEM + broken.why)
            data = {"channel_id": channel_id, "name": name, "problem": broken.why}
            event_id = await append_events(connection, [NewEvent("channel.broken", [], data)])
        bus.notify(Topic.EVENTS, event_id)
        bus.notify(Topic.CHANNELS)


def _is_wanted(channel: Channel) -> bool:
    connector = channel.connector
    return channel.state == "active" and connector.listen is not None and connector.wants_listen(channel.settings)


def _cause(group: ExceptionGroup[Exception]) -> Exception:
    """What ended a session: a lost connection explains whatever the listener made of it."""
    return next((e for e in group.exceptions if isinstance(e, DATABASE_ERRORS)), group.exceptions[0])


async def _close(connection: RawConnection) -> None:
    try:
        await connection.close(timeout=2)
    except DATABASE_ERRORS:
        connection.terminate()
