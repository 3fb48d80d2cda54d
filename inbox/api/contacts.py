"""Client cards."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest, Conflict, NotFound
from inbox.api.contact_query import MOST_IDS, ContactQuery, Short, Tag, Value, to_filter
from inbox.api.lists import Page, to_page
from inbox.api.routes import Change, Ctx, Routes
from router.lookup import IDENTITY_KINDS, normalize_email, normalize_username, phone_query
from router.names import sort_name
from storage.contact_list import company_names, count_contacts, key_of, last_heard, list_contacts
from storage.contacts import ContactItem, add_contact, change_contact, contact_audience, get_contact, to_items
from storage.db import Connection
from storage.events import NewEvent, audience
from storage.fields import active_fields, check_custom

routes = Routes("contacts")
Name = Annotated[str, msgspec.Meta(max_length=300)]
MOST_TAGS = 100
TagList = Annotated[list[Tag], msgspec.Meta(max_length=MOST_TAGS)]
Custom = Annotated[dict[Annotated[str, msgspec.Meta(max_length=100)], Any], msgspec.Meta(max_length=200)]
MOST_COUNTED = 100_000


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
    companies = await company_names(ctx.store.pool, {item.company_id for item in items if item.company_id})
    for item in items:
        item.last_at = heard.get(item.id)
        item.company_name = companies.get(item.company_id, "") if item.company_id else ""
    return to_page(items, query, lambda card: keys[card.id], lambda card: card)


class Count(msgspec.Struct):
    """`more`: there are more than so many."""

    count: int
    more: bool


@routes.add("GET", "/contacts/count", "How many cards there are of that kind", scope="read")
async def count(ctx: Ctx, query: ContactQuery) -> Count:
    """Takes the filters of the list; `after`, `limit`, `order` and `sort` mean nothing here."""
    found = await count_contacts(ctx.store.pool, ctx.viewer, to_filter(ctx, query), most=MOST_COUNTED)
    return Count(min(found, MOST_COUNTED), found > MOST_COUNTED)


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
        raise BadRequest(f"identities: not a {identity.kind}", reason="address_unreadable")
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
        raise BadRequest("owner_id: no such active agent", reason="agent_inactive")
    if company is not None and not await connection.fetchval(
        "SELECT true FROM contact WHERE id = $1 AND kind = 'company'", company
    ):
        raise BadRequest("company_id: no such company", reason="company_gone")


async def tell_card(change: Change, type_: str, card: ContactItem, *, former_owner: UUID | None = None) -> None:
    heard = [*await contact_audience(change.connection, card.id), former_owner]
    change.events.append(NewEvent(type_, audience(agents=heard), {"contact": card}))


class BulkChange(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays. Tags are added to, and taken from, those that each card has."""

    ids: Annotated[list[UUID], msgspec.Meta(min_length=1, max_length=MOST_IDS)]
    add_tags: TagList = []
    remove_tags: TagList = []
    owner_id: UUID | msgspec.UnsetType | None = msgspec.UNSET


class BulkResult(msgspec.Struct):
    """`skipped`: cards that are gone, were erased, or are not the caller's to see."""

    changed: int
    unchanged: int
    skipped: list[UUID]


@routes.add("POST", "/contacts/bulk", "The same change of many cards", scope="write")
async def change_many(ctx: Ctx, change: Change, body: BulkChange) -> BulkResult:
    """All in one transaction."""
    owner: dict[str, Any] = {} if body.owner_id is msgspec.UNSET else {"owner_id": body.owner_id}
    await _check_links(change.connection, owner)
    result = BulkResult(0, 0, [])
    for contact_id in sorted(
        set(body.ids)
    ):  # one order, so that two such changes never wait for each other in a circle
        try:
            done = await _change_one(ctx, change, contact_id, owner, body)
        except (NotFound, Conflict):
            result.skipped.append(contact_id)
        else:
            result.changed += done
            result.unchanged += not done
    return result


async def _change_one(ctx: Ctx, change: Change, contact_id: UUID, owner: dict[str, Any], body: BulkChange) -> bool:
    former = await get_contact(change.connection, ctx.viewer, contact_id)
    tags = [tag for tag in dict.fromkeys([*former.tags, *body.add_tags]) if tag not in body.remove_tags]
    if len(tags) > MOST_TAGS:
        raise BadRequest(f"add_tags: a card has {MOST_TAGS} at most")
    card, before, after = await change_contact(
        change.connection, ctx.viewer, former.id, owner | {"tags": tags}, sort_name="", version=None
    )
    if after:
        await change.note("contact.changed", ("contact", card.id), before, after)
        await tell_card(change, "contact.updated", card, former_owner=before.get("owner_id"))
    return bool(after)
