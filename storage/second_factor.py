"""The second factor of agents: one row each, confirmed once its first code was right. What counts once is claimed by the
statement that uses it, so that two requests with one code are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from config.errors import Conflict, NotFound
from storage.db import Connection, Pool
from storage.workspace import read_setting

POLICY = "security"


class Factor(NamedTuple):
    """`secret`: ciphertext; `step`: of the last code used; `recovery`: codes left; `confirmed_at` None: being set up."""

    secret: str
    confirmed_at: datetime | None
    step: int
    recovery: int


class Standing(NamedTuple):
    """What signing in has to ask of somebody."""

    enabled: bool
    required: bool
    recovery_left: int


async def get_factor(connection: Connection | Pool, agent_id: UUID) -> Factor | None:
    """None: he has none, nor has begun one."""
    row = await connection.fetchrow(
        "SELECT secret, confirmed_at, last_step, cardinality(recovery) FROM second_factor WHERE agent_id = $1", agent_id
    )
    return None if row is None else Factor(*row)


async def required_roles(connection: Connection | Pool) -> list[str]:
    """The roles that may not sign in by a password alone."""
    setting = await read_setting(connection, POLICY) or {}
    return [str(role) for role in setting.get("second_factor_roles", ())]


async def standing_of(connection: Connection | Pool, agent_id: UUID) -> Standing:
    row = await connection.fetchrow(
        "SELECT a.role, f.confirmed_at, coalesce(f.required, false) AS required, coalesce(cardinality(f.recovery), 0) AS n"
        " FROM agent AS a LEFT JOIN second_factor AS f ON f.agent_id = a.id WHERE a.id = $1",
        agent_id,
    )
    if row is None:
        return Standing(enabled=False, required=False, recovery_left=0)
    required = row["required"] or row["role"] in await required_roles(connection)
    enabled = row["confirmed_at"] is not None
    return Standing(enabled, required, row["n"] if enabled else 0)


async def begin_factor(connection: Connection, agent_id: UUID, secret: str) -> None:
    """A new secret (ciphertext), not in force before it is confirmed. Raises Conflict when one is in force."""
    done = await connection.fetchval(
        "INSERT INTO second_factor AS f (agent_id, secret) VALUES ($1, $2)"
        " ON CONFLICT (agent_id) DO UPDATE SET secret = excluded.secret, last_step = 0"
        " WHERE f.confirmed_at IS NULL RETURNING true",
        agent_id,
        secret,
    )
    if done is None:
        raise Conflict("a second factor is in force: turn it off first", reason="factor_in_force")


async def confirm_factor(connection: Connection, agent_id: UUID, step: int, recovery: Sequence[str]) -> None:
    """In force from now on; `step` is used up. Raises Conflict when it was confirmed meanwhile."""
    done = await connection.fetchval(
        "UPDATE second_factor SET confirmed_at = now(), last_step = $2, recovery = $3"
        " WHERE agent_id = $1 AND confirmed_at IS NULL RETURNING true",
        agent_id,
        step,
        list(recovery),
    )
    if done is None:
        raise Conflict("this second factor is in force already", reason="factor_in_force")


async def use_step(connection: Connection | Pool, agent_id: UUID, step: int) -> bool:
    """Whether the code of this step is used for the first time, and no later one was."""
    used = await connection.fetchval(
        "UPDATE second_factor SET last_step = $2"
        " WHERE agent_id = $1 AND last_step < $2 AND confirmed_at IS NOT NULL RETURNING true",
        agent_id,
        step,
    )
    return used is not None


async def use_recovery(connection: Connection | Pool, agent_id: UUID, hashed: str) -> bool:
    """Whether there was such a code; there is none any more."""
    used = await connection.fetchval(
        "UPDATE second_factor SET recovery = array_remove(recovery, $2)"
        " WHERE agent_id = $1 AND $2 = ANY(recovery) AND confirmed_at IS NOT NULL RETURNING true",
        agent_id,
        hashed,
    )
    return used is not None


async def set_recovery(connection: Connection, agent_id: UUID, recovery: Sequence[str]) -> None:
    """These codes alone. Raises NotFound."""
    done = await connection.fetchval(
        "UPDATE second_factor SET recovery = $2 WHERE agent_id = $1 AND confirmed_at IS NOT NULL RETURNING true",
        agent_id,
        list(recovery),
    )
    if done is None:
        raise NotFound("no second factor is in force", reason="factor_missing")


async def remove_factor(connection: Connection, agent_id: UUID) -> None:
    """Raises NotFound."""
    done = await connection.fetchval("DELETE FROM second_factor WHERE agent_id = $1 RETURNING true", agent_id)
    if done is None:
        raise NotFound("no second factor is in force", reason="factor_missing")


async def end_sessions_without(connection: Connection, roles: Sequence[str]) -> int:
    """Sessions of these roles that were opened by a password alone. Returns how many."""
    ended = await connection.fetch(
        "DELETE FROM web_session AS s USING agent AS a WHERE a.id = s.agent_id AND a.role = ANY($1)"
        " AND NOT EXISTS (SELECT FROM second_factor AS f WHERE f.agent_id = a.id AND f.confirmed_at IS NOT NULL)"
        " RETURNING s.id",
        list(roles),
    )
    return len(ended)
