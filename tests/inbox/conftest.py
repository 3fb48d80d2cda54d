"""A hub's inbox over real HTTP: staff with tokens, a channel, helpers that write what the router would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from config.errors import Conflict
from inbox.api.deps import InboxDeps
from inbox.app import add_inbox
from inbox.live import Live
from router.names import sort_name
from storage.db import Connection
from storage.events import NewEvent, append_events
from storage.staff import Role, create_agent
from storage.store import Store
from storage.tokens import create_token

START = datetime(2026, 11, 1, 9, tzinfo=UTC)
PASSWORD = "correct horse"


@dataclass
class Answer:
    status: int
    body: Any
    headers: Any

    @property
    def items(self) -> list[Any]:
        items: list[Any] = self.body["items"]
        return items


@dataclass
class Person:
    """One caller: an agent's or an integration's token."""

    world: World
    id: UUID | None
    token: str

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """`headers` by keyword, underscores for dashes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = {} if body is None else {"json": body}
        async with self.world.http.request(
            method,
            self.world.url + path,
            headers={"Authorization": f"Bearer {self.token}"} | named,
            **data,
        ) as response:
            return Answer(response.status, await response.json(content_type=None), response.headers)

    async def get(self, path: str) -> Answer:
        return await self.call("GET", path)

    async def walk(self, path: str) -> list[Any]:
        """Every item of a list, page after page."""
        found: list[Any] = []
        joint = "&" if "?" in path else "?"
        cursor = ""
        while True:
            answer = await self.get(f"{path}{joint}limit=7{cursor}")
            assert answer.status == 200, answer.body
            found.extend(answer.items)
            if answer.body["next"] is None:
                return found
            cursor = f"&after={answer.body['next']}"


@dataclass
class World:
    store: Store
    http: aiohttp.ClientSession
    base: str
    live: Live
    people: dict[str, Person] = field(default_factory=dict)
    channel: UUID = field(default_factory=uuid4)
    queue: UUID = field(default_factory=uuid4)
    replayed: list[int] = field(default_factory=list)
    deps: Any = None
    reader: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return self.base + "/api/v1"

    def __getattr__(self, name: str) -> Person:
        try:
            return self.people[name]
        except KeyError:
            raise AttributeError(name) from None

    async def hire(self, login: str, role: Role = "agent", password: str = "") -> Person:
        async with self.store.pool.acquire() as connection:
            agent_id = await create_agent(connection, login, login.title(), role, password)
            token = await create_token(connection, login, ["all"], agent_id)
        person = self.people[login] = Person(self, agent_id, token)
        return person

    async def token(self, *scopes: str) -> Person:
        async with self.store.pool.acquire() as connection:
            return Person(self, None, await create_token(connection, "test", scopes))

    async def new_channel(self, connector: str = "telegram") -> UUID:
        found: UUID = await self.store.pool.fetchval(
            "INSERT INTO channel (connector, name, token, settings) VALUES ($1, 'Bot', $2, $3) RETURNING id",
            connector,
            uuid4().hex,
            self.store.vault.encrypt({"token": "1:x"}),
        )
        return found

    async def new_queue(self, name: str, *members: Person) -> UUID:
        queue_id: UUID = await self.store.pool.fetchval("INSERT INTO queue (name) VALUES ($1) RETURNING id", name)
        for member in members:
            await self.store.pool.execute("INSERT INTO queue_member VALUES ($1, $2)", queue_id, member.id)
        return queue_id

    async def new_contact(self, name: str = "Пётр", *, owner: Person | None = None, **identity: str) -> UUID:
        """`identity`: kind=value."""
        contact_id: UUID = await self.store.pool.fetchval(
            "INSERT INTO contact (id, card_id, name, sort_name, owner_id)"
            " SELECT n.id, n.id, $1, $2, $3 FROM (SELECT uuidv7() AS id) AS n RETURNING id",
            name,
            sort_name(name),
            owner.id if owner else None,
        )
        for kind, value in identity.items():
            await self.store.pool.execute(
                "INSERT INTO identity (kind, value, contact_id) VALUES ($1, $2, $3)", kind, value, contact_id
            )
        return contact_id

    async def new_conversation(
        self,
        contact: UUID,
        *,
        assignee: Person | None = None,
        queue: UUID | None = None,
        channel: UUID | None = None,
        identity: UUID | None = None,
    ) -> UUID:
        found: UUID = await self.store.pool.fetchval(
            "INSERT INTO conversation (channel_id, thread_key, contact_id, assignee_id, queue_id, identity_id, queued_at)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
            channel or self.channel,
            uuid4().hex,
            contact,
            assignee.id if assignee else None,
            queue,
            identity,
            datetime.now(UTC) if queue and not assignee else None,
        )
        return found

    async def new_interaction(
        self,
        conversation: UUID,
        at: datetime = START,
        *,
        seq: int = 0,
        text: str = "да",
        body: dict[str, Any] | None = None,
    ) -> UUID:
        found: UUID = await self.store.pool.fetchval(
            "INSERT INTO interaction (order_at, seq, kind, direction, channel_id, conversation_id, contact_id, text, body)"
            " SELECT $2, $3, 'message', 'in', c.channel_id, c.id, c.contact_id, $4, $5"
            " FROM conversation AS c WHERE c.id = $1 RETURNING id",
            conversation,
            at,
            seq,
            text,
            body,
        )
        return found

    async def talk(self, *, assignee: Person | None = None, queue: UUID | None = None, count: int = 3) -> UUID:
        """A conversation of a new contact with some messages."""
        contact = await self.new_contact()
        conversation = await self.new_conversation(contact, assignee=assignee, queue=queue)
        for n in range(count):
            await self.new_interaction(conversation, START + timedelta(seconds=n), text=f"слово {n}")
        return conversation

    async def tell(self, *events: tuple[str, Sequence[str]]) -> int:
        """Appends events (type, audience) in one transaction; returns the highest id."""
        async with self.store.pool.acquire() as connection, connection.transaction():
            return await append_events(connection, [NewEvent(type_, words, {"n": 1}) for type_, words in events])


