"""Canned answers by "/": own ones by agents, shared ones by supervisors."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec

from inbox.api.contacts import given
from inbox.api.lists import Page, Walk, cut
from inbox.api.own import check_owner, owner_for
from inbox.api.routes import Change, Ctx, Routes
from storage.canned import (
    FIELDS,
    CannedItem,
    canned_event,
    count_use,
    fill,
    get_canned,
    list_canned,
    remove_canned,
    save_canned,
)
from storage.conversations import get_conversation

routes = Routes("canned")
Shortcut = Annotated[str, msgspec.Meta(min_length=1, max_length=60, pattern=r"^[^\s/]+(?![\s\S])")]
Title = Annotated[str, msgspec.Meta(max_length=200)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
Kinds = Annotated[list[Annotated[str, msgspec.Meta(min_length=1, max_length=40)]], msgspec.Meta(max_length=50)]


class CannedQuery(Walk, kw_only=True):
    """`q`: the beginning of a shortcut, or words. `kind`: a connector, for what is offered there."""

    q: Annotated[str, msgspec.Meta(max_length=200)] = ""
    kind: Annotated[str, msgspec.Meta(max_length=40)] | None = None


@routes.add("GET", "/canned", "Canned answers: everybody's and the caller's own", scope="read")
async def canned(ctx: Ctx, query: CannedQuery) -> Page[CannedItem]:
    return cut(await list_canned(ctx.store.pool, ctx.actor.agent_id, query.q, query.kind), query)


class NewCanned(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`text` may hold {name} and {company} of the client and {agent}, who answers. `shared`: everybody's."""

    shortcut: Shortcut
    text: Text
    title: Title = ""
    kinds: Kinds = []
    shared: bool = False


@routes.add("POST", "/canned", "A new canned answer", scope="write", status=201)
async def new_canned(ctx: Ctx, change: Change, body: NewCanned) -> CannedItem:
    fields = {name: getattr(body, name) for name in body.__struct_fields__}
    fields["agent_id"] = owner_for(ctx.actor, shared=fields.pop("shared"))
    item = await save_canned(change.connection, None, fields, ctx.actor.agent_id)
    await _done(change, item, "canned.created", {}, {"shortcut": item.shortcut})
    return item


class CannedPatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays."""

    shortcut: Shortcut | msgspec.UnsetType = msgspec.UNSET
    text: Text | msgspec.UnsetType = msgspec.UNSET
    title: Title | msgspec.UnsetType = msgspec.UNSET
    kinds: Kinds | msgspec.UnsetType = msgspec.UNSET
    shared: bool | msgspec.UnsetType = msgspec.UNSET


@routes.add("PATCH", "/canned/{canned_id}", "Change a canned answer", scope="write")
async def patch_canned(ctx: Ctx, change: Change, canned_id: UUID, body: CannedPatch) -> CannedItem:
    old = await get_canned(change.connection, ctx.actor.agent_id, canned_id)
    check_owner(ctx.actor, old.agent_id)
    changes = given(body)
    if "shared" in changes:
        changes["agent_id"] = owner_for(ctx.actor, shared=changes.pop("shared"))
    before = {name: getattr(old, name) for name in FIELDS}
    item = await save_canned(change.connection, canned_id, before | changes, ctx.actor.agent_id)
    await _done(change, item, "canned.changed", {name: before[name] for name in changes}, changes)
    if old.agent_id != item.agent_id and item.agent_id is not None:
        change.events.append(canned_event(old, removed=True))
    return item


@routes.add("DELETE", "/canned/{canned_id}", "Remove a canned answer", scope="write")
async def delete_canned(ctx: Ctx, change: Change, canned_id: UUID) -> None:
    old = await get_canned(change.connection, ctx.actor.agent_id, canned_id)
    check_owner(ctx.actor, old.agent_id)
    await remove_canned(change.connection, canned_id)
    await _done(change, old, "canned.removed", {"shortcut": old.shortcut}, {}, removed=True)


class Use(msgspec.Struct, forbid_unknown_fields=True):
    conversation_id: UUID


class Used(msgspec.Struct):
    """Ready for the composer: variables put in, those without a value left out."""

    text: str


@routes.add("POST", "/canned/{canned_id}/use", "The text for this conversation; counts as a use", scope="write")
async def use(ctx: Ctx, change: Change, canned_id: UUID, body: Use) -> Used:
    conversation = await get_conversation(change.connection, ctx.viewer, body.conversation_id)
    item = await get_canned(change.connection, ctx.actor.agent_id, canned_id)
    await count_use(change.connection, canned_id)
    agent = await change.connection.fetchval("SELECT name FROM agent WHERE id = $1", ctx.actor.agent_id)
    values = {"name": conversation.contact.name, "company": conversation.contact.company, "agent": agent or ""}
    return Used(text=fill(item.text, values))


async def _done(
    change: Change,
    item: CannedItem,
    action: str,
    before: dict[str, Any],
    after: dict[str, Any],
    *,
    removed: bool = False,
) -> None:
    await change.note(action, ("canned_answer", item.id), before, after)
    change.events.append(canned_event(item, removed=removed))
