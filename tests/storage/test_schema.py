"""The schema: models and migrations say the same."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from storage.db import RawConnection
from storage.migrate import make_engine
from storage.migrations.naming import is_partition
from storage.models import Base
from storage.revisions import head_revision
from tests.conftest import Database


async def test_models_equal_migrations(database: Database) -> None:
    """A database that was migrated has exactly the tables, columns and indexes of the models."""
    engine = make_engine(database.url)

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection,
            opts={"include_object": lambda _o, name, kind, _r, _c: not (kind == "table" and is_partition(name))},
        )
        return list(compare_metadata(context, Base.metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        assert (
            await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision()) == head_revision()
        )
    await engine.dispose()


async def test_cyrillic_is_folded(db: RawConnection) -> None:
    """Trigrams of Cyrillic names are found (with another locale they are silently empty)."""
    assert await db.fetchval("SELECT similarity('Пётр', 'пётр')") == 1
