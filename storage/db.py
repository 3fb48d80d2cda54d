"""Connections to PostgreSQL: an asyncpg pool for reads and short transactions, and single connections for work
that holds session locks (a pool would silently release them).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import msgspec

from config.errors import Unavailable

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    RawConnection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = Any
    Pool = asyncpg.Pool
    RawConnection = asyncpg.Connection

CONNECT_TIMEOUT_S = 10
DATABASE_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a statement met by the message that ended the session
    OSError,
    TimeoutError,
)
"""What any statement can end in when the server is gone, restarting or refusing."""


def is_about_data(error: BaseException) -> bool:
    """Classes 22 (data), 23 (integrity), 54 (limits): the row's fault, not the server's."""
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] in {"22", "23", "54"}


LOCK_HOLDER: Mapping[str, str] = {
    "idle_session_timeout": "4s",
    "idle_in_transaction_session_timeout": "4s",
    "transaction_timeout": "30s",
    "statement_timeout": "25s",
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "4000",
}
"""For connections whose session locks own lanes or fetchers: a frozen holder is thrown out within seconds."""

ORDINARY: Mapping[str, str] = {
    "idle_in_transaction_session_timeout": "15s",
    "transaction_timeout": "60s",
    "statement_timeout": "30s",
}


async def _setup(connection: RawConnection) -> None:
    # Binary, so that COPY can carry it: PostgreSQL's jsonb on the wire is a version byte and the text.
    await connection.set_type_codec(
        "jsonb", encoder=_to_jsonb, decoder=_from_jsonb, schema="pg_catalog", format="binary"
    )


def _to_jsonb(value: object) -> bytes:
    return b"\x01" + (bytes(value) if isinstance(value, msgspec.Raw) else msgspec.json.encode(value))


def _from_jsonb(data: bytes) -> Any:
    return msgspec.json.decode(data[1:])


def dsn_of(url: str) -> str:
    """The URL as asyncpg takes it (SQLAlchemy's driver suffix removed)."""
    return url.replace("postgresql+asyncpg://", "postgresql://", 1).replace("postgres://", "postgresql://", 1)


async def connect(url: str, *, application: str, settings: Mapping[str, str] = ORDINARY) -> RawConnection:
    """A connection of its own, outside any pool. Raises Unavailable when the server can't be reached."""
    try:
        connection = await asyncpg.connect(
            dsn_of(url),
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=40,
            max_cached_statement_lifetime=0,
            server_settings={"application_name": application, **settings},
        )
    except DATABASE_ERRORS as error:
        raise Unavailable(f"PostgreSQL can't be reached: {type(error).__name__}") from error
    await _setup(connection)
    return connection


async def _as_it_is(_connection: RawConnection) -> None:
    """What a pool's connection needs when it comes back. asyncpg's own answer is a round trip that resets the session: we
    leave nothing there (settings are SET LOCAL, locks those of transactions), and an open transaction it ends itself.
    """


async def make_pool(url: str, *, application: str, size: int = 8) -> Pool:
    """A pool for reads and short transactions. Raises Unavailable."""
    try:
        return await asyncpg.create_pool(
            dsn_of(url),
            min_size=1,
            max_size=size,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=35,
            init=_setup,
            reset=_as_it_is,
            server_settings={"application_name": application, **ORDINARY},
        )
    except DATABASE_ERRORS as error:
        raise Unavailable(f"PostgreSQL can't be reached: {type(error).__name__}") from error
