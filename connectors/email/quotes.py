"""What a person wrote, apart from the mail he answers and from his signature.

Mail programs write the line above a quote each in their own way, the Russian ones too; libraries know a few of them.
Nothing is thrown away: `fold` gives both halves. Answers between quoted lines are left as they are, and where nothing
would be left of a mail it is shown whole.
"""

from __future__ import annotations

import re

from connectors.email.html import CUT

MAX_LINES = 5000
SIGNATURE_LINES = 8

_QUOTED = re.compile(r"\s{0,3}[>|]")
_ADDRESS = r"[<(\[]?[^\s<>()\[\]:]{1,64}@[^\s<>()\[\]:]{1,100}[>)\]]?"
_DAY = (
    r"(?:\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2}"
    r"|\d{1,2}\.?(?:\s+de)?\s+[^\W\d_]{3,12}\.?,?(?:\s+de)?\s+\d{4}|[^\W\d_]{3,12}\.?\s+\d{1,2},?\s+\d{4})"
)
_TIME = r"\d{1,2}[:.]\d{2}"
_WROTE = (
    r"(?:написал(?:\(а\)|а|и)?|пишет|писал(?:\(а\)|а)?|wrote|schrieb|a [ée]crit|escribi[óo]|ha scritto|escreveu"
    r"|написав(?:\(ла\)|ла)?|пише|жазды|napisał(?:\(a\)|a)?|skrev|napsal(?:\(a\)|a)?)"
)
_ANY_MARK = re.compile(rf"{_DAY}|{_TIME}|{_ADDRESS}")
_ENDS_WROTE = re.compile(rf"\b{_WROTE}[\s\xa0]*:$", re.IGNORECASE)
_WROTE_WHEN = re.compile(rf"\b{_WROTE}\s+(?:{_DAY}|.{{0,40}}{_ADDRESS})", re.IGNORECASE)
_ENDS_ADDRESS = re.compile(rf"{_ADDRESS}\s*:$")
_WHEN = re.compile(rf"{_DAY}.{{0,40}}?{_TIME}")
_WHEN_FROM = re.compile(rf"{_DAY}.{{0,40}}?{_TIME}.{{0,20}}?\b(?:от|from)\b", re.IGNORECASE)
_YOU_WROTE = re.compile(r"(?:Вы (?:на)?писали|You wrote)\b", re.IGNORECASE)
_MAX_HEADING = 400

_RULE = re.compile(
    r"^\s*(?:[-_=*]{2,}|<)?\s*(?:Исходное сообщение|Оригинальное сообщение|Первоначальное сообщение"
    r"|Пересылаемое сообщение|Пересланное сообщение|Пересылаемое письмо|Перенаправленное сообщение|Исходное письмо"
    r"|Original Message|Original-Nachricht|Ursprüngliche Nachricht|Message d'origine|Mensaje original"
    r"|Forwarded message|Forwarded by .{1,60}|Вихідне повідомлення|Начало переадресованного сообщения"
    r"|Начало переадресованного письма|Begin forwarded message|Конец пересылаемого сообщения)"
    r"\s*(?:[-_=*]{2,}|:|>)?\s*$",
    re.IGNORECASE,
)
_FORWARDED = re.compile(r"пересыл|переслан|переадрес|перенаправ|forwarded", re.IGNORECASE)
_OWN_RULE = re.compile(r"please reply above this line|ответьте выше этой (?:строки|черты)", re.IGNORECASE)
_LABEL = re.compile(
    r"^\s*\*?(от кого|от|кому|копия|дата|отправлено|тема|from|to|sent|date|subject|cc|von|an|gesendet|betreff|de|à"
    r"|envoyé|objet|para|enviado|asunto|від|надіслано|reply-to)\s*:\*?(?:\s|$)",
    re.IGNORECASE,
)
_STARTS = frozenset({"от", "от кого", "from", "von", "de", "від", "дата", "date"})

