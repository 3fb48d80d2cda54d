"""A lane owner's statements, prepared before it holds a lane.

Preparing one in mid-batch leaves the server waiting inside the statement for a moment; an owner frozen there counts as at
work, and its lanes would be free only by `statement_timeout`, not within seconds.
"""

from __future__ import annotations

import re

from router import logbook
from storage.db import RawConnection
from storage.events import COLUMNS as EVENT_COLUMNS
from storage.queries import load

STREAM = load("stream")
JOURNAL = load("journal")
HOT = (
    STREAM.claim_refs,
    STREAM.find_refs,
    STREAM.match_identities,
    STREAM.insert_identities,
    STREAM.insert_contacts,
    STREAM.suggest_merges,
    STREAM.latest_conversations,
    STREAM.insert_conversations,
    STREAM.update_conversations,
    STREAM.insert_assignments,
    STREAM.audiences,
)
"""Statements whose parameters are all arrays: with empty ones they do nothing."""

_PARAMETER = re.compile(r"\$(\d+)")


async def warm(connection: RawConnection) -> None:
    """Runs each once with nothing to do."""
    for statement in HOT:
        count = max(int(number) for number in _PARAMETER.findall(statement))
        await connection.fetch(statement, *[[] for _ in range(count)])
    await connection.copy_records_to_table("interaction", records=[], columns=logbook.COLUMNS)
    await connection.copy_records_to_table("journal_result", records=[], columns=logbook.RESULT_COLUMNS)
    await connection.copy_records_to_table("event", records=[], columns=EVENT_COLUMNS)
    await connection.fetchval(JOURNAL.finish_and_lock, [], None)
