"""Bringing cards from a table: upload, say what each column is, look at what would become of it, start, watch, read what
was refused. The work itself is the worker's (router/imports.py).
"""

from __future__ import annotations

import asyncio
import csv
import io
import itertools
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from config.errors import BadRequest, Conflict, Forbidden, TooBig
from inbox.api.files import CHUNK, clean_name, from_multipart
from inbox.api.import_words import HEADINGS, Language, reason_in
from inbox.api.lists import Page, Walk, cut
from inbox.api.routes import Change, Ctx, Routes, to_json
from router.import_plan import make_plan
from router.import_rows import Options, check_mapping, guess
from router.imports import read_rows, reading_of
from router.sheets import HEAD, plain_rows, read_sheet
from storage.events import NewEvent, audience
from storage.fields import active_fields
from storage.imports import (
    ImportItem,
    add_import,
    blob_of,
    get_import,
    list_imports,
    lock_import,
    note_upload,
    read_errors,
    set_mapping,
    set_state,
)

routes = Routes("imports")
MAX_FILE = 50 << 20
Column = Annotated[str, msgspec.Meta(max_length=120)]


def _must_be_trusted(ctx: Ctx) -> None:
    """An import finds and changes cards that an agent may not see."""
    if ctx.viewer is not None:
        raise Forbidden("importing is for supervisors and administrators", reason="supervisors_only")


@routes.add(
    "POST",
    "/imports",
    "Upload a table of clients: CSV or XLSX (multipart)",
    scope="write",
    status=201,
    gives=ImportItem,
)
async def new_import(ctx: Ctx) -> web.Response:
    """The answer has the columns, the first rows, and what the columns seem to be."""
    _must_be_trusted(ctx)
    limit = min(MAX_FILE, ctx.deps.max_upload)
    if (ctx.request.content_length or 0) > limit + CHUNK:
        raise TooBig(f"the file has more than {limit} bytes", reason="file_large", most_mb=limit >> 20)
    if ctx.request.content_type != "multipart/form-data":
        raise BadRequest("bring the file as multipart/form-data")
    blobs = ctx.store.blobs
    kept, name, _ = await from_multipart(ctx, limit)
    source = blobs.path(kept.sha256)
    folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="hub-import-")
    try:
        target = Path(folder.name) / "rows.csv"
        sheet = await read_sheet(source, target)
        rows = await blobs.keep_stream(_chunks(target), limit=1 << 40)
    finally:
        await asyncio.to_thread(folder.cleanup)
        await note_upload(ctx.store.pool, kept)
    async with ctx.change() as change:
        mapping = guess(sheet.columns, (await active_fields(change.connection)).values())
        item = await add_import(
            change.connection,
            rows,
            name=clean_name(name) or "table",
            columns=sheet.columns,
            rows=sheet.rows,
            mapping=mapping,
            by=ctx.actor.agent_id,
        )
        await change.note("import.uploaded", ("import", item.id), {}, {"name": item.name, "rows": item.rows})
    item.head = sheet.head
    return to_json(item, 201)


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, 1 << 20):
            yield chunk


@routes.add("GET", "/imports", "Imports, the newest first", scope="write")
async def imports(ctx: Ctx, query: Walk) -> Page[ImportItem]:
    _must_be_trusted(ctx)
    return cut(await list_imports(ctx.store.pool), query)


@routes.add("GET", "/imports/{import_id}", "One import: how far it is, its first rows", scope="write")
async def one_import(ctx: Ctx, import_id: UUID) -> ImportItem:
    _must_be_trusted(ctx)
    item = await get_import(ctx.store.pool, import_id)
    item.head = [cells for _, cells in await _head(ctx, import_id)]
    return item


async def _head(ctx: Ctx, import_id: UUID) -> list[tuple[int, list[str]]]:
    """The first rows, for as long as they are kept."""
    path = ctx.store.blobs.path(await blob_of(ctx.store.pool, import_id))

    def read() -> list[tuple[int, list[str]]]:
        return list(itertools.islice(plain_rows(path), HEAD)) if path.exists() else []

    return await asyncio.to_thread(read)


