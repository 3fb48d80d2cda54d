"""The second factor of the caller: set up, confirm, turn off, recovery codes; an administrator's reset.

Answers here carry secrets. So these handlers open their transactions themselves: what a handler with `change` answers may
be kept for a repetition (Idempotency-Key).
"""

from __future__ import annotations

import time
from typing import Annotated
from uuid import UUID

import msgspec

from config.errors import BadRequest, Conflict, Forbidden, Unauthorized
from inbox.api.auth import THROTTLE, Throttle
from inbox.api.routes import Change, Ctx, Routes
from inbox.qr import to_svg
from inbox.totp import fitting_step, new_recovery_codes, new_secret, otpauth_uri, plain_code, recovery_digest
from storage.audit import note_change
from storage.bus import Topic
from storage.second_factor import (
    Factor,
    begin_factor,
    confirm_factor,
    get_factor,
    remove_factor,
    set_recovery,
    standing_of,
    use_recovery,
    use_step,
)
from storage.staff import get_agent, password_fits, password_of
from storage.store import Store
from storage.tokens import revoke_sessions
from storage.vault import Undecipherable
from storage.workspace import workspace_name

routes = Routes("second factor")
Password = Annotated[str, msgspec.Meta(max_length=1000)]


class Enrolment(msgspec.Struct, kw_only=True):
    """For the authenticator app: `svg` is a QR code of `uri`; `secret` for typing it."""

    secret: str
    uri: str
    svg: str


class RecoveryCodes(msgspec.Struct):
    """To be seen this once. Each opens one session in place of the app."""

    recovery: list[str]


class PasswordOnly(msgspec.Struct, forbid_unknown_fields=True):
    """The caller's own password: an open browser is not enough here."""

    password: Password


class CodeOnly(msgspec.Struct, forbid_unknown_fields=True):
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


async def start_enrolment(store: Store, agent_id: UUID) -> Enrolment:
    """A new secret, not in force before its first code. Raises Conflict when one is in force."""
    secret = new_secret()
    async with store.pool.acquire() as connection, connection.transaction():
        await begin_factor(connection, agent_id, store.vault.encrypt(secret))
        agent = await get_agent(connection, agent_id)
        uri = otpauth_uri(secret, agent.login[:60], (await workspace_name(connection))[:40])
    return Enrolment(secret=secret, uri=uri, svg=to_svg(uri) if len(uri) <= 331 else "")


async def confirm_enrolment(store: Store, throttle: Throttle, agent_id: UUID, code: str) -> RecoveryCodes:
    """In force from now on. Raises Unauthorized for a wrong code, Conflict, TooManyTries."""
    key = f"second factor {agent_id}"
    throttle.check(key)
    factor = await get_factor(store.pool, agent_id)
    if factor is None:
        raise Conflict("nothing to confirm: set up the second factor first", reason="factor_missing")
    step = fitting_step(_secret_of(store, factor), plain_code(code), time.time())
    if step is None:
        throttle.failed(key)
        raise Unauthorized("the code is wrong or too old: is the phone's clock right?", reason="code_wrong")
    codes = new_recovery_codes()
    async with store.pool.acquire() as connection, connection.transaction():
        await confirm_factor(connection, agent_id, step, [recovery_digest(code) for code in codes])
        await note_change(
            connection,
            f"agent:{agent_id}",
            "second_factor.confirmed",
            ("agent", agent_id),
            before={},
            after={"second_factor": "on"},
        )
    throttle.forget(key)
    return RecoveryCodes(codes)


async def spend_code(store: Store, throttle: Throttle, agent_id: UUID, code: str, *, address: str) -> None:
    """A code of the app or a recovery code, each once. Raises Unauthorized, TooManyTries."""
    keys = (f"second factor {agent_id}", f"address {address}")
    throttle.check(*keys)
    if not await _is_spent(store, agent_id, code):
        throttle.failed(*keys)
        raise Unauthorized("the code is wrong, too old, or was used before", reason="code_wrong")
    throttle.forget(keys[0])


