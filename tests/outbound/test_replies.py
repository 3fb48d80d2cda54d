from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from config.errors import BadRequest, Conflict, NotFound, WindowClosed
from connectors.base import Capabilities
from router.channels import add_channel
from router.outbound.replies import NewReply, cancel_reply, queue_reply, retry, settle
from tests.outbound.provider_stub import Hub, until


async def _agent(hub: Hub, name: str = "Анна") -> UUID:
    found: UUID = await hub.store.pool.fetchval(
        "INSERT INTO agent (login, name) VALUES ($1, $1) RETURNING id", f"{name}{uuid4().hex[:6]}"
    )
    return found


async def _identity(hub: Hub, conversation: UUID) -> UUID:
    found: UUID = await hub.store.pool.fetchval("SELECT identity_id FROM conversation WHERE id = $1", conversation)
    return found


async def _same_card(hub: Hub, one: UUID, other: UUID) -> None:
    """The clients of both conversations turn out to be one person: the cards are merged."""
    await hub.store.pool.execute(
        "UPDATE contact SET card_id = (SELECT contact_id FROM conversation WHERE id = $1)"
        " WHERE id = (SELECT contact_id FROM conversation WHERE id = $2)",
        one,
        other,
    )


async def test_a_reply_is_shown_at_once(hub: Hub) -> None:
    """Interaction, conversation, participant and the event with all keys of the contract, in one transaction."""
    agent, owner = await _agent(hub), await _agent(hub, "Борис")
    anna = await hub.client("anna")
    await hub.store.pool.execute("UPDATE contact SET owner_id = $1", owner)
    await hub.store.pool.execute("UPDATE conversation SET status = 'snoozed', snoozed_until = now()")
    queued = await hub.reply(anna, "Хлеб будет к шести", agent_id=agent)
    assert (queued.state, queued.conversation_id) == ("queued", anna)
    conversation = await hub.store.pool.fetchrow("SELECT * FROM conversation WHERE id = $1", anna)
    assert conversation is not None
    assert (conversation["status"], conversation["unread"], conversation["last_text"]) == (
        "open",
        0,
        "Хлеб будет к шести",
    )
    assert (conversation["version"], conversation["assignee_id"]) == (1, None)
    assert conversation["first_response_at"] is not None
    event = await hub.store.pool.fetchrow("SELECT * FROM event WHERE type = 'interaction.created'")
    assert event is not None
    assert set(event["audience"]) == {f"agent:{agent}", f"agent:{owner}"}
    assert event["id"] == queued.event_id
    (data,) = await hub.events("interaction.created")
    keys = "id at sent_at received_at kind direction channel_id contact_id conversation_id external_id sender text"
    assert set(data["interaction"]) == {*keys.split(), "attachments", "state"}
    found = await hub.store.pool.fetchval(
        "SELECT count(*) FROM interaction WHERE search @@ to_tsquery('hub', 'хлеба') AND id = $1",
        queued.interaction_id,
    )
    assert found == 1


async def test_a_note_is_for_colleagues(hub: Hub) -> None:
    """It is in the stream, is sent nowhere, and does not count as an answer."""
    anna = await hub.client()
    queued = await hub.reply(anna, "перезвонить", kind="note", agent_id=await _agent(hub))
    assert queued.outbound_id is None
    assert await hub.store.pool.fetchval("SELECT count(*) FROM outbound") == 0
    row = await hub.store.pool.fetchrow("SELECT first_response_at, unread FROM conversation")
    assert row is not None
    assert tuple(row) == (None, 3)


BAD: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"text": "  "}, BadRequest),
    ({"text": "a\0b"}, BadRequest),
    ({"text": "\ud800"}, BadRequest),
    ({"text": "x" * 201}, BadRequest),
    ({"text": "x", "attachment_ids": [uuid4()]}, BadRequest),
    ({"text": "x", "reply_to": uuid4()}, BadRequest),
    ({"text": "x", "identity_id": uuid4()}, BadRequest),
    ({"text": "x", "conversation_id": uuid4()}, NotFound),
    ({"text": "x", "conversation_id": uuid4(), "kind": "note"}, NotFound),
]


@pytest.mark.parametrize(("asked", "error"), BAD)
async def test_what_can_not_be_sent_is_refused(hub: Hub, asked: dict[str, Any], error: type[Exception]) -> None:
    """Each refusal has its class, and nothing of it stays."""
    anna = await hub.client()
    with pytest.raises(error):
        async with hub.store.pool.acquire() as c, c.transaction():
            await queue_reply(c, NewReply(**({"conversation_id": anna} | asked)), datetime.now(UTC))
    assert await hub.store.pool.fetchval("SELECT count(*) FROM interaction") == 0


