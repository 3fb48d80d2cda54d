"""Click-to-call: a call that the hub asks a PBX for. It rings the agent's own phone first, then the client's.

The interaction, its conversation and the call's row are there before the PBX hears of it, under our own id; the PBX puts
that id into its events, so what it tells of the call later is told of this one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from config.errors import BadRequest, Conflict, HubError, NotFound
from connectors import registry
from connectors.items import Address, Call
from connectors.phones import parse_phone
from router.callstate import CallEvent, reduce
from router.channels import check_settings
from router.frames import InteractionFrame
from router.names import sort_name
from router.outbound.replies import Queued
from router.outbound.states import GIVE_UP_S, Frozen, audiences, freeze
from router.understand import to_document
from storage.contacts import add_contact
from storage.db import Connection
from storage.events import NewEvent, append_events
from storage.queries import load
from storage.vault import Vault

STREAM = load("stream")
GIVE_UP_CALL_S = 60.0
"""A PBX that can't take the command now is asked again for a minute: nobody wants his phone to ring for it an hour later."""


class NoExtension(Conflict):
    """The agent has no phone to be rung at."""

    code = "no_extension"
    do = "An administrator enters it: PUT /agents/{agent_id}/extensions/{channel_id}, or `main.py agent extension`."


@dataclass(frozen=True, slots=True)
class NewCall:
    """Exactly one of `contact_id`, `identity_id` and `number` says who is called; `channel_id` may be left to us."""

    agent_id: UUID
    channel_id: UUID | None = None
    contact_id: UUID | None = None
    identity_id: UUID | None = None
    number: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """The PBX that places the call. `extension`: the agent's there; `region`: of numbers without a country code."""

    channel_id: UUID
    extension: str
    region: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the call stands. `call_id`: ours, which the PBX will repeat."""

    channel_id: UUID
    call_id: str
    conversation_id: UUID
    at: datetime


_AGENT = "SELECT name FROM agent WHERE id = $1 AND active"
_LINES = """
SELECT c.id, c.name, c.connector, c.settings, c.state, e.extension
FROM channel AS c LEFT JOIN agent_extension AS e ON e.channel_id = c.id AND e.agent_id = $1
WHERE $2::uuid IS NULL OR c.id = $2
ORDER BY c.id
"""
_IDENTITY = """
SELECT i.id, i.kind, i.value, i.name, i.blocked_at, i.contact_id, t.card_id
FROM identity AS i LEFT JOIN contact AS t ON t.id = i.contact_id
WHERE i.id = $1
"""
_BY_NUMBER = """
SELECT i.id, i.kind, i.value, i.name, i.blocked_at, i.contact_id, t.card_id
FROM identity AS i LEFT JOIN contact AS t ON t.id = i.contact_id
WHERE i.kind = 'phone' AND i.scope = '' AND i.value = $1
"""
_PHONES = """
SELECT i.id, i.kind, i.value, i.name, i.blocked_at, i.contact_id, t.card_id
FROM contact AS t JOIN identity AS i ON i.contact_id = t.id
WHERE t.card_id = (SELECT card_id FROM contact WHERE id = $1) AND i.kind = 'phone'
ORDER BY i.id
"""
_CONVERSATION = """
INSERT INTO conversation (channel_id, thread_key, kind, contact_id, identity_id, assignee_id, assignment_reason, last_at)
VALUES ($1, $2, 'call', $3, $4, $5, $6, $7)
RETURNING id
"""
_INTERACTION = """
INSERT INTO interaction
    (order_at, kind, direction, channel_id, conversation_id, contact_id, identity_id, agent_id, external_id, received_at,
     body, state)
VALUES ($1, 'call', 'out', $2, $3, $4, $5, $6, $7, $1, $8, 'queued')
RETURNING id
"""
_CALL = """
INSERT INTO call
    (channel_id, external_id, conversation_id, interaction_id, state, direction, client, started_at, events)
