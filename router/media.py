"""Files of messages: fetched at once, as providers' links live for minutes, and kept; what can't be had says why.

An attachment is claimed in SQL: `next_at` is the end of the lease, `attempts` the claim's number, by which an answer that
comes after the lease was lost is recognised and thrown away.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import structlog

from config.errors import BadPayload, HubError, NotFound, RateLimited, Rejected, RetryLater, TooBig
from connectors.base import Media
from connectors.items import Attachment
from router.channels import Channel, Channels
from router.enclosed import Enclosures
from router.guard import Guard, is_any, is_public
from router.ios import Ios
from router.outbound.states import clean
from router.understand import place
from storage.blobs import Kept
from storage.bus import Topic
from storage.db import DATABASE_ERRORS, Connection
from storage.events import NewEvent, append_events, audience
from storage.queries import load
from storage.store import Store

log = structlog.get_logger()
STREAM = load("stream")

PARALLEL = 4
SWEEP_S = 2.0
MAX_FILE_BYTES = 100 << 20
FETCH_S = 300.0
LINK_S = 60.0
LEASE_S = 60.0
RENEW_S = 15.0
TROUBLE_S = 1.0
ACQUIRE_S = 10.0
PAUSES_S = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 21600, 28800)
"""After each try in turn; together a little less than a day."""

# Newest first: a live message's picture does not stand behind an archive of thousands.
_NEWEST = """
UPDATE attachment AS a SET attempts = a.attempts + 1, next_at = now() + make_interval(secs => $2)
FROM (
    SELECT id FROM attachment WHERE state = 'pending' AND next_at <= now()
    ORDER BY next_at DESC LIMIT $1 FOR UPDATE SKIP LOCKED
) AS due
WHERE a.id = due.id
RETURNING a.id, a.interaction_id, a.channel_id, a.name, a.type, a.size, a.source, a.attempts
"""
# Now and then the oldest, so that nothing waits for ever.
_OLDEST = """
UPDATE attachment AS a SET attempts = a.attempts + 1, next_at = now() + make_interval(secs => $2)
FROM (
    SELECT id FROM attachment WHERE state = 'pending' AND next_at <= now()
    ORDER BY next_at LIMIT $1 FOR UPDATE SKIP LOCKED
) AS due
WHERE a.id = due.id
RETURNING a.id, a.interaction_id, a.channel_id, a.name, a.type, a.size, a.source, a.attempts
"""
_RENEW = """
UPDATE attachment AS a SET next_at = now() + make_interval(secs => $3)
FROM unnest($1::uuid[], $2::int[]) AS mine(id, attempts)
WHERE a.id = mine.id AND a.attempts = mine.attempts AND a.state = 'pending'
"""
_AGAIN = """
UPDATE attachment SET next_at = now() + make_interval(secs => $3), error = $4
WHERE id = $1 AND attempts = $2 AND state = 'pending'
"""
_SHOW = """
UPDATE interaction AS i
SET body = CASE
    WHEN jsonb_typeof(i.body -> 'attachments') = 'array' THEN jsonb_set(i.body, '{attachments}', coalesce((
        SELECT jsonb_agg(CASE WHEN f.value ->> 'id' = $2 THEN f.value || $3::jsonb ELSE f.value END ORDER BY f.ord)
        FROM jsonb_array_elements(i.body -> 'attachments') WITH ORDINALITY AS f(value, ord)
    ), '[]'))
    ELSE i.body END
