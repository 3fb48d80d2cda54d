from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from connectors.base import Limits
from router.outbound import channel_sender, states
from tests.outbound import fake_connector
from tests.outbound.provider_stub import Hub, until


async def test_a_reply_reaches_the_provider_and_its_id_is_known(hub: Hub) -> None:
    """What an agent writes arrives once, and everything that a receipt will need is recorded."""
    queued = await hub.reply(await hub.client("anna"), "Добрый день!")
    assert queued.outbound_id is not None
    async with hub.sending():
        row = await hub.becomes(queued.outbound_id, "sent")
    assert [(b["id"], b["to"], b["text"]) for b in hub.provider.received] == [
        (str(queued.outbound_id), "anna", "Добрый день!")
    ]
    assert (row["external_ids"], row["attempts"], row["error"]) == (["p1"], 1, "")
    interaction = await hub.store.pool.fetchrow("SELECT * FROM interaction WHERE id = $1", queued.interaction_id)
    assert interaction is not None
    assert (interaction["state"], interaction["external_id"]) == ("sent", "p1")
    assert interaction["sent_at"] is not None
    ref = await hub.store.pool.fetchval("SELECT interaction_id FROM external_ref WHERE external_id = 'p1'")
    assert ref == queued.interaction_id
    assert await hub.verdicts(queued.outbound_id) == ["sent"]
    assert (await hub.events("interaction.state"))[-1] == {
        "interaction_id": str(queued.interaction_id),
        "conversation_id": str(queued.conversation_id),
        "outbound_id": str(queued.outbound_id),
        "state": "sent",
    }


FINAL: list[tuple[dict[str, Any], str, str]] = [
    ({"error": "permanent"}, "failed", "permanent"),
    ({"error": "permanent", "address_is_bad": True}, "failed", "permanent"),
    ({"error": "blocked"}, "failed", "blocked"),
    ({"error": "window_closed"}, "failed", "window_closed"),
    ({"error": "in_doubt"}, "in_doubt", "in_doubt"),
    ({"raise": "secret text"}, "in_doubt", "in_doubt"),
]


@pytest.mark.parametrize(
    ("answer", "state", "class_"), FINAL, ids=lambda v: "-".join(v) if isinstance(v, dict) else None
)
async def test_a_final_verdict_ends_the_message(hub: Hub, answer: dict[str, Any], state: str, class_: str) -> None:
    """Each permanent verdict has its state and class, is told, and is never tried again by itself."""
    hub.provider.answers(answer)
    outbound = await hub.queued(await hub.client(), "привет")
    async with hub.sending():
        row = await hub.becomes(outbound, state)
    assert row["error_class"] == class_
    assert len(hub.provider.received) == 1
    event = (await hub.events("interaction.state"))[-1]
    assert (event["state"], event["error"]["class"]) == (state, class_)
    assert await hub.verdicts(outbound) == [class_]
    blocked = await hub.store.pool.fetchval(
        "SELECT blocked_at IS NOT NULL FROM identity WHERE id = $1", row["identity_id"]
    )
    assert blocked == (class_ == "blocked" or "address_is_bad" in answer)


async def test_an_unexpected_exception_is_logged_without_its_words(hub: Hub) -> None:
    """A connector's exception may quote text and address: the log gets type, place and ids alone."""
    hub.provider.answers({"raise": "secret text"})
    outbound = await hub.queued(await hub.client("+79161234567"), "пароль 123")
    with capture_logs() as logs:
        async with hub.sending():
            await hub.becomes(outbound, "in_doubt")
    raised = [entry for entry in logs if entry["event"] == "connector_raised"]
    assert [(entry["error"], entry["outbound_id"]) for entry in raised] == [("RuntimeError", str(outbound))]
    assert raised[0]["at"].startswith("fake_connector.py:")
    assert not any(word in str(logs) for word in ("secret", "пароль", "9161234567"))


