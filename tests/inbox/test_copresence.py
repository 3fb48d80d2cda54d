"""Who looks at a conversation and who types in it, told to the pages of the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from inbox import copresence
from inbox.api.deps import InboxDeps
from inbox.app import add_inbox
from inbox.live import Live
from tests.inbox.conftest import Person, World
from tests.inbox.test_live import WAIT_S, listening, socket

Ws = aiohttp.ClientWebSocketResponse


async def say(ws: Ws, type_: str, conversation: UUID | None) -> None:
    await ws.send_json({"type": type_, "conversation_id": None if conversation is None else str(conversation)})


async def seen(ws: Ws, conversation: UUID, agents: list[Person], typing: list[Person] | None = None) -> None:
    """Until this socket is told that these and no others have it open."""
    wanted = {str(agent.id) for agent in agents}, {str(agent.id) for agent in typing or []}
    while True:
        found: dict[str, Any] = await ws.receive_json(timeout=WAIT_S)
        assert found["type"] == "presence.viewing"
        assert "id" not in found
        data = found["data"]
        if data["conversation_id"] == str(conversation) and (set(data["agents"]), set(data["typing"])) == wanted:
            return


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_two_agents_see_each_other(world: World) -> None:
    """Who opens a conversation sees who has it open, the other sees him come, write and go; a supervisor sees both."""
    conversation = await world.talk(assignee=world.anna, queue=world.queue)
    async with socket(world.anna) as hers, socket(world.boris) as his, socket(world.sue) as watching:
        await listening(world, 3)
        await say(hers, "viewing", conversation)
        for ws in (hers, his, watching):
            await seen(ws, conversation, [world.anna])
        await say(his, "typing", conversation)
        for ws in (hers, his, watching):
            await seen(ws, conversation, [world.anna, world.boris], [world.boris])
        await say(his, "viewing", None)
        for ws in (hers, watching):
            await seen(ws, conversation, [world.anna])
        await hers.close()
        await seen(watching, conversation, [])


async def test_a_page_that_comes_later_is_told(world: World) -> None:
    """With its first word a page hears of all that its agent may know, and of nothing else."""
    shown = await world.talk(assignee=world.anna, queue=world.queue)
    hidden = await world.talk(assignee=world.sue)
    async with socket(world.anna) as hers, socket(world.sue) as watching:
        await listening(world, 2)
        await say(watching, "viewing", hidden)
        await say(hers, "viewing", shown)
        await seen(watching, shown, [world.anna])
        async with socket(world.boris) as his:
            await listening(world, 3)
            await say(his, "viewing", None)
            first = await his.receive_json(timeout=WAIT_S)
            assert first["data"]["conversation_id"] == str(shown)
            await world.tell(("end", ["all"]))
            assert (await his.receive_json(timeout=WAIT_S))["type"] == "end"


async def test_signs_vanish_by_themselves(world: World) -> None:
    """Typing is over 6 s after the last word, viewing 15 s after it, also when the page never says good-bye."""
    clock = Clock()
    world.live.copresence.clock = clock
    conversation = await world.talk(assignee=world.anna, queue=world.queue)
    async with socket(world.anna) as hers, socket(world.boris) as his:
        await listening(world, 2)
        await say(hers, "typing", conversation)
        await seen(his, conversation, [world.anna], [world.anna])
        clock.now += 7
        await seen(his, conversation, [world.anna])
        await say(hers, "viewing", conversation)
        clock.now += 7
        world.live.copresence.forget_old()
        await world.tell(("still there", ["all"]))
        assert (await his.receive_json(timeout=WAIT_S))["type"] == "still there"
        clock.now += 9
        await seen(his, conversation, [])


async def test_what_one_may_not_see_is_not_said(world: World) -> None:
    """Naming a conversation of others, or none at all, tells nobody anything and keeps the socket."""
    queue = await world.new_queue("Private", world.boris)
    foreign = await world.talk(assignee=world.boris, queue=queue)
    own = await world.talk(assignee=world.anna, queue=world.queue)
    async with socket(world.anna) as hers, socket(world.boris) as his:
        await listening(world, 2)
        await say(hers, "viewing", foreign)
        await say(hers, "typing", foreign)
        await say(hers, "viewing", uuid4())
        await say(hers, "viewing", own)
        first = await his.receive_json(timeout=WAIT_S)
        assert first["data"] == {"conversation_id": str(own), "agents": [str(world.anna.id)], "typing": []}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"type":"viewing"}',
        '{"type":"viewing","conversation_id":7}',
        '{"type":"future"}',
        "[" * 4000,
    ],
)
async def test_unreadable_frames_are_passed_over(world: World, text: str) -> None:
    """Whatever a page sends, its socket lives on and hears events."""
    conversation = await world.talk(assignee=world.anna, queue=world.queue)
    async with socket(world.anna) as hers:
        await listening(world)
        await hers.send_str(text)
        await hers.send_bytes(b"\x00\xff")
        await say(hers, "viewing", conversation)
        await seen(hers, conversation, [world.anna])


async def test_a_frame_that_is_too_large_ends_the_socket(world: World) -> None:
    """Over 4 KB it is closed with 1009, and the others do not notice."""
    async with socket(world.anna) as hers, socket(world.boris) as his:
        await listening(world, 2)
        await hers.send_str("x" * 5000)
        message = await hers.receive(timeout=WAIT_S)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1009)
        await world.tell(("end", ["all"]))
        assert (await his.receive_json(timeout=WAIT_S))["type"] == "end"


async def test_a_page_that_says_too_much_is_not_heard(world: World) -> None:
    """Beyond ten frames at once the rest is dropped; after a while it is heard again."""
    clock = Clock()
    world.live.copresence.clock = clock
    conversations = [await world.talk(assignee=world.anna, queue=world.queue) for _ in range(2)]
    async with socket(world.anna) as hers, socket(world.boris) as his:
        await listening(world, 2)
        for n in range(40):
            await say(hers, "viewing", conversations[n % 2])
        await say(hers, "viewing", None)
        told = [await his.receive_json(timeout=WAIT_S) for _ in range(1 + 2 * 9)]
        await world.tell(("end", ["all"]))
        assert (await his.receive_json(timeout=WAIT_S))["type"] == "end"
        assert {frame["type"] for frame in told} == {"presence.viewing"}
        clock.now += 2
        await say(hers, "viewing", conversations[0])
        await seen(his, conversations[0], [world.anna])


async def test_a_token_of_nobody_is_no_presence(world: World) -> None:
    """An integration's socket says nothing to people; a token that may only read does not type."""
    conversation = await world.talk(assignee=world.anna, queue=world.queue)
    reading = await world.root.call(
        "POST", "/tokens", {"name": "r", "scopes": ["read"], "agent_id": str(world.anna.id)}
    )
    async with (
        socket(world.api) as machine,
        socket(Person(world, world.anna.id, reading.body["token"])) as hers,
        socket(world.boris) as his,
    ):
        await listening(world, 3)
        await say(machine, "typing", conversation)
        await say(hers, "typing", conversation)
        first = await his.receive_json(timeout=WAIT_S)
        assert (first["data"]["agents"], first["data"]["typing"]) == ([str(world.anna.id)], [])


