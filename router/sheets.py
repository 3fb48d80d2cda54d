"""Tables that people bring: CSV as spreadsheets write it (UTF-8, UTF-16, Windows-1251; commas, semicolons, tabs) and
workbooks, read into one plain form.

`python -m router.sheets SOURCE TARGET` is the reader. It is a process of its own with limits of memory and time: a workbook
of two cells can claim a billion between them. It writes TARGET as CSV in UTF-8, each row led by its number in the source,
and prints one JSON object: {columns, rows, head} or {error}.
"""

from __future__ import annotations

import asyncio
import codecs
import csv
import io
import itertools
import resource
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

from config.errors import BadRequest

ROOT = Path(__file__).resolve().parents[1]
MEMORY_BYTES = 2 << 30
CPU_S = 60
WAIT_S = 90.0
MAX_ROWS = 500_000
MAX_COLUMNS = 200
MAX_CELL = 32_767
HEAD = 20
SNIFFED = 64 << 10
SEPARATORS = (";", ",", "\t")
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How XLSX (a ZIP archive) and the older XLS (an OLE file) begin."""

Row = tuple[int, list[str]]


class Sheet(msgspec.Struct, kw_only=True):
    """`columns`: the first row's names, each once; `rows`: how many follow; `head`: the first 20 of them."""

    columns: list[str]
    rows: int
    head: list[list[str]]


async def read_sheet(source: Path, target: Path) -> Sheet:
    """Reads a file in a process of its own; `target` gets its rows (see `plain_rows`). Raises BadRequest with what is wrong."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "router.sheets", str(source), str(target)),
        cwd=ROOT,
        env={},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(WAIT_S):
            said, _ = await process.communicate()
    except TimeoutError:
        raise BadRequest("the file takes too long to read: save it as CSV, or in parts", reason="table_large") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    try:
        answer: dict[str, Any] = msgspec.json.decode(said)
    except msgspec.DecodeError:
        raise BadRequest(
            "the file is too big once unpacked, or damaged: save it as CSV, or in parts", reason="table_large"
        ) from None
    if "error" in answer:
        raise BadRequest(str(answer["error"]))
    return msgspec.convert(answer, Sheet)


def plain_rows(target: Path) -> Generator[Row, None, None]:
    """(number in the source, cells) of a file that `read_sheet` wrote."""
    with target.open(encoding="utf-8", newline="") as file:
        for number, *cells in csv.reader(file):
            yield int(number), cells


# ---------------------------------------------------------------- in the process of its own


def main(source: Path, target: Path) -> None:
    """Limits first: what follows is not trusted."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    csv.field_size_limit(MAX_CELL * 4)
    try:
        answer: Any = _convert(source, target)
    except BadRequest as error:
        answer = {"error": str(error)}
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def _convert(source: Path, target: Path) -> Sheet:
    with source.open("rb") as file:
        start = file.read(SNIFFED)
    rows = _of_workbook(source) if start.startswith(WORKBOOKS) else _of_csv(source, start)
    filled = ((number, cells) for number, cells in enumerate(rows, 1) if any(cells))
    _, header = next(filled, (0, []))
    if not header:
        raise BadRequest("the file is empty: its first row names the columns")
    columns = _names(header)
    head: list[list[str]] = []
    count = 0
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        for number, cells in filled:
            count += 1
            if count > MAX_ROWS:
                raise BadRequest(f"the file has more than {MAX_ROWS} rows: bring it in parts")
            padded = [*cells[: len(columns)], *[""] * (len(columns) - len(cells))]
            if len(head) < HEAD:
                head.append(padded)
            writer.writerow([number, *padded])
    return Sheet(columns=columns, rows=count, head=head)


def _names(header: Sequence[str]) -> list[str]:
    """Each once, none empty; empty columns at the end are none."""
    width = max(n for n, name in enumerate(header, 1) if name)
    if width > MAX_COLUMNS:
        raise BadRequest(f"the file has more than {MAX_COLUMNS} columns")
    names: list[str] = []
    for n, name in enumerate(header[:width], 1):
        bare = name[:100] or f"column {n}"
        twins = (bare if again == 1 else f"{bare} ({again})" for again in itertools.count(1))
        names.append(next(twin for twin in twins if twin not in names))
    return names


def _of_csv(source: Path, start: bytes) -> Iterator[list[str]]:
    encoding = _encoding(source, start)
    sample = start.decode(encoding, "ignore")
    if sum(char < " " and char not in "\t\r\n" for char in sample) > len(sample) // 100:
        raise BadRequest("the file is no table: bring CSV or XLSX")
    with source.open(encoding=encoding, errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=_separator(sample))
        try:
            for cells in reader:
                yield [_clean(cell) for cell in cells]
        except csv.Error:
            raise BadRequest(
                f"line {reader.line_num} can't be read: a quote that does not end, or a cell too long"
            ) from None


def _encoding(source: Path, start: bytes) -> str:
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = start[0:2000:2].count(0), start[1:2000:2].count(0)
    if max(even, odd) > len(start[:2000]) // 5:
        return "utf-16-le" if odd > even else "utf-16-be"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with source.open("rb") as file:
            while chunk := file.read(1 << 20):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1251"
    return "utf-8"


def _separator(sample: str) -> str:
    """That which parts the first lines into most columns, alike in most of them."""

    def worth(separator: str) -> tuple[int, int]:
        try:
            widths = [
                len(row) for row in itertools.islice(csv.reader(io.StringIO(sample), delimiter=separator), 20) if row
            ]
        except csv.Error:
            return (0, 0)
        first = widths[0] if widths else 0
        return (sum(width == first for width in widths) if first > 1 else 0, first)

    return max(SEPARATORS, key=worth)


def _of_workbook(source: Path) -> Iterable[list[str]]:
    import python_calamine as calamine  # noqa: PLC0415 - of this process alone

    try:
        book = calamine.CalamineWorkbook.from_path(str(source))
        sheet = next((book.get_sheet_by_name(name) for name in book.sheet_names), None)
        rows = [] if sheet is None else sheet.iter_rows()
        return ([_cell(value) for value in row] for row in rows)
    except calamine.PasswordError:
        raise BadRequest("the workbook has a password: save it without one") from None
    except (calamine.CalamineError, ValueError, OSError):
        raise BadRequest("the workbook can't be read: save it anew as XLSX, or as CSV") from None


def _cell(value: object) -> str:
    """As a person would have typed it: whole numbers without a fraction, days without midnight."""
    if isinstance(value, bool):
        return "да" if value else "нет"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime) and (value.hour, value.minute, value.second) == (0, 0, 0):
        return value.date().isoformat()
    if isinstance(value, datetime | date):
        return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
    return _clean(str(value))


def _clean(text: str) -> str:
    """What PostgreSQL can keep, without space around it."""
    return text.replace("\x00", "").strip()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
