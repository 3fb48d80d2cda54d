"""The network between a browser and the hub, that can be cut: open connections break, new ones are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from tests.e2e.hub import Hub

CHUNK = 1 << 16


class Wire:
    """`url`: the hub as seen from beyond the wire; `source`: the address that the hub sees."""

    def __init__(self, hub: Hub, source: str) -> None:
        self.url = ""
        self._source = source
        self._port = urlsplit(hub.url).port
        self._is_cut = False
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        self._is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        self._is_cut = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        ends = [writer]
        self._open.add(writer)
        try:
            with suppress(OSError):
                theirs, ours = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(self._source, 0))
                ends.append(ours)
                self._open.add(ours)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_carry(reader, ours), name="to the hub")
                    tasks.create_task(_carry(theirs, writer), name="from the hub")
        finally:
            for end in ends:
                self._open.discard(end)
                end.close()


async def _carry(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    """Until either side is gone."""
    with suppress(OSError):
        while data := await source.read(CHUNK):
            to.write(data)
            await to.drain()
        to.write_eof()


@asynccontextmanager
async def wire_to(hub: Hub, *, source: str = "127.0.0.1") -> AsyncIterator[Wire]:
    wire = Wire(hub, source)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        server.close()
        wire.cut()
        await server.wait_closed()
