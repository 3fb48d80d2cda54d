"""Drafts: kept by the hub, so that they survive a closed page and follow their author to another."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from config.errors import TooBig
from inbox.api.lists import Aware, Page, Walk, cut
from inbox.api.routes import Change, Ctx, Routes
from storage.conversations import get_conversation
from storage.drafts import DraftItem, draft_event, drop_draft, list_drafts, save_draft

routes = Routes("drafts")
MAX_BYTES = 64 << 10


@routes.add("GET", "/drafts", "What the caller has begun to write, newest first", scope="read")
async def drafts(ctx: Ctx, query: Walk) -> Page[DraftItem]:
    return cut(await list_drafts(ctx.store.pool, ctx.actor.person), query)


@routes.add("GET", "/conversations/{conversation_id}/draft", "The caller's draft here, or {}", scope="read")
async def draft(ctx: Ctx, conversation_id: UUID) -> DraftItem | None:
    found = await list_drafts(ctx.store.pool, ctx.actor.person, conversation_id)
    return found[0] if found else None


class NewDraft(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """As a message, and nothing of it has to be right yet. At most 64 KB in all. `seen_at`: `updated_at` of the one it goes
    on from, null for none; another one there by now is a 409. Absent: it wins.
    """

    kind: Literal["message", "note"] = "message"
    text: str = ""
    identity_id: UUID | None = None
    channel_id: UUID | None = None
    attachments: Annotated[list[UUID], msgspec.Meta(max_length=20)] = []
    reply_to: UUID | None = None
    meta: Annotated[dict[str, Any], msgspec.Meta(max_length=50)] = {}
    seen_at: Aware | msgspec.UnsetType | None = msgspec.UNSET


@routes.add("PUT", "/conversations/{conversation_id}/draft", "Keep a draft", scope="write")
async def put_draft(ctx: Ctx, change: Change, conversation_id: UUID, body: NewDraft) -> DraftItem:
    agent_id = ctx.actor.person
    if len(msgspec.json.encode(body)) > MAX_BYTES:
        raise TooBig("a draft takes 64 KB", reason="draft_large")
    await get_conversation(change.connection, ctx.viewer, conversation_id)
    fields = msgspec.to_builtins(body)
    checked = fields.pop("seen_at", None) is not None or body.seen_at is None
    seen_at = body.seen_at if isinstance(body.seen_at, datetime) else None
    kept = await save_draft(change.connection, agent_id, conversation_id, fields, seen_at=seen_at, checked=checked)
    change.events.append(draft_event(agent_id, conversation_id, kept.updated_at))
    return kept


@routes.add("DELETE", "/conversations/{conversation_id}/draft", "Throw a draft away", scope="write")
async def delete_draft(ctx: Ctx, change: Change, conversation_id: UUID) -> None:
    """Also where there is none."""
    if await drop_draft(change.connection, ctx.actor.person, conversation_id):
        change.events.append(draft_event(ctx.actor.person, conversation_id, None))
