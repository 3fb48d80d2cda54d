"""Every hook under hostile input: always an answer below 500, the process alive and no bigger, honest payloads still kept."""

from __future__ import annotations

import asyncio
import io
import json
import random
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors import registry
from tests.e2e.hub import Hub, running

SECRET = "s3cret-token"
SIGNED = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
VALUES: dict[str, list[str]] = {"telegram": ["token=1:a", f"secret={SECRET}"]}
GROWTH_MB = 60


def hostile(seed: int) -> list[tuple[bytes, dict[str, str]]]:
    """(body, headers) of what no provider sends."""
    dice = random.Random(seed)
    deep = b"[" * 200_000
    update: dict[str, Any] = {
        "update_id": 1,
        "message": {"message_id": 1, "chat": {"id": 1, "type": "private"}, "date": 1},
    }
    wrong: list[Any] = [None, True, 1e308, -(2**63), 2**80, "\x00", "\ud800", [], {}, [[]], "x" * 100_000]
    bodies = [b"", b"\x00" * 1000, deep, b'{"a":' * 50_000, b"\xff\xfe" + "привет".encode("utf-16-le"), b"null", b"[]"]
    bodies += [dice.randbytes(dice.randrange(5000)) for _ in range(6)]
    bodies += [
        json.dumps({**update, "message": {**update["message"], key: value}}).encode()
        for key in ("message_id", "chat", "date", "text", "from", "photo", "reply_to_message")
        for value in wrong
    ]
    bodies += [json.dumps({"update_id": value}).encode() for value in wrong]
    types = [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain;charset=nope",
        "",
    ]
    return [(body, {"Content-Type": dice.choice(types)} if dice.random() < 0.8 else {}) for body in bodies]


async def post(http: aiohttp.ClientSession, url: str, body: Any, headers: dict[str, str]) -> int:
    async with http.post(url, data=body, headers=headers) as answer:
        await answer.read()
        return answer.status


def rss_mb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4 // 1024


async def attack(http: aiohttp.ClientSession, hook: str, seed: int) -> set[int]:
    statuses: set[int] = set()
    for number, (body, headers) in enumerate(hostile(seed)):
        statuses.add(await post(http, hook, body, headers | (SIGNED if number % 2 else {})))
    for tail in ("/../../etc", "/%00", "/" + "a" * 3000, "?" + "a=b&" * 3000, "?%ff%fe"):
        statuses.add(await post(http, hook + tail, b"{}", SIGNED))
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"):
        async with http.request(method, hook, headers=SIGNED) as answer:
            statuses.add(answer.status)
    return statuses


async def trickle(hub: Hub, hook: str) -> None:
    """A client that sends a header and then a byte now and then, until the hub has had enough or it is cancelled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(hub.url.rpartition(":")[2]))
    path = hook.removeprefix(hub.url)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n".encode())
    try:
        while not reader.at_eof():
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.2)
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.mark.timeout(240)
async def test_hooks_survive_what_is_thrown_at_them() -> None:
    """Random bytes, deep JSON, wrong types and charsets, NULs, 30 MB, slow clients: 4xx or kept, never 5xx."""
    async with running() as hub, aiohttp.ClientSession() as http:
        hooks = {}
        for name in registry.MODULES:
            words = VALUES.get(name, [])
            hooks[name] = await hub.last_line(
                "channel", "add", name, "--name", name, *(["--set", *words] if words else [])
            )
        async with asyncio.TaskGroup() as tasks:
            slow = [tasks.create_task(trickle(hub, hook)) for hook in hooks.values() for _ in range(6)]
            await attack(http, hooks["telegram"], 0)
            before = rss_mb(hub.process.pid)
            for seed, hook in enumerate(hooks.values(), 1):
                statuses = await attack(http, hook, seed)
                assert max(statuses) < 500, (hook, statuses)
                for _ in range(2):
                    assert await post(http, hook, io.BytesIO(b"x" * (30 << 20)), SIGNED) in {400, 401, 413}
            assert rss_mb(hub.process.pid) - before < GROWTH_MB
            for task in slow:
                task.cancel()
        update = {
            "update_id": 77,
            "message": {
                "message_id": 1,
                "date": 1795000000,
                "text": "жив?",
                "from": {"id": 9, "is_bot": False, "first_name": "Я"},
                "chat": {"id": 9, "type": "private"},
            },
        }
        assert await post(http, hooks["telegram"], json.dumps(update).encode(), SIGNED) == 200
        token = await hub.last_line("token", "create", "--name", "t", "--scope", "all")
        async with asyncio.timeout(20):
            while True:
                async with http.get(
                    f"{hub.url}/api/v1/interactions?limit=200", headers={"Authorization": f"Bearer {token}"}
                ) as answer:
                    if any(i.get("text") == "жив?" for i in (await answer.json())["items"]):
                        break
                await asyncio.sleep(0.1)
        async with http.post(f"{hub.url}/hooks/{'x' * 32}", data=b"{}") as answer:
            assert answer.status == 404
