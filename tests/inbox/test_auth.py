# lint-skip: words - a ticket here is the one-time credential of a socket
from __future__ import annotations

import aiohttp
import pytest

from inbox.api.auth import COOKIE
from tests.inbox.conftest import PASSWORD, World


async def _sign_in(
    world: World, login: str = "vera", password: str = PASSWORD, **headers: str
) -> aiohttp.ClientResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"login": login, "password": password}
    return await world.http.post(f"{world.url}/session", json=body, headers=named)


async def _cookie(world: World) -> dict[str, str]:
    """The header a page sends once Vera has signed in."""
    await world.hire("vera", password=PASSWORD)
    response = await _sign_in(world)
    assert response.status == 201, await response.text()
    cookie = response.cookies[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    world.http.cookie_jar.clear()
    return {"Cookie": f"{COOKIE}={cookie.value}"}


async def test_session_opens_and_closes(world: World) -> None:
    """Signing in gives a session with the role's rights; after signing out its cookie is worth nothing."""
    headers = await _cookie(world)
    async with world.http.get(f"{world.url}/session", headers=headers) as response:
        who = await response.json()
    assert (who["agent"]["login"], who["scopes"], who["last_event_id"]) == ("vera", ["read", "write"], 0)
    async with world.http.delete(f"{world.url}/session", headers=headers) as response:
        assert response.status == 200
    async with world.http.get(f"{world.url}/session", headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "{base}"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://[::1"}, False),
    ],
)
async def test_cookie_counts_only_for_our_own_page(
    world: World,
    headers: dict[str, str],
    passes: bool,  # noqa: FBT001
) -> None:
    """A change asked for by another site's page is a 403 although the cookie came along; reading is not refused."""
    sent = await _cookie(world) | {name: value.format(base=world.base) for name, value in headers.items()}
    async with world.http.put(f"{world.url}/presence", json={"state": "online"}, headers=sent) as response:
        assert response.status == (200 if passes else 403)
    async with world.http.get(f"{world.url}/presence", headers=sent) as response:
        assert response.status == 200
    signed_in = await _sign_in(world, **{name.replace("-", "_"): v for name, v in sent.items() if name != "Cookie"})
    assert (signed_in.status == 201) is passes


async def test_wrong_passwords_are_slowed_down(world: World) -> None:
    """A wrong password and an unknown login look alike; after ten the right one is refused too, with a time to wait."""
    await world.hire("vera", password=PASSWORD)
    wrong = await _sign_in(world, password="wrong horse")
    unknown = await _sign_in(world, login="nobody", password="wrong horse")
    assert wrong.status == unknown.status == 401
    assert (await wrong.json(content_type=None))["detail"] == (await unknown.json(content_type=None))["detail"]
    for _ in range(9):
        await _sign_in(world, password="wrong horse")
    refused = await _sign_in(world)
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 301


async def test_agent_who_left_is_out(world: World) -> None:
    """Deactivating an agent ends his sessions and his tokens at once."""
    headers = await _cookie(world)
    changed = await world.root.call("PATCH", f"/agents/{world.vera.id}", {"active": False})
    assert changed.status == 200
    async with world.http.get(f"{world.url}/session", headers=headers) as response:
        assert response.status == 401
    assert (await world.vera.get("/session")).status == 401
    assert (await _sign_in(world)).status == 401


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic eDp5", "Bearer hub_x", "Bearer " + "x" * 10_000, "bearer \xff\xfe"],
)
async def test_odd_credentials_are_401(world: World, header: str) -> None:
    """Whatever stands in Authorization that is no valid token is a 401 with what to do."""
    async with world.http.get(f"{world.url}/contacts", headers={"Authorization": header}) as response:
        assert response.status in {400, 401}
        if response.status == 401:
            assert response.content_type == "application/problem+json"
            problem = await response.json(content_type=None)
            assert problem["code"] == "unauthorized"
            assert problem["do"]


async def test_ticket_opens_one_socket(world: World) -> None:
    """A ticket is used once; a forged one, and one of a token revoked since, open nothing."""
    from config.errors import Unauthorized
    from inbox.api.auth import redeem_ticket

    async def ticket() -> str:
        made = await world.anna.call("POST", "/live-ticket")
        assert made.status == 201
        return str(made.body["ticket"])

    first = await ticket()
    assert (await redeem_ticket(world.store, first)).agent_id == world.anna.id
    second = await ticket()
    await world.store.pool.execute("UPDATE api_token SET revoked_at = now() WHERE agent_id = $1", world.anna.id)
    for text in (first, second, first[:-2], "v1:x", "", "x" * 500):
        with pytest.raises(Unauthorized):
            await redeem_ticket(world.store, text)
