"""The provider shows us our own messages as updates (P2, P7): each is one interaction, whatever came first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from connectors import registry
from connectors.base import Sent
from router.channels import Channels
from router.outbound import echoes, receipts
from router.outbound.claims import Claim, claim, mark_sending, take_back
from router.outbound.outcomes import DOUBLE, record, sent, surely_not
from storage.db import Connection
from storage.store import Store
from tests.outbound.provider_stub import Hub, Provider, until
from tests.pipeline.pipe import Pipe, flowing

TEXT = "Ваш заказ  готов,\nждём вас"


@dataclass
class Both:
    """One channel with its way in and its way out."""

    hub: Hub
    pipe: Pipe

    async def hears(self, *bodies: bytes) -> None:
        """The provider's updates, all in one batch."""
        await self.pipe.together(bodies)
        await self.pipe.done()

    async def stream(self) -> list[tuple[str, str, str]]:
        """(text, state, external id) of every interaction."""
        rows = await self.pipe.rows("SELECT text, state, external_id FROM interaction ORDER BY order_at, id")
        return [(row["text"], row["state"], row["external_id"]) for row in rows]

    async def whose(self, external_id: str) -> UUID | None:
        found: UUID | None = await self.hub.store.pool.fetchval(
            "SELECT interaction_id FROM external_ref WHERE channel_id = $1 AND external_id = $2",
            self.hub.channel_id,
            external_id,
        )
        return found

    async def begin(self) -> Claim:
        """The next message, marked as on its way, its answer still to come."""
        async with self.hub.store.pool.acquire() as c, c.transaction():
            (found,) = await claim(c, self.hub.channel_id, token=datetime.now(UTC).isoformat(), limit=1, max_class=2)
            await mark_sending(c, [found])
        return found

    async def answer(self, to: Claim, *ids: str) -> None:
        async with self.hub.store.pool.acquire() as c, c.transaction():
            await record(c, [sent(to, Sent(ids), 5)])

    async def crash(self) -> None:
        """Whoever was sending died."""
        await self.hub.store.pool.execute("UPDATE outbound SET lease_until = now() - interval '1 second'")
        async with self.hub.store.pool.acquire() as c:
            await take_back(c)


@pytest.fixture
async def both(store: Store, database: Any, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Both]:
    monkeypatch.setitem(registry.MODULES, "scripted", "tests.outbound.fake_connector")
    async with flowing(store, connector="scripted", settings={"base_url": provider.url}) as pipe:
        channels = Channels(store)
        await channels.refresh()
        yield Both(Hub(store, channels, pipe.channel.id, provider, database.redis_url), pipe)


def echo(external_id: str, text: str = TEXT, *, to: str = "anna", **more: Any) -> bytes:
    item = {"kind": "message", "direction": "out", "external_id": external_id, "text": text, "thread_key": to}
    return json.dumps([item | {"recipients": [{"kind": "external", "value": to}]} | more]).encode()


async def test_an_echo_before_the_answer_is_the_message(both: Both) -> None:
    """The update overtakes the answer to the request that it tells of: one interaction, sent, told once."""
    hub = both.hub
    hub.provider.open.clear()
    hub.provider.answers({"ids": ["X1", "X2"]})
    queued = await hub.reply(await hub.client("anna"), TEXT)
    assert queued.outbound_id is not None
    async with hub.sending():
        await until(lambda: _reached(hub.provider))
        await both.hears(echo("X1", " Ваш заказ готов, ждём вас"))
        row = await hub.row(queued.outbound_id)
        assert (row["state"], row["external_ids"]) == ("sent", ["X1"])
        hub.provider.open.set()
        await until(lambda: _ids(hub, queued.outbound_id, ["X1", "X2"]))
    assert await both.stream() == [(TEXT, "sent", "X1")]
    assert await both.whose("X1") == await both.whose("X2") == queued.interaction_id
    assert [e["state"] for e in await hub.events("interaction.state")] == ["sent"]
    assert len(await hub.events("interaction.created")) == 1
    assert await hub.verdicts(queued.outbound_id) == ["echoed"]
    (result,) = await both.pipe.rows("SELECT state, interactions FROM journal_result")
    assert (result["state"], result["interactions"]) == ("done", [queued.interaction_id])


