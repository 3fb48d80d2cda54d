"""`/hooks/{token}`: where providers call. Verify, answer handshakes, keep, and only then say 2xx (P1)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from aiohttp import web
from msgspec.structs import replace

from config.errors import BadPayload, BadSignature, NotFound, TooBig, Unavailable
from connectors.base import Answer, Payload
from router.channels import Channel, Channels
from router.entries import to_entry
from storage.journal import JournalWriter
from webhooks.incoming.health import Health
from webhooks.incoming.problems import CORS
from webhooks.incoming.routing import CallDesk

READ_TIMEOUT_S = 30.0
RETRY_AFTER_S = "5"


@dataclass(frozen=True)
class Hooks:
    """What the endpoint needs of the process it runs in. `base_url`: how providers address us, for signatures."""

    channels: Channels
    writer: JournalWriter
    health: Health
    desk: CallDesk
    base_url: str

    def add_to(self, app: web.Application) -> None:
        app.router.add_route("*", "/hooks/{token}", self.handle)
        app.router.add_route("*", "/hooks/{token}/{tail:.*}", self.handle)

    async def handle(self, request: web.Request) -> web.Response:
        """2xx: kept, or kept before. 401, 400, 413: refused and shown on the channel's card. 503: send it again."""
        channel = await self.channels.by_token(request.match_info["token"])
        if channel is None:
            raise NotFound("no such hook")
        connector = channel.connector
        payload = Payload(
            headers=request.headers,
            query=request.rel_url.raw_query_string,
            method=request.method,
            path="/" + request.match_info.get("tail", ""),
            url=self.base_url + request.raw_path,
            now=time.time(),
        )
        if connector.cors is not None:
            request[CORS] = connector.cors(payload, channel.settings)
        try:
            payload = replace(payload, body=await _read(request, connector.max_body), now=time.time())
            return await self.receive(channel, payload)
        except (BadSignature, BadPayload, TooBig) as error:
            self.health.refused(channel, payload, error)
            raise
        except Unavailable as error:
            return web.json_response({"error": error.code}, status=error.status, headers={"Retry-After": RETRY_AFTER_S})

    async def receive(self, channel: Channel, payload: Payload) -> web.Response:
        """The whole of it for a payload that has been read. Raises BadSignature, BadPayload, Unavailable."""
        connector = channel.connector
        connector.verify(payload, channel.settings)
        handshake = connector.handshake(payload, channel.settings)
        if handshake is not None:
            return _response(handshake)
        if payload.method not in {"POST", "PUT", "GET"}:
            raise BadPayload("method", "expected POST")
        entry = to_entry(channel, payload, connector.peek(payload, channel.settings))
        question = connector.asks(payload, channel.settings)
        answer: web.Response | None = None
        if question is None:
            await self.writer.keep(entry)
        else:
            answer = await self.desk.keep(self.writer, entry, channel, question)
        self.health.received(channel.id)
        if answer is not None:
            return answer
        acknowledge = connector.acknowledge
        return _response(connector.ok if acknowledge is None else acknowledge(payload, channel.settings))


async def _read(request: web.Request, limit: int) -> bytes:
    """The body. Raises TooBig (before reading, where the length is told) and BadPayload for a client too slow."""
    if (request.content_length or 0) > limit:
        raise TooBig(f"the body has more than {limit} bytes")
    if request.content.is_eof() and request.content.exception() is None:
        body = request.content.read_nowait()
        if len(body) > limit:
            raise TooBig(f"the body has more than {limit} bytes")
        return body
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            chunks, size = [], 0
            async for chunk in request.content.iter_any():
                size += len(chunk)
                if size > limit:
                    raise TooBig(f"the body has more than {limit} bytes")
                chunks.append(chunk)
    except TimeoutError:
        raise BadPayload("body", f"did not arrive within {READ_TIMEOUT_S:g} s") from None
    except web.RequestPayloadError as error:
        raise BadPayload("body", "broken transfer") from error
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _response(answer: Answer) -> web.Response:
    return web.Response(
        body=answer.body, status=answer.status, content_type=answer.content_type, headers=dict(answer.headers)
    )
