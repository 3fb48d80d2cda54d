"""Single look-ups around addresses."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from config.errors import NotFound
from storage.db import Connection


async def card_of_address(connection: Connection, kind: str, values: Sequence[str]) -> UUID | None:
    """The card an address shows on, in whichever scope it is found first."""
    found: UUID | None = await connection.fetchval(
        "SELECT c.card_id FROM identity AS i JOIN contact AS c ON c.id = i.contact_id"
        " WHERE i.kind = $1 AND i.value = ANY($2) ORDER BY i.confidence DESC, i.id LIMIT 1",
        kind,
        list(values),
    )
    return found


async def connector_of(connection: Connection, channel_id: UUID) -> str:
    """The name of a channel's connector. Raises NotFound."""
    name: str | None = await connection.fetchval("SELECT connector FROM channel WHERE id = $1", channel_id)
    if name is None:
        raise NotFound("no such channel")
    return name
