"""Erasing a person: nothing is found of him afterwards, and nothing of anybody else is lost."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from router.erasing import Erasing
from tests.inbox.conftest import World

PHONE, MAIL = "+79161234567", "petr@example.com"
WHY = {"reason": "152-ФЗ, статья 21", "asked_by": "обращение 17"}
SECRET = "Тайновский"


async def entry(world: World, body: bytes, interactions: list[UUID] | None = None) -> int:
    """A payload that was understood."""
    entry_id: int = await world.store.pool.fetchval(
        "INSERT INTO journal (channel_id, lane, class, silent, body) VALUES ($1, 1, 0, false, $2) RETURNING id",
        world.channel,
        body,
    )
    await world.store.pool.execute(
        "INSERT INTO journal_result (entry_id, state, at, interactions) VALUES ($1, 'done', now(), $2)",
        entry_id,
        interactions,
    )
    return entry_id


async def attached(world: World, interaction: UUID, data: bytes) -> str:
    kept = await world.store.blobs.keep(data)
    await world.store.pool.execute(
        "INSERT INTO blob AS b (sha256, size, refs) VALUES ($1, $2, 1) ON CONFLICT (sha256) DO UPDATE SET refs = b.refs + 1",
        kept.sha256,
        kept.size,
    )
    await world.store.pool.execute(
        "INSERT INTO attachment (interaction_id, name, size, blob, state) VALUES ($1, 'паспорт.jpg', $2, $3, 'kept')",
        interaction,
        kept.size,
        kept.sha256,
    )
    return kept.sha256


async def history(world: World, contact: UUID, text: str) -> tuple[UUID, UUID]:
    """A conversation with a message, a reply, a call, a draft, a task. Returns (conversation, message)."""
    pool = world.store.pool
    conversation = await world.new_conversation(contact, assignee=world.anna)
    await pool.execute("UPDATE conversation SET last_text = $2, subject = $2 WHERE id = $1", conversation, text)
    message = await world.new_interaction(conversation, text=text, body={"subject": text, "sender": {"value": PHONE}})
    await pool.execute(
        "INSERT INTO call (channel_id, external_id, conversation_id, state, client, events)"
        " VALUES ($1, $2, $3, 'finished', $4, $5)",
        world.channel,
        uuid4().hex,
        conversation,
        PHONE,
        [{"from": text}],
    )
    identity = await pool.fetchval("SELECT id FROM identity WHERE contact_id = $1 LIMIT 1", contact)
    outbound = await pool.fetchval(
        "INSERT INTO outbound (interaction_id, conversation_id, channel_id, thread_key, identity_id, message)"
        " VALUES ($1, $2, $3, 'x', $4, $5) RETURNING id",
        message,
        conversation,
        world.channel,
        identity,
        {"text": text},
    )
    await pool.execute(
        "INSERT INTO outbound_attempt (outbound_id, took_ms, verdict, provider_text) VALUES ($1, 1, 'failed', $2)",
        outbound,
        text,
    )
    draft = {"kind": "message", "text": text}
    await pool.execute("INSERT INTO draft VALUES ($1, $2, $3, now())", world.anna.id, conversation, draft)
    await pool.execute("INSERT INTO task (title, text, contact_id) VALUES ($1, $1, $2)", text, contact)
    return conversation, message


async def erased(world: World, contact: UUID, **sizes: int) -> dict[str, Any]:
    """The certificate, once the worker is through."""
    begun = await world.root.call("POST", f"/contacts/{contact}/erase", WHY)
    assert (begun.status, begun.body["done"]) == (201, False), begun.body
    worker = Erasing(world.store, **sizes)
    while await worker.step() is not None:
        pass
    certificate: dict[str, Any] = (await world.root.get(f"/erasures/{begun.body['id']}")).body
    assert certificate["done"]
    return certificate


async def everything(world: World) -> str:
    """All rows of all tables, as text."""
    tables = await world.store.pool.fetch(
        "SELECT c.oid::regclass::text AS name FROM pg_class AS c WHERE c.relkind = 'r'"
        " AND c.relnamespace = 'public'::regnamespace"
    )
    found = []
    for table in tables:
        rows = await world.store.pool.fetch(f"SELECT t::text FROM {table['name']} AS t")
        found += [f"{table['name']}: {row['t']}" for row in rows]
    return "\n".join(found)


@pytest.mark.parametrize("sizes", [{}, {"batch": 1, "scan": 2}], ids=["at once", "row by row"])
async def test_nothing_of_the_person_is_left(world: World, sizes: dict[str, int]) -> None:
    """Search, journal, card, events, tables: what named him is empty, in batches of any size; the certificate counts it."""
    contact = await world.new_contact(SECRET, owner=world.anna, phone=PHONE, email=MAIL)
    await world.anna.call("PATCH", f"/contacts/{contact}", {"custom": {"passport": SECRET}, "tags": [SECRET]})
    _, message = await history(world, contact, SECRET)
    of_him = await entry(world, SECRET.encode(), [message])
    names_him = await entry(world, f'{{"from": "{PHONE.lstrip("+")}"}}'.encode())
    blob = await attached(world, message, SECRET.encode())
    assert (await everything(world)).count(SECRET) > 10
    certificate = await erased(world, contact, **sizes)
    assert (await world.sue.get(f"/interactions?q={SECRET}&order=desc")).items == []
    assert await world.sue.walk(f"/contacts?q={SECRET}") == []
    assert await world.sue.walk(f"/contacts?identity={PHONE.lstrip('+')}") == []
    card = (await world.sue.get(f"/contacts/{contact}")).body
    assert card["erased_at"]
    assert not {"name", "identities", "custom", "tags", "owner"} & card.keys()
    for number in (of_him, names_him):
        view = await world.root.get(f"/journal/{number}")
        assert view.status == 200, view.body
        assert SECRET not in str(view.body)
        assert PHONE.lstrip("+") not in str(view.body)
    left = await everything(world)
    for needle in (SECRET, SECRET.encode().hex(), PHONE.lstrip("+"), PHONE.lstrip("+").encode().hex(), MAIL):
        assert needle not in left, [line for line in left.splitlines() if needle in line]
    assert await world.store.pool.fetchval("SELECT refs FROM blob WHERE sha256 = $1", blob) == 0
    counts = certificate["counts"]
    wanted = {"contacts": 1, "identities": 2, "conversations": 1, "interactions": 1, "attachments": 1, "calls": 1}
    wanted |= {"outbound": 1, "drafts": 1, "tasks": 1, "journal": 2}
    assert {name: counts[name] for name in wanted} == wanted
    assert (certificate["reason"], certificate["asked_by"]) == (WHY["reason"], WHY["asked_by"])


async def test_words_are_no_longer_found(world: World) -> None:
    """The full-text search of the stream finds the message before and nothing after."""
    contact = await world.new_contact(phone=PHONE)
    await history(world, contact, "совершенно секретно")
    found = "SELECT count(*) FROM interaction WHERE search @@ websearch_to_tsquery('hub', 'секретно')"
    assert await world.store.pool.fetchval(found) == 1
    await erased(world, contact)
    assert await world.store.pool.fetchval(found) == 0


async def test_others_keep_what_is_theirs(world: World) -> None:
    """A longer number that holds his, another's history, a file both have, an unread payload: all stay."""
    contact = await world.new_contact(SECRET, phone=PHONE)
    other = await world.new_contact("Мария", phone="+79167654321")
    _, his = await history(world, contact, "его слова")
    _, hers = await history(world, other, "её слова")
    longer = await entry(world, b'{"id": "1%s99"}' % PHONE.lstrip("+").encode())
    hers_entry = await entry(world, "её слова".encode(), [hers])
    blob = await attached(world, his, b"both")
    assert await attached(world, hers, b"both") == blob
    await erased(world, contact)
    left = await everything(world)
    assert "его слова" not in left
    assert left.count("её слова") >= 6
    assert await world.store.pool.fetchval("SELECT refs FROM blob WHERE sha256 = $1", blob) == 1
    bodies = await world.store.pool.fetch(
        "SELECT body FROM journal WHERE id = ANY($1::bigint[]) ORDER BY id", [longer, hers_entry]
    )
    assert all(row["body"] for row in bodies)
    assert (await world.sue.get(f"/contacts/{other}")).body["name"] == "Мария"


