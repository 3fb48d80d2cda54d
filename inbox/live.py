"""The live stream: one reader of the event log per process, any number of sockets.

The reader walks the log by cursor, woken by the bus or its sweep, and turns each event once into the bytes of a
WebSocket frame; a batch reaches each socket in one write. Sockets are found by the words of an event's audience.
A socket that joins reads the log by itself up to what the reader still remembers, and takes the rest from there: no
gap, nothing twice. `socket.cursor` is the last event it was sent, whatever way.

What pages say over their sockets is heard by inbox/copresence.py.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
import structlog
from aiohttp import WSMsgType, web
from aiohttp.abc import AbstractStreamWriter

from inbox.api.scope import Actor
from inbox.copresence import Copresence, Page
from storage.bus import Topic
from storage.db import DATABASE_ERRORS
from storage.events import ALL, StoredEvent, last_event_id, oldest_event_id, read_events
from storage.staff import reach_of
from storage.store import Store
from storage.tokens import still_valid

log = structlog.get_logger()

SWEEP_S = 1.0
REINDEX_S = 4.0
RETRY_S = 0.5
BATCH = 1000
REMEMBERED = 4096
MAX_BEHIND = 1 << 20
CLOSE_GRACE_S = 20.0
DRAIN_S = 30.0
PING_S = 20.0
TRY_AGAIN_LATER = 1013
POLICY = 1008
GOING_AWAY = 1001
RESET = b'{"type":"reset"}'
PING, PONG = '{"type":"ping"}', b'{"type":"pong"}'
"""A browser answers our own pings out of its page's sight: a page that doubts its connection asks in words."""


class Remembered(NamedTuple):
    id: int
    audience: Sequence[str]
    frame: bytes


