from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from storage.conversation_list import ConversationFilter, count_conversations, list_conversations
from storage.db import Pool
from tests.inbox.conftest import START, World

MANY = 100_000


async def test_an_item_is_all_the_list_needs(world: World) -> None:
    """Who, of which company, over which channel, whose, how urgent: without a second request, in lists and in events."""
    company = await world.new_contact("Ромашка")
    contact = await world.new_contact("Иван", owner=world.boris)
    await world.store.pool.execute("UPDATE contact SET company_id = $2, vip = true WHERE id = $1", contact, company)
    talk = await world.new_conversation(contact, assignee=world.anna, queue=world.queue)
    await world.store.pool.execute("UPDATE conversation SET frt_due_at = now(), last_text = 'торт', unread = 2")
    (listed,) = await world.anna.walk("/conversations")
    assert listed["contact"] == {"id": str(contact), "name": "Иван", "vip": True, "company": "Ромашка"}
    assert listed["channel"] == {"id": str(world.channel), "connector": "telegram", "name": "Bot"}
    assert listed["owner_id"] == str(world.boris.id)
    expected = {"frt_due_at", "last_at", "queue_id", "assignee_id", "version", "status", "contact_name", "channel_id"}
    assert expected <= set(listed)
    assert (listed["last_text"], listed["unread"]) == ("торт", 2)
    await world.anna.call("PATCH", f"/conversations/{talk}", {"tags": ["a"]})
    (event,) = [e for e in await world.anna.walk("/events") if e["type"] == "conversation.updated"]
    assert event["data"]["conversation"]["contact"] == listed["contact"]


async def test_who_told_no_name_is_his_number(world: World) -> None:
    """Lists call a card without a name by its phone, else its e-mail; a messenger's bare number is nobody's name."""
    named: list[dict[str, str]] = [
        {"phone": "+79161234567", "email": "a@example.com"},
        {"email": "b@example.com"},
        {"telegram": "77001"},
    ]
    for identities in named:
        contact = await world.new_contact("", owner=None, **identities)
        talk = await world.new_conversation(contact, assignee=world.anna)
        await world.anna.call("POST", "/tasks", {"title": "перезвонить", "conversation_id": str(talk)})
    called = ["+79161234567", "b@example.com", ""]
    assert [
        one.get("contact_name", "") for one in await world.anna.walk("/conversations?sort=begun&order=asc")
    ] == called
    assert sorted(one.get("contact_name", "") for one in await world.anna.walk("/tasks")) == sorted(called)


