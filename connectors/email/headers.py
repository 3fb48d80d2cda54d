"""Headers of a mail from its raw bytes: the standard parser loses 8-bit headers and stumbles over broken ones.

Everything here is total: what can't be read is absent.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

from connectors.addresses import normalize_email
from connectors.email.charsets import decode
from connectors.email.tables import MAX_HEADER_BYTES, MAX_HEADERS, MAX_ID
from connectors.items import Address

MAX_VALUE = 16 << 10
MAX_ADDRESSES = 200
MAX_IDS = 100
MAX_NAME = 200

_NAME = re.compile(rb"([!-9;-~]{1,100})[ \t]*:")
_END = re.compile(rb"\r?\n[ \t]*\r?\n")
_WORD = re.compile(rb"=\?([^?\s*]{1,60})(?:\*[^?]{0,20})?\?([bBqQ])\?(.*?)(?:\?=|$)", re.DOTALL)
_ID = re.compile(rb"<([^<>]{1,998})>")
_TOKEN = re.compile(
    rb'"(?:\\.|[^"\\])*"|\((?:\\.|[^()\\])*\)|<[^<>]*>|=\?[^?\s]{1,80}\?[bBqQ]\?[^?]*\?=|[,;:]|[^",;:<(=]+|.', re.DOTALL
)
_PARAMETER = re.compile(rb';\s*([^\s=;"]{1,100})\s*=\s*("(?:\\.|[^"\\])*"?|[^;]*)', re.DOTALL)
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


@dataclass(slots=True)
class Headers:
    """Names in lower case with their raw, unfolded values, in order."""

    items: list[tuple[str, bytes]] = field(default_factory=list)

    def raw(self, name: str) -> bytes:
        """The first of that name; empty if there is none."""
        return next((value for key, value in self.items if key == name), b"")

    def all(self, name: str) -> Iterator[bytes]:
        return (value for key, value in self.items if key == name)

    def text(self, name: str) -> str:
        return decode_words(self.raw(name))

    def word(self, name: str) -> str:
        """A value that machines read, in lower case."""
        return self.raw(name)[:500].decode("latin-1").strip().lower()

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.items)


def split(raw: bytes) -> tuple[Headers, int]:
    """The headers, and where the body begins. A line that is no header ends them: some programs forget the empty line."""
    headers = Headers()
    position, size = 0, min(len(raw), MAX_HEADER_BYTES)
    while position < size:
        end = raw.find(b"\n", position)
        end = len(raw) if end < 0 else end
        line = raw[position:end].rstrip(b"\r")
        following = end + 1
        if not line.strip():
            return headers, min(following, len(raw))
        if not _take(headers, line, is_first=position == 0):
            return headers, position
        position = following
    return headers, _body_after(raw, position)


def _take(headers: Headers, line: bytes, *, is_first: bool) -> bool:
    """False: the line belongs to the body."""
    if line[:1] in b" \t" and headers.items:
        name, value = headers.items[-1]
        if len(value) < MAX_HEADER_BYTES:
            headers.items[-1] = (name, value + b" " + line.strip())
        return True
    found = _NAME.match(line)
    if found is None:
        # A mailbox file's separator, or junk before the first header.
        return line.startswith((b"From ", b">From ")) and (is_first or not headers.items)
    if len(headers.items) < MAX_HEADERS:
        headers.items.append((found[1].decode("ascii").lower(), line[found.end() :].strip()))
    return True


def _body_after(raw: bytes, position: int) -> int:
    """Headers beyond the limit are skipped, not taken for text."""
    if position >= len(raw):
        return len(raw)
    found = _END.search(raw, position)
    return found.end() if found else len(raw)


# ---------------------------------------------------------------- words


def decode_words(value: bytes) -> str:
    """A header as a person reads it: encoded words (RFC 2047, also broken ones) and raw 8-bit text, on one line."""
    pieces: list[str] = []
    charset, gathered = "", b""
    position = 0
    for found in _WORD.finditer(value[:MAX_VALUE]):
        between = value[position : found.start()]
        label = found[1].decode("latin-1")
        data = _word_bytes(found[2], found[3])
        position = found.end()
        if gathered and not between.strip() and label.lower() == charset.lower():
            gathered += data  # a character may be cut in two by the border of the words
            continue
        pieces += _flushed(gathered, charset)
        gathered, charset = data, label
        if between.strip() or not pieces:
            pieces.append(decode(between))
    pieces += _flushed(gathered, charset)
    pieces.append(decode(value[position:MAX_VALUE]))
    return clean("".join(pieces))


def _flushed(data: bytes, charset: str) -> list[str]:
    return [decode(data, charset)] if data else []


def _word_bytes(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"bB":
        return base64_bytes(text)
    return unquote_to_bytes(re.sub(rb"=(?=[0-9A-Fa-f]{2})", b"%", text.replace(b"%", b"=25").replace(b"_", b" ")))


def base64_bytes(text: bytes) -> bytes:
    """What can be read of base64: foreign characters are skipped, the padding may be missing."""
    text = re.sub(rb"[^A-Za-z0-9+/]", b"", text)
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))


def clean(text: str) -> str:
    """On one line, without control characters and those that turn the direction of writing."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return " ".join(_FORBIDDEN.sub(" ", text).split())


