from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import aiohttp

from connectors.base import Class, Io, Sent
from router.outbound.claims import Claim, Held, Lease, claim, mark_sending, release, renew, take_back
from router.outbound.outcomes import Outcome, record, sent, unsent
from router.outbound.provider import Provider as Caller
from router.outbound.provider import guarded
from router.outbound.replies import cancel_reply
from tests.outbound.provider_stub import Hub


async def _claim(hub: Hub, token: str = "me", *, limit: int = 10, lease_s: float = 30) -> list[Claim]:
    async with hub.store.pool.acquire() as c:
        return await claim(c, hub.channel_id, token=token, limit=limit, max_class=Class.BULK, lease_s=lease_s)


async def _sending(hub: Hub, token: str = "me", *, lease_s: float = 30) -> list[Claim]:
    claims = await _claim(hub, token)
    async with hub.store.pool.acquire() as c:
        await mark_sending(c, claims, lease_s=lease_s)
    return claims


async def _record(hub: Hub, *outcomes: Outcome) -> None:
    async with hub.store.pool.acquire() as c, c.transaction():
        await record(c, outcomes)


async def _expire(hub: Hub) -> None:
    """Time passes for every lease, and the sweep comes round."""
    await hub.store.pool.execute(
        "UPDATE outbound SET lease_until = now() - interval '1 second' WHERE lease_until > now()"
    )
    async with hub.store.pool.acquire() as c:
        await take_back(c)


async def test_the_dead_lose_what_they_held(hub: Hub) -> None:
    """Claimed: queued again. Sending: in doubt, never queued, and told."""
    begun = await hub.queued(await hub.client(), "1")
    await _sending(hub, "dead")
    waiting = await hub.queued(await hub.client(), "2")
    await _claim(hub, "dead")
    await _expire(hub)
    assert (await hub.state(begun), await hub.state(waiting)) == ("in_doubt", "queued")
    assert [e["state"] for e in await hub.events("interaction.state")] == ["in_doubt"]
    assert await hub.verdicts(begun) == ["in_doubt"]


async def test_the_living_keep_what_they_renew(hub: Hub) -> None:
    """A long send does not end in doubt while its process lives."""
    outbound = await hub.queued(await hub.client(), "1")
    claims = await _sending(hub, lease_s=0)
    async with hub.store.pool.acquire() as c:
        assert await renew(c, claims) == {outbound}
        await take_back(c)
    assert await hub.state(outbound) == "sending"


async def test_one_message_of_an_address_at_a_time(hub: Hub) -> None:
    """Several claimers never hold two messages to one client, and never the later one first."""
    clients = [await hub.client() for _ in range(5)]
    numbered = [[await hub.queued(client, str(n)) for n in range(4)] for client in clients]
    firsts = [messages[0] for messages in numbered]
    rounds = await asyncio.gather(*(_claim(hub, f"w{n}", limit=3) for n in range(4)))
    assert sorted(c.id for claims in rounds for c in claims) == sorted(firsts)


async def test_a_frozen_process_cannot_overwrite(hub: Hub) -> None:
    """A person decided to send it again; the old process wakes up with a failure: nothing changes."""
    outbound = await hub.queued(await hub.client(), "1")
    (old,) = await _sending(hub, "frozen")
    await _expire(hub)
    await hub.store.pool.execute("UPDATE outbound SET state = 'queued', claimed_by = '', next_at = now()")
    (new,) = await _sending(hub, "other")
    await _record(hub, Outcome(old, "failed", "permanent", error="too late"))
    await _record(hub, sent(old, Sent(["late"]), 1))
    assert await hub.state(outbound) == "sending"
    await _record(hub, sent(new, Sent(["now"]), 1))
    row = await hub.row(outbound)
    assert (row["state"], row["external_ids"]) == ("sent", ["now"])


async def test_a_late_answer_ends_the_doubt(hub: Hub) -> None:
    """The process was only slow and the provider had said yes: that is knowledge, and the doubt is over."""
    outbound = await hub.queued(await hub.client(), "1")
    (slow,) = await _sending(hub, "slow")
    await _expire(hub)
    await _record(hub, Outcome(slow, "failed", "permanent", error="guess"))
    assert await hub.state(outbound) == "in_doubt"
    await _record(hub, sent(slow, Sent(["p9"]), 1))
    row = await hub.row(outbound)
    assert (row["state"], row["external_ids"], row["error"]) == ("sent", ["p9"], "")


