"""Cards as a table: what the caller sees of them, narrowed as the list is."""

from __future__ import annotations

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from inbox.api.contact_query import ContactQuery, to_filter
from inbox.api.files import CHUNK
from inbox.api.imports import csv_headers, defused
from inbox.api.routes import Ctx, Routes
from inbox.api.workbook import MIME, Workbook
from storage.contact_filter import ContactFilter
from storage.contact_list import last_heard, walk_contacts
from storage.contacts import ContactItem, to_items
from storage.fields import FieldItem, list_fields

routes = Routes("contacts")
BATCH = 1000
COLUMNS = (
    *("id", "kind", "name", "company", "owner", "phone", "email", "telegram_username", "tags", "birthday", "language"),
    *("timezone", "vip", "source", "created_at", "last_at"),
)
"""Under the names that an import of the same file guesses."""
HEADINGS: Mapping[str, Mapping[str, str]] = {
    language: dict(zip(COLUMNS, headings.split("|"), strict=True))
    for language, headings in {
        "ru": "Код|Тип|ФИО|Компания|Ответственный|Телефон|Почта|Телеграм|Метки|Дата рождения|Язык|Часовой пояс|VIP|Источник"
        "|Создан|Последний контакт",
        "en": "ID|Type|Full name|Company|Owner|Phone|E-mail|Telegram|Tags|Birthday|Language|Time zone|VIP|Source|Created"
        "|Last contact",
    }.items()
}
TITLES = {"ru": "Клиенты", "en": "Contacts"}


class ExportQuery(ContactQuery, kw_only=True):
    """`columns`: which, comma separated, in that order; all of them if absent. `language`: of the headings; absent, they are
    the names that columns have here. `after`, `limit`, `order` and `sort` mean nothing here: it is all of them, in the order
    they were made.
    """

    columns: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    format: Literal["csv", "xlsx"] = "csv"
    language: Literal["ru", "en"] | None = None


@routes.add("GET", "/contacts/export", "Cards the caller may see, as CSV or XLSX", scope="read")
async def export(ctx: Ctx, query: ExportQuery) -> web.StreamResponse:
    """Audited before the first byte. CSV is streamed, and its cells that a spreadsheet would run as formulas are text."""
    wanted = to_filter(ctx, query)
    fields = [field for field in await list_fields(ctx.store.pool) if field.active]
    columns = _columns(query.columns, fields)
    asked = {name: str(value) for name, value in msgspec.to_builtins(query).items() if value is not None}
    async with ctx.change() as change:
        await change.note("contact.exported", ("contact", "list"), {}, asked)
    labels = {f"custom.{field.key}": field.label for field in fields} | dict(HEADINGS.get(query.language or "", {}))
    headings = [labels.get(column, column) for column in columns]
    rows = _rows(ctx, wanted, columns)
    if query.format == "xlsx":
        return await _workbook(ctx, TITLES[query.language or "en"], headings, rows)
    return await _csv(ctx, headings, rows)


async def _rows(ctx: Ctx, wanted: ContactFilter, columns: Sequence[str]) -> AsyncIterator[list[list[str]]]:
    """Batch after batch."""
    async for found in walk_contacts(ctx.store.pool, ctx.viewer, wanted, batch=BATCH):
        names = {row["id"]: (row["company"] or "", row["owner"] or "") for row in found}
        heard = await last_heard(ctx.store.pool, list(names))
        items = await to_items(ctx.store.pool, found)
        for item in items:
            item.last_at = heard.get(item.id)
        yield [_cells(item, names[item.id], columns) for item in items]


async def _csv(ctx: Ctx, headings: Sequence[str], rows: AsyncIterator[list[list[str]]]) -> web.StreamResponse:
    response = web.StreamResponse(headers=csv_headers("contacts.csv"))
    await response.prepare(ctx.request)
    await response.write(b"\xef\xbb\xbf" + _lines([headings]))
    async for batch in rows:
        await response.write(_lines(batch))
    await response.write_eof()
    return response


async def _workbook(
    ctx: Ctx, title: str, headings: Sequence[str], rows: AsyncIterator[list[list[str]]]
) -> web.StreamResponse:
    """A workbook can't be sent before its last row is known: it is written to a file first."""
    folder = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="hub-export-")
    try:
        path = Path(folder.name) / "contacts.xlsx"
        book = await asyncio.to_thread(Workbook, path, title, headings)
        async for batch in rows:
            await asyncio.to_thread(book.add, batch)
        await asyncio.to_thread(book.close)
        headers = csv_headers("contacts.xlsx") | {"Content-Type": MIME}
        response = web.StreamResponse(headers=headers)
        await response.prepare(ctx.request)
        with await asyncio.to_thread(path.open, "rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK):
                await response.write(chunk)
        await response.write_eof()
        return response
    finally:
        await asyncio.to_thread(folder.cleanup)


def _columns(asked: str | None, fields: Sequence[FieldItem]) -> list[str]:
    """Unknown names are left out: a saved list may ask for a field that is gone."""
    known = [*COLUMNS, *(f"custom.{field.key}" for field in fields)]
    return [name for name in asked.split(",") if name in known] or known if asked else known


def _cells(item: ContactItem, names: tuple[str, str], columns: Sequence[str]) -> list[str]:
    values: dict[str, Any] = {"company": names[0], "owner": names[1], "tags": ", ".join(item.tags)}
    for kind in ("phone", "email", "telegram_username"):
        values[kind] = ", ".join(one.value for one in item.identities if one.kind == kind)
    values["source"] = item.source.get("source") or item.source.get("utm_source") or item.source.get("channel") or ""
    values["vip"] = "да" if item.vip else ""
    return [_text(_value(item, values, column)) for column in columns]


def _value(item: ContactItem, values: dict[str, Any], column: str) -> Any:
    if column.startswith("custom."):
        return item.custom.get(column[7:])
    return values[column] if column in values else getattr(item, column)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "да" if value else "нет"
    return str(value) if isinstance(value, str | int | float | UUID) else msgspec.json.encode(value).decode().strip('"')


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=";").writerows([defused(cell) for cell in row] for row in rows)
    return out.getvalue().encode()
