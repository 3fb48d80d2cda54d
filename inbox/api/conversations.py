"""Conversations: reading, changing, handing over."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest
from inbox.api.contacts import TagList, given
from inbox.api.lists import Aware, Page, Walk, to_page
from inbox.api.routes import Change, Ctx, Routes
from storage.bus import Topic
from storage.conversations import (
    Changed,
    ConversationFilter,
    ConversationItem,
    Status,
    assign_conversation,
    change_conversation,
    get_conversation,
    list_conversations,
)

routes = Routes("conversations")
STATUSES = ("open", "pending", "snoozed", "resolved")


class ConversationQuery(Walk, kw_only=True):
    """`status`: one or several, comma separated. `assignee`: an agent, `me` or `none`. `sort`: by their beginning
    (complete under changes) or by their last item.
    """

    assignee: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    queue: UUID | None = None
    status: Annotated[str, msgspec.Meta(max_length=60)] | None = None
    contact: UUID | None = None
    channel: UUID | None = None
    sort: Literal["begun", "last"] = "begun"


def words_of(text: str | None, allowed: tuple[str, ...], name: str) -> list[str] | None:
    """A comma separated parameter. Raises BadRequest naming what is allowed."""
    if text is None:
        return None
    words = [word.strip() for word in text.split(",")]
    if set(words) - set(allowed):
        raise BadRequest(f"{name}: one or several of {', '.join(allowed)}")
    return words


@routes.add("GET", "/conversations", "Conversations the caller may see", scope="read")
async def conversations(ctx: Ctx, query: ConversationQuery) -> Page[ConversationItem]:
    wanted = ConversationFilter(
        assignee=_assignee_of(ctx, query.assignee),
        unassigned=True if query.assignee == "none" else None,
        queue=query.queue,
        statuses=words_of(query.status, STATUSES, "status"),
        contact=query.contact,
        channel=query.channel,
    )
    items = await list_conversations(
        ctx.store.pool,
        ctx.viewer,
        wanted,
        after=query.key(tuple[Aware, UUID]),
        limit=query.count + 1,
        down=query.down,
        recent=query.sort == "last",
    )
    return to_page(items, query, lambda item: (item.last_at, item.id), lambda item: item)


def _assignee_of(ctx: Ctx, text: str | None) -> UUID | None:
    if text in {None, "none"}:
        return None
    try:
        return ctx.actor.person if text == "me" else UUID(text)
    except ValueError:
        raise BadRequest("assignee: an agent's id, me or none") from None


@routes.add("GET", "/conversations/{conversation_id}", "One conversation", scope="read")
async def conversation(ctx: Ctx, conversation_id: UUID) -> ConversationItem:
    async with ctx.store.pool.acquire() as connection, connection.transaction(readonly=True):
        return await get_conversation(connection, ctx.viewer, conversation_id)


class ConversationPatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays. `unread`: 0 marks all as read."""

    status: Status | msgspec.UnsetType = msgspec.UNSET
    snoozed_until: Aware | msgspec.UnsetType | None = msgspec.UNSET
    disposition: Annotated[str, msgspec.Meta(max_length=200)] | msgspec.UnsetType = msgspec.UNSET
    tags: TagList | msgspec.UnsetType = msgspec.UNSET
    unread: Literal[0] | msgspec.UnsetType = msgspec.UNSET


@routes.add("PATCH", "/conversations/{conversation_id}", "Status, disposition, tags", scope="write")
async def patch_conversation(
    ctx: Ctx, change: Change, conversation_id: UUID, body: ConversationPatch
) -> ConversationItem:
    changed = await change_conversation(change.connection, ctx.viewer, conversation_id, given(body))
    return await _finish(change, changed, "conversation.changed")


class Assign(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """To an agent, or to a queue to wait there; both: to the agent, in that queue. `reason`: for the colleagues."""

    agent_id: UUID | None = None
    queue_id: UUID | None = None
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


@routes.add("POST", "/conversations/{conversation_id}/assign", "Hand over", scope="write")
async def assign(ctx: Ctx, change: Change, conversation_id: UUID, body: Assign) -> ConversationItem:
    if body.agent_id is None and body.queue_id is None:
        raise BadRequest("agent_id or queue_id is needed")
    changed = await assign_conversation(
        change.connection,
        ctx.viewer,
        conversation_id,
        agent_id=body.agent_id,
        queue_id=body.queue_id,
        reason=await _sentence(ctx, change, body),
        by=ctx.actor.agent_id,
    )
    return await _finish(change, changed, "conversation.assigned")


async def _sentence(ctx: Ctx, change: Change, body: Assign) -> str:
    """Why it is where it is, for people."""
    who = await change.connection.fetchval("SELECT name FROM agent WHERE id = $1", ctx.actor.agent_id)
    by = who or "an integration"
    if body.agent_id is not None and body.agent_id == ctx.actor.agent_id:
        said = f"taken by {by}"
    else:
        said = f"handed over by {by}" if body.agent_id is not None else f"returned to the queue by {by}"
    return f"{said}: {body.reason}" if body.reason else said


async def _finish(change: Change, changed: Changed, action: str) -> ConversationItem:
    """Events, audit, and the assigner's wake-up: a resolved or handed over conversation makes room for another."""
    await change.note(action, ("conversation", changed.item.id), changed.before, changed.after)
    change.events.extend(changed.events)
    if changed.events:
        change.wake.add(Topic.QUEUE)
    return changed.item
