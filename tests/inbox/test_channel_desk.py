from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from config.errors import BadSettings
from router.channels import read_channel
from router.lookup import registry
from tests.inbox.conftest import World

TOKEN = "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@dataclass
class Provider:
    """A Bot API that answers with `status`, and remembers what it was asked."""

    url: str = ""
    status: int = 200
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        method = request.path.rpartition("/")[2]
        self.asked.append((method, (await request.read()).decode()))
        if self.status != 200:
            body = {"ok": False, "error_code": self.status, "description": "Unauthorized"}
            return web.json_response(body, status=self.status)
        result = {"id": 1, "is_bot": True, "first_name": "B", "username": "shop_bot"} if method == "getMe" else True
        if method == "getWebhookInfo":
            result = {"url": "https://hub.example", "has_custom_certificate": False, "pending_update_count": 0}
        return web.json_response({"ok": True, "result": result})


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    found = Provider()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", found.answer)
    async with TestServer(app) as server:
        found.url = str(server.make_url("")).rstrip("/")
        yield found


async def _connect(world: World, provider: Provider) -> str:
    settings = {"token": TOKEN, "secret": "s3cret_word", "base_url": provider.url}
    made = await world.root.call("POST", "/channels", {"connector": "telegram", "name": "Bot", "settings": settings})
    assert made.status == 201, made.body
    assert made.body["hook_url"].startswith("http://127.0.0.1:8080/hooks/")
    return str(made.body["id"])


async def test_connectors_say_what_they_ask_for(world: World) -> None:
    """Each provider comes with a form (secrets marked), what it can do, and how to set it up at its side."""
    items = {item["name"]: item for item in (await world.anna.get("/connectors")).items}
    assert {"email", "form", "mango", "smsc", "telegram"} <= set(items)
    token = items["telegram"]["settings"]["properties"]["token"]
    assert token["writeOnly"] is True
    assert items["telegram"]["capabilities"]["max_text"] >= 4096
    assert "@BotFather" in items["telegram"]["setup"]
    assert items["mango"]["calls"]
    assert all(item["title"] and item["setup"] for item in items.values())


async def test_secrets_are_written_and_never_read(world: World, provider: Provider) -> None:
    """A secret is shown as a mask, stays when the form sends the mask back or leaves it out, and changes when told."""
    channel = await _connect(world, provider)
    seen = await world.root.get(f"/channels/{channel}")
    assert TOKEN not in json.dumps(seen.body)
    assert "s3cret_word" not in json.dumps(seen.body)
    shown = seen.body["settings"]
    assert (shown["token"], shown["secret"], shown["base_url"]) == ("•••", "•••", provider.url)
    changed = await world.root.call("PATCH", f"/channels/{channel}", {"settings": shown | {"poll_s": 7}})
    assert changed.status == 200, changed.body
    await world.root.call("PATCH", f"/channels/{channel}", {"settings": {"secret": "another_word"}})
    kept = (await read_channel(world.store.pool, world.store.vault, UUID(channel))).settings
    assert (kept.token.get_secret_value(), kept.secret.get_secret_value(), kept.poll_s) == (TOKEN, "another_word", 7)
    audit = await world.store.pool.fetch("SELECT before, after FROM audit_log")
    assert not any(secret in str([dict(row) for row in audit]) for secret in (TOKEN, "s3cret_word", "another_word"))


async def test_wrong_settings_are_named_and_change_nothing(world: World, provider: Provider) -> None:
    """A wrong value is refused by the name of its field, an unknown connector and queue as well."""
    channel = await _connect(world, provider)
    refused = await world.root.call("PATCH", f"/channels/{channel}", {"settings": {"poll_s": "soon"}})
    assert refused.status == 422
    assert "poll_s" in refused.body["detail"]
    for body in ({"connector": "pigeon", "name": "x"}, {"connector": "telegram", "name": "x", "queue_id": channel}):
        assert (await world.root.call("POST", "/channels", body)).status == 422
    assert (await world.root.call("PATCH", f"/channels/{channel}", {"queue_id": channel})).status == 422
    assert (await world.sue.call("PATCH", f"/channels/{channel}", {"name": "x"})).status == 403
    assert (await world.anna.get(f"/channels/{channel}")).status == 403
    assert len(await world.root.walk("/channels")) == 2


async def test_channel_is_tested_against_its_provider(world: World, provider: Provider) -> None:
    """The test is a sentence: who is there, what the provider refuses, or that nobody answers."""
    channel = await _connect(world, provider)
    good = await world.root.call("POST", f"/channels/{channel}/test")
    assert (good.status, good.body["ok"]) == (200, True), good.body
    assert "shop_bot" in good.body["text"]
    provider.status = 401
    bad = await world.root.call("POST", f"/channels/{channel}/test")
    assert (bad.status, bad.body["ok"]) == (200, False)
    assert bad.body["do"]
    await world.root.call("PATCH", f"/channels/{channel}", {"settings": {"base_url": "http://127.0.0.1:9"}})
    gone = await world.root.call("POST", f"/channels/{channel}/test")
    assert (gone.status, gone.body["ok"]) == (200, False)
    assert TOKEN not in json.dumps([good.body, bad.body, gone.body])


