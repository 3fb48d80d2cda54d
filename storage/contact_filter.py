"""What lists of cards may be narrowed to: the filter, its condition in SQL, and what is looked for before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from storage.db import Connection
from storage.reading import planned

YO_MARK = "\U0010fffd"
SHORT = 3
"""Fewer characters have no trigram: then the list is walked by name, where so little is found soon."""
MANY = 2000
"""What more cards than these are called is found soon by the walk as well."""
MAX_CUSTOM = 4
MOST_SEEN = 20_000
"""Who sees more cards than these sees them everywhere in a list."""
IDS = 3
"""Where `arguments_of` has the cards that are wanted by their ids."""
Said = Literal["yes", "no", "unasked"]


class ContactFilter(msgspec.Struct, frozen=True, kw_only=True):
    """`name`: part of a sort name, `address` of an address. `values`: an address in every way it may be meant, looked for
    among `kinds`; kinds alone: cards that have such an address. `days`: "MM-DD", birthdays; `month`: of birth, 1 to 12.
    `silent_since`: nothing was heard of the card since then; `heard_since`: something was; `heard_before`: something once
    was, and nothing since. `consent`: what was last said to a purpose. `channel`: there is a conversation on it.
    """

    owner: UUID | None = None
    unowned: bool | None = None
    name: str | None = None
    address: str | None = None
    values: list[str] | None = None
    kinds: list[str] | None = None
    tag: str | None = None
    type: str | None = None
    company: UUID | None = None
    source: str | None = None
    silent_since: datetime | None = None
    days: list[str] | None = None
    custom: Mapping[str, str] | None = None
    month: int | None = None
    heard_since: datetime | None = None
    heard_before: datetime | None = None
    consent: tuple[str, Said] | None = None
    open_task: bool | None = None
    channel: UUID | None = None
    vip: bool | None = None
    ids: list[UUID] | None = None


# $1 viewer, $2 and $3 key, $4 limit, $5 and on: the filter. What an address or a name finds is looked for before ($8): a
# subquery behind an OR would be a walk through all cards.
WHERE = """k.card_id = k.id AND k.erased_at IS NULL
  AND ($5::uuid IS NULL OR k.owner_id = $5)
  AND ($6::bool IS NULL OR (k.owner_id IS NULL) = $6)
  AND ($7::text IS NULL OR k.sort_name ~ $7)
  AND ($8::uuid[] IS NULL OR k.id = ANY($8))
  AND ($9::text[] IS NULL OR EXISTS (
    SELECT FROM identity AS a JOIN contact AS m ON m.id = a.contact_id
    WHERE m.card_id = k.id AND a.kind = ANY($9)))
  AND ($10::text IS NULL OR $10 = ANY(k.tags))
  AND ($11::text IS NULL OR k.kind = $11)
  AND ($12::uuid IS NULL OR k.company_id = $12)
  AND ($13::jsonb IS NULL OR jsonb_path_exists(k.source, '$.* ? (@ == $v)', $13))
  AND ($14::timestamptz IS NULL OR NOT EXISTS (
    SELECT FROM contact AS m JOIN conversation AS c ON c.contact_id = m.id
    WHERE m.card_id = k.id AND c.last_at > $14))
  AND ($15::text[] IS NULL OR to_char(k.birthday, 'MM-DD') = ANY($15))
  AND ($16::text[] IS NULL OR (
    k.custom ->> ($16::text[])[1] = ($17::text[])[1]
    AND (($16::text[])[2] IS NULL OR k.custom ->> ($16::text[])[2] = ($17::text[])[2])
    AND (($16::text[])[3] IS NULL OR k.custom ->> ($16::text[])[3] = ($17::text[])[3])
    AND (($16::text[])[4] IS NULL OR k.custom ->> ($16::text[])[4] = ($17::text[])[4])))
  AND ($18::int IS NULL OR extract(month FROM k.birthday) = $18)
  AND ($19::timestamptz IS NULL OR k.id IN (
    SELECT m.card_id FROM conversation AS c JOIN contact AS m ON m.id = c.contact_id WHERE c.last_at >= $19))
  AND ($20::timestamptz IS NULL OR (
    SELECT max(c.last_at) FROM contact AS m JOIN conversation AS c ON c.contact_id = m.id
    WHERE m.card_id = k.id) < $20)
  AND ($21::text IS NULL OR CASE WHEN $22::bool IS NULL
    THEN k.id NOT IN (
      SELECT m.card_id FROM consent AS n JOIN contact AS m ON m.id = n.contact_id WHERE n.purpose = $21)
    ELSE k.id IN (
      SELECT said.card_id FROM (
        SELECT DISTINCT ON (m.card_id) m.card_id, n.given FROM consent AS n JOIN contact AS m ON m.id = n.contact_id
        WHERE n.purpose = $21 ORDER BY m.card_id, n.at DESC, n.id DESC) AS said
      WHERE said.given = $22) END)
  AND ($23::bool IS NULL OR (k.id IN (
    SELECT m.card_id FROM task AS t JOIN contact AS m ON m.id = t.contact_id WHERE t.state = 'open')) = $23)
  AND ($24::uuid IS NULL OR EXISTS (
    SELECT FROM contact AS m JOIN conversation AS c ON c.contact_id = m.id
    WHERE m.card_id = k.id AND c.channel_id = $24))
  AND ($25::bool IS NULL OR k.vip = $25)
  AND {contact_visible}"""
"""A row `k` that shows as a card and is wanted. What hangs on cards is gathered once (IN), not asked of each (EXISTS)."""
# By identity's unique key, with a skip over the few scopes of a kind.
_ADDRESSED = """
SELECT DISTINCT m.card_id FROM identity AS a JOIN contact AS m ON m.id = a.contact_id
WHERE a.kind = ANY($1::text[]) AND a.value = ANY($2::text[])
"""
# By contact_name_trgm_idx and identity_value_trgm_idx.
_NAMED = """
(SELECT m.card_id FROM contact AS m WHERE translate(lower(m.name), 'ё', 'е') LIKE $1 LIMIT $3)
UNION
(SELECT m.card_id FROM identity AS a JOIN contact AS m ON m.id = a.contact_id
 WHERE $2::text IS NOT NULL AND a.value LIKE $2 LIMIT $3)
