# lint-skip: words - a ticket here is the one-time credential of a socket
from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self
from uuid import UUID

import aiohttp
import pytest
import uvloop

from inbox import live
from inbox.api.auth import COOKIE
from storage.bus import Topic
from storage.db import connect
from storage.events import NewEvent, append_events
from tests.conftest import Database, opened
from tests.inbox.conftest import Person, World, inbox_of

WAIT_S = 20


@asynccontextmanager
async def socket(person: Person, after: int | None = None, path: str = "/live") -> AsyncIterator[Any]:
    """A live socket of this person."""
    query = "" if after is None else f"?after={after}"
    headers = {"Authorization": f"Bearer {person.token}"}
    world = person.world
    base = world.base if path == "/live" else world.url.removesuffix("/api/v1")
    async with world.http.ws_connect(f"{base}{path}{query}", headers=headers) as ws:
        yield ws


async def frame(ws: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    found: dict[str, Any] = await ws.receive_json(timeout=WAIT_S)
    return found


async def listening(world: World, count: int = 1) -> None:
    """Until so many sockets are in the reader's index."""
    async with asyncio.timeout(WAIT_S):
        while len(world.live) < count:
            await asyncio.sleep(0.01)


async def test_a_page_that_doubts_is_answered(world: World) -> None:
    """A ping in words is answered at once, with no event between: so a page learns that its connection is half dead."""
    async with socket(world.sue) as ws:
        await ws.send_str('{"type":"ping"}')
        assert await frame(ws) == {"type": "pong"}


async def test_event_arrives_as_a_frame(world: World) -> None:
    """An event reaches an open socket as {id, type, at, data, v}, at both addresses, within moments."""
    async with socket(world.sue) as one, socket(world.sue, path="/api/v1/live") as two:
        await listening(world, 2)
        last = await world.tell(("thing.happened", []))
        world.store.bus.notify(Topic.EVENTS, last)
        for ws in (one, two):
            found = await frame(ws)
            assert set(found) == {"id", "type", "at", "data", "v"}
            assert (found["id"], found["type"], found["data"], found["v"]) == (last, "thing.happened", {"n": 1}, 1)


async def test_sweep_finds_what_no_wake_up_told(world: World) -> None:
    """Without any wake-up (Redis away) an event is there after the sweep."""
    async with socket(world.sue) as ws:
        await listening(world)
        last = await world.tell(("quiet", []))
        assert (await frame(ws))["id"] == last


async def test_each_hears_what_is_for_him(world: World) -> None:
    """An agent hears his own, his queues' and what is for all, each once; a supervisor everything."""
    anna, boris, queue = f"agent:{world.anna.id}", f"agent:{world.boris.id}", f"queue:{world.queue}"
    await world.store.pool.execute("DELETE FROM queue_member WHERE agent_id = $1", world.boris.id)
    async with socket(world.anna) as hers, socket(world.boris) as his, socket(world.sue) as all_of_it:
        await listening(world, 3)
        await world.tell(
            ("a", [anna]), ("b", [boris]), ("aq", [anna, queue]), ("q", [queue]), ("s", []), ("end", ["all"])
        )
        heard = []
        for ws in (hers, his, all_of_it):
            types: list[str] = []
            while not types or types[-1] != "end":
                types.append((await frame(ws))["type"])
            heard.append(types)
    assert heard == [["a", "aq", "q", "end"], ["b", "end"], ["a", "b", "aq", "q", "s", "end"]]


async def _write(url: str, word: str, count: int, stop: asyncio.Event) -> None:
    """One of several writers: transactions of a few events, half of them rolled back, as fast as it can."""
    connection = await connect(url, application="writer")
    try:
        for n in range(count):
            transaction = connection.transaction()
            await transaction.start()
            events = [NewEvent("load", [word] if i % 2 else ["all"], {"n": n}) for i in range(random.randint(1, 4))]
            await append_events(connection, events)
            await (transaction.rollback() if n % 5 == 0 else transaction.commit())
    finally:
        stop.set()
        await connection.close()


@pytest.mark.parametrize("role", ["agent", "supervisor"])
async def test_catch_up_has_no_gap_and_no_double(world: World, role: str) -> None:
    """While two writers commit, sockets join from every place of the log: each gets every event after its place, once."""
    person = world.anna if role == "agent" else world.sue
    word = f"agent:{world.anna.id}"
    start = await world.tell(*[("load", ["all"])] * 2500)
    stop = asyncio.Event()
    got: list[tuple[int, list[int]]] = []

    async def follow(after: int, delay: float) -> None:
        await asyncio.sleep(delay)
        seen: list[int] = []
        async with socket(person, after) as ws:
            while True:
                found = await frame(ws)
                if found["type"] == "end":
                    break
                seen.append(found["id"])
        got.append((after, seen))

    async with asyncio.TaskGroup() as tasks:
        writers = [tasks.create_task(_write(world.store.url, word, 150, stop)) for _ in range(2)]
        for n in range(12):
            tasks.create_task(follow(random.randint(0, start), n * 0.05))
        for writer in writers:
            await writer
        await world.tell(("end", ["all"]))
    rows = await world.store.pool.fetch("SELECT id FROM event WHERE type = 'load' ORDER BY id")
    ids = [row["id"] for row in rows]
    assert len(got) == 12
    for after, seen in got:
        assert seen == [i for i in ids if i > after]


async def test_socket_joins_between_what_is_remembered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with tiny batches and a reader that remembers little, a socket that comes back misses nothing."""
    monkeypatch.setattr(live, "BATCH", 3)
    monkeypatch.setattr(live, "REMEMBERED", 5)
    async with socket(world.sue) as first:
        await listening(world)
        last = await world.tell(*[("load", [])] * 40)
        ids = [(await frame(first))["id"] for _ in range(40)]
        assert ids[-1] == last
        for after in (0, ids[10], ids[36], ids[39]):
            async with socket(world.sue, after) as ws:
                behind = [i for i in ids if i > after]
                assert [(await frame(ws))["id"] for _ in behind] == behind
                await listening(world, 2)
                fresh = await world.tell(("load", []))
                assert (await frame(ws))["id"] == fresh
                ids.append((await frame(first))["id"])


@pytest.mark.parametrize("after", ["older", "never was"])
async def test_lost_place_is_a_reset(world: World, after: str) -> None:
    """A cursor older than what is kept, or beyond the log, gets one reset frame and then what happens from now on."""
    last = await world.tell(*[("old", [])] * 10)
    await world.store.pool.execute("DELETE FROM event WHERE id < $1", last - 2)
    place = last - 8 if after == "older" else last + 100
    async with socket(world.sue, place) as ws:
        assert await frame(ws) == {"type": "reset"}
        await listening(world)
        fresh = await world.tell(("new", []))
        assert (await frame(ws))["id"] == fresh
    page = (await world.sue.get(f"/events?after={place}")).body
    assert page["reset"] is True
    async with socket(world.sue, last - 3) as ws:
        assert (await frame(ws))["id"] == last - 2


async def test_slow_socket_is_closed_and_resumes(world: World) -> None:
    """A socket over 1 MB behind is closed with 1013; others are not held up; it resumes where it was, without a gap."""
    async with socket(world.sue) as fast, _Slow(world) as slow:
        await listening(world, 2)
        count = 0
        async with asyncio.timeout(WAIT_S):
            while len(world.live) == 2:
                async with world.store.pool.acquire() as connection, connection.transaction():
                    await append_events(connection, [NewEvent("big", [], {"x": "y" * 20_000})] * 50)
                count += 50
                for _ in range(50):
                    await frame(fast)
        seen, code = await slow.read_all()
    assert code == 1013
    assert seen == sorted(set(seen))
    assert 0 < len(seen) < count
    async with socket(world.sue, seen[-1]) as ws:
        rest = [(await frame(ws))["id"] for _ in range(count - len(seen))]
    ids = [row["id"] for row in await world.store.pool.fetch("SELECT id FROM event ORDER BY id")]
    assert seen + rest == ids


class _Slow:
    """A socket whose owner does not read until asked to."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._world.sue.token}"}
        self._ws = await self._world.http.ws_connect(f"{self._world.base}/live", headers=headers, max_msg_size=0)
        response = self._ws._response
        assert response.connection is not None
        transport = response.connection.transport
        assert transport is not None
        self._transport = transport
        transport.pause_reading()
        return self

    async def read_all(self) -> tuple[list[int], int | None]:
        self._transport.resume_reading()
        seen = [message.json()["id"] async for message in self._ws]
        return seen, self._ws.close_code

    async def __aexit__(self, *_error: object) -> None:
        await self._ws.close()


