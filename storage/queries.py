"""Hand-written SQL lives in `storage/sql/*.sql`, one named statement after another; this reads it at import.

A statement starts with `-- name: words_of_it`; the comment under it says what it does and which index it relies on.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

HERE = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load(file: str) -> SimpleNamespace:
    """The statements of `sql/<file>.sql` as attributes. Raises ValueError for a file without names or with a double."""
    parts = _NAME.split((HERE / f"{file}.sql").read_text())
    names, bodies = parts[1::2], parts[2::2]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"sql/{file}.sql: statements need names, each its own")
    return SimpleNamespace(**{name: body.strip() for name, body in zip(names, bodies, strict=True)})
