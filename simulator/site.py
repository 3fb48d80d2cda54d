"""A site with forms, and the browsers of its visitors: what they post, byte for byte as they do, and what they are told.

    async with Site("https://shop.example") as site:
        reply = await site.submit(hook, [("name", "Анна"), ("phone", "+7…")])                 # an HTML form: urlencoded
        reply = await site.submit(hook, fields, [UploadedFile("docs", "смета.pdf", b"%PDF")], style="multipart")
        reply = await site.submit(hook, fields, style="fetch")                                  # a script: preflight, then JSON

Source: HTML Standard (form submission, multipart/form-data), Fetch Standard (CORS).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Self
from urllib.parse import quote_plus, urljoin

import aiohttp

Style = Literal["urlencoded", "multipart", "fetch", "beacon"]
TIMEOUT_S = 30.0
USER_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
)


@dataclass(frozen=True)
class UploadedFile:
    """A file in the input `name`; without a filename: nobody chose one."""

    name: str
    filename: str
    content: bytes = b""
    type: str = "application/octet-stream"


@dataclass(frozen=True)
class Reply:
    """What the browser got. `location`: where it goes next; `readable`: a script of the page may read the answer."""

    status: int
    text: str
    location: str = ""
    readable: bool = True
    headers: dict[str, str] = field(default_factory=dict)


class Blocked(Exception):
    """The browser refuses: the preflight did not allow this page's script to post."""


class Site:
    """Pages of one origin. `sent` records the bodies that were posted."""

    def __init__(self, origin: str = "https://shop.example", page: str = "/delivery", charset: str = "utf-8") -> None:
        self.origin, self.page, self.charset = origin, urljoin(origin, page), charset
        self.sent: list[bytes] = []
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._http is not None:
            await self._http.close()

    async def submit(
        self,
        hook: str,
        fields: Sequence[tuple[str, str]],
        files: Sequence[UploadedFile] = (),
        style: Style = "urlencoded",
    ) -> Reply:
        """One submission. Raises Blocked where the preflight stops a script; a redirect is told, not followed."""
        if style == "fetch":
            await self._preflight(hook)
            body = json.dumps({"fields": dict(fields), "page": self.page}, ensure_ascii=False).encode()
            return await self._post(hook, body, "application/json", accept="*/*")
        if style == "beacon":
            body = json.dumps(dict(fields), ensure_ascii=False).encode()
            return await self._post(hook, body, "text/plain;charset=UTF-8", accept="*/*")
        if style == "multipart":
            boundary = f"----WebKitFormBoundary{secrets.token_hex(8)}"
            body = to_multipart(fields, files, boundary, self.charset)
            return await self._post(hook, body, f"multipart/form-data; boundary={boundary}")
        return await self._post(hook, to_urlencoded(fields, self.charset), "application/x-www-form-urlencoded")

    async def repeat(self, hook: str, content_type: str = "application/x-www-form-urlencoded") -> Reply:
        """The last body once more: an impatient visitor, a reloaded page."""
        return await self._post(hook, self.sent[-1], content_type)

    async def _preflight(self, hook: str) -> None:
        asked = {
            "Origin": self.origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        async with self._session.options(hook, headers=asked) as response:
            allowed = response.headers.get("Access-Control-Allow-Headers", "").lower()
            if response.status >= 300 or not self._may_read(response) or "content-type" not in allowed:
                raise Blocked(f"preflight: {response.status}")

    async def _post(self, hook: str, body: bytes, content_type: str, accept: str = "") -> Reply:
        self.sent.append(body)
        headers = {
            "Origin": self.origin,
            "Referer": self.page,
            "User-Agent": USER_AGENT,
            "Content-Type": content_type,
            "Accept": accept or "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "Accept-Language": "ru-RU,ru;q=0.9,en;q=0.8",
        }
        async with self._session.post(hook, data=body, headers=headers, allow_redirects=False) as response:
            told = dict(response.headers)
            location = urljoin(hook, told["Location"]) if "Location" in told else ""
            return Reply(response.status, await response.text(), location, self._may_read(response), told)

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise RuntimeError("open the site first")
        return self._http

    def _may_read(self, response: aiohttp.ClientResponse) -> bool:
        return response.headers.get("Access-Control-Allow-Origin") in {"*", self.origin}


def to_urlencoded(fields: Sequence[tuple[str, str]], charset: str = "utf-8") -> bytes:
    """What the page's charset does not have becomes `&#1071;`, as in browsers."""
    pairs = (f"{quote_plus(_encoded(name, charset))}={quote_plus(_encoded(value, charset))}" for name, value in fields)
    return "&".join(pairs).encode()


def to_multipart(
    fields: Sequence[tuple[str, str]], files: Sequence[UploadedFile], boundary: str, charset: str = "utf-8"
) -> bytes:
    """Fields, then files; quotes and line breaks in names escaped as browsers do."""
    parts = [
        _head(f'name="{_escaped(name)}"', charset) + _encoded(value.replace("\n", "\r\n"), charset)
        for name, value in fields
    ]
    for file in files:
        place = f'name="{_escaped(file.name)}"; filename="{_escaped(file.filename)}"\r\nContent-Type: {file.type}'
        parts.append(_head(place, charset) + file.content)
    delimiter = f"--{boundary}\r\n".encode()
    return b"".join(delimiter + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()


def _head(rest: str, charset: str) -> bytes:
    return _encoded(f"Content-Disposition: form-data; {rest}\r\n\r\n", charset)


def _encoded(text: str, charset: str) -> bytes:
    return text.encode(charset, "xmlcharrefreplace")


def _escaped(name: str) -> str:
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
