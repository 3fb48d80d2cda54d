"""Fields of the company's own on its cards: what they are, and whether a value fits one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, cast
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import msgspec

from config.errors import BadRequest, Conflict, NotFound
from storage.db import Connection, Pool

FieldType = Literal["text", "number", "date", "choice", "flag", "link"]
MAX_TEXT = 4000
YES = frozenset({"true", "yes", "y", "1", "да", "д", "+", "истина"})
NO = frozenset({"false", "no", "n", "0", "нет", "н", "-", "ложь"})


class FieldItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`key`: the value's name in `custom` of a card; `options`: what a choice may be."""

    id: UUID
    key: str
    label: str
    type: FieldType
    options: list[str] = []
    position: int = 0
    active: bool = True


_COLUMNS = ("id", "key", "label", "type", "options", "position", "active")
_LIST = "SELECT id, key, label, type, options, position, active FROM custom_field ORDER BY position, label, id"
_ONE = "SELECT id, key, label, type, options, position, active FROM custom_field WHERE id = $1 FOR UPDATE"
_ADD = """
INSERT INTO custom_field (key, label, type, options, position) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (key) DO NOTHING RETURNING id, key, label, type, options, position, active
"""
_CHANGE = """
UPDATE custom_field SET label = $2, options = $3, position = $4, active = $5 WHERE id = $1
RETURNING id, key, label, type, options, position, active
"""


def _item(row: asyncpg.Record) -> FieldItem:
    return FieldItem(**dict(row))


async def list_fields(connection: Connection | Pool) -> list[FieldItem]:
    """All of them, in the order they are shown."""
    return [_item(row) for row in await connection.fetch(_LIST)]


async def active_fields(connection: Connection | Pool) -> dict[str, FieldItem]:
    """Those in use, by key."""
    return {item.key: item for item in await list_fields(connection) if item.active}


async def add_field(connection: Connection, item: Mapping[str, Any]) -> FieldItem:
    """Raises Conflict where the key is taken, BadRequest for a choice of nothing."""
    _check_options(item["type"], item["options"])
    row = await connection.fetchrow(_ADD, item["key"], item["label"], item["type"], item["options"], item["position"])
    if row is None:
        raise Conflict(f"there is a field {item['key']} already", reason="name_taken")
    return _item(row)


async def change_field(
    connection: Connection, field_id: UUID, changes: Mapping[str, Any]
) -> tuple[FieldItem, dict[str, Any], dict[str, Any]]:
    """The field, and what changed, before and after. Key and type never change: values of cards depend on them. Raises
    NotFound, BadRequest.
    """
    row = await connection.fetchrow(_ONE, field_id)
    if row is None:
        raise NotFound("no such field")
    old = dict(row)
    after = {name: value for name, value in changes.items() if value != old[name]}
    new = old | after
    _check_options(new["type"], new["options"])
    changed = await connection.fetchrow(_CHANGE, field_id, new["label"], new["options"], new["position"], new["active"])
    return _item(cast("asyncpg.Record", changed)), {name: old[name] for name in after}, after


async def delete_field(connection: Connection, field_id: UUID) -> FieldItem:
    """Values of cards stay where they are, and are shown again by a field of the same key. Raises NotFound."""
    row = await connection.fetchrow(
        "DELETE FROM custom_field WHERE id = $1 RETURNING id, key, label, type, options, position, active", field_id
    )
    if row is None:
        raise NotFound("no such field")
    return _item(row)


def _check_options(type_: str, options: Sequence[str]) -> None:
    if type_ == "choice" and not options:
        raise BadRequest("options: a choice needs at least one", reason="options_needed")
    if type_ != "choice" and options:
        raise BadRequest("options: only a choice has some", reason="options_of_choice")
    if len(set(options)) != len(options):
        raise BadRequest("options: each one once", reason="options_once")


def check_custom(
    custom: Mapping[str, Any], fields: Mapping[str, FieldItem], *, former: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The values as they are kept: checked where a field with that key exists, else as they come (other systems keep
    theirs here too). Empty ones are left out; what `former` has just so is not looked at again. Raises BadRequest naming
    the field.
    """
    known = former or {}
    kept: dict[str, Any] = {}
    for key, value in custom.items():
        if value is None or value == "":
            continue
        unchanged = key in known and known[key] == value
        kept[key] = value if unchanged or key not in fields else to_value(fields[key], value)
    return kept


def to_value(field: FieldItem, value: Any) -> Any:
    """As JSON keeps it; text is read as the type. Raises BadRequest naming the field."""
    found = _READERS[field.type](value, field)
    if found is None:
        raise BadRequest(f"custom.{field.key}: {_EXPECTED[field.type]}", reason="field_value", field=field.label)
    return found


_EXPECTED: Mapping[str, str] = {
    "text": f"expected text of at most {MAX_TEXT} characters",
    "number": "expected a number",
    "date": "expected a date such as 2026-11-25 or 25.11.2026",
    "choice": "expected one of the field's options",
    "flag": "expected yes or no",
    "link": "expected an address that begins with https:// or http://",
}


def _text(value: Any, _field: FieldItem) -> str | None:
    return value if isinstance(value, str) and len(value) <= MAX_TEXT else None


def _number(value: Any, _field: FieldItem) -> int | float | None:
    if isinstance(value, str):
        bare = "".join(value.split()).replace(",", ".")
        try:
            value = int(bare) if bare.lstrip("+-").isdigit() and len(bare) < 16 else float(bare)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) and abs(value) < 1e15 else None


def _date(value: Any, _field: FieldItem) -> str | None:
    found = read_date(value) if isinstance(value, str) else None
    return None if found is None else found.isoformat()


def _choice(value: Any, field: FieldItem) -> str | None:
    if not isinstance(value, str):
        return None
    by_folded = {option.casefold(): option for option in reversed(field.options)}
    return by_folded.get(value.strip().casefold())


def _flag(value: Any, _field: FieldItem) -> bool | None:
    return read_flag(value) if isinstance(value, str) else value if isinstance(value, bool) else None


def _link(value: Any, _field: FieldItem) -> str | None:
    if not isinstance(value, str) or len(value) > MAX_TEXT or any(char.isspace() for char in value.strip()):
        return None
    try:
        parts = urlsplit(value.strip())
    except ValueError:
        return None
    return value.strip() if parts.scheme in {"http", "https"} and parts.netloc else None


_READERS = {"text": _text, "number": _number, "date": _date, "choice": _choice, "flag": _flag, "link": _link}


def read_date(text: str) -> date | None:
    """2026-11-25, 25.11.2026, 25/11/2026, with or without a time behind it; None for what is no date."""
    day = text.strip().partition("T")[0].partition(" ")[0]
    for shape in ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y"):
        try:
            return datetime.strptime(day, shape).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None


def read_flag(text: str) -> bool | None:
    word = text.strip().casefold()
    return True if word in YES else False if word in NO else None
