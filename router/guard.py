"""Fetching what strangers point at (a picture's address in a form, a recording's link) without becoming their way into our
network: only http and https, only public addresses, checked at the moment of connecting.

The resolver hands on checked addresses alone, and each socket is checked once more by the address it goes to, so a name
that changes its mind between the look and the connection gains nothing. Redirects are followed by hand, each like the first.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import unquote

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from config.errors import Rejected, RetryLater, TooBig

CONNECT_S = 10.0
SILENCE_S = 20.0
MAX_REDIRECTS = 3
MAX_URL = 4096
CHUNK_BYTES = 64 << 10
HEADERS = {"User-Agent": "Switchboard", "Accept-Encoding": "identity"}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
LATER = frozenset({408, 423, 425, 429})

_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
# Prefixes of IPv6 that carry an IPv4 address, and how many bits stand behind it.
_CARRIERS = (
    (ipaddress.ip_network("::/96"), 0),
    (ipaddress.ip_network("::ffff:0:0/96"), 0),
    (ipaddress.ip_network("::ffff:0:0:0/96"), 0),
    (ipaddress.ip_network("64:ff9b::/96"), 0),
    (ipaddress.ip_network("2002::/16"), 80),
)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet. An IPv4 address inside an IPv6 one counts as itself."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = next((bits for network, bits in _CARRIERS if ip in network), None)
        if inner is None:
            return ip in _GLOBAL_V6 and ip.is_global
        ip = ipaddress.IPv4Address((int(ip) >> inner) & 0xFFFFFFFF)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def is_any(_address: str) -> bool:
    """For closed networks (`allow_private_urls`): every address will do."""
    return True


class _Resolver(AbstractResolver):
    """Names into addresses that may be connected to."""

    def __init__(self, inner: AbstractResolver, allowed: Callable[[str], bool]) -> None:
        self._inner = inner
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        allowed = [one for one in found if self._allowed(one["host"])]
        if found and not allowed:
            raise _not_public()
        return allowed

    async def close(self) -> None:
        await self._inner.close()


def _not_public() -> Rejected:
    return Rejected("The address leads into a private network.")


@dataclass(frozen=True)
class Download:
    """An answer whose bytes are still to come. `name`, `type`: as the server has them, may be empty; `size`: if told.

    Iterating `chunks` raises TooBig and RetryLater.
    """

    chunks: AsyncIterator[bytes]
    name: str
    type: str
    size: int | None


class Guard:
    """An HTTP client for addresses that strangers wrote; an async context manager. `allowed` judges IP addresses."""

    def __init__(self, allowed: Callable[[str], bool] = is_public, resolver: AbstractResolver | None = None) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            resolver=_Resolver(self._resolver or ThreadedResolver(), self._allowed),
            socket_factory=self._socket,
            use_dns_cache=False,
            force_close=True,
        )
        self._http = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=HEADERS, trust_env=False
        )
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()

    def _socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        family, type_, proto, _, address = info
        if not self._allowed(str(address[0])):
            raise OSError("not an address of the open internet")
        return socket.socket(family, type_, proto)

    @asynccontextmanager
    async def get(self, url: str, *, limit: int, timeout_s: float) -> AsyncIterator[Download]:
        """GET, with at most `limit` bytes and `timeout_s` for all of it.

        Raises Rejected (the address can't or must not be used, the server refuses), RetryLater (network, 429, 5xx),
        TooBig. No error names the address: it may carry a secret.
        """
        if self._http is None:
            raise RuntimeError("enter the guard first")
        end = asyncio.get_running_loop().time() + timeout_s
        target = self._checked(url)
        for _ in range(MAX_REDIRECTS + 1):
            left = end - asyncio.get_running_loop().time()
            response = await self._ask(self._http, target, max(left, 0.001))
            try:
                if response.status not in REDIRECTS:
                    yield _download(response, limit)
                    return
                target = self._checked(response.headers.get("Location", ""), target)
            finally:
                response.close()
        raise Rejected("The address leads from one to the next too often.")

    async def _ask(self, http: aiohttp.ClientSession, url: URL, left_s: float) -> aiohttp.ClientResponse:
        timeout = aiohttp.ClientTimeout(total=left_s, sock_connect=CONNECT_S, sock_read=SILENCE_S)
        try:
            return await http.get(url, timeout=timeout, allow_redirects=False)
        except (aiohttp.InvalidURL, UnicodeError):
            pass
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise RetryLater("The server of this address can't be reached.") from None
        raise _bad_url()

    def _checked(self, text: str, base: URL | None = None) -> URL:
        """The address to ask, complete. Raises Rejected."""
        try:
            if not text or len(text) > MAX_URL:
                raise _bad_url()
            url = URL(text.strip()) if base is None else base.join(URL(text.strip()))
            host, port = url.raw_host, url.port
        except (ValueError, UnicodeError):
            raise _bad_url() from None
        if url.scheme not in {"http", "https"} or not host or not port:
            raise _bad_url()
        if url.raw_user is not None or url.raw_password is not None:
            raise Rejected("An address with a log-in in it is not fetched.")
        literal = _literal(host)
        if literal is not None and not self._allowed(literal):
            raise _not_public()
        return url


def _bad_url() -> Rejected:
    return Rejected("This is no address of http or https.")


def _literal(host: str) -> str | None:
    """The IP address that a host is, in any form the system's resolver takes (decimal, octal, hex, short); else None."""
    bare = host.strip("[]").rstrip(".")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(bare))
    except (OSError, ValueError):
        return None


def _download(response: aiohttp.ClientResponse, limit: int) -> Download:
    """Raises for answers that bring no file."""
    status = response.status
    if status in LATER or status >= 500:
        raise RetryLater(f"The server answers {status}.", provider_code=str(status))
    if status != 200:
        raise Rejected(f"The server answers {status}.", provider_code=str(status))
    size = response.content_length
    if size is not None and size > limit:
        raise TooBig(f"the file has more than {limit} bytes", reason="file_large", most_mb=limit >> 20)
    disposition = response.content_disposition
    name = (disposition.filename if disposition else "") or unquote(response.url.raw_name, errors="replace")
    type_ = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Download(_chunks(response, limit), name, type_, size)


async def _chunks(response: aiohttp.ClientResponse, limit: int) -> AsyncIterator[bytes]:
    size = 0
    try:
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            size += len(chunk)
            if size > limit:
                raise TooBig(f"the file has more than {limit} bytes", reason="file_large", most_mb=limit >> 20)
            yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError):
        raise RetryLater("The connection broke while the file came.") from None
