"""`python -m tests.page.screens [place …] [--to FOLDER]`: pictures of every screen, of the demo's hub, in Russian.

Both sizes, light and dark; docs/screens/ unless told otherwise, with an index. Takes some minutes. Needs Chromium
(`make peers`) and the page (`make setup`).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from playwright.async_api import Error as BrowserError
from playwright.async_api import Page

from tests.e2e.hub import ROOT
from tests.page.bakery import Bakery, bakery_of
from tests.page.browser import DESKTOP, PHONE
from tests.page.places import PLACES, Place, arrive, stand_still

FOLDER = ROOT / "docs" / "screens"
MOST_BYTES = 60_000
QUALITIES = (72, 60, 50, 40, 30)
SIZES = {"desktop": DESKTOP, "phone": PHONE}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SETTLE_S = 20
"""The demo's first live minute: something has come in everywhere by then."""


async def picture(page: Page, to: Path) -> None:
    """As WebP, as good as fits."""
    session = await page.context.new_cdp_session(page)
    body = b""
    for quality in QUALITIES:
        shot = await session.send("Page.captureScreenshot", {"format": "webp", "quality": quality})
        body = base64.b64decode(shot["data"])
        if len(body) <= MOST_BYTES:
            break
    await session.detach()
    to.write_bytes(body)


async def pictures(bakery: Bakery, place: Place, folder: Path) -> None:
    page = bakery.desks[place.role].page
    for size, (width, height) in SIZES.items():
        await page.set_viewport_size({"width": width, "height": height})
        await page.emulate_media(color_scheme="light")
        if not await arrive(page, bakery.url, place, bakery.ids):
            raise LookupError(f"the demo has nothing for {place.name}")
        for theme in THEMES:
            await page.emulate_media(color_scheme=theme)
            await stand_still(page)
            await picture(page, folder / name_of(place, size, theme))


def name_of(place: Place, size: str, theme: str) -> str:
    return f"{place.name}-{size}-{theme}.webp"


def index(places: Iterable[Place], folder: Path) -> str:
    """Each screen once, as a supervisor's monitor shows it; links to the others."""
    lines = ["# Экраны", "", "Демонстрация «Пекарня Матвея»; делает `python -m tests.page.screens`.", ""]
    for place in places:
        made = [(size, theme) for size in SIZES for theme in THEMES if (folder / name_of(place, size, theme)).is_file()]
        if not made:
            continue
        links = " · ".join(f"[{SAID[size]}, {SAID[theme]}]({name_of(place, size, theme)})" for size, theme in made)
        lines += [f"## {place.title}", "", f"![{place.title}]({name_of(place, *made[0])})", "", links, ""]
    return "\n".join(lines)


SAID = {"desktop": "монитор", "phone": "телефон", "light": "светлая", "dark": "тёмная"}


async def make(places: Sequence[Place], folder: Path) -> int:
    """How many places could not be shown; each is told."""
    folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    async with bakery_of() as bakery:
        await asyncio.sleep(SETTLE_S)
        for place in places:
            try:
                await pictures(bakery, place, folder)
            except (BrowserError, LookupError) as error:
                failed += 1
                print(f"{place.name}: {str(error).splitlines()[0]}", file=sys.stderr)
        for login, desk in bakery.desks.items():
            for complaint in desk.complaints:
                print(f"{login}: {complaint}", file=sys.stderr)
    (folder / "README.md").write_text(index(PLACES, folder), encoding="utf-8")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.page.screens", description=__doc__)
    parser.add_argument("places", nargs="*", help=", ".join(place.name for place in PLACES))
    parser.add_argument("--to", type=Path, default=FOLDER)
    args = parser.parse_args()
    if unknown := set(args.places) - {place.name for place in PLACES}:
        parser.error(f"no place {', '.join(sorted(unknown))}")
    wanted = [place for place in PLACES if not args.places or place.name in args.places]
    return 1 if asyncio.run(make(wanted, args.to)) else 0


if __name__ == "__main__":
    sys.exit(main())
