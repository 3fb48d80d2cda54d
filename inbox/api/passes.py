"""Passes from one step of signing in to the next: encrypted, short-lived, void once the password is another. Nothing of
them is kept, so any process can read what another gave.
"""

from __future__ import annotations

import secrets
import time
from typing import Literal
from uuid import UUID

import msgspec

from config.errors import Unauthorized
from storage.idempotency import use_once
from storage.store import Store
from storage.tokens import password_mark
from storage.vault import Undecipherable

Purpose = Literal["second_factor", "enrol", "password"]
LASTS_S: dict[Purpose, int] = {"second_factor": 300, "enrol": 900, "password": 24 * 3600}


class Pass(msgspec.Struct, frozen=True):
    """`mark`: of the password in force when it was given; `until`: unix seconds."""

    purpose: Purpose
    agent_id: UUID
    mark: str
    nonce: str
    until: float


async def give_pass(store: Store, purpose: Purpose, agent_id: UUID) -> str:
    """Raises NotFound for an unknown agent, Conflict for one who is no longer active."""
    found = Pass(
        purpose,
        agent_id,
        await password_mark(store.pool, agent_id),
        secrets.token_urlsafe(18),
        time.time() + LASTS_S[purpose],
    )
    return store.vault.encrypt(msgspec.to_builtins(found))


async def read_pass(store: Store, text: str, purpose: Purpose) -> Pass:
    """May be read again until it is used. Raises Unauthorized."""
    try:
        found = msgspec.convert(store.vault.decrypt(text), Pass)
    except (Undecipherable, msgspec.ValidationError):
        raise Unauthorized("this is no ticket of ours: sign in again", reason="link_over") from None
    over = found.until < time.time() or found.purpose != purpose
    if over or found.mark != await password_mark(store.pool, found.agent_id, missing=""):
        raise Unauthorized("this ticket is over: sign in again, or ask for a new link", reason="link_over")
    return found


async def use_pass(store: Store, found: Pass) -> None:
    """Once, over all processes. Raises Unauthorized."""
    if not await use_once(store.pool, "pass", found.nonce):
        raise Unauthorized("this ticket was used", reason="link_over")
