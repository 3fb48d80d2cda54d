"""What a card is made of, part by part, and what a merge gives it: pure.

A part is a field, one tag (`tag:gold`) or one custom field (`custom:inn`); an empty one is absent. A card's parts are its
own and, for what it lacks, those of the cards merged into it, in the order of the merges. Replaced are `source`, of which
the earliest counts, and what whoever merged chose from the other card.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

Parts = dict[str, Any]
PLAIN = ("name", "company_id", "owner_id", "vip", "timezone", "language", "birthday")
TAG, CUSTOM, SOURCE = "tag:", "custom:", "source"


@dataclass(slots=True)
class Gift:
    """What one merge changed on its survivor: `given` as it is now, `replaced` as it was. Plain JSON values. `chosen`: parts
    that somebody took from the merged card though the survivor had its own.
    """

    given: Parts = field(default_factory=dict)
    replaced: Parts = field(default_factory=dict)
    chosen: list[str] = field(default_factory=list)

    def to_document(self) -> dict[str, Any]:
        return {"given": self.given, "replaced": self.replaced, "chosen": self.chosen}


def to_gift(document: Mapping[str, Any]) -> Gift:
    """`contact_merge.before` as it was written."""
    return Gift(
        dict(document.get("given") or {}), dict(document.get("replaced") or {}), list(document.get("chosen") or [])
    )


def to_parts(row: Mapping[str, Any]) -> Parts:
    """A contact's row. `source` carries the time it counts from, so that the earliest can be told."""
    parts: Parts = {name: _plain(row[name]) for name in PLAIN if row[name]}
    parts |= {f"{TAG}{tag}": True for tag in row["tags"]}
    parts |= {f"{CUSTOM}{key}": value for key, value in row["custom"].items()}
    if row["source"]:
        at = row["created_at"].astimezone(UTC).isoformat(timespec="microseconds")
        parts[SOURCE] = {"value": row["source"], "at": at}
    return parts


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value


def to_columns(parts: Parts) -> dict[str, Any]:
    """The other way: values for the columns of a contact."""
    birthday = parts.get("birthday")
    return {
        "name": parts.get("name", ""),
        "company_id": UUID(parts["company_id"]) if "company_id" in parts else None,
        "owner_id": UUID(parts["owner_id"]) if "owner_id" in parts else None,
        "custom": {part[len(CUSTOM) :]: value for part, value in parts.items() if part.startswith(CUSTOM)},
        "tags": [part[len(TAG) :] for part in parts if part.startswith(TAG)],
        "vip": bool(parts.get("vip")),
        "timezone": parts.get("timezone", ""),
        "language": parts.get("language", ""),
        "birthday": date.fromisoformat(birthday) if birthday else None,
        "source": parts[SOURCE]["value"] if SOURCE in parts else {},
    }


def give(into: Parts, other: Parts, *, only: Container[str] | None = None, chosen: Collection[str] = ()) -> Gift:
    """Fills what `into` lacks from `other` (of the parts in `only`, if given), and replaces what is `chosen`; `into` is
    changed.
    """
    gift = Gift(chosen=sorted(chosen))
    for part, value in other.items():
        if only is not None and part not in only:
            continue
        if part not in into:
            into[part] = gift.given[part] = value
        elif part in chosen or (part == SOURCE and value["at"] < into[part]["at"]):
            gift.replaced[part] = into[part]
            into[part] = gift.given[part] = value
    return gift


def take_back(parts: Parts, gift: Gift) -> set[str]:
    """Undoes a gift where the part is as it was given; returns those parts. The rest somebody edited since: it stays."""
    taken = {part for part, value in gift.given.items() if part in parts and parts[part] == value}
    for part in taken:
        if part in gift.replaced:
            parts[part] = gift.replaced[part]
        else:
            del parts[part]
    return taken
