"""Names as they are compared and sorted."""

from __future__ import annotations

import unicodedata

_FOLD = str.maketrans({"ё": "е\U0010fffd"})
"""ё sorts right after е: it is written as е and the highest character."""


def sort_name(name: str) -> str:
    """Case folded, composed, spaces joined, ё after е."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split()).translate(_FOLD)
