"""Form bodies byte by byte: urlencoded pairs in any charset, and multipart/form-data cut by offsets, never copied whole.

The standard parsers assume UTF-8 (a digest over raw bytes and a windows-1251 page need the bytes), or build an e-mail.
Sources: WHATWG HTML "multipart/form-data", RFC 7578, RFC 2046 5.1.1.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes

from config.errors import BadPayload

MAX_PAIRS = 1000
MAX_PARTS = 200
MAX_PART_HEAD = 8192
_BOUNDARY = re.compile(r""";\s*boundary=(?:"([^"]{1,70})"|([^\s";]{1,70}))""", re.IGNORECASE)
_CHARSET = re.compile(r""";\s*charset="?([\w.:-]{1,40})""", re.IGNORECASE)
_PARAMETER = re.compile(r""";\s*([\w*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))""", re.DOTALL)
_BROWSER_ESCAPES = {"%22": '"', "%0D": "\r", "%0A": "\n"}


class Part(NamedTuple):
    """One part of a multipart body; its content is `body[start:end]`. `filename` None: a plain field."""

    name: str
    filename: str | None
    type: str
    start: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.start


def to_text(raw: bytes, charset: str = "") -> str:
    """UTF-8 unless it is not, then `charset`, else windows-1251: what is left of pages that do not say. Total."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(charset or "windows-1251", "replace")


def charset_of(content_type: str) -> str:
    """The charset named in a Content-Type, if Python knows it and it is one of text; else empty."""
    found = _CHARSET.search(content_type)
    return known_charset(found[1]) if found else ""


def known_charset(name: str) -> str:
    """The codec's own name, empty for one that is not known or does not decode into text."""
    try:
        codec = codecs.lookup(name.strip())
        b"".decode(codec.name)
    except (LookupError, ValueError):
        return ""
    return codec.name


def raw_pairs(raw: bytes, where: str = "body") -> list[tuple[bytes, bytes]]:
    """Of an urlencoded body or query, percent-decoded, in order. Raises BadPayload over 1,000 of them."""
    pieces = [piece for piece in raw.split(b"&", MAX_PAIRS + 1) if piece]
    if len(pieces) > MAX_PAIRS:
        raise BadPayload(where, "more than 1,000 fields")
    pairs = (piece.replace(b"+", b" ").partition(b"=") for piece in pieces)
    return [(unquote_to_bytes(name), unquote_to_bytes(value)) for name, _, value in pairs]


def parts_of(body: bytes, content_type: str) -> list[Part]:
    """The parts of a multipart/form-data body. Raises BadPayload: no boundary, cut short, too many parts, a bad head."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise BadPayload("headers.content-type", "multipart without a boundary")
    delimiter = b"--" + (found[1] or found[2]).encode("utf-8", "surrogateescape")
    charset = charset_of(content_type)
    parts: list[Part] = []
    for start, end in _spans(body, delimiter):
        if len(parts) == MAX_PARTS:
            raise BadPayload("body", f"more than {MAX_PARTS} parts")
        parts.append(_part(body, start, end, charset, f"body.part[{len(parts)}]"))
    return parts


def _spans(body: bytes, delimiter: bytes) -> Iterator[tuple[int, int]]:
    """Where parts begin (with their head) and end (before the line break of the next delimiter)."""
    if body.startswith(delimiter):
        at = len(delimiter)
    else:
        preamble = body.find(b"\r\n" + delimiter)
        if preamble < 0:
            raise BadPayload("body", "the boundary of the Content-Type is not in it")
        at = preamble + 2 + len(delimiter)
    while body[at : at + 2] != b"--":
        line_end = body.find(b"\r\n", at, at + 200)
        following = body.find(b"\r\n" + delimiter, at)
        if line_end < 0 or following < 0 or body[at:line_end].strip(b" \t"):
            raise BadPayload("body", "multipart cut short")
        # A part without anything: its delimiter's line break is the next one's.
        yield line_end + 2, max(following, line_end + 2)
        at = following + 2 + len(delimiter)


def _part(body: bytes, start: int, end: int, charset: str, where: str) -> Part:
    head_end = body.find(b"\r\n\r\n", start, min(end, start + MAX_PART_HEAD))
    if head_end < 0:
        raise BadPayload(where, f"no head of at most {MAX_PART_HEAD} bytes")
    headers: dict[str, str] = {}
    for line in to_text(body[start:head_end], charset).split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    disposition = headers.get("content-disposition", "")
    given = {m[1].lower(): (m[2] if m[2] is not None else m[3]) for m in _PARAMETER.finditer(disposition)}
    if disposition.partition(";")[0].strip().lower() != "form-data" or "name" not in given:
        raise BadPayload(f"{where}.content-disposition", "expected form-data with a name")
    type_ = headers.get("content-type", "").partition(";")[0].strip().lower()
    return Part(_unescaped(given["name"]), _filename(given), type_, head_end + 4, end)


def _filename(given: dict[str, str]) -> str | None:
    """RFC 5987's form wins where a script uses it; browsers never do."""
    extended = given.get("filename*")
    if extended is not None:
        charset, _, rest = extended.partition("'")
        return unquote(rest.partition("'")[2], known_charset(charset) or "utf-8", "replace")
    plain = given.get("filename")
    return None if plain is None else _unescaped(plain)


def _unescaped(text: str) -> str:
    for escape, char in _BROWSER_ESCAPES.items():
        text = text.replace(escape, char)
    return text.replace('\\"', '"')