async def _merge(
    connection: Connection, contact_id: UUID, other_id: UUID, by: UUID | None, chosen: Collection[str] = ()
) -> UUID:
    if contact_id == other_id:
        raise Conflict("a card can't be merged with itself")
    await connection.execute("UPDATE contact SET card_id = $1 WHERE card_id = $2", contact_id, other_id)
    if "name" in chosen:
        await connection.execute(
            "UPDATE contact SET name = o.name FROM contact AS o WHERE contact.id = $1 AND o.id = $2",
            contact_id,
            other_id,
        )
    merge_id: UUID = await connection.fetchval(
        "INSERT INTO contact_merge (survivor_id, merged_id, by) VALUES ($1, $2, $3) RETURNING id",
        contact_id,
        other_id,
        by,
    )
    return merge_id


async def _undo(connection: Connection, merge_id: UUID, by: UUID | None) -> tuple[UUID, UUID]:
    row = await connection.fetchrow(
        "UPDATE contact_merge SET undone_at = now(), undone_by = $2 WHERE id = $1 AND undone_at IS NULL RETURNING *",
        merge_id,
        by,
    )
    if row is None:
        raise Conflict("no such merge, or undone already")
    await connection.execute("UPDATE contact SET card_id = id WHERE id = $1", row["merged_id"])
    return row["survivor_id"], row["merged_id"]


@pytest.fixture
async def world(store: Store) -> AsyncIterator[World]:
    async with inbox_of(store) as found:
        yield found


@asynccontextmanager
async def inbox_of(store: Store) -> AsyncIterator[World]:
    """Anna and Boris (agents), Sue (supervisor), Root (administrator), `api`: an integration that may everything."""
    live = Live(store)
    replayed: list[int] = []

    async def replay(entries: Sequence[int]) -> int:
        replayed.extend(entries)
        return len(entries)

    app = web.Application()
    deps = InboxDeps(store=store, live=live, merge=_merge, undo_merge=_undo, replay=replay, max_upload=1 << 20)
    add_inbox(app, deps)
    async with TestServer(app) as server, aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(live.run())
        found = World(store, http, str(server.make_url("")).rstrip("/"), live, replayed=replayed, deps=deps)
        found.channel = await found.new_channel()
        for login, role in (("anna", "agent"), ("boris", "agent"), ("sue", "supervisor"), ("root", "admin")):
            await found.hire(login, role)  # type: ignore[arg-type]
        found.queue = await found.new_queue("Sales", found.anna, found.boris)
        found.people["api"] = await found.token("all")
        found.reader = reader
        yield found
        reader.cancel()
