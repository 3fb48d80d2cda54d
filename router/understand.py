"""From a journal entry to items: the connector's `normalize`, with limits and without exceptions."""

from __future__ import annotations

import asyncio
import re
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from config.errors import BadPayload
from connectors.items import Item
from router.work import Entry, Result

MAX_ITEMS = 5_000
MAX_TEXT = 200_000
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_encode = msgspec.json.Encoder().encode


def understand(entry: Entry) -> tuple[list[Item], Result]:
    """Items and the result so far. Never raises: an entry that can't be understood is `failed`, alone, and kept."""
    result = Result(entry.id)
    channel = entry.channel
    if channel is None:
        return [], _failed(result, "the channel of this entry is gone or its settings can't be read")
    try:
        items = channel.connector.normalize(entry.payload, channel.settings)
    except BadPayload as error:
        return [], _failed(result, str(error))
    except Exception as error:  # noqa: BLE001 - the lane's one catch-all: a connector's bug costs its entry alone
        return [], _failed(result, place(error))
    if len(items) > MAX_ITEMS:
        return [], _failed(result, f"{len(items)} items in one payload, at most {MAX_ITEMS} are taken")
    if items and all(item.kind == "ignored" for item in items):
        result.state = "ignored"
        result.detail = "; ".join(sorted({item.reason for item in items}))[:1000]
    return [clean(item, channel.connector.name) for item in items if item.kind != "ignored"], result


async def understand_heavy(entry: Entry) -> tuple[list[Item], Result]:
    """The same off the loop, for formats whose parsing is long (MIME)."""
    return await asyncio.to_thread(understand, entry)


def clean(item: Item, connector: str) -> Item:
    """What PostgreSQL can't hold (NUL) is taken out, texts beyond any message are cut, times get their zone."""
    item.connector = connector
    if "\x00" in item.text:
        item.text = item.text.replace("\x00", "")
    if len(item.text) > MAX_TEXT:
        item.text = item.text[:MAX_TEXT]
    if "\x00" in item.external_id or len(item.external_id) > 500:
        item.external_id = item.external_id.replace("\x00", "")[:500]
    if "\x00" in item.thread_key or len(item.thread_key) > 500:
        item.thread_key = item.thread_key.replace("\x00", "")[:500]
    if item.sent_at is not None and item.sent_at.tzinfo is None:
        item.sent_at = item.sent_at.replace(tzinfo=UTC)
    return item


def to_json(value: Any) -> msgspec.Raw:
    """Any of our structs as JSON that the database can hold: NULs taken out."""
    data = _encode(value)
    return msgspec.Raw(_NUL.sub(rb"\1", data) if b"\\u0000" in data else data)


def to_document(value: Any) -> Any:
    """The same as plain values."""
    return msgspec.json.decode(to_json(value))


def order_at(item: Item, entry: Entry, *, whole_seconds: bool, backwards: timedelta | None) -> datetime:
    """The item's place in the stream: the provider's time, a whole second counting as its end, never after we received
    it and (except archives, `backwards` None) not more than a week before.
    """
    at = item.sent_at
    if at is None:
        return entry.received_at
    if whole_seconds and at.microsecond == 0:
        at += timedelta(microseconds=999_999)
    if at > entry.received_at:
        return entry.received_at
    if backwards is not None and at < entry.received_at - backwards:
        return entry.received_at - backwards
    return at


def _failed(result: Result, why: str) -> Result:
    result.state = "failed"
    result.detail = why[:1000].replace("\x00", "")
    return result


def place(error: BaseException) -> str:
    """Type and place of a bug; not its text, which may quote the payload."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {frame.name} ({frame.filename.rpartition('/')[2]}:{frame.lineno})"
