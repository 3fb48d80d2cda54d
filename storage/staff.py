"""Agents: who they are, whether they are there, when they are away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from config.errors import BadRequest, Conflict, NotFound
from storage.db import Connection, Pool

Role = Literal["agent", "supervisor", "admin"]
CAPACITY = {"message": 5, "email": 10, "form": 10, "call": 1}
MIN_PASSWORD = 8

# OWASP's second profile for argon2id: 19 MiB for 30 ms, so that a burst of log-ins does not take the machine's memory.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_NOBODY = _hasher.hash("nobody has this password")
_slots = asyncio.Semaphore(2)


async def hash_password(password: str) -> str:
    """Off the loop. Raises BadRequest for a short one."""
    if len(password) < MIN_PASSWORD:
        raise BadRequest(f"password: at least {MIN_PASSWORD} characters", reason="password_short", least=MIN_PASSWORD)
    async with _slots:
        return await asyncio.to_thread(_hasher.hash, password)


async def password_fits(hashed: str, password: str) -> bool:
    """Takes as long for an unknown log-in (empty hash) as for a known one."""
    async with _slots:
        return await asyncio.to_thread(_fits, hashed, password)


def _fits(hashed: str, password: str) -> bool:
    try:
        _hasher.verify(hashed or _NOBODY, password)
    except (VerificationError, InvalidHashError):
        return False
    return bool(hashed)


class AgentItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """An agent as colleagues see him. `capacity`: conversations at a time by channel kind."""

    id: UUID
    login: str
    name: str
    role: str
    active: bool
    language: str
    capacity: dict[str, Any]
    email: str = ""
    skills: list[str] = []
    queues: list[UUID] = []
    presence: str | None = None
    presence_reason: str = ""
    presence_since: datetime | None = None


_AGENTS = """
SELECT a.id, a.login, a.name, a.role, a.active, a.language, a.capacity, a.email, a.skills,
       array(SELECT m.queue_id FROM queue_member AS m WHERE m.agent_id = a.id ORDER BY m.queue_id) AS queues,
       p.state AS presence, coalesce(p.reason, '') AS presence_reason, p.since AS presence_since
FROM agent AS a LEFT JOIN presence AS p ON p.agent_id = a.id
WHERE ($1::uuid IS NULL OR a.id = $1) ORDER BY a.name, a.id
"""


async def list_agents(pool: Pool) -> list[AgentItem]:
    return [AgentItem(**row) for row in await pool.fetch(_AGENTS, None)]


async def get_agent(connection: Connection | Pool, agent_id: UUID) -> AgentItem:
    """Raises NotFound."""
    row = await connection.fetchrow(_AGENTS, agent_id)
    if row is None:
        raise NotFound("no such agent")
    return AgentItem(**row)


async def credentials(pool: Pool, login: str) -> tuple[UUID | None, str]:
    """(agent, password hash) of an active log-in; (None, "") for an unknown one."""
    row = await pool.fetchrow("SELECT id, password_hash FROM agent WHERE login = $1 AND active", login.strip().lower())
    return (None, "") if row is None else (row["id"], row["password_hash"])


async def create_agent(
    connection: Connection,
    login: str,
    name: str,
    role: Role = "agent",
    password: str = "",
    *,
    email: str = "",
    skills: Sequence[str] = (),
    capacity: Mapping[str, int] | None = None,
    language: str = "ru",
) -> UUID:
    """Without a password he can't sign in. Raises BadRequest, Conflict for a login that is taken."""
    if not login.strip():
        raise BadRequest("login: empty", reason="login_empty")
    hashed = await hash_password(password) if password else ""
    agent_id: UUID | None = await connection.fetchval(
        "INSERT INTO agent (login, name, role, password_hash, email, skills, capacity, language)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (login) DO NOTHING RETURNING id",
        login.strip().lower(),
        name,
        role,
        hashed,
        email,
        list(skills),
        dict(capacity or CAPACITY),
        language,
    )
    if agent_id is None:
        raise Conflict("this login is taken", reason="login_taken")
    return agent_id


_CHANGE = """
UPDATE agent SET name = coalesce($2, name), role = coalesce($3, role), email = coalesce($4, email),
  active = coalesce($5, active), language = coalesce($6, language), capacity = coalesce($7, capacity),
  skills = coalesce($8, skills), password_hash = coalesce($9, password_hash)
WHERE id = $1
"""
CHANGEABLE = ("name", "role", "email", "active", "language", "capacity", "skills")
_LAST_ADMIN = "SELECT count(*) FROM (SELECT FROM agent WHERE role = 'admin' AND active AND id <> $1 FOR UPDATE) AS a"