WHERE i.id = $1
RETURNING i.conversation_id, i.contact_id, i.channel_id
"""
_SETTLE = """
UPDATE attachment SET state = $3, blob = $4, size = $5, name = $6, type = $7, error = $8
WHERE id = $1 AND attempts = $2 AND state = 'pending' RETURNING id
"""
_BLOB = """
INSERT INTO blob AS b (sha256, size, refs) VALUES ($1, $2, 1)
ON CONFLICT (sha256) DO UPDATE SET refs = b.refs + 1
"""


class _LeaseLost(Exception):
    """Another process has this file now, or it is settled: nothing of ours counts."""


@dataclass(slots=True)
class _File:
    """One attachment in hand; what the provider says of it overwrites what the payload said."""

    id: UUID
    interaction_id: UUID | None
    channel_id: UUID | None
    name: str
    type: str
    size: int | None
    source: dict[str, Any]
    attempts: int

    def describe(self, name: str, type_: str, size: int | None = None) -> None:
        self.name = _text(name, 255) or self.name
        self.type = _text(type_, 100) or self.type
        self.size = self.size if size is None else size


class MediaFetcher:
    """`http`: for connectors; links of strangers go through a guard of their own."""

    def __init__(
        self, store: Store, channels: Channels, http: aiohttp.ClientSession, *, limit: int = MAX_FILE_BYTES
    ) -> None:
        self._store = store
        self._channels = channels
        self._ios = Ios(http, store.settings.base_url)
        self._enclosures = Enclosures(store, channels)
        self._guard = Guard(is_any if store.settings.allow_private_urls else is_public)
        self._limit = limit
        self._hand: dict[UUID, _File] = {}
        self._turn = 0
        self._renewed_at = time.monotonic()
        self._down = False

    async def run(self) -> None:
        """Until cancelled; files in hand are then begun anew by whoever is next."""
        bus = self._store.bus
        self._signal = bus.signal(Topic.MEDIA)
        try:
            async with self._guard, asyncio.TaskGroup() as tasks:
                while True:
                    await self._signal.wait(await self._step(tasks))
        finally:
            bus.drop(Topic.MEDIA, self._signal)
            await self._ios.aclose()

    async def _step(self, tasks: asyncio.TaskGroup) -> float:
        """Takes what there is room for; returns how long to rest. A database away costs a pause."""
        try:
            await self._renew()
            room = PARALLEL - len(self._hand)
            files = await self._claim(room) if room else []
        except DATABASE_ERRORS as error:
            if not self._down:
                log.warning("media_down", error=type(error).__name__)
            self._down = True
            return TROUBLE_S
        if self._down:
            log.info("media_up")
        self._down = False
        for file in files:
            self._hand[file.id] = file
            tasks.create_task(self._one(file), name=f"attachment {file.id}")
        if not self._hand:
            self._enclosures.forget()
        return SWEEP_S

    async def _claim(self, room: int) -> list[_File]:
        self._turn += 1
        statement = _NEWEST if self._turn % 4 else _OLDEST
        rows = await self._store.pool.fetch(statement, room, LEASE_S, timeout=ACQUIRE_S)
        return [_File(**dict(row)) for row in rows]

    async def _renew(self) -> None:
        if not self._hand or time.monotonic() - self._renewed_at < RENEW_S:
            return
        files = list(self._hand.values())
        await self._store.pool.execute(
            _RENEW, [f.id for f in files], [f.attempts for f in files], LEASE_S, timeout=ACQUIRE_S
        )
        self._renewed_at = time.monotonic()

    # ------------------------------------------------------------ one file

    async def _one(self, file: _File) -> None:
        """Whatever happens to it stays with this file."""
        try:
            await self._keep_or_explain(file)
        except DATABASE_ERRORS as error:
            log.warning("attachment_not_settled", attachment_id=str(file.id), error=type(error).__name__)
        except _LeaseLost:
            log.info("attachment_lease_lost", attachment_id=str(file.id))
        finally:
            self._hand.pop(file.id, None)
            self._signal.set()

    async def _keep_or_explain(self, file: _File) -> None:
        try:
            async with asyncio.timeout(FETCH_S):
                kept = await self._fetch(file)
        except TooBig as error:
            await self._settle(file, "too_large", error=str(error))
        except (Rejected, NotFound, BadPayload) as error:
            await self._settle(file, "failed", error=str(error))
        except (HubError, aiohttp.ClientError, *DATABASE_ERRORS) as error:
            await self._again(file, error)
        except Exception as error:  # noqa: BLE001 - the job's wrapper: a connector's bug costs a file its try
            log.error("attachment_raised", attachment_id=str(file.id), error=type(error).__name__, at=place(error))
            await self._again(file, error)
        else:
            if file.type.startswith("audio/"):
                file.describe(
                    *await asyncio.to_thread(as_it_sounds, self._store.blobs.path(kept.sha256), file.name, file.type)
                )
            await self._settle(file, "kept", kept=kept)

    async def _fetch(self, file: _File) -> Kept:
        if file.size is not None and file.size > self._limit:
            raise TooBig(f"the file has more than {self._limit} bytes", reason="file_large", most_mb=self._limit >> 20)
        async with self._open(file) as chunks:
            return await self._store.blobs.keep_stream(chunks, limit=self._limit)

    @asynccontextmanager
    async def _open(self, file: _File) -> AsyncIterator[AsyncIterator[bytes]]:
        """The file's bytes, from where its source says. Raises HubErrors."""
        source = file.source
        channel = self._channels.get(file.channel_id) if file.channel_id else None
        if source.get("entry") is not None:
            found = await self._enclosures.find(int(source["entry"]), file.interaction_id, file.id, file.name)
            file.describe(found.name, found.type)
            yield _whole(found.data or b"")
        elif source.get("id") and channel is not None and channel.connector.fetch_media is not None:
            media = await self._ask(channel, file)
            file.describe(media.name, media.type)
            try:
                yield media.chunks
            finally:
                close = getattr(media.chunks, "aclose", None)
                if close is not None:
                    await close()
        elif source.get("url"):
            async with self._guard.get(source["url"], limit=self._limit, timeout_s=LINK_S) as download:
                # A link says less of a file than the message that brought it.
                file.describe(file.name or download.name, file.type or download.type)
                yield download.chunks
        else:
            gone = channel is None and bool(source.get("id"))
            raise Rejected("The channel of this file is gone." if gone else "Nothing says where this file is.")

    async def _ask(self, channel: Channel, file: _File) -> Media:
        fetch = channel.connector.fetch_media
        assert fetch is not None
        source = file.source
        wanted = Attachment(
            name=file.name, type=file.type, size=file.size, url=source.get("url", ""), id=source.get("id", "")
        )
        return await fetch(wanted, channel.settings, self._ios.of(channel))

    async def _again(self, file: _File, error: Exception) -> None:
        """Another try later, or the end after a day of them."""
        foreseen = isinstance(error, HubError)
        why = str(error) if foreseen else f"The file can't be fetched ({type(error).__name__})."
        if file.attempts > len(PAUSES_S):
            await self._settle(file, "failed", error=why)
            return
        pause = PAUSES_S[file.attempts - 1] * random.uniform(0.8, 1.2)
        if isinstance(error, RetryLater | RateLimited) and error.after_s:
            pause = max(pause, min(error.after_s, 3600.0))
        await self._store.pool.execute(_AGAIN, file.id, file.attempts, pause, clean(why), timeout=ACQUIRE_S)

    # ------------------------------------------------------------ what became of it

    async def _settle(self, file: _File, state: str, *, kept: Kept | None = None, error: str = "") -> None:
        """Interaction, attachment, blob, event: in the order every transaction has."""
        size = kept.size if kept else file.size
        shown: dict[str, Any] = {"name": file.name, "type": file.type, "state": state}
        shown |= ({"size": size} if size is not None else {}) | ({"error": clean(error)} if error else {})
        async with self._store.pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction():
            at = await connection.fetchrow(_SHOW, file.interaction_id, str(file.id), shown)
            sha256 = kept.sha256 if kept else None
            settled = await connection.fetchval(
                _SETTLE, file.id, file.attempts, state, sha256, size, file.name, file.type, clean(error)
            )
            if settled is None:
                raise _LeaseLost
            if kept:
                await connection.execute(_BLOB, kept.sha256, kept.size)
            event_id = await append_events(connection, await _events(connection, file, at, shown))
        if event_id:
            self._store.bus.notify(Topic.EVENTS, event_id)


