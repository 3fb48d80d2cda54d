"""What the screen pop shows of a client: read in one go for all calls that ring."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from storage.db import Connection
from storage.queries import load

SQL = load("pops")


class PopContact(msgspec.Struct, frozen=True, kw_only=True):
    """The card. `owner_name`, `company`: empty without one."""

    id: UUID
    name: str
    vip: bool
    tags: list[str]
    company: str
    owner_id: UUID | None
    owner_name: str


class PopItem(msgspec.Struct, frozen=True, kw_only=True):
    """One of the last interactions. `text`: its first 200 characters; `outcome`: of a call."""

    id: UUID
    at: datetime
    kind: str
    direction: str
    channel_id: UUID
    channel_name: str
    text: str
    outcome: str


class PopTask(msgspec.Struct, frozen=True, kw_only=True):
    """An open task, or a complaint."""

    id: UUID
    kind: str
    title: str
    due_at: datetime | None
    assignee_id: UUID | None


class Pop(msgspec.Struct, frozen=True, kw_only=True):
    """Newest interactions first, next tasks first, three of each. `new`: nothing is known of him but that he calls."""

    contact: PopContact
    last: list[PopItem]
    tasks: list[PopTask]
    complaints: list[PopTask]
    new: bool


async def read_pops(connection: Connection, wanted: Sequence[tuple[UUID, UUID]]) -> dict[UUID, Pop]:
    """`wanted`: (card, the call's own interaction). By card; of two calls of one client the last interaction counts.

    Who may see the call may see this: being rung is what it is for.
    """
    if not wanted:
        return {}
    cards = dict(wanted)
    rows = await connection.fetch(SQL.pops, list(cards), list(cards.values()))
    return {row["id"]: _to_pop(dict(row)) for row in rows}


def _to_pop(row: dict[str, object]) -> Pop:
    last = msgspec.convert(row.pop("last"), list[PopItem])
    tasks = msgspec.convert(row.pop("tasks"), list[PopTask])
    complaints = msgspec.convert(row.pop("complaints"), list[PopTask])
    contact = msgspec.convert(row, PopContact)
    new = not (last or contact.name or contact.owner_id or tasks or complaints)
    return Pop(contact=contact, last=last, tasks=tasks, complaints=complaints, new=new)
