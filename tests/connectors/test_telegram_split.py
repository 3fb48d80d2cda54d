"""Long texts for Telegram: the rule by which they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.messengers.telegram_text import split_text, units


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("короткий", ["короткий"]),
        ("", []),
        ("абзац один\n\nабзац два", ["абзац один", "абзац два"]),
        ("строка один\nстрока два", ["строка один", "строка два"]),
        ("Первое. Второе и третье.", ["Первое.", "Второе и", "третье."]),
        ("словасловасловаслова", ["словасловасло", "васлова"]),
        ("🌱" * 7, ["🌱" * 6, "🌱"]),
        ("а\n\n" + "б" * 12, ["а\n\n" + "б" * 10, "бб"]),
    ],
)
def test_cuts_where_a_reader_would(text: str, pieces: list[str]) -> None:
    """Paragraph before line before sentence before word; an emoji counts two and is never cut; no shreds."""
    assert split_text(text, 13) == pieces


@given(st.text(alphabet=st.sampled_from("аб. \n!🌱"), max_size=200), st.integers(2, 40))
def test_nothing_is_lost(text: str, limit: int) -> None:
    """Every piece fits and has something in it; but for blanks at the cuts the text is whole."""
    pieces = split_text(text, limit)
    assert all(0 < units(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
