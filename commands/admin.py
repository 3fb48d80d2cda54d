"""Commands that look into or change the database beside a running hub."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from config.errors import BadSettings, HubError
from config.settings import Settings
from router.channels import Channels, add_channel
from storage.bus import PREFIX, Topic
from storage.engines.embedded import Addresses, joined
from storage.journal import SQL as JOURNAL
from storage.journal import replay as replay_entries
from storage.partitions import stray_partitions
from storage.revisions import current_revision, head_revision, prepare_database
from storage.store import Store, open_store
from storage.tokens import create_token
from webhooks.incoming.status import free_bytes


@asynccontextmanager
async def beside(settings: Settings) -> AsyncIterator[tuple[Store, Addresses]]:
    """The store of a running hub, or of its engines started for this command."""
    async with joined(settings) as addresses:
        await prepare_database(addresses.database_url)
        async with open_store(
            settings,
            database_url=addresses.database_url,
            redis_url=addresses.redis_url,
            application="hub command",
        ) as store:
            yield store, addresses


async def tell(addresses: Addresses, topic: Topic) -> None:
    """A wake-up from outside; a hub that does not hear it finds out by its sweep."""
    client = Redis.from_url(addresses.redis_url, socket_timeout=2, socket_connect_timeout=2)
    try:
        await client.publish(PREFIX + topic, 0)
    except (RedisError, OSError):
        pass
    finally:
        await client.aclose()


async def channel_add(settings: Settings, connector: str, name: str, values: dict[str, object]) -> int:
    """Prints the hook address alone on its last line."""
    async with beside(settings) as (store, addresses):
        async with store.pool.acquire() as connection:
            channel_id, token = await add_channel(
                connection, store.vault, connector=connector, name=name, values=values
            )
        await tell(addresses, Topic.CHANNELS)
        print(f"channel {channel_id} ({connector}) added", file=sys.stderr)
        print(f"{settings.base_url}/hooks/{token}")
    return 0


async def token_create(settings: Settings, name: str, scopes: Sequence[str]) -> int:
    """Prints the token alone on its last line; it can't be shown again."""
    async with beside(settings) as (store, _), store.pool.acquire() as connection:
        print(await create_token(connection, name, list(scopes)))
    return 0


async def replay(settings: Settings, *, entries: Sequence[int] | None, since: str | None, channel: str | None) -> int:
    """Puts entries back on the work list of the running hub."""
    try:
        after = datetime.fromisoformat(since).astimezone() if since else None
        channel_id = UUID(channel) if channel else None
    except ValueError as error:
        raise BadSettings(f"--since takes an ISO time, --channel an id: {error}") from None
    async with beside(settings) as (store, addresses):
        async with store.pool.acquire() as connection:
            if entries is None:
                entries = [row["entry_id"] for row in await connection.fetch(JOURNAL.failed, channel_id, after)]
            found = await replay_entries(connection, entries)
        await tell(addresses, Topic.TODO)
    print(f"{len(found)} of {len(entries)} entries are on the work list again")
    return 0


async def doctor(settings: Settings) -> int:
    """What is wrong, a line each; exit 1 if anything is."""
    problems: list[str] = []
    free = free_bytes(settings.data_dir) >> 20
    if free < settings.disk_reserve_mb:
        problems.append(f"disk: {free} MB free, HUB_DISK_RESERVE_MB is {settings.disk_reserve_mb}: hooks answer 503")
    try:
        async with beside(settings) as (store, addresses):
            problems += await _look(store, addresses)
    except HubError as error:
        problems.append(f"{error.code}: {error}. {error.do}")
    for problem in problems:
        print(problem)
    if not problems:
        print("nothing is wrong")
    return 1 if problems else 0


async def _look(store: Store, addresses: Addresses) -> list[str]:
    problems: list[str] = []
    async with store.pool.acquire(timeout=10) as connection:
        revision = await current_revision(connection)
        strays = await stray_partitions(connection)
    if revision != head_revision():
        problems.append("schema: the database is not at this code's revision; start `main.py run` or `worker`")
    channels = Channels(store)
    await channels.refresh()
    rows = await store.pool.fetch(
        "SELECT c.id, c.name, c.state, h.problem, h.silent_since FROM channel c LEFT JOIN channel_health h"
        " ON h.channel_id = c.id"
    )
    for row in rows:
        if channels.get(row["id"]) is None:
            problems.append(f"channel {row['name']}: its settings can't be read with the keys there are")
        elif row["state"] == "broken":
            problems.append(f"channel {row['name']}: {row['problem'] or 'broken'}")
        elif row["silent_since"]:
            problems.append(f"channel {row['name']}: silent since {row['silent_since']:%Y-%m-%d %H:%M} UTC")
    count = await store.pool.fetchval("SELECT count(*) FROM journal_result WHERE state IN ('failed', 'quarantined')")
    if count:
        problems.append(f"journal: {count} entries failed; see them in the journal, then `main.py replay --failed`")
    if strays:
        problems.append(
            f"partitions out but not dropped: {', '.join(strays)}; a transaction is open, or it was by hand"
        )
    client = Redis.from_url(addresses.redis_url, socket_timeout=2, socket_connect_timeout=2)
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        problems.append(f"redis: {type(error).__name__}; work goes on by sweeps, a second slower")
    finally:
        await client.aclose()
    return problems
