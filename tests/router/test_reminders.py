"""Reminders of tasks: each told once, to those whose task it is."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from router import sweeps
from router.sweeps import remind
from storage.db import RawConnection
from storage.store import Store


async def task(db: RawConnection, ago: str, *, assignee: UUID | None = None, queue: UUID | None = None) -> UUID:
    """A task to be reminded of so long ago."""
    made: UUID = await db.fetchval(
        "INSERT INTO task (title, assignee_id, queue_id, created_by, remind_at)"
        " VALUES ('Т', $1, $2, $3, now() - $4::text::interval) RETURNING id",
        assignee or uuid4(),
        queue,
        uuid4(),
        ago,
    )
    return made


async def told(db: RawConnection) -> list[tuple[set[str], dict[str, Any]]]:
    rows = await db.fetch("SELECT audience, data FROM event WHERE type = 'task.due' ORDER BY id")
    return [(set(row["audience"]), json.loads(row["data"])["task"]) for row in rows]


async def test_each_is_told_once(store: Store, db: RawConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several workers at once one tells each task whose time has come, in batches; none before its time or closed."""
    monkeypatch.setattr(sweeps, "REMINDERS", 3)
    due = {await task(db, f"{n} seconds") for n in range(20)}
    early, closed = await task(db, "-1 hour"), await task(db, "1 hour")
    await db.execute("UPDATE task SET state = 'done' WHERE id = $1", closed)
    counts = await asyncio.gather(*(remind(store) for _ in range(4)))
    await remind(store)
    assert sum(counts) == 20
    found = [UUID(data["id"]) for _, data in await told(db)]
    assert (len(found), set(found)) == (20, due)
    assert await db.fetchval("SELECT remind_at IS NOT NULL FROM task WHERE id = $1", early)


async def test_who_hears_it(store: Store, db: RawConnection) -> None:
    """Who has it, who made it, and its queue, with the task as it is by then; set anew it is told anew."""
    agent, queue = uuid4(), uuid4()
    made = await task(db, "1 second", assignee=agent, queue=queue)
    assert await remind(store) == 1
    maker = await db.fetchval("SELECT created_by FROM task")
    [(audience, data)] = await told(db)
    assert audience == {f"agent:{agent}", f"agent:{maker}", f"queue:{queue}"}
    assert (data["id"], data["version"], "remind_at" in data) == (str(made), 1, False)
    await db.execute("UPDATE task SET remind_at = now() WHERE id = $1", made)
    assert await remind(store) == 1
    assert len(await told(db)) == 2
