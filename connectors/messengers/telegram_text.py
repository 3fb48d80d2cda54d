"""Long texts in pieces that read well, counted as Telegram counts."""

from __future__ import annotations

from connectors.messengers.telegram_tables import MAX_TEXT


def units(text: str) -> int:
    """Length as Telegram counts it at worst: UTF-16 code units."""
    return len(text) + sum(char > "\uffff" for char in text)


def split_text(text: str, limit: int = MAX_TEXT) -> list[str]:
    """Pieces of at most `limit` UTF-16 units, cut at a paragraph, line, sentence or word, else where they must be."""
    pieces = []
    rest = text.strip()
    while units(rest) > limit:
        end = _fitting(rest, limit)
        cut = _bound(rest, end)
        pieces.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*pieces, rest] if rest else pieces


def _fitting(text: str, limit: int) -> int:
    """How many characters from the start fill at most `limit` units."""
    end = min(limit, len(text))
    while units(text[:end]) > limit:
        end -= max(1, (units(text[:end]) - limit) // 2)
    return end


def _bound(text: str, end: int) -> int:
    """The best place to cut at or before `end`; bounds in the first half would make a shred, so they don't count."""
    window = text[: end + 1]
    for marks in (("\n\n",), ("\n",), (". ", "! ", "? ", "… "), (" ",)):
        cut = max(window.rfind(mark) + len(mark.rstrip(" ")) if mark in window else 0 for mark in marks)
        if end // 2 < cut <= end:
            return cut
    return end
