"""Listening to a mailbox: every mail once, in order, after any pause, whatever becomes of single mails.

The mark {folder, uidvalidity, uid, since, rescan} is committed with the mails it stands for. `uid`: all up to it are in the
journal. `since`: unix time before which nothing is ours to take (the first connect less `since_days`); older mail comes
by an archive import. `rescan`: up to this uid `since` counts, and mail older than a day comes without effects; above it
everything is new, however old: people move mail into a folder.

If the server has renumbered the mailbox (another UIDVALIDITY), all mails since `since` are fetched again: the journal
knows those it has by what they are (see `peek`).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from config.errors import BadChannel, RetryLater, Unavailable
from connectors.base import Fetched, Io, Payload, Sink
from connectors.email.imap_session import Listed, Session
from connectors.email.tables import MAX_BODY, TRUNCATED, UID, UNREADABLE, EmailSettings

BATCH_MAILS = 50
BATCH_BYTES = 8 << 20
LIST_AT_ONCE = 200
BEGINNING = 256 << 10
SLACK_S = 300  # clocks differ
SILENT_AFTER = timedelta(days=1)
BACKOFF_S = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
DOWN_S = 1.0


async def listen(settings: EmailSettings, _io: Io, sink: Sink) -> None:
    """Until cancelled. Raises BadChannel when only an administrator can help."""
    failures = 0
    while True:
        started = time.monotonic()
        try:
            await _session(settings, sink)
        except Unavailable:
            await asyncio.sleep(DOWN_S)
            continue
        except BadChannel:
            raise
        except RetryLater as error:
            if time.monotonic() - started > BACKOFF_S[-1]:
                failures = 0
            failures += 1
            sink.note(str(error))
        pause = BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))


async def check_imap(settings: EmailSettings, io: Io) -> str:
    """Logs in and opens the folder. Raises BadChannel, RetryLater."""
    session = await Session.open(settings, io.timeout_s)
    try:
        way = "IDLE" if session.has_idle else f"no IDLE, looked at every {settings.poll_s} s"
        return f"IMAP: {settings.folder} at {settings.imap_host} can be read ({way})"
    finally:
        await session.close()


async def _session(settings: EmailSettings, sink: Sink) -> None:
    """One connection's life. Raises RetryLater when it ends, Unavailable when nothing can be kept."""
    session = await Session.open(settings)
    try:
        reader = _Reader(session, settings, sink)
        await reader.begin()
        while True:
            await reader.catch_up()
            sink.note("")
            await session.wait(settings.idle_s if session.has_idle else settings.poll_s)
    finally:
        await session.close()


