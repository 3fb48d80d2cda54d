"""A provider that answers from a list: a real HTTP server on 127.0.0.1 that records what it was asked.

An answer is {status, headers, body} (a body that is no string goes out as JSON), or {"hang": true}: the request is read
and never answered, or {"drop": true}: it is read and the connection cut. More requests than answers are answered with 599 and recorded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, MultipartReader, web


@dataclass
class Asked:
    """One request as it came in. `form`: fields of a form or a JSON object, JSON inside them decoded; `files`: [{name, type, size}]."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    text: str = ""
    form: dict[str, Any] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Scripted:
    """`base` is the server's address; `asked` what came; `unused` answers nobody came for."""

    answers: Sequence[dict[str, Any]]
    base: str = ""
    asked: list[Asked] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def unused(self) -> Sequence[dict[str, Any]]:
        return self.answers[len(self.asked) :]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Reads the whole request, then answers with the next line of the script."""
        asked = await _read(request)
        self.asked.append(asked)
        number = len(self.asked)
        answer: dict[str, Any] = self.answers[number - 1] if number <= len(self.answers) else {"status": 599}
        if answer.get("hang"):
            await self.closing.wait()
        if answer.get("hang") or answer.get("drop"):
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        body = answer.get("body", "")
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        kind = "text/html" if isinstance(body, str) else "application/json"
        headers = {"Content-Type": kind} | answer.get("headers", {})
        return web.Response(body=text.encode(), status=answer.get("status", 200), headers=headers)


@contextlib.asynccontextmanager
async def scripted(answers: Sequence[dict[str, Any]]) -> AsyncIterator[Scripted]:
    """The server, running until the block ends; what hangs is cut then."""
    server = Scripted(answers)
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server.closing.set()
        await runner.cleanup()


def refused_base() -> str:
    """An address where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


async def _read(request: web.Request) -> Asked:
    headers = {name.lower(): value for name, value in request.headers.items()}
    asked = Asked(request.method, request.path, dict(request.query), headers)
    if request.content_type.startswith("multipart/"):
        await _read_parts(await request.multipart(), asked)
        return asked
    asked.text = await request.text()
    if request.content_type == "application/x-www-form-urlencoded":
        asked.form = {name: _decoded(value) for name, value in parse_qsl(asked.text, keep_blank_values=True)}
    elif request.content_type == "application/json" and asked.text:
        loaded = json.loads(asked.text)
        asked.form = loaded if isinstance(loaded, dict) else {"": loaded}
    return asked


async def _read_parts(parts: MultipartReader, asked: Asked) -> None:
    async for part in parts:
        if not isinstance(part, BodyPartReader):
            raise TypeError("a multipart inside a multipart")
        content = bytes(await part.read())
        if part.filename is None:
            asked.form[part.name or ""] = _decoded(content.decode())
        else:
            asked.files.append({"name": part.filename, "size": len(content)})


def _decoded(value: str) -> Any:
    """JSON objects and lists inside form fields; the rest stays text, as a provider gets it."""
    return json.loads(value) if value[:1] in {"{", "["} else value