async def test_membership_changes_reach_open_sockets(world: World) -> None:
    """Who joins a queue hears it within seconds, who leaves hears it no more; a revoked token closes its socket."""
    queue = await world.new_queue("Support")
    word = f"queue:{queue}"
    async with socket(world.anna) as ws:
        await listening(world)
        await world.root.call("PUT", f"/queues/{queue}/members", {"agents": [str(world.anna.id)]})
        await _until(world, lambda: word in world.live._by_word)
        await world.tell(("joined", [word]))
        assert (await frame(ws))["type"] == "joined"
        await world.root.call("PUT", f"/queues/{queue}/members", {"agents": []})
        await _until(world, lambda: word not in world.live._by_word)
        await world.tell(("left", [word]), ("end", ["all"]))
        assert (await frame(ws))["type"] == "end"
        await world.root.call("PATCH", f"/agents/{world.anna.id}", {"active": False})
        message = await ws.receive(timeout=WAIT_S)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1008)
    await _until(world, lambda: len(world.live) == 0)


async def _until(world: World, condition: Any) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


async def test_reader_survives_lost_connections(world: World) -> None:
    """Every database connection is cut under open sockets: what is committed afterwards still arrives, once."""
    async with socket(world.sue) as ws:
        await listening(world)
        for _ in range(3):
            admin = await connect(world.store.url, application="admin")
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            last = await append_events(admin, [NewEvent("after", [], {})])
            await admin.close()
            assert (await frame(ws))["id"] == last


