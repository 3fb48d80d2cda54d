"""The operators' side of the live demo: they are there, answer by script through the real way out, and close what is done.

An operator whose page somebody has open is left to that person.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from uuid import UUID

import structlog

from config.errors import Conflict, NotFound
from router.outbound.replies import NewReply, queue_reply
from router.presence import set_presence
from storage.bus import Topic
from storage.conversations import change_conversation
from storage.db import Connection
from storage.events import append_events
from storage.store import Store

log = structlog.get_logger()
PRESENCE_S = 30.0
LOOK_S = 0.5
TIDY_S = 60.0

_HELD = """
SELECT c.id, c.assignee_id, c.unread FROM conversation AS c JOIN identity AS i ON i.contact_id = c.contact_id
WHERE c.channel_id = $1 AND i.kind = $2 AND i.value = $3 AND c.status = 'open' ORDER BY c.id DESC LIMIT 1
"""
_PAGES = "SELECT DISTINCT agent_id FROM web_session WHERE seen_at > now() - interval '2 minutes' AND expires_at > now()"
_ABSENT = "SELECT agent_id FROM absence WHERE now() >= from_at AND now() < until_at"


_FORGOTTEN = """
SELECT id, assignee_id, unread, kind FROM conversation
WHERE status = 'open' AND assignee_id = ANY($1) AND last_at > $2 AND last_at < now() - interval '30 minutes'
ORDER BY id LIMIT 20
"""
SORRY = "Простите за ожидание! Напишите, пожалуйста, если вопрос ещё актуален."


class Held(NamedTuple):
    """A client's open conversation. `assignee_id`: None while it waits."""

    id: UUID
    assignee_id: UUID | None
    unread: int


class Pace:
    """Something happens every few seconds, whoever it is that acts."""

    def __init__(self, rng: random.Random, least_s: float = 3.0, most_s: float = 8.0) -> None:
        self._rng = rng
        self._span = (least_s, most_s)
        self._next = time.monotonic() + 1.0
        self._lock = asyncio.Lock()

    async def turn(self) -> None:
        """Returns when it is time for the next one."""
        async with self._lock:
            await asyncio.sleep(max(0.0, self._next - time.monotonic()))
            self._next = time.monotonic() + self._rng.uniform(*self._span)


class Operators:
    """`agents`: those that the script may speak for."""

    def __init__(self, store: Store, agents: dict[str, UUID]) -> None:
        self._store = store
        self.agents = agents
        self._said: deque[str] = deque(maxlen=300)

    def spoke(self, text: str) -> bool:
        """Whether these words, as they reached a client, are of the script."""
        return any(said in text for said in self._said)

    async def stay_online(self, connection: Connection) -> None:
        """Until cancelled, over the connection that holds the demo's lock: if it is lost, so is the demo's turn."""
        while True:
            now = datetime.now(UTC)
            away = {row["agent_id"] for sql in (_PAGES, _ABSENT) for row in await connection.fetch(sql)}
            for agent_id in (a for a in self.agents.values() if a not in away):
                event_id = await set_presence(connection, agent_id, "online", "", now)
                if event_id:
                    self._store.bus.notify(Topic.EVENTS, event_id)
                    self._store.bus.notify(Topic.QUEUE)
            await asyncio.sleep(PRESENCE_S)

    async def tidy(self, since: datetime) -> None:
        """Until cancelled: what a script left in the middle, in a stop of the hub or over night, is ended half an hour
        later. What is open from before `since`, the history's end, is left for people to try.
        """
        while True:
            await self.tidy_once(since)
            await asyncio.sleep(TIDY_S)

    async def tidy_once(self, since: datetime) -> None:
        """An unanswered client gets an answer, and his conversation is resolved the next time."""
        for row in await self._store.pool.fetch(_FORGOTTEN, list(self.agents.values()), since):
            if not await self.speaks_for(row["assignee_id"]):
                continue
            if row["unread"] and row["kind"] in {"message", "email"}:
                await self.answer(Held(row["id"], row["assignee_id"], row["unread"]), SORRY)
            else:
                await self.close(row["id"], "завершён")

    async def held(self, channel_id: UUID, kind: str, value: str) -> Held | None:
        """The conversation a client has on a channel; None: what he wrote has not come in yet."""
        row = await self._store.pool.fetchrow(_HELD, channel_id, kind, value)
        return None if row is None else Held(*row)

    async def wait_for(
        self,
        channel_id: UUID,
        kind: str,
        value: str,
        timeout_s: float,
        is_over: Callable[[], bool] = lambda: False,
        *,
        unread: bool = True,
    ) -> Held | None:
        """The conversation once one of the script's operators has it, by default with something unread in it. None:
        nobody took it in time, or it `is_over`: somebody else saw to it.
        """
        until = time.monotonic() + timeout_s
        while time.monotonic() < until and not is_over():
            held = await self.held(channel_id, kind, value)
            if held is not None and (held.unread or not unread) and await self.speaks_for(held.assignee_id):
                return held
            await asyncio.sleep(LOOK_S)
        return None

    async def speaks_for(self, agent_id: UUID | None) -> bool:
        """Whether the script may answer for him: an operator of the demo without a page of his own."""
        if agent_id not in self.agents.values():
            return False
        return agent_id not in {row["agent_id"] for row in await self._store.pool.fetch(_PAGES)}

    async def answer(self, held: Held, text: str, kind: Literal["message", "note"] = "message") -> None:
        """As the inbox sends a reply."""
        self._said.append(text)
        reply = NewReply(conversation_id=held.id, agent_id=held.assignee_id, kind=kind, text=text)
        try:
            async with self._store.pool.acquire() as connection, connection.transaction():
                queued = await queue_reply(connection, reply, datetime.now(UTC))
        except (Conflict, NotFound) as error:
            log.info("demo_answer_refused", error=error.code)
            return
        self._store.bus.notify(Topic.EVENTS, queued.event_id)
        self._store.bus.notify(Topic.OUTBOUND)
        self._store.bus.notify(Topic.QUEUE)

    async def close(self, conversation_id: UUID, disposition: str) -> None:
        """Resolved, which makes room for the next one."""
        changes = {"status": "resolved", "disposition": disposition, "unread": 0}
        try:
            async with self._store.pool.acquire() as connection, connection.transaction():
                changed = await change_conversation(connection, None, conversation_id, changes)
                last = await append_events(connection, changed.events)
        except (Conflict, NotFound) as error:
            log.info("demo_close_refused", error=error.code)
            return
        self._store.bus.notify(Topic.EVENTS, last)
        self._store.bus.notify(Topic.QUEUE)