_DASHES = re.compile(r"^(?:--|—|––|- -)[ \t]*$")
_MOBILE = re.compile(
    r"^\s*(?:--\s*)?(?:отправлено (?:из|с|со|через)\b|sent (?:from|with|via)\b|get outlook for\b|получите outlook для\b"
    r"|написано с телефона|послано с|gesendet von|envoyé de|enviado (?:desde|do)|скачать outlook)[^\n]{0,100}$",
    re.IGNORECASE,
)
_REGARDS = re.compile(
    r"^\s*(?:с (?:уважением|наилучшими пожеланиями)|всего доброго|best regards|kind regards|regards"
    r"|sincerely|з повагою|mit freundlichen grüßen|cordialement)\b[^\n]{0,60}$",
    re.IGNORECASE,
)


def fold(text: str) -> tuple[str, str]:
    """(what was written, quotes and signature). Either may hold it all; together they are the whole text."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    own, rest = _split(lines)
    own, signature = _without_signature(own)
    written = _joined(own)
    if len(written) < 2:
        return _joined(lines), ""
    return written, _joined([*signature, *rest])


def is_forward(text: str) -> bool:
    """It holds a mail that a program has marked as forwarded."""
    return any(_RULE.match(line) and _FORWARDED.search(line) for line in text.split("\n")[:MAX_LINES])


def forwarded_from(text: str) -> str:
    """The value of the `From` line below the mark of a forwarded mail; empty where there is not exactly one such mark."""
    lines = text.split("\n")[:MAX_LINES]
    marks = [n for n, line in enumerate(lines) if _RULE.match(line) and _FORWARDED.search(line) and "онец" not in line]
    if len(marks) != 1:
        return ""
    for line in lines[marks[0] + 1 : marks[0] + 10]:
        found = _LABEL.match(line)
        if found and found[1].lower() in {"от", "от кого", "from", "von", "de"}:
            return line[found.end() :].strip()
    return ""


# ---------------------------------------------------------------- quotes


def _split(lines: list[str]) -> tuple[list[str], list[str]]:
    start = _explicit_start(lines)
    body, rest = lines[:start], lines[start:]
    heading = next((n for n in range(min(len(body), MAX_LINES)) if _is_heading(body, n)), None)
    quoted = [n for n, line in enumerate(body) if _QUOTED.match(line)]
    if heading is not None and not quoted and _names_sender(body, heading):
        return body[:heading], body[heading:] + rest
    if not quoted:
        return body, rest
    return _around_quotes(body, rest, quoted, heading)


def _around_quotes(
    body: list[str], rest: list[str], quoted: list[int], heading: int | None
) -> tuple[list[str], list[str]]:
    """Quoted lines at the end fold away; those at the beginning too; answers between them stay where they are."""
    first, last = quoted[0], quoted[-1]
    if heading is not None and heading < first and not _joined(body[heading + _length(body, heading) : first]):
        first = heading
    above, below = body[:first], body[last + 1 :]
    inside = [n for n in range(first, last + 1) if body[n].strip() and not _QUOTED.match(body[n])]
    has_answers = any(not _belongs_to_heading(body, n, first) for n in inside)
    if has_answers:
        return body, rest
    own_below, signature = _without_signature(below)
    if not _joined(own_below):
        return above, body[first : last + 1] + signature + rest
    if _joined(above):
        return body, rest  # written above and below: the quote is part of what is said
    return below, body[first : last + 1] + rest


def _belongs_to_heading(body: list[str], line: int, first: int) -> bool:
    """Of the heading itself, wrapped or not, or of a deeper quote's heading that lost its mark."""
    if first <= line < first + 3 and _is_heading(body, first):
        return line < first + _length(body, first)
    return any(n >= 0 and _is_heading(body, n) and line < n + _length(body, n) for n in range(line - 2, line + 1))


def _explicit_start(lines: list[str]) -> int:
    """Where a program says itself that another mail begins; the number of lines if none does."""
    for n, line in enumerate(lines[:MAX_LINES]):
        if line == CUT or _OWN_RULE.search(line) or _RULE.match(line):
            return _heading_above(lines, n)
        if _is_header_block(lines, n):
            return n - 1 if n and re.fullmatch(r"\s*[_-]{5,}\s*", lines[n - 1]) else n
    return len(lines)