@dataclass(frozen=True, slots=True)
class _Mark:
    folder: str
    uidvalidity: int
    uid: int
    since: int
    rescan: int = 0

    @classmethod
    def of(cls, mark: Mapping[str, Any], folder: str) -> _Mark | None:
        """None: this folder has not been read before."""
        values = [mark.get(name, 0) for name in ("uidvalidity", "uid", "since", "rescan")]
        if mark.get("folder") != folder or not all(isinstance(value, int) for value in values):
            return None
        return cls(folder, *values)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class _Reader:
    """What a session does with its folder."""

    def __init__(self, session: Session, settings: EmailSettings, sink: Sink) -> None:
        self._session = session
        self._settings = settings
        self._sink = sink

    def _mark(self) -> _Mark:
        mark = _Mark.of(self._sink.mark, self._settings.folder)
        assert mark is not None
        return mark

    async def begin(self) -> None:
        """Where to go on: where we stopped, or anew from the first mail that is ours to take."""
        session, settings = self._session, self._settings
        known = _Mark.of(self._sink.mark, settings.folder)
        if known is None:
            since = int(time.time()) - settings.since_days * 86400
            start = 0 if settings.since_days else await self._last()
            mark = _Mark(settings.folder, session.uidvalidity, start, since, await self._last())
            await self._sink.keep([], mark.to_dict())
        elif known.uidvalidity != session.uidvalidity or 0 < session.uidnext <= known.uid:
            mark = _Mark(settings.folder, session.uidvalidity, 0, known.since, await self._last())
            await self._sink.keep([], mark.to_dict())

    async def _last(self) -> int:
        """The greatest UID there was when the folder was opened."""
        return self._session.uidnext - 1 if self._session.uidnext else max(await self._session.above(0), default=0)

    async def catch_up(self) -> None:
        """Everything above the mark."""
        mark = self._mark()
        if mark.uid < mark.rescan:
            # The server counts in days of its own zone: a day more, and the exact time is looked at afterwards.
            day = (datetime.fromtimestamp(mark.since, UTC) - timedelta(days=1)).date()
            await self._take(await self._session.between(mark.uid + 1, mark.rescan, day))
            await self._keep([], mark.rescan)
        while uids := await self._session.above(self._mark().uid):
            await self._take(uids)

    async def _take(self, uids: Sequence[int]) -> None:
        mark = self._mark()
        for start in range(0, len(uids), LIST_AT_ONCE):
            asked = uids[start : start + LIST_AT_ONCE]
            listed = [one for one in await self._session.listed(asked) if _is_ours(one, mark)]
            for batch in batches(listed):
                await self._keep(await self._fetch(batch, mark), batch[-1].uid)
            await self._keep([], asked[-1])

    async def _keep(self, fetched: Sequence[Fetched], uid: int) -> None:
        """With the mark, which never goes back within one numbering."""
        mark = self._mark()
        if fetched or uid > mark.uid:
            await self._sink.keep(fetched, replace(mark, uid=max(uid, mark.uid)).to_dict())

    async def _fetch(self, batch: Sequence[Listed], mark: _Mark) -> list[Fetched]:
        """All at once; if the server stumbles over one of them, each alone."""
        limit = min(self._settings.max_mail_mb << 20, MAX_BODY)
        whole = [one.uid for one in batch if one.size <= limit]
        bodies = (await self._session.fetch(whole) if whole else None) or {}
        fetched: list[Fetched] = []
        for one in batch:
            if one.uid in bodies:
                payload: Payload | None = _payload(one, mark, bodies[one.uid])
            else:
                payload = await self._alone(one, mark, limit)
            if payload is not None:
                fetched.append(Fetched(payload, silent=_is_old(one, mark)))
        return fetched

    async def _alone(self, one: Listed, mark: _Mark, limit: int) -> Payload | None:
        """A mail that is too large, or that the server would not give out with the others. None: deleted meanwhile."""
        bodies = await self._session.fetch([one.uid]) if one.size <= limit else None
        if bodies is not None:
            return _payload(one, mark, bodies[one.uid]) if one.uid in bodies else None
        beginning = await self._session.fetch([one.uid], first_bytes=BEGINNING)
        if beginning is None:
            return _payload(one, mark, b"", {UNREADABLE: "the mail server does not give this mail out"})
        if one.uid not in beginning:
            return None
        return _payload(one, mark, beginning[one.uid], {TRUNCATED: str(one.size)})


def _is_ours(one: Listed, mark: _Mark) -> bool:
    return one.uid > mark.rescan or one.arrived is None or one.arrived.timestamp() >= mark.since - SLACK_S


def _is_old(one: Listed, mark: _Mark) -> bool:
    return one.uid <= mark.rescan and one.arrived is not None and datetime.now(UTC) - one.arrived > SILENT_AFTER


def _payload(one: Listed, mark: _Mark, body: bytes, more: Mapping[str, str] | None = None) -> Payload:
    headers = {"content-type": "message/rfc822", UID: f"{mark.uidvalidity}:{one.uid}"}
    return Payload(body=body, headers=headers | dict(more or {}))


def batches(listed: Sequence[Listed]) -> Iterator[list[Listed]]:
    """At most 50 mails or 8 MB each, but at least one mail."""
    batch: list[Listed] = []
    size = 0
    for one in listed:
        if batch and (len(batch) >= BATCH_MAILS or size + one.size > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.size
    if batch:
        yield batch
