"""The caller himself: profile, password, sessions; an administrator's link for a new password."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from inbox.api.contacts import given
from inbox.api.lists import Page, Walk, cut
from inbox.api.passes import LASTS_S, give_pass
from inbox.api.routes import Change, Ctx, Routes
from inbox.api.second_factor import check_password
from storage.bus import Topic
from storage.db import Connection
from storage.second_factor import standing_of
from storage.staff import AgentItem, change_agent, get_agent, set_password
from storage.tokens import SessionItem, list_sessions, revoke_session, revoke_sessions
from storage.workspace import merge_setting, read_setting

routes = Routes("me")
Theme = Literal["system", "light", "dark"]


class SecondFactorState(msgspec.Struct, kw_only=True):
    """`required`: by the role; `recovery_left`: codes not used yet."""

    enabled: bool
    required: bool
    recovery_left: int


class Notices(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the page tells while nobody looks at it: messages in one's conversations, conversations offered, notes that name
    one, tasks whose time to remind has come; and with which sound.
    """

    messages: bool = True
    transfers: bool = True
    mentions: bool = True
    tasks: bool = True
    sound: Literal["none", "soft", "bell"] = "none"


class Profile(msgspec.Struct, kw_only=True):
    """What the caller sees of himself and may change."""

    agent: AgentItem
    theme: Theme
    notices: Notices
    second_factor: SecondFactorState


class ProfilePatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays. A new `password` needs the old one, and ends the other sessions."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | msgspec.UnsetType = msgspec.UNSET
    language: Literal["ru", "en"] | msgspec.UnsetType = msgspec.UNSET
    theme: Theme | msgspec.UnsetType = msgspec.UNSET
    notices: Notices | msgspec.UnsetType = msgspec.UNSET
    password: Annotated[str, msgspec.Meta(min_length=8, max_length=1000)] | msgspec.UnsetType = msgspec.UNSET
    old_password: Annotated[str, msgspec.Meta(max_length=1000)] = ""


@routes.add("GET", "/me", "The caller's own profile", scope="read")
async def profile(ctx: Ctx) -> Profile:
    async with ctx.store.pool.acquire() as connection:
        return await _profile(connection, ctx.actor.person)


async def _profile(connection: Connection, agent_id: UUID) -> Profile:
    kept = await read_setting(connection, _key(agent_id)) or {}
    theme: Theme = next((theme for theme in ("light", "dark") if theme == kept.get("theme")), "system")
    standing = await standing_of(connection, agent_id)
    state = SecondFactorState(
        enabled=standing.enabled, required=standing.required, recovery_left=standing.recovery_left
    )
    return Profile(
        agent=await get_agent(connection, agent_id),
        theme=theme,
        notices=_notices(kept.get("notices")),
        second_factor=state,
    )


def _notices(kept: object) -> Notices:
    """What was never written, or by a version that knew more, is as for somebody new."""
    try:
        return msgspec.convert(kept or {}, Notices)
    except msgspec.ValidationError:
        return Notices()


def _key(agent_id: UUID) -> str:
    return f"profile:{agent_id}"


@routes.add("PATCH", "/me", "Change one's own name, language, theme, notices or password", scope="write")
async def patch_profile(ctx: Ctx, body: ProfilePatch) -> Profile:
    agent_id = ctx.actor.person
    changes = given(body)
    changes.pop("old_password", None)
    password = changes.pop("password", "")
    own: dict[str, Any] = {
        name: msgspec.to_builtins(changes.pop(name)) for name in ("theme", "notices") if name in changes
    }
    if password:
        await check_password(ctx, body.old_password)
    async with ctx.change() as change:
        connection = change.connection
        if changes:
            await change_agent(connection, agent_id, changes)
        if own:
            await merge_setting(connection, _key(agent_id), own)
        if password:
            keep = ctx.actor.credential if ctx.actor.kind == "session" else None
            await set_password(connection, agent_id, password, keep=keep)
        told = changes | ({"password": "changed"} if password else {})
        await change.note("agent.changed", ("agent", agent_id), {}, told)
        change.wake.add(Topic.STAFF)
        return await _profile(connection, agent_id)


# ---------------------------------------------------------------- sessions


class SessionQuery(Walk, kw_only=True):
    """`agent`: for administrators; absent: the caller."""

    agent: UUID | None = None


class AgentQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    agent: UUID | None = None


class Ended(msgspec.Struct):
    """How many sessions were ended."""

    ended: int


def _whose(ctx: Ctx, agent: UUID | None) -> UUID:
    """Raises Forbidden for those of others."""
    if agent is not None and agent != ctx.actor.agent_id:
        ctx.actor.must("admin")
        return agent
    return ctx.actor.person


@routes.add("GET", "/sessions", "Browsers one is signed in with", scope="read")
async def sessions(ctx: Ctx, query: SessionQuery) -> Page[SessionItem]:
    return cut(await list_sessions(ctx.store.pool, _whose(ctx, query.agent), ctx.actor.credential), query)


@routes.add("DELETE", "/sessions/{session_id}", "Sign that browser out", scope="write")
async def delete_session(ctx: Ctx, change: Change, session_id: UUID) -> None:
    every = "admin" in ctx.actor.scopes
    whose = await revoke_session(change.connection, session_id, None if every else ctx.actor.person)
    change.wake.add(Topic.STAFF)
    await change.note("session.ended", ("agent", whose), {}, {"session_id": session_id})


@routes.add("DELETE", "/sessions", "Sign out everywhere but here; of another agent: everywhere", scope="write")
async def delete_sessions(ctx: Ctx, change: Change, query: AgentQuery) -> Ended:
    whose = _whose(ctx, query.agent)
    ended = await revoke_sessions(change.connection, whose, keep=ctx.actor.credential)
    change.wake.add(Topic.STAFF)
    await change.note("session.ended", ("agent", whose), {}, {"sessions": ended} if ended else {})
    return Ended(ended)


# ---------------------------------------------------------------- a new password


class PasswordLink(msgspec.Struct, kw_only=True):
    """To be given to the agent, and seen this once. What is behind the # never reaches a server's log."""

    url: str
    expires_at: datetime


@routes.add(
    "POST", "/agents/{agent_id}/password-link", "A link to choose a password by, for a day", scope="admin", status=201
)
async def password_link(ctx: Ctx, agent_id: UUID) -> PasswordLink:
    """Works once, and only while his password is the one of now. Opens its own transaction: the answer is a secret."""
    text = await give_pass(ctx.store, "password", agent_id)
    async with ctx.change() as change:
        await change.note("agent.password_link", ("agent", agent_id), {}, {"lasts_s": LASTS_S["password"]})
    url = f"{ctx.store.settings.base_url}/password#{text}"
    return PasswordLink(url=url, expires_at=datetime.now(UTC) + timedelta(seconds=LASTS_S["password"]))
