"""What only a demo workspace has: whether this is one, and the buttons of the visitor's own telephone."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec

from config.errors import NotFound
from inbox.api.routes import Change, Ctx, Routes
from storage.calls import get_call
from storage.store import Store
from storage.workspace import read_setting, write_setting

routes = Routes("demo")
KEY = "demo"
PHONE = "demo_phone"
"""With the call's id: the button pressed last, which the simulated PBX reads (commands/demo/phone.py)."""


class DemoState(msgspec.Struct, kw_only=True):
    """`demo`: this is the demo workspace, where a guide goes along and telephones are simulated."""

    demo: bool


@routes.add("GET", "/demo", "Whether this is the demo workspace", scope="read")
async def demo(ctx: Ctx) -> DemoState:
    return DemoState(demo=await _is_demo(ctx.store))


class Pressed(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`call_id`: of a call at the caller's own extension."""

    call_id: UUID
    press: Literal["answer", "hang_up"]


@routes.add("POST", "/demo/phone", "Press a button of the simulated telephone", scope="write")
async def press(ctx: Ctx, change: Change, body: Pressed) -> DemoState:
    """Raises NotFound outside the demo, for a call that is not seen, and for one at another's phone."""
    if not await _is_demo(ctx.store):
        raise NotFound("this is no demo: telephones here are real")
    call = await get_call(change.connection, ctx.viewer, body.call_id)
    if ctx.actor.agent_id not in {call.agent_id, *call.ringing}:
        raise NotFound("no such call at this telephone")
    value: dict[str, Any] = {"press": body.press}
    await write_setting(change.connection, f"{PHONE}:{call.id}", value)
    return DemoState(demo=True)


async def _is_demo(store: Store) -> bool:
    return store.settings.demo and await read_setting(store.pool, KEY) is not None