async def test_a_lease_that_ran_out_sends_nothing(hub: Hub) -> None:
    """Woken after its lease, a process neither writes to the provider nor touches a row that others took."""
    outbound = await hub.queued(await hub.client(), "1")
    (claimed,) = await _sending(hub, "frozen")
    await _record(hub, unsent(claimed))
    assert await hub.state(outbound) == "queued"
    (claimed,) = await _sending(hub, "frozen2")
    await _expire(hub)
    await _record(hub, unsent(claimed))
    assert await hub.state(outbound) == "in_doubt"


async def test_the_lease_is_looked_at_after_connecting(hub: Hub) -> None:
    """Frozen between connecting and writing: nothing is written."""
    await hub.queued(await hub.client(), "1")
    (claimed,) = await _sending(hub)
    channel = hub.channels.get(hub.channel_id)
    assert channel is not None
    over = Lease(1.0, time.monotonic() - 5, time.time() - 5)
    asleep = Lease(60.0, time.monotonic(), time.time() - 600)
    async with guarded(aiohttp.ClientSession()) as http:
        caller = Caller(channel, Io(http=http), hub.store.blobs)
        answers = [await caller.send(Held(claimed, lease)) for lease in (over, asleep)]
        assert [type(answer).__name__ for answer in answers] == ["RetryLater", "RetryLater"]
        assert hub.provider.received == []
        await caller.send(Held(claimed, Lease(30.0, time.monotonic(), time.time())))
        assert len(hub.provider.received) == 1


async def test_cancelled_in_hand_is_not_sent(hub: Hub) -> None:
    """Taken back by its author while it waits for its turn: it can't be marked for sending any more."""
    outbound = await hub.queued(await hub.client(), "1")
    claims = await _claim(hub)
    async with hub.store.pool.acquire() as c:
        async with c.transaction():
            await cancel_reply(c, outbound, datetime.now(UTC))
        assert await mark_sending(c, claims) == set()
        await release(c, claims)
    assert await hub.state(outbound) == "cancelled"


async def test_an_address_blocked_meanwhile_is_not_marked(hub: Hub) -> None:
    """The client's refusal that arrives between claim and sending still counts; an erased address ends the message."""
    await hub.queued(await hub.client(), "1")
    claims = await _claim(hub)
    async with hub.store.pool.acquire() as c:
        await c.execute("UPDATE identity SET blocked_at = now()")
        assert await mark_sending(c, claims) == set()
        await release(c, claims)
        assert [one.unreachable != "" for one in await _claim(hub)] == [True]
        await c.execute("UPDATE outbound SET state = 'queued'")
        await c.execute("DELETE FROM identity")
        assert [one.unreachable for one in await _claim(hub)] == ["the address was erased"]


async def test_marking_twice_counts_one_try(hub: Hub) -> None:
    """The answer to the first commit got lost: asked again, the row is still ours, and no try is invented."""
    outbound = await hub.queued(await hub.client(), "1")
    claims = await _claim(hub)
    async with hub.store.pool.acquire() as c:
        assert await mark_sending(c, claims) == {outbound}
        assert await mark_sending(c, claims) == {outbound}
    assert (await hub.row(outbound))["attempts"] == 1


def test_a_lease_holds_by_both_clocks() -> None:
    """Each clock alone can end it, a tenth before the database would."""
    now, wall = time.monotonic(), time.time()
    assert Lease(30.0, now, wall).holds()
    assert not Lease(30.0, now - 28, wall).holds()
    assert not Lease(30.0, now, wall - 28).holds()


async def test_a_verdict_on_old_settings_does_not_break_a_mended_channel(hub: Hub) -> None:
    """The refusal of a token that was replaced meanwhile: the message goes back to the queue, the channel stays."""
    outbound = await hub.queued(await hub.client(), "1")
    (claimed,) = await _sending(hub)
    await hub.store.pool.execute("UPDATE channel SET version = version + 1")
    await _record(hub, Outcome(claimed, "queued", "channel", error="refused", channel_version=0))
    assert await hub.state(outbound) == "queued"
    assert await hub.store.pool.fetchval("SELECT state FROM channel") == "active"
    (claimed,) = await _sending(hub, "next")
    await _record(hub, Outcome(claimed, "queued", "channel", error="refused", channel_version=1))
    assert await hub.store.pool.fetchval("SELECT state FROM channel") == "broken"
