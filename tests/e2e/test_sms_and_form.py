"""SMS and a site's form on a real hub: a lead with a file comes in by the form and is answered by SMS, once each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from simulator.site import Site, UploadedFile
from simulator.smsc import SmscSimulator
from tests.e2e.hub import Hub, running

ORIGIN = "https://shop.example"
FILE = b"%PDF-1.7 invented\r\n--x" * 20_000  # over 256 KB: the payload itself goes to the blob store


async def get(http: aiohttp.ClientSession, hub: Hub, path: str) -> list[dict[str, Any]]:
    async with http.get(f"{hub.url}/api/v1{path}") as answer:
        assert answer.status == 200, await answer.text()
        items: list[dict[str, Any]] = (await answer.json())["items"]
        return items


async def until(look: Callable[[], Awaitable[list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """What `look` finds, as soon as it finds anything."""
    async with asyncio.timeout(20):
        while not (found := await look()):
            await asyncio.sleep(0.05)
    return found


@pytest.mark.timeout(180)
async def test_lead_by_form_answer_by_sms() -> None:
    """One card for both; the file is kept whole; the reports of the answer come doubled, in the wrong order, and count."""
    async with SmscSimulator(backoff_s=0.05) as sms, running() as hub, Site(ORIGIN) as site:
        token = await hub.last_line("token", "create", "--name", "test", "--scope", "all")
        form = await hub.last_line("channel", "add", "form", "--name", "F", "--set", f"origins={ORIGIN}")
        settings = ["login=demo", "psw=demo", "secret=hubsecret", f"base_url={sms.base_url}"]
        sms.hook = await hub.last_line("channel", "add", "smsc", "--name", "S", "--set", *settings)
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            await submit(site, form)
            submission = await until(lambda: get(http, hub, "/interactions"))
            assert [i["kind"] for i in submission] == ["form"]
            assert await download(http, hub, submission[0]) == FILE

            await sms.client_writes("79161234567", "Жду звонка")
            await sms.client_writes("79161234567", "Жду звонка")
            stream = await until(lambda: of_three(http, hub, submission[0]["contact_id"]))
            assert [i["text"] for i in stream[1:]] == ["Жду звонка", "Жду звонка"]

            sms.reports, sms.copies = (1, 0), 2
            path = f"{hub.url}/api/v1/conversations/{submission[0]['conversation_id']}/messages"
            body = {"kind": "message", "text": "Перезвоним через час"}
            async with http.post(path, json=body, headers={"Idempotency-Key": "k1"}) as answer:
                assert answer.status == 201, await answer.text()
            await until(lambda: get(http, hub, "/outbound?state=delivered"))
            assert [one.text for one in sms.sent] == ["Перезвоним через час"]


async def submit(site: Site, hook: str) -> None:
    """By a page's script first: its preflight passes, a foreign page's does not; then by a browser's form, twice."""
    fields = [("submission_id", "s-1"), ("имя", "Анна"), ("телефон", "8 916 123-45-67")]
    files = [UploadedFile("docs", "смета.pdf", FILE, "application/pdf")]
    reply = await site.submit(hook, [*fields, ("_next", f"{ORIGIN}/ok")], files, style="multipart")
    assert (reply.status, reply.location, reply.readable) == (303, f"{ORIGIN}/ok", True)
    assert reply.headers["Vary"] == "Origin"
    assert (await site.submit(hook, fields, style="fetch")).text == '{"ok":true}'
    async with Site("https://evil.example") as other:
        assert (await other.submit(hook, fields)).status == 401


async def of_three(http: aiohttp.ClientSession, hub: Hub, contact: str) -> list[dict[str, Any]]:
    found = await get(http, hub, f"/interactions?contact={contact}")
    return found if len(found) == 3 else []


async def download(http: aiohttp.ClientSession, hub: Hub, interaction: dict[str, Any]) -> bytes:
    (file,) = interaction["attachments"]
    assert file["name"] == "смета.pdf"
    async with asyncio.timeout(20):
        while True:
            async with http.get(f"{hub.url}/api/v1/attachments/{file['id']}") as answer:
                if answer.status == 200:
                    return await answer.read()
            await asyncio.sleep(0.05)
