"""Client cards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest
from inbox.api.lists import Page, Walk, to_page
from inbox.api.routes import Change, Ctx, Routes
from router.lookup import IDENTITY_KINDS, normalize_email, normalize_username, phone_query
from router.names import sort_name
from storage.contact_list import ContactFilter, Sort, key_of, last_heard, list_contacts
from storage.contacts import (
    ContactItem,
    add_contact,
    cards_of,
    change_contact,
    contact_audience,
    dismiss_suggestion,
    get_contact,
    list_merge_suggestions,
    to_items,
)
from storage.db import Connection
from storage.events import NewEvent, audience
from storage.fields import active_fields, check_custom

routes = Routes("contacts")
Name = Annotated[str, msgspec.Meta(max_length=300)]
Tag = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
TagList = Annotated[list[Tag], msgspec.Meta(max_length=100)]
Custom = Annotated[dict[Annotated[str, msgspec.Meta(max_length=100)], Any], msgspec.Meta(max_length=200)]
Short = Annotated[str, msgspec.Meta(max_length=60)]
Value = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
MIN_DIGITS, MIN_LETTERS = 4, 3
RU_DIGITS = 11
"""8 916 … and 916 … are found in +7916…"""


class ContactQuery(Walk, kw_only=True):
    """`identity`: an address; phones as people write them, a leading space or bare digits are read as +. `kind`, `has`: an
    identity kind. `q`: a part of a name or an address. `owner`: an agent, `me` or `none`. `source`: any value of the card's
    source. `no_contact_since`: days without a word; `birthday`: within so many days from today. `custom.<key>=`: what the
    company's own field says, of four fields at most. `sort`: by name, by when the card was made, by when anything was last
    said.
    """

    identity: Value | None = None
    kind: Short | None = None
    has: Short | None = None
    q: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    owner: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    tag: Tag | None = None
    type: Literal["person", "company"] | None = None
    company: UUID | None = None
    source: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    no_contact_since: Annotated[int, msgspec.Meta(ge=0, le=36_500)] | None = None
    birthday: Annotated[int, msgspec.Meta(ge=0, le=366)] | None = None
    custom: Annotated[dict[str, str], msgspec.Meta(max_length=4)] | None = None
    sort: Sort = "name"


@routes.add("GET", "/contacts", "Cards, by what is known of them", scope="read")
async def contacts(ctx: Ctx, query: ContactQuery) -> Page[ContactItem]:
    after: tuple[Any, UUID] | None = (
        query.key(tuple[datetime, UUID]) if query.sort == "last" else query.key(tuple[str, UUID])
    )
    rows = await list_contacts(
        ctx.store.pool,
        ctx.viewer,
        to_filter(ctx, query),
        sort=query.sort,
        after=after,
        limit=query.count + 1,
        down=query.down,
    )
    keys = {row["id"]: key_of(row, query.sort) for row in rows}
    items = await to_items(ctx.store.pool, rows)
    heard = await last_heard(ctx.store.pool, list(keys))
    for item in items:
        item.last_at = heard.get(item.id)
    return to_page(items, query, lambda card: keys[card.id], lambda card: card)


def to_filter(ctx: Ctx, query: ContactQuery) -> ContactFilter:
    """Raises BadRequest for an owner that is none."""
    values = None if query.identity is None else identity_values(query.identity, query.kind, ctx.deps.region)
    kinds = [query.kind] if query.kind else list(IDENTITY_KINDS) if values else [query.has] if query.has else None
    now = datetime.now(ctx.store.settings.zone)
    silent_for = query.no_contact_since
    return ContactFilter(
        owner=_owner_of(ctx, query.owner),
        unowned=True if query.owner == "none" else None,
        name=sort_name(query.q) if query.q else None,
        address=_address_of(query.q),
        values=values,
        kinds=kinds,
        tag=query.tag,
        type=query.type,
        company=query.company,
        source=query.source,
        silent_since=None if silent_for is None else now - timedelta(days=silent_for),
        days=None if query.birthday is None else _days(now.date(), query.birthday),
        custom=query.custom,
    )


def _owner_of(ctx: Ctx, text: str | None) -> UUID | None:
    if text is None or text == "none":
        return None
    if text == "me":
        return ctx.actor.person
    try:
        return UUID(text)
    except ValueError:
        raise BadRequest("owner: an agent's id, me or none") from None


def _address_of(q: str | None) -> str | None:
    """The part of `q` that may stand in an address: digits of a phone, a piece of an e-mail address or a user name."""
    bare = "".join((q or "").split()).lower().removeprefix("@")
    digits = "".join(char for char in bare if char.isdigit())
    if len(digits) >= MIN_DIGITS and not set(bare) - set("+-()0123456789"):
        return digits[1:] if digits.startswith("8") and len(digits) == RU_DIGITS else digits
    return bare if len(bare) >= MIN_LETTERS and bare.isascii() else None


def _days(today: date, count: int) -> list[str]:
    """Who was born on 29 February has his day on 1 March too, in the years that have none of his own."""
    days = [today + timedelta(days=n) for n in range(count + 1)]
    found = {f"{day:%m-%d}" for day in days}
    if any(day.month == 3 and day.day == 1 and (day - timedelta(days=1)).day == 28 for day in days):
        found.add("02-29")
    return sorted(found)


def identity_values(raw: str, kind: str | None, region: str) -> list[str]:
    """Every way these characters may be an address of that kind, or of any."""
    values = {raw, raw.strip()}
    if kind in {None, "phone"}:
        values.add(phone_query(raw, region) or "")
    if kind in {None, "email"}:
        values.add(normalize_email(raw) or raw.strip().lower())
    if kind in {None, "telegram_username"}:
        values.add(normalize_username(raw) or "")
    return sorted(values - {""})


class NewIdentity(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    kind: Short
    value: Value
    scope: Annotated[str, msgspec.Meta(max_length=200)] = ""


class NewContact(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: Name = ""
    kind: Literal["person", "company"] = "person"
    company_id: UUID | None = None
    owner_id: UUID | None = None
    custom: Custom = {}
    tags: TagList = []
    vip: bool = False
    timezone: Short = ""
    language: Short = ""
    birthday: date | None = None
    source: Custom = {}
    identities: Annotated[list[NewIdentity], msgspec.Meta(max_length=50)] = []


@routes.add("POST", "/contacts", "A new card", scope="write", status=201)
async def create_contact(ctx: Ctx, change: Change, body: NewContact) -> ContactItem:
    """An agent who names no owner owns what he makes: else he would not see it."""
    fields = {name: getattr(body, name) for name in body.__struct_fields__ if name != "identities"}
    fields["sort_name"] = sort_name(body.name)
    if ctx.viewer is not None and fields["owner_id"] is None:
        fields["owner_id"] = ctx.viewer
    await _check_links(change.connection, fields)
    fields["custom"] = check_custom(body.custom, await active_fields(change.connection))
    identities = [normal_identity(identity, ctx.deps.region) for identity in body.identities]
    contact_id = await add_contact(change.connection, fields, identities)
    await change.note("contact.created", ("contact", contact_id), {}, {"name": body.name})
    card = await get_contact(change.connection, None, contact_id)
    await tell_card(change, "contact.created", card)
    return card


def normal_identity(identity: NewIdentity, region: str) -> tuple[str, str, str]:
    """(kind, scope, value) in normal form. Raises BadRequest."""
    kind = IDENTITY_KINDS.get(identity.kind)
    if kind is None:
        raise BadRequest(f"identities: kind is one of {', '.join(IDENTITY_KINDS)}")
    if kind.scoped and not identity.scope:
        raise BadRequest(f"identities: {identity.kind} needs a scope")
    value: str | None = identity.value.strip()
    if identity.kind == "phone":
        value = phone_query(identity.value, region)
    elif identity.kind == "email":
        value = normalize_email(identity.value)
    elif identity.kind == "telegram_username":
        value = normalize_username(identity.value)
    if not value:
        raise BadRequest(f"identities: not a {identity.kind}")
    return identity.kind, identity.scope if kind.scoped else "", value


class ContactPatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays. `version`: as If-Match, refused when the card was changed meanwhile."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    kind: Literal["person", "company"] | msgspec.UnsetType = msgspec.UNSET
    company_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    owner_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    custom: Custom | msgspec.UnsetType = msgspec.UNSET
    tags: TagList | msgspec.UnsetType = msgspec.UNSET
    vip: bool | msgspec.UnsetType = msgspec.UNSET
    timezone: Short | msgspec.UnsetType = msgspec.UNSET
    language: Short | msgspec.UnsetType = msgspec.UNSET
    birthday: date | msgspec.UnsetType | None = msgspec.UNSET
    version: int | msgspec.UnsetType = msgspec.UNSET


def given(body: msgspec.Struct) -> dict[str, Any]:
    """The fields that were sent."""
    values = {name: getattr(body, name) for name in body.__struct_fields__}
    return {name: value for name, value in values.items() if value is not msgspec.UNSET}


@routes.add("PATCH", "/contacts/{contact_id}", "Change a card", scope="write")
async def patch_contact(ctx: Ctx, change: Change, contact_id: UUID, body: ContactPatch) -> ContactItem:
    changes = given(body)
    version = changes.pop("version", None) if "version" in changes else _if_match(ctx)
    await _check_links(change.connection, changes)
    if "custom" in changes:
        former = await get_contact(change.connection, ctx.viewer, contact_id)
        known = await active_fields(change.connection)
        changes["custom"] = check_custom(changes["custom"], known, former=former.custom)
    card, before, after = await change_contact(
        change.connection,
        ctx.viewer,
        contact_id,
        changes,
        sort_name=sort_name(changes.get("name", "")),
        version=version,
    )
    if after:
        await change.note("contact.changed", ("contact", card.id), before, after)
        await tell_card(change, "contact.updated", card, former_owner=before.get("owner_id"))
    return card


def _if_match(ctx: Ctx) -> int | None:
    text = ctx.request.headers.get("If-Match", "*").strip().removeprefix("W/").strip('"')
    if text == "*":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest("If-Match: the version of the card, a number")
    return int(text)


async def _check_links(connection: Connection, fields: dict[str, Any]) -> None:
    owner, company = fields.get("owner_id"), fields.get("company_id")
    if owner is not None and not await connection.fetchval("SELECT true FROM agent WHERE id = $1 AND active", owner):
        raise BadRequest("owner_id: no such active agent")
    if company is not None and not await connection.fetchval(
        "SELECT true FROM contact WHERE id = $1 AND kind = 'company'", company
    ):
        raise BadRequest("company_id: no such company")


async def tell_card(change: Change, type_: str, card: ContactItem, *, former_owner: UUID | None = None) -> None:
    heard = [*await contact_audience(change.connection, card.id), former_owner]
    change.events.append(NewEvent(type_, audience(agents=heard), {"contact": card}))


class Merge(msgspec.Struct, forbid_unknown_fields=True):
    other_id: UUID


class Merged(msgspec.Struct):
    merge_id: UUID
    contact: ContactItem


@routes.add("POST", "/contacts/{contact_id}/merge", "Merge another card into this one", scope="write", status=201)
async def merge_contact(ctx: Ctx, change: Change, contact_id: UUID, body: Merge) -> Merged:
    card = await get_contact(change.connection, ctx.viewer, contact_id)
    other = await get_contact(change.connection, ctx.viewer, body.other_id)
    merge_id = await ctx.deps.merge(change.connection, card.id, other.id, ctx.actor.agent_id)
    merged = await get_contact(change.connection, None, contact_id)
    await change.note("contact.merged", ("contact", merged.id), {}, {"other_id": other.id, "merge_id": merge_id})
    await tell_card(change, "contact.merged", merged, former_owner=other.owner_id)
    return Merged(merge_id=merge_id, contact=merged)


@routes.add("POST", "/merges/{merge_id}/undo", "Undo a merge", scope="write")
async def undo_merge(ctx: Ctx, change: Change, merge_id: UUID) -> Page[ContactItem]:
    """Answers with both cards."""
    survivor, merged = await ctx.deps.undo_merge(change.connection, merge_id, ctx.actor.agent_id)
    await get_contact(change.connection, ctx.viewer, survivor)
    cards = [await get_contact(change.connection, None, one) for one in (survivor, merged)]
    await change.note("contact.unmerged", ("contact", survivor), {}, {"other_id": merged, "merge_id": merge_id})
    for card in cards:
        await tell_card(change, "contact.unmerged", card)
    return Page(items=cards, next=None)


class Suggestion(msgspec.Struct):
    """Two cards that may be one, side by side; `score` from 0 to 1."""

    id: UUID
    first_id: UUID
    second_id: UUID
    reason: str
    score: float
    at: datetime
    first: ContactItem
    second: ContactItem


@routes.add("GET", "/merge-suggestions", "Cards that may be one person", scope="read")
async def merge_suggestions(ctx: Ctx, query: Walk) -> Page[Suggestion]:
    rows = await list_merge_suggestions(ctx.store.pool, ctx.viewer, after=query.key(UUID), limit=query.count + 1)
    ids = {row[name] for row in rows for name in ("first_id", "second_id")}
    cards = await cards_of(ctx.store.pool, ids)

    def side_by_side(row: Mapping[str, Any]) -> Suggestion:
        return Suggestion(**row, first=cards[row["first_id"]], second=cards[row["second_id"]])

    shown = [dict(row) for row in rows if {row["first_id"], row["second_id"]} <= cards.keys()]
    return to_page(shown, query, lambda row: row["id"], side_by_side)


@routes.add("POST", "/merge-suggestions/{suggestion_id}/dismiss", "These are two", scope="write")
async def dismiss(ctx: Ctx, change: Change, suggestion_id: UUID) -> None:
    await dismiss_suggestion(change.connection, ctx.viewer, suggestion_id, ctx.actor.agent_id)
