"""Receipts of providers: what they say of messages of ours, applied set-based and in any order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from router.outbound.states import Change, after_receipt, clean, state_events
from router.threads import Again
from storage.db import Connection
from storage.events import NewEvent

BATCH = 500
STATUSES = frozenset({"sent", "delivered", "read", "failed"})
"""Others ("delayed") change nothing: the message is still on its way."""
ECHOED = "echoed"
"""The verdict of a try that was answered by an echo (echoes.py)."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """`external_id`: the provider's id, or ours where the provider took ours. `watermark`: all of `thread_key` that was
    sent up to `at`, instead of one message. `echo`: the provider's id of what it showed us as the message `external_id`,
    which is ours then.
    """

    channel_id: UUID
    external_id: str
    status: str
    at: datetime
    error_code: str = ""
    error_text: str = ""
    error_class: str = ""
    thread_key: str = ""
    watermark: bool = False
    echo: str = ""


# A message is found by the provider's id, or by our own where a connector makes the provider use it.
_FIND = """
WITH asked AS (SELECT * FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS a(channel_id, external_id, n))
SELECT a.n::int - 1 AS n, r.interaction_id, o.id
FROM asked AS a
JOIN external_ref AS r
  ON r.channel_id = a.channel_id AND r.kind = 'message' AND r.external_id = a.external_id AND r.version = ''
LEFT JOIN outbound AS o ON o.interaction_id = r.interaction_id
UNION ALL
SELECT a.n::int - 1, o.interaction_id, o.id
FROM asked AS a
JOIN outbound AS o ON o.id = CASE WHEN pg_input_is_valid(a.external_id, 'uuid') THEN a.external_id::uuid END
WHERE o.channel_id = a.channel_id
"""
_FIND_BELOW = """
SELECT a.n::int - 1 AS n, o.interaction_id, o.id
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) WITH ORDINALITY AS a(channel_id, thread_key, at, n)
JOIN conversation AS c ON c.channel_id = a.channel_id AND c.thread_key = a.thread_key
JOIN outbound AS o ON o.conversation_id = c.id
WHERE o.sent_at <= a.at AND o.state IN ('sent', 'delivered')
"""
_LOCK = """
SELECT id, interaction_id, conversation_id, channel_id, identity_id, state, external_ids, sent_at, delivered_at, read_at
FROM outbound WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE
"""
_UPDATE = """
UPDATE outbound AS o
SET state = n.state, lease_until = NULL, sent_at = n.sent_at, delivered_at = n.delivered_at, read_at = n.read_at,
    error_class = n.error_class, error_code = n.error_code, error = n.error
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[],
            $8::text[]) AS n(id, state, sent_at, delivered_at, read_at, error_class, error_code, error)
