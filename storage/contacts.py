"""Client cards: reads, and the changes people make by hand. Merging is the router's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from config.errors import Conflict, NotFound
from storage.db import Connection, Pool
from storage.reading import NO_ID, fetch_planned, planned, scoped


class IdentityItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One address of a card. `contact_id`: the member it belongs to; `confidence` from 0 to 1."""

    id: UUID
    kind: str
    value: str
    contact_id: UUID
    scope: str = ""
    ext: str = ""
    name: str = ""
    source: str = ""
    confidence: float = 1.0
    blocked_at: datetime | None = None
    blocked_reason: str = ""


class ContactItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A card. `members`: the contacts merged into it, itself first, absent when it stands alone. `last_at`: when
    anything was last said, `company_name`: how the company is called, both in lists.
    """

    id: UUID
    kind: str
    version: int
    created_at: datetime
    updated_at: datetime
    name: str = ""
    company_id: UUID | None = None
    owner_id: UUID | None = None
    tags: list[str] = []
    custom: dict[str, Any] = {}
    vip: bool = False
    timezone: str = ""
    language: str = ""
    birthday: date | None = None
    source: dict[str, Any] = {}
    erased_at: datetime | None = None
    members: list[UUID] = []
    identities: list[IdentityItem] = []
    last_at: datetime | None = None
    company_name: str = ""


COLUMNS = """k.id, k.kind, k.version, k.created_at, k.updated_at, k.name, k.company_id, k.owner_id, k.tags, k.custom,
  k.vip, k.timezone, k.language, k.birthday, k.source, k.erased_at"""

_CARD = scoped(
    """
SELECT {columns} FROM contact AS k
WHERE k.id = (SELECT m.card_id FROM contact AS m WHERE m.id = $2) AND {contact_visible}
""".replace("{columns}", COLUMNS)
)
_IDENTITIES = """
SELECT a.id, a.kind, a.value, a.contact_id, a.scope, a.ext, a.name, a.source, a.confidence, a.blocked_at,
       a.blocked_reason, m.card_id
FROM contact AS m JOIN identity AS a ON a.contact_id = m.id WHERE m.card_id = ANY($1) ORDER BY a.id
"""
_MEMBERS = "SELECT id, card_id FROM contact WHERE card_id = ANY($1) AND id <> card_id ORDER BY id"


async def to_items(connection: Connection | Pool, rows: list[asyncpg.Record]) -> list[ContactItem]:
    """The cards with their members and addresses, in the order of the rows."""
    ids = [row["id"] for row in rows]
    items: dict[UUID, ContactItem] = {}
    for row in rows:
        fields = {name: value for name, value in row.items() if name in ContactItem.__struct_fields__}
        items[row["id"]] = ContactItem(**fields, members=[], identities=[])
    for row in await connection.fetch(_MEMBERS, ids):
        card = items[row["card_id"]]
        card.members = [*(card.members or [card.id]), row["id"]]
    for row in await connection.fetch(_IDENTITIES, ids):
        fields = dict(row)
        items[fields.pop("card_id")].identities.append(IdentityItem(**fields))
    return [items[i] for i in ids]


async def get_contact(connection: Connection, viewer: UUID | None, contact_id: UUID) -> ContactItem:
    """The card this contact shows on. Raises NotFound, also when the viewer may not see it."""
    rows = await planned(connection, _CARD, viewer, contact_id)
    if not rows:
        raise NotFound("no such contact")
    return (await to_items(connection, rows))[0]


_SOME = "SELECT {columns} FROM contact AS k WHERE k.id = ANY($1::uuid[])".replace("{columns}", COLUMNS)


async def cards_of(pool: Pool, card_ids: Collection[UUID]) -> dict[UUID, ContactItem]:
    """Cards by id, for a caller who knows that the viewer may see them."""
    rows = await pool.fetch(_SOME, list(card_ids))
    return {item.id: item for item in await to_items(pool, rows)}


_INSERT = """
INSERT INTO contact (id, card_id, kind, name, sort_name, company_id, owner_id, custom, tags, vip, timezone, language,
                     birthday, source)
