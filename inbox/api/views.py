"""The views on the left of the inbox with their live counts, and the lists people save."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest, HubError
from inbox.api.contacts import given
from inbox.api.conversations import ConversationQuery, to_filter
from inbox.api.lists import Page, Walk, cut
from inbox.api.own import check_owner, owner_for
from inbox.api.routes import Change, Ctx, Routes
from inbox.api.scope import Actor
from storage.conversation_list import MOST, ConversationFilter, count_conversations
from storage.events import ALL, NewEvent, audience
from storage.views import FIELDS, SavedViewItem, get_view, list_views, remove_view, save_view

routes = Routes("views")
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"\S")]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Value = Annotated[str, msgspec.Meta(max_length=300)]
Filters = Annotated[dict[Key, Value], msgspec.Meta(max_length=40)]
Columns = Annotated[list[Key], msgspec.Meta(max_length=60)]
Position = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Object = Literal["conversation", "contact", "call", "task"]

HERE = "open,pending"
BUILT_IN: dict[str, dict[str, str]] = {
    "mine": {"assignee": "me", "status": HERE},
    "unassigned": {"assignee": "none", "status": HERE},
    "my_queues": {"queue": "mine", "status": HERE},
    "mentions": {"mentioned": "me"},
    "snoozed": {"status": "snoozed"},
    "all": {"status": HERE},
}
COUNTED = {"mentions": {"mentioned": "unseen"}}
"""Where the number tells something else than how long the list is: of mentions, those not opened yet."""
PERSONAL = frozenset({"mine", "my_queues", "mentions"})
NOT_SAVED = frozenset({"after", "limit"})


class View(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`filters`: parameters of `GET /conversations`. `count`: at most 1000, then `more`; null for a view whose filters are
    no longer understood. `key`: of a built-in one; `id`: of a saved one.
    """

    filters: dict[str, Any]
    count: int | None
    more: bool = False
    key: str = ""
    id: UUID | None = None
    name: str = ""
    shared: bool = False


@routes.add("GET", "/views/conversations", "Views of the inbox, each with how many are in it", scope="read")
async def conversation_views(ctx: Ctx) -> Page[View]:
    personal = ctx.actor.agent_id is not None
    views = [
        View(key=key, filters=dict(filters), count=None)
        for key, filters in BUILT_IN.items()
        if personal or key not in PERSONAL
    ]
    saved = await list_views(ctx.store.pool, ctx.actor.agent_id, "conversation")
    views += [
        View(id=one.id, name=one.name, filters=one.filters, count=None, shared=one.agent_id is None) for one in saved
    ]
    wanted = [_filter_of(ctx.actor, COUNTED.get(view.key, view.filters)) for view in views]
    known = [(view, found) for view, found in zip(views, wanted, strict=True) if found is not None]
    counts = await count_conversations(ctx.store.pool, ctx.viewer, [found for _, found in known])
    for (view, _), count in zip(known, counts, strict=True):
        view.count, view.more = min(count, MOST), count > MOST
    return Page(items=views, next=None)


def _filter_of(actor: Actor, filters: dict[str, Any]) -> ConversationFilter | None:
    """None for words of an older version, or that mean nothing for this caller."""
    try:
        return to_filter(actor, msgspec.convert(filters, ConversationQuery, strict=False))
    except (msgspec.ValidationError, HubError):
        return None


class SavedViewQuery(Walk, kw_only=True):
    object: Object | None = None


@routes.add("GET", "/saved-views", "Saved lists: everybody's and the caller's own", scope="read")
async def saved_views(ctx: Ctx, query: SavedViewQuery) -> Page[SavedViewItem]:
    return cut(await list_views(ctx.store.pool, ctx.actor.agent_id, query.object), query)


class NewView(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`filters`: parameters of that list, as its address has them. `shared`: everybody's."""

    object: Object
    name: Name
    filters: Filters = {}
    columns: Columns = []
    position: Position = 0
    shared: bool = False


@routes.add("POST", "/saved-views", "Save a list", scope="write", status=201)
async def new_view(ctx: Ctx, change: Change, body: NewView) -> SavedViewItem:
    fields = {name: getattr(body, name) for name in body.__struct_fields__}
    fields["agent_id"] = owner_for(ctx.actor, shared=fields.pop("shared"))
    _check(fields)
    item = await save_view(change.connection, None, fields)
    await _done(change, item, "view.created", {}, {"name": item.name})
    return item


class ViewPatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    filters: Filters | msgspec.UnsetType = msgspec.UNSET
    columns: Columns | msgspec.UnsetType = msgspec.UNSET
    position: Position | msgspec.UnsetType = msgspec.UNSET
    shared: bool | msgspec.UnsetType = msgspec.UNSET


@routes.add("PATCH", "/saved-views/{view_id}", "Change a saved list", scope="write")
async def patch_view(ctx: Ctx, change: Change, view_id: UUID, body: ViewPatch) -> SavedViewItem:
    old = await get_view(change.connection, ctx.actor.agent_id, view_id)
    check_owner(ctx.actor, old.agent_id)
    changes = given(body)
    if "shared" in changes:
        changes["agent_id"] = owner_for(ctx.actor, shared=changes.pop("shared"))
    before = {name: getattr(old, name) for name in FIELDS}
    _check(before | changes)
    item = await save_view(change.connection, view_id, before | changes)
    await _done(change, item, "view.changed", {name: before[name] for name in changes}, changes)
    return item


@routes.add("DELETE", "/saved-views/{view_id}", "Remove a saved list", scope="write")
async def delete_view(ctx: Ctx, change: Change, view_id: UUID) -> None:
    old = await get_view(change.connection, ctx.actor.agent_id, view_id)
    check_owner(ctx.actor, old.agent_id)
    await remove_view(change.connection, view_id)
    await _done(change, old, "view.removed", {"name": old.name}, {})


def _check(fields: dict[str, Any]) -> None:
    """Raises BadRequest for what the list of conversations would refuse. The other lists look at theirs when asked."""
    if fields["object"] != "conversation":
        return
    if NOT_SAVED & fields["filters"].keys():
        raise BadRequest("filters: after and limit are not saved")
    try:
        query = msgspec.convert(fields["filters"], ConversationQuery, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"filters: {error}") from None
    to_filter(SOMEBODY, query)


SOMEBODY = Actor("session", UUID(int=0), UUID(int=0), "agent", frozenset())
"""For filters that are looked at before they are anybody's."""


async def _done(
    change: Change, item: SavedViewItem, action: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    await change.note(action, ("saved_view", item.id), before, after)
    words = [ALL] if item.agent_id is None else audience(agents=[item.agent_id])
    change.events.append(NewEvent("view.changed", words, {"id": item.id, "object": item.object}))
