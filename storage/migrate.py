"""Bringing a database to this code's schema: one migrator at a time, replicas wait for it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from config.errors import Unavailable
from storage.db import connect, make_engine
from storage.engines.postgres import check_locale
from storage.locks import Lock, Role
from storage.partitions import ensure_partitions

HERE = Path(__file__).parent / "migrations"


def alembic_config(connection: Connection) -> Config:
    """Alembic's settings for a run on this connection."""
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = connection
    return config


def head_revision() -> str:
    """The revision this code was written for."""
    return str(ScriptDirectory(str(HERE)).get_current_head())


async def migrate(url: str) -> None:
    """Upgrades to the newest revision and makes the partitions that are due. Raises EngineFailed on a bad locale."""
    engine = make_engine(url, application="hub migrate", size=1)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SET lock_timeout = '60s'"))
            await connection.execute(
                text("SELECT pg_advisory_lock(:space, :key)"), {"space": int(Lock.ROLE), "key": int(Role.MIGRATOR)}
            )
            await connection.execute(text("SET lock_timeout = '2s'"))
            await connection.commit()
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
            await connection.commit()
    finally:
        await engine.dispose()
    raw = await connect(url, application="hub migrate")
    try:
        await check_locale(raw)
        await ensure_partitions(raw, datetime.now(UTC))
    finally:
        await raw.close()


async def current_revision(engine: AsyncEngine) -> str | None:
    """The revision the database is at, None before the first."""
    async with engine.connect() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def wait_for_revision(url: str, *, deadline_s: float = 120) -> None:
    """For replicas: returns once the database is at this code's revision. Raises Unavailable after the deadline."""
    engine = make_engine(url, application="hub wait", size=1)
    wanted = head_revision()
    try:
        async with asyncio.timeout(deadline_s):
            while await current_revision(engine) != wanted:
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise Unavailable(f"the database is not at revision {wanted}; start `main.py run` or `worker` once") from None
    finally:
        await engine.dispose()
