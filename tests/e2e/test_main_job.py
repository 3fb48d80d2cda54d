"""The main job on real processes: what a client writes is matched, queued, shown live, answered, and delivered once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from simulator.telegram import TelegramSimulator
from tests.e2e.hub import Hub, running

TOKEN = "4242:AAexampletoken"


class Frames:
    """What one live socket is sent."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.seen: list[dict[str, Any]] = []

    async def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first frame that is wanted, those seen before included."""
        for frame in self.seen:
            if wanted(frame):
                return frame
        async with asyncio.timeout(15):
            while True:
                self.seen.append(await self._socket.receive_json())
                if wanted(self.seen[-1]):
                    return self.seen[-1]


def created(text: str) -> Callable[[dict[str, Any]], bool]:
    return lambda f: f["type"] == "interaction.created" and f["data"]["interaction"].get("text") == text


async def api(http: aiohttp.ClientSession, hub: Hub, method: str, path: str, **more: Any) -> Any:
    async with http.request(method, f"{hub.url}/api/v1{path}", **more) as answer:
        assert answer.status < 300, await answer.text()
        return await answer.json()


@pytest.mark.timeout(180)
async def test_message_in_reply_out() -> None:
    """Client -> provider -> hook -> card, queue, live frame -> reply -> provider -> client, each exactly once."""
    async with TelegramSimulator() as sim, running() as hub:
        base = sim.base_url
        sim.add_bot(TOKEN)
        hook = await hub.last_line(
            "channel", "add", "telegram", "--name", "Bot", "--set", f"token={TOKEN}", "secret=s3", f"base_url={base}"
        )
        token = await hub.last_line("token", "create", "--name", "test", "--scope", "all")
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            async with http.ws_connect(f"{hub.url}/live?after=0") as socket:
                frames = Frames(socket)
                await set_webhook(http, base, hook)
                await sim.client_says(TOKEN, 501, "Анна", "Торт к субботе?")
                await sim.client_says(TOKEN, 501, "Анна", "С клубникой")
                first = await frames.until(created("Торт к субботе?"))
                second = await frames.until(created("С клубникой"))
                assert first["id"] < second["id"]
                conversation = second["data"]["conversation"]
                assert conversation["unread"] == 2
                assert "Входящие" in conversation["assignment_reason"]

                contacts = await api(http, hub, "GET", "/contacts?identity=501&kind=telegram")
                assert [c["name"] for c in contacts["items"]] == ["Анна"]
                stream = await api(http, hub, "GET", f"/interactions?contact={contacts['items'][0]['id']}")
                assert [i["text"] for i in stream["items"]] == ["Торт к субботе?", "С клубникой"]

                path = f"/conversations/{conversation['id']}/messages"
                body = {"kind": "message", "text": "Да, заберите в 10"}
                key = {"Idempotency-Key": "k1"}
                queued = await api(http, hub, "POST", path, json=body, headers=headers | key)
                again = await api(http, hub, "POST", path, json=body, headers=headers | key)
                assert queued == again
                await sim.wait(lambda: len(sim.sent) == 1)
                await frames.until(
                    lambda f: (
                        f["type"] == "interaction.state"
                        and f["data"]["interaction_id"] == queued["interaction_id"]
                        and f["data"]["state"] == "sent"
                    )
                )
                sent = await api(http, hub, "GET", "/outbound?state=sent")
                assert [o["id"] for o in sent["items"]] == [queued["outbound_id"]]
                assert "Да, заберите в 10" in str(sim.sent[0])
                entries = await api(http, hub, "GET", "/journal?state=done")
                assert len(entries["items"]) == 2


async def set_webhook(http: aiohttp.ClientSession, base: str, hook: str) -> None:
    async with http.post(f"{base}/bot{TOKEN}/setWebhook", json={"url": hook, "secret_token": "s3"}) as answer:
        assert answer.status == 200, await answer.text()


@pytest.mark.timeout(120)
async def test_commands_beside_a_running_hub() -> None:
    """Normalize needs nothing, doctor and replay work beside a hub; what they print is what the contract says."""
    async with running() as hub:
        assert "nothing is wrong" in await hub.run("doctor")
        assert "0 of 0 entries" in await hub.run("replay", "--failed")
        line = (
            b'{"update_id":1,"message":{"message_id":2,"from":{"id":3,"is_bot":false,"first_name":"A"},"chat":{"id":3,'
        )
        line += b'"type":"private"},"date":1795000000,"text":"x"}}'
        assert '"external_id":"3:2"' in await hub.run("normalize", "telegram", stdin=line)
