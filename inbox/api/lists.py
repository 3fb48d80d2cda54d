"""Walking lists: `{"items": […], "next": cursor or null}`. A cursor is the key of the last item seen, and opaque."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

from config.errors import BadRequest

MAX_LIMIT = 200
MAX_CURSOR = 4096
T = TypeVar("T")
R = TypeVar("R")
Aware = Annotated[datetime, msgspec.Meta(tz=True)]
Int8 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
EntryId = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Page(msgspec.Struct, Generic[T], kw_only=True):
    """`next` goes into `after` of the next call; null at the end of what is there now."""

    items: list[T]
    next: str | None


class Walk(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Parameters every list takes. `limit`: at most 200."""

    after: Annotated[str, msgspec.Meta(max_length=MAX_CURSOR)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=2**31)] = 50
    order: Literal["asc", "desc"] = "asc"

    @property
    def count(self) -> int:
        return min(self.limit, MAX_LIMIT)

    @property
    def down(self) -> bool:
        return self.order == "desc"

    def key(self, type_: type[R]) -> R | None:
        """The cursor's key. Raises BadRequest for one that is not of this list."""
        return None if self.after is None else decode_cursor(self.after, type_)


def encode_cursor(key: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).rstrip(b"=").decode()


def decode_cursor(text: str, type_: type[R]) -> R:
    """Raises BadRequest."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=type_)
    except (binascii.Error, ValueError, RecursionError):
        raise BadRequest("after: not a cursor of this list") from None


def to_page(rows: Sequence[R], walk: Walk, key: Callable[[R], Any], item: Callable[[R], T]) -> Page[T]:
    """`rows` were asked for with one more than the page holds: that one tells whether there is a next page."""
    shown = rows[: walk.count]
    more = len(rows) > walk.count
    return Page(items=[item(row) for row in shown], next=encode_cursor(key(shown[-1])) if more else None)


def cut(items: Sequence[T], walk: Walk) -> Page[T]:
    """A page of a list that is short and read whole; its cursor is a position."""
    ordered = list(reversed(items)) if walk.down else list(items)
    start = 0 if walk.after is None else max(0, decode_cursor(walk.after, int))
    shown = ordered[start : start + walk.count]
    end = start + len(shown)
    return Page(items=shown, next=encode_cursor(end) if end < len(ordered) else None)