@pytest.mark.parametrize(("origin", "opens"), [("{base}", True), ("https://evil.example", False), (None, False)])
async def test_page_socket_checks_origin(
    world: World,
    origin: str | None,
    opens: bool,  # noqa: FBT001
) -> None:
    """With the session's cookie the socket opens for our own page alone; without credentials not at all."""
    await world.hire("vera", password="correct horse")
    signed_in = await world.http.post(f"{world.url}/session", json={"login": "vera", "password": "correct horse"})
    headers = {} if origin is None else {"Origin": origin.format(base=world.base)}
    cookie = {"Cookie": f"{COOKIE}={signed_in.cookies[COOKIE].value}"}
    if opens:
        async with world.http.ws_connect(f"{world.base}/live", headers=headers | cookie) as ws:
            assert not ws.closed
        return
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await world.http.ws_connect(f"{world.base}/live", headers=headers | cookie)
    assert refused.value.status == 403
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await world.http.ws_connect(f"{world.base}/live", headers=headers)
    assert refused.value.status == 401


async def test_ticket_opens_the_socket_without_a_header(world: World) -> None:
    """A page of another program opens its socket with a ticket, hears what its owner may, and can't use it twice."""
    ticket = (await world.anna.call("POST", "/live-ticket")).body["ticket"]
    async with world.http.ws_connect(f"{world.base}/live?ticket={ticket}") as ws:
        await listening(world)
        await world.tell(("hidden", []), ("seen", [f"agent:{world.anna.id}"]))
        assert (await frame(ws))["type"] == "seen"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await world.http.ws_connect(f"{world.base}/live?ticket={ticket}")
    assert refused.value.status == 401


async def test_transfer_is_seen_live(world: World) -> None:
    """Both agents' sockets hear of a transfer as it is made."""
    conversation: UUID = await world.talk(assignee=world.anna)
    async with socket(world.anna) as hers, socket(world.boris) as his:
        await listening(world, 2)
        await world.anna.call("POST", f"/conversations/{conversation}/assign", {"agent_id": str(world.boris.id)})
        assert (await frame(hers))["type"] == "conversation.left"
        entered = await frame(his)
    assert entered["type"] == "conversation.entered"
    assert entered["data"]["conversation"]["id"] == str(conversation)


async def test_stopping_tells_the_sockets(world: World) -> None:
    """When the process stops, its sockets are closed with 1001, so that pages go to another one."""
    async with socket(world.sue) as ws:
        await listening(world)
        assert world.reader is not None
        world.reader.cancel()
        message = await ws.receive(timeout=WAIT_S)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1001)


@pytest.mark.parametrize(
    "promise",
    [test_event_arrives_as_a_frame, test_each_hears_what_is_for_him, test_slow_socket_is_closed_and_resumes],
    ids=lambda test: test.__name__,
)
def test_the_same_on_uvloop(database: Database, promise: Callable[[World], Awaitable[None]]) -> None:
    """On production's loop, whose transports are not of asyncio's classes, sockets are served in the same way."""

    async def scenario() -> None:
        async with opened(database) as store, inbox_of(store) as world:
            await promise(world)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
