"""The words of IMAP: commands taken apart, parts of mails, sets of numbers, criteria of a search (RFC 3501, 6 and 9)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_TOKEN = re.compile(rb'\s*(?:(\()|(\))|"((?:\\.|[^"\\])*)"|((?:[^\s()"\[]|\[[^\]]*\])+))')


class No(Exception):
    """The command fails; its text goes after NO."""


class Bad(Exception):
    """The command is not understood; its text goes after BAD."""


@dataclass
class Stored:
    """A mail. `arrived` is its INTERNALDATE."""

    uid: int
    data: bytes
    arrived: datetime
    flags: set[str] = field(default_factory=set)


def split(line: bytes, stack: list[list[Any]]) -> None:
    position = 0
    while position < len(line):
        found = _TOKEN.match(line, position)
        if found is None:
            if line[position:].strip():
                raise ValueError("not a command")
            return
        position = found.end()
        if found[1]:
            stack[-1].append([])
            stack.append(stack[-1][-1])
        elif found[2]:
            if len(stack) > 1:
                stack.pop()
        elif found[3] is not None:
            stack[-1].append(re.sub(rb"\\(.)", rb"\1", found[3]).decode("latin-1"))
        else:
            stack[-1].append(found[4].decode("latin-1"))


def items(wanted: list[Any]) -> list[str]:
    """Names of what to fetch; HEADER.FIELDS brings its list along within its brackets."""
    macros = {"FAST": ["FLAGS", "INTERNALDATE", "RFC822.SIZE"]}
    found: list[str] = []
    for word in wanted:
        upper = str(word).upper()
        found += macros.get(upper, [upper])
    return found


def part_of(data: bytes, section: str) -> bytes:
    head, gap, body = data.partition(b"\r\n\r\n")
    if not section:
        return data
    if section == "HEADER":
        return head + gap
    if section == "TEXT":
        return body
    fields = re.fullmatch(r"HEADER\.FIELDS(\.NOT)? \(([^)]*)\)", section)
    if fields is None:
        raise Bad(f"no such section {section}")
    names = {name.lower().encode() for name in fields[2].split()}
    lines = re.findall(rb"[^\r\n]+\r\n(?:[ \t][^\r\n]*\r\n)*", head + b"\r\n")
    chosen = (line for line in lines if (line.partition(b":")[0].strip().lower() in names) != bool(fields[1]))
    return b"".join(chosen) + b"\r\n"


def ranges(numbers: str, top: int) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for piece in numbers.split(","):
        ends = [top if end == "*" else int(end) for end in piece.split(":")]
        found.append((min(ends), max(ends)))
    return found


def internal(at: datetime) -> str:
    return f"{at.day:2d}-{MONTHS[at.month - 1]}-{at.year} {at:%H:%M:%S %z}"


def _day(text: str) -> date:
    day, month, year = text.split("-")
    return date(int(year), MONTHS.index(month.title()) + 1, int(day))


Test = Callable[[int, Stored], bool]
Chooser = Callable[[str, bool], list[Stored]]
"""The mails of a set of numbers; of UIDs if so asked."""


def all_of(words: list[Any], choose: Chooser) -> Test:
    tests: list[Test] = []
    while words:
        tests.append(_test(words, choose))
    return lambda number, mail: all(test(number, mail) for test in tests)


def _test(words: list[Any], choose: Chooser) -> Test:
    """Takes one criterion off the list (RFC 3501, 6.4.4)."""
    word = words.pop(0)
    if isinstance(word, list):
        return all_of(word, choose)
    name = str(word).upper()
    if name == "NOT":
        inner = _test(words, choose)
        return lambda number, mail: not inner(number, mail)
    if name == "OR":
        one, other = _test(words, choose), _test(words, choose)
        return lambda number, mail: one(number, mail) or other(number, mail)
    if name in _FLAGS:
        flag, wanted = _FLAGS[name]
        return lambda _number, mail: (flag in mail.flags) == wanted
    if name == "ALL":
        return lambda _number, _mail: True
    if name in {"SINCE", "BEFORE", "ON"}:
        day = _day(str(words.pop(0)))
        return lambda _number, mail: _compare(name, mail.arrived.date(), day)
    if name in {"LARGER", "SMALLER"}:
        size = int(words.pop(0))
        return lambda _number, mail: len(mail.data) > size if name == "LARGER" else len(mail.data) < size
    if name in {"HEADER", "FROM", "TO", "SUBJECT"}:
        header = str(words.pop(0)) if name == "HEADER" else name
        text = str(words.pop(0)).lower()
        return lambda _number, mail: _has_header(mail.data, header, text)
    numbers = str(words.pop(0)) if name == "UID" else name
    chosen = {mail.uid for mail in choose(numbers, name == "UID")}
    return lambda _number, mail: mail.uid in chosen


_FLAGS = {
    "SEEN": ("\\Seen", True),
    "UNSEEN": ("\\Seen", False),
    "DELETED": ("\\Deleted", True),
    "UNDELETED": ("\\Deleted", False),
    "FLAGGED": ("\\Flagged", True),
    "ANSWERED": ("\\Answered", True),
}


def _compare(name: str, at: date, day: date) -> bool:
    return {"SINCE": at >= day, "BEFORE": at < day, "ON": at == day}[name]


def _has_header(data: bytes, name: str, text: str) -> bool:
    found = part_of(data, f"HEADER.FIELDS ({name})").decode("latin-1").lower()
    return bool(found.strip()) and text in found
