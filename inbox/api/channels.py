"""Channels and their health."""

from __future__ import annotations

from inbox.api.lists import Page, Walk, cut
from inbox.api.routes import Ctx, Routes
from storage.channels_view import ChannelItem, list_channels

routes = Routes("channels")


@routes.add("GET", "/channels", "Channels and how they are doing", scope="read")
async def channels(ctx: Ctx, query: Walk) -> Page[ChannelItem]:
    """The address of a hook lets anybody post to it: administrators alone see it."""
    hooks = f"{ctx.store.settings.base_url}/hooks/" if "admin" in ctx.actor.scopes else None
    return cut(await list_channels(ctx.store.pool, hooks), query)
