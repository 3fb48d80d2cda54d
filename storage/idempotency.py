"""One answer for a request and its repetitions: the key's row is written first, in the transaction of the work itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from config.errors import Conflict
from storage.db import Connection, Pool

_CLAIM = """
INSERT INTO idempotency_key (actor, key, request_hash, status, body) VALUES ($1, $2, $3, 0, '{}')
ON CONFLICT (actor, key) DO NOTHING RETURNING true
"""
_ANSWER = "UPDATE idempotency_key SET status = $3, body = $4 WHERE actor = $1 AND key = $2"
_EARLIER = "SELECT request_hash, status, body FROM idempotency_key WHERE actor = $1 AND key = $2"


async def answer_once(
    connection: Connection,
    actor: str,
    key: str,
    request_hash: bytes,
    work: Callable[[], Awaitable[tuple[int, Any]]],
) -> tuple[int, Any, bool]:
    """(status, body, whether it is the answer of an earlier request). Inside a transaction; `work` writes in the same.

    A second request at the same time waits here for the first to commit or roll back. Work that raises leaves no trace,
    so that the key can be used again. Raises Conflict when the key stood before another request.
    """
    if not await connection.fetchval(_CLAIM, actor, key, request_hash):
        row = await connection.fetchrow(_EARLIER, actor, key)
        if row is None or bytes(row["request_hash"]) != request_hash:
            raise Conflict("this Idempotency-Key was used for another request", reason="key_used")
        return row["status"], row["body"], True
    status, body = await work()
    await connection.execute(_ANSWER, actor, key, status, body)
    return status, body, False


async def use_once(pool: Pool, purpose: str, key: str) -> bool:
    """Whether this is the first use of a key that counts once; across processes."""
    return await pool.fetchval(_CLAIM, purpose, key, b"") is not None
