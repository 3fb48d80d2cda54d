"""Pictures that the demo's people send: a cake, a pie, a receipt, drawn by spans into a PNG. No picture of anybody's."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass, field

WIDTH, HEIGHT = 640, 480
Colour = tuple[int, int, int]


@dataclass
class Canvas:
    """Rows of RGB bytes, filled from the top with a fading colour."""

    top: Colour
    bottom: Colour
    rows: list[bytearray] = field(default_factory=list)

    def __post_init__(self) -> None:
        for y in range(HEIGHT):
            share = y / HEIGHT
            mixed = bytes(round(a + (b - a) * share) for a, b in zip(self.top, self.bottom, strict=True))
            self.rows.append(bytearray(mixed * WIDTH))

    def span(self, y: int, left: float, right: float, colour: Colour) -> None:
        start, end = max(0, round(left)), min(WIDTH, round(right))
        if 0 <= y < HEIGHT and start < end:
            self.rows[y][3 * start : 3 * end] = bytes(colour) * (end - start)

    def box(self, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
        for y in range(top, bottom):
            self.span(y, left, right, colour)

    def disc(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """An ellipse about (x, y), `width` and `height` from its centre."""
        for row in range(round(y - height), round(y + height) + 1):
            reach = 1 - ((row - y) / height) ** 2
            if reach > 0:
                half = width * math.sqrt(reach)
                self.span(row, x - half, x + half, colour)

    def png(self) -> bytes:
        raw = b"".join(b"\x00" + bytes(row) for row in self.rows)
        head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
        parts = ((b"IHDR", head), (b"IDAT", zlib.compress(raw, 6)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def cake(*, crushed: bool = False) -> bytes:
    """Two tiers with icing and cherries; `crushed`: as it should not arrive."""
    canvas = Canvas((250, 236, 220), (214, 178, 140))
    canvas.disc(320, 420, 260, 34, (245, 245, 248))
    canvas.disc(320, 414, 236, 26, (226, 226, 232))
    lean = 26 if crushed else 0
    _tier(canvas, (320, 290, 400, 190), (122, 72, 44), (255, 244, 232), lean=0)
    _tier(canvas, (320 + lean, 190, 285, 120), (146, 88, 54), (255, 214, 222), lean=lean)
    for n in range(6):
        x = 235 + lean + 34 * n
        if not (crushed and n in {1, 4}):
            canvas.disc(x, 172, 12, 12, (190, 24, 46))
            canvas.disc(x - 4, 168, 3, 3, (255, 190, 200))
    if crushed:
        canvas.disc(455, 300, 46, 60, (255, 244, 232))
        canvas.disc(520, 412, 14, 12, (190, 24, 46))
    else:
        for n in range(3):
            canvas.box(286 + 30 * n, 112, 292 + 30 * n, 164, (120, 160, 220))
            canvas.disc(289 + 30 * n, 103, 5, 10, (255, 190, 60))
    return canvas.png()


def _tier(canvas: Canvas, at: tuple[int, int, int, int], crumb: Colour, icing: Colour, *, lean: int) -> None:
    """`at`: middle, top, bottom, half its width."""
    x, top, bottom, half = at
    canvas.disc(x, bottom, half, 30, tuple(c - 24 for c in crumb))  # type: ignore[arg-type]
    for y in range(top, bottom):
        shift = lean * (bottom - y) / (bottom - top) / 3
        canvas.span(y, x - half + shift, x + half + shift, crumb)
    canvas.box(x - half, (top + bottom) // 2 - 6, x + half, (top + bottom) // 2 + 4, icing)
    for n in range(9):
        drip = x - half + 16 + n * (2 * half - 32) / 8
        canvas.disc(drip, top + 18, half / 10, 22 + 9 * (n % 3), icing)
    canvas.disc(x, top, half, 30, icing)


def pie() -> bytes:
    """Round, seen from above, a slice taken out: raw inside."""
    canvas = Canvas((196, 164, 132), (150, 116, 88))
    canvas.disc(320, 250, 230, 200, (240, 240, 236))
    canvas.disc(320, 248, 200, 172, (186, 120, 52))
    canvas.disc(320, 246, 184, 158, (214, 152, 74))
    for n in range(-4, 5):
        canvas.box(150, 246 + n * 36, 490, 252 + n * 36, (186, 120, 52))
    for y in range(246, 420):
        reach = (y - 246) * 0.9
        canvas.span(y, 320 - reach * 0.35, 320 + reach * 0.8, (244, 230, 190))
    return canvas.png()


def receipt() -> bytes:
    """Lines and a total, too small to read, as photos of receipts are."""
    canvas = Canvas((90, 76, 66), (60, 50, 44))
    canvas.box(210, 30, 430, 460, (250, 250, 246))
    for n in range(13):
        canvas.box(230, 60 + n * 26, 230 + 90 + n * 37 % 70, 68 + n * 26, (120, 120, 118))
        canvas.box(380, 60 + n * 26, 410, 68 + n * 26, (120, 120, 118))
    canvas.box(230, 410, 410, 414, (40, 40, 40))
    canvas.box(350, 424, 410, 440, (40, 40, 40))
    return canvas.png()


def logo() -> bytes:
    """Of a client's letter: an ear of wheat in a circle."""
    canvas = Canvas((255, 255, 255), (255, 255, 255))
    canvas.disc(320, 240, 210, 210, (34, 94, 84))
    for n in range(5):
        canvas.disc(270, 130 + n * 48, 44, 18, (240, 200, 90))
        canvas.disc(370, 130 + n * 48, 44, 18, (240, 200, 90))
    canvas.box(315, 90, 325, 400, (240, 200, 90))
    return canvas.png()
