"""Fields of the company's own on its cards."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec

from inbox.api.contacts import given
from inbox.api.lists import Page, Walk, cut
from inbox.api.routes import Change, Ctx, Routes
from storage.events import ALL, NewEvent
from storage.fields import FieldItem, FieldType, add_field, change_field, delete_field, list_fields

routes = Routes("fields")
Key = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,59}(?![\s\S])")]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Options = Annotated[list[Label], msgspec.Meta(max_length=200)]
Position = Annotated[int, msgspec.Meta(ge=0, le=10_000)]


@routes.add("GET", "/custom-fields", "The company's own fields of a card, in their order", scope="read")
async def fields(ctx: Ctx, query: Walk) -> Page[FieldItem]:
    return cut(await list_fields(ctx.store.pool), query)


class NewField(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`key` and `type` stay for ever, as the values of cards depend on them."""

    key: Key
    label: Label
    type: FieldType = "text"
    options: Options = []
    position: Position = 0


@routes.add("POST", "/custom-fields", "A new field", scope="admin", status=201)
async def new_field(change: Change, body: NewField) -> FieldItem:
    item = await add_field(change.connection, msgspec.to_builtins(body))
    await change.note("field.created", ("field", item.id), {}, {"key": item.key, "type": item.type})
    _tell(change, item)
    return item


class FieldPatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays. An option that is taken away stays on the cards that have it."""

    label: Label | msgspec.UnsetType = msgspec.UNSET
    options: Options | msgspec.UnsetType = msgspec.UNSET
    position: Position | msgspec.UnsetType = msgspec.UNSET
    active: bool | msgspec.UnsetType = msgspec.UNSET


@routes.add("PATCH", "/custom-fields/{field_id}", "Change a field", scope="admin")
async def patch_field(change: Change, field_id: UUID, body: FieldPatch) -> FieldItem:
    item, before, after = await change_field(change.connection, field_id, given(body))
    await change.note("field.changed", ("field", field_id), before, after)
    if after:
        _tell(change, item)
    return item


@routes.add("DELETE", "/custom-fields/{field_id}", "Remove a field; values of cards stay", scope="admin")
async def remove_field(change: Change, field_id: UUID) -> None:
    item = await delete_field(change.connection, field_id)
    before: dict[str, Any] = {"key": item.key, "label": item.label, "type": item.type, "options": item.options}
    await change.note("field.removed", ("field", field_id), before, {})
    _tell(change, item)


def _tell(change: Change, item: FieldItem) -> None:
    """Every open page draws its cards by these."""
    change.events.append(NewEvent("field.changed", [ALL], {"field": item}))