WHERE o.id = n.id
"""
_UPDATE_INTERACTION = """
UPDATE interaction AS i SET state = n.state, sent_at = coalesce(i.sent_at, n.sent_at)
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS n(id, state, sent_at)
WHERE i.id = n.id AND i.id = ANY($1::uuid[])
"""
_NAME = """
UPDATE outbound AS o SET external_ids = array_append(o.external_ids, n.external_id)
FROM unnest($1::uuid[], $2::text[]) AS n(id, external_id) WHERE o.id = n.id
"""
_NAME_INTERACTION = """
UPDATE interaction AS i SET external_id = n.external_id
FROM unnest($1::uuid[], $2::text[]) AS n(id, external_id)
WHERE i.id = n.id AND i.id = ANY($1::uuid[]) AND i.external_id = ''
"""
_NOTE = """
INSERT INTO outbound_attempt (outbound_id, took_ms, verdict, provider_code)
SELECT n.id, 0, $3, n.external_id FROM unnest($1::uuid[], $2::text[]) AS n(id, external_id)
"""
_KEEP = """
INSERT INTO pending_status (channel_id, external_id, status, error, at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::timestamptz[])
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
"""
_BLOCK = """
UPDATE identity SET blocked_at = now(), blocked_reason = n.reason
FROM unnest($1::uuid[], $2::text[]) AS n(id, reason)
WHERE identity.id = n.id AND identity.blocked_at IS NULL
"""


async def apply_receipts(connection: Connection, receipts: Sequence[Receipt]) -> list[NewEvent]:
    """Applies them inside the caller's transaction; returns the events, for the caller to append last.

    Receipts of ids nobody knows yet are kept until the answer to our sending brings the id. Raises Again for an echo
    whose message was answered otherwise meanwhile.
    """
    receipts = [r for r in receipts if r.status in STATUSES]
    single = [r for r in receipts if not r.watermark]
    below = [r for r in receipts if r.watermark]
    said: dict[UUID, list[Receipt]] = {}
    known: set[int] = set()
    for row in await _found(connection, single):
        known.add(row["n"])
        if row["id"] is not None:
            said.setdefault(row["id"], []).append(single[row["n"]])
    for row in await _found_below(connection, below):
        said.setdefault(row["id"], []).append(below[row["n"]])
    await _keep(connection, [r for n, r in enumerate(single) if n not in known])
    return await _apply(connection, said)


async def _found(connection: Connection, receipts: Sequence[Receipt]) -> list[asyncpg.Record]:
    if not receipts:
        return []
    return await connection.fetch(_FIND, [r.channel_id for r in receipts], [r.external_id for r in receipts])


async def _found_below(connection: Connection, receipts: Sequence[Receipt]) -> list[asyncpg.Record]:
    if not receipts:
        return []
    channels, threads, times = zip(*((r.channel_id, r.thread_key, r.at) for r in receipts), strict=True)
    return await connection.fetch(_FIND_BELOW, channels, threads, times)


async def _keep(connection: Connection, receipts: Iterable[Receipt]) -> None:
    rows = {(r.channel_id, r.external_id, r.status): r for r in receipts if r.external_id}
    if not rows:
        return
    errors = [{"code": r.error_code, "text": clean(r.error_text), "class": r.error_class} for r in rows.values()]
    channels, ids, states = zip(*rows, strict=True)
    await connection.execute(_KEEP, channels, ids, states, errors, [r.at for r in rows.values()])


@dataclass(slots=True)
class _Message:
    """An outbound row on its way to what the receipts make of it."""

    row: asyncpg.Record
    state: str
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    failure: Receipt | None = None
    echo: str = ""

    def hear(self, receipt: Receipt) -> None:
        if receipt.echo:
            self._own(receipt.echo)
        ids = {*self.row["external_ids"], self.echo, str(self.row["id"])}
        last = receipt.watermark or receipt.external_id in ids
        self.state = after_receipt(self.state, receipt.status, of_last_try=last)
        if receipt.status == "failed":
            self.failure = receipt
        else:
            self._date(receipt)

    def _own(self, external_id: str) -> None:
        """It was on its way, or sent without an id, when the echo was taken for its own; the row is locked only now."""
        if self.row["external_ids"] or self.state in {"queued", "claimed", "failed", "cancelled"}:
            raise Again("the message of an echo was answered at the same moment")
        self.echo = external_id

    def _date(self, receipt: Receipt) -> None:
        # The earliest date counts: what was read was delivered by then, what was delivered was sent.
        self.sent_at = self.sent_at or receipt.at
        if receipt.status in {"delivered", "read"}:
            self.delivered_at = min(self.delivered_at or receipt.at, receipt.at)
        if receipt.status == "read":
            self.read_at = min(self.read_at or receipt.at, receipt.at)

    @property
    def error(self) -> tuple[str, str, str]:
        if self.state != "failed" or self.failure is None:
            return "", "", ""
        failure = self.failure
        return failure.error_class or "permanent", failure.error_code, clean(failure.error_text) or "not delivered"

    def change(self) -> Change:
        class_, code, text = self.error
        row = self.row
        return Change(row["interaction_id"], row["conversation_id"], row["id"], self.state, text, class_, code)


async def _apply(connection: Connection, said: dict[UUID, list[Receipt]]) -> list[NewEvent]:
    if not said:
        return []
    changed: list[_Message] = []
    named: list[_Message] = []
    for row in await connection.fetch(_LOCK, list(said)):
        message = _Message(row, row["state"], row["sent_at"], row["delivered_at"], row["read_at"])
        for receipt in sorted(said[row["id"]], key=lambda r: not r.echo):  # whose id it is tells what the others mean
            message.hear(receipt)
        if message.state != row["state"]:
            changed.append(message)
        if message.echo:
            named.append(message)
    await _write(connection, changed)
    events = await state_events(connection, [message.change() for message in changed])
    return events + await _write_echoes(connection, named)


async def _write(connection: Connection, messages: Sequence[_Message]) -> None:
    if not messages:
        return
    columns: list[Any] = list(
        zip(*((m.row["id"], m.state, m.sent_at, m.delivered_at, m.read_at, *m.error) for m in messages), strict=True)
    )
    await connection.execute(_UPDATE, *columns)
    interactions = [m.row["interaction_id"] for m in messages]
    await connection.execute(
        _UPDATE_INTERACTION, interactions, [m.state for m in messages], [m.sent_at for m in messages]
    )
    blocked = {m.row["identity_id"]: m.error[2] for m in messages if m.error[0] == "blocked"}
    if blocked:
        await connection.execute(_BLOCK, list(blocked), list(blocked.values()))


async def _write_echoes(connection: Connection, messages: Sequence[_Message]) -> list[NewEvent]:
    """The ids that echoes brought, as an answer would have, and the receipts that were quicker."""
    if not messages:
        return []
    ids, interactions, echoes, channels = zip(
        *((m.row["id"], m.row["interaction_id"], m.echo, m.row["channel_id"]) for m in messages), strict=True
    )
    await connection.execute(_NAME, ids, echoes)
    await connection.execute(_NAME_INTERACTION, interactions, echoes)
    await connection.execute(_NOTE, ids, echoes, ECHOED)
    return await join_pending(connection, channels, echoes)


_JOIN = """
DELETE FROM pending_status AS p
USING unnest($1::uuid[], $2::text[]) AS n(channel_id, external_id)
WHERE p.channel_id = n.channel_id AND p.external_id = n.external_id
RETURNING p.*
"""


async def join_pending(connection: Connection, channels: Sequence[UUID], external_ids: Sequence[str]) -> list[NewEvent]:
    """Applies the receipts that came before these ids were known; they are known now, in the same transaction."""
    rows = await connection.fetch(_JOIN, channels, external_ids)
    return await apply_receipts(connection, [_receipt(row) for row in rows])


# A receipt and the answer with its id can be committed at the same instant, each blind to the other.
_JOIN_MISSED = """
DELETE FROM pending_status AS p
USING (
    SELECT p.channel_id, p.external_id, p.status FROM pending_status AS p
    JOIN external_ref AS r ON r.channel_id = p.channel_id AND r.kind = 'message' AND r.external_id = p.external_id
     AND r.version = ''
    LIMIT $1
    FOR UPDATE OF p SKIP LOCKED
) AS known
WHERE (p.channel_id, p.external_id, p.status) = (known.channel_id, known.external_id, known.status)
RETURNING p.*
"""
_DROP = "DELETE FROM pending_status WHERE at < now() - interval '1 day'"


async def sweep_pending(connection: Connection) -> list[NewEvent]:
    """Applies what `join_pending` missed and drops what nobody ever asked for."""
    rows = await connection.fetch(_JOIN_MISSED, BATCH)
    await connection.execute(_DROP)
    return await apply_receipts(connection, [_receipt(row) for row in rows])


def _receipt(row: asyncpg.Record) -> Receipt:
    error = row["error"]
    receipt = Receipt(row["channel_id"], row["external_id"], row["status"], row["at"])
    return replace(
        receipt,
        error_code=str(error.get("code", "")),
        error_text=str(error.get("text", "")),
        error_class=str(error.get("class", "")),
    )
