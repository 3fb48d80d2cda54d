"""A WebSocket client that costs next to nothing: it finds frames' ends, counts them, and reads an id out of some."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

CREATED = b'"type":"interaction.created"'
EXTERNAL_ID = b'"external_id":"'
HEAD = 120
"""The type stands within so many first bytes of a frame."""


class Listener(asyncio.Protocol):
    """`created`: frames of new interactions so far; `last_at`: when the last of them came (perf_counter).

    `watched`: external id -> when its frame came, while it is not None.
    """

    def __init__(self) -> None:
        self.created = 0
        self.last_at = 0.0
        self.last_frame = b""
        self.watched: dict[bytes, float] | None = None
        self.event_id = 0
        self.open = asyncio.Event()
        self.closed = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._buffer = b""
        self.open.clear()
        self.closed.clear()

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed.set()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self.open.is_set():
            head, found, buffer = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                raise ConnectionError(f"no WebSocket: {head[:60]!r}")
            self.open.set()
        now = time.perf_counter()
        place = 0
        while (end := self._frame(buffer, place, now)) is not None:
            place = end
        self._buffer = buffer[place:]

    def _frame(self, buffer: bytes, at: int, now: float) -> int | None:
        """Takes one whole frame; returns where the next begins, None if it is not all there. Source: RFC 6455, 5.2."""
        if len(buffer) < at + 2:
            return None
        kind, size = buffer[at] & 0x0F, buffer[at + 1] & 0x7F
        start = at + 2
        if size >= 126:
            wide = 2 if size == 126 else 8
            size = int.from_bytes(buffer[start : start + wide])
            start += wide
        end = start + size
        if len(buffer) < end:
            return None
        if kind == 1:
            self._text(buffer, start, end, now)
        elif kind == 9 and self._transport is not None:  # a ping wants its pong, masked (by zeros)
            self._transport.write(b"\x8a" + (0x80 | size).to_bytes(1) + bytes(4) + buffer[start:end])
        return end

    def _text(self, buffer: bytes, start: int, end: int, now: float) -> None:
        if buffer.startswith(b'{"id":', start):
            self.event_id = int(buffer[start + 6 : buffer.index(b",", start)])
        if buffer.find(CREATED, start, start + HEAD) < 0:
            return
        self.created += 1
        self.last_at = now
        self.last_frame = buffer[start:end]
        if self.watched is not None:
            at = buffer.find(EXTERNAL_ID, start, end) + len(EXTERNAL_ID)
            self.watched.setdefault(buffer[at : buffer.index(b'"', at)], now)

    def leave(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _handshake(port: int, token: str, after: int) -> bytes:
    lines = [
        f"GET /live{f'?after={after}' if after else ''} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        f"Authorization: Bearer {token}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _stay(listener: Listener, port: int, token: str) -> None:
    """Connects, and again when it is thrown out for being behind; goes on where it was."""
    while True:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: listener, "127.0.0.1", port)
        transport.write(_handshake(port, token, listener.event_id))
        await listener.closed.wait()
        await asyncio.sleep(0.05)


@asynccontextmanager
async def listening(port: int, token: str = "none", *, listener: Listener | None = None) -> AsyncIterator[Listener]:
    """A listener that is connected, `listener` or a plain one. Raises TimeoutError."""
    listener = listener or Listener()
    async with asyncio.TaskGroup() as tasks:
        staying = tasks.create_task(_stay(listener, port, token), name="listener")
        async with asyncio.timeout(20):
            await listener.open.wait()
        try:
            yield listener
        finally:
            staying.cancel()
            listener.leave()
