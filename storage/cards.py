"""One card with all that stands on it, and what people enter there: addresses, consents."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from config.errors import Conflict, NotFound
from storage.contacts import ContactItem, IdentityItem, get_contact
from storage.db import Connection
from storage.reading import planned, scoped

SHOWN = 5
PEOPLE = 20


class Named(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Somebody by name: a company, one of its people, an owner."""

    id: UUID
    name: str


class ConsentItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`channel_kind`: an identity kind, empty is all of them; `source`: where it was given."""

    purpose: str
    given: bool
    at: datetime
    channel_kind: str = ""
    source: dict[str, Any] = {}


class TaskBrief(msgspec.Struct, omit_defaults=True, kw_only=True):
    id: UUID
    kind: str
    title: str
    due_at: datetime | None = None
    assignee_id: UUID | None = None


class ConversationBrief(msgspec.Struct, omit_defaults=True, kw_only=True):
    id: UUID
    channel_id: UUID
    kind: str
    status: str
    last_at: datetime
    channel: str = ""
    connector: str = ""
    subject: str = ""
    last_text: str = ""
    assignee_id: UUID | None = None


class Double(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`id`: of the suggestion; `contact_id`: the other card; `score` from 0 to 1."""

    id: UUID
    contact_id: UUID
    name: str
    reason: str
    score: float


class MergeItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A merge that shows on this card and can be undone."""

    id: UUID
    survivor_id: UUID
    merged_id: UUID
    name: str
    at: datetime
    by: UUID | None = None


class CardItem(ContactItem, omit_defaults=True, kw_only=True):
    """A card with all of its right pane. `people`: of a company, the first 20 the viewer may see; `tasks`: the open ones
    that are due first, `open_tasks` how many there are; `conversations`: the last ones.
    """

    company: Named | None = None
    owner: Named | None = None
    people: list[Named] = msgspec.field(default_factory=list)
    consents: list[ConsentItem] = msgspec.field(default_factory=list)
    open_tasks: int = 0
    tasks: list[TaskBrief] = msgspec.field(default_factory=list)
    conversations: list[ConversationBrief] = msgspec.field(default_factory=list)
    doubles: list[Double] = msgspec.field(default_factory=list)
    merges: list[MergeItem] = msgspec.field(default_factory=list)


_COMPANY = "SELECT id, name FROM contact WHERE id = (SELECT card_id FROM contact WHERE id = $1)"
_OWNER = "SELECT id, name FROM agent WHERE id = $1"
_PEOPLE = scoped("""
SELECT k.id, k.name FROM contact AS k
WHERE k.company_id IN (SELECT m.id FROM contact AS m WHERE m.card_id = $2) AND k.card_id = k.id AND {contact_visible}
ORDER BY k.sort_name, k.id LIMIT $3
""")
_CONSENTS = """
SELECT DISTINCT ON (n.purpose, n.channel_kind) n.purpose, n.channel_kind, n.given, n.at, n.source
FROM contact AS m JOIN consent AS n ON n.contact_id = m.id WHERE m.card_id = $1
ORDER BY n.purpose, n.channel_kind, n.at DESC, n.id DESC
"""
_TASKS = """
SELECT t.id, t.kind, t.title, t.due_at, t.assignee_id, count(*) OVER () AS total
FROM contact AS m JOIN task AS t ON t.contact_id = m.id AND t.state = 'open' WHERE m.card_id = $1
ORDER BY t.due_at ASC NULLS LAST, t.id LIMIT $2
"""
_CONVERSATIONS = scoped("""
SELECT c.id, c.channel_id, c.kind, c.status, c.last_at, coalesce(h.name, '') AS channel,
       coalesce(h.connector, '') AS connector, c.subject, c.last_text, c.assignee_id