VALUES ($1, $2, $3, $4, 'started', 'out', $5, $6, $7)
"""
_ASSIGNED = "INSERT INTO assignment (conversation_id, agent_id, since, reason, by) VALUES ($1, $2, $3, $4, $2)"
_TAKE_PART = (
    "INSERT INTO conversation_participant (conversation_id, agent_id, last_at, why) VALUES ($1, $2, $3, 'called')"
)
_OUTBOUND = """
INSERT INTO outbound
    (id, interaction_id, conversation_id, channel_id, thread_key, identity_id, message, agent_id, next_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_NEW_CARD: dict[str, Any] = {
    "kind": "person",
    "name": "",
    "sort_name": sort_name(""),
    "company_id": None,
    "owner_id": None,
    "custom": {},
    "tags": [],
    "vip": False,
    "timezone": "",
    "language": "",
    "birthday": None,
    "source": {},
}


async def queue_call(connection: Connection, vault: Vault, call: NewCall, now: datetime) -> Queued:
    """A call on its way, inside the caller's transaction; the event is its last statement.

    After the commit wake `outbound` and, with `event_id`, `events`. Raises NotFound, BadRequest, Conflict (NoExtension
    where the agent has no phone at that PBX); nothing is to be committed then.
    """
    name = await connection.fetchval(_AGENT, call.agent_id)
    if name is None:
        raise BadRequest("agent_id: no such active agent", reason="agent_inactive")
    line = await _line(connection, vault, call)
    callee = await _callee(connection, call, line)
    outbound_id: UUID = await connection.fetchval("SELECT uuidv7()")
    place = await _conversation(
        connection,
        call,
        callee,
        channel_id=line.channel_id,
        call_id=str(outbound_id),
        reason=f"called by {name}",
        now=now,
    )
    interaction = await _interaction(connection, place, callee, call, name)
    await connection.execute(
        _OUTBOUND,
        outbound_id,
        interaction.id,
        place.conversation_id,
        line.channel_id,
        callee["value"],  # one call at a time to one number, whatever conversation it is in
        callee["id"],
        freeze(_message(line, callee, now)),
        call.agent_id,
        now,
    )
    words = await audiences(connection, [place.conversation_id])
    event = NewEvent("interaction.created", words.get(place.conversation_id, []), {"interaction": interaction})
    event_id = await append_events(connection, [event])
    return Queued(outbound_id, interaction.id, place.conversation_id, "queued", event_id)


def _message(line: _Line, callee: asyncpg.Record, now: datetime) -> Frozen:
    return Frozen(
        to=Address("phone", callee["value"], name=callee["name"]),
        due_at=now - timedelta(seconds=GIVE_UP_S - GIVE_UP_CALL_S),
        meta={"action": "call", "extension": line.extension},
    )


# ---------------------------------------------------------------- by which PBX


async def _line(connection: Connection, vault: Vault, call: NewCall) -> _Line:
    rows = await connection.fetch(_LINES, call.agent_id, call.channel_id)
    if call.channel_id is not None and not rows:
        raise NotFound("no such channel")
    able = [row for row in rows if _can_call(row["connector"])]
    if not able:
        raise Conflict(
            "this channel can't place calls" if call.channel_id else "no channel of this hub places calls",
            reason="no_calls_from_here",
        )
    active = [row for row in able if row["state"] == "active"]
    if not active:
        raise Conflict("the PBX channel is out of service: see its card", reason="pbx_down")
    own = [row for row in active if row["extension"]]
    if not own:
        where = active[0]["name"] if len(active) == 1 else "any PBX"
        raise NoExtension(
            f"the agent has no extension at {where}: there is no phone to ring first",
            reason="no_extension",
            where=str(where),
        )
    if len(own) > 1:
        raise BadRequest("channel_id: the agent has a phone at several PBXs; name one", reason="several_phones")
    row = own[0]
    settings = check_settings(registry.get(row["connector"]), vault.decrypt(row["settings"]))
    return _Line(row["id"], row["extension"], settings.region)


def _can_call(connector: str) -> bool:
    try:
        return registry.get(connector).capabilities.call
    except HubError:  # a channel of a connector that this version no longer has
        return False


# ---------------------------------------------------------------- whom


async def _callee(connection: Connection, call: NewCall, line: _Line) -> asyncpg.Record:
    """The phone's identity, with its contact. Raises BadRequest, Conflict for a number on the stop list."""
    if call.number:
        found = await _by_number(connection, call.number, line.region)
    elif call.identity_id is not None:
        found = await _by_identity(connection, call.identity_id)
    else:
        found = _only(await connection.fetch(_PHONES, call.contact_id))
    if found["blocked_at"] is not None:
        raise Conflict(
            "this number is on the stop list: the client wants no calls, or nobody can be reached by it",
            reason="stop_list",
        )
    return found


async def _by_identity(connection: Connection, identity_id: UUID) -> asyncpg.Record:
    found = await connection.fetchrow(_IDENTITY, identity_id)
    if found is None or found["card_id"] is None:
        raise NotFound("no such address")
    if found["kind"] != "phone":
        raise BadRequest("identity: not a phone number", reason="not_a_phone")
    return found


def _only(phones: Sequence[asyncpg.Record]) -> asyncpg.Record:
    usable = [row for row in phones if row["blocked_at"] is None] or phones
    if not usable:
        raise BadRequest("contact_id: this client has no phone number", reason="no_phone")
    if len(usable) > 1:
        raise BadRequest("identity: this client has several phone numbers; name one", reason="several_numbers")
    return usable[0]


async def _by_number(connection: Connection, number: str, region: str) -> asyncpg.Record:
    phone = parse_phone(number, region)
    if phone is None:
        raise BadRequest("number: not a phone number that can be called from here", reason="not_a_phone")
    for _ in range(3):  # each round loses only against a transaction that entered the number, found in the next
        found = await connection.fetchrow(_BY_NUMBER, phone.e164)
        if found is not None and found["card_id"] is not None:
            return found
        if found is not None:
            raise Conflict("this number belonged to a client whose data were erased", reason="number_erased")
        try:
            async with connection.transaction():
                await add_contact(connection, _NEW_CARD, [("phone", "", phone.e164)])
        except Conflict:
            continue
    raise Conflict("this number changes hands too quickly; try again", reason="changed_meanwhile")


# ---------------------------------------------------------------- rows


async def _conversation(
    connection: Connection,
    call: NewCall,
    callee: asyncpg.Record,
    *,
    channel_id: UUID,
    call_id: str,
    reason: str,
    now: datetime,
) -> _Place:
    """The agent's from the beginning; the call's end closes it."""
    conversation_id: UUID = await connection.fetchval(
        _CONVERSATION, channel_id, call_id, callee["contact_id"], callee["id"], call.agent_id, reason, now
    )
    await connection.execute(_ASSIGNED, conversation_id, call.agent_id, now, reason)
    await connection.execute(_TAKE_PART, conversation_id, call.agent_id, now)
    return _Place(channel_id, call_id, conversation_id, now)


async def _interaction(
    connection: Connection, place: _Place, callee: asyncpg.Record, call: NewCall, agent_name: str
) -> InteractionFrame:
    """The interaction as the API shows it; its id leads to it from the PBX's events, and the call's row waits for them."""
    # No extension here: until the PBX says that it rings, the agent is not busy.
    asked = CallEvent(at=place.at, call=Call(state="started", direction="out", client=callee["value"]))
    view = reduce([asked])
    sender = {"kind": "agent", "value": str(call.agent_id), "name": agent_name}
    recipient = {"kind": "phone", "value": callee["value"]}
    interaction_id: UUID = await connection.fetchval(
        _INTERACTION,
        place.at,
        place.channel_id,
        place.conversation_id,
        callee["contact_id"],
        callee["id"],
        call.agent_id,
        place.call_id,
        {"sender": sender, "recipients": [recipient], "call": to_document(view)},
    )
    await connection.execute(STREAM.claim_refs, [place.channel_id], ["call"], [place.call_id], [""], [interaction_id])
    await connection.execute(
        _CALL,
        place.channel_id,
        place.call_id,
        place.conversation_id,
        interaction_id,
        view.client,
        place.at,
        to_document([asked]),
    )
    return InteractionFrame(
        id=interaction_id,
        at=place.at,
        received_at=place.at,
        kind="call",
        direction="out",
        channel_id=place.channel_id,
        contact_id=callee["card_id"],
        conversation_id=place.conversation_id,
        external_id=place.call_id,
        sender=sender,
        call=view,
        identity_id=callee["id"],
        state="queued",
    )
