"""An agent's state follows his phone: on a call while he talks, then wrap-up for a while, then there again.

Whether he talks is read from the calls themselves and needs no state; wrap-up is his presence, with a row beside it that
says when it ends. The row is claimed in PostgreSQL, so that a wrap-up ends once, whoever sweeps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec

from storage.bus import Topic
from storage.db import Connection
from storage.events import ALL, NewEvent, append_events
from storage.queries import load
from storage.store import Store
from storage.workspace import read_setting

SQL = load("wrapups")
KEY = "wrap_up"
DEFAULT_S = 30
ACQUIRE_S = 10.0
Seconds = Annotated[int, msgspec.Meta(ge=0, le=3600)]


class WrapUp(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How long agents have to record a call's outcome, in seconds; 0: no wrap-up. `queues`: where it is another time.
    `chats_on_call`: who talks on the phone is given waiting conversations meanwhile.
    """

    seconds: Seconds = DEFAULT_S
    queues: Annotated[dict[UUID, Seconds], msgspec.Meta(max_length=1000)] = {}
    chats_on_call: bool = False

    def of(self, queue_id: UUID | None) -> int:
        return self.seconds if queue_id is None else self.queues.get(queue_id, self.seconds)


async def read_wrap_up(connection: Connection) -> WrapUp:
    """As it was set; what can't be read counts as not set."""
    try:
        return msgspec.convert(await read_setting(connection, KEY) or {}, WrapUp)
    except msgspec.ValidationError:
        return WrapUp()


async def begin_wrap_ups(
    connection: Connection, ended: Mapping[UUID, UUID | None], now: datetime
) -> dict[UUID, datetime]:
    """`ended`: who has just talked -> the call's queue. Returns until when it lasts, for those it began for."""
    if not ended:
        return {}
    setting = await read_wrap_up(connection)
    lasts = {agent: setting.of(queue) for agent, queue in sorted(ended.items()) if setting.of(queue)}
    if not lasts:
        return {}
    until = [now + timedelta(seconds=seconds) for seconds in lasts.values()]
    rows = await connection.fetch(SQL.begin, list(lasts), until, now)
    return {row["agent_id"]: row["until_at"] for row in rows}


async def extend_wrap_up(connection: Connection, agent_id: UUID, seconds: int) -> datetime | None:
    """Returns until when it lasts now; None: he is in none that would end by itself."""
    until: datetime | None = await connection.fetchval(SQL.extend, agent_id, float(seconds))
    return until


async def tell_states(
    connection: Connection, agents: Collection[UUID], now: datetime, until: Mapping[UUID, datetime]
) -> list[NewEvent]:
    """What they do now, to everybody. `on_call`: the call they talk on; `until`: the end of a wrap-up."""
    if not agents:
        return []
    rows = await connection.fetch(SQL.states, sorted(agents), now)
    return [NewEvent("agent.presence", [ALL], dict(row) | {"until": until.get(row["agent_id"])}) for row in rows]


async def end_wrap_ups(store: Store) -> int:
    """Those whose time is over are there again, and are given work. Returns how many."""
    async with store.pool.acquire(timeout=ACQUIRE_S) as connection, connection.transaction():
        back = [row["agent_id"] for row in await connection.fetch(SQL.finish)]
        now: datetime = await connection.fetchval("SELECT now()")
        event_id = await append_events(connection, await tell_states(connection, back, now, {}))
    if event_id:
        store.bus.notify(Topic.EVENTS, event_id)
        store.bus.notify(Topic.QUEUE)
    return len(back)
