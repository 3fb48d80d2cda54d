"""The audit log: who changed what, when."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from inbox.api.lists import Aware, Page, Walk, to_page
from inbox.api.routes import Ctx, Routes
from storage.audit import AuditFilter, AuditItem, list_audit

routes = Routes("audit")
Word = Annotated[str, msgspec.Meta(max_length=100)]


class AuditQuery(Walk, kw_only=True, rename={"from_": "from"}):
    """`actor`: an agent's id, or `agent:<id>`, `token:<id>`. `action`: such as `channel.changed`, or `channel.` for all of
    channels. `object`: such as `contact`, with `object_id`. `from` (inclusive), `until` (exclusive).
    """

    actor: Word | None = None
    action: Word | None = None
    object: Word | None = None
    object_id: Word | None = None
    from_: Aware | None = None
    until: Aware | None = None


@routes.add("GET", "/audit", "Who changed what", scope="admin")
async def audit(ctx: Ctx, query: AuditQuery) -> Page[AuditItem]:
    actor = query.actor if query.actor is None or ":" in query.actor else f"agent:{query.actor}"
    wanted = AuditFilter(
        actor=actor,
        action=query.action,
        object_kind=query.object,
        object_id=query.object_id,
        since=query.from_,
        until=query.until,
    )
    items = await list_audit(ctx.store.pool, wanted, after=query.key(UUID), limit=query.count + 1, down=query.down)
    return to_page(items, query, lambda item: item.id, lambda item: item)
