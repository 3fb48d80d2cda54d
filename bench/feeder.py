"""`python -m bench.feeder receipts|archive DATABASE_URL CHANNEL_ID START`: journal rows as fast as they are done.

100,000 of them: delivery reports of a campaign, or silent messages of earlier years. At any time up to `WAITING` wait: the
feeder's own work is then in proportion to the hub's, and does not take a core of the two for itself.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import sys
from collections.abc import Iterator
from uuid import UUID

import msgspec
import uvloop

from bench.campaign import CAMPAIGN
from bench.openloop import REGULARS, WORDS
from connectors.base import Class
from storage.db import connect
from storage.journal import MAX_ROWS, NewEntry, insert, lane_of

ARCHIVE_FROM = 1_600_000_000
SECONDS_APART = 7
WAITING = 5_000
LOOK_S = 0.05
_COUNT = "SELECT count(*) FROM (SELECT FROM journal_todo WHERE class > 0 LIMIT $1) AS t"


def receipts(channel_id: UUID, start: int) -> Iterator[NewEntry]:
    for number in range(start, start + CAMPAIGN):
        body = msgspec.json.encode({"id": f"m{number}", "status": "delivered"})
        yield _entry(channel_id, f"m{number}", body, Class.STATUS, silent=False)


def archive(channel_id: UUID, start: int) -> Iterator[NewEntry]:
    for number in range(start, start + CAMPAIGN):
        chat = random.randint(1, REGULARS)
        message = {
            "message_id": number,
            "from": {"id": chat, "is_bot": False, "first_name": "Клиент"},
            "chat": {"id": chat, "type": "private", "first_name": "Клиент"},
            "date": ARCHIVE_FROM + number % 10_000_000 * SECONDS_APART,
            "text": " ".join(random.choices(WORDS, k=random.randint(3, 45))),
        }
        body = msgspec.json.encode({"update_id": number, "message": message})
        yield _entry(channel_id, str(chat), body, Class.BULK, silent=True)


def _entry(channel_id: UUID, lane: str, body: bytes, klass: Class, *, silent: bool) -> NewEntry:
    return NewEntry(
        channel_id=channel_id,
        key=UUID(bytes=os.urandom(16)),
        lane=lane_of(channel_id, lane),
        klass=int(klass),
        silent=silent,
        body=body,
    )


async def feed(url: str, entries: Iterator[NewEntry]) -> None:
    connection = await connect(url, application="bench feeder", settings={})
    while batch := list(itertools.islice(entries, MAX_ROWS)):
        while await connection.fetchval(_COUNT, WAITING) == WAITING:
            await asyncio.sleep(LOOK_S)
        await insert(connection, batch)
    await connection.close()


def main() -> None:
    kinds = {"receipts": receipts, "archive": archive}
    uvloop.run(feed(sys.argv[2], kinds[sys.argv[1]](UUID(sys.argv[3]), int(sys.argv[4]))))


if __name__ == "__main__":
    main()
