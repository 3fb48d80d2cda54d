"""The floor that latency is measured against: `python -m bench.noop_live PORT DATABASE_URL REDIS_URL`.

Decodes a POST, commits one row, publishes; who subscribes sends a frame to each WebSocket. Nothing else.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import asyncpg
import msgspec
import uvloop
from aiohttp import web
from redis.asyncio import Redis

from storage.db import Pool

TABLE = "CREATE TABLE noop (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body bytea NOT NULL)"
CHANNEL = "noop"
decode = msgspec.json.Decoder().decode


class Floor:
    def __init__(self, pool: Pool, redis: Redis) -> None:
        self._pool = pool
        self._redis = redis
        self._sockets: set[web.WebSocketResponse] = set()

    async def hook(self, request: web.Request) -> web.Response:
        body = await request.read()
        message = decode(body)["message"]
        row = await self._pool.fetchval("INSERT INTO noop (body) VALUES ($1) RETURNING id", body)
        frame = {
            "id": row,
            "type": "interaction.created",
            "data": {"external_id": f"{message['chat']['id']}:{message['message_id']}", "text": message["text"]},
        }
        await self._redis.publish(CHANNEL, msgspec.json.encode(frame))
        return web.Response(text="ok")

    async def live(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            async for _ in socket:
                pass
        finally:
            self._sockets.discard(socket)
        return socket

    async def forward(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(CHANNEL)
            while True:
                message = await pubsub.get_message(timeout=5)
                if message is not None:
                    for socket in self._sockets:
                        await socket.send_str(message["data"].decode())


def main() -> None:
    port, database_url, redis_url = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    app = web.Application()

    async def background(app: web.Application) -> AsyncIterator[None]:
        redis = Redis.from_url(redis_url)
        async with asyncpg.create_pool(database_url, min_size=8, max_size=8) as pool, asyncio.TaskGroup() as tasks:
            floor = Floor(pool, redis)
            app.router.add_post("/hooks/x", floor.hook)
            app.router.add_get("/live", floor.live)
            forwarding = tasks.create_task(floor.forward(), name="forward")
            yield
            forwarding.cancel()
        await redis.aclose()

    app.cleanup_ctx.append(background)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