@pytest.mark.parametrize("error", ["retry", "rate_limited"])
async def test_what_was_surely_not_accepted_is_tried_again(
    hub: Hub, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal that passes delays the message and does not lose it."""
    monkeypatch.setattr(states, "RETRY_S", (0.05, 0.1))
    hub.provider.answers({"error": error}, {"error": error})
    outbound = await hub.queued(await hub.client(), "привет")
    async with hub.sending():
        row = await hub.becomes(outbound, "sent")
    assert row["attempts"] == 3
    assert await hub.verdicts(outbound) == [error, error, "sent"]


async def test_retries_end_a_day_after_the_message_was_due(hub: Hub) -> None:
    """A live reply of yesterday helps nobody: it fails with the provider's reason."""
    hub.provider.answers({"error": "retry"})
    outbound = await hub.queued(await hub.client(), "привет")
    await hub.store.pool.execute(
        "UPDATE outbound SET message = jsonb_set(message, '{due_at}', to_jsonb(now() - interval '24 hours'))"
    )
    async with hub.sending():
        row = await hub.becomes(outbound, "failed")
    assert (row["error_class"], row["error_code"], row["error"]) == ("retry", "77", "refused")


async def test_a_pause_asked_for_holds_the_whole_channel(hub: Hub) -> None:
    """429: no other message leaves before the pause is over."""
    hub.provider.answers({"error": "rate_limited", "after_s": 1.0})
    first = await hub.queued(await hub.client(), "раз")
    async with hub.sending():
        await until(lambda: _attempted(hub, first))
        before = asyncio.get_running_loop().time()
        second = await hub.queued(await hub.client(), "два")
        await hub.becomes(second, "sent")
        assert asyncio.get_running_loop().time() - before > 0.5
        await hub.becomes(first, "sent")


async def _attempted(hub: Hub, outbound: Any) -> bool:
    return bool(await hub.verdicts(outbound))


async def test_a_broken_channel_keeps_its_queue_and_raises_an_alarm(hub: Hub) -> None:
    """A revoked token stops the channel; nothing in its queue fails, and it leaves once the channel is mended."""
    hub.provider.answers(*[{"error": "channel"}] * 4)
    outbound = await hub.queued(await hub.client(), "привет")

    async def broken() -> bool:
        return bool(await hub.store.pool.fetchval("SELECT state = 'broken' FROM channel WHERE id = $1", hub.channel_id))

    async with hub.sending():
        await until(broken)
        assert (await hub.becomes(outbound, "queued"))["error_class"] == "channel"
        assert [event["channel_id"] for event in await hub.events("channel.broken")] == [str(hub.channel_id)]
        problem = await hub.store.pool.fetchval(
            "SELECT problem FROM channel_health WHERE channel_id = $1", hub.channel_id
        )
        assert problem == "sending: refused"
        hub.provider.script = None
        await hub.store.pool.execute("UPDATE channel SET state = 'active', version = version + 1")
        await hub.channels.refresh()
        await hub.becomes(outbound, "sent")
    assert await hub.store.pool.fetchval("SELECT problem FROM channel_health") == ""


async def test_a_broken_channel_does_not_hold_up_another(hub: Hub) -> None:
    """Two channels, one broken: the other's messages leave."""
    from router.channels import add_channel

    async def script(body: dict[str, Any]) -> dict[str, Any] | None:
        return {"error": "channel"} if body["text"] == "bad" else None

    hub.provider.script = script
    async with hub.store.pool.acquire() as c:
        other, _ = await add_channel(
            c, hub.store.vault, connector="scripted", name="Other", values={"base_url": hub.provider.url}
        )
    await hub.channels.refresh()
    bad = await hub.queued(await hub.client(), "bad")
    good = await hub.queued(await hub.client(channel_id=other), "good")
    async with hub.sending():
        await hub.becomes(good, "sent")
        await hub.becomes(bad, "queued")


async def test_one_address_keeps_its_order_over_retries(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a message waits for its next try, the later ones to the same client wait too, those to others do not."""
    monkeypatch.setattr(states, "RETRY_S", (0.3,))
    refused: list[str] = []

    async def script(body: dict[str, Any]) -> dict[str, Any] | None:
        if body["text"] in {"1", "3"} and body["text"] not in refused:
            refused.append(body["text"])
            return {"error": "retry"}
        return None

    hub.provider.script = script
    anna, boris = await hub.client(), await hub.client()
    annas = [await hub.queued(anna, str(n)) for n in range(1, 6)]
    other = await hub.queued(boris, "other")
    async with hub.sending():
        await hub.becomes(other, "sent")
        await hub.becomes(annas[-1], "sent")
    assert [text for text in hub.provider.texts if text != "other"] == ["1", "1", "2", "3", "3", "4", "5"]
    assert hub.provider.texts.index("other") < hub.provider.texts.index("2")


async def test_a_failed_message_does_not_block_the_next(hub: Hub) -> None:
    """Failed or in doubt: the next message to the client leaves all the same."""
    hub.provider.answers({"error": "in_doubt"}, {"error": "permanent"})
    anna = await hub.client()
    first, second, third = [await hub.queued(anna, text) for text in ("1", "2", "3")]
    async with hub.sending():
        await hub.becomes(third, "sent")
    assert (await hub.state(first), await hub.state(second)) == ("in_doubt", "failed")


async def test_a_message_for_later_stands_in_nobodys_way(hub: Hub) -> None:
    """One planned for tomorrow waits; what is written to the same client after it leaves now."""
    anna = await hub.client()
    planned = await hub.queued(anna, "завтра", send_at=datetime.now(UTC) + timedelta(days=1))
    now = await hub.queued(anna, "сейчас")
    async with hub.sending():
        await hub.becomes(now, "sent")
    assert await hub.state(planned) == "queued"
    assert hub.provider.texts == ["сейчас"]


async def test_live_goes_before_bulk(hub: Hub) -> None:
    """A reply written after fifty bulk messages were queued leaves before them, also to the same address."""
    clients = [await hub.client() for _ in range(50)]
    for client in clients:
        await hub.queued(client, "bulk")
    await hub.store.pool.execute("UPDATE outbound SET class = 2")
    live = await hub.queued(clients[0], "live")
    async with hub.sending():
        await hub.becomes(live, "sent")
    assert "live" in hub.provider.texts[: fake_connector.connector.limits.parallel]


async def test_bulk_in_flight_leaves_a_slot_for_a_live_message(hub: Hub) -> None:
    """While slow bulk messages hold their connections, a reply leaves at once."""
    gate = asyncio.Event()

    async def script(body: dict[str, Any]) -> None:
        if body["text"] == "bulk":
            await gate.wait()

    hub.provider.script = script
    parallel = fake_connector.connector.limits.parallel
    for _ in range(3 * parallel):
        await hub.queued(await hub.client(), "bulk")
    await hub.store.pool.execute("UPDATE outbound SET class = 2")

    async def full() -> bool:
        return len(hub.provider.received) == parallel - 1

    async with hub.sending():
        await until(full)
        live = await hub.queued(await hub.client(), "live")
        await hub.becomes(live, "sent")
        gate.set()


async def test_no_more_are_sending_than_connections_in_use(hub: Hub) -> None:
    """A crash can leave in doubt only what was really on the wire."""
    hub.provider.open.clear()
    for _ in range(20):
        await hub.queued(await hub.client(), "x")
    parallel = fake_connector.connector.limits.parallel

    async def full() -> bool:
        return len(hub.provider.received) == parallel

    async with hub.sending():
        await until(full)
        assert await hub.store.pool.fetchval("SELECT count(*) FROM outbound WHERE state = 'sending'") == parallel
        hub.provider.open.set()


async def test_an_address_that_refuses_is_not_written_to_again(hub: Hub) -> None:
    """Blocked: what is queued for the same address fails without reaching the provider."""
    hub.provider.answers({"error": "blocked"})
    anna = await hub.client()
    first, second = await hub.queued(anna, "1"), await hub.queued(anna, "2")
    async with hub.sending():
        await hub.becomes(first, "failed")
        row = await hub.becomes(second, "failed")
    assert row["error_class"] == "blocked"
    assert hub.provider.texts == ["1"]


async def test_stopping_waits_for_what_is_in_flight(hub: Hub) -> None:
    """SIGTERM drains: messages in flight end and are recorded, what was not begun is queued again, nothing new starts."""
    hub.provider.open.clear()
    all_ = [await hub.queued(await hub.client(), str(n)) for n in range(12)]
    parallel = fake_connector.connector.limits.parallel

    async def full() -> bool:
        return len(hub.provider.received) == parallel

    async with hub.sending() as task:
        await until(full)
        task.cancel()

        async def handed_back() -> bool:
            return not await hub.store.pool.fetchval("SELECT count(*) FROM outbound WHERE state = 'claimed'")

        await until(handed_back)
        hub.provider.open.set()
        await asyncio.wait([task])
    found = [await hub.state(one) for one in all_]
    assert (found.count("sent"), found.count("queued")) == (parallel, 12 - parallel)
    assert len(hub.provider.received) == parallel


async def test_what_does_not_end_in_time_is_in_doubt(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that does not answer does not hold the process for ever, and the message is not believed lost."""
    monkeypatch.setattr(channel_sender, "DRAIN_S", 0.2)
    hub.provider.open.clear()
    outbound = await hub.queued(await hub.client(), "x")

    async def arrived() -> bool:
        return bool(hub.provider.received)

    async with hub.sending():
        await until(arrived)
    assert await hub.state(outbound) == "in_doubt"


async def test_sending_goes_on_without_redis(hub: Hub) -> None:
    """Redis is disposable: with none there, messages leave at the process's own pace."""
    outbound = await hub.queued(await hub.client(), "x")
    async with hub.sending(redis_url="redis://127.0.0.1:1/0"):
        await hub.becomes(outbound, "sent")


async def test_a_doubt_is_cleared_by_the_providers_history(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found in the history: sent, with its id. Surely not there: sent now. Not known: stays in doubt, asked a few times."""
    monkeypatch.setattr(channel_sender, "SETTLE_SWEEP_S", 0.05)
    hub.provider.answers(*[{"error": "in_doubt"}] * 3)
    known, never, unknown = [await hub.queued(await hub.client(), text) for text in ("known", "never", "unknown")]
    hub.provider.history = {str(known): {"ids": ["h1"]}, str(never): {"never": True}}
    async with hub.sending():
        for one in (known, never, unknown):
            await hub.becomes(one, "in_doubt")
        for _ in states.SETTLE_S:
            asked = len(await hub.verdicts(unknown))
            await hub.store.pool.execute("UPDATE outbound SET next_at = now() WHERE state = 'in_doubt'")

            async def asked_again(before: int = asked) -> bool:
                return len(await hub.verdicts(unknown)) > before

            await until(asked_again)
        await hub.becomes(known, "sent")
        await hub.becomes(never, "sent")
    assert (await hub.row(known))["external_ids"] == ["h1"]
    assert hub.provider.texts.count("known") == 1
    assert hub.provider.texts.count("never") == 2
    assert await hub.verdicts(unknown) == ["in_doubt", *["unsettled"] * len(states.SETTLE_S)]


async def test_the_channels_rate_is_kept(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty a second: thirty messages need over a second."""
    slow = Limits(per_s=20, per_address_s=1000, parallel=8)
    monkeypatch.setattr("router.outbound.channel_sender.ChannelSender._limits", slow)
    last = [await hub.queued(await hub.client(), "x") for _ in range(30)][-1]
    before = asyncio.get_running_loop().time()
    async with hub.sending():
        await hub.becomes(last, "sent")
    assert asyncio.get_running_loop().time() - before > 1.2


async def test_an_attached_file_is_sent(hub: Hub) -> None:
    """Files travel with their reply; the same upload can't be used twice."""
    kept = await hub.store.blobs.keep("содержимое".encode())
    file = await hub.store.pool.fetchval(
        "INSERT INTO attachment (name, type, size, blob, state) VALUES ('a.txt', 'text/plain', 20, $1, 'kept') RETURNING id",
        kept.sha256,
    )
    outbound = await hub.queued(await hub.client(), "", attachment_ids=[file])
    async with hub.sending():
        await hub.becomes(outbound, "sent")
    assert hub.provider.received[0]["files"] == ["содержимое"]
