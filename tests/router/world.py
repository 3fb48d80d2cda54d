"""A small company in a database, for the tests of routing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from router.assigner import Outcome, assign_once
from router.directory import load_directory
from storage.db import RawConnection
from storage.events import read_events

ZONE = ZoneInfo("Europe/Moscow")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)  # a Tuesday, 15:00 in Moscow
CHANNEL = UUID(int=900)


class World:
    """A small company in a database: made by the words below, read by SQL."""

    def __init__(self, connection: RawConnection, url: str) -> None:
        self.db = connection
        self.url = url
        self._n = 0

    async def _id(self, statement: str, *values: object) -> UUID:
        found: UUID = await self.db.fetchval(statement, *values)
        return found

    async def agent(
        self, name: str, *, message: int = 5, skills: Iterable[str] = (), state: str = "online", seen: datetime = NOW
    ) -> UUID:
        agent = await self._id(
            "INSERT INTO agent (login, name, capacity, skills) VALUES ($1, $1, $2, $3) RETURNING id",
            name,
            {"message": message, "email": 1},
            list(skills),
        )
        await self.db.execute("INSERT INTO presence VALUES ($1, $2, '', $3, $3)", agent, state, seen)
        return agent

    async def queue(self, name: str, *members: UUID, **columns: object) -> UUID:
        queue = await self._id("INSERT INTO queue (name) VALUES ($1) RETURNING id", name)
        for column, value in columns.items():
            await self.db.execute(f"UPDATE queue SET {column} = $2 WHERE id = $1", queue, value)
        await self.db.executemany("INSERT INTO queue_member VALUES ($1, $2)", [(queue, member) for member in members])
        return queue

    async def contact(self, *, owner: UUID | None = None, vip: bool = False) -> UUID:
        return await self._id(
            "WITH new AS (SELECT uuidv7() AS id) INSERT INTO contact (id, card_id, owner_id, vip)"
            " SELECT id, id, $1, $2 FROM new RETURNING id",
            owner,
            vip,
        )

    async def conversation(
        self,
        queue: UUID | None,
        *,
        waited_s: float = 60,
        contact: UUID | None = None,
        assignee: UUID | None = None,
        kind: str = "message",
    ) -> UUID:
        self._n += 1
        return await self._id(
            "INSERT INTO conversation (channel_id, thread_key, kind, contact_id, queue_id, queued_at, assignee_id)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
            CHANNEL,
            f"thread {self._n}",
            kind,
            contact or await self.contact(),
            queue,
            NOW - timedelta(seconds=waited_s) if assignee is None else None,
            assignee,
        )

    async def run(self, now: datetime = NOW) -> Outcome:
        return await assign_once(self.db, await load_directory(self.db, now, zone=ZONE), now)

    async def holder(self, conversation: UUID) -> tuple[UUID | None, UUID | None, str]:
        row = await self.db.fetchrow(
            "SELECT assignee_id, queue_id, assignment_reason FROM conversation WHERE id = $1", conversation
        )
        assert row is not None
        return row["assignee_id"], row["queue_id"], row["assignment_reason"]

    async def events(self, after: int = 0) -> list[tuple[str, list[str], dict[str, Any]]]:
        return [(e.type, e.audience, json.loads(e.data)) for e in await read_events(self.db, after, 1000)]

    async def empty(self) -> None:
        await self.db.execute(
            "TRUNCATE agent, presence, queue, queue_member, contact, conversation, assignment, absence"
        )
