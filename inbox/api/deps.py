"""What the inbox works on, and what it asks the router to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, web

from inbox.live import Live
from storage.db import Connection
from storage.store import Store


class MergeContacts(Protocol):
    """Merges `other_id`'s card into `contact_id`'s, inside the caller's transaction; returns the merge's id. `chosen`: parts
    in which the other card's value wins.

    Writes no events. Raises NotFound, Conflict.
    """

    async def __call__(
        self, connection: Connection, contact_id: UUID, other_id: UUID, by: UUID | None, chosen: Collection[str] = ()
    ) -> UUID: ...  # pragma: no cover


class UndoMerge(Protocol):
    """Ends a merge inside the caller's transaction; returns (survivor, merged). Raises NotFound, Conflict."""

    async def __call__(
        self, connection: Connection, merge_id: UUID, by: UUID | None
    ) -> tuple[UUID, UUID]: ...  # pragma: no cover


@dataclass(frozen=True)
class InboxDeps:
    """`replay` puts journal entries back on the work list and returns how many; `region` reads phones in searches."""

    store: Store
    live: Live
    merge: MergeContacts
    undo_merge: UndoMerge
    replay: Callable[[Sequence[int]], Awaitable[int]]
    region: str = "RU"
    max_upload: int = 50 << 20


DEPS: web.AppKey[InboxDeps] = web.AppKey("inbox_deps", InboxDeps)
HTTP: web.AppKey[ClientSession] = web.AppKey("inbox_http", ClientSession)
"""Towards providers, for tests of channels: every request has its own deadline besides."""


async def open_http(app: web.Application) -> AsyncIterator[None]:
    """The session's life; one of `app.cleanup_ctx`."""
    async with ClientSession(timeout=ClientTimeout(total=60, connect=10), cookie_jar=DummyCookieJar()) as session:
        app[HTTP] = session
        yield