async def _reached(provider: Provider) -> bool:
    return bool(provider.received)


async def _ids(hub: Hub, outbound: UUID | None, ids: list[str]) -> bool:
    assert outbound is not None
    return bool((await hub.row(outbound))["external_ids"] == ids)


async def test_an_echo_after_the_answer_is_no_news(both: Both) -> None:
    """The id is known: nothing changes, and an equal message on its way keeps waiting for its own."""
    anna = await both.hub.client("anna")
    first, second = [await both.hub.queued(anna, TEXT) for _ in range(2)]
    await both.answer(await both.begin(), "X1")
    await both.begin()
    await both.hears(echo("X1"))
    assert await both.stream() == [(TEXT, "sent", "X1"), (TEXT, "queued", "")]
    assert [await both.hub.state(one) for one in (first, second)] == ["sent", "sending"]


async def test_an_echo_ends_the_doubt_after_a_crash(both: Both) -> None:
    """The sender died before the answer: the echo proves that the message left, and brings the id for its receipts."""
    outbound = await both.hub.queued(await both.hub.client("anna"), TEXT)
    await both.begin()
    await both.crash()
    assert await both.hub.state(outbound) == "in_doubt"
    receipt = json.dumps([{"kind": "delivery", "external_id": "X1", "status": "delivered"}]).encode()
    await both.hears(receipt, echo("X1"))
    assert await both.hub.state(outbound) == "delivered"
    assert await both.stream() == [(TEXT, "delivered", "X1")]
    states = [e["state"] for e in await both.hub.events("interaction.state")]
    assert states[0] == "in_doubt"
    assert states[-1] == "delivered"
    assert (await both.hub.row(outbound))["error_class"] == ""
    assert await both.hub.verdicts(outbound) == ["in_doubt", "echoed"]


async def test_a_receipt_before_its_echo_waits_for_it(both: Both) -> None:
    """Delivered, in an earlier batch, under an id that only the echo tells to be ours."""
    outbound = await both.hub.queued(await both.hub.client("anna"), TEXT)
    await both.begin()
    await both.hears(json.dumps([{"kind": "delivery", "external_id": "X1", "status": "delivered"}]).encode())
    assert await both.hub.state(outbound) == "sending"
    await both.hears(echo("X1"))
    assert await both.hub.state(outbound) == "delivered"
    assert await both.hub.store.pool.fetchval("SELECT count(*) FROM pending_status") == 0


async def test_two_equal_texts_are_two_messages(both: Both) -> None:
    """One in doubt, one on its way, two echoes in one batch: each message is taken once, the older one first."""
    anna = await both.hub.client("anna")
    first = await both.hub.queued(anna, TEXT)
    await both.begin()
    await both.crash()
    second = await both.hub.queued(anna, TEXT)
    answer = await both.begin()
    assert answer.id == second
    await both.hears(echo("X1"), echo("X2"), echo("X1", sent_at=datetime.now(UTC).isoformat()))
    assert [await both.hub.state(one) for one in (first, second)] == ["sent", "sent"]
    assert await both.stream() == [(TEXT, "sent", "X1"), (TEXT, "sent", "X2")]
    await both.answer(answer, "X2")
    assert (await both.hub.row(second))["external_ids"] == ["X2"]
    assert len(await both.stream()) == 2