async def test_an_upload_is_used_once(hub: Hub) -> None:
    """A file sent with one reply can't be taken into another, nor can somebody else's."""
    agent, other = await _agent(hub), await _agent(hub)
    insert = (
        "INSERT INTO attachment (name, size, blob, state, uploaded_by) VALUES ('a', $2, 'x', 'kept', $1) RETURNING id"
    )
    file = await hub.store.pool.fetchval(insert, agent, 10)
    big = await hub.store.pool.fetchval(insert, agent, 1001)
    anna = await hub.client()
    for asked, by in ((file, other), (big, agent)):
        with pytest.raises(BadRequest):
            await hub.reply(anna, "x", attachment_ids=[asked], agent_id=by)
    await hub.reply(anna, "x", attachment_ids=[file], agent_id=agent)
    with pytest.raises(BadRequest):
        await hub.reply(anna, "x", attachment_ids=[file], agent_id=agent)


async def test_the_window_counts_from_the_clients_last_message(hub: Hub) -> None:
    """A day later free text is refused, also one planned for then; a template is not."""
    able = Capabilities(window_s=24 * 3600, templates=True)
    now = datetime.now(UTC)
    anna = await hub.client(last_in_at=now - timedelta(hours=23))

    async def ask(at: datetime, **more: Any) -> None:
        async with hub.store.pool.acquire() as c, c.transaction():
            await queue_reply(c, NewReply(anna, text="x", **more), at, capabilities=able)

    await ask(now)
    with pytest.raises(WindowClosed):
        await ask(now + timedelta(hours=2))
    with pytest.raises(WindowClosed):
        await ask(now, send_at=now + timedelta(hours=2))
    await ask(now + timedelta(hours=2), meta={"template": "hello"})


async def test_a_blocked_address_is_refused(hub: Hub) -> None:
    """On the stop list: said at once, not after queueing."""
    anna = await hub.client()
    await hub.store.pool.execute("UPDATE identity SET blocked_at = now()")
    with pytest.raises(Conflict):
        await hub.reply(anna, "x")


async def test_another_address_continues_its_own_conversation(hub: Hub) -> None:
    """A reply by another channel goes into that channel's thread, with the same assignee; a stranger's address does not."""
    agent = await _agent(hub)
    other_channel = await _channel(hub)
    anna, mobile, stranger = (
        await hub.client("anna"),
        await hub.client("mob", channel_id=other_channel),
        await hub.client(),
    )
    await hub.store.pool.execute("UPDATE conversation SET assignee_id = $1 WHERE id = $2", agent, anna)
    identity = await _identity(hub, mobile)
    with pytest.raises(BadRequest):
        await hub.reply(anna, "x", identity_id=identity)
    await _same_card(hub, anna, mobile)
    queued = await hub.reply(anna, "x", identity_id=identity)
    assert queued.conversation_id == mobile
    row = await hub.store.pool.fetchrow("SELECT * FROM conversation WHERE id = $1", mobile)
    assert row is not None
    assert (row["assignee_id"], row["assignment_reason"] != "") == (agent, True)
    with pytest.raises(BadRequest):
        await hub.reply(anna, "x", identity_id=await _identity(hub, stranger))

    await hub.store.pool.execute("UPDATE conversation SET status = 'resolved' WHERE id = $1", mobile)
    queued = await hub.reply(anna, "снова", identity_id=identity)
    new = await hub.store.pool.fetchrow("SELECT * FROM conversation WHERE id = $1", queued.conversation_id)
    assert new is not None
    assert (new["thread_key"], new["previous_id"], new["assignee_id"]) == ("mob", mobile, agent)
    assert await hub.store.pool.fetchval("SELECT count(*) FROM assignment WHERE conversation_id = $1", new["id"]) == 1
    assert queued.outbound_id is not None
    assert (await hub.row(queued.outbound_id))["channel_id"] == other_channel


async def _channel(hub: Hub) -> UUID:
    async with hub.store.pool.acquire() as c:
        found, _ = await add_channel(
            c, hub.store.vault, connector="scripted", name="Other", values={"base_url": hub.provider.url}
        )
    await hub.channels.refresh()
    return found


async def test_an_address_never_used_needs_the_only_channel_that_reaches_it(hub: Hub) -> None:
    """One active channel that can: a new conversation there. Two: a person has to say which."""
    anna = await hub.client("anna")
    contact = await hub.store.pool.fetchval("SELECT contact_id FROM conversation")
    new = await hub.store.pool.fetchval(
        "INSERT INTO identity (kind, value, contact_id) VALUES ('scripted', 'new', $1) RETURNING id", contact
    )
    other = await _channel(hub)
    with pytest.raises(Conflict):
        await hub.reply(anna, "x", identity_id=new)
    await hub.store.pool.execute("UPDATE channel SET state = 'paused' WHERE id = $1", other)
    queued = await hub.reply(anna, "x", identity_id=new)
    row = await hub.store.pool.fetchrow("SELECT * FROM conversation WHERE id = $1", queued.conversation_id)
    assert row is not None
    assert (row["thread_key"], row["channel_id"], row["id"] != anna) == ("new", hub.channel_id, True)