async def change_agent(
    connection: Connection, agent_id: UUID, changes: Mapping[str, Any], password: str = ""
) -> AgentItem:
    """A new password or a lost right ends his sessions. Raises NotFound, BadRequest, Conflict for the last administrator."""
    old = await get_agent(connection, agent_id)
    weaker = changes.get("active") is False or changes.get("role", old.role) != old.role
    if weaker and old.role == "admin" and old.active and not await connection.fetchval(_LAST_ADMIN, agent_id):
        raise Conflict("the last administrator can't be taken away", reason="last_administrator")
    hashed = await hash_password(password) if password else None
    await connection.execute(_CHANGE, agent_id, *(changes.get(name) for name in CHANGEABLE), hashed)
    if password or weaker:
        await connection.execute("DELETE FROM web_session WHERE agent_id = $1", agent_id)
    return await get_agent(connection, agent_id)


async def set_password(connection: Connection, agent_id: UUID, password: str, *, keep: UUID | None = None) -> None:
    """Ends his sessions, but for `keep`. Raises BadRequest for a short one, NotFound."""
    hashed = await hash_password(password)
    done = await connection.fetchval(
        "UPDATE agent SET password_hash = $2 WHERE id = $1 AND active RETURNING true", agent_id, hashed
    )
    if done is None:
        raise NotFound("no such active agent")
    await connection.execute(
        "DELETE FROM web_session WHERE agent_id = $1 AND ($2::uuid IS NULL OR id <> $2)", agent_id, keep
    )


async def password_of(pool: Pool, agent_id: UUID) -> str:
    """The hash; empty for one who has none."""
    return str(await pool.fetchval("SELECT password_hash FROM agent WHERE id = $1", agent_id) or "")


class ExtensionItem(msgspec.Struct, kw_only=True):
    """The short number at which an agent answers on a PBX channel."""

    channel_id: UUID
    channel_name: str
    extension: str


_EXTENSIONS = """
SELECT e.channel_id, c.name AS channel_name, e.extension
FROM agent_extension AS e JOIN channel AS c ON c.id = e.channel_id
WHERE e.agent_id = $1 ORDER BY c.name, e.channel_id
"""
_TAKE_EXTENSION = """
INSERT INTO agent_extension (channel_id, extension, agent_id) VALUES ($1, $2, $3)
ON CONFLICT (channel_id, extension) DO UPDATE SET agent_id = excluded.agent_id
"""
_DROP_EXTENSION = "DELETE FROM agent_extension WHERE channel_id = $1 AND agent_id = $2 RETURNING extension"
_HOLDER = "SELECT agent_id FROM agent_extension WHERE channel_id = $1 AND extension = $2"


async def list_extensions(connection: Connection | Pool, agent_id: UUID) -> list[ExtensionItem]:
    """By the channels' names. Raises NotFound."""
    await get_agent(connection, agent_id)
    return [ExtensionItem(**row) for row in await connection.fetch(_EXTENSIONS, agent_id)]


async def set_extension(
    connection: Connection, agent_id: UUID, channel_id: UUID, extension: str
) -> tuple[str, UUID | None]:
    """His one number on this channel; whoever had it loses it. Returns his former number and that former holder.

    Raises NotFound.
    """
    await get_agent(connection, agent_id)
    if not await connection.fetchval("SELECT true FROM channel WHERE id = $1 FOR SHARE", channel_id):
        raise NotFound("no such channel")
    former: str = await connection.fetchval(_DROP_EXTENSION, channel_id, agent_id) or ""
    holder: UUID | None = await connection.fetchval(_HOLDER, channel_id, extension)
    await connection.execute(_TAKE_EXTENSION, channel_id, extension, agent_id)
    return former, holder


async def remove_extension(connection: Connection, agent_id: UUID, channel_id: UUID) -> str:
    """Returns the number. Raises NotFound when he has none on this channel."""
    former: str | None = await connection.fetchval(_DROP_EXTENSION, channel_id, agent_id)
    if former is None:
        raise NotFound("he has no extension on this channel")
    return former


class PresenceItem(msgspec.Struct, kw_only=True):
    """What an agent does now."""

    agent_id: UUID
    state: str
    reason: str
    since: datetime
    seen_at: datetime


async def get_presence(connection: Connection | Pool, agent_id: UUID) -> PresenceItem | None:
    """None: he has never been here."""
    row = await connection.fetchrow(
        "SELECT agent_id, state, reason, since, seen_at FROM presence WHERE agent_id = $1", agent_id
    )
    return None if row is None else PresenceItem(**row)


_QUEUES_OF = """
SELECT a.id, a.role, array(SELECT m.queue_id FROM queue_member AS m WHERE m.agent_id = a.id) AS queues
FROM agent AS a WHERE a.id = ANY($1)
"""


async def reach_of(pool: Pool, agents: Sequence[UUID]) -> dict[UUID, tuple[str, list[UUID]]]:
    """(role, queues) of each of these agents: what the live stream is filtered by."""
    return {row["id"]: (row["role"], row["queues"]) for row in await pool.fetch(_QUEUES_OF, list(agents))}
