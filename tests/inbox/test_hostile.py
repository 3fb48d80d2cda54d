from __future__ import annotations

import json
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from inbox.app import all_routes
from tests.inbox.conftest import World

NASTY = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.sampled_from(
        [
            "\x00",
            "a\x00b",
            "' OR 1=1 --",
            "%",
            "\\",
            "9999999999999999999999999999",
            "-1",
            "NaN",
            "null",
            "true",
            "2026-13-01",
            "�",
            "[]",
            "eyJ",
            "W10",
            "e30",
            "00000000-0000-0000-0000-000000000000",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ]
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NASTY,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NASTY, inner, max_size=4),
    max_leaves=12,
)
QUERIES = [route for route in all_routes() if route.query is not None and route.path != "/live"]
BODIES = [route for route in all_routes() if route.body is not None and route.path != "/session"]
ID = "00000000-0000-7000-8000-000000000001"
QUIET = settings(
    max_examples=60,
    deadline=timedelta(seconds=10),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def _path(route: Any, value: str) -> str:
    path: str = route.path
    for name in route.params:
        path = path.replace("{" + name + "}", value)
    return path


async def _status(world: World, method: str, raw: str, data: bytes | None = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {world.people['api'].token}", "Content-Type": "application/json"}
    async with world.http.request(
        method, URL(raw, encoded=True), data=data and BytesIO(data), headers=headers
    ) as response:
        body = await response.read()
        assert response.status < 500, (method, raw, data, body)
        if response.status >= 400:
            assert {"type", "title", "status", "detail", "code", "kept", "do", "request_id"} <= set(json.loads(body))
        return response.status, body


def _encode(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


@QUIET
@given(data=st.data())
async def test_no_query_is_a_5xx(world: World, data: st.DataObject) -> None:
    """Any value in any parameter of any list is answered with a page or a problem, never a failure."""
    route = data.draw(st.sampled_from(QUERIES))
    names = [*route.query.__struct_fields__, "surprise"]
    values = data.draw(st.dictionaries(st.sampled_from(names), NASTY, max_size=3))
    query = "&".join(f"{name}={_encode(value)}" for name, value in values.items())
    await _status(world, route.method, f"{world.url}{_path(route, ID)}?{query}")


@QUIET
@given(data=st.data())
async def test_no_body_is_a_5xx(world: World, data: st.DataObject) -> None:
    """Any JSON with the right names, or any JSON at all, is taken or refused, never a failure."""
    route = data.draw(st.sampled_from(BODIES))
    fields = st.dictionaries(st.sampled_from(route.body.__struct_fields__), JSON, max_size=5)
    body = json.dumps(data.draw(fields | JSON)).encode()
    await _status(world, route.method, world.url + _path(route, ID), body)


@QUIET
@given(value=NASTY.filter(lambda v: v not in {"", ".", ".."} and "/" not in v), data=st.data())
async def test_no_path_is_a_5xx(world: World, value: str, data: st.DataObject) -> None:
    """Anything in the place of an id is a 404, whatever the method."""
    route = data.draw(st.sampled_from([r for r in all_routes() if r.params]))
    status, _ = await _status(world, route.method, world.url + _path(route, _encode(value)), b"{}")
    assert 400 <= status < 500


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"name":' * 2000 + b"1" + b"}" * 2000,
        b'{"custom": {"n": 123456789012345678901234567890}}',
        b'{"custom": {"n": 1e400}}',
        b'{"custom": {"a\\u0000b": 1}}',
        b'{"name": "\\ud800"}',
        b"x" * (1 << 20) + b"x",
        b'{"name": "a", "name": "b"}',
        b'{"birthday": "0001-01-01"}',
        b'{"custom": {"d": ' + b"[" * 900 + b"]" * 900 + b"}}",
    ],
)
async def test_odd_bodies(world: World, data: bytes) -> None:
    """Cut, deep, huge, doubled and unencodable JSON is taken or refused; what was taken can be read again."""
    status, body = await _status(world, "POST", f"{world.url}/contacts", data)
    if status == 201:
        assert (await world.people["api"].get(f"/contacts/{json.loads(body)['id']}")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("DELETE", "/contacts", 405), ("GET", "/live", 400), ("GET", "/contacts/1", 404)],
)
async def test_what_is_not_there(world: World, method: str, path: str, status: int) -> None:
    """An unknown address, a wrong method, a plain GET of the socket: a problem with a request id."""
    answer = await world.people["api"].call(method, path, X_Request_ID="given-by-caller")
    assert answer.status == status
    assert answer.body["request_id"] == answer.headers["X-Request-ID"] == "given-by-caller"


async def test_failure_is_logged_and_not_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is a 500 without its text; the request id leads to the log."""
    from inbox.api import problems

    logged: list[Any] = []
    monkeypatch.setattr(problems.log, "exception", lambda *args, **named: logged.append((args, named)))

    async def broken(_entries: object) -> int:
        raise RuntimeError("secret detail")

    object.__setattr__(world.deps, "replay", broken)
    await world.store.pool.execute(
        "INSERT INTO journal (id, channel_id, lane, class, body) VALUES (1, $1, 0, 0, '')", world.channel
    )
    answer = await world.people["root"].call("POST", "/journal/1/replay")
    assert answer.status == 500
    assert "secret" not in str(answer.body)
    assert len(logged) == 1
