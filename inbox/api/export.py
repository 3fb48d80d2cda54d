"""Cards as a table: what the caller sees of them, narrowed as the list is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from aiohttp import web

from inbox.api.contacts import ContactQuery, to_filter
from inbox.api.imports import csv_headers, defused
from inbox.api.routes import Ctx, Routes
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


class ExportQuery(ContactQuery, kw_only=True):
    """`columns`: which, comma separated, in that order; all of them if absent. `format`: there is one so far.
    `after`, `limit`, `order` and `sort` mean nothing here: it is all of them, in the order they were made.
    """

    columns: Annotated[str, msgspec.Meta(max_length=2000)] | None = None
    format: Literal["csv"] = "csv"


@routes.add("GET", "/contacts/export", "Cards the caller may see, as CSV, streamed", scope="read")
async def export(ctx: Ctx, query: ExportQuery) -> web.StreamResponse:
    """Audited before the first byte. Cells that a spreadsheet would run as formulas are text."""
    wanted = to_filter(ctx, query)
    fields = [field for field in await list_fields(ctx.store.pool) if field.active]
    columns = _columns(query.columns, fields)
    asked = {name: str(value) for name, value in msgspec.to_builtins(query).items() if value is not None}
    async with ctx.change() as change:
        await change.note("contact.exported", ("contact", "list"), {}, asked)
    response = web.StreamResponse(headers=csv_headers("contacts.csv"))
    await response.prepare(ctx.request)
    labels = {f"custom.{field.key}": field.label for field in fields}
    await response.write(b"\xef\xbb\xbf" + _lines([[labels.get(column, column) for column in columns]]))
    async for rows in walk_contacts(ctx.store.pool, ctx.viewer, wanted, batch=BATCH):
        names = {row["id"]: (row["company"] or "", row["owner"] or "") for row in rows}
        heard = await last_heard(ctx.store.pool, list(names))
        items = await to_items(ctx.store.pool, rows)
        for item in items:
            item.last_at = heard.get(item.id)
        await response.write(_lines([_cells(item, names[item.id], columns) for item in items]))
    await response.write_eof()
    return response


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
