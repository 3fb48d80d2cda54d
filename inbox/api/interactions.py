"""The unified stream."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest
from inbox.api.lists import Aware, Int8, Page, Walk, to_page
from inbox.api.routes import Ctx, Routes
from storage.interactions import InteractionFilter, InteractionItem, get_interaction, list_interactions, to_item
from storage.search import search_interactions

routes = Routes("interactions")
Word = Annotated[str, msgspec.Meta(max_length=40)]


class InteractionQuery(Walk, kw_only=True):
    """Filters combine by AND. `contact` means the whole card. `since`, `until`: its moment, the first included. With `q` the
    order is newest first, whatever `order` says.
    """

    channel: UUID | None = None
    contact: UUID | None = None
    conversation: UUID | None = None
    kind: Word | None = None
    direction: Literal["in", "out", "internal"] | None = None
    since: Aware | None = None
    until: Aware | None = None
    q: Annotated[str, msgspec.Meta(max_length=200)] | None = None


@routes.add("GET", "/interactions", "The stream in order, or searched", scope="read")
async def interactions(ctx: Ctx, query: InteractionQuery) -> Page[InteractionItem]:
    wanted = InteractionFilter(
        channel=query.channel,
        contact=query.contact,
        conversation=query.conversation,
        kind=query.kind,
        direction=query.direction,
        since=query.since,
        until=query.until,
    )
    if query.q is not None:
        if not query.q.strip():
            raise BadRequest("q: no words", reason="no_words")
        found = await search_interactions(
            ctx.store.pool, ctx.viewer, query.q, wanted, before=query.key(UUID), limit=query.count + 1
        )
        return to_page(found, query, lambda row: row["id"], to_item)
    rows = await list_interactions(
        ctx.store.pool,
        ctx.viewer,
        wanted,
        after=query.key(tuple[Aware, Int8, UUID]),
        limit=query.count + 1,
        down=query.down,
    )
    return to_page(rows, query, lambda row: (row["at"], row["seq"], row["id"]), to_item)


@routes.add("GET", "/interactions/{interaction_id}", "One item of the stream", scope="read")
async def interaction(ctx: Ctx, interaction_id: UUID) -> InteractionItem:
    return await get_interaction(ctx.store.pool, ctx.viewer, interaction_id)