async def test_two_pages_of_one_agent_are_one_agent(world: World) -> None:
    """He is there until the last of his pages has gone."""
    conversation = await world.talk(assignee=world.anna, queue=world.queue)
    async with socket(world.boris) as his:
        async with socket(world.anna) as one:
            async with socket(world.anna) as other:
                await listening(world, 3)
                await say(one, "viewing", conversation)
                await say(other, "viewing", conversation)
                await seen(one, conversation, [world.anna])
                await say(other, "typing", conversation)
                await seen(his, conversation, [world.anna], [world.anna])
            await seen(his, conversation, [world.anna])
        await seen(his, conversation, [])


@asynccontextmanager
async def another_process(world: World) -> AsyncIterator[tuple[World, Live]]:
    """A second web process beside the first, on the same database and Redis."""
    live = Live(world.store)
    app = web.Application()
    deps = world.deps
    add_inbox(
        app, InboxDeps(store=world.store, live=live, merge=deps.merge, undo_merge=deps.undo_merge, replay=deps.replay)
    )
    async with TestServer(app) as server, asyncio.TaskGroup() as tasks:
        reader = tasks.create_task(live.run())
        other = World(world.store, world.http, str(server.make_url("")).rstrip("/"), live)
        yield other, live
        reader.cancel()


async def test_other_processes_know_it_too(world: World) -> None:
    """What is said to one web process is told by the others, and vanishes there when that one says no more."""
    conversation = await world.talk(assignee=world.anna, queue=world.queue)
    clock = Clock()
    async with asyncio.timeout(WAIT_S):
        while not world.store.bus.connected:
            await asyncio.sleep(0.01)
    async with another_process(world) as (other, live):
        live.copresence.clock = clock
        boris = Person(other, world.boris.id, world.boris.token)
        async with socket(world.anna) as hers, socket(boris) as his:
            await listening(world)
            await listening(other)
            await say(hers, "viewing", conversation)
            await seen(his, conversation, [world.anna])
            await say(his, "viewing", conversation)
            await seen(hers, conversation, [world.anna, world.boris])
            clock.now += copresence.VIEWING_S + 1
            await seen(his, conversation, [])


async def test_the_client_is_told_of_answers_alone(world: World) -> None:
    """Writing to him is passed on, by those who may; looking, and writing to colleagues, is not."""
    told: list[UUID] = []
    world.live.copresence.tell_client = told.append
    first, second = [await world.talk(assignee=world.anna, queue=world.queue) for _ in range(2)]
    async with socket(world.anna) as hers:
        await listening(world)
        await say(hers, "viewing", first)
        await hers.send_json({"type": "typing", "conversation_id": str(first), "note": True})
        await say(hers, "typing", second)
        await seen(hers, second, [world.anna], [world.anna])
    assert told == [second]


async def test_no_row_is_written(world: World) -> None:
    """Who looks at what leaves no trace in the database."""
    conversation = await world.talk(assignee=world.anna, queue=world.queue)
    async with socket(world.anna) as hers:
        await listening(world)
        await say(hers, "typing", conversation)
        await seen(hers, conversation, [world.anna], [world.anna])
    assert await world.store.pool.fetchval("SELECT count(*) FROM event") == 0