async def test_attach_tells_the_hook(world: World, provider: Provider) -> None:
    """The provider is given the channel's own hook; where it can't be told from here, that is said."""
    channel = await _connect(world, provider)
    hook = (await world.root.get(f"/channels/{channel}")).body["channel"]["hook_url"]
    done = await world.root.call("POST", f"/channels/{channel}/attach")
    assert (done.status, done.body["ok"]) == (200, True), done.body
    assert any(method == "setWebhook" and hook.rpartition("/")[2] in body for method, body in provider.asked)
    form = await world.root.call("POST", "/channels", {"connector": "form", "name": "Site"})
    assert form.status == 201, form.body
    assert (await world.root.call("POST", f"/channels/{form.body['id']}/attach")).status == 422
    assert (await world.root.call("POST", f"/channels/{form.body['id']}/test")).body["ok"] is True


async def test_queue_name_and_pause(world: World, provider: Provider) -> None:
    """Name, queue and state change, and each change makes running processes read the channel anew."""
    channel = await _connect(world, provider)
    version = "SELECT version FROM channel WHERE id = $1"
    first = await world.store.pool.fetchval(version, UUID(channel))
    body = {"name": "Sales", "queue_id": str(world.queue), "state": "paused"}
    changed = await world.root.call("PATCH", f"/channels/{channel}", body)
    assert {name: changed.body[name] for name in body} == body
    assert await world.store.pool.fetchval(version, UUID(channel)) > first
    assert "queue_id" not in (await world.root.call("PATCH", f"/channels/{channel}", {"queue_id": None})).body


async def test_archived_channel_is_away_and_comes_back(world: World, provider: Provider) -> None:
    """An archived channel is in no list, its hook is dead and it is paused; brought back it has a new hook."""
    channel = await _connect(world, provider)
    token = await world.store.pool.fetchval("SELECT token FROM channel WHERE id = $1", UUID(channel))
    assert (await world.root.call("DELETE", f"/channels/{channel}")).status == 200
    assert channel not in [item["id"] for item in await world.root.walk("/channels")]
    (away,) = await world.root.walk("/channels?archived=true")
    assert (away["id"], away["state"], "hook_url" in away) == (channel, "paused", False)
    assert await world.store.pool.fetchval("SELECT count(*) FROM channel WHERE token = $1", token) == 0
    back = await world.root.call("PATCH", f"/channels/{channel}", {"state": "active"})
    assert (back.body["state"], token in back.body["hook_url"]) == ("active", False)
    assert channel in [item["id"] for item in await world.root.walk("/channels")]
    assert (await world.root.call("DELETE", f"/channels/{world.queue}")).status == 404


async def test_refusals_are_shown_without_secrets(world: World) -> None:
    """What was refused is seen with its reason, newest first; what the connector calls secret is masked, in cut JSON too."""
    channel = await world.new_channel("smsc")
    mask = min(registry.get("smsc").mask)
    bodies = [
        json.dumps({mask: "hidden-1", "a": 1}),
        json.dumps({"a": 1, mask: "hidden-2"})[:-2],
        f"{mask}=hidden-3&a=1",
    ]
    for n, body in enumerate(bodies):
        await world.store.pool.execute(
            "INSERT INTO channel_refusal (channel_id, at, status, reason, request, body)"
            ' VALUES ($1, now() + make_interval(secs => $2), 401, $3, \'{"method": "POST"}\', $4)',
            channel,
            n,
            f"why {n}",
            body.encode(),
        )
    answer = await world.root.get(f"/channels/{channel}/refusals")
    assert [item["reason"] for item in answer.items] == ["why 2", "why 1", "why 0"]
    assert "hidden" not in json.dumps(answer.body)
    assert answer.items[2]["json"]["a"] == 1
    assert (await world.sue.get(f"/channels/{channel}/refusals")).status == 403


async def test_settings_that_can_not_be_read_are_told(world: World) -> None:
    """With the key gone the channel is still shown, with why; a test says it too, and nothing fails."""
    await world.store.pool.execute("UPDATE channel SET settings = 'v1:gone:x:y'")
    seen = await world.root.get(f"/channels/{world.channel}")
    assert (seen.status, seen.body["settings"]) == (200, None)
    assert "keys" in seen.body["unreadable"]
    assert (await world.root.call("POST", f"/channels/{world.channel}/test")).status == 422
    assert (await world.root.call("PATCH", f"/channels/{world.channel}", {"settings": {"poll_s": 1}})).status == 422
    with pytest.raises(BadSettings):
        await read_channel(world.store.pool, world.store.vault, world.channel)
