"""What is done with conversations beside answering: read, looked back on, changed many at a time; and who was named."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest, HubError
from inbox.api.contact_query import Tag
from inbox.api.conversations import Assign, apply, finish, hand_over
from inbox.api.lists import Aware, Page, Walk, cut, to_page
from inbox.api.problems import classify
from inbox.api.routes import Change, Ctx, Routes
from storage.conversation_history import HistoryItem, conversation_history
from storage.conversations import ConversationItem, change_conversation, get_conversation, lock_conversation
from storage.db import DATABASE_ERRORS
from storage.events import NewEvent, audience
from storage.mentions import MentionItem, list_mentions, mark_seen
from storage.team import list_team

routes = Routes("workflow")


@routes.add("POST", "/conversations/{conversation_id}/read", "Opened, and looked at", scope="write")
async def read(ctx: Ctx, change: Change, conversation_id: UUID) -> ConversationItem:
    """The caller's mentions here are seen. Unread it is no longer if it is his, or nobody's: who looks over a colleague's
    shoulder leaves the mark to him.
    """
    item = await lock_conversation(change.connection, ctx.viewer, conversation_id)
    agent_id = ctx.actor.agent_id
    if agent_id is not None and await mark_seen(change.connection, agent_id, conversation_id):
        data = {"agent_id": agent_id, "conversation_id": conversation_id}
        change.events.append(NewEvent("mention.seen", audience(agents=[agent_id]), data))
    if item.unread and item.assignee_id in {None, agent_id}:
        changed = await change_conversation(change.connection, ctx.viewer, conversation_id, {"unread": 0})
        item = await finish(change, changed, "conversation.changed")
    return item


@routes.add("GET", "/conversations/{conversation_id}/history", "Who held it, and who was asked to", scope="read")
async def history(ctx: Ctx, conversation_id: UUID) -> Page[HistoryItem]:
    async with ctx.store.pool.acquire() as connection, connection.transaction(readonly=True):
        await get_conversation(connection, ctx.viewer, conversation_id)
        return Page(items=await conversation_history(connection, conversation_id), next=None)


class Colleague(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Whom work may be handed to. `online`: can be given some now; `open`: conversations he holds, of `places` in all."""

    id: UUID
    name: str
    state: str
    online: bool
    open: int
    places: int
    queues: list[UUID] = []
    absent_until: datetime | None = None
    deputy_id: UUID | None = None


@routes.add("GET", "/colleagues", "Who may be handed work, whether he is there, how busy he is", scope="read")
async def colleagues(ctx: Ctx, query: Walk) -> Page[Colleague]:
    """For everybody: what a supervisor sees of them besides is at /presence/all."""
    found = [
        Colleague(
            id=one.agent_id,
            name=one.name,
            state=one.state,
            online=one.online,
            open=sum(one.open.values()),
            places=sum(n for n in one.capacity.values() if isinstance(n, int)),
            queues=one.queues,
            absent_until=one.absent_until,
            deputy_id=one.deputy_id,
        )
        for one in await list_team(ctx.store.pool, None)
    ]
    return cut(found, query)


class MentionQuery(Walk, kw_only=True):
    """`unseen`: true for those not opened yet, false for the others."""

    unseen: bool | None = None


@routes.add("GET", "/mentions", "Notes that name the caller", scope="read")
async def mentions(ctx: Ctx, query: MentionQuery) -> Page[MentionItem]:
    items = await list_mentions(
        ctx.store.pool,
        ctx.actor.person,
        unseen=query.unseen,
        after=query.key(UUID),
        limit=query.count + 1,
        down=query.down,
    )
    return to_page(items, query, lambda item: item.interaction_id, lambda item: item)


class Bulk(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`disposition` with close; `agent_id`, `queue_id`, `reason` with assign; `snoozed_until` with snooze; `tag` with tag
    and untag.
    """

    ids: Annotated[list[UUID], msgspec.Meta(min_length=1, max_length=200)]
    action: Literal["close", "assign", "snooze", "tag", "untag", "read"]
    disposition: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    agent_id: UUID | None = None
    queue_id: UUID | None = None
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""
    snoozed_until: Aware | None = None
    tag: Tag | None = None


class Done(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One of many. `version`: it is as asked; else `code` and `error` say why it was left as it was."""

    id: UUID
    ok: bool
    version: int | None = None
    code: str = ""
    error: str = ""


@routes.add("POST", "/conversations/bulk", "Do the same to many; each for itself succeeds or not", scope="write")
async def bulk(ctx: Ctx, body: Bulk) -> Page[Done]:
    """A transaction of its own for each, so that two hundred of them never stand in the way of a live message. Safe to
    send again: what is as asked already stays so.
    """
    _check(body)
    return Page(items=[await _one(ctx, body, one) for one in dict.fromkeys(body.ids)], next=None)


def _check(body: Bulk) -> None:
    if body.action == "assign" and body.agent_id is None and body.queue_id is None:
        raise BadRequest("agent_id or queue_id is needed with assign")
    if body.action == "snooze" and body.snoozed_until is None:
        raise BadRequest("snoozed_until is needed with snooze")
    if body.action in {"tag", "untag"} and body.tag is None:
        raise BadRequest(f"tag is needed with {body.action}")


async def _one(ctx: Ctx, body: Bulk, conversation_id: UUID) -> Done:
    try:
        async with ctx.change() as change:
            item = await _act(ctx, change, body, conversation_id)
    except (HubError, *DATABASE_ERRORS) as error:
        found = classify(error)
        if found is None:
            raise
        return Done(id=conversation_id, ok=False, code=found.code, error=str(found))
    return Done(id=conversation_id, ok=True, version=item.version)


async def _act(ctx: Ctx, change: Change, body: Bulk, conversation_id: UUID) -> ConversationItem:
    if body.action == "assign":
        to = Assign(agent_id=body.agent_id, queue_id=body.queue_id, reason=body.reason)
        return await hand_over(ctx, change, conversation_id, to)
    return await apply(ctx, change, conversation_id, await _changes(ctx, change, body, conversation_id))


async def _changes(ctx: Ctx, change: Change, body: Bulk, conversation_id: UUID) -> dict[str, Any]:
    if body.action == "close":
        return {"status": "resolved"} | ({} if body.disposition is None else {"disposition": body.disposition})
    if body.action == "snooze":
        return {"status": "snoozed", "snoozed_until": body.snoozed_until}
    if body.action == "read":
        return {"unread": 0}
    item = await lock_conversation(change.connection, ctx.viewer, conversation_id)
    others = [tag for tag in item.tags if tag != body.tag]
    if body.action == "untag" or body.tag is None:
        return {"tags": others}
    return {"tags": item.tags if body.tag in item.tags else [*others, body.tag]}
