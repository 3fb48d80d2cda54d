"""Who may know what goes on in a conversation: looked up when a page says that it shows it."""

from __future__ import annotations

from uuid import UUID

from storage.conversations import audience_of
from storage.db import Connection
from storage.reading import scoped

_SEES = scoped("SELECT true FROM conversation AS c WHERE c.id = $2 AND {conversation_visible}")


async def audience_if_visible(connection: Connection, viewer: UUID | None, conversation_id: UUID) -> list[str] | None:
    """The words of everybody who sees it now. None: this viewer does not, or there is no such conversation."""
    if not await connection.fetchval(_SEES, viewer, conversation_id):
        return None
    return sorted(await audience_of(connection, conversation_id))
