"""What a row of somebody's table says of a client: columns guessed by their names, cells read as fields of a card."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest
from connectors.addresses import normalize_email, normalize_username
from connectors.phones import phone_query
from storage.fields import FieldItem, read_date, read_flag, to_value

EXTERNAL = "external"
ADDRESSES = ("phone", "email", "telegram_username", EXTERNAL)
TARGETS = (
    *("name", "last_name", "first_name", "middle_name", "kind", "company", "tags", "owner", "birthday"),
    *("language", "timezone", "vip", "source", *ADDRESSES),
)
CUSTOM = "custom."
MAX_NAME = 300
_SPLIT = re.compile(r"[;,\n|]+")
_PHONES = re.compile(r"[;,\n|]+|\s/\s|/(?=\s*\+)")
_COMPANY = frozenset({"company", "компания", "организация", "юрлицо", "юр. лицо", "юридическое лицо", "ооо"})

_GUESSES: Mapping[str, str] = {
    "name": r"(фио|ф\.\s?и\.\s?о\.?|имя и фамилия|полное имя|full ?name|name|клиент|контакт|название|наименование)",
    "first_name": r"(имя|first ?name|given ?name)",
    "last_name": r"(фамилия|last ?name|surname|family ?name)",
    "middle_name": r"(отчество|middle ?name|patronymic)",
    "phone": r"(.*телефон.*|тел\.?|моб.*|.*phone.*|mobile.*|сотовый.*)",
    "email": r"(e-?mail.*|.*почта.*|.*e-mail.*|.*email.*)",
    "telegram_username": r"(telegram.*|телеграм.*|tg)",
    "external": r"(id|external ?id|внешний (id|код)|код( клиента)?|guid)",
    "company": r"(компания|организация|company|organi[sz]ation|фирма|место работы)",
    "tags": r"(теги|метки|tags?|labels?|сегмент)",
    "owner": r"(ответственный.*|менеджер.*|owner|manager|responsible)",
    "birthday": r"(.*рождени[ея].*|birth ?(day|date).*|д\.?р\.?)",
    "language": r"(язык|language)",
    "timezone": r"(часовой пояс|time ?zone)",
    "vip": r"(vip|вип)",
    "source": r"(источник.*|source|utm_source)",
    "kind": r"(тип( клиента)?|type|kind)",
}
_PATTERNS = {target: re.compile(pattern, re.IGNORECASE) for target, pattern in _GUESSES.items()}
MANY = frozenset(ADDRESSES) | {"tags"}
"""Several columns may lead there: work and mobile phone."""

Short = Annotated[str, msgspec.Meta(max_length=100)]
Matched = Literal["phone", "email", "telegram_username", "external"]
MATCH_BY: tuple[Matched, ...] = ("external", "phone", "email")


class Consented(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Every client of the file gave it; `how`: the proof."""

    purpose: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    how: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    channel_kind: Short = ""