# ---------------------------------------------------------------- ids, dates, addresses


def ids(value: bytes) -> list[str]:
    """Message-IDs without their brackets; a bare one counts if it has an @."""
    found = [re.sub(rb"\s+", b"", one) for one in _ID.findall(value[: MAX_VALUE * 4])[:MAX_IDS]]
    bare = value.strip().strip(b"<>")
    if not found and b"@" in bare and len(bare) < MAX_ID:
        found = [b"".join(bare.split())]
    return [one.decode("utf-8", "replace")[:MAX_ID] for one in found if one]


def date(value: bytes) -> datetime | None:
    """UTC; None for what is no date. However absurd the year, it is what the mail says."""
    try:
        found = parsedate_to_datetime(value[:200].decode("ascii", "replace"))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def addresses(value: bytes) -> list[Address]:
    """Those of a list that can be written to, in order, each once. Groups and comments are understood."""
    found: dict[str, Address] = {}
    for tokens in _listed(value[:MAX_VALUE]):
        one = _address(tokens)
        if one is not None and len(found) < MAX_ADDRESSES:
            found.setdefault(one.value, one)
    return list(found.values())


def _listed(value: bytes) -> Iterator[list[bytes]]:
    tokens: list[bytes] = []
    for token in _TOKEN.findall(value):
        if token in {b",", b";"}:
            yield tokens
            tokens = []
        elif token == b":":
            tokens = []  # the name of a group
        else:
            tokens.append(token)
    yield tokens


def _address(tokens: list[bytes]) -> Address | None:
    angle = next((token for token in reversed(tokens) if token[:1] == b"<"), None)
    comments = [token[1:-1] for token in tokens if token[:1] == b"(" and len(token) > 1]
    words = [token for token in tokens if token[:1] not in {b"<", b"("}]
    raw = angle[1:-1] if angle is not None else b"".join(words)
    value = normalize_email(decode(raw[:1000]))
    if value is None and angle is not None:
        value = normalize_email(decode(b"".join(words)[:1000]))  # <Name> a@b
    if value is None:
        return None
    name = b"".join(words) if angle is not None else b" ".join(comments)
    shown = decode_words(re.sub(rb"\\(.)", rb"\1", name)).strip("\"' ").replace('"', "")[:MAX_NAME].strip()
    return Address(kind="email", value=value, name="" if shown.lower() == value else shown)


# ---------------------------------------------------------------- parameters


def parameters(value: bytes) -> tuple[str, dict[str, str]]:
    """`text/plain; charset=x` -> its first word in lower case and the parameters, RFC 2231 put together."""
    head = value[:MAX_VALUE]
    first = head.partition(b";")[0].strip().decode("latin-1").lower()
    plain: dict[str, str] = {}
    parts: dict[str, dict[int, tuple[bool, bytes]]] = {}
    for raw_name, raw_value in _PARAMETER.findall(b";" + head.partition(b";")[2]):
        name, _, section = raw_name.decode("latin-1").lower().partition("*")
        content = _unquoted(raw_value.strip())
        if not section and not raw_name.endswith(b"*"):
            plain.setdefault(name, decode_words(content))
        else:
            number, encoded = section.rstrip("*") or "0", section.endswith("*") or raw_name.endswith(b"*")
            if number.isdecimal() and len(number) < 4:
                parts.setdefault(name, {}).setdefault(int(number), (encoded, content))
    return first, plain | {name: _joined(sections) for name, sections in parts.items()}


def _unquoted(value: bytes) -> bytes:
    if value[:1] == b'"':
        value = value[1:-1] if value[-1:] == b'"' and len(value) > 1 else value[1:]
        return re.sub(rb'\\(["\\])', rb"\1", value)  # a path of Windows keeps its other backslashes
    return value.strip(b"'") if value[:1] == b"'" == value[-1:] else value


def _joined(sections: dict[int, tuple[bool, bytes]]) -> str:
    charset, data = "", b""
    for number in sorted(sections):
        encoded, content = sections[number]
        if encoded and number == min(sections) and content.count(b"'") >= 2:
            label, _, content = content.split(b"'", 2)
            charset = label.decode("latin-1")
        data += unquote_to_bytes(content) if encoded else content
    return clean(decode(data, charset))


def file_name(text: str) -> str:
    """A name without path, control and direction characters, short enough for any disk."""
    name = clean(unicodedata.normalize("NFC", text)).replace("\\", "/").rpartition("/")[2].strip(" .\"'")
    if len(name) <= MAX_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    return name[:MAX_NAME] if not dot or len(ending) > 10 else f"{stem[: MAX_NAME - len(ending) - 1]}.{ending}"
