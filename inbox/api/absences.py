"""Absences: entering them, with a deputy and what he is handed as they begin."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from config.errors import BadRequest, Forbidden
from inbox.api.lists import Aware, Page, Walk, cut
from inbox.api.routes import Change, Ctx, Routes
from storage.absences import AbsenceItem, add_absence, end_absence, list_absences, wish_hand_over
from storage.bus import Topic

routes = Routes("staff")
Text = Annotated[str, msgspec.Meta(max_length=300)]


class AbsenceQuery(Walk, kw_only=True):
    agent: UUID | None = None


@routes.add("GET", "/absences", "Absences that are not over", scope="read")
async def absences(ctx: Ctx, query: AbsenceQuery) -> Page[AbsenceItem]:
    return cut(await list_absences(ctx.store.pool, query.agent), query)


class NewAbsence(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`agent_id`: the caller himself when absent; for others one must be a supervisor. `hand_over`: as it begins, all
    conversations and tasks go to the deputy, or to wait in `queue_id`; who begins now hands over by itself
    (`POST /agents/{agent_id}/hand-over`) to see what is left.
    """

    from_at: Aware
    until_at: Aware
    agent_id: UUID | None = None
    deputy_id: UUID | None = None
    reason: Text = ""
    hand_over: bool = False
    queue_id: UUID | None = None


@routes.add("POST", "/absences", "Away, with or without a deputy", scope="write", status=201)
async def new_absence(ctx: Ctx, change: Change, body: NewAbsence) -> AbsenceItem:
    agent_id = body.agent_id or ctx.actor.person
    if ctx.viewer is not None and agent_id != ctx.viewer:
        raise Forbidden("only a supervisor enters the absence of others", reason="supervisors_only")
    if body.hand_over and body.deputy_id is None and body.queue_id is None:
        raise BadRequest("deputy_id or queue_id is needed with hand_over", reason="target_needed")
    fields = {name: getattr(body, name) for name in body.__struct_fields__} | {"agent_id": agent_id}
    absence_id = await add_absence(change.connection, fields)
    if body.hand_over:
        await wish_hand_over(change.connection, absence_id, body.queue_id, ctx.actor.word)
    change.wake.update({Topic.STAFF, Topic.QUEUE})
    await change.note("absence.entered", ("agent", agent_id), {}, {"absence_id": absence_id, "until_at": body.until_at})
    return AbsenceItem(id=absence_id, **fields)


@routes.add("DELETE", "/absences/{absence_id}", "Back earlier, or entered by mistake", scope="write")
async def delete_absence(ctx: Ctx, change: Change, absence_id: UUID) -> None:
    await end_absence(change.connection, absence_id, ctx.viewer)
    change.wake.update({Topic.STAFF, Topic.QUEUE})
    await change.note("absence.ended", ("absence", absence_id), {}, {"ended": True})
