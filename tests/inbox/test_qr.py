from __future__ import annotations

import re

import pytest

from inbox.qr import to_svg

ADDRESS = (
    "otpauth://totp/Switchboard%3Avera?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Switchboard&digits=6&period=30"
)


def test_svg_is_inert_and_has_its_margin() -> None:
    """A picture of shapes alone, the text is nowhere in it; four cells of white around."""
    svg = to_svg("</svg><script>alert(1)</script>")
    assert svg.count("<") == 4
    assert "script" not in svg
    assert 'viewBox="0 0 37 37"' in svg
    assert re.search(r'd="M4 4\.5h7', svg), "the finder's upper edge, behind the margin"


def test_address_of_a_second_factor_fits_a_small_code() -> None:
    """Such as apps are given: a code of 45 cells at most, which any phone reads from a screen."""
    size = re.search(r'viewBox="0 0 (\d+) ', to_svg(ADDRESS))
    assert size is not None
    assert int(size[1]) - 8 <= 45
    assert to_svg(ADDRESS) == to_svg(ADDRESS) != to_svg(ADDRESS + "0")


def test_text_too_long_is_refused() -> None:
    """What no code holds is a ValueError, not a wrong picture."""
    with pytest.raises(ValueError, match="too large"):
        to_svg("x" * 5000)
