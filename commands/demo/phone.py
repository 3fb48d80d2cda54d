"""The visitor's own phone: it rings soon after he came, and again every few minutes, while his page is open.

He picks it up by a button that only the demo has (inbox/api/demo.py); left alone, it picks up by itself.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from uuid import UUID

from commands.demo.cast import STAFF, Client
from storage.store import Store

FIRST_S = 20.0
AGAIN_S = (210.0, 330.0)
LOOK_S = 2.0
PRESS_S = 0.4

# With a page open, at work, and not in the midst of another call.
_VISITORS = """
SELECT DISTINCT a.login FROM web_session AS w JOIN agent AS a ON a.id = w.agent_id
JOIN presence AS p ON p.agent_id = a.id
WHERE w.seen_at > now() - interval '2 minutes' AND w.expires_at > now() AND p.state = 'online' AND a.login = ANY($1)
  AND NOT EXISTS (
    SELECT FROM agent_extension AS e JOIN call AS c ON c.channel_id = e.channel_id AND c.employee = e.extension
    WHERE e.agent_id = a.id AND c.state <> 'finished' AND c.started_at > now() - interval '10 minutes')
"""
_PAGES = """
SELECT DISTINCT a.login FROM web_session AS w JOIN agent AS a ON a.id = w.agent_id
WHERE w.seen_at > now() - interval '2 minutes' AND w.expires_at > now() AND a.login = ANY($1)
"""
_PRESSED = """
SELECT s.value ->> 'press' FROM call AS c JOIN workspace_setting AS s ON s.key = 'demo_phone:' || c.id
WHERE c.channel_id = $1 AND c.external_id = $2
"""


class Phone:
    """The telephones of visitors. Until it has a `store` nobody visits, and no button is pressed."""

    def __init__(self, store: Store | None = None, people: Sequence[Client] = ()) -> None:
        self._store = store
        self._rng = random.Random()
        self._people = people
        self._next: dict[str, float] = {}
        self._there: set[str] = set()
        self._extensions = {person.login: person.extension for person in STAFF if person.extension}

    async def due(self) -> list[str]:
        """Logins of visitors whose phone is to ring now. Each is asked about once until it is time again."""
        if self._store is None:
            return []
        now, found = time.monotonic(), []
        pages = await self._store.pool.fetch(_PAGES, list(self._extensions))
        self._there = {self._extensions[row["login"]] for row in pages}
        rows = await self._store.pool.fetch(_VISITORS, list(self._extensions))
        for login in sorted(row["login"] for row in rows):
            if now >= self._next.setdefault(login, now + FIRST_S):
                self._next[login] = now + self._rng.uniform(*AGAIN_S)
                found.append(login)
        return found

    def is_visitors(self, extension: str) -> bool:
        """Whether somebody sits before this phone with his page open."""
        return extension in self._there

    def extension(self, login: str) -> str:
        return self._extensions[login]

    def caller(self, login: str, is_free: Callable[[Client], bool]) -> Client | None:
        """One of his own clients, or anybody's."""
        free = [person for person in self._people if person.phone and is_free(person)]
        own = [person for person in free if person.owner == login] or free
        return self._rng.choice(own) if own else None

    async def pressed(self, channel_id: UUID, entry: str, button: str, timeout_s: float) -> bool:
        """Whether that button was pressed for this call within the time."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self._store is not None and await self._store.pool.fetchval(_PRESSED, channel_id, entry) == button:
                return True
            await asyncio.sleep(PRESS_S)
        return False
