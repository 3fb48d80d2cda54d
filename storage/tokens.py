"""API tokens, sessions of the page, and who stands behind them. Only digests are kept of both."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from config.errors import BadRequest, Conflict, NotFound
from storage.db import Connection, Pool

SCOPES = ("all", "read", "write", "journal", "admin")
PREFIX = "hub_"


class TokenItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A token without its secret."""

    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    agent_id: UUID | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class Holder(NamedTuple):
    """Behind a credential. `id`: of the token or the session; `role`, `login`, `name`: of the agent, if there is one."""

    id: UUID
    agent_id: UUID | None
    scopes: list[str]
    role: str | None
    login: str | None
    name: str | None


def digest(secret: str) -> bytes:
    """What is kept of a token or a session's cookie."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


async def create_token(
    connection: Connection,
    name: str,
    scopes: Sequence[str],
    agent_id: UUID | None = None,
    expires_at: datetime | None = None,
) -> str:
    """The new token, to be seen this once. Bound to an agent it sees and may do what he does. Raises BadRequest."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise BadRequest(f"scopes: {', '.join(unknown) or 'none given'}; there are {', '.join(SCOPES)}")
    if agent_id is not None and not await connection.fetchval("SELECT true FROM agent WHERE id = $1", agent_id):
        raise BadRequest("agent_id: no such agent")
    token = PREFIX + secrets.token_urlsafe(32)
    await connection.execute(
        "INSERT INTO api_token (name, hash, scopes, agent_id, expires_at) VALUES ($1, $2, $3, $4, $5)",
        name,
        digest(token),
        sorted(set(scopes)),
        agent_id,
        expires_at,
    )
    return token


# `last_used_at` moves at most once a minute: a read must not cost a write.
_CALLER = """
WITH found AS (
  SELECT t.id, t.agent_id, t.scopes, a.role, a.login, a.name, t.last_used_at
  FROM api_token AS t LEFT JOIN agent AS a ON a.id = t.agent_id
  WHERE t.hash = $1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
    AND (t.agent_id IS NULL OR a.active)),
used AS (
  UPDATE api_token AS t SET last_used_at = now() FROM found AS f
  WHERE t.id = f.id AND (f.last_used_at IS NULL OR f.last_used_at < now() - interval '1 minute'))
SELECT id, agent_id, scopes, role, login, name FROM found
"""
_BY_SESSION = """
WITH found AS (
  SELECT s.id, s.agent_id, '{}'::text[] AS scopes, a.role, a.login, a.name, s.seen_at
  FROM web_session AS s JOIN agent AS a ON a.id = s.agent_id
  WHERE s.hash = $1 AND s.expires_at > now() AND a.active),
used AS (
  UPDATE web_session AS s SET seen_at = now() FROM found AS f
  WHERE s.id = f.id AND f.seen_at < now() - interval '1 minute')
SELECT id, agent_id, scopes, role, login, name FROM found
"""


async def holder_of_token(pool: Pool, token: str) -> Holder | None:
    """None: unknown, revoked, expired, or its agent is gone."""
    row = await pool.fetchrow(_CALLER, digest(token))
    return None if row is None else Holder(*row)


async def holder_of_session(pool: Pool, cookie: str) -> Holder | None:
    """None: unknown, ended, or its agent is gone."""
    row = await pool.fetchrow(_BY_SESSION, digest(cookie))
    return None if row is None else Holder(*row)


_STILL_VALID = """
SELECT t.id FROM api_token AS t LEFT JOIN agent AS a ON a.id = t.agent_id
WHERE t.id = ANY($1) AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
  AND (t.agent_id IS NULL OR a.active)
UNION ALL SELECT s.id FROM web_session AS s JOIN agent AS a ON a.id = s.agent_id
WHERE s.id = ANY($1) AND s.expires_at > now() AND a.active
"""


async def still_valid(pool: Pool, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these tokens and sessions that still let somebody in."""
    return {row["id"] for row in await pool.fetch(_STILL_VALID, list(ids))}


async def add_session(connection: Connection, agent_id: UUID, lasts_s: int, user_agent: str, address: str = "") -> str:
    """A new session's cookie; sessions of the agent that ended are swept on the way."""
    cookie = secrets.token_urlsafe(32)
    await connection.execute("DELETE FROM web_session WHERE agent_id = $1 AND expires_at < now()", agent_id)
    await connection.execute(
        "INSERT INTO web_session (hash, agent_id, expires_at, user_agent, address)"
        " VALUES ($1, $2, now() + make_interval(secs => $3), $4, $5)",
        digest(cookie),
        agent_id,
        lasts_s,
        user_agent[:200],
        address[:64],
    )
    return cookie


async def end_session(connection: Connection | Pool, session_id: UUID) -> None:
    await connection.execute("DELETE FROM web_session WHERE id = $1", session_id)


class SessionItem(msgspec.Struct, kw_only=True):
    """A browser somebody is signed in with. `seen_at` moves once a minute."""

    id: UUID
    agent_id: UUID
    created_at: datetime
    expires_at: datetime
    seen_at: datetime
    user_agent: str
    address: str
    current: bool


async def list_sessions(pool: Pool, agent_id: UUID, current: UUID) -> list[SessionItem]:
    """Those that have not ended, last seen first; `current`: the caller's own."""
    rows = await pool.fetch(
        "SELECT id, agent_id, created_at, expires_at, seen_at, user_agent, address, id = $2 AS current"
        " FROM web_session WHERE agent_id = $1 AND expires_at > now() ORDER BY seen_at DESC, id",
        agent_id,
        current,
    )
    return [SessionItem(**row) for row in rows]


async def revoke_session(connection: Connection, session_id: UUID, agent_id: UUID | None) -> UUID:
    """`agent_id`: only one of his. Returns whose it was. Raises NotFound."""
    whose: UUID | None = await connection.fetchval(
        "DELETE FROM web_session WHERE id = $1 AND ($2::uuid IS NULL OR agent_id = $2) RETURNING agent_id",
        session_id,
        agent_id,
    )
    if whose is None:
        raise NotFound("no such session")
    return whose


async def revoke_sessions(connection: Connection, agent_id: UUID, *, keep: UUID | None = None) -> int:
    """All of an agent's but one. Returns how many."""
    ended = await connection.fetch(
        "DELETE FROM web_session WHERE agent_id = $1 AND ($2::uuid IS NULL OR id <> $2) RETURNING id", agent_id, keep
    )
    return len(ended)


async def password_mark(connection: Connection | Pool, agent_id: UUID, *, missing: str | None = None) -> str:
    """Changes with the password, and says nothing of it. `missing`: for somebody who is not there, or not active.

    Raises NotFound, Conflict without it.
    """
    row = await connection.fetchrow("SELECT password_hash, active FROM agent WHERE id = $1", agent_id)
    if row is not None and row["active"]:
        return digest(f"mark {row['password_hash']}").hex()[:32]
    if missing is not None:
        return missing
    if row is None:
        raise NotFound("no such agent")
    raise Conflict("he is not active: make him so first", reason="agent_inactive")


async def list_tokens(pool: Pool) -> list[TokenItem]:
    rows = await pool.fetch(
        "SELECT id, name, scopes, created_at, agent_id, expires_at, last_used_at, revoked_at FROM api_token ORDER BY id"
    )
    return [TokenItem(**row) for row in rows]


async def revoke_token(connection: Connection, token_id: UUID) -> None:
    """Raises NotFound."""
    done = await connection.fetchval(
        "UPDATE api_token SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id", token_id
    )
    if done is None:
        raise NotFound("no such live token")
