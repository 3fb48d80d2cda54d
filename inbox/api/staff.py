"""Agents, their presence, API tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from inbox.api.contacts import TagList, given
from inbox.api.lists import Aware, Page, Walk, cut
from inbox.api.routes import Change, Ctx, Routes
from router.presence import set_presence
from storage.bus import Topic
from storage.staff import (
    CAPACITY,
    AgentItem,
    ExtensionItem,
    PresenceItem,
    Role,
    change_agent,
    create_agent,
    get_agent,
    get_presence,
    list_agents,
    list_extensions,
    remove_extension,
    set_extension,
)
from storage.tokens import TokenItem, create_token, list_tokens, revoke_token

routes = Routes("staff")
NEVER_HERE = timedelta(days=1)
"""So long ago counts the last sign of life of somebody who never gave one."""
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Text = Annotated[str, msgspec.Meta(max_length=300)]
Password = Annotated[str, msgspec.Meta(min_length=8, max_length=1000)]
Places = Annotated[int, msgspec.Meta(ge=0, le=1000)]
Extension = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[0-9A-Za-z_.*#+-]+(?![\s\S])")]
Capacity = dict[Literal["message", "email", "form", "call"], Places]


@routes.add("GET", "/agents", "Colleagues, with their presence", scope="read")
async def agents(ctx: Ctx, query: Walk) -> Page[AgentItem]:
    return cut(await list_agents(ctx.store.pool), query)


class NewAgent(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Without a password he can't sign in."""

    login: Name
    name: Name
    role: Role = "agent"
    password: Password | None = None
    email: Text = ""
    skills: TagList = []
    capacity: Capacity | None = None
    language: Literal["ru", "en"] = "ru"


@routes.add("POST", "/agents", "A new agent", scope="admin", status=201)
async def new_agent(change: Change, body: NewAgent) -> AgentItem:
    agent_id = await create_agent(
        change.connection,
        body.login,
        body.name,
        body.role,
        body.password or "",
        email=body.email,
        skills=body.skills,
        capacity=None if body.capacity is None else CAPACITY | dict(body.capacity),
        language=body.language,
    )
    change.wake.add(Topic.STAFF)
    agent = await get_agent(change.connection, agent_id)
    await change.note("agent.created", ("agent", agent_id), {}, {"login": agent.login, "role": agent.role})
    return agent


class AgentPatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays. A new password ends the agent's sessions."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    role: Role | msgspec.UnsetType = msgspec.UNSET
    password: Password | msgspec.UnsetType = msgspec.UNSET
    email: Text | msgspec.UnsetType = msgspec.UNSET
    active: bool | msgspec.UnsetType = msgspec.UNSET
    language: Literal["ru", "en"] | msgspec.UnsetType = msgspec.UNSET
    capacity: Capacity | msgspec.UnsetType = msgspec.UNSET
    skills: TagList | msgspec.UnsetType = msgspec.UNSET


@routes.add("PATCH", "/agents/{agent_id}", "Change an agent", scope="admin")
async def patch_agent(change: Change, agent_id: UUID, body: AgentPatch) -> AgentItem:
    changes = given(body)
    password = changes.pop("password", "")
    agent = await change_agent(change.connection, agent_id, changes, password)
    change.wake.update({Topic.STAFF, Topic.QUEUE})
    told = changes | ({"password": "changed"} if password else {})
    await change.note("agent.changed", ("agent", agent_id), {}, told)
    return agent


@routes.add("GET", "/agents/{agent_id}/extensions", "Where an agent answers the phone", scope="admin")
async def extensions(ctx: Ctx, query: Walk, agent_id: UUID) -> Page[ExtensionItem]:
    return cut(await list_extensions(ctx.store.pool, agent_id), query)


