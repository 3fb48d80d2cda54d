"""The floor that ingest is measured against: `python -m bench.noop PORT` reads the body, decodes the JSON, answers 200."""

from __future__ import annotations

import sys

import msgspec
import uvloop
from aiohttp import web

decode = msgspec.json.Decoder().decode


async def hook(request: web.Request) -> web.Response:
    decode(await request.read())
    return web.Response(text="ok")


def main() -> None:
    app = web.Application(client_max_size=4 << 20)
    app.router.add_post("/{tail:.*}", hook)
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    main()
