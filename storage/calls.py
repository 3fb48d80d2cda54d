"""Calls as people see them: the journal of calls, one call with its recording, and the outcome that is noted of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from config.errors import BadRequest, NotFound
from storage.conversations import audience_of
from storage.db import Connection, Pool
from storage.events import NewEvent
from storage.reading import LAST_ID, NO_ID, fetch_planned, planned, scoped, walked


class CallItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One call. `contact_id` is the card; `agent_id`: whose phone talked, or rang last; `ringing`: agents it rings at now;
    `assignee_id`: whose it is now; `open`: missed, and nobody has called back yet. Durations in seconds.
    """

    id: UUID
    channel_id: UUID
    channel_name: str
    conversation_id: UUID
    interaction_id: UUID
    contact_id: UUID
    state: str
    started_at: datetime
    contact_name: str = ""
    vip: bool = False
    owner_id: UUID | None = None
    outcome: str | None = None
    direction: str | None = None
    client: str = ""
    our_number: str = ""
    employee: str = ""
    agent_id: UUID | None = None
    ringing: list[UUID] = []
    assignee_id: UUID | None = None
    queue_id: UUID | None = None
    answered_at: datetime | None = None
    finished_at: datetime | None = None
    talk_s: int | None = None
    wait_s: int | None = None
    recording_id: UUID | None = None
    recording_state: str | None = None
    disposition: str = ""
    task_id: UUID | None = None
    task_state: str | None = None
    open: bool = False


class CallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """`agent`: whose phone it was (by a number that was his then and is now) or whose it is; `contact`: any member of a card, meaning the whole card; `begun_from`,
    `begun_to`: when it began; `to_call_back`: missed and not called back yet, or the rest.
    """

    states: list[str] | None = None
    outcomes: list[str] | None = None
    direction: str | None = None
    agent: UUID | None = None
    contact: UUID | None = None
    channel: UUID | None = None
    begun_from: datetime | None = None
    begun_to: datetime | None = None
    to_call_back: bool | None = None


# A missed call is open until somebody talks to the client (storage/sql/calls.sql, `reached`) or closes it by hand.
_OPEN = """(l.state = 'finished' AND l.direction = 'in' AND l.outcome <> 'answered' AND c.status <> 'resolved')"""
_COLUMNS = """l.id, l.channel_id, coalesce(h.name, '') AS channel_name, l.conversation_id, l.interaction_id,
  coalesce(o.card_id, c.contact_id) AS contact_id, {card_name} AS contact_name, coalesce(k.vip, false) AS vip,
  k.owner_id, l.state, l.outcome, l.direction, l.client, l.our_number, l.employee, e.agent_id, c.assignee_id, c.queue_id,
  l.started_at, l.answered_at, l.finished_at, l.talk_s, l.wait_s, l.recording_id, f.state AS recording_state,
  l.disposition, t.id AS task_id, t.state AS task_state, coalesce({open}, false) AS open,
  CASE WHEN l.state = 'finished' THEN '{}'::uuid[] ELSE array(
    SELECT x.agent_id FROM interaction AS i, jsonb_array_elements_text(i.body -> 'call' -> 'ringing') AS r (extension)
    JOIN agent_extension AS x ON x.extension = r.extension
    WHERE i.id = l.interaction_id AND x.channel_id = l.channel_id) END AS ringing"""
_FROM = """call AS l JOIN conversation AS c ON c.id = l.conversation_id
  LEFT JOIN contact AS o ON o.id = c.contact_id LEFT JOIN contact AS k ON k.id = o.card_id
  LEFT JOIN channel AS h ON h.id = l.channel_id
  LEFT JOIN agent_extension AS e ON e.channel_id = l.channel_id AND e.extension = l.employee
  LEFT JOIN attachment AS f ON f.id = l.recording_id
  LEFT JOIN LATERAL (SELECT w.id, w.state FROM task AS w WHERE w.conversation_id = l.conversation_id
    AND w.call_id = l.id AND w.kind = 'call_back' ORDER BY w.id DESC LIMIT 1) AS t ON true"""
_WHERE = """WHERE (l.id) > ($2::uuid) AND {conversation_visible}
  AND ($4::text[] IS NULL OR l.state = ANY($4)) AND ($5::text[] IS NULL OR l.outcome = ANY($5))
  AND ($6::text IS NULL OR l.direction = $6)
  AND ($7::uuid IS NULL OR c.assignee_id = $7 OR (e.agent_id = $7 AND EXISTS (
    SELECT FROM conversation_participant AS p WHERE p.conversation_id = c.id AND p.agent_id = $7)))
  AND ($8::uuid IS NULL OR l.channel_id = $8)
  AND ($9::timestamptz IS NULL OR l.started_at >= $9) AND ($10::timestamptz IS NULL OR l.started_at < $10)
  AND ($11::bool IS NULL OR coalesce({open}, false) = $11)
  AND ($12::uuid[] IS NULL OR l.conversation_id = ANY($12))
ORDER BY l.id ASC LIMIT $3"""
_SHOWN = "SELECT {columns} FROM {from} ".replace("{columns}", _COLUMNS).replace("{from}", _FROM)
_LIST = walked((_SHOWN + _WHERE).replace("{open}", _OPEN))
_ONE = scoped((_SHOWN + "WHERE l.id = $2 AND {conversation_visible}").replace("{open}", _OPEN))