FROM contact AS m JOIN conversation AS c ON c.contact_id = m.id LEFT JOIN channel AS h ON h.id = c.channel_id
WHERE m.card_id = $2 AND {conversation_visible} ORDER BY c.last_at DESC, c.id DESC LIMIT $3
""")
_DOUBLES = scoped("""
SELECT s.id, k.id AS contact_id, k.name, s.reason, s.score
FROM contact AS m
JOIN merge_suggestion AS s ON m.id IN (s.first_id, s.second_id) AND s.state = 'open'
JOIN contact AS o ON o.id = CASE WHEN s.first_id = m.id THEN s.second_id ELSE s.first_id END
JOIN contact AS k ON k.id = o.card_id
WHERE m.card_id = $2 AND k.id <> $2 AND {contact_visible} ORDER BY s.score DESC, s.id LIMIT $3
""")
_MERGES = """
SELECT g.id, g.survivor_id, g.merged_id, m.name, g.at, g.by
FROM contact AS m JOIN contact_merge AS g ON g.merged_id = m.id AND g.undone_at IS NULL
WHERE m.card_id = $1 ORDER BY g.id DESC
"""


async def get_card(connection: Connection, viewer: UUID | None, contact_id: UUID) -> CardItem:
    """The card this contact shows on. Inside a transaction. Raises NotFound, also when the viewer may not see it."""
    item = await get_contact(connection, viewer, contact_id)
    company = item.company_id and await connection.fetchrow(_COMPANY, item.company_id)
    owner = item.owner_id and await connection.fetchrow(_OWNER, item.owner_id)
    tasks = [dict(row) for row in await connection.fetch(_TASKS, item.id, SHOWN)]
    people = await planned(connection, _PEOPLE, viewer, item.id, PEOPLE) if item.kind == "company" else []
    return CardItem(
        **{name: getattr(item, name) for name in ContactItem.__struct_fields__},
        company=Named(**dict(company)) if company else None,
        owner=Named(**dict(owner)) if owner else None,
        people=[Named(**dict(row)) for row in people],
        consents=await list_consents(connection, item.id),
        open_tasks=tasks[0]["total"] if tasks else 0,
        tasks=[TaskBrief(**{name: row[name] for name in TaskBrief.__struct_fields__}) for row in tasks],
        conversations=[
            ConversationBrief(**dict(row)) for row in await planned(connection, _CONVERSATIONS, viewer, item.id, SHOWN)
        ],
        doubles=[Double(**dict(row)) for row in await planned(connection, _DOUBLES, viewer, item.id, SHOWN)],
        merges=await list_merges(connection, item.id),
    )


async def list_consents(connection: Connection, card_id: UUID) -> list[ConsentItem]:
    """The newest of each purpose and kind of channel, over all members of the card."""
    return [ConsentItem(**dict(row)) for row in await connection.fetch(_CONSENTS, card_id)]


async def list_merges(connection: Connection, card_id: UUID) -> list[MergeItem]:
    """Those that make up the card, newest first."""
    return [MergeItem(**dict(row)) for row in await connection.fetch(_MERGES, card_id)]


_ADD_CONSENT = "INSERT INTO consent (contact_id, channel_kind, purpose, given, source) VALUES ($1, $2, $3, $4, $5)"


async def add_consent(
    connection: Connection, card_id: UUID, *, purpose: str, channel_kind: str, given: bool, source: dict[str, Any]
) -> None:
    """A yes or no of now; the earlier ones stay as history."""
    await connection.execute(_ADD_CONSENT, card_id, channel_kind, purpose, given, source)


class Taken(NamedTuple):
    """An address that is on another card. `visible`: the viewer may know which."""

    contact_id: UUID
    name: str
    visible: bool


_ADD_IDENTITY = """
INSERT INTO identity (kind, scope, value, contact_id, source) VALUES ($1, $2, $3, $4, 'manual')
ON CONFLICT (kind, scope, value) DO NOTHING
"""
_HOLDER = scoped("""
SELECT a.id, k.id AS card_id, k.name, {contact_visible} AS visible
FROM identity AS a JOIN contact AS m ON m.id = a.contact_id JOIN contact AS k ON k.id = m.card_id
WHERE a.kind = $2 AND a.scope = $3 AND a.value = $4
""")
_SUGGEST = """
INSERT INTO merge_suggestion (first_id, second_id, reason, score)
VALUES (least($1::uuid, $2::uuid), greatest($1::uuid, $2::uuid), $3, $4)
ON CONFLICT (first_id, second_id) DO UPDATE SET state = 'open', reason = excluded.reason, score = excluded.score, at = now()
"""


async def add_identity(
    connection: Connection, viewer: UUID | None, card: ContactItem, identity: tuple[str, str, str]
) -> Taken | None:
    """Gives the card an address (kind, scope, value in normal form); one it has already stays. Taken, if another card has
    it: then the two are suggested as one. Raises Conflict for an erased card.
    """
    if card.erased_at is not None:
        raise Conflict("the card was erased", reason="card_erased")
    await connection.execute(_ADD_IDENTITY, *identity, card.id)
    row = (await planned(connection, _HOLDER, viewer, *identity))[0]
    if row["card_id"] == card.id:
        return None
    await suggest(connection, card.id, row["card_id"], f"the same {identity[0]}")
    return Taken(row["card_id"], row["name"], row["visible"])


async def suggest(connection: Connection, one: UUID, two: UUID, reason: str) -> None:
    """Two cards that somebody's entry shows to be one; a pair that was dismissed is asked about anew."""
    await connection.execute(_SUGGEST, one, two, reason, 0.9)


_USED = """
SELECT EXISTS (SELECT FROM conversation AS c JOIN contact AS m ON m.id = c.contact_id
               WHERE m.card_id = $1 AND c.identity_id = $2)
"""


async def remove_identity(connection: Connection, card: ContactItem, identity_id: UUID) -> IdentityItem:
    """Takes an address off the card. Raises NotFound; Conflict for one that messages came by: they would lose their way
    back, and the next one would make a new card.
    """
    found = next((one for one in card.identities if one.id == identity_id), None)
    if found is None:
        raise NotFound("no such address on this card")
    if await connection.fetchval(_USED, card.id, identity_id):
        raise Conflict("conversations go by this address: it can't be taken off the card", reason="address_in_use")
    await connection.execute("DELETE FROM identity WHERE id = $1", identity_id)
    return found


_BLOCK = """
UPDATE identity SET blocked_at = CASE WHEN $2 THEN coalesce(blocked_at, now()) END, blocked_reason = CASE WHEN $2 THEN $3 ELSE '' END
WHERE id = $1
"""


async def block_identity(
    connection: Connection, card: ContactItem, identity_id: UUID, *, blocked: bool, reason: str
) -> IdentityItem:
    """Nothing is sent to a blocked address. Gives back the address as it was. Raises NotFound."""
    found = next((one for one in card.identities if one.id == identity_id), None)
    if found is None:
        raise NotFound("no such address on this card")
    await connection.execute(_BLOCK, identity_id, blocked, reason)
    return found
