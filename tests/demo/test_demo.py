"""The demo workspace: filled once, and looking like two months of work; then alive, and again after a restart."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from commands.demo.cast import CLIENTS, STAFF
from commands.demo.filling import fill, is_empty, read_demo
from commands.demo.history import DAYS, MIX
from commands.demo.operators import Operators
from commands.demo.providers import stages
from commands.demo.run import _prepare
from router.channels import Channels
from router.directory import load_directory
from storage.conversation_list import ConversationFilter, list_conversations
from storage.db import RawConnection
from storage.interactions import InteractionFilter, list_interactions
from storage.store import Store
from tests.e2e.hub import Hub, running

NOW = datetime.now(UTC)


async def filled(store: Store, connectors: tuple[str, ...] = tuple(MIX)) -> dict[str, UUID]:
    """A database as `fill` leaves it, with channels of these connectors."""
    async with store.pool.acquire() as connection, connection.transaction():
        channels: dict[str, UUID] = {}
        for name in connectors:
            channels[name] = await connection.fetchval(
                "INSERT INTO channel (connector, name, token, settings) VALUES ($1, $1, $1, '') RETURNING id", name
            )
        await fill(store, connection, channels, NOW)
    return channels


async def test_fills_an_empty_database(store: Store, db: RawConnection) -> None:
    """Staff, 200 clients and about 3,000 interactions over every channel stand there."""
    assert await is_empty(db)
    channels = await filled(store)
    assert not await is_empty(db)
    assert await db.fetchval("SELECT count(*) FROM contact") == CLIENTS
    assert await db.fetchval("SELECT count(*) FROM agent") == len(STAFF)
    assert 2900 <= await db.fetchval("SELECT count(*) FROM interaction") <= 3300
    counts = await db.fetch("SELECT channel_id, count(*) AS n FROM interaction GROUP BY 1")
    assert {row["channel_id"] for row in counts if row["n"] >= 100} == set(channels.values())
    demo = await read_demo(db)
    assert demo is not None
    assert demo.channels == channels
    assert demo.agents.keys() == {person.login for person in STAFF}


ORPHANS = {
    "cards without an address": "SELECT count(*) FROM contact c WHERE NOT EXISTS (SELECT FROM identity i"
    " WHERE i.contact_id = c.id)",
    "addresses without a card": "SELECT count(*) FROM identity i WHERE NOT EXISTS (SELECT FROM contact c"
    " WHERE c.id = i.contact_id)",
    "interactions of another's conversation": "SELECT count(*) FROM interaction i WHERE NOT EXISTS (SELECT"
    " FROM conversation c WHERE c.id = i.conversation_id AND c.contact_id = i.contact_id"
    " AND c.channel_id = i.channel_id)",
    "conversations without a word": "SELECT count(*) FROM conversation c WHERE NOT EXISTS (SELECT FROM interaction i"
    " WHERE i.conversation_id = c.id)",
    "holders without a reason": "SELECT count(*) FROM conversation c WHERE NOT EXISTS (SELECT FROM assignment a"
    " WHERE a.conversation_id = c.id AND a.until IS NULL AND a.agent_id IS NOT DISTINCT FROM c.assignee_id"
    " AND a.reason = c.assignment_reason AND a.reason <> '')",
    "replies without a sending": "SELECT count(*) FROM interaction i WHERE i.direction = 'out' AND i.kind = 'message'"
    " AND NOT EXISTS (SELECT FROM outbound o WHERE o.interaction_id = i.id AND o.state = i.state)",
    "provider ids that lead nowhere": "SELECT count(*) FROM external_ref r WHERE NOT EXISTS (SELECT FROM interaction i"
    " WHERE i.id = r.interaction_id AND i.external_id = r.external_id)",
    "calls that are not shown": "SELECT count(*) FROM call c WHERE NOT EXISTS (SELECT FROM interaction i"
    " WHERE i.id = c.interaction_id AND i.kind = 'call' AND i.conversation_id = c.conversation_id)",
    "ids out of time": "SELECT count(*) FROM interaction a JOIN interaction b ON a.order_at < b.order_at AND a.id > b.id",
}


async def test_nothing_is_left_alone(store: Store, db: RawConnection) -> None:
    """Every row of the history has what it speaks of."""
    await filled(store)
    assert {name: await db.fetchval(sql) for name, sql in ORPHANS.items()} == dict.fromkeys(ORPHANS, 0)


async def test_history_reads_as_it_happened(store: Store, db: RawConnection) -> None:
    """A client's stream over all channels is in order, begins with the client or a call, and stays within two months."""
    channels = await filled(store)
    row = await db.fetchrow(
        "SELECT contact_id, count(DISTINCT channel_id) AS n FROM interaction GROUP BY 1 ORDER BY 2 DESC, count(*) DESC"
    )
    assert row is not None
    assert row["n"] >= 4
    wanted = InteractionFilter(contact=row["contact_id"])
    items = await list_interactions(store.pool, None, wanted, after=None, limit=200, down=False)
    assert [i["at"] for i in items] == sorted(i["at"] for i in items)
    assert all(NOW - timedelta(days=DAYS + 1) <= i["at"] <= NOW for i in items)
    first: dict[UUID, Any] = {}
    for item in items:
        first.setdefault(item["conversation_id"], item)
    assert all(item["direction"] == "in" or item["kind"] == "call" for item in first.values())
    assert {i["kind"] for i in items} >= {"message", "call"}
    assert {i["channel_id"] for i in items} <= set(channels.values())


