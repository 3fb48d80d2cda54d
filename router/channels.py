"""The channels as the running hub sees them: rows with their connector and decrypted settings, cached by version."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from pydantic import SecretStr, ValidationError

from config.errors import BadSettings, HubError, NotFound
from connectors import registry
from connectors.base import CommonSettings, Connector
from storage.bus import Topic
from storage.db import DATABASE_ERRORS, Connection, Pool
from storage.store import Store
from storage.vault import Undecipherable, Vault

log = structlog.get_logger()
SWEEP_S = 5.0


@dataclass(frozen=True)
class Channel:
    """One configured connection. `settings` is of the connector's own model."""

    id: UUID
    name: str
    token: str
    state: str
    queue_id: UUID | None
    version: int
    connector: Connector[Any]
    settings: Any


class Channels:
    """All channels by id and by hook token, read again when told and every few seconds."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_id: dict[UUID, Channel] = {}
        self._by_token: dict[str, Channel] = {}
        self._signal = store.bus.signal(Topic.CHANNELS)
        self.changed = asyncio.Event()

    def all(self) -> list[Channel]:
        return list(self._by_id.values())

    def get(self, channel_id: UUID) -> Channel | None:
        return self._by_id.get(channel_id)

    async def by_token(self, token: str) -> Channel | None:
        """Looks once into the table before an unknown token is refused: another process may just have added it."""
        found = self._by_token.get(token)
        if found is None and 16 <= len(token) <= 64:
            row = await self._store.pool.fetchrow("SELECT id FROM channel WHERE token = $1", token)
            if row is not None:
                await self.refresh()
                found = self._by_token.get(token)
        return found

    async def refresh(self) -> None:
        """Reads the rows whose version changed."""
        rows = await self._store.pool.fetch("SELECT * FROM channel")
        # The first use of a connector imports it, which may take long: never on the loop.
        await asyncio.to_thread(registry.preload, {row["connector"] for row in rows})
        before = self._by_id
        now: dict[UUID, Channel] = {}
        for row in rows:
            known = before.get(row["id"])
            if known is not None and known.version == row["version"]:
                now[known.id] = known
            elif (channel := self._load(row)) is not None:
                now[channel.id] = channel
        self._by_id = now
        self._by_token = {channel.token: channel for channel in now.values()}
        if now != before:
            self.changed.set()
            self.changed = asyncio.Event()

    def _load(self, row: asyncpg.Record) -> Channel | None:
        try:
            return to_channel(row, self._store.vault)
        except (HubError, ValidationError) as error:
            log.error("channel_unreadable", channel_id=str(row["id"]), error=type(error).__name__)
            return None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._signal.wait(SWEEP_S)
            try:
                await self.refresh()
            except DATABASE_ERRORS as error:
                log.warning("channels_not_read", error=type(error).__name__)


def to_channel(row: asyncpg.Record, vault: Vault) -> Channel:
    """A row of the table, its settings opened. Raises BadSettings, Undecipherable, pydantic's ValidationError."""
    connector = registry.get(row["connector"])
    settings = connector.settings.model_validate(vault.decrypt(row["settings"]))
    return Channel(
        row["id"], row["name"], row["token"], row["state"], row["queue_id"], row["version"], connector, settings
    )


async def read_channel(pool: Pool, vault: Vault, channel_id: UUID) -> Channel:
    """One channel as it is now. Raises NotFound, BadSettings for one whose settings can't be read."""
    row = await pool.fetchrow("SELECT * FROM channel WHERE id = $1", channel_id)
    if row is None:
        raise NotFound("no such channel")
    await asyncio.to_thread(registry.preload, {row["connector"]})
    try:
        return to_channel(row, vault)
    except (Undecipherable, ValidationError):
        raise BadSettings(
            "the channel's settings can't be read with the keys there are, or by this version",
            reason="settings_unreadable",
        ) from None


def check_settings(connector: Connector[Any], values: Mapping[str, object]) -> CommonSettings:
    """The connector's settings of these values. Raises BadSettings naming the field, never its value."""
    try:
        settings: CommonSettings = connector.settings.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "settings"
        raise BadSettings(f"{field}: {first['msg']}", reason="setting_wrong", field=field) from None
    return settings


def reveal(settings: CommonSettings) -> dict[str, object]:
    """Plain JSON values of the settings, secrets included: only for encryption."""

    def plain(value: object) -> object:
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        return [plain(v) for v in value] if isinstance(value, tuple | list) else value

    return {name: plain(getattr(settings, name)) for name in type(settings).model_fields}


def new_hook_token() -> str:
    """The unguessable part of a hook's address."""
    return secrets.token_urlsafe(24)


async def add_channel(
    connection: Connection,
    vault: Vault,
    *,
    connector: str,
    name: str,
    values: Mapping[str, object],
    queue_id: UUID | None = None,
) -> tuple[UUID, str]:
    """A new channel; returns its id and hook token. Raises BadSettings."""
    kind = registry.get(connector)
    ciphertext = vault.encrypt(reveal(check_settings(kind, values)))
    token = new_hook_token()
    channel_id: UUID = await connection.fetchval(
        "INSERT INTO channel (connector, name, token, settings, queue_id) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        connector,
        name,
        token,
        ciphertext,
        queue_id,
    )
    return channel_id, token


async def change_settings(
    connection: Connection, vault: Vault, channel_id: UUID, values: Mapping[str, object]
) -> CommonSettings:
    """Sets the named settings, keeps the others. Raises NotFound, BadSettings."""
    row = await connection.fetchrow("SELECT connector, settings FROM channel WHERE id = $1 FOR UPDATE", channel_id)
    if row is None:
        raise NotFound("no such channel")
    try:
        now = vault.decrypt(row["settings"])
    except Undecipherable:
        raise BadSettings(
            "settings: those there are can't be read with the keys there are", reason="settings_unreadable"
        ) from None
    settings = check_settings(registry.get(row["connector"]), now | dict(values))
    await connection.execute(
        "UPDATE channel SET settings = $2, version = version + 1,"
        " state = CASE WHEN state = 'broken' THEN 'active' ELSE state END WHERE id = $1",
        channel_id,
        vault.encrypt(reveal(settings)),
    )
    return settings
