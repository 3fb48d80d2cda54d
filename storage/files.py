"""Files that people upload and download. Their bytes lie in the blob store, once however often they are sent."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from config.errors import NotFound
from storage.blobs import Kept
from storage.db import Connection, Pool
from storage.reading import fetch_planned, scoped


class FileItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """An uploaded file; `id` goes into `attachments` of a message."""

    id: UUID
    name: str
    type: str
    size: int
    created_at: datetime


_ADD = """
WITH kept AS (
  INSERT INTO blob AS b (sha256, size, refs) VALUES ($1, $2, 1)
  ON CONFLICT (sha256) DO UPDATE SET refs = b.refs + 1)
INSERT INTO attachment (name, type, size, blob, state, uploaded_by) VALUES ($3, $4, $2, $1, 'kept', $5)
RETURNING id, name, type, size, created_at
"""


async def add_file(connection: Connection, kept: Kept, name: str, type_: str, uploaded_by: UUID | None) -> FileItem:
    """A file of no interaction yet."""
    row = await connection.fetchrow(_ADD, kept.sha256, kept.size, name, type_, uploaded_by)
    return FileItem(**dict(row or {}))


class StoredFile(NamedTuple):
    name: str
    type: str
    state: str
    blob: str | None
    error: str


_FIND = scoped(
    """
SELECT f.name, f.type, f.state, f.blob, f.error FROM attachment AS f
WHERE f.id = $2 AND ($1::uuid IS NULL OR (f.interaction_id IS NULL AND f.uploaded_by = $1)
  OR EXISTS (SELECT FROM interaction AS i WHERE i.id = f.interaction_id AND {interaction_visible}))
"""
)


_PICTURES = """
SELECT f.id, f.blob FROM attachment AS f
WHERE f.interaction_id = $1 AND f.state = 'kept' AND f.blob IS NOT NULL AND f.size <= $2
"""


async def small_files_of(pool: Pool, interaction_id: UUID, most: int) -> dict[UUID, str]:
    """Blobs of an interaction's kept files of at most `most` bytes. The caller has looked whether he may see it."""
    return {row["id"]: row["blob"] for row in await pool.fetch(_PICTURES, interaction_id, most)}


async def find_file(pool: Pool, viewer: UUID | None, file_id: UUID) -> StoredFile:
    """Raises NotFound, also when it hangs on something the viewer may not see."""
    rows = await fetch_planned(pool, _FIND, viewer, file_id)
    if not rows:
        raise NotFound("no such attachment")
    return StoredFile(*rows[0])