async def test_some_work_is_left(store: Store, db: RawConnection) -> None:
    """The newest conversations are open: with unread words, with each operator who is there, and waiting in a queue."""
    await filled(store)
    wanted = ConversationFilter(statuses=["open"])
    found = await list_conversations(store.pool, None, wanted, after=None, limit=200, down=True, sort="last")
    assert 3 <= len(found) <= 25
    assert any(c.unread for c in found)
    assert all(c.last_at > NOW - timedelta(days=6) for c in found)
    assert await db.fetchval("SELECT count(*) FROM conversation WHERE status = 'resolved'") > 500
    directory = await load_directory(db, NOW, zone=store.settings.zone)
    away = [agent for agent in directory.agents.values() if directory.absence_of(agent.id, NOW)]
    assert [agent.name for agent in away] == ["Глеб Зимин"]
    assert not {c.assignee_id for c in found} & {agent.id for agent in away}


FILLED = {
    "tasks that are late": "SELECT count(*) FROM task WHERE state = 'open' AND due_at < now()",
    "tasks of today and later": "SELECT count(*) FROM task WHERE state = 'open' AND due_at > now()",
    "tasks that are done": "SELECT count(*) FROM task WHERE state = 'done'",
    "missed calls that nobody has called back": "SELECT count(*) FROM task AS t JOIN call AS c ON c.id = t.call_id"
    " JOIN conversation AS v ON v.id = c.conversation_id WHERE t.state = 'open' AND v.status = 'open'",
    "outcomes of calls": "SELECT count(*) FROM disposition WHERE object = 'call'",
    "calls with an outcome": "SELECT count(*) FROM call WHERE disposition <> ''",
    "recordings": "SELECT count(*) FROM call AS c JOIN attachment AS a ON a.id = c.recording_id WHERE a.state = 'kept'",
    "values of own fields": "SELECT count(*) FROM custom_field AS f WHERE EXISTS (SELECT FROM contact WHERE custom ? f.key)",
    "canned answers": "SELECT count(*) FROM canned_answer",
    "saved lists": "SELECT count(*) FROM saved_view",
    "consents taken back": "SELECT count(*) FROM consent WHERE NOT given",
    "people of companies": "SELECT count(*) FROM contact WHERE company_id IS NOT NULL",
    "absences": "SELECT count(*) FROM absence WHERE deputy_id IS NOT NULL",
    "doubles": "SELECT count(*) FROM merge_suggestion WHERE state = 'open'",
    "mentions of the operator": "SELECT count(*) FROM mention AS m JOIN agent AS a ON a.id = m.agent_id"
    " WHERE a.login = 'anna' AND m.seen_at IS NULL",
    "work offered to the operator": "SELECT count(*) FROM transfer AS t JOIN agent AS a ON a.id = t.to_agent_id"
    " WHERE a.login = 'anna' AND t.state = 'offered'",
    "conversations put off": "SELECT count(*) FROM conversation WHERE status = 'snoozed' AND snoozed_until > now()",
    "messages that failed": "SELECT count(*) FROM outbound WHERE state = 'failed' AND error <> ''",
    "messages in doubt": "SELECT count(*) FROM outbound WHERE state = 'in_doubt'",
    "letters in HTML with a picture": "SELECT count(*) FROM interaction WHERE body ->> 'html' LIKE '%cid:%'",
    "photos": "SELECT count(*) FROM attachment WHERE type = 'image/png'",
    "voice": "SELECT count(*) FROM attachment WHERE name = 'голосовое.wav'",
    "forms with their source": "SELECT count(*) FROM interaction WHERE kind = 'form' AND body -> 'meta' -> 'source' <> '{}'",
    "lines of the audit log": "SELECT count(*) FROM audit_log",
}


async def test_every_screen_has_something_to_show(store: Store, db: RawConnection) -> None:
    """Nothing that a screen lists is empty, and every file that is named can be read."""
    await filled(store)
    assert [name for name, sql in FILLED.items() if not await db.fetchval(sql)] == []
    for row in await db.fetch("SELECT DISTINCT blob, size FROM attachment"):
        assert len(await store.blobs.read(row["blob"])) == row["size"]
    unheld = "SELECT count(*) FROM blob AS b WHERE refs <> (SELECT count(*) FROM attachment WHERE blob = b.sha256)"
    assert await db.fetchval(unheld) == 0


