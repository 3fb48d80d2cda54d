"""How a text becomes SMS: its encoding, and how it is cut. For composer, price and SMPP; HTTP gateways cut by themselves.

GSM-7 (3GPP TS 23.038, 6.2.1) where every character fits, else UCS-2, which is UTF-16BE in fact. A segment holds 140
bytes: 160 septets or 70 units; in a message of several each gives 6 bytes (7 with a 16-bit reference) to the header
that joins them. Never cut: an escape from its character, a surrogate pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

ESCAPE = "\x1b"
_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
GSM7_OCTETS: dict[str, bytes] = {
    **{char: bytes([code]) for code, char in enumerate(_BASIC) if char != ESCAPE},
    **{char: bytes([0x1B, code]) for char, code in _EXTENSION.items()},
}
"""Characters as they travel unpacked, a septet in a byte; ESC is no character of its own."""

_FROM_EXTENSION = {code: char for char, code in _EXTENSION.items()}

# What typewriters did not have, in their words.
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("“”„‟«»″", '"'),
        **dict.fromkeys("‘’‚‛′`´", "'"),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u202f\t", " "),
        **dict.fromkeys("\u200b\u2060\ufeff\u00ad"),
        "…": "...",
        "•": "-",
    }
)


class Encoding(StrEnum):
    """`single`: units of a message of one segment; the others what is left beside the header that joins several."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"

    @property
    def single(self) -> int:
        return 160 if self is Encoding.GSM7 else 70

    @property
    def joined(self) -> int:
        return 153 if self is Encoding.GSM7 else 67

    @property
    def joined_wide(self) -> int:
        return 152 if self is Encoding.GSM7 else 66


@dataclass(frozen=True, slots=True)
class Segments:
    """A text cut: `units` are septets or UTF-16 units, `sizes` those of each part; parts joined are the text."""

    encoding: Encoding
    units: int
    parts: Sequence[str]
    sizes: Sequence[int]

    def __len__(self) -> int:
        return len(self.parts)


def encoding_of(text: str) -> Encoding:
    """GSM-7 if every character fits."""
    return Encoding.GSM7 if all(char in GSM7_OCTETS for char in text) else Encoding.UCS2


def units_of(char: str, encoding: Encoding) -> int:
    """Septets or UTF-16 units of one character."""
    if encoding is Encoding.GSM7:
        return len(GSM7_OCTETS[char])
    return 2 if ord(char) > 0xFFFF else 1


def segments(text: str, *, wide_ref: bool = False) -> Segments:
    """Cuts greedily. `wide_ref`: the header carries a 16-bit reference. An empty text has no parts."""
    encoding = encoding_of(text)
    sizes = [units_of(char, encoding) for char in text]
    total = sum(sizes)
    if total <= encoding.single:
        return Segments(encoding, total, (text,) if text else (), (total,) if text else ())
    limit = encoding.joined_wide if wide_ref else encoding.joined
    parts: list[str] = []
    filled: list[int] = []
    start = used = 0
    for end, size in enumerate(sizes):
        if used + size > limit:
            parts.append(text[start:end])
            filled.append(used)
            start, used = end, 0
        used += size
    return Segments(encoding, total, (*parts, text[start:]), (*filled, used))


def tidy(text: str) -> str:
    """The text in plain quotes, dashes and spaces if it fits into GSM-7 then; else (Cyrillic, emoji) as it is."""
    if encoding_of(text) is Encoding.GSM7:
        return text
    plain = text.translate(_PLAIN)
    return plain if encoding_of(plain) is Encoding.GSM7 else text


def encode_gsm7(text: str) -> bytes:
    """Unpacked, as SMPP carries it. Raises ValueError for a text that does not fit."""
    try:
        return b"".join(GSM7_OCTETS[char] for char in text)
    except KeyError:
        raise ValueError("the text has characters that GSM-7 does not know") from None


def decode_gsm7(octets: bytes) -> str:
    """Total: an escape before a code unknown reads as that code's plain character, a septet above 127 as `?`."""
    found: list[str] = []
    escaped = False
    for octet in octets:
        if octet == 0x1B and not escaped:
            escaped = True
            continue
        plain = _BASIC[octet] if octet < 0x80 else "?"
        found.append(_FROM_EXTENSION.get(octet, plain) if escaped else plain)
        escaped = False
    return "".join(found).replace(ESCAPE, " ")


def encode_ucs2(text: str) -> bytes:
    """UTF-16BE; a lone surrogate stays what it is."""
    return text.encode("utf-16-be", "surrogatepass")


def decode_ucs2(octets: bytes) -> str:
    """Total: what is no UTF-16 reads as replacement characters."""
    return octets.decode("utf-16-be", "replace")
