"""Who changed what. Never a secret: callers pass the changed fields alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storage.db import Connection

_ADD = """
INSERT INTO audit_log (actor, action, object_kind, object_id, before, after) VALUES ($1, $2, $3, $4, $5, $6)
"""


async def note_change(
    connection: Connection,
    actor: str,
    action: str,
    obj: tuple[str, object],
    *,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> None:
    """`actor`: agent:<id> or token:<id>; `obj`: (kind, id). In the transaction of the change."""
    await connection.execute(_ADD, actor, action, obj[0], str(obj[1]), dict(before), dict(after))
