"""Tasks to call back: each missed call makes one, for whom the call fell to; talking to the client ends them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from router.callends import Closed, End
from storage.db import Connection
from storage.events import NewEvent
from storage.queries import load
from storage.tasks import read_tasks, task_event

SQL = load("tasks")
DUE = timedelta(minutes=30)
"""When to have called back where the queue promises nothing."""
MAX_TITLE = 300


@dataclass(slots=True)
class Ended:
    """A call as its end was told, by the ids of its rows."""

    call_id: UUID
    interaction_id: UUID
    end: End
    closed: Closed

    @property
    def is_owed(self) -> bool:
        """Somebody has to call back. Of old calls nobody is told, and nobody can call a number that was withheld."""
        return self.closed.missed and self.end.fresh and bool(self.end.view.client)

    @property
    def is_reached(self) -> bool:
        """The client was talked to, as far as this batch is the first to know."""
        before, view = self.end.before, self.end.view
        if view.state != "finished" or view.outcome != "answered" or view.direction not in {"in", "out"}:
            return False
        return bool(view.client) and (before is None or (before.state, before.outcome) != (view.state, view.outcome))

    @property
    def card_id(self) -> UUID:
        row = self.end.conversation
        found: UUID = row["card_id"] or row["contact_id"]
        return found


async def follow(connection: Connection, ended: Sequence[Ended]) -> list[NewEvent]:
    """What a batch's calls leave to do, and what they have done. Two statements however many they are."""
    owed = [one for one in ended if one.is_owed]
    reached = [one for one in ended if one.is_reached]
    made = await connection.fetch(SQL.owe, *_columns(map(_debt, owed), 10)) if owed else []
    done = await connection.fetch(SQL.settle, *_columns(map(_word, reached), 4)) if reached else []
    events = [task_event("task.created", item) for item in await read_tasks(connection, [row["id"] for row in made])]
    return events + [
        task_event("task.changed", item) for item in await read_tasks(connection, [row["id"] for row in done])
    ]


def _columns(rows: Iterable[tuple[Any, ...]], count: int) -> list[list[Any]]:
    """Rows as arrays."""
    kept = list(rows)
    return [[row[n] for row in kept] for n in range(count)]


def _debt(one: Ended) -> tuple[Any, ...]:
    """In the order of `owe`."""
    row, closed, view = one.end.conversation, one.closed, one.end.view
    return (
        one.call_id,
        f"Перезвонить: {row['name'] or view.client}"[:MAX_TITLE],
        row["contact_id"],
        one.card_id,
        row["id"],
        one.interaction_id,
        closed.assignee_id,
        closed.queue_id,
        closed.due_at or one.end.now + DUE,
        view.started_at,
    )


def _word(one: Ended) -> tuple[Any, ...]:
    """In the order of `settle`."""
    return one.card_id, one.end.view.started_at, _result(one.end), one.end.talked


def _result(end: End) -> str:
    """By which call, such as "Дозвонились: исходящий звонок 25.11 в 10:32, Анна"; in the workspace's zone."""
    view = end.view
    began: datetime = view.started_at.astimezone(end.directory.zone)
    agent = end.directory.agents.get(end.talked) if end.talked is not None else None
    who = agent.name if agent is not None else f"доб. {view.employee}" if view.employee else ""
    way = "Дозвонились: исходящий" if view.direction == "out" else "Дозвонился сам: входящий"
    said = f"{way} звонок {began:%d.%m} в {began:%H:%M}"
    return f"{said}, {who}" if who else said
