"""Addresses written by strangers: which are fetched, and that no trick leads into our own network."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from config.errors import Rejected, RetryLater, TooBig
from router.guard import Guard, is_any, is_public

HOSTILE = [
    "",
    "file:///etc/passwd",
    "ftp://example.org/x",
    "gopher://127.0.0.1:6379/_FLUSHALL",
    "javascript:alert(1)",
    "//example.org/x",
    "/etc/passwd",
    "http://",
    "http:///x",
    "http://:80/",
    "http://example.org:99999/",
    "http://[::1",
    "http://user:pass@example.org/",
    "http://user@example.org/",
    "http://127.0.0.1/",
    "http://127.0.0.1./",
    "http://127.1/",
    "http://127.255.255.254/",
    "http://0.0.0.0/",
    "http://0/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.01/",
    "http://①②⑦.⓪.⓪.①/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:10.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a00:1]/",
    "http://[64:ff9b:1::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:7f00:1::1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25lo]/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://localhost/",
    "http://localhost./",
    "https://ip6-localhost/",
    "http://" + "a" * 5000 + ".example/",
]


def only_loopback_1(address: str) -> bool:
    """127.0.0.1 stands for the open internet here, all else for our own network."""
    return address == "127.0.0.1"


class Names(AbstractResolver):
    """Answers in turn, the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            {"hostname": host, "host": one, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for one in addresses
        ]

    async def close(self) -> None:
        return None


@pytest.fixture
async def internet() -> AsyncIterator[TestServer]:
    """A server of the open internet: `/file`, `/go?to=…`, `/hops/N`, `/status/N`, `/endless`, `/stuck`."""
    app = web.Application()
    stop = asyncio.Event()

    async def file(_request: web.Request) -> web.Response:
        headers = {"Content-Disposition": 'attachment; filename="price.pdf"'}
        return web.Response(body=b"12345", content_type="application/pdf", headers=headers)

    async def go(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": request.query["to"]} if "to" in request.query else {})

    async def hops(request: web.Request) -> web.Response:
        left = int(request.match_info["n"]) - 1
        return web.Response(status=307, headers={"Location": f"/hops/{left}" if left else "/file"})

    async def status(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["n"]))

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not stop.is_set():
            await response.write(b"x" * 65536)
        return response

    async def stuck(_request: web.Request) -> web.Response:
        await stop.wait()
        return web.Response()

    app.router.add_get("/file", file)
    app.router.add_get("/go", go)
    app.router.add_get("/hops/{n}", hops)
    app.router.add_get("/status/{n}", status)
    app.router.add_get("/endless", endless)
    app.router.add_get("/stuck", stuck)
    server = TestServer(app, host="127.0.0.1")
    async with server:
        yield server
        stop.set()


async def fetch(guard: Guard, url: str, *, limit: int = 1000, timeout_s: float = 5) -> bytes:
    async with guard, guard.get(url, limit=limit, timeout_s=timeout_s) as download:
        return b"".join([chunk async for chunk in download.chunks])


@pytest.mark.parametrize("url", HOSTILE)
async def test_hostile_addresses_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No way of writing an address of our own network, or a scheme that is not the web's, gets as far as a socket."""

    def no_socket(*_args: object) -> socket.socket:
        raise AssertionError(f"a socket for {url}")

    guard = Guard(resolver=Names(["127.0.0.1"]) if "localhost" in url or len(url) > 4096 else None)
    monkeypatch.setattr(Guard, "_socket", no_socket)
    with pytest.raises(Rejected) as refused:
        await fetch(guard, url)
    assert not url or url not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "95.163.1.1", "2a02:6b8::2:242", "2001:4860:4860::8888", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"],
)
def test_the_open_internet_is_open(address: str) -> None:
    """Public addresses pass, also written as IPv6 or behind a NAT64."""
    assert is_public(address)


async def test_a_file_is_fetched_with_name_and_type(internet: TestServer) -> None:
    """What the server says of a file comes with it."""
    async with (
        Guard(only_loopback_1) as guard,
        guard.get(str(internet.make_url("/file")), limit=10, timeout_s=5) as got,
    ):
        assert (got.name, got.type, got.size) == ("price.pdf", "application/pdf", 5)
        assert b"".join([chunk async for chunk in got.chunks]) == b"12345"


async def test_closed_networks_are_allowed_by_the_setting(internet: TestServer) -> None:
    """`allow_private_urls` takes the check of ranges away, and nothing else."""
    assert await fetch(Guard(is_any), str(internet.make_url("/file"))) == b"12345"
    with pytest.raises(Rejected):
        await fetch(Guard(is_any), "file:///etc/passwd")


async def test_redirects_are_checked_like_the_first_address(internet: TestServer) -> None:
    """A public server can't send us on to a private one, nor to another scheme."""
    go = internet.make_url("/go")
    assert await fetch(Guard(only_loopback_1), str(go.with_query(to="/file"))) == b"12345"
    for target in ("http://127.0.0.2/", "http://169.254.169.254/", "file:///etc/passwd", "http://a:b@127.0.0.1/", ""):
        with pytest.raises(Rejected):
            await fetch(Guard(only_loopback_1), str(go.with_query(to=target)))


async def test_redirects_end_after_three(internet: TestServer) -> None:
    """Three hops are followed, a fourth is not: nobody sends us round and round."""
    assert await fetch(Guard(only_loopback_1), str(internet.make_url("/hops/3"))) == b"12345"
    with pytest.raises(Rejected, match="too often"):
        await fetch(Guard(only_loopback_1), str(internet.make_url("/hops/4")))


async def test_a_name_that_changes_its_mind_gains_nothing(internet: TestServer) -> None:
    """The address that was checked is the one that is connected to; a later answer is checked anew."""
    url = f"http://pictures.example:{internet.port}/file"
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    assert await fetch(Guard(only_loopback_1, names), url) == b"12345"
    assert names.asked == 1
    with pytest.raises(Rejected, match="private network"):
        await fetch(Guard(only_loopback_1, names), url)
    assert await fetch(Guard(only_loopback_1, Names(["127.0.0.2", "127.0.0.1"])), url) == b"12345"


async def test_a_socket_is_checked_by_where_it_goes() -> None:
    """Were the look at names and literals passed by, no connection would come of it still."""
    guard = Guard(only_loopback_1)
    with pytest.raises(OSError, match="open internet"):
        guard._socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 80)))


@pytest.mark.parametrize(
    ("path", "error"),
    [("/status/404", Rejected), ("/status/410", Rejected), ("/status/429", RetryLater), ("/status/503", RetryLater)],
)
async def test_answers_without_a_file(internet: TestServer, path: str, error: type[Exception]) -> None:
    """What may be there later is asked for again, what is gone is not."""
    with pytest.raises(error):
        await fetch(Guard(only_loopback_1), str(internet.make_url(path)))


async def test_size_and_time_are_bounded(internet: TestServer) -> None:
    """A server can neither flood us nor keep us waiting."""
    with pytest.raises(TooBig):
        await fetch(Guard(only_loopback_1), str(internet.make_url("/endless")), limit=200_000)
    with pytest.raises(TooBig):
        await fetch(Guard(only_loopback_1), str(internet.make_url("/file")), limit=4)
    with pytest.raises(RetryLater):
        await fetch(Guard(only_loopback_1), str(internet.make_url("/stuck")), timeout_s=0.3)
