"""Doubles: two cards looked at side by side, made one, and two again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from config.errors import BadRequest
from inbox.api.contacts import tell_card
from inbox.api.lists import Page, Walk, to_page
from inbox.api.routes import Change, Ctx, Routes
from router.card_parts import CUSTOM, PLAIN, SOURCE
from storage.contact_list import company_names
from storage.contacts import ContactItem, cards_of, dismiss_suggestion, get_contact, list_merge_suggestions

routes = Routes("contacts")
Part = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]


class Merge(msgspec.Struct, forbid_unknown_fields=True):
    """`take`: fields in which the other card's value wins: name, company_id, owner_id, vip, timezone, language, birthday,
    source, or custom:<key>. In all others the card keeps its own, and gets what it lacks; tags and addresses unite.
    """

    other_id: UUID
    take: Annotated[list[Part], msgspec.Meta(max_length=200)] = []


class Merged(msgspec.Struct):
    merge_id: UUID
    contact: ContactItem


@routes.add("POST", "/contacts/{contact_id}/merge", "Merge another card into this one", scope="write", status=201)
async def merge_contact(ctx: Ctx, change: Change, contact_id: UUID, body: Merge) -> Merged:
    for part in body.take:
        if part not in PLAIN and part != SOURCE and not part.startswith(CUSTOM):
            raise BadRequest(f"take: no field of a card: {part[:60]}")
    card = await get_contact(change.connection, ctx.viewer, contact_id)
    other = await get_contact(change.connection, ctx.viewer, body.other_id)
    merge_id = await ctx.deps.merge(change.connection, card.id, other.id, ctx.actor.agent_id, body.take)
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
    companies = await company_names(ctx.store.pool, {card.company_id for card in cards.values() if card.company_id})
    for card in cards.values():
        card.company_name = companies.get(card.company_id, "") if card.company_id else ""

    def side_by_side(row: Mapping[str, Any]) -> Suggestion:
        return Suggestion(**row, first=cards[row["first_id"]], second=cards[row["second_id"]])

    shown = [dict(row) for row in rows if {row["first_id"], row["second_id"]} <= cards.keys()]
    return to_page(shown, query, lambda row: row["id"], side_by_side)


@routes.add("POST", "/merge-suggestions/{suggestion_id}/dismiss", "These are two", scope="write")
async def dismiss(ctx: Ctx, change: Change, suggestion_id: UUID) -> None:
    await dismiss_suggestion(change.connection, ctx.viewer, suggestion_id, ctx.actor.agent_id)