"""


# What an agent may see, and maybe some more: each part by an index of its own. The rule itself is asked of these rows alone.
_SEEN = """
SELECT k.card_id FROM contact AS k WHERE k.owner_id = $1
UNION SELECT m.card_id FROM conversation AS c JOIN contact AS m ON m.id = c.contact_id WHERE c.assignee_id = $1
UNION SELECT m.card_id FROM queue_member AS q JOIN conversation AS c ON c.queue_id = q.queue_id
      JOIN contact AS m ON m.id = c.contact_id WHERE q.agent_id = $1
UNION SELECT m.card_id FROM conversation_participant AS p JOIN conversation AS c ON c.id = p.conversation_id
      JOIN contact AS m ON m.id = c.contact_id WHERE p.agent_id = $1
LIMIT $2
"""


async def arguments_of(connection: Connection, viewer: UUID | None, wanted: ContactFilter) -> list[Any]:
    """$5 to $25 of `WHERE`."""
    pattern, found = await _found(connection, wanted)
    ids = None if found is None else set(found)
    if viewer is not None:
        seen = {row["card_id"] for row in await planned(connection, _SEEN, viewer, MOST_SEEN + 1)}
        if len(seen) <= MOST_SEEN:
            ids = seen if ids is None else ids & seen
    custom = sorted(wanted.custom.items())[:MAX_CUSTOM] if wanted.custom else None
    return [
        wanted.owner,
        wanted.unowned,
        pattern,
        None if ids is None else sorted(ids),
        None if wanted.values is not None else wanted.kinds,
        wanted.tag,
        wanted.type,
        wanted.company,
        None if wanted.source is None else {"v": wanted.source},
        wanted.silent_since,
        wanted.days,
        None if custom is None else [key for key, _ in custom],
        None if custom is None else [value for _, value in custom],
        wanted.month,
        wanted.heard_since,
        wanted.heard_before,
        wanted.consent and wanted.consent[0],
        None if wanted.consent is None else {"yes": True, "no": False, "unasked": None}[wanted.consent[1]],
        wanted.open_task,
        wanted.channel,
        wanted.vip,
    ]


async def _found(connection: Connection, wanted: ContactFilter) -> tuple[str | None, list[UUID] | None]:
    """(what names must be like, which cards): by an address, by a part of a name or an address, or neither."""
    pattern: str | None = None
    ids: set[UUID] | None = None
    name, address = wanted.name, wanted.address
    if name is not None and len(name) < SHORT and address is None:
        pattern = _pattern(name)
    elif name is not None:
        likes = _like(name.replace(YO_MARK, "")), _like(address) if address is not None else None
        ids = {row["card_id"] for row in await planned(connection, _NAMED, *likes, MANY)}
        if len(ids) >= MANY:
            pattern, ids = _pattern(name), None
    if wanted.values is not None:
        rows = await planned(connection, _ADDRESSED, wanted.kinds, wanted.values)
        addressed = {row["card_id"] for row in rows}
        ids = addressed if ids is None else ids & addressed
    if wanted.ids is not None:
        ids = set(wanted.ids) if ids is None else ids & set(wanted.ids)
    return pattern, None if ids is None else sorted(ids)


def _like(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def _pattern(folded: str) -> str:
    """A regular expression of these very characters, in which е also finds ё (kept as е and U+10FFFD)."""
    found = []
    for char in folded.replace(YO_MARK, ""):
        if char == "е":
            found.append(f"е{YO_MARK}?")
        else:
            found.append(char if char.isalnum() or char == " " else "\\" + char)
    return "".join(found)