async def test_the_first_due_stand_first(world: World) -> None:
    """By SLA: the first answer due soonest, then those that are owed none; a cursor walks all of them once."""
    expected = []
    for n in range(12):
        talk = await world.talk(assignee=world.anna, count=0)
        due = START + timedelta(minutes=n // 2) if n < 8 else None
        answered = START if n in {2, 3} else None
        await world.store.pool.execute(
            "UPDATE conversation SET frt_due_at = $2, first_response_at = $3 WHERE id = $1", talk, due, answered
        )
        expected.append((due is None or answered is not None, due if answered is None and due else START, str(talk)))
    wanted = [talk for _, _, talk in sorted(expected)]
    assert [c["id"] for c in await world.anna.walk("/conversations?sort=sla")] == wanted
    assert [c["id"] for c in await world.anna.walk("/conversations?sort=sla&order=desc")] == wanted[::-1]


async def test_the_filters_of_the_inbox(world: World) -> None:
    """My queues, a tag, snoozed, newest activity first: alone and together."""
    other = await world.new_queue("Support")
    mine = await world.talk(queue=world.queue)
    await world.talk(queue=other)
    asleep = await world.talk(assignee=world.anna, queue=world.queue)
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {"status": "snoozed", "snoozed_until": until, "tags": ["торт"]}
    await world.anna.call("PATCH", f"/conversations/{asleep}", body)
    await world.store.pool.execute("UPDATE conversation SET last_at = $2 WHERE id = $1", mine, START)
    for query, expected in {
        "queue=mine": [asleep, mine],
        "tag=торт": [asleep],
        "status=snoozed": [asleep],
        "queue=mine&tag=торт&assignee=none": [],
        "queue=mine&assignee=none": [mine],
    }.items():
        found = await world.anna.walk(f"/conversations?{query}&sort=activity&order=desc")
        assert [c["id"] for c in found] == list(map(str, expected)), query
    assert (await world.anna.get("/conversations?queue=some")).status == 422
    assert (await world.api.get("/conversations?queue=mine")).status == 403


async def test_unread_and_words(world: World) -> None:
    """What wants to be read, and a part of the client's name, the subject or the last line, whatever the case."""
    cake = await world.new_conversation(await world.new_contact("Иван Петров"), assignee=world.anna)
    tart = await world.new_conversation(await world.new_contact("Ольга"), assignee=world.anna)
    await world.store.pool.execute("UPDATE conversation SET last_text = 'Торт 100%_' WHERE id = $1", tart)
    assert (await world.anna.call("PATCH", f"/conversations/{cake}", {"unread": 1})).body["unread"] == 1
    for query, expected in {
        "unread=true": [cake],
        "unread=false": [tart],
        "q=петр": [cake],
        "q=ТОРТ": [tart],
        "q=0%25_": [tart],
        "q=%25": [tart],
        "q=нет": [],
        "q=торт&unread=true": [],
    }.items():
        assert [c["id"] for c in await world.anna.walk(f"/conversations?{query}")] == list(map(str, expected)), query


async def _fill(pool: Pool, channel: UUID, queues: list[UUID], agents: list[UUID]) -> None:
    """100,000 conversations, 3 of 100 open, held by 50 agents in 10 queues."""
    await pool.execute(
        "INSERT INTO contact (id, card_id) SELECT i, i FROM (SELECT uuidv7() AS i FROM generate_series(1, 20000)) AS n"
    )
    await pool.execute(
        """
        INSERT INTO conversation (channel_id, thread_key, contact_id, status, assignee_id, queue_id, last_at, frt_due_at)
        SELECT $1, n::text, (SELECT (array_agg(id))[1] FROM contact),
          CASE WHEN n % 100 < 3 THEN 'open' ELSE 'resolved' END, ($2::uuid[])[1 + n % 50],
          CASE WHEN n % 3 = 0 THEN ($3::uuid[])[1 + n % 10] END, now() - make_interval(secs => n), now()
        FROM generate_series(1, $4) AS n
        """,
        channel,
        agents,
        queues,
        MANY,
    )
    await pool.execute("ANALYZE conversation")
    await pool.execute("ANALYZE contact")


class _Explaining:
    """A pool that notes what its statements' plans read from end to end."""

    def __init__(self, pool: Pool) -> None:
        self.pool, self.scanned = pool, set[str]()

    def acquire(self) -> Any:
        return self

    async def __aenter__(self) -> Any:
        self.held = await self.pool.acquire()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pool.release(self.held)

    def transaction(self, *, readonly: bool) -> Any:
        return self.held.transaction(readonly=readonly)

    async def execute(self, statement: str) -> str:
        return await self.held.execute(statement)

    async def fetch(self, statement: str, *args: Any) -> Any:
        (plan,) = await self.held.fetch(f"EXPLAIN (FORMAT JSON) {statement}", *args)
        self._read(json.loads(plan[0])[0]["Plan"])
        return await self.held.fetch(statement, *args)

    def _read(self, plan: dict[str, Any]) -> None:
        if plan["Node Type"] == "Seq Scan":
            self.scanned.add(plan["Relation Name"])
        for inner in plan.get("Plans", ()):
            self._read(inner)


async def test_lists_and_counts_of_a_big_house(world: World) -> None:
    """Among 100,000 conversations no view of the inbox and none of its counts reads the table from end to end."""
    agents = [(await world.hire(f"a{n}")).id for n in range(50)]
    queues = [await world.new_queue(f"q{n}", world.people["a1"]) for n in range(10)]
    await _fill(world.store.pool, world.channel, queues, [a for a in agents if a])
    me = agents[1]
    here = ["open", "pending"]
    views = [
        ConversationFilter(assignee=me, statuses=here),
        ConversationFilter(unassigned=True, statuses=here),
        ConversationFilter(queue_of=me, statuses=here),
        ConversationFilter(unseen_by=me),
        ConversationFilter(statuses=["snoozed"]),
        ConversationFilter(statuses=here),
        ConversationFilter(assignee=me),
    ]
    pool: Any = _Explaining(world.store.pool)
    for viewer in (None, me):
        await count_conversations(pool, viewer, views)
        for wanted in views:
            for sort in ("last", "sla"):
                found = await list_conversations(
                    pool,
                    viewer,
                    wanted,
                    after=None,
                    limit=51,
                    down=sort == "last",
                    sort=sort,
                )
                assert len(found) <= 51
    assert "conversation" not in pool.scanned
    await list_conversations(pool, None, ConversationFilter(tag="a"), after=None, limit=51, down=True, sort="last")
    assert "conversation" in pool.scanned, "the plans are not looked at"
