"""A QR code as SVG, for an authenticator app to be held before. Source: ISO/IEC 18004:2015, by segno."""

from __future__ import annotations

import io

import segno

QUIET_CELLS = 4


def to_svg(text: str) -> str:
    """Black on white with the quiet zone, shapes alone; scales to its place. Raises ValueError for a text too long."""
    out = io.BytesIO()
    code = segno.make_qr(text, error="m", encoding="utf-8")
    code.save(
        out,
        kind="svg",
        xmldecl=False,
        svgclass=None,
        lineclass=None,
        omitsize=True,
        nl=False,
        border=QUIET_CELLS,
        dark="#000",
        light="#fff",
    )
    return out.getvalue().decode()
