"""Routing rules: what a rule may ask, and the facts of an incoming interaction it is asked of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from config.errors import BadSettings

KINDS = ("message", "email", "form", "call")
"""Kinds of conversations, as capacities count them."""


@dataclass(frozen=True, slots=True)
class ContactFacts:
    """What routing has to know of the client's card (the surviving one of a merge)."""

    owner_id: UUID | None = None
    tags: frozenset[str] = frozenset()
    vip: bool = False
    language: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """One interaction that wants somebody. `our_number`: the dialled or written-to number, E.164, else empty.

    `current_assignee`: of the open conversation it belongs to; `previous_assignee`: of one that it re-opens or follows.
    """

    channel_id: UUID
    channel_queue_id: UUID | None
    kind: str
    contact: ContactFacts
    now: datetime
    our_number: str = ""
    text: str = ""
    current_assignee: UUID | None = None
    previous_assignee: UUID | None = None


Test: TypeAlias = Callable[[RouteRequest], bool]


def compile_conditions(conditions: Mapping[str, object]) -> Test:
    """A test for "all of these hold". No conditions always hold; unknown or malformed ones never do."""
    try:
        tests = [_CONDITIONS[key](key, value) for key, value in conditions.items()]
    except (KeyError, BadSettings):
        return _never
    return lambda request: all(test(request) for test in tests)


def check_conditions(conditions: Mapping[str, object]) -> None:
    """Raises BadSettings naming the condition that would never match as it is written."""
    for key, value in conditions.items():
        if key not in _CONDITIONS:
            raise BadSettings(f"conditions.{key[:40]}: unknown; known are {', '.join(_CONDITIONS)}")
        _CONDITIONS[key](f"conditions.{key}", value)


def _never(_request: RouteRequest) -> bool:
    return False


def _words(where: str, value: object) -> list[str]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise BadSettings(f"{where}: expected a list with at least one text")
    found = [_fold(word) for word in value if isinstance(word, str)]
    if len(found) != len(value) or not all(found):
        raise BadSettings(f"{where}: expected texts only, none of them empty")
    return found


def _fold(text: str) -> str:
    return " ".join(text.casefold().replace("ё", "е").split())


def _channel(where: str, value: object) -> Test:
    try:
        ids = {UUID(word) for word in _words(where, value)}
    except ValueError:
        raise BadSettings(f"{where}: expected ids of channels") from None
    return lambda request: request.channel_id in ids


def _our_number(where: str, value: object) -> Test:
    numbers = set(_words(where, value))
    if not all(re.fullmatch(r"\+[1-9][0-9]{4,14}", number) for number in numbers):
        raise BadSettings(f"{where}: numbers are written as +74951234567", reason="number_form")
    return lambda request: request.our_number in numbers


def _source(where: str, value: object) -> Test:
    """Each named key of the contact's source has one of the values."""
    if not isinstance(value, Mapping) or not value:
        raise BadSettings(f"{where}: expected fields of the source such as utm_source, with their values")
    wanted = {
        key: set(_words(f"{where}.{key}", [found] if isinstance(found, str) else found)) for key, found in value.items()
    }
    return lambda request: all(_fold(str(request.contact.source.get(key, ""))) in wanted[key] for key in wanted)


def _tag(where: str, value: object) -> Test:
    tags = set(_words(where, value))
    return lambda request: any(_fold(tag) in tags for tag in request.contact.tags)


def _language(where: str, value: object) -> Test:
    """`ru` holds for ru-RU too."""
    languages = set(_words(where, value))

    def test(request: RouteRequest) -> bool:
        language = _fold(request.contact.language).replace("_", "-")
        return language in languages or language.split("-")[0] in languages

    return test


def _vip(where: str, value: object) -> Test:
    if not isinstance(value, bool):
        raise BadSettings(f"{where}: expected true or false")
    return lambda request: request.contact.vip is value


def _kind(where: str, value: object) -> Test:
    kinds = set(_words(where, value))
    if not kinds <= set(KINDS):
        raise BadSettings(f"{where}: known kinds are {', '.join(KINDS)}")
    return lambda request: request.kind in kinds


def _text(where: str, value: object) -> Test:
    """Whole words or phrases, whatever their case; a star at the end stands for any ending: `доставк*`."""
    words = _words(where, value)
    if not all(word.rstrip("*") for word in words):
        raise BadSettings(f"{where}: a star alone would match everything", reason="star_alone")
    patterns = "|".join(re.escape(word.rstrip("*")) + ("" if word.endswith("*") else r"(?!\w)") for word in words)
    pattern = re.compile(rf"(?<!\w)(?:{patterns})")
    return lambda request: pattern.search(_fold(request.text)) is not None


_CONDITIONS: Mapping[str, Callable[[str, object], Test]] = {
    "channel": _channel,
    "our_number": _our_number,
    "source": _source,
    "tag": _tag,
    "language": _language,
    "vip": _vip,
    "kind": _kind,
    "text": _text,
}
