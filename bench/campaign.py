"""A campaign that was sent to 100,000 clients and now waits for its delivery reports."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from bench.harness import past_id
from storage.db import RawConnection

CAMPAIGN = 100_000
SENT_MS = 1_700_000_000_000

_OPEN = """
INSERT INTO conversation (id, channel_id, thread_key, contact_id, identity_id, queue_id)
SELECT c.id, $1, c.thread_key, c.contact_id, c.contact_id, (SELECT q.id FROM queue AS q WHERE q.is_default)
FROM unnest($2::uuid[], $3::text[], $4::uuid[]) AS c (id, thread_key, contact_id)
"""
_SEND = """
INSERT INTO interaction (id, order_at, kind, direction, channel_id, conversation_id, contact_id, identity_id,
    external_id, sent_at, received_at, text, state)
SELECT o.id, $5, 'message', 'out', $1, o.conversation_id, o.contact_id, o.contact_id, o.external_id, $5, $5,
    'Скидка 10 % на торты до воскресенья', 'sent'
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $6::text[]) AS o (id, conversation_id, contact_id, external_id)
"""
_REF = """
INSERT INTO external_ref (channel_id, kind, external_id, interaction_id)
SELECT $1, 'message', r.external_id, r.id FROM unnest($2::uuid[], $3::text[]) AS r (id, external_id)
"""
_OUT = """
INSERT INTO outbound (id, interaction_id, conversation_id, channel_id, thread_key, identity_id, class, state, message,
    external_ids, sent_at)
SELECT o.id, o.id, o.conversation_id, $1, o.thread_key, o.contact_id, 2, 'sent', '{}', ARRAY[o.external_id], $6
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $7::text[]) AS o
    (id, conversation_id, thread_key, contact_id, external_id)
"""


async def add_campaign(connection: RawConnection, channel_id: UUID) -> None:
    """Rows as the sender leaves them: conversation, interaction, reference and outbound of each recipient."""
    numbers = range(1, CAMPAIGN + 1)
    contacts = [past_id(n) for n in numbers]
    threads = [past_id(n, SENT_MS) for n in numbers]
    keys = [str(n) for n in numbers]
    now = datetime.now(UTC)
    ids = [row["id"] for row in await connection.fetch("SELECT uuidv7() AS id FROM generate_series(1, $1)", CAMPAIGN)]
    names = [f"m{n}" for n in numbers]
    for statement, values in (
        (_OPEN, (threads, keys, contacts)),
        (_SEND, (ids, threads, contacts, now, names)),
        (_REF, (ids, names)),
        (_OUT, (ids, threads, keys, contacts, now, names)),
    ):
        await connection.execute(statement, channel_id, *values, timeout=600)
    await connection.execute("VACUUM (ANALYZE) outbound, interaction, external_ref, conversation", timeout=600)


async def unsay(connection: RawConnection) -> None:
    """The messages are on their way again, for the next round's reports."""
    await connection.execute(
        "UPDATE outbound SET state = 'sent', delivered_at = NULL WHERE state = 'delivered'", timeout=600
    )
    await connection.execute("VACUUM outbound, interaction", timeout=600)