def text_frame(payload: bytes) -> bytes:
    """A whole WebSocket text frame from server to client (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return b"\x81" + size.to_bytes(1) + payload
    return b"\x81\x7e" + size.to_bytes(2) + payload if size < 1 << 16 else b"\x81\x7f" + size.to_bytes(8) + payload


def close_frame(code: int, reason: str) -> bytes:
    payload = code.to_bytes(2) + reason.encode()
    return b"\x88" + len(payload).to_bytes(1) + payload


def to_json(event: StoredEvent) -> bytes:
    """`{id, type, at, data, v}`; `data` as it was written."""
    return b'{"id":%d,"type":%b,"at":"%b","data":%b,"v":1}' % (
        event.id,
        msgspec.json.encode(event.type),
        event.at.encode(),
        event.data.encode(),
    )


class Reach(NamedTuple):
    """What somebody hears: everything, or events with one of these words."""

    everything: bool
    words: frozenset[str]

    def hears(self, audience: Iterable[str]) -> bool:
        return self.everything or not self.words.isdisjoint(audience)


async def find_reach(store: Store, actor: Actor) -> Reach:
    """As of now; agents hear what is for them, for their queues and for all."""
    if actor.agent_id is None:
        return Reach(everything=True, words=frozenset())
    return _reach(actor, await reach_of(store.pool, [actor.agent_id]))


def _reach(actor: Actor, known: dict[UUID, tuple[str, list[UUID]]]) -> Reach:
    if actor.agent_id is None:
        return Reach(everything=True, words=frozenset())
    role, queues = known.get(actor.agent_id, ("agent", []))
    words = {ALL, f"agent:{actor.agent_id}", *(f"queue:{queue}" for queue in queues)}
    return Reach(everything=role != "agent", words=frozenset(words))


class Socket:
    """One connection. `pending`: frames of the batch in hand."""

    def __init__(self, actor: Actor, transport: asyncio.Transport, cursor: int, reach: Reach) -> None:
        self.actor = actor
        self.transport = transport
        self.cursor = cursor
        self.reach = reach
        self.pending: list[bytes] = []
        self._abort: asyncio.TimerHandle | None = None

    def hears(self, words: Iterable[str]) -> bool:
        """By the reach of this moment."""
        return self.reach.hears(words)

    def flush(self) -> bool:
        """Writes what is pending; False: it reads too slowly."""
        data, self.pending = b"".join(self.pending), []
        if self.transport.is_closing():
            return True
        if self.transport.get_write_buffer_size() > MAX_BEHIND:
            return False
        self.transport.write(data)
        return True

    def close(self, code: int, reason: str) -> None:
        """Says why and gives it a while to read that; then the connection is cut."""
        if self._abort is None and not self.transport.is_closing():
            self.transport.write(close_frame(code, reason))
            self._abort = asyncio.get_running_loop().call_later(CLOSE_GRACE_S, self.transport.abort)

    def ended(self) -> None:
        if self._abort is not None:
            self._abort.cancel()


class Live:
    """`run` is the process's reader; `serve` one socket's life."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._signal = store.bus.signal(Topic.EVENTS)
        self._staff = store.bus.signal(Topic.STAFF)
        self._sockets: set[Socket] = set()
        self._everything: set[Socket] = set()
        self._by_word: dict[str, set[Socket]] = {}
        self._cursor: int | None = None
        """The last event read; None while there is no socket to read for."""
        self._recent: deque[Remembered] = deque()
        self._floor = 0
        """Every event after this one, up to the cursor, is in `_recent`."""
        self._down = False
        self.copresence = Copresence(store, self._spread)

    def __len__(self) -> int:
        return len(self._sockets)

    async def run(self) -> None:
        """Until cancelled; survives the database's and Redis's absence. Then every socket is told to go elsewhere."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read_forever(), name="live reader")
                tasks.create_task(self._reindex_forever(), name="live index")
                tasks.create_task(self.copresence.run(), name="copresence")
        finally:
            for socket in list(self._sockets):
                self._drop(socket, GOING_AWAY, "the hub is stopping")

    # ------------------------------------------------------------ the reader

    async def _read_forever(self) -> None:
        while True:
            try:
                more = await self._step()
            except DATABASE_ERRORS as error:
                if not self._down:
                    log.warning("live_down", error=type(error).__name__)
                self._down = True
                await asyncio.sleep(RETRY_S * random.uniform(0.5, 1.5))
                continue
            if self._down:
                log.info("live_up")
                self._down = False
            if not more:
                await self._signal.wait(SWEEP_S)

    async def _step(self) -> bool:
        """One batch; True if there may be more at once."""
        if not self._sockets:
            self._cursor = None
            self._recent.clear()
            return False
        cursor = self._cursor
        if cursor is None:
            return False
        events = await self._read(cursor)
        if events and self._cursor == cursor:
            self._cursor = events[-1].id
            self._dispatch(events)
        return len(events) == BATCH

    async def _read(self, after: int) -> list[StoredEvent]:
        async with self._store.pool.acquire(timeout=DRAIN_S) as connection:
            return await read_events(connection, after, BATCH)

    def _dispatch(self, events: Sequence[StoredEvent]) -> None:
        touched: set[Socket] = set()
        for event in events:
            item = Remembered(event.id, event.audience, text_frame(to_json(event)))
            self._remember(item)
            for socket in self._everything:
                _offer(socket, item, touched)
            for word in item.audience:
                for socket in self._by_word.get(word, ()):
                    _offer(socket, item, touched)
        for socket in touched:
            self._flush(socket)

    def _remember(self, item: Remembered) -> None:
        self._recent.append(item)
        if len(self._recent) > REMEMBERED:
            self._floor = self._recent.popleft().id

    def _flush(self, socket: Socket) -> None:
        if not socket.flush():
            log.info("live_socket_behind", agent_id=str(socket.actor.agent_id))
            self._drop(socket, TRY_AGAIN_LATER, "too far behind, come back with after=")

    # ------------------------------------------------------------ sockets

    async def serve(self, request: web.Request, actor: Actor, after: int | None) -> web.WebSocketResponse:
        """One socket from its handshake to its end. `after`: the last event the page knows; None starts now."""
        reach = await find_reach(self._store, actor)
        start, reset = await self.start_of(after)
        answer = web.WebSocketResponse(heartbeat=PING_S, compress=False, max_msg_size=4096, timeout=5.0)
        writer = await answer.prepare(request)
        transport = request.transport
        if transport is None:
            return answer
        socket = Socket(actor, transport, start, reach)
        page = Page(actor, socket.hears, lambda payload: self._answer(socket, payload))
        if reset:
            transport.write(text_frame(RESET))
        try:
            await self._join(socket, writer)
            async for message in answer:
                if message.data == PING:
                    self._answer(socket, PONG)
                elif message.type is WSMsgType.TEXT:
                    await self.copresence.heard(page, message.data)
        finally:
            self.copresence.left(page)
            self._forget(socket)
            socket.ended()
        return answer

    def _answer(self, socket: Socket, payload: bytes) -> None:
        socket.pending.append(text_frame(payload))
        self._flush(socket)

    def _spread(self, words: Sequence[str], payload: bytes) -> None:
        """What is no event, to every socket in the index that hears one of the words."""
        frame = text_frame(payload)
        heard = set(self._everything).union(*(self._by_word.get(word, ()) for word in words))
        for socket in heard:
            socket.pending.append(frame)
            self._flush(socket)

    async def start_of(self, after: int | None) -> tuple[int, bool]:
        """(the cursor to read from, whether what follows `after` is no longer there or never was)."""
        async with self._store.pool.acquire(timeout=DRAIN_S) as connection:
            oldest, last = await oldest_event_id(connection), await last_event_id(connection)
        if after is None:
            return last, False
        lost = after > last or (oldest is not None and after < oldest - 1)
        return (last, True) if lost else (after, False)

    async def _join(self, socket: Socket, writer: AbstractStreamWriter) -> None:
        caught_up = False
        while not socket.transport.is_closing() and not self._admit(socket, caught_up=caught_up):
            try:
                events = await self._read(socket.cursor)
            except DATABASE_ERRORS:
                await asyncio.sleep(RETRY_S)
                continue
            caught_up = len(events) < BATCH
            heard = [e for e in events if socket.reach.hears(e.audience)]
            if heard:
                socket.transport.write(b"".join(text_frame(to_json(event)) for event in heard))
            if events:
                socket.cursor = events[-1].id
            try:
                async with asyncio.timeout(DRAIN_S):
                    await writer.drain()
            except TimeoutError:
                socket.close(TRY_AGAIN_LATER, "too far behind, come back with after=")
                return
            except ConnectionError:
                return

    def _admit(self, socket: Socket, *, caught_up: bool) -> bool:
        """Into the index, if the reader remembers all that this socket has not been sent. Nothing awaits in here."""
        if self._cursor is None:
            if not caught_up:
                return False
            self._cursor = self._floor = socket.cursor
            self._recent.clear()
        elif socket.cursor < self._floor:
            return False
        for item in self._recent:
            if item.id > socket.cursor and socket.reach.hears(item.audience):
                socket.pending.append(item.frame)
                socket.cursor = item.id
        self._sockets.add(socket)
        self._index(socket)
        if socket.pending:
            self._flush(socket)
        self._signal.set()
        return True

    def _index(self, socket: Socket) -> None:
        if socket.reach.everything:
            self._everything.add(socket)
        else:
            for word in socket.reach.words:
                self._by_word.setdefault(word, set()).add(socket)

    def _unindex(self, socket: Socket) -> None:
        self._everything.discard(socket)
        for word in socket.reach.words:
            here = self._by_word.get(word)
            if here is not None:
                here.discard(socket)
                if not here:
                    del self._by_word[word]

    def _forget(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        self._unindex(socket)

    def _drop(self, socket: Socket, code: int, reason: str) -> None:
        self._forget(socket)
        socket.close(code, reason)

    # ------------------------------------------------------------ who hears what

    async def _reindex_forever(self) -> None:
        while True:
            await self._staff.wait(REINDEX_S)
            try:
                await self._reindex()
            except DATABASE_ERRORS as error:
                log.debug("live_index_kept", error=type(error).__name__)

    async def _reindex(self) -> None:
        """Queues joined and left, roles changed, credentials taken away."""
        sockets = list(self._sockets)
        if not sockets:
            return
        valid = await still_valid(self._store.pool, [s.actor.credential for s in sockets])
        known = await reach_of(self._store.pool, [s.actor.agent_id for s in sockets if s.actor.agent_id is not None])
        for socket in sockets:
            if socket not in self._sockets:
                continue
            if socket.actor.credential not in valid:
                self._drop(socket, POLICY, "signed out")
                continue
            reach = _reach(socket.actor, known)
            if reach != socket.reach:
                self._unindex(socket)
                socket.reach = reach
                self._index(socket)


def _offer(socket: Socket, item: Remembered, touched: set[Socket]) -> None:
    """The cursor keeps an event with two of a socket's words from reaching it twice."""
    if item.id > socket.cursor:
        socket.cursor = item.id
        socket.pending.append(item.frame)
        touched.add(socket)
