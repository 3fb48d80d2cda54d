"""Commands that set an installation up: people, channels, keys."""

from __future__ import annotations

import getpass
import secrets
import sys
from collections.abc import Mapping, Sequence
from uuid import UUID

from aiohttp import ClientSession
from asyncpg import Record

from commands.admin import beside, tell
from config.errors import BadSettings, NotFound
from config.settings import Settings
from router.channel_desk import Verdict, attach_channel, check_channel
from router.channels import Channel, change_settings, read_channel
from storage.bus import Topic
from storage.staff import Role, create_agent
from storage.store import Store
from storage.vault import Vault


async def agent_add(settings: Settings, login: str, name: str, role: Role) -> int:
    """Somebody who may sign in; the password is asked for on a terminal, else made, printed alone on the last line."""
    asked = getpass.getpass(f"password of {login} (empty: one is made): ") if sys.stdin.isatty() else ""
    password = asked or secrets.token_urlsafe(12)
    async with beside(settings) as (store, addresses):
        async with store.pool.acquire() as connection:
            await create_agent(connection, login, name, role, password)
        await tell(addresses, Topic.STAFF)
    print(f"{role} {login} added", file=sys.stderr)
    if not asked:
        print(password)
    return 0


async def agent_extension(settings: Settings, login: str, channel_id: str, extension: str) -> int:
    """At which short number of a PBX channel an agent answers; an empty one takes it away."""
    async with beside(settings) as (store, addresses):
        async with store.pool.acquire() as connection, connection.transaction():
            agent_id = await connection.fetchval("SELECT id FROM agent WHERE login = $1", login.strip().lower())
            if agent_id is None:
                raise NotFound(f"nobody signs in as {login[:40]!r}")
            channel = await _channel(store, channel_id)
            await connection.execute(
                "DELETE FROM agent_extension WHERE channel_id = $1 AND agent_id = $2", channel.id, agent_id
            )
            if extension:
                await connection.execute(
                    "INSERT INTO agent_extension (channel_id, extension, agent_id) VALUES ($1, $2, $3)"
                    " ON CONFLICT (channel_id, extension) DO UPDATE SET agent_id = excluded.agent_id",
                    channel.id,
                    extension,
                    agent_id,
                )
        await tell(addresses, Topic.STAFF)
    print(f"{login} answers at {extension}" if extension else f"{login} answers at no number of this channel")
    return 0


async def channel_list(settings: Settings) -> int:
    """A line each: id, connector, state, name."""
    async with beside(settings) as (store, _):
        for row in await store.pool.fetch("SELECT id, connector, state, name FROM channel ORDER BY id"):
            print(f"{row['id']}  {row['connector']:12}  {row['state']:7}  {row['name']}")
    return 0


async def channel_set(settings: Settings, channel_id: str, values: Mapping[str, object]) -> int:
    """Changes settings; a broken channel is tried again."""
    async with beside(settings) as (store, addresses):
        async with store.pool.acquire() as connection, connection.transaction():
            await change_settings(connection, store.vault, _id(channel_id), values)
        await tell(addresses, Topic.CHANNELS)
    print("changed")
    return 0


async def channel_test(settings: Settings, channel_id: str) -> int:
    """One line: who is at the other end, or what is wrong. Exit 1 if anything is."""
    async with beside(settings) as (store, _), ClientSession() as http:
        return _say(await check_channel(await _channel(store, channel_id), http, settings.base_url))


async def channel_attach(settings: Settings, channel_id: str) -> int:
    """Tells the provider where to call (HUB_PUBLIC_URL)."""
    async with beside(settings) as (store, _), ClientSession() as http:
        return _say(await attach_channel(await _channel(store, channel_id), http, settings.base_url))


def _say(verdict: Verdict) -> int:
    print(f"{verdict.text} {verdict.do}".rstrip())
    return 0 if verdict.ok else 1


async def secrets_rotate(settings: Settings) -> int:
    """Writes every secret anew under the newest key of HUB_SECRET_KEYS; afterwards the older keys can go."""
    async with beside(settings) as (store, _), store.pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch("SELECT id, settings FROM channel ORDER BY id FOR UPDATE")
        channels = _anew(store.vault, rows)
        await connection.executemany("UPDATE channel SET settings = $2 WHERE id = $1", channels)
        factors = await connection.fetch("SELECT agent_id, secret FROM second_factor ORDER BY agent_id FOR UPDATE")
        secrets_of = _anew(store.vault, factors)
        await connection.executemany("UPDATE second_factor SET secret = $2 WHERE agent_id = $1", secrets_of)
    print(
        f"{len(channels)} of {len(rows)} channels and {len(secrets_of)} of {len(factors)} second factors written anew"
    )
    return 0


def _anew(vault: Vault, rows: Sequence[Record]) -> list[tuple[UUID, str]]:
    """(id, ciphertext under the newest key) of those (id, ciphertext) that are under an older one."""
    return [(row[0], vault.encrypt(vault.decrypt(row[1]))) for row in rows if not vault.is_current(row[1])]


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadSettings(f"{text[:40]!r} is not a channel's id; see `channel list`") from None


async def _channel(store: Store, text: str) -> Channel:
    return await read_channel(store.pool, store.vault, _id(text))
