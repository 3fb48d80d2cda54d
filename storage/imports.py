"""Files of cards on their way in: the jobs, their progress, and what was refused.

The refused rows are kept batch by batch, each file naming the one before it, so that a batch writes its own alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from config.errors import Conflict, NotFound
from storage.blobs import Blobs, Kept
from storage.db import Connection, Pool
from storage.queries import load

SQL = load("imports")


class ImportItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`mapping`: column -> field; `rows`: of the file, `done_rows` of them are through: `made` and `changed` cards,
    `refused` ones stand in the error file, the rest were passed over. `head`: its first rows, in the single view alone.
    """

    id: UUID
    name: str
    state: str
    created_at: datetime
    columns: list[str] = []
    mapping: dict[str, str] = {}
    options: dict[str, Any] = {}
    rows: int = 0
    done_rows: int = 0
    made: int = 0
    changed: int = 0
    refused: int = 0
    error: str = ""
    created_by: UUID | None = None
    finished_at: datetime | None = None
    head: list[list[str]] = []


class Refused(msgspec.Struct):
    """One row: its number in the file, the reason, its cells."""

    number: int
    reason: str
    cells: list[str]


class _Errors(msgspec.Struct):
    """A file of refused rows. `before`: the digest of the one before it."""

    before: str | None
    rows: list[Refused]


_COLUMNS = """SELECT id, name, state, created_at, columns, mapping, rows, done_rows, made, changed, refused, error, created_by,
  finished_at FROM import_job """
_ADD = """
INSERT INTO import_job (name, blob, columns, mapping, rows, created_by) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
"""


def _item(row: asyncpg.Record) -> ImportItem:
    fields = dict(row)
    document = fields.pop("mapping")
    return ImportItem(**fields, mapping=document.get("columns", {}), options=document.get("options", {}))


async def note_upload(pool: Pool, kept: Kept) -> None:
    """The file as it came, once it was read: if nobody else holds the same bytes, they are freed."""
    await pool.execute(SQL.note_unused, kept.sha256, kept.size)


async def add_import(
    connection: Connection,
    kept: Kept,
    *,
    name: str,
    columns: list[str],
    rows: int,
    mapping: dict[str, str],
    by: UUID | None,
) -> ImportItem:
    """A file that was read; nothing is done with it yet."""
    await connection.execute(SQL.hold_blob, kept.sha256, kept.size)
    document = {"columns": mapping, "options": {}}
    job_id = await connection.fetchval(_ADD, name, kept.sha256, columns, document, rows, by)
    return await get_import(connection, job_id)


async def list_imports(pool: Pool) -> list[ImportItem]:
    """The last 200, newest first."""
    return [_item(row) for row in await pool.fetch(_COLUMNS + "ORDER BY id DESC LIMIT 200")]


async def get_import(connection: Connection | Pool, job_id: UUID) -> ImportItem:
    """Raises NotFound."""
    row = await connection.fetchrow(_COLUMNS + "WHERE id = $1", job_id)
    if row is None:
        raise NotFound("no such import")
    return _item(row)


async def lock_import(connection: Connection, job_id: UUID, *states: str) -> ImportItem:
    """Held until the end. Raises NotFound, Conflict when it is in none of these states."""
    row = await connection.fetchrow(_COLUMNS + "WHERE id = $1 FOR UPDATE", job_id)
    if row is None:
        raise NotFound("no such import")
    if row["state"] not in states:
        raise Conflict(f"the import is {row['state']}", reason="import_state", state=str(row["state"]))
    return _item(row)


async def blob_of(connection: Connection | Pool, job_id: UUID) -> str:
    """The digest of its rows (see router/sheets.py)."""
    return str(await connection.fetchval("SELECT blob FROM import_job WHERE id = $1", job_id))


async def set_mapping(connection: Connection, job_id: UUID, mapping: dict[str, str], options: dict[str, Any]) -> None:
    document = {"columns": mapping, "options": options}
    await connection.execute("UPDATE import_job SET mapping = $2 WHERE id = $1", job_id, document)


async def set_state(connection: Connection, job_id: UUID, state: str) -> None:
    """Waiting, or cancelled: then its rows are let go of."""
    await connection.execute(SQL.progress, job_id, 0, 0, 0, 0, None, state)
    if state == "cancelled":
        await connection.execute(SQL.release_blob, await blob_of(connection, job_id))


async def keep_errors(connection: Connection, blobs: Blobs, rows: Sequence[Refused], before: str | None) -> str | None:
    """The refused rows of a batch behind the earlier ones. Returns the digest of what has them all; None for no row."""
    if not rows:
        return None
    kept = await blobs.keep(msgspec.json.encode(_Errors(before, list(rows))))
    await connection.execute(SQL.hold_blob, kept.sha256, kept.size)
    return kept.sha256


async def read_errors(pool: Pool, blobs: Blobs, job_id: UUID) -> list[list[Refused]]:
    """All refused rows, by batch, in their order. Raises NotFound once they are no longer kept."""
    newest: str | None = await pool.fetchval("SELECT errors_blob FROM import_job WHERE id = $1", job_id)
    found: list[list[Refused]] = []
    while newest is not None:
        errors = msgspec.json.decode(await blobs.read(newest), type=_Errors)
        found.append(errors.rows)
        newest = errors.before
    return found[::-1]


async def forget_errors(connection: Connection, blobs: Blobs) -> int:
    """Lets go of what finished imports had refused: these rows name people. Returns of how many imports."""
    rows = await connection.fetch(
        "SELECT id, errors_blob FROM import_job WHERE errors_blob IS NOT NULL AND finished_at IS NOT NULL FOR UPDATE"
    )
    for row in rows:
        newest = row["errors_blob"]
        while newest is not None:
            await connection.execute(SQL.release_blob, newest)
            try:
                newest = msgspec.json.decode(await blobs.read(newest), type=_Errors).before
            except NotFound:
                newest = None
        await connection.execute("UPDATE import_job SET errors_blob = NULL WHERE id = $1", row["id"])
    return len(rows)