async def test_two_replies_at_once_open_one_conversation(hub: Hub) -> None:
    """Two agents write to the same new address in the same moment: one thread, both messages in it."""
    anna = await hub.client("anna")
    contact = await hub.store.pool.fetchval("SELECT contact_id FROM conversation")
    new = await hub.store.pool.fetchval(
        "INSERT INTO identity (kind, value, contact_id) VALUES ('scripted', 'new', $1) RETURNING id", contact
    )
    both = await asyncio.gather(*(hub.reply(anna, str(n), identity_id=new) for n in range(4)))
    assert len({queued.conversation_id for queued in both}) == 1


async def test_a_reply_opens_a_resolved_conversation_again(hub: Hub) -> None:
    """Unless the thread has gone on in a newer one: then it goes there."""
    anna = await hub.client("anna")
    await hub.store.pool.execute("UPDATE conversation SET status = 'resolved', resolved_at = now()")
    assert (await hub.reply(anna, "x")).conversation_id == anna
    assert await hub.store.pool.fetchval("SELECT status FROM conversation") == "open"
    await hub.store.pool.execute("UPDATE conversation SET status = 'resolved'")
    newer = await hub.store.pool.fetchval(
        "INSERT INTO conversation (channel_id, thread_key, contact_id, identity_id)"
        " SELECT channel_id, thread_key, contact_id, identity_id FROM conversation RETURNING id"
    )
    assert (await hub.reply(anna, "y")).conversation_id == newer


async def test_what_is_quoted_travels_with_the_reply(hub: Hub) -> None:
    """The provider's id of the message replied to."""
    anna = await hub.client()
    first = await hub.reply(anna, "1")
    assert first.outbound_id is not None
    async with hub.sending():
        await hub.becomes(first.outbound_id, "sent")
        second = await hub.queued(anna, "2", reply_to=first.interaction_id)
        await hub.becomes(second, "sent")
    assert hub.provider.received[1]["reply_to"] == "p1"


async def test_a_failed_message_is_sent_again_by_hand(hub: Hub) -> None:
    """Retry really sends; what is not failed can't be retried, what is sent can't be cancelled."""
    hub.provider.answers({"error": "permanent"})
    outbound = await hub.queued(await hub.client(), "x")
    now = datetime.now(UTC)
    async with hub.sending():
        await hub.becomes(outbound, "failed")
        async with hub.store.pool.acquire() as c:
            async with c.transaction():
                await retry(c, outbound, now)
            await hub.becomes(outbound, "sent")
            for change in (retry, cancel_reply):
                with pytest.raises(Conflict):
                    async with c.transaction():
                        await change(c, outbound, now)
            with pytest.raises(NotFound):
                await retry(c, uuid4(), now)
    assert hub.provider.texts == ["x", "x"]
    assert await hub.verdicts(outbound) == ["permanent", "again_by_hand", "sent"]


async def test_a_person_settles_a_doubt(hub: Hub) -> None:
    """Marked sent: not sent again. Marked again: sent once more."""
    hub.provider.answers({"error": "in_doubt"}, {"error": "in_doubt"})
    first, second = [await hub.queued(await hub.client(), text) for text in ("1", "2")]
    now = datetime.now(UTC)
    async with hub.sending():
        await hub.becomes(first, "in_doubt")
        await hub.becomes(second, "in_doubt")
        async with hub.store.pool.acquire() as c:
            async with c.transaction():
                await settle(c, first, "sent", now)
            async with c.transaction():
                await settle(c, second, "again", now)
        await hub.becomes(second, "sent")
    assert await hub.state(first) == "sent"
    assert sorted(hub.provider.texts) == ["1", "2", "2"]


async def test_a_queued_message_is_cancelled(hub: Hub) -> None:
    """It is never sent, and the stream says so."""
    anna = await hub.client()
    first = await hub.reply(anna, "1")
    assert first.outbound_id is not None
    async with hub.store.pool.acquire() as c, c.transaction():
        await cancel_reply(c, first.outbound_id, datetime.now(UTC))
    second = await hub.queued(anna, "2")
    async with hub.sending():
        await hub.becomes(second, "sent")
    assert hub.provider.texts == ["2"]
    state = await hub.store.pool.fetchval("SELECT state FROM interaction WHERE id = $1", first.interaction_id)
    assert state == "cancelled"


async def test_a_reply_wakes_the_sender(hub: Hub) -> None:
    """From the reply to the provider in a moment, not in a sweep."""
    anna = await hub.client()
    async with hub.sending():
        await hub.becomes(await hub.queued(anna, "warm"), "sent")
        before = asyncio.get_running_loop().time()
        await hub.queued(anna, "now")

        async def arrived() -> bool:
            return "now" in hub.provider.texts

        await until(arrived)
        assert asyncio.get_running_loop().time() - before < 0.5
