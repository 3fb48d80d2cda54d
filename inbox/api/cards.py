"""One card with all that stands on it; its addresses and consents."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from config.errors import BadRequest, Conflict
from inbox.api.contact_query import Short
from inbox.api.contacts import NewIdentity, normal_identity, tell_card
from inbox.api.lists import Page, Walk, cut
from inbox.api.routes import Change, Ctx, Routes
from router.lookup import IDENTITY_KINDS
from storage.cards import (
    CardItem,
    ConsentItem,
    MergeItem,
    add_consent,
    add_identity,
    block_identity,
    get_card,
    list_consents,
    list_merges,
    remove_identity,
)
from storage.contacts import ContactItem, get_contact

routes = Routes("contacts")
Purpose = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class IdentityTaken(Conflict):
    """Two cards claim one address: they are suggested as one, which is kept though the request is refused."""

    code = "identity_taken"
    kept = "Both cards as they were; merging them is suggested on each."
    do = "Look at the two side by side and merge them, or enter another address."


@routes.add(
    "GET",
    "/contacts/{contact_id}",
    "One card with all its right pane; a merged contact's id leads to the card it shows on",
    scope="read",
)
async def contact(ctx: Ctx, contact_id: UUID) -> CardItem:
    async with ctx.store.pool.acquire() as connection, connection.transaction(readonly=True):
        return await get_card(connection, ctx.viewer, contact_id)


@routes.add("POST", "/contacts/{contact_id}/identities", "One more address of a card", scope="write", status=201)
async def new_identity(ctx: Ctx, contact_id: UUID, body: NewIdentity) -> ContactItem:
    """An address that is here already stays as it is; that of another card is refused and a merge suggested: it is kept
    also then, so the handler has its transaction in its own hands.
    """
    identity = normal_identity(body, ctx.deps.region)
    async with ctx.change() as change:
        card = await get_contact(change.connection, ctx.viewer, contact_id)
        taken = await add_identity(change.connection, ctx.viewer, card, identity)
        after = await get_contact(change.connection, None, card.id)
        if taken is None and after != card:
            await change.note("contact.identity_added", ("contact", card.id), {}, {"kind": identity[0]})
            await tell_card(change, "contact.updated", after)
    if taken is not None:
        whose = (taken.name or "a card without a name") if taken.visible else "somebody else's card"
        raise IdentityTaken(f"this {identity[0]} is on {whose}", reason="address_of_another")
    return after


@routes.add(
    "DELETE", "/contacts/{contact_id}/identities/{identity_id}", "An address that is not the client's", scope="write"
)
async def delete_identity(ctx: Ctx, change: Change, contact_id: UUID, identity_id: UUID) -> ContactItem:
    card = await get_contact(change.connection, ctx.viewer, contact_id)
    gone = await remove_identity(change.connection, card, identity_id)
    await change.note("contact.identity_removed", ("contact", card.id), {"kind": gone.kind}, {})
    after = await get_contact(change.connection, None, card.id)
    await tell_card(change, "contact.updated", after)
    return after


class IdentityPatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`blocked`: nothing is sent there any more. `reason`: for the colleagues."""

    blocked: bool
    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


@routes.add(
    "PATCH", "/contacts/{contact_id}/identities/{identity_id}", "Whether anything is sent to an address", scope="write"
)
async def patch_identity(
    ctx: Ctx, change: Change, contact_id: UUID, identity_id: UUID, body: IdentityPatch
) -> ContactItem:
    card = await get_contact(change.connection, ctx.viewer, contact_id)
    was = await block_identity(change.connection, card, identity_id, blocked=body.blocked, reason=body.reason.strip())
    if (was.blocked_at is not None) != body.blocked:
        facts = {"kind": was.kind, "blocked": body.blocked}
        await change.note("contact.identity_blocked", ("contact", card.id), {"blocked": not body.blocked}, facts)
    after = await get_contact(change.connection, None, card.id)
    await tell_card(change, "contact.updated", after)
    return after


class NewConsent(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`purpose`: such as marketing or service; `channel_kind`: an identity kind, empty for all of them; `how`: where and
    how it was said.
    """

    purpose: Purpose
    given: bool
    channel_kind: Short = ""
    how: Annotated[str, msgspec.Meta(max_length=300)] = ""


@routes.add("POST", "/contacts/{contact_id}/consents", "A client's yes or no", scope="write", status=201)
async def new_consent(ctx: Ctx, change: Change, contact_id: UUID, body: NewConsent) -> Page[ConsentItem]:
    """Answers with what counts now."""
    if body.channel_kind and body.channel_kind not in IDENTITY_KINDS:
        raise BadRequest(f"channel_kind: one of {', '.join(IDENTITY_KINDS)}, or empty for all")
    card = await get_contact(change.connection, ctx.viewer, contact_id)
    if card.erased_at is not None:
        raise Conflict("the card was erased", reason="card_erased")
    source = {"by": ctx.actor.word} | ({"how": body.how} if body.how else {})
    await add_consent(
        change.connection,
        card.id,
        purpose=body.purpose,
        channel_kind=body.channel_kind,
        given=body.given,
        source=source,
    )
    said = {"purpose": body.purpose, "channel_kind": body.channel_kind, "given": body.given}
    await change.note("contact.consent", ("contact", card.id), {}, said)
    await tell_card(change, "contact.updated", card)
    return Page(items=await list_consents(change.connection, card.id), next=None)


@routes.add("GET", "/contacts/{contact_id}/merges", "What was merged into a card, to be undone", scope="read")
async def merges(ctx: Ctx, query: Walk, contact_id: UUID) -> Page[MergeItem]:
    async with ctx.store.pool.acquire() as connection, connection.transaction(readonly=True):
        card = await get_contact(connection, ctx.viewer, contact_id)
        return cut(await list_merges(connection, card.id), query)