def _heading_above(lines: list[str], n: int) -> int:
    """The heading may stand right above the mark."""
    above = n - 1
    while above >= 0 and not lines[above].strip():
        above -= 1
    for start in range(max(0, above - 2), above + 1):
        if _is_heading(lines, start) and start + _length(lines, start) == above + 1:
            return start
    return n


def _is_header_block(lines: list[str], n: int) -> bool:
    """`От: … Отправлено: … Кому: …`: three labels close together, the first of which says who or when."""
    first = _LABEL.match(lines[n])
    if first is None or first[1].lower() not in _STARTS:
        return False
    following = [line for line in lines[n + 1 : n + 12] if line.strip()][:6]
    names = {found[1].lower() for line in following if (found := _LABEL.match(line))}
    return len(names - {first[1].lower()}) >= 2


def _is_heading(lines: list[str], n: int) -> bool:
    return _length(lines, n) > 0


def _names_sender(lines: list[str], n: int) -> bool:
    """With nothing marked as quoted below it, a heading is believed only if it tells an address: people end lines with
    `он написал:` as well.
    """
    return "@" in " ".join(lines[n : n + _length(lines, n)])


def _length(lines: list[str], n: int) -> int:
    """Lines that the heading beginning here takes: programs wrap it. 0: none begins here."""
    if not lines[n].strip() or lines[n] == CUT:
        return 0
    joined = ""
    for count in range(1, 4):
        if n + count > len(lines):
            return 0
        line = lines[n + count - 1].strip()
        if not line or (count > 1 and _QUOTED.match(line)) or len(joined) + len(line) > _MAX_HEADING:
            return 0
        joined = f"{joined} {line}".strip()
        if joined.endswith((":", ">")) and _reads_as_heading(joined.lstrip("> ").strip()):
            return count
    return 0


def _reads_as_heading(line: str) -> bool:
    """Each test looks for one thing at a time: patterns with gaps take a hostile line's length to the third power."""
    if line.endswith(":"):
        if _ENDS_WROTE.search(line) and _ANY_MARK.search(line):
            return True  # Apple Mail, Thunderbird, Gmail and most others
        if _WROTE_WHEN.search(line) or _YOU_WROTE.match(line):
            return True
        if _ENDS_ADDRESS.search(line) and (when := _WHEN.search(line)) and when.start() <= 40:
            return True  # Gmail in Russian, Yandex: `чт, 15 янв. 2026 г. в 12:30, Имя <a@b>:`
    found = _WHEN_FROM.search(line)  # Mail.ru: `Четверг, 15 января 2026, 12:30 +03:00 от Имя <a@b>:`
    return found is not None and found.start() <= 30


# ---------------------------------------------------------------- signatures


def _without_signature(lines: list[str]) -> tuple[list[str], list[str]]:
    """A line of two dashes begins it; else what phones add, else a farewell near the end. What is left comes first."""
    cut = len(lines)
    for n in range(len(lines) - 1, -1, -1):
        if _DASHES.match(lines[n]):
            cut = n
            break
    cut = min(cut, _farewell(lines[:cut]))
    kept = lines[:cut]
    while kept and (not kept[-1].strip() or _MOBILE.match(kept[-1])):
        kept.pop()
    return kept, lines[len(kept) :]


def _farewell(lines: list[str]) -> int:
    """`С уважением, …` and at most eight short lines after it."""
    seen = 0
    for n in range(len(lines) - 1, -1, -1):
        if not lines[n].strip():
            continue
        if _REGARDS.match(lines[n]):
            return n
        seen += 1
        if seen > SIGNATURE_LINES or len(lines[n]) > 100:
            break
    return len(lines)


def _joined(lines: list[str]) -> str:
    """Without the marks of the converter, and blank lines at both ends."""
    return "\n".join(line.rstrip() for line in lines if line != CUT).strip("\n").strip()