async def test_fills_once(store: Store, db: RawConnection) -> None:
    """A second start finds the demo and leaves it; what a company made for itself is never touched."""
    first = await _prepare(store, db)
    before = await db.fetchval("SELECT count(*) FROM interaction")
    assert first is not None
    assert first.channels.keys() == stages().keys()
    assert await _prepare(store, db) == first
    assert await db.fetchval("SELECT count(*) FROM interaction") == before
    channels = Channels(store)
    await channels.refresh()
    assert {channel.connector.name for channel in channels.all()} == stages().keys()


async def test_nothing_stays_in_the_middle(store: Store, db: RawConnection) -> None:
    """A client whom a stopped script left is answered and his conversation ended; the history's open ones stay open."""
    demo = await _prepare(store, db)
    assert demo is not None
    left = "SELECT array_agg(id ORDER BY id) FROM conversation WHERE status = 'open' AND last_at < $1"
    history = await db.fetchval(left, demo.filled_at)
    operators = Operators(store, demo.agents)
    forgotten = await db.fetchval(
        "UPDATE conversation SET status = 'open', unread = 1, assignee_id = $1, last_at = now() - interval '31 minutes'"
        " WHERE id = (SELECT id FROM conversation WHERE status = 'resolved' AND kind = 'message' LIMIT 1) RETURNING id",
        demo.agents["anna"],
    )
    since = demo.filled_at - timedelta(hours=1)
    await db.execute("UPDATE conversation SET last_at = $1 WHERE last_at > $1 AND id <> $2", since, forgotten)
    state = "SELECT status, unread FROM conversation WHERE id = $1"
    await operators.tidy_once(since)
    assert tuple(await db.fetchrow(state, forgotten) or ()) == ("open", 0)
    await db.execute("UPDATE conversation SET last_at = now() - interval '31 minutes' WHERE id = $1", forgotten)
    await operators.tidy_once(since)
    assert tuple(await db.fetchrow(state, forgotten) or ()) == ("resolved", 0)
    assert await db.fetchval(left, demo.filled_at) == history


async def test_leaves_a_company_alone(store: Store, db: RawConnection) -> None:
    """A database that has so much as one channel of its own is no demo."""
    await db.execute("INSERT INTO channel (connector, name, token, settings) VALUES ('telegram', 'ours', 'x', '')")
    assert await _prepare(store, db) is None
    assert await db.fetchval("SELECT count(*) FROM contact") == 0


# ---------------------------------------------------------------- alive


async def signed_in(http: aiohttp.ClientSession, hub: Hub, role: str) -> None:
    """By the page's one-click log-in, once the demo is there."""
    async with asyncio.timeout(30):
        while True:
            async with http.get(f"{hub.url}/demo-logins") as answer:
                logins = (await answer.json())["items"]
            if logins:
                break
            await asyncio.sleep(0.2)
    who = next(one for one in logins if one["role"] == role)
    body = {"login": who["login"], "password": who["password"]}
    async with http.post(f"{hub.url}/api/v1/session", json=body) as answer:
        assert answer.status == 201, await answer.text()


@pytest.mark.timeout(150)
async def test_newcomer_sees_the_stream_run() -> None:
    """Within a minute of the start a client writes live and is answered; a reply of one's own is delivered as well."""
    async with running(DEMO="1") as hub, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        begun = time.monotonic()
        await signed_in(http, hub, "admin")
        async with http.ws_connect(f"{hub.url}/live?after=0", headers={"Origin": hub.url}) as socket:
            asked = await _frame(socket, "interaction.created", kind="message", direction="in")
            assert time.monotonic() - begun < 60
            conversation = asked["data"]["interaction"]["conversation_id"]
            answered = await _frame(socket, "interaction.created", kind="message", direction="out")
            await _sent(socket, answered["data"]["interaction"]["id"])
            path = f"{hub.url}/api/v1/conversations/{conversation}/messages"
            async with http.post(path, json={"text": "Сейчас посмотрим"}, headers={"Idempotency-Key": "k"}) as response:
                assert response.status == 201, await response.text()
                mine = await response.json()
            await _sent(socket, mine["interaction_id"])


async def _frame(socket: aiohttp.ClientWebSocketResponse, type_: str, **interaction: str) -> dict[str, Any]:
    """The next of that type whose interaction has these fields."""
    async with asyncio.timeout(60):
        while True:
            frame: dict[str, Any] = await socket.receive_json()
            item = frame.get("data", {}).get("interaction", {})
            if frame["type"] == type_ and interaction.items() <= item.items():
                return frame


async def _sent(socket: aiohttp.ClientWebSocketResponse, interaction_id: str) -> None:
    async with asyncio.timeout(30):
        while True:
            data = (await socket.receive_json()).get("data", {})
            if data.get("interaction_id") == interaction_id and data.get("state") in {"sent", "delivered"}:
                return
