"""A mail's tree of MIME parts, read straight from the bytes. Total: whatever is wrong with it, it is some tree.

The standard parser recurses as deep as a sender likes, takes time that grows with the square of odd input, and
descends into enclosed mails. This one has limits: depth, number of parts; what lies beyond them is one opaque part.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field

from connectors.email import headers as h
from connectors.email.tables import MAX_DEPTH, MAX_PARTS

_FIRST_BOUNDARY = re.compile(rb"\A\s*--([^\s-][^\r\n]{0,100}?)[ \t]*\r?\n")
_SOFT_BREAK = re.compile(rb"=[ \t]*\r?\n")
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,120}")


@dataclass(slots=True)
class Part:
    """`type` is lower case and always a/b; `content` its bytes as they stand, still encoded for transfer."""

    headers: h.Headers
    type: str
    params: dict[str, str]
    content: bytes
    children: list[Part] = field(default_factory=list)
    disposition: str = ""
    name: str = ""

    @property
    def main(self) -> str:
        return self.type.partition("/")[0]

    @property
    def charset(self) -> str:
        return self.params.get("charset", "")

    @property
    def content_id(self) -> str:
        found = h.ids(self.headers.raw("content-id"))
        return found[0] if found else self.headers.raw("content-id")[:200].decode("latin-1").strip(" <>")

    def data(self) -> bytes:
        """Decoded."""
        encoding = self.headers.word("content-transfer-encoding").partition(";")[0].strip().strip('"')
        return _DECODERS.get(encoding, _identity)(self.content)


@dataclass(slots=True)
class Budget:
    """How many parts may still be made; `spent` says that some were not."""

    left: int = MAX_PARTS
    spent: bool = False


def parse(raw: bytes, budget: Budget | None = None) -> Part:
    """The tree of a whole mail."""
    return _part(raw, budget or Budget(), depth=0, default="text/plain")


def _part(raw: bytes, budget: Budget, *, depth: int, default: str) -> Part:
    budget.left -= 1
    headers, start = h.split(raw)
    part = _described(headers, raw[start:], default)
    if part.main != "multipart":
        return part
    boundary = _boundary(part)
    if not boundary:
        part.type = "text/plain"  # says it is in parts, and is not
        return part
    if depth >= MAX_DEPTH:
        budget.spent = True
        part.type = "application/octet-stream"
        return part
    inner = "message/rfc822" if part.type == "multipart/digest" else "text/plain"
    for piece in _pieces(part.content, boundary):
        if budget.left <= 0:
            budget.spent = True
            break
        part.children.append(_part(piece, budget, depth=depth + 1, default=inner))
    if not part.children and part.content.strip():
        part.type = "text/plain"
    return part


def _described(headers: h.Headers, content: bytes, default: str) -> Part:
    kind, params = h.parameters(headers.raw("content-type"))
    if not _TYPE.fullmatch(kind):
        known = {"text": "text/plain", "html": "text/html"}
        kind = known.get(kind, default if not kind else "application/octet-stream")
    disposition, more = h.parameters(headers.raw("content-disposition"))
    name = h.file_name(more.get("filename") or params.get("name") or more.get("name") or "")
    return Part(headers, kind, params, content, disposition=disposition, name=name)


def _boundary(part: Part) -> bytes:
    """As declared, else as the first line of the content has it."""
    declared = part.params.get("boundary", "")[:200].encode("utf-8", "replace").rstrip()
    if declared and b"--" + declared in part.content:
        return declared
    first = _FIRST_BOUNDARY.match(part.content[:2000])
    return first[1] if first else declared


def _pieces(content: bytes, boundary: bytes) -> list[bytes]:
    """Contents between the lines of the boundary; without a closing one the last goes to the end."""
    line = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\r?\Z)")
    pieces: list[bytes] = []
    start = -1
    for found in line.finditer(content):
        if start >= 0:
            pieces.append(_after_newline(content[start : found.start()]))
        if found[1]:
            return pieces
        start = found.end()
        if len(pieces) > MAX_PARTS:
            return pieces
    if start >= 0:
        pieces.append(_after_newline(content[start:]))
    return pieces


def _after_newline(piece: bytes) -> bytes:
    return piece[2:] if piece[:2] == b"\r\n" else piece[1:] if piece[:1] == b"\n" else piece


# ---------------------------------------------------------------- transfer encodings


def _identity(data: bytes) -> bytes:
    return data


def _quoted_printable(data: bytes) -> bytes:
    return binascii.a2b_qp(_SOFT_BREAK.sub(b"=\n", data))


def _uu(data: bytes) -> bytes:
    lines = data.splitlines()
    begin = next((n for n, line in enumerate(lines) if line.startswith(b"begin ")), None)
    if begin is None:
        return data
    decoded = bytearray()
    for line in lines[begin + 1 :]:
        if line.strip() == b"end":
            break
        try:
            decoded += binascii.a2b_uu(line)
        except binascii.Error:  # trailing garbage: the line's own length says how much of it counts
            wanted = (((line[0] - 32) & 63) * 4 + 5) // 3 if line else 0
            try:
                decoded += binascii.a2b_uu(line[:wanted])
            except binascii.Error:
                continue
    return bytes(decoded)


_DECODERS = {
    "base64": h.base64_bytes,
    "quoted-printable": _quoted_printable,
    "x-uuencode": _uu,
    "x-uue": _uu,
    "uuencode": _uu,
}
