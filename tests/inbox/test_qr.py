from __future__ import annotations

import hashlib

import pytest

from inbox.qr import to_matrix, to_svg

ADDRESS = (
    "otpauth://totp/Switchboard%3Avera?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Switchboard&digits=6&period=30"
)


@pytest.mark.parametrize(
    ("text", "version", "digest"),
    [
        ("a", 1, "20c5121183b26a4b1c7b088fc94a60ac955699662e7d591e3e791a5456f6c87e"),
        ("x" * 15, 2, "6f3528792c65e2328422fab8e41f38b87f6c1a2b2ff78e23e8aadbf7f140562b"),
        (ADDRESS, 7, "4352b34e792f02bcbe468fc647b7dfa47a53ab31dd0b0e07ec1130949d6c97bc"),
        ("x" * 200, 10, "d83b99da7009c014503f4b3194089e3530fb525b578c0053b426354aea410a7f"),
        ("x" * 300, 13, "f01e65b7f92242933ec8b69ad8c45b521252452edf4ee61ab5b4faca3446f944"),
    ],
)
def test_matrix_is_another_encoders(text: str, version: int, digest: str) -> None:
    """Cell for cell what python-qrcode 8 draws with the same mask (recorded once): small, padded, with a version field, of
    several blocks.
    """
    matrix = to_matrix(text.encode())
    assert len(matrix) == 17 + 4 * version
    assert hashlib.sha256(bytes(cell for row in matrix for cell in row)).hexdigest() == digest


def test_text_too_long_is_refused() -> None:
    """331 bytes are the most; the next one is a ValueError, not a wrong picture."""
    assert len(to_matrix(b"x" * 331)) == 69
    with pytest.raises(ValueError, match="too long"):
        to_matrix(b"x" * 332)


def test_svg_is_inert_and_has_its_margin() -> None:
    """A picture of shapes alone, the text is nowhere in it; four cells of white around."""
    svg = to_svg("</svg><script>alert(1)</script>")
    assert svg.count("<") == 4
    assert "script" not in svg
    assert 'viewBox="0 0 37 37"' in svg
