"""Outcomes of conversations and calls. While there is an active one for conversations, closing one needs it."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from inbox.api.contacts import given
from inbox.api.lists import Page, Walk, cut
from inbox.api.routes import Change, Ctx, Routes
from storage.dispositions import (
    DispositionItem,
    add_disposition,
    change_disposition,
    list_dispositions,
    remove_disposition,
)

routes = Routes("dispositions")
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S")]
Position = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class DispositionQuery(Walk, kw_only=True):
    object: Literal["conversation", "call"] | None = None
    active: bool | None = None


@routes.add("GET", "/dispositions", "Outcomes to choose from", scope="read")
async def dispositions(ctx: Ctx, query: DispositionQuery) -> Page[DispositionItem]:
    return cut(await list_dispositions(ctx.store.pool, query.object, active=query.active), query)


class NewDisposition(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`position`: absent, it stands last."""

    object: Literal["conversation", "call"]
    name: Name
    position: Position | None = None


@routes.add("POST", "/dispositions", "A new outcome", scope="admin", status=201)
async def new_disposition(change: Change, body: NewDisposition) -> DispositionItem:
    item = await add_disposition(change.connection, body.object, body.name, body.position)
    await change.note("disposition.created", ("disposition", item.id), {}, {"object": item.object, "name": item.name})
    return item


class DispositionPatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays. `active` false: not offered any more."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    position: Position | msgspec.UnsetType = msgspec.UNSET
    active: bool | msgspec.UnsetType = msgspec.UNSET


@routes.add("PATCH", "/dispositions/{disposition_id}", "Change an outcome", scope="admin")
async def patch_disposition(change: Change, disposition_id: UUID, body: DispositionPatch) -> DispositionItem:
    changes = given(body)
    before, item = await change_disposition(change.connection, disposition_id, changes)
    was = {name: getattr(before, name) for name in changes}
    await change.note("disposition.changed", ("disposition", item.id), was, changes)
    return item


@routes.add(
    "DELETE", "/dispositions/{disposition_id}", "Remove an outcome; where it was chosen it stays", scope="admin"
)
async def delete_disposition(change: Change, disposition_id: UUID) -> None:
    item = await remove_disposition(change.connection, disposition_id)
    await change.note("disposition.removed", ("disposition", item.id), {"object": item.object, "name": item.name}, {})