NOT_OURS: dict[str, dict[str, Any]] = {
    "another text": {"text": "Ваш заказ не готов"},
    "another client": {"to": "boris"},
    "a file with it": {"attachments": [{"name": "a.png", "url": "https://files.example/a.png"}]},
    "written an hour before": {"sent_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat()},
    "no text and no files": {"text": ""},
}


@pytest.mark.parametrize("told", NOT_OURS.values(), ids=NOT_OURS.keys())
async def test_what_a_colleague_sends_by_phone_is_an_interaction(both: Both, told: dict[str, Any]) -> None:
    """While a message of ours is on its way to a client, others that differ in one thing are others."""
    await both.hub.client("boris")
    outbound = await both.hub.queued(await both.hub.client("anna"), TEXT)
    await both.begin()
    await both.hears(echo("P1", **told))
    assert await both.hub.state(outbound) == "sending"
    assert len(await both.stream()) == 2


@pytest.mark.parametrize("state", ["queued", "claimed", "failed", "cancelled", "delivered"])
async def test_an_equal_text_without_one_on_its_way_is_an_interaction(both: Both, state: str) -> None:
    """A colleague wrote the same by phone: ours has not left yet, or has its id."""
    outbound = await both.hub.queued(await both.hub.client("anna"), TEXT)
    await both.hub.store.pool.execute("UPDATE outbound SET state = $1", state)
    await both.hears(echo("P1"))
    assert await both.hub.state(outbound) == state
    assert sorted(await both.stream()) == sorted([(TEXT, "queued", ""), (TEXT, "sent", "P1")])


async def test_a_client_is_known_by_address_where_the_echo_has_no_thread(both: Both) -> None:
    """Same address as the message was frozen with; and a message sent without an id takes the echo's."""
    outbound = await both.hub.queued(await both.hub.client("anna"), TEXT)
    await both.answer(await both.begin())
    assert (await both.hub.row(outbound))["external_ids"] == []
    await both.hears(echo("X1", recipients=[{"kind": "scripted", "value": "anna"}]))
    assert (await both.hub.row(outbound))["external_ids"] == ["X1"]
    assert await both.stream() == [(TEXT, "sent", "X1")]


async def test_an_old_doubt_does_not_take_todays_echo(both: Both) -> None:
    """In doubt for hours, then written anew: the echo is of the new one."""
    anna = await both.hub.client("anna")
    first = await both.hub.queued(anna, TEXT)
    await both.begin()
    await both.crash()
    await both.hub.store.pool.execute("UPDATE outbound_attempt SET at = at - interval '2 hours'")
    second = await both.hub.queued(anna, TEXT)
    await both.begin()
    await both.hears(echo("X1"))
    assert [await both.hub.state(one) for one in (first, second)] == ["in_doubt", "sent"]


async def test_of_two_equal_messages_one_stays_in_doubt(both: Both) -> None:
    """The older one took the echo that the answer says is the younger one's: one has arrived, one is not known."""
    anna = await both.hub.client("anna")
    first = await both.hub.queued(anna, TEXT)
    await both.begin()
    await both.crash()
    second = await both.hub.queued(anna, TEXT)
    answer = await both.begin()
    await both.hears(echo("X2"))
    assert [await both.hub.state(one) for one in (first, second)] == ["sent", "sending"]
    await both.answer(answer, "X2")
    assert await both.hub.state(first) == "sent"
    row = await both.hub.row(second)
    assert (row["state"], row["error_class"], row["error"]) == ("in_doubt", "in_doubt", DOUBLE)
    await _settled(both, answer, "X2")
    assert await both.hub.verdicts(second) == ["in_doubt", "unsettled"]
    assert await both.hub.state(second) == "in_doubt"
    await both.hears(echo("X3"))
    assert [await both.hub.state(one) for one in (first, second)] == ["sent", "sent"]


async def _settled(both: Both, claimed: Claim, *ids: str) -> None:
    async with both.hub.store.pool.acquire() as c, c.transaction():
        await record(c, [sent(claimed, Sent(ids), 0, settles=True)])


async def test_answers_after_the_echo_change_nothing_but_the_ids(both: Both) -> None:
    """The try ended in an error, or the provider's history knows nothing: the echo has proved the opposite."""
    outbound = await both.hub.queued(await both.hub.client("anna"), TEXT)
    claimed = await both.begin()
    await both.hears(echo("X1"))
    async with both.hub.store.pool.acquire() as c, c.transaction():
        await record(c, [surely_not(claimed)])
    assert await both.hub.state(outbound) == "sent"
    assert await both.hub.verdicts(outbound) == ["echoed"]


# ---------------------------------------------------------------- echoes that were not recognised


async def test_an_unrecognised_echo_goes_once_the_answer_names_it(both: Both) -> None:
    """A text sent in pieces: what the pieces became is taken out of the stream again, in the journal too."""
    queued = await both.hub.reply(await both.hub.client("anna"), TEXT)
    claimed = await both.begin()
    picture = [{"name": "a.png", "url": "https://files.example/a.png"}]
    await both.hears(echo("X1", "Ваш заказ"), echo("X2", "готов", attachments=picture), echo("P1", "по телефону"))
    assert len(await both.stream()) == 4
    await both.answer(claimed, "X1", "X2")
    assert await both.stream() == [(TEXT, "sent", "X1"), ("по телефону", "sent", "P1")]
    gone = await both.hub.events("interaction.deleted")
    assert {e["echo_of"] for e in gone} == {str(queued.interaction_id)}
    assert len(gone) == 2
    results = await both.pipe.rows("SELECT interactions FROM journal_result ORDER BY entry_id")
    assert [row["interactions"] == [queued.interaction_id] for row in results] == [True, True, False]
    assert await both.hub.store.pool.fetchval("SELECT interaction_id FROM attachment") == queued.interaction_id
    await both.hears(echo("X1", "Ваш заказ", meta={"again": True}))
    assert len(await both.stream()) == 2


async def test_editing_a_colleagues_message_does_not_remove_it(both: Both) -> None:
    """The answer to an edit names the message that was edited."""
    anna = await both.hub.client("anna")
    await both.hears(echo("P1", "по телефону"))
    await both.hub.queued(anna, "исправлено", meta={"action": "edit", "target_id": "P1"})
    await both.answer(await both.begin(), "P1")
    assert ("по телефону", "sent", "P1") in await both.stream()


async def test_a_clients_message_is_never_removed(both: Both) -> None:
    """Whatever ids a confused provider answers with."""
    incoming = {"kind": "message", "direction": "in", "external_id": "C1", "text": "да", "thread_key": "anna"}
    await both.hears(json.dumps([incoming | {"sender": {"kind": "external", "value": "anna"}}]).encode())
    await both.hub.queued(await _conversation(both), TEXT)
    await both.answer(await both.begin(), "C1")
    assert len(await both.stream()) == 2


async def _conversation(both: Both) -> UUID:
    found: UUID = await both.hub.store.pool.fetchval("SELECT id FROM conversation")
    await both.hub.store.pool.execute("UPDATE conversation SET last_in_at = now()")
    return found


async def test_a_replayed_echo_leaves_the_message_as_it_was(both: Both) -> None:
    """The journal's entry of an echo taken up again: our message still says who of us wrote it."""
    agent = await both.hub.store.pool.fetchval("INSERT INTO agent (name, login) VALUES ('Anna', 'anna') RETURNING id")
    await both.hub.queued(await both.hub.client("anna"), TEXT, agent_id=agent)
    await both.begin()
    await both.hears(echo("X1", sender={"kind": "external", "value": "shop"}))
    before = await both.pipe.rows("SELECT * FROM interaction")
    entry = await both.hub.store.pool.fetchval("SELECT id FROM journal")
    await both.pipe.replay(entry)
    assert await both.pipe.rows("SELECT * FROM interaction") == before
    assert before[0]["body"]["sender"]["value"] == str(agent)
    assert await both.hub.events("interaction.edited") == []


# ---------------------------------------------------------------- at the same instant


async def test_echo_and_answer_at_once_do_not_lock_each_other_out(both: Both) -> None:
    """Both hold the id first and the message second: whoever comes later waits, none of them fails."""
    outbound = await both.hub.queued(await both.hub.client("anna"), TEXT)
    claimed = await both.begin()
    async with both.hub.store.pool.acquire() as c:
        async with c.transaction():
            await record(c, [sent(claimed, Sent(["X1"]), 5)])
            await both.pipe.together([echo("X1")])
            await until(lambda: _waits(both.hub))
        await both.pipe.done()
    assert await both.hub.state(outbound) == "sent"
    assert await both.stream() == [(TEXT, "sent", "X1")]
    assert await both.pipe.states() == ["done"]


async def _waits(hub: Hub) -> bool:
    waiting = await hub.store.pool.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(waiting)


async def test_an_answer_waits_for_the_echo_in_hand(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer comes between the echo's registration and its effect: it must not hold the message meanwhile."""
    outbound = await both.hub.queued(await both.hub.client("anna"), TEXT)
    claimed = await both.begin()

    async with asyncio.TaskGroup() as tasks:

        async def apply_receipts(*args: Any) -> Any:
            if not answering:
                answering.append(tasks.create_task(both.answer(claimed, "X1"), name="answer"))
                await until(lambda: _waits(both.hub))
            return await receipts.apply_receipts(*args)

        answering: list[asyncio.Task[None]] = []
        monkeypatch.setattr("router.batch.apply_receipts", apply_receipts)
        await both.hears(echo("X1"))
    assert len(answering) == 1
    assert await both.hub.state(outbound) == "sent"
    assert await both.stream() == [(TEXT, "sent", "X1")]


async def test_a_message_answered_while_its_echo_is_written_is_looked_at_again(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken for the echo of a message that in that instant gets another id: the batch is done again, as two messages."""
    outbound = await both.hub.queued(await both.hub.client("anna"), TEXT)
    claimed = await both.begin()
    real = echoes.adopt

    async def adopt(connection: Connection, works: Any) -> dict[UUID, UUID]:
        found = await real(connection, works)
        if found:
            await both.answer(claimed, "X9")
        return found

    monkeypatch.setattr(echoes, "adopt", adopt)
    await both.hears(echo("P1"))
    assert (await both.hub.row(outbound))["external_ids"] == ["X9"]
    assert sorted(await both.stream()) == [(TEXT, "sent", "P1"), (TEXT, "sent", "X9")]


async def test_without_messages_of_ours_nothing_is_asked(both: Both) -> None:
    """The usual batch pays nothing for it."""

    class Refusing:
        async def fetch(self, *_args: Any) -> Any:
            raise AssertionError

    assert await echoes.adopt(Refusing(), []) == {}  # type: ignore[arg-type]


async def test_looking_for_messages_on_their_way_reads_no_whole_table(both: Both) -> None:
    """However many messages were ever sent: rows in hand, in doubt and of the last day have indexes."""
    await both.hub.store.pool.execute(
        "INSERT INTO outbound (id, interaction_id, conversation_id, channel_id, thread_key, identity_id, message, state)"
        " SELECT uuidv7(), uuidv7(), uuidv7(), $1, 'x' || n, uuidv7(), '{}', 'delivered' FROM generate_series(1, 20000) n",
        both.hub.channel_id,
    )
    await both.hub.store.pool.execute("ANALYZE outbound")
    rows = await both.hub.store.pool.fetch(
        f"EXPLAIN {echoes._ON_THEIR_WAY}", [both.hub.channel_id], ["anna"], ["anna"], UUID(int=1)
    )
    plan = "\n".join(row[0] for row in rows)
    assert "Seq Scan on outbound " not in plan, plan
