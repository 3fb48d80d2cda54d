"""Bringing a database to this code's schema: one migrator at a time. `python -m storage.migrate < URL` for those who would
not have SQLAlchemy in memory (storage/revisions.py).
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage.db import ORDINARY, connect, dsn_of
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


def make_engine(url: str) -> AsyncEngine:
    """SQLAlchemy's engine on the database, with one connection."""
    target = make_url(dsn_of(url)).set(drivername="postgresql+asyncpg")
    settings = {"application_name": "hub migrate", **ORDINARY}
    return create_async_engine(target, pool_size=1, max_overflow=1, connect_args={"server_settings": settings})


async def migrate(url: str) -> None:
    """Upgrades to the newest revision and makes the partitions that are due. Raises EngineFailed on a bad locale."""
    engine = make_engine(url)
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


if __name__ == "__main__":
    asyncio.run(migrate(sys.stdin.read()))
