"""Files that came inside their payload: taken from the journal again, by reading the payload once more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from config.errors import NotFound, Rejected
from connectors.items import Attachment, Item
from router.channels import Channels
from router.entries import to_payload
from router.understand import understand_heavy
from router.work import Entry
from storage.store import Store

TIMEOUT_S = 10.0

_ENTRY = """
SELECT channel_id, received_at, lane, class, request, body, blob FROM journal WHERE id = $1
UNION ALL
SELECT channel_id, received_at, lane, class, request, body, blob FROM journal_kept WHERE id = $1
LIMIT 1
"""
_PLACE = """
SELECT i.external_id, i.body -> 'attachments' AS files,
    (SELECT r.external_id FROM external_ref AS r
     WHERE r.channel_id = i.channel_id AND r.kind = 'entry' AND r.external_id LIKE $2 || ':%' AND r.interaction_id = i.id
     LIMIT 1) AS ref
FROM interaction AS i WHERE i.id = $1
"""


class Enclosures:
    """Remembers the payload last read, as its other files are usually wanted next; `forget` frees it."""

    def __init__(self, store: Store, channels: Channels) -> None:
        self._store = store
        self._channels = channels
        self._last: tuple[int, list[Item]] | None = None

    def forget(self) -> None:
        self._last = None

    async def find(self, entry_id: int, interaction_id: UUID | None, attachment_id: UUID, name: str) -> Attachment:
        """The attachment with its bytes. Raises NotFound (the payload is gone), Rejected (it reads differently now)."""
        items = await self._items(entry_id)
        pool = self._store.pool
        row = await pool.fetchrow(_PLACE, interaction_id, str(entry_id), timeout=TIMEOUT_S)
        if row is None:
            raise NotFound("The message of this file is gone.")
        item = _item(items, row)
        found = None if item is None else _attachment(item, row["files"], attachment_id, name)
        if found is None:
            raise Rejected("The file is no longer found in the payload that brought it.")
        return found

    async def _items(self, entry_id: int) -> list[Item]:
        if self._last is not None and self._last[0] == entry_id:
            return self._last[1]
        row = await self._store.pool.fetchrow(_ENTRY, entry_id, timeout=TIMEOUT_S)
        if row is None:
            raise NotFound("The payload that brought this file is no longer kept.")
        body = row["body"] or b""
        if row["blob"]:
            body = await self._store.blobs.read(row["blob"])
        received_at = row["received_at"] or datetime.now(UTC)
        entry = Entry(
            id=entry_id,
            lane=row["lane"],
            klass=row["class"],
            attempts=0,
            replay=False,
            channel=self._channels.get(row["channel_id"]),
            received_at=received_at,
            silent=True,
            payload=to_payload(row["request"], body, received_at.timestamp()),
            fresh=False,
        )
        items, result = await understand_heavy(entry)
        if result.state == "failed":
            raise Rejected(result.detail or "The payload can't be read any more.")
        self._last = (entry_id, items)
        return items


def _item(items: list[Item], row: asyncpg.Record) -> Item | None:
    """The item that became this interaction: by the provider's id, else by its place in the payload."""
    with_files = [item for item in items if any(a.data is not None for a in item.attachments)]
    if row["external_id"]:
        return next((item for item in with_files if item.external_id == row["external_id"]), None)
    if row["ref"]:
        index = int(row["ref"].rpartition(":")[2])
        return items[index] if index < len(items) else None
    return with_files[0] if len(with_files) == 1 else None


def _attachment(item: Item, files: Any, attachment_id: UUID, name: str) -> Attachment | None:
    """By its place among the message's files; if a newer connector orders them otherwise, by its name."""
    ids = [file.get("id") for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    index = ids.index(str(attachment_id)) if str(attachment_id) in ids else -1
    if 0 <= index < len(item.attachments):
        found = item.attachments[index]
        if found.data is not None and found.name.replace("\x00", "")[:255] == name:
            return found
    return next((a for a in item.attachments if a.data is not None and a.name.replace("\x00", "")[:255] == name), None)