async def list_calls(
    pool: Pool, viewer: UUID | None, wanted: CallFilter, *, after: UUID | None, limit: int, down: bool
) -> list[CallItem]:
    """In the order they were first heard of."""
    among = await _among(pool, viewer, wanted)
    rows = await fetch_planned(
        pool,
        _LIST.down if down else _LIST.up,
        viewer,
        after or (LAST_ID if down else NO_ID),
        limit,
        wanted.states,
        wanted.outcomes,
        wanted.direction,
        wanted.agent,
        wanted.channel,
        wanted.begun_from,
        wanted.begun_to,
        wanted.to_call_back,
        among,
    )
    return [CallItem(**row) for row in rows]


# Few among many would be looked for through all calls: where a card, an agent or the viewer has few conversations, or few
# are open, these lead to their calls (call_conversation_id_idx). Many are soon found by walking.
FEW = 2000
_OF_CARD = """
SELECT v.id FROM contact AS m JOIN conversation AS v ON v.contact_id = m.id
WHERE m.card_id = (SELECT n.card_id FROM contact AS n WHERE n.id = $1) AND v.kind = 'call'
"""
_OF_AGENT = """
SELECT v.id FROM conversation AS v WHERE v.assignee_id = $1 AND v.kind = 'call'
UNION ALL SELECT p.conversation_id FROM conversation_participant AS p WHERE p.agent_id = $1 LIMIT $2
"""
_WAITING = "SELECT v.id FROM conversation AS v WHERE v.status <> 'resolved' AND v.kind = 'call' LIMIT $1"
_SEEN = """
SELECT v.id FROM conversation AS v WHERE v.assignee_id = $1 AND v.kind = 'call'
UNION ALL SELECT v.id FROM queue_member AS q JOIN conversation AS v ON v.queue_id = q.queue_id
  WHERE q.agent_id = $1 AND v.kind = 'call'
UNION ALL SELECT p.conversation_id FROM conversation_participant AS p
  WHERE p.agent_id = $1 AND p.last_at > now() - interval '30 days'
UNION ALL SELECT v.id FROM contact AS card JOIN contact AS m ON m.card_id = card.id
  JOIN conversation AS v ON v.contact_id = m.id WHERE card.owner_id = $1 AND v.kind = 'call' LIMIT $2
"""


async def _among(pool: Pool, viewer: UUID | None, wanted: CallFilter) -> list[UUID] | None:
    """Conversations that hold every call wanted; None where they are many."""
    if wanted.contact is not None:
        return [row["id"] for row in await pool.fetch(_OF_CARD, wanted.contact)]
    if wanted.agent is not None:
        rows = await pool.fetch(_OF_AGENT, wanted.agent, FEW + 1)
    elif wanted.to_call_back:
        rows = await pool.fetch(_WAITING, FEW + 1)
    elif viewer is not None:
        rows = await pool.fetch(_SEEN, viewer, FEW + 1)
    else:
        return None
    return None if len(rows) > FEW else list({row["id"] for row in rows})


async def get_call(connection: Connection, viewer: UUID | None, call_id: UUID) -> CallItem:
    """Raises NotFound, also when the viewer may not see its conversation."""
    rows = await planned(connection, _ONE, viewer, call_id)
    if not rows:
        raise NotFound("no such call")
    return CallItem(**rows[0])


_OUTCOMES = "SELECT name FROM disposition WHERE object = 'call' AND active ORDER BY position, name"
_DISPOSE = "UPDATE call SET disposition = $2 WHERE id = $1"
_SHOW = """
UPDATE interaction
SET body = jsonb_set(coalesce(body, '{}'), '{call}', coalesce(body -> 'call', '{}') || jsonb_build_object('disposition', $2::text))
WHERE id = $1
"""


class Disposed(NamedTuple):
    """`event`: to be appended last; none where nothing changed. `before`: the outcome noted until now."""

    call: CallItem
    event: NewEvent | None
    before: str


async def record_disposition(
    connection: Connection, viewer: UUID | None, call_id: UUID, disposition: str, *, by: UUID | None
) -> Disposed:
    """Notes what came of the call; empty takes it back. Raises NotFound; BadRequest for one that is not on the list."""
    await connection.execute("SELECT FROM call WHERE id = $1 FOR NO KEY UPDATE", call_id)
    call = await get_call(connection, viewer, call_id)
    before = call.disposition
    if disposition == before:
        return Disposed(call, None, before)
    _check(disposition, [row["name"] for row in await connection.fetch(_OUTCOMES)])
    await connection.execute(_DISPOSE, call_id, disposition)
    await connection.execute(_SHOW, call.interaction_id, disposition)
    call.disposition = disposition
    data: dict[str, Any] = {
        "call_id": call.id,
        "interaction_id": call.interaction_id,
        "conversation_id": call.conversation_id,
        "contact_id": call.contact_id,
        "disposition": disposition,
        "by": by,
    }
    heard = await audience_of(connection, call.conversation_id)
    return Disposed(call, NewEvent("call.changed", sorted(heard), data), before)


def _check(disposition: str, known: Sequence[str]) -> None:
    """Where no outcomes are set up every word is one."""
    if disposition and known and disposition not in known:
        raise BadRequest(
            f"disposition: one of {', '.join(known)}", reason="disposition_needed", offered=", ".join(known)
        )
