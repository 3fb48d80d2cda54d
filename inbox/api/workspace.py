"""The workspace: what the company set, what the installation was started with, who is there now."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec

from config.errors import Conflict
from inbox.api.contacts import given
from inbox.api.lists import Page, Walk, cut
from inbox.api.routes import Change, Ctx, Routes
from storage.bus import Topic
from storage.db import Connection, Pool
from storage.second_factor import POLICY, end_sessions_without, required_roles, standing_of
from storage.staff import Role
from storage.team import TeamItem, list_team
from storage.workspace import KEY, merge_setting, workspace_settings

routes = Routes("workspace")
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class Retention(msgspec.Struct, kw_only=True):
    """How long things are kept; `interactions_months` 0: for ever. Set by the environment (HUB_KEEP_…)."""

    journal_days: int
    events_hours: int
    interactions_months: int


class Workspace(msgspec.Struct, kw_only=True):
    """`timezone`, `public_url` and `retention` are the installation's, the rest can be changed here."""

    name: str
    undo_send_s: int
    presence_reasons: list[str]
    second_factor_roles: list[str]
    timezone: str
    public_url: str
    retention: Retention


@routes.add("GET", "/workspace", "Settings of the company and of the installation", scope="read")
async def workspace(ctx: Ctx) -> Workspace:
    return await _workspace(ctx, ctx.store.pool)


async def _workspace(ctx: Ctx, connection: Connection | Pool) -> Workspace:
    settings, kept = ctx.store.settings, await workspace_settings(connection)
    return Workspace(
        name=kept.name,
        undo_send_s=kept.undo_send_s,
        presence_reasons=kept.presence_reasons,
        second_factor_roles=await required_roles(connection),
        timezone=settings.timezone,
        public_url=settings.base_url,
        retention=Retention(
            journal_days=settings.keep_journal_days,
            events_hours=settings.keep_events_hours,
            interactions_months=settings.keep_interactions_months,
        ),
    )


class WorkspacePatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays. Roles named in `second_factor_roles` may not sign in by a password alone: sessions of theirs
    without a second factor end at once.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | msgspec.UnsetType = msgspec.UNSET
    undo_send_s: Annotated[int, msgspec.Meta(ge=0, le=60)] | msgspec.UnsetType = msgspec.UNSET
    presence_reasons: Annotated[list[Reason], msgspec.Meta(max_length=30)] | msgspec.UnsetType = msgspec.UNSET
    second_factor_roles: Annotated[list[Role], msgspec.Meta(max_length=3)] | msgspec.UnsetType = msgspec.UNSET


@routes.add("PATCH", "/workspace", "Change the settings of the company", scope="admin")
async def patch_workspace(ctx: Ctx, change: Change, body: WorkspacePatch) -> Workspace:
    connection, changes = change.connection, given(body)
    before = await _workspace(ctx, connection)
    roles = changes.pop("second_factor_roles", None)
    if changes:
        await merge_setting(connection, KEY, changes)
    if roles is not None:
        await _set_policy(ctx, change, sorted(set(roles)))
    after = await _workspace(ctx, connection)
    changed = [name for name in Workspace.__struct_fields__ if getattr(before, name) != getattr(after, name)]
    await change.note("workspace.changed", ("workspace", KEY), _only(before, changed), _only(after, changed))
    return after


async def _set_policy(ctx: Ctx, change: Change, roles: list[str]) -> None:
    """Raises Conflict for somebody who would lock himself out."""
    actor = ctx.actor
    own = actor.role in roles and actor.agent_id is not None
    if own and actor.agent_id is not None and not (await standing_of(change.connection, actor.agent_id)).enabled:
        raise Conflict("set up your own second factor first: your role is among those named", reason="own_factor_first")
    await merge_setting(change.connection, POLICY, {"second_factor_roles": roles})
    await end_sessions_without(change.connection, roles)
    change.wake.add(Topic.STAFF)


def _only(value: Workspace, names: list[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


class TeamQuery(Walk, kw_only=True):
    """`queue`: its members alone."""

    queue: UUID | None = None


@routes.add("GET", "/presence/all", "Who is there, doing what, how busy: for supervisors", scope="read")
async def presence_of_all(ctx: Ctx, query: TeamQuery) -> Page[TeamItem]:
    ctx.actor.must_supervise()
    return cut(await list_team(ctx.store.pool, query.queue), query)