class Options(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`match_by`: addresses that show a row to be a client we have, the first that is found counts; `update`: what the file
    says then replaces what the card said, else such a row is passed over. `scope`: the system whose ids `external` are.
    `owner_id`, `tags`, `consent`: of every card of the file; an owner named in a row comes first.
    """

    match_by: Annotated[list[Matched], msgspec.Meta(max_length=4)] = msgspec.field(default_factory=lambda: [*MATCH_BY])
    update: bool = True
    scope: Short = "import"
    owner_id: UUID | None = None
    tags: Annotated[list[Short], msgspec.Meta(max_length=20)] = []
    consent: Consented | None = None


@dataclass(frozen=True)
class Reading:
    """How the rows of one file are read. `targets`: of each column, "" for none; `agents`: folded login or name -> id."""

    targets: Sequence[str]
    options: Options
    fields: Mapping[str, FieldItem]
    agents: Mapping[str, UUID]
    region: str


@dataclass
class Row:
    """`values`: columns of `contact` that the row gives; `addresses`: (kind, scope, value); `company`: its name."""

    number: int
    values: dict[str, Any] = field(default_factory=dict)
    custom: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    addresses: list[tuple[str, str, str]] = field(default_factory=list)
    company: str = ""
    source: str = ""


def guess(columns: Sequence[str], fields: Iterable[FieldItem]) -> dict[str, str]:
    """Column -> target, for those whose name says it."""
    by_name = {one.casefold(): CUSTOM + item.key for item in fields if item.active for one in (item.label, item.key)}
    found: dict[str, str] = {}
    for column in columns:
        bare = " ".join(column.split())
        target = by_name.get(bare.casefold()) or next(
            (target for target, pattern in _PATTERNS.items() if pattern.fullmatch(bare)), None
        )
        if target and (target in MANY or target not in found.values()):
            found[column] = target
    if not {"name", "last_name"} & set(found.values()):
        return {column: "name" if target == "first_name" else target for column, target in found.items()}
    return found


def check_mapping(mapping: Mapping[str, str], columns: Sequence[str], fields: Mapping[str, FieldItem]) -> None:
    """Raises BadRequest naming the column."""
    used: set[str] = set()
    for column, target in mapping.items():
        if column not in columns:
            raise BadRequest(
                f"mapping: the file has no column {column[:100]}", reason="mapping_column", column=column[:100]
            )
        known = target in TARGETS or (target.startswith(CUSTOM) and target[len(CUSTOM) :] in fields)
        if not known:
            raise BadRequest(
                f"mapping: {column[:100]} leads to no field of a card", reason="mapping_column", column=column[:100]
            )
        if target in used and target not in MANY:
            raise BadRequest(f"mapping: two columns lead to {target}", reason="mapping_twice")
        used.add(target)
    if not used & {"name", "first_name", "last_name", *ADDRESSES}:
        raise BadRequest("mapping: at least a name or an address is needed", reason="mapping_empty")


def read_row(number: int, cells: Sequence[str], reading: Reading) -> Row:
    """Raises BadRequest with the reason the row is refused for."""
    row = Row(number, tags=list(reading.options.tags), values={})
    names: dict[str, str] = {}
    for target, cell in zip(reading.targets, cells, strict=False):
        if not target or not cell:
            continue
        if target in {"name", "first_name", "last_name", "middle_name"}:
            names[target] = " ".join(cell.split())
        elif target in ADDRESSES:
            row.addresses += _addresses(target, cell, reading)
        elif target.startswith(CUSTOM):
            row.custom[target[len(CUSTOM) :]] = to_value(reading.fields[target[len(CUSTOM) :]], cell)
        else:
            _READERS[target](row, cell, reading)
    parts = (names.get(part, "") for part in ("last_name", "first_name", "middle_name"))
    name = names.get("name") or " ".join(part for part in parts if part)
    if len(name) > MAX_NAME:
        raise BadRequest(f"the name is longer than {MAX_NAME} characters")
    if name:
        row.values["name"] = name
    if not name and not row.addresses:
        raise BadRequest("neither a name nor an address")
    row.addresses = list(dict.fromkeys(row.addresses))
    row.tags = list(dict.fromkeys(row.tags))
    if reading.options.owner_id is not None:
        row.values.setdefault("owner_id", reading.options.owner_id)
    return row


def _addresses(kind: str, cell: str, reading: Reading) -> list[tuple[str, str, str]]:
    if kind == EXTERNAL:
        return [(kind, reading.options.scope, cell[:512])]
    found = []
    for part in (_PHONES if kind == "phone" else _SPLIT).split(cell):
        bare = part.strip()
        if not bare:
            continue
        if kind == "phone":
            value = phone_query(bare, reading.region)
        else:
            value = normalize_email(bare) if kind == "email" else normalize_username(bare)
        if not value:
            raise BadRequest(f"not a {kind}: {bare[:60]}")
        found.append((kind, "", value))
    return found


def _kind(row: Row, cell: str, _reading: Reading) -> None:
    row.values["kind"] = "company" if cell.casefold() in _COMPANY else "person"


def _company(row: Row, cell: str, _reading: Reading) -> None:
    row.company = " ".join(cell.split())[:MAX_NAME]


def _tags(row: Row, cell: str, _reading: Reading) -> None:
    row.tags += [tag.strip()[:100] for tag in _SPLIT.split(cell) if tag.strip()]


def _owner(row: Row, cell: str, reading: Reading) -> None:
    found = reading.agents.get(" ".join(cell.split()).casefold())
    if found is None:
        raise BadRequest(f"no agent is called {cell[:60]}")
    row.values["owner_id"] = found


def _birthday(row: Row, cell: str, _reading: Reading) -> None:
    found = read_date(cell)
    if found is None or not date(1900, 1, 1) <= found:
        raise BadRequest(f"not a birthday: {cell[:60]}")
    row.values["birthday"] = found


def _short(column: str) -> Any:
    def read(row: Row, cell: str, _reading: Reading) -> None:
        row.values[column] = cell[:60]

    return read


def _vip(row: Row, cell: str, _reading: Reading) -> None:
    found = read_flag(cell)
    if found is None:
        raise BadRequest(f"vip: expected yes or no, not {cell[:60]}")
    row.values["vip"] = found


def _source(row: Row, cell: str, _reading: Reading) -> None:
    row.source = cell[:200]


_READERS: Mapping[str, Any] = {
    "kind": _kind,
    "company": _company,
    "tags": _tags,
    "owner": _owner,
    "birthday": _birthday,
    "language": _short("language"),
    "timezone": _short("timezone"),
    "vip": _vip,
    "source": _source,
}
