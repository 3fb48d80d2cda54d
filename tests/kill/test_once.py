"""P2: the same payload again and again, at once, over several processes and through a kill, is one interaction."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.kill.checks import no_orphans, whole
from tests.kill.clients import Provider, provider, update
from tests.kill.harness import Site

pytestmark = [pytest.mark.kill, pytest.mark.timeout(240)]

ROUNDS = 50
REPEATS = 5


async def _all(telegram: Provider, bodies: list[bytes]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number, body in enumerate(bodies):
            tasks.create_task(telegram.deliver(body, number), name=f"delivery {number}")


async def test_five_times_at_once_with_a_kill_between(site: Site) -> None:
    """Each payload five times, at once, to two web processes, one of which dies when it has kept and not yet answered."""
    web, _, _ = await site.up("web", "web", "worker")
    # Five connections carry a payload each time, so that both processes get each, and one of them at least twice.
    bodies = [update(chat, 5000 + chat, 1) for chat in range(1, 41) for _ in range(REPEATS)]
    async with provider(site) as telegram, asyncio.TaskGroup() as tasks:
        async with site.held("journal_todo"):
            sending = tasks.create_task(_all(telegram, bodies), name="deliveries")
            await site.hanging("hub journal", 2)
            web.send(signal.SIGSTOP)
        await site.freed("hub journal")
        web.send(signal.SIGKILL)
        assert not sending.done()
        await site.restart(web)
        await sending
        assert telegram.retries
        assert telegram.answers[200] == len(bodies)
        # Again, long after: Telegram repeats what it is not sure of for a day.
        await _all(telegram, bodies[::REPEATS])
    await site.drained()
    await whole(site, {5000 + chat: 1 for chat in range(1, 41)})


async def test_a_new_client_on_two_channels_at_once(site: Site) -> None:
    """Two first messages of one new client, in the same millisecond, on different web processes and channels: one card,
    a conversation on each channel, and nothing left over. The same for 200 clients at once.
    """
    await site.up("web", "web", "worker", "worker")
    async with provider(site) as one, provider(site, channel=1) as other:
        other.addresses = other.addresses[::-1]
        for client in range(ROUNDS):
            await _first_words(one, other, [7000 + client])
        async with asyncio.TaskGroup() as tasks:
            async with site.held("journal"):
                burst = tasks.create_task(_first_words(one, other, list(range(8000, 8200))), name="burst")
                await site.hanging("hub journal", 2)
            await burst
    await site.drained()
    clients = ROUNDS + 200
    assert await site.count("SELECT count(*) FROM contact") == clients
    assert await site.count("SELECT count(*) FROM identity") == clients * 2
    assert await site.count("SELECT count(*) FROM interaction") == clients * 2
    assert await site.count("SELECT count(DISTINCT (channel_id, thread_key)) FROM conversation") == clients * 2
    assert await site.count("SELECT count(*) FROM conversation") == clients * 2
    assert await site.count("SELECT count(*) FROM merge_suggestion") == 0
    await no_orphans(site)


async def _first_words(one: Provider, other: Provider, clients: list[int]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            for telegram in (one, other):
                tasks.create_task(telegram.deliver(update(client, client, 1)), name=f"client {client}")
