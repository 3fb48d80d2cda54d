"""live_p99_ms, ws_kb_per_agent: 1,000 agents connected, 50 new messages a second, each heard by the 50 of its queue."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import aiohttp

from bench import procs
from bench.figures import Figure, Plan, Unmeasurable, quantile, spread
from bench.frames import Listener, listening
from bench.harness import Hub, add_contacts, running_hub
from bench.openloop import HEADERS, LATE_S, REGULARS, Stream
from storage.db import RawConnection
from storage.tokens import digest

AGENTS, QUICK_AGENTS = 1000, 100
QUEUES = 20
RATE = 50
WARM_S = 2.0
SETTLE_S = 3.0

_AGENTS = """
INSERT INTO agent (login, name, role) SELECT 'a' || n, 'Agent ' || n, 'agent' FROM generate_series(1, $1) AS n RETURNING id
"""
_TOKENS = """
INSERT INTO api_token (name, hash, scopes, agent_id)
SELECT 'bench', t.hash, '{all}', t.agent_id FROM unnest($1::bytea[], $2::uuid[]) AS t (hash, agent_id)
"""
_QUEUES = "INSERT INTO queue (name) SELECT 'Queue ' || n FROM generate_series(1, $1) AS n RETURNING id"


async def run(plan: Plan) -> list[Figure]:
    agents = QUICK_AGENTS if plan.quick else AGENTS
    async with running_hub() as hub:
        connection = await hub.connect()
        await add_contacts(connection, REGULARS)
        teams = await _staff(connection, agents)
        hooks = await _channels(hub, connection, list(teams))
        await connection.close()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
            stream = Stream()
            await _warm(http, hooks, stream)
            before = procs.pss_mb([hub.pid])
            async with _connected(hub, teams) as listeners:
                await asyncio.sleep(SETTLE_S)
                kb_each = 1024 * (procs.pss_mb([hub.pid]) - before) / agents
                took = await _stream(http, hooks, listeners, stream, plan.seconds)
    beside = [
        f"{agents} sockets in {QUEUES} queues, {RATE} messages/s, each to {agents // QUEUES} agents",
        f"{len(took):,} frames, POST to frame, ms:  {spread(took)}",
    ]
    return [
        Figure("live_p99_ms", quantile(took, 0.99), 500, beside=beside),
        Figure(
            "ws_kb_per_agent", kb_each, 50, beside=[f"memory of the web process with {agents} sockets, less before"]
        ),
    ]


async def _staff(connection: RawConnection, count: int) -> dict[UUID, list[str]]:
    """Agents with tokens, by queue."""
    agents = [row["id"] for row in await connection.fetch(_AGENTS, count)]
    tokens = [secrets.token_urlsafe(32) for _ in agents]
    await connection.execute(_TOKENS, [digest(token) for token in tokens], agents)
    queues = [row["id"] for row in await connection.fetch(_QUEUES, QUEUES)]
    members = [(queues[n % QUEUES], agent) for n, agent in enumerate(agents)]
    await connection.copy_records_to_table("queue_member", records=members, columns=("queue_id", "agent_id"))
    return {queue: tokens[n::QUEUES] for n, queue in enumerate(queues)}


async def _channels(hub: Hub, connection: RawConnection, queues: Sequence[UUID]) -> list[str]:
    """A bot for each queue; the addresses of their hooks, once the hub knows them."""
    bots = await hub.add_bots(len(queues))
    for (channel_id, _), queue in zip(bots, queues, strict=True):
        await connection.execute("UPDATE channel SET queue_id = $2 WHERE id = $1", channel_id, queue)
    return [hub.base + path for _, path in bots]


@asynccontextmanager
async def _connected(hub: Hub, teams: dict[UUID, list[str]]) -> AsyncIterator[list[list[Listener]]]:
    """A socket of every agent, by queue in the order of `teams`."""
    async with AsyncExitStack() as stack:
        found: list[list[Listener]] = [[] for _ in teams]
        places = [(place, token) for place, tokens in enumerate(teams.values()) for token in tokens]
        for place, token in places:
            found[place].append(await stack.enter_async_context(listening(hub.port, token)))
        yield found


async def _warm(http: aiohttp.ClientSession, hooks: Sequence[str], stream: Stream) -> None:
    for n in range(int(WARM_S * RATE)):
        await _post(http, hooks[n % len(hooks)], stream.next()[1])


async def _post(http: aiohttp.ClientSession, hook: str, body: bytes) -> None:
    async with http.post(hook, data=body, headers=HEADERS) as answer:
        if answer.status != 200:
            raise Unmeasurable(f"a message was answered with {answer.status}")


async def _stream(
    http: aiohttp.ClientSession,
    hooks: Sequence[str],
    listeners: Sequence[Sequence[Listener]],
    stream: Stream,
    seconds: float,
) -> list[float]:
    """Milliseconds of every frame at every socket that had to hear it. Raises Unmeasurable if one did not."""
    sent: list[tuple[int, bytes, float]] = []
    for team in listeners:
        for listener in team:
            listener.watched = {}
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for n in range(int(seconds * RATE)):
            key, body = stream.next()
            await asyncio.sleep(max(0.0, began + n / RATE - time.perf_counter()))
            place = n % len(hooks)
            sent.append((place, key, time.perf_counter()))
            tasks.create_task(_post(http, hooks[place], body), name="post")
    deadline = time.perf_counter() + LATE_S
    while missing := _missing(sent, listeners):
        if time.perf_counter() > deadline:
            raise Unmeasurable(f"{missing} frames of {len(sent)} messages never came")
        await asyncio.sleep(0.1)
    return [1000 * (_seen(listener)[key] - at) for place, key, at in sent for listener in listeners[place]]


def _missing(sent: Sequence[tuple[int, bytes, float]], listeners: Sequence[Sequence[Listener]]) -> int:
    return sum(key not in _seen(listener) for place, key, _ in sent for listener in listeners[place])


def _seen(listener: Listener) -> dict[bytes, float]:
    assert listener.watched is not None
    return listener.watched