class NewExtension(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The number as the PBX writes it in its events."""

    extension: Extension


@routes.add(
    "PUT",
    "/agents/{agent_id}/extensions/{channel_id}",
    "His extension at a PBX; whoever had it loses it",
    scope="admin",
)
async def put_extension(change: Change, agent_id: UUID, channel_id: UUID, body: NewExtension) -> Page[ExtensionItem]:
    """Answers with all his extensions."""
    former, holder = await set_extension(change.connection, agent_id, channel_id, body.extension)
    change.wake.add(Topic.STAFF)
    taken = {"taken_from": holder} if holder is not None else {}
    before = {"extension": former} if former else {}
    await change.note(
        "agent.extension_set",
        ("agent", agent_id),
        before,
        {"channel_id": channel_id, "extension": body.extension} | taken,
    )
    return Page(items=await list_extensions(change.connection, agent_id), next=None)


@routes.add("DELETE", "/agents/{agent_id}/extensions/{channel_id}", "No phone at this PBX any more", scope="admin")
async def delete_extension(change: Change, agent_id: UUID, channel_id: UUID) -> None:
    former = await remove_extension(change.connection, agent_id, channel_id)
    change.wake.add(Topic.STAFF)
    await change.note(
        "agent.extension_removed", ("agent", agent_id), {"channel_id": channel_id, "extension": former}, {}
    )


@routes.add("GET", "/presence", "The caller's own presence", scope="read")
async def presence(ctx: Ctx) -> PresenceItem | None:
    return await get_presence(ctx.store.pool, ctx.actor.person)


class Presence(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    state: Literal["online", "away", "wrap_up", "offline"]
    reason: Text = ""


@routes.add("PUT", "/presence", "Come, go, or give a sign of life", scope="write")
async def put_presence(ctx: Ctx, change: Change, body: Presence) -> PresenceItem | None:
    agent_id = ctx.actor.person
    change.last_event = await set_presence(change.connection, agent_id, body.state, body.reason, datetime.now(UTC))
    if change.last_event:
        change.wake.add(Topic.QUEUE)
    return await get_presence(change.connection, agent_id)


@routes.add("PUT", "/agents/{agent_id}/presence", "What a colleague does now: for supervisors", scope="write")
async def put_presence_of(ctx: Ctx, change: Change, agent_id: UUID, body: Presence) -> PresenceItem | None:
    """For whoever forgot to go, or sits there as away. His own page hears of it, and he may change it again. It is no sign of
    life: who is not there gets nothing.
    """
    ctx.actor.must_supervise()
    await get_agent(change.connection, agent_id)
    former = await get_presence(change.connection, agent_id)
    after = {"state": body.state, "reason": body.reason}
    before = {"state": former.state, "reason": former.reason} if former is not None else {}
    if before != after:
        await change.note("agent.presence", ("agent", agent_id), before, after)
    seen_at = former.seen_at if former is not None else datetime.now(UTC) - NEVER_HERE
    change.last_event = await set_presence(change.connection, agent_id, body.state, body.reason, seen_at)
    if change.last_event:
        change.wake.add(Topic.QUEUE)
    return await get_presence(change.connection, agent_id)


@routes.add("GET", "/tokens", "API tokens, without their secret", scope="admin")
async def tokens(ctx: Ctx, query: Walk) -> Page[TokenItem]:
    return cut(await list_tokens(ctx.store.pool), query)


class NewToken(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Bound to an agent it sees what he sees."""

    name: Name
    scopes: Annotated[
        list[Literal["all", "read", "write", "journal", "admin"]], msgspec.Meta(min_length=1, max_length=5)
    ]
    agent_id: UUID | None = None
    expires_at: Aware | None = None


class Token(msgspec.Struct):
    """To be seen this once."""

    token: str


@routes.add("POST", "/tokens", "A new API token", scope="admin", status=201)
async def new_token(change: Change, body: NewToken) -> Token:
    token = await create_token(change.connection, body.name, body.scopes, body.agent_id, body.expires_at)
    await change.note("token.created", ("token", body.name), {}, {"scopes": body.scopes, "agent_id": body.agent_id})
    return Token(token)


@routes.add("DELETE", "/tokens/{token_id}", "Revoke a token", scope="admin")
async def delete_token(change: Change, token_id: UUID) -> None:
    await revoke_token(change.connection, token_id)
    change.wake.add(Topic.STAFF)
    await change.note("token.revoked", ("token", token_id), {}, {"revoked": True})
