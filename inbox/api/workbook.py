"""Workbooks (XLSX) of plain text, written row after row: no formula, so nothing in them can run; phones stay as they are."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO
from xml.sax.saxutils import escape, quoteattr

MIME = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_ROWS = 1_048_576
"""Of one sheet; what is more goes on in the next."""
MAX_CELL = 32_767
WIDTH = 22
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OF = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# Not allowed in XML at all, surrogates and control characters among them.
_FORBIDDEN = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><fonts count="2"><font/><font><b/></font></fonts>'
    '<fills count="1"><fill/></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="2"><xf/><xf fontId="1" applyFont="1"/></cellXfs></styleSheet>'
)


class Workbook:
    """One table, its headings bold and always in sight. `close` makes the file complete."""

    def __init__(self, path: Path, name: str, headings: Sequence[str]) -> None:
        self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=4)
        self._name = name
        self._headings = list(headings)
        self._sheets = 0
        self._rows = MOST_ROWS
        self._sheet: IO[bytes] | None = None

    def add(self, rows: Iterable[Sequence[str]]) -> None:
        for cells in rows:
            self._write(_row(cells))

    def close(self) -> None:
        """Also of a table without a row."""
        if self._sheet is None:
            self._next()
        self._end()
        with self._archive:
            for name, text in self._parts().items():
                self._archive.writestr(name, _HEAD + text)

    def _write(self, row: bytes) -> None:
        if self._rows >= MOST_ROWS:
            self._next()
        self._rows += 1
        if self._sheet is not None:
            self._sheet.write(row)

    def _next(self) -> None:
        self._end()
        self._sheets += 1
        self._rows = 1
        self._sheet = self._archive.open(f"xl/worksheets/sheet{self._sheets}.xml", "w", force_zip64=True)
        pane = '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
        columns = f'<cols><col min="1" max="{max(len(self._headings), 1)}" width="{WIDTH}" customWidth="1"/></cols>'
        views = f'<sheetViews><sheetView workbookViewId="0">{pane}</sheetView></sheetViews>'
        self._sheet.write(f'{_HEAD}<worksheet xmlns="{_MAIN}">{views}{columns}<sheetData>'.encode())
        self._sheet.write(_row(self._headings, ' s="1"'))

    def _end(self) -> None:
        if self._sheet is not None:
            self._sheet.write(b"</sheetData></worksheet>")
            self._sheet.close()

    def _parts(self) -> dict[str, str]:
        """What says where everything is."""
        numbers = range(1, self._sheets + 1)
        sheets = "".join(f'<sheet name={quoteattr(self._title(n))} sheetId="{n}" r:id="r{n}"/>' for n in numbers)
        types = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>' for n in numbers
        )
        links = "".join(
            f'<Relationship Id="r{n}" Type="{_OF}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
        )
        return {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>{types}</Types>',
            "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
            f'<Relationship Id="r1" Type="{_OF}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OF}"><sheets>{sheets}</sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{links}'
            f'<Relationship Id="styles" Type="{_OF}/styles" Target="styles.xml"/></Relationships>',
            "xl/styles.xml": _STYLES,
        }

    def _title(self, number: int) -> str:
        return self._name if number == 1 else f"{self._name} {number}"


def _row(cells: Sequence[str], style: str = "") -> bytes:
    found = "".join(
        f'<c{style} t="inlineStr"><is><t xml:space="preserve">{escape(_FORBIDDEN.sub("", cell)[:MAX_CELL])}</t></is></c>'
        if cell
        else "<c/>"
        for cell in cells
    )
    return f"<row>{found}</row>".encode()
