"""Queues, who works in them, and the rules that lead into them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec

from inbox.api.contacts import TagList, given
from inbox.api.lists import Page, Walk, cut
from inbox.api.routes import Change, Ctx, Routes
from router.hours import read_calendar
from router.rules import check_conditions
from storage.bus import Topic
from storage.queues import (
    QueueItem,
    RuleItem,
    add_queue,
    change_queue,
    delete_rule,
    get_queue,
    list_queues,
    list_rules,
    save_rule,
    set_members,
)

routes = Routes("queues")
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=30 * 24 * 3600)]
Days = Annotated[int, msgspec.Meta(ge=0, le=3650)]
Table = Annotated[dict[str, Any], msgspec.Meta(max_length=400)]
Zone = Annotated[str, msgspec.Meta(max_length=60)]


@routes.add("GET", "/queues", "Queues, their members, how many wait", scope="read")
async def queues(ctx: Ctx, query: Walk) -> Page[QueueItem]:
    return cut(await list_queues(ctx.store.pool), query)


class NewQueue(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`hours`: weekday "1".."7" -> [["09:00", "18:00"]]; `holidays`: date -> the same; empty: round the clock."""

    name: Name
    skills: TagList = []
    hours: Table = {}
    holidays: Table = {}
    timezone: Zone = ""
    frt_s: Seconds = 0
    overflow_after_s: Seconds = 0
    overflow_queue_id: UUID | None = None
    reopen_days: Days = 14


@routes.add("POST", "/queues", "A new queue", scope="admin", status=201)
async def new_queue(ctx: Ctx, change: Change, body: NewQueue) -> QueueItem:
    fields = {name: getattr(body, name) for name in body.__struct_fields__}
    _check_calendar(ctx, fields)
    queue_id = await add_queue(change.connection, fields)
    await _done(change, "queue.created", ("queue", queue_id), {"name": body.name})
    return await get_queue(change.connection, queue_id)


class QueuePatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    skills: TagList | msgspec.UnsetType = msgspec.UNSET
    hours: Table | msgspec.UnsetType = msgspec.UNSET
    holidays: Table | msgspec.UnsetType = msgspec.UNSET
    timezone: Zone | msgspec.UnsetType = msgspec.UNSET
    frt_s: Seconds | msgspec.UnsetType = msgspec.UNSET
    overflow_after_s: Seconds | msgspec.UnsetType = msgspec.UNSET
    overflow_queue_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    reopen_days: Days | msgspec.UnsetType = msgspec.UNSET


@routes.add("PATCH", "/queues/{queue_id}", "Change a queue", scope="admin")
async def patch_queue(ctx: Ctx, change: Change, queue_id: UUID, body: QueuePatch) -> QueueItem:
    changes = given(body)
    _check_calendar(ctx, changes)
    queue = await change_queue(change.connection, queue_id, changes)
    await _done(change, "queue.changed", ("queue", queue_id), changes)
    return queue


def _check_calendar(ctx: Ctx, fields: dict[str, Any]) -> None:
    """Raises BadSettings naming the field."""
    zone = ctx.store.settings.zone
    read_calendar(fields.get("hours", {}), fields.get("holidays", {}), fields.get("timezone", ""), zone)


class Members(msgspec.Struct, forbid_unknown_fields=True):
    agents: Annotated[list[UUID], msgspec.Meta(max_length=1000)]


@routes.add("PUT", "/queues/{queue_id}/members", "Exactly these agents", scope="admin")
async def put_members(change: Change, queue_id: UUID, body: Members) -> QueueItem:
    queue = await set_members(change.connection, queue_id, body.agents)
    await _done(change, "queue.members", ("queue", queue_id), {"agents": body.agents})
    return queue


@routes.add("GET", "/rules", "Routing rules in their order", scope="read")
async def rules(ctx: Ctx, query: Walk) -> Page[RuleItem]:
    return cut(await list_rules(ctx.store.pool), query)


class Rule(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`conditions`: all must hold."""

    position: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    name: Name
    conditions: Table = {}
    queue_id: UUID | None = None
    agent_id: UUID | None = None
    active: bool = True


@routes.add("POST", "/rules", "A new routing rule", scope="admin", status=201)
async def new_rule(change: Change, body: Rule) -> RuleItem:
    return await _save(change, None, body)


@routes.add("PUT", "/rules/{rule_id}", "Write a routing rule anew", scope="admin")
async def put_rule(change: Change, rule_id: UUID, body: Rule) -> RuleItem:
    return await _save(change, rule_id, body)


async def _save(change: Change, rule_id: UUID | None, body: Rule) -> RuleItem:
    check_conditions(body.conditions)
    fields = {name: getattr(body, name) for name in body.__struct_fields__}
    rule = await save_rule(change.connection, rule_id, fields)
    await _done(change, "rule.saved", ("rule", rule.id), fields)
    return rule


@routes.add("DELETE", "/rules/{rule_id}", "Remove a routing rule", scope="admin")
async def remove_rule(change: Change, rule_id: UUID) -> None:
    await delete_rule(change.connection, rule_id)
    await _done(change, "rule.deleted", ("rule", rule_id), {"deleted": True})


async def _done(change: Change, action: str, obj: tuple[str, UUID], after: dict[str, Any]) -> None:
    """Routers read the directory anew, sockets hear by the new memberships, the assigner looks again."""
    await change.note(action, obj, {}, after)
    change.wake.update({Topic.STAFF, Topic.QUEUE})