SELECT new.id, new.id, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM (SELECT uuidv7() AS id) AS new
RETURNING id
"""
_ADD_IDENTITY = """
INSERT INTO identity (kind, scope, value, contact_id, source) VALUES ($1, $2, $3, $4, 'manual')
ON CONFLICT (kind, scope, value) DO NOTHING RETURNING id
"""


async def add_contact(
    connection: Connection, fields: Mapping[str, Any], identities: list[tuple[str, str, str]]
) -> UUID:
    """`fields` with `sort_name`; `identities`: (kind, scope, value), normalised. Raises Conflict when one belongs to another card."""
    contact_id: UUID = await connection.fetchval(
        _INSERT,
        fields["kind"],
        fields["name"],
        fields["sort_name"],
        fields["company_id"],
        fields["owner_id"],
        fields["custom"],
        fields["tags"],
        fields["vip"],
        fields["timezone"],
        fields["language"],
        fields["birthday"],
        fields["source"],
    )
    for kind, scope, value in sorted(identities):
        if await connection.fetchval(_ADD_IDENTITY, kind, scope, value, contact_id) is None:
            raise Conflict(f"this {kind} belongs to another contact", reason="address_of_another")
    return contact_id


CHANGEABLE = ("name", "kind", "company_id", "owner_id", "custom", "tags", "vip", "timezone", "language", "birthday")
_UPDATE = """
UPDATE contact SET name = $2, sort_name = coalesce($3, sort_name), kind = $4, company_id = $5, owner_id = $6, custom = $7, tags = $8,
  vip = $9, timezone = $10, language = $11, birthday = $12, updated_at = now(), version = version + 1
WHERE id = $1
"""


async def change_contact(
    connection: Connection,
    viewer: UUID | None,
    contact_id: UUID,
    changes: Mapping[str, Any],
    *,
    sort_name: str,
    version: int | None,
) -> tuple[ContactItem, dict[str, Any], dict[str, Any]]:
    """`sort_name` goes with a changed name. Returns the card and the changed fields before and after. Raises NotFound, Conflict on another `version`."""
    await connection.execute(
        "SELECT FROM contact WHERE id = (SELECT card_id FROM contact WHERE id = $1) FOR UPDATE", contact_id
    )
    card = await get_contact(connection, viewer, contact_id)
    if version is not None and version != card.version:
        raise Conflict(f"the card was changed meanwhile: its version is {card.version}", reason="changed_meanwhile")
    if card.erased_at is not None:
        raise Conflict("the card was erased", reason="card_erased")
    old = {name: getattr(card, name) for name in CHANGEABLE}
    after = {name: value for name, value in changes.items() if value != old[name]}
    if not after:
        return card, {}, {}
    new = old | after
    await connection.execute(
        _UPDATE, card.id, new["name"], sort_name if "name" in after else None, *(new[name] for name in CHANGEABLE[1:])
    )
    return await get_contact(connection, None, card.id), {name: old[name] for name in after}, after


_SUGGESTIONS = """
SELECT s.id, one.card_id AS first_id, two.card_id AS second_id, s.reason, s.score, s.at FROM merge_suggestion AS s
JOIN contact AS one ON one.id = s.first_id JOIN contact AS two ON two.id = s.second_id
WHERE s.state = 'open' AND one.card_id <> two.card_id AND s.id > $2::uuid
  AND ($1::uuid IS NULL OR EXISTS (SELECT FROM contact AS k WHERE k.id = one.card_id AND {contact_visible}))
  AND ($1::uuid IS NULL OR EXISTS (SELECT FROM contact AS k WHERE k.id = two.card_id AND {contact_visible}))
ORDER BY s.id LIMIT $3
"""
_SUGGESTIONS = scoped(_SUGGESTIONS)


async def list_merge_suggestions(
    pool: Pool, viewer: UUID | None, *, after: UUID | None, limit: int
) -> list[asyncpg.Record]:
    """Open ones between two cards the viewer sees both of."""
    return await fetch_planned(pool, _SUGGESTIONS, viewer, after or NO_ID, limit)


_DISMISS = scoped("""
UPDATE merge_suggestion AS s SET state = 'dismissed', decided_by = $3 WHERE s.id = $2 AND s.state = 'open'
  AND ($1::uuid IS NULL OR NOT EXISTS (
    SELECT FROM contact AS m JOIN contact AS k ON k.id = m.card_id
    WHERE m.id IN (s.first_id, s.second_id) AND NOT {contact_visible}))
RETURNING s.id
""")


async def dismiss_suggestion(
    connection: Connection, viewer: UUID | None, suggestion_id: UUID, agent_id: UUID | None
) -> None:
    """Raises NotFound when it is not open, or about a card that the viewer may not see."""
    done = await connection.fetchval(_DISMISS, viewer, suggestion_id, agent_id)
    if done is None:
        raise NotFound("no such open suggestion")


async def contact_audience(connection: Connection, contact_id: UUID) -> list[UUID]:
    """Agents who hear of a change of this card: its owner, and who holds an open conversation with it."""
    rows = await connection.fetch(
        """
        SELECT k.owner_id AS agent_id FROM contact AS k WHERE k.id = $1 AND k.owner_id IS NOT NULL
        UNION SELECT c.assignee_id FROM contact AS m JOIN conversation AS c ON c.contact_id = m.id
        WHERE m.card_id = $1 AND c.status <> 'resolved' AND c.assignee_id IS NOT NULL
        """,
        contact_id,
    )
    return [row["agent_id"] for row in rows]
