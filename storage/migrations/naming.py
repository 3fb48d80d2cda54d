"""Which tables are partitions: made and dropped by `storage.partitions`, never by a migration."""

from __future__ import annotations

import re

_PARTITION = re.compile(r"_p\d+$")


def is_partition(name: str | None) -> bool:
    """By its name: `<table>_p<digits>`."""
    return name is not None and _PARTITION.search(name) is not None
