"""Handing over all that somebody has in hand: to a colleague, or to a queue."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from config.errors import BadRequest, Forbidden
from inbox.api.contacts import tell_card
from inbox.api.routes import Change, Ctx, Routes
from storage.bus import Topic
from storage.contacts import change_contact
from storage.handover import InHand, Target, contacts_in_hand, count_in_hand, move_conversations, move_tasks
from storage.staff import get_agent

routes = Routes("hand-over")
BATCH = 200


class HandOver(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """To one of the two. With a queue, conversations and tasks wait there, and cards belong to nobody. What is false stays."""

    to_agent_id: UUID | None = None
    queue_id: UUID | None = None
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""
    conversations: bool = True
    tasks: bool = True
    contacts: bool = False


class HandedOver(msgspec.Struct, kw_only=True):
    """`done` in this request, `left` of what was asked for: at most 200 of each go at a time, ask again for the rest."""

    done: InHand
    left: InHand


@routes.add("GET", "/agents/{agent_id}/in-hand", "How much an agent has in hand", scope="read")
async def in_hand(ctx: Ctx, agent_id: UUID) -> InHand:
    _check_whose(ctx, agent_id)
    async with ctx.store.pool.acquire() as connection:
        await get_agent(connection, agent_id)
        return await count_in_hand(connection, agent_id)


def _check_whose(ctx: Ctx, agent_id: UUID) -> None:
    """Raises Forbidden for an agent and what is another's."""
    if ctx.viewer is not None and ctx.viewer != agent_id:
        raise Forbidden("only a supervisor hands over the work of others", reason="supervisors_only")


@routes.add("POST", "/agents/{agent_id}/hand-over", "Hand over all that an agent has in hand", scope="write")
async def hand_over(ctx: Ctx, change: Change, agent_id: UUID, body: HandOver) -> HandedOver:
    """For somebody who falls ill or leaves; one's own work any agent may hand over."""
    _check_whose(ctx, agent_id)
    if (body.to_agent_id is None) == (body.queue_id is None):
        raise BadRequest("either to_agent_id or queue_id", reason="target_needed")
    if body.to_agent_id == agent_id:
        raise BadRequest("to_agent_id: he has it already", reason="holds_already")
    giver = await get_agent(change.connection, agent_id)
    await _check_target(change, body)
    done = InHand(conversations=0, tasks=0, contacts=0)
    to = Target(body.to_agent_id, body.queue_id)
    if body.conversations:
        said = f"all work of {giver.name} handed over" + (f": {body.reason}" if body.reason else "")
        moved = await move_conversations(
            change.connection, agent_id, to, reason=said, why=body.reason, by=ctx.actor.agent_id, limit=BATCH
        )
        done.conversations = moved.many
        change.events.extend(moved.events)
    if body.tasks:
        moved = await move_tasks(change.connection, agent_id, to, limit=BATCH)
        done.tasks = moved.many
        change.events.extend(moved.events)
    if body.contacts:
        done.contacts = await _contacts(change, agent_id, body)
    change.wake.add(Topic.QUEUE)
    target = {"to_agent_id": body.to_agent_id, "queue_id": body.queue_id, "reason": body.reason}
    await change.note("agent.handed_over", ("agent", agent_id), {}, target | {"done": done})
    left = await count_in_hand(change.connection, agent_id)
    return HandedOver(done=done, left=_asked(left, body))


async def _check_target(change: Change, body: HandOver) -> None:
    """Raises BadRequest."""
    if body.to_agent_id is not None and not await change.connection.fetchval(
        "SELECT true FROM agent WHERE id = $1 AND active", body.to_agent_id
    ):
        raise BadRequest("to_agent_id: no such active agent", reason="agent_inactive")
    if body.queue_id is not None and not await change.connection.fetchval(
        "SELECT true FROM queue WHERE id = $1", body.queue_id
    ):
        raise BadRequest("queue_id: no such queue", reason="queue_gone")


def _asked(left: InHand, body: HandOver) -> InHand:
    return InHand(
        conversations=left.conversations if body.conversations else 0,
        tasks=left.tasks if body.tasks else 0,
        contacts=left.contacts if body.contacts else 0,
    )


async def _contacts(change: Change, agent_id: UUID, body: HandOver) -> int:
    ids = await contacts_in_hand(change.connection, agent_id, BATCH)
    for contact_id in ids:
        card, before, after = await change_contact(
            change.connection, None, contact_id, {"owner_id": body.to_agent_id}, sort_name="", version=None
        )
        await change.note("contact.changed", ("contact", card.id), before, after)
        await tell_card(change, "contact.updated", card, former_owner=agent_id)
    return len(ids)
