"""Erasing a person's data, with a certificate."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from inbox.api.lists import Page, Walk, to_page
from inbox.api.routes import Change, Ctx, Routes
from storage.contacts import contact_audience, get_contact
from storage.erasure import ErasureItem, begin_erasure, get_erasure, list_erasures
from storage.events import NewEvent, audience

routes = Routes("erasure")


class Erase(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`asked_by`: who demanded it, by a number or a role rather than the name that is to be erased; both stay in the
    certificate.
    """

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    asked_by: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


@routes.add("POST", "/contacts/{contact_id}/erase", "Erase all that is known of a person", scope="admin", status=201)
async def erase(ctx: Ctx, change: Change, contact_id: UUID, body: Erase) -> ErasureItem:
    """The card is closed at once; its history is emptied by the worker, and the certificate then says `done`. There is no
    way back.
    """
    card = await get_contact(change.connection, ctx.viewer, contact_id)
    heard = audience(agents=await contact_audience(change.connection, card.id))
    item = await begin_erasure(
        change.connection, card.id, asked_by=body.asked_by, reason=body.reason, by=ctx.actor.agent_id
    )
    await change.note("contact.erased", ("contact", card.id), {}, {"erasure_id": item.id})
    data = {"contact_id": card.id, "erasure_id": item.id, "done": False}
    change.events.append(NewEvent("contact.erased", heard, data))
    return item


@routes.add("GET", "/erasures", "Certificates of erasure", scope="admin")
async def erasures(ctx: Ctx, query: Walk) -> Page[ErasureItem]:
    rows = await list_erasures(ctx.store.pool, after=query.key(UUID), limit=query.count + 1)
    return to_page(rows, query, lambda one: one.id, lambda one: one)


@routes.add("GET", "/erasures/{erasure_id}", "One certificate", scope="admin")
async def erasure(ctx: Ctx, erasure_id: UUID) -> ErasureItem:
    return await get_erasure(ctx.store.pool, erasure_id)
