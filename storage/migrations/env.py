"""Alembic's entry: it runs on the connection that `storage.migrate` hands over, never on one of its own."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from storage.migrations.naming import is_partition
from storage.models import Base


def include_object(_object: object, name: str | None, type_: str, _reflected: bool, _to: object) -> bool:  # noqa: FBT001 - Alembic's signature
    """Partitions are made and dropped by `storage.partitions`, not by migrations."""
    return not (type_ == "table" and is_partition(name))


connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    include_object=include_object,
    compare_server_default=False,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
