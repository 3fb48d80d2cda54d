"""Bytes to text, whatever they say they are: labels lie, are unknown, or missing.

Order: the declared charset if it fits, UTF-8 if it fits, the Cyrillic charset whose letters are most like Russian, cp1252.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

SAMPLE = 4096
DETECT = "detect"

ALIASES: dict[str, str] = {
    "win-1251": "cp1251",
    "windows1251": "cp1251",
    "cp-1251": "cp1251",
    "x-cp1251": "cp1251",
    "ansi-1251": "cp1251",
    "ansi1251": "cp1251",
    "1251": "cp1251",
    "x-windows-1251": "cp1251",
    "koi8r": "koi8-r",
    "koi8": "koi8-r",
    "koi-8": "koi8-r",
    "koi8u": "koi8-u",
    "koi8-ru": "koi8-u",
    "x-mac-cyrillic": "mac-cyrillic",
    "maccyrillic": "mac-cyrillic",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "utf8mb4": "utf-8",
    "utf-8-sig": "utf-8-sig",
    "unicode-1-1-utf-8": "utf-8",
    "utf": "utf-8",
    "ks_c_5601-1987": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "iso8859-1": "cp1252",
    "x-unknown": DETECT,
    "us-ascii": DETECT,
    "ascii": DETECT,
    "7bit": DETECT,
    "8bit": DETECT,
    "binary": DETECT,
    "default": DETECT,
    "none": DETECT,
    "unknown": DETECT,
    "unknown-8bit": DETECT,
}
# Codecs of Python that are no charsets of mail, and slow or surprising on hostile bytes.
_NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})
_LATIN = frozenset({"cp1252", "iso8859-15", "iso8859-2", "cp1250"})
# Not mac-cyrillic: its small letters are those of cp1251, and it is always declared.
_CYRILLIC = ("cp1251", "koi8-r", "cp866", "iso8859-5")

# Percent of Russian letters; other Cyrillic ones are seldom.
_FREQUENCY = dict(
    zip(
        "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
        (
            *(10.97, 8.45, 8.01, 7.35, 6.70, 6.26, 5.47, 4.73, 4.54, 4.40, 3.49, 3.21, 2.98, 2.81, 2.62, 2.01, 1.90),
            *(1.74, 1.70, 1.65, 1.59, 1.44, 1.21, 0.97, 0.94, 0.73, 0.64, 0.48, 0.36, 0.32, 0.26, 0.04, 0.04),
        ),
        strict=True,
    )
)
_USUAL = frozenset("«»—–…“”„’‘№•\u00a0©®€·°")
_NON_ASCII = re.compile(rb"[\x80-\xff]")


def decode(data: bytes, label: str = "") -> str:
    """Text of `data`, declared to be `label`. Total; what can't be read becomes U+FFFD, NULs go."""
    if data.isascii() and b"\x1b" not in data and b"\x00" not in data and label[:4].lower() not in {"utf-", "hz"}:
        return data.decode("ascii")
    return _decode(data, codec_of(label)).replace("\x00", "").removeprefix("\ufeff")


def _decode(data: bytes, codec: str) -> str:
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"} and len(data) % 2 == 0:
        codec = "utf-16"
    declared = None if codec == DETECT else _strict(data, codec)
    utf8 = _strict(data, "utf-8")
    if declared is not None and not _is_doubtful(declared, utf8, codec):
        return declared
    if utf8 is not None:
        return utf8
    if codec in {"utf-8", "utf-8-sig"} and _mostly_utf8(data):
        return data.decode("utf-8", "replace")
    return _guess(data, declared)


def _is_doubtful(declared: str, utf8: str | None, codec: str) -> bool:
    """One-byte charsets take any bytes, so that they fit proves nothing."""
    if codec in _LATIN:
        return (utf8 is not None and not utf8.isascii()) or _looks_cyrillic(declared)
    if codec in {"cp1251", "koi8-r", "koi8-u", "cp866", "iso8859-5", "mac-cyrillic"} and utf8 is not None:
        return _score(utf8) > _score(declared)
    return False


def _looks_cyrillic(text: str) -> bool:
    """Russian read as Latin-1: nearly all letters are accented ones."""
    letters = [char for char in text[:SAMPLE] if char.isalpha()]
    accented = sum(char >= "\u00c0" for char in letters)
    return accented >= 4 and accented * 10 >= len(letters) * 6


@lru_cache(maxsize=256)
def codec_of(label: str) -> str:
    """Python's name of a charset; DETECT where the label says nothing or is not known."""
    name = label.strip().strip("\"'<>").lower().replace("_", "-").replace(" ", "-")[:60]
    name = ALIASES.get(name, ALIASES.get(name.replace("-", "_"), name))
    if name in {"", DETECT}:
        return DETECT
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError, UnicodeError):
        return DETECT
    return DETECT if found in _NO_CHARSETS else ALIASES.get(found, found)


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except (UnicodeError, LookupError, ValueError):
        return None


def _mostly_utf8(data: bytes) -> bool:
    """A character cut in two, a stray byte: still UTF-8."""
    text = data.decode("utf-8", "replace")
    wrong = text.rstrip("\ufffd").count("\ufffd")
    foreign = sum(char > "\x7f" and char != "\ufffd" for char in text[: SAMPLE * 16])
    return foreign > 1 and wrong * 10 < foreign


def _guess(data: bytes, declared: str | None) -> str:
    first = _NON_ASCII.search(data)
    start = max(0, first.start() - 20) if first else 0
    sample = data[start : start + SAMPLE]
    scored = [(_score(sample.decode(codec, "replace")), -n, codec) for n, codec in enumerate(_CYRILLIC)]
    best, _, codec = max(scored)
    if best > 0:
        return data.decode(codec, "replace")
    return declared if declared is not None else data.decode("cp1252", "replace")


def _score(text: str) -> float:
    """How much like Russian, per letter that is not ASCII."""
    points, letters = 0.0, 0
    before = ""
    for char in text[:SAMPLE]:
        if "\u0400" <= char <= "\u04ff":
            letters += 1
            points += _FREQUENCY.get(char.lower(), 0.3)
            if before.isalpha() and ((char.isupper() and before.islower()) or before.isascii()):
                points -= 12
        elif (char > "\x7f" and char not in _USUAL) or (char < " " and char not in "\t\r\n"):
            letters += 1
            points -= 8
        elif char.isalpha() and "\u0400" <= before <= "\u04ff":
            points -= 12
        before = char
    return points / letters if letters else 0.0
