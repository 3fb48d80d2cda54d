"""A page's script is told what the hub answered, whatever it was: a browser hides an answer without CORS headers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from connectors import registry
from simulator.site import Site
from storage.journal import NewEntry
from storage.store import Store
from tests.e2e.door import LEAD, ORIGIN, Door, open_door

BIG = b"x" * (registry.get("form").max_body + 1)


@pytest.fixture
async def door(store: Store) -> AsyncIterator[Door]:
    async with open_door(store) as found:
        yield found


async def test_a_script_can_read_every_answer(door: Door) -> None:
    """Preflight, refusals and "kept" of a form's hook carry the headers for its own site, and for no other site."""
    hook = await door.channel("form", origins=ORIGIN)
    for status, method, body in (
        (204, "OPTIONS", b""),
        (200, "POST", LEAD),
        (400, "POST", b"{"),
        (400, "PUT", LEAD),
        (413, "POST", BIG),
    ):
        told, headers = await door.ask(hook, method, body)
        assert told == status, (method, body[:20])
        assert headers["Access-Control-Allow-Origin"] == ORIGIN, (method, body[:20])
        assert headers["Vary"] == "Origin"
        told, headers = await door.ask(hook, method, body, origin="https://evil.example")
        assert told >= 400
        assert "Access-Control-Allow-Origin" not in headers, (method, body[:20])


async def test_a_wrong_secret_and_a_form_for_any_site(door: Door) -> None:
    """Without `origins` every site's script may read, also that its secret was wrong."""
    hook = await door.channel("form", secret="sesame-open")
    status, headers = await door.ask(hook, key="wrong")
    assert (status, headers["Access-Control-Allow-Origin"]) == (401, "*")


async def test_not_now(door: Door) -> None:
    """Nothing can be kept: the script sees the 503 and how long to wait, so that it can keep the lead and repeat."""
    hook = await door.channel("form", origins=ORIGIN)
    door.writer.has_room = False
    status, headers = await door.ask(hook)
    assert (status, headers["Access-Control-Allow-Origin"]) == (503, ORIGIN)
    assert headers["Retry-After"]
    assert headers["Access-Control-Expose-Headers"] == "Retry-After"
    async with Site(ORIGIN) as site:
        reply = await site.submit(hook, [("phone", "89161234567")], style="fetch")
    assert (reply.status, reply.readable) == (503, True)


async def test_a_fault_of_ours(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is told as a 500 that says nothing of itself, readable like the rest."""

    async def broken(_entry: NewEntry) -> bool:
        raise RuntimeError("secret words")

    monkeypatch.setattr(door.writer, "keep", broken)
    hook = await door.channel("form", origins=ORIGIN)
    async with door.http.post(
        hook, data=LEAD, headers={"Origin": ORIGIN, "Content-Type": "application/json"}
    ) as answer:
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (500, ORIGIN)
        assert "secret words" not in await answer.text()


async def test_other_hooks_are_not_for_pages(door: Door) -> None:
    """A provider's hook carries no such headers."""
    hook = await door.channel("telegram", token="1:a", secret="s")
    _, headers = await door.ask(hook)
    assert not [name for name in headers if name.startswith("Access-Control")]
