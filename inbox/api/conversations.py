"""Conversations: reading, changing, handing over."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest
from inbox.api.contacts import TagList, given
from inbox.api.lists import Aware, Page, Walk, to_page
from inbox.api.routes import Change, Ctx, Routes
from inbox.api.scope import Actor
from storage.bus import Topic
from storage.conversation_list import ConversationFilter, Sort, key_of, list_conversations
from storage.conversations import (
    Changed,
    ConversationItem,
    Status,
    assign_conversation,
    change_conversation,
    get_conversation,
    lock_conversation,
)
from storage.dispositions import check_disposition

routes = Routes("conversations")
STATUSES = ("open", "pending", "snoozed", "resolved")


Word = Annotated[str, msgspec.Meta(max_length=40)]


class ConversationQuery(Walk, kw_only=True):
    """`status`: one or several, comma separated. `assignee`: an agent, `me` or `none`. `queue`: one, or `mine`.
    `mentioned`: `me` was named in a note, `unseen`: and I have not opened it. `q`: part of the client's name, of the subject
    or of the last line. `sort`: by their beginning (complete under changes), by their last item (`last`, `activity`), or by
    when a first answer is due, those owed none last.
    """

    assignee: Word | None = None
    queue: Word | None = None
    status: Annotated[str, msgspec.Meta(max_length=60)] | None = None
    contact: UUID | None = None
    channel: UUID | None = None
    tag: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    unread: bool | None = None
    q: Annotated[str, msgspec.Meta(max_length=100)] | None = None
    mentioned: Literal["me", "unseen"] | None = None
    sort: Sort = "begun"


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
    items = await list_conversations(
        ctx.store.pool,
        ctx.viewer,
        to_filter(ctx.actor, query),
        after=query.key(tuple[Aware, UUID]),
        limit=query.count + 1,
        down=query.down,
        sort=query.sort,
    )
    return to_page(items, query, lambda item: key_of(item, query.sort), lambda item: item)


def to_filter(actor: Actor, query: ConversationQuery) -> ConversationFilter:
    """What `me` and `mine` mean for this caller. Raises BadRequest, Forbidden for a caller who is nobody."""
    named = actor.person if query.mentioned is not None else None
    return ConversationFilter(
        assignee=_id_of(actor, query.assignee, me="me", what="assignee", others=("none",)),
        unassigned=True if query.assignee == "none" else None,
        queue=_id_of(actor, query.queue, me=None, what="queue", others=("mine",)),
        queue_of=actor.person if query.queue == "mine" else None,
        statuses=words_of(query.status, STATUSES, "status"),
        contact=query.contact,
        channel=query.channel,
        tag=query.tag,
        unread=query.unread,
        words=query.q,
        mentioned=named if query.mentioned == "me" else None,
        unseen_by=named if query.mentioned == "unseen" else None,
    )


def _id_of(actor: Actor, text: str | None, *, me: str | None, what: str, others: tuple[str, ...]) -> UUID | None:
    if text is None or text in others:
        return None
    if text == me:
        return actor.person
    try:
        return UUID(text)
    except ValueError:
        words = [*filter(None, (me,)), *others]
        raise BadRequest(f"{what}: an id, {' or '.join(words)}") from None


@routes.add("GET", "/conversations/{conversation_id}", "One conversation", scope="read")
async def conversation(ctx: Ctx, conversation_id: UUID) -> ConversationItem:
    async with ctx.store.pool.acquire() as connection, connection.transaction(readonly=True):
        return await get_conversation(connection, ctx.viewer, conversation_id)


class ConversationPatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays. `unread`: 0 marks all as read, 1 says that it still wants to be read."""

    status: Status | msgspec.UnsetType = msgspec.UNSET
    snoozed_until: Aware | msgspec.UnsetType | None = msgspec.UNSET
    disposition: Annotated[str, msgspec.Meta(max_length=200)] | msgspec.UnsetType = msgspec.UNSET
    tags: TagList | msgspec.UnsetType = msgspec.UNSET
    unread: Literal[0, 1] | msgspec.UnsetType = msgspec.UNSET


@routes.add("PATCH", "/conversations/{conversation_id}", "Status, disposition, tags", scope="write")
async def patch_conversation(
    ctx: Ctx, change: Change, conversation_id: UUID, body: ConversationPatch
) -> ConversationItem:
    return await apply(ctx, change, conversation_id, given(body))


async def apply(ctx: Ctx, change: Change, conversation_id: UUID, changes: dict[str, Any]) -> ConversationItem:
    """Changes of a conversation in one go. Raises BadRequest for one that is closed without an outcome to choose from."""
    if changes.get("status") == "resolved" or "disposition" in changes:
        old = await lock_conversation(change.connection, ctx.viewer, conversation_id)
        closes = changes.get("status") == "resolved" and old.status != "resolved"
        if closes or changes.get("disposition"):
            chosen = changes.get("disposition", old.disposition)
            await check_disposition(change.connection, "conversation", chosen)
    changed = await change_conversation(change.connection, ctx.viewer, conversation_id, changes)
    return await finish(change, changed, "conversation.changed")


class Assign(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """To an agent, or to a queue to wait there; both: to the agent, in that queue. `reason`: for the colleagues."""

    agent_id: UUID | None = None
    queue_id: UUID | None = None
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""


@routes.add("POST", "/conversations/{conversation_id}/assign", "Hand over", scope="write")
async def assign(ctx: Ctx, change: Change, conversation_id: UUID, body: Assign) -> ConversationItem:
    return await hand_over(ctx, change, conversation_id, body)


async def hand_over(ctx: Ctx, change: Change, conversation_id: UUID, body: Assign) -> ConversationItem:
    """To whom the body says, at once."""
    if body.agent_id is None and body.queue_id is None:
        raise BadRequest("agent_id or queue_id is needed", reason="target_needed")
    changed = await assign_conversation(
        change.connection,
        ctx.viewer,
        conversation_id,
        agent_id=body.agent_id,
        queue_id=body.queue_id,
        reason=await _sentence(ctx, change, body),
        by=ctx.actor.agent_id,
        why=body.reason,
    )
    return await finish(change, changed, "conversation.assigned")


async def _sentence(ctx: Ctx, change: Change, body: Assign) -> str:
    """Why it is where it is, for people."""
    who = await change.connection.fetchval("SELECT name FROM agent WHERE id = $1", ctx.actor.agent_id)
    by = who or "an integration"
    if body.agent_id is not None and body.agent_id == ctx.actor.agent_id:
        said = f"taken by {by}"
    else:
        said = f"handed over by {by}" if body.agent_id is not None else f"returned to the queue by {by}"
    return f"{said}: {body.reason}" if body.reason else said


async def finish(change: Change, changed: Changed, action: str) -> ConversationItem:
    """Events, audit, and the assigner's wake-up: a resolved or handed over conversation makes room for another.

    That somebody read it is no change worth a line of the audit.
    """
    if set(changed.after) != {"unread"}:
        await change.note(action, ("conversation", changed.item.id), changed.before, changed.after)
    change.events.extend(changed.events)
    if changed.events:
        change.wake.add(Topic.QUEUE)
    return changed.item