class Mapping(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`mapping`: column -> name, first_name, last_name, middle_name, phone, email, telegram_username, external, company,
    tags, owner, birthday, language, timezone, vip, source, kind, or custom.<key>; a column that is absent is left out.
    """

    mapping: Annotated[dict[Column, Column], msgspec.Meta(max_length=200)]
    options: Options = msgspec.field(default_factory=Options)


@routes.add("PUT", "/imports/{import_id}", "What the columns are, and what to do with rows we know", scope="write")
async def put_mapping(ctx: Ctx, change: Change, import_id: UUID, body: Mapping) -> ImportItem:
    _must_be_trusted(ctx)
    item = await lock_import(change.connection, import_id, "uploaded")
    check_mapping(body.mapping, item.columns, await active_fields(change.connection))
    owner = body.options.owner_id
    if owner and not await change.connection.fetchval("SELECT true FROM agent WHERE id = $1 AND active", owner):
        raise BadRequest("options.owner_id: no such active agent", reason="agent_inactive")
    await set_mapping(change.connection, import_id, body.mapping, msgspec.to_builtins(body.options))
    return await get_import(change.connection, import_id)


class Told(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`language`: of the reasons."""

    language: Language = "en"


class PreviewRow(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What would become of a row. `contact_id`: the card that would be changed; `refused`: why nothing would come of it."""

    number: int
    action: Literal["make", "change", "skip", "refuse"]
    contact_id: UUID | None = None
    values: dict[str, Any] = {}
    addresses: list[str] = []
    refused: str = ""


class Preview(msgspec.Struct):
    items: list[PreviewRow]


@routes.add("POST", "/imports/{import_id}/preview", "The first 20 rows as they would become", scope="write")
async def preview(ctx: Ctx, query: Told, import_id: UUID) -> Preview:
    """Writes nothing."""
    _must_be_trusted(ctx)
    item = await get_import(ctx.store.pool, import_id)
    raw = await _head(ctx, import_id)
    options = msgspec.convert(item.options, Options)
    async with ctx.store.pool.acquire() as connection, connection.transaction(readonly=True):
        document = {"columns": item.mapping}
        reading = await reading_of(connection, item.columns, document, options, ctx.deps.region)
        rows, refused = read_rows(raw, reading)
        plan = await make_plan(connection, rows, options)
    shown = [
        PreviewRow(number=one.number, action="refuse", refused=reason_in(query.language, one.reason)) for one in refused
    ]
    for row in rows:
        action, card_id = plan.action[row.number]
        values = row.values | {"tags": row.tags, "custom": row.custom, "company": row.company, "source": row.source}
        shown.append(
            PreviewRow(
                number=row.number,
                action=msgspec.convert(action, Literal["make", "change", "skip"]),
                contact_id=card_id,
                values={name: value for name, value in values.items() if value},
                addresses=[value for _, _, value in row.addresses],
            )
        )
    return Preview(sorted(shown, key=lambda one: one.number))


@routes.add("POST", "/imports/{import_id}/start", "Let the worker begin", scope="write")
async def start(ctx: Ctx, change: Change, import_id: UUID) -> ImportItem:
    _must_be_trusted(ctx)
    item = await lock_import(change.connection, import_id, "uploaded")
    check_mapping(item.mapping, item.columns, await active_fields(change.connection))
    return await _move(change, item, "waiting", "import.started")


@routes.add("POST", "/imports/{import_id}/cancel", "Stop it; cards that were made stay", scope="write")
async def cancel(ctx: Ctx, change: Change, import_id: UUID) -> ImportItem:
    _must_be_trusted(ctx)
    item = await lock_import(change.connection, import_id, "uploaded", "waiting", "running")
    return await _move(change, item, "cancelled", "import.cancelled")


async def _move(change: Change, item: ImportItem, state: str, action: str) -> ImportItem:
    await set_state(change.connection, item.id, state)
    await change.note(action, ("import", item.id), {"state": item.state}, {"state": state})
    after = await get_import(change.connection, item.id)
    change.events.append(NewEvent("import.progress", audience(agents=[after.created_by]), {"import": after}))
    return after


@routes.add("GET", "/imports/{import_id}/errors", "Refused rows with their reasons, as CSV", scope="write")
async def errors(ctx: Ctx, query: Told, import_id: UUID) -> web.StreamResponse:
    """The columns of the file behind the row's number and the reason: mended, it can be brought again."""
    _must_be_trusted(ctx)
    item = await get_import(ctx.store.pool, import_id)
    if not item.refused:
        raise Conflict("no row was refused", reason="no_row_refused")
    batches = await read_errors(ctx.store.pool, ctx.store.blobs, import_id)

    def lines() -> Iterator[list[str]]:
        yield [*HEADINGS[query.language], *item.columns]
        for batch in batches:
            for one in batch:
                yield [str(one.number), reason_in(query.language, one.reason), *one.cells]

    return as_csv(await asyncio.to_thread(lambda: to_csv(lines())), "refused.csv")


def defused(cell: str) -> str:
    """A cell that a spreadsheet would run as a formula, as text; numbers, phones among them, stay as they are."""
    dangerous = cell[:1] in {"=", "+", "-", "@", "\t", "\r"} and not cell[1:].replace(".", "", 1).isdecimal()
    return "'" + cell if dangerous else cell


def to_csv(rows: Iterator[list[str]]) -> bytes:
    """With the mark by which spreadsheets know UTF-8, and semicolons, which they expect where a comma parts decimals."""
    out = io.StringIO()
    csv.writer(out, delimiter=";").writerows([defused(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def as_csv(data: bytes, name: str) -> web.Response:
    return web.Response(body=data, headers=csv_headers(name))


def csv_headers(name: str) -> dict[str, str]:
    """Always a download, never shown by our own origin."""
    return {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": f'attachment; filename="{name}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
