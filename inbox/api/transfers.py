"""Handing a conversation to a colleague who is asked first."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from config.errors import BadRequest, Conflict, Forbidden
from inbox.api.conversations import finish
from inbox.api.lists import Page, Walk, to_page
from inbox.api.routes import Change, Ctx, Routes
from inbox.api.scope import Actor
from storage.conversations import assign_conversation, audience_of, get_conversation, lock_conversation
from storage.events import NewEvent
from storage.transfers import (
    Answer,
    TransferFilter,
    TransferItem,
    end_offer,
    get_transfer,
    list_transfers,
    lock_offered,
    offer,
    transfer_event,
)

routes = Routes("transfers")
Reason = Annotated[str, msgspec.Meta(max_length=500)]


class TransferQuery(Walk, rename={"from_": "from"}, kw_only=True):
    """`to`, `from`: `me`, or an agent."""

    to: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    from_: Annotated[str, msgspec.Meta(max_length=40)] | None = None
    state: Literal["offered", "accepted", "returned", "withdrawn"] | None = None
    conversation: UUID | None = None


@routes.add("GET", "/transfers", "Conversations offered to colleagues", scope="read")
async def transfers(ctx: Ctx, query: TransferQuery) -> Page[TransferItem]:
    wanted = TransferFilter(
        to=_agent_of(ctx.actor, query.to, "to"),
        from_=_agent_of(ctx.actor, query.from_, "from"),
        state=query.state,
        conversation=query.conversation,
    )
    items = await list_transfers(
        ctx.store.pool, ctx.viewer, wanted, after=query.key(UUID), limit=query.count + 1, down=query.down
    )
    return to_page(items, query, lambda item: item.id, lambda item: item)


def _agent_of(actor: Actor, text: str | None, name: str) -> UUID | None:
    if text in {None, "me"}:
        return None if text is None else actor.person
    try:
        return UUID(text)
    except ValueError:
        raise BadRequest(f"{name}: an agent's id or me") from None


class NewTransfer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`reason`: for the colleague who is asked."""

    agent_id: UUID
    reason: Reason = ""


@routes.add("POST", "/conversations/{conversation_id}/transfer", "Offer to a colleague", scope="write", status=201)
async def transfer(ctx: Ctx, change: Change, conversation_id: UUID, body: NewTransfer) -> TransferItem:
    """It stays where it is until he accepts; he sees it from now on."""
    item = await lock_conversation(change.connection, ctx.viewer, conversation_id)
    if item.status == "resolved":
        raise Conflict("the conversation is resolved: open it first", reason="conversation_resolved")
    if item.assignee_id == body.agent_id:
        raise BadRequest("agent_id: he holds it already", reason="holds_already")
    heard = await audience_of(change.connection, conversation_id)
    given = await offer(
        change.connection, conversation_id, giver=ctx.actor.agent_id, receiver=body.agent_id, reason=body.reason
    )
    word = f"agent:{body.agent_id}"
    if word not in heard:
        change.events.append(NewEvent("conversation.entered", [word], {"conversation": item}))
    change.events.append(transfer_event(given))
    await change.note("transfer.offered", ("conversation", conversation_id), {}, {"to_agent_id": body.agent_id})
    return given


@routes.add("POST", "/transfers/{transfer_id}/accept", "Take over what is offered", scope="write")
async def accept(ctx: Ctx, change: Change, transfer_id: UUID) -> TransferItem:
    given = await _asked(ctx, change, transfer_id)
    ended = await end_offer(change.connection, given.conversation_id, "accepted")
    why = f"accepted from {given.from_name or 'an integration'}"
    changed = await assign_conversation(
        change.connection,
        None,
        given.conversation_id,
        agent_id=given.to_agent_id,
        queue_id=None,
        reason=f"{why}: {given.reason}" if given.reason else why,
        by=ctx.actor.agent_id,
    )
    await finish(change, changed, "conversation.assigned")
    change.events.extend(ended)
    return await get_transfer(change.connection, None, transfer_id)


class Return(msgspec.Struct, forbid_unknown_fields=True):
    """Why not."""

    answer: Reason = ""


@routes.add("POST", "/transfers/{transfer_id}/return", "Leave it with whoever offered it", scope="write")
async def give_back(ctx: Ctx, change: Change, transfer_id: UUID, body: Return) -> TransferItem:
    return await _end(change, await _asked(ctx, change, transfer_id), "returned", body.answer)


@routes.add("POST", "/transfers/{transfer_id}/withdraw", "Offer it no longer", scope="write")
async def withdraw(ctx: Ctx, change: Change, transfer_id: UUID) -> TransferItem:
    given = await lock_offered(change.connection, ctx.viewer, transfer_id)
    if ctx.viewer is not None and ctx.viewer != given.from_agent_id:
        holder = (await get_conversation(change.connection, ctx.viewer, given.conversation_id)).assignee_id
        if holder != ctx.viewer:
            raise Forbidden(
                "only who offered it, who holds it, or a supervisor withdraws it", reason="transfer_of_others"
            )
    return await _end(change, given, "withdrawn", "")


async def _asked(ctx: Ctx, change: Change, transfer_id: UUID) -> TransferItem:
    """The offer, held. The one who is asked answers; a supervisor may for him."""
    given = await lock_offered(change.connection, ctx.viewer, transfer_id)
    if ctx.viewer is not None and ctx.viewer != given.to_agent_id:
        raise Forbidden("only who is asked answers", reason="transfer_of_others")
    return given


async def _end(change: Change, given: TransferItem, state: Answer, answer: str) -> TransferItem:
    change.events.extend(await end_offer(change.connection, given.conversation_id, state, answer))
    word = f"agent:{given.to_agent_id}"
    if word not in await audience_of(change.connection, given.conversation_id):
        gone = {"conversation_id": given.conversation_id}
        change.events.append(NewEvent("conversation.left", [word], gone))
    await change.note(f"transfer.{state}", ("conversation", given.conversation_id), {}, {"transfer_id": given.id})
    return await get_transfer(change.connection, None, given.id)