async def test_who_writes_again_is_a_stranger(world: World) -> None:
    """His open thread leads nowhere and his address is free; waiting replies are never sent."""
    contact = await world.new_contact(SECRET, phone=PHONE)
    conversation, _ = await history(world, contact, "слово")
    await erased(world, contact)
    row = await world.store.pool.fetchrow("SELECT * FROM conversation WHERE id = $1", conversation)
    assert row is not None
    assert (row["status"], row["thread_key"]) == ("resolved", f"erased:{conversation}")
    assert await world.store.pool.fetchval("SELECT array_agg(state) FROM outbound") == ["cancelled"]
    made = await world.api.call("POST", "/contacts", {"identities": [{"kind": "phone", "value": PHONE}]})
    assert made.status == 201
    refused = await world.root.call("PATCH", f"/contacts/{contact}", {"name": "Снова"})
    assert refused.status == 409


async def test_merged_members_go_together_and_only_once(world: World) -> None:
    """All members of a card are erased; a second time is a conflict, and only administrators may."""
    contact, merged = await world.new_contact("А", phone=PHONE), await world.new_contact(SECRET, email=MAIL)
    await world.sue.call("POST", f"/contacts/{contact}/merge", {"other_id": str(merged)})
    await history(world, merged, SECRET)
    for person in (world.anna, world.sue):
        assert (await person.call("POST", f"/contacts/{contact}/erase", WHY)).status == 403
    certificate = await erased(world, merged)
    assert certificate["counts"]["contacts"] == 2
    assert SECRET not in await everything(world)
    assert (await world.root.call("POST", f"/contacts/{contact}/erase", WHY)).status == 409
    assert [one["id"] for one in await world.root.walk("/erasures")] == [certificate["id"]]
    told = [e["data"]["done"] for e in await world.root.walk("/events") if e["type"] == "contact.erased"]
    assert told == [False, True]