SOUNDS = ((b"RIFF", "audio/wav", ".wav"), (b"OggS", "audio/ogg", ".ogg"), (b"fLaC", "audio/flac", ".flac"))


def as_it_sounds(path: Path, name: str, type_: str) -> tuple[str, str]:
    """Name and type by the file's first bytes: PBXs call every recording an MP3, and a browser that was promised one plays
    no WAV.
    """
    with path.open("rb") as file:
        head = file.read(4)
    for begin, found, ending in SOUNDS:
        if head == begin and type_ != found:
            stem, dot, _ = name.rpartition(".")
            return (stem if dot else name) + ending, found
    return name, type_


async def _events(
    connection: Connection, file: _File, at: asyncpg.Record | None, shown: dict[str, Any]
) -> list[NewEvent]:
    """To those who may see the conversation."""
    if at is None:
        return []
    rows = await connection.fetch(STREAM.audiences, [at["conversation_id"]])
    words = [
        word
        for row in rows
        for word in audience(agents=(row["assignee_id"], row["owner_id"], *row["participants"]), queue=row["queue_id"])
    ]
    data = {"attachment_id": file.id, "interaction_id": file.interaction_id, **dict(at), **shown}
    return [NewEvent("attachment.kept" if shown["state"] == "kept" else "attachment.failed", words, data)]


async def _whole(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _text(value: str, length: int) -> str:
    return clean(value)[:length].strip()
