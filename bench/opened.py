"""The stream with an open conversation for each of its clients, and the supervisor whose list they fill."""

from __future__ import annotations

from bench import stream
from storage.db import RawConnection
from storage.staff import create_agent

SOURCES = (*stream.SOURCES, "opened.py")
LOGIN = "bench"

# As the router would have left them; the one with 5,000 messages is the newest, and so the first of the list.
_LAST = """
UPDATE conversation AS c SET last_at = i.order_at, last_in_at = i.order_at, last_text = left(i.text, 200), kind = 'message'
FROM (SELECT DISTINCT ON (conversation_id) conversation_id, order_at, text FROM interaction
      ORDER BY conversation_id, order_at DESC) AS i
WHERE i.conversation_id = c.id
"""
_FIRST = "UPDATE conversation SET last_at = now(), last_in_at = now() WHERE id = $1"


async def fill(connection: RawConnection, url: str, size: int) -> None:
    """One open conversation for each of its clients, and a supervisor who sees them all."""
    await stream.fill(connection, url, size)
    await connection.execute(_LAST, timeout=1200)
    await connection.execute(_FIRST, stream.contact_id(0))
    await create_agent(connection, LOGIN, "Ольга Лебедева", "supervisor")
    await connection.execute("VACUUM (ANALYZE) conversation", timeout=1200)