async def _is_spent(store: Store, agent_id: UUID, code: str) -> bool:
    factor = await get_factor(store.pool, agent_id)
    if factor is None or factor.confirmed_at is None:
        return False
    step = fitting_step(_secret_of(store, factor), plain_code(code), time.time(), after=factor.step)
    if step is not None:
        return await use_step(store.pool, agent_id, step)
    return await use_recovery(store.pool, agent_id, recovery_digest(code))


def _secret_of(store: Store, factor: Factor) -> str:
    """Raises Conflict when the keys it was written with are gone."""
    try:
        return str(store.vault.decrypt(factor.secret))
    except Undecipherable:
        raise Conflict(
            "the second factor can't be read with the keys there are: an administrator can reset it",
            reason="factor_unreadable",
        ) from None


async def check_password(ctx: Ctx, password: str) -> UUID:
    """Whose it is: the caller's. Raises Forbidden for a wrong one, TooManyTries."""
    agent_id = ctx.actor.person
    throttle, key = ctx.request.app[THROTTLE], f"password of {agent_id}"
    throttle.check(key)
    if not await password_fits(await password_of(ctx.store.pool, agent_id), password):
        throttle.failed(key)
        raise Forbidden("the password is wrong", reason="password_wrong")
    throttle.forget(key)
    return agent_id


@routes.add("POST", "/me/second-factor", "Set up a second factor: address and QR code", scope="write")
async def set_up(ctx: Ctx, body: PasswordOnly) -> Enrolment:
    """In force once `/me/second-factor/confirm` got its first code."""
    return await start_enrolment(ctx.store, await check_password(ctx, body.password))


@routes.add("POST", "/me/second-factor/confirm", "The first code: in force from now on", scope="write")
async def confirm(ctx: Ctx, body: CodeOnly) -> RecoveryCodes:
    try:
        return await confirm_enrolment(ctx.store, ctx.request.app[THROTTLE], ctx.actor.person, body.code)
    except Unauthorized as error:
        raise BadRequest(f"code: {error}", reason="code_wrong") from None


@routes.add("POST", "/me/second-factor/recovery", "New recovery codes; the old ones are void", scope="write")
async def new_recovery(ctx: Ctx, body: PasswordOnly) -> RecoveryCodes:
    agent_id = await check_password(ctx, body.password)
    codes = new_recovery_codes()
    async with ctx.change() as change:
        await set_recovery(change.connection, agent_id, [recovery_digest(code) for code in codes])
        await change.note("second_factor.recovery", ("agent", agent_id), {}, {"recovery": "new codes"})
    return RecoveryCodes(codes)


@routes.add("POST", "/me/second-factor/off", "Turn the second factor off", scope="write")
async def turn_off(ctx: Ctx, body: PasswordOnly) -> None:
    agent_id = await check_password(ctx, body.password)
    if (await standing_of(ctx.store.pool, agent_id)).required:
        raise Conflict(
            "your role asks for a second factor; an administrator can reset it for a new phone",
            reason="factor_required",
        )
    async with ctx.change() as change:
        await remove_factor(change.connection, agent_id)
        await change.note("second_factor.removed", ("agent", agent_id), {"second_factor": "on"}, {})


@routes.add("DELETE", "/agents/{agent_id}/second-factor", "Reset an agent's second factor: a lost phone", scope="admin")
async def reset(change: Change, agent_id: UUID) -> None:
    """Ends his sessions: whoever has the phone may have the browser."""
    await get_agent(change.connection, agent_id)
    await remove_factor(change.connection, agent_id)
    await revoke_sessions(change.connection, agent_id)
    change.wake.add(Topic.STAFF)
    await change.note("second_factor.reset", ("agent", agent_id), {"second_factor": "on"}, {})
