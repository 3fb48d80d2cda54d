"""Channels: connecting a provider, its settings and health, testing, what was refused."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from aiohttp import ClientSession

from config.errors import BadSettings
from inbox.api.contacts import given
from inbox.api.deps import HTTP
from inbox.api.journal import MASK, to_view
from inbox.api.lists import Page, Walk, cut
from inbox.api.routes import Change, Ctx, Routes
from router.channel_desk import (
    ConnectorItem,
    Verdict,
    attach_channel,
    check_channel,
    list_connectors,
    visible_settings,
    wanted_changes,
)
from router.channels import add_channel, change_settings, new_hook_token, read_channel
from router.lookup import registry
from storage.bus import Topic
from storage.channels_view import (
    ChannelItem,
    Refusal,
    archive_channel,
    change_channel,
    check_queue,
    get_channel,
    list_channels,
    list_refusals,
    restore_channel,
)
from storage.journal_view import EntryItem

routes = Routes("channels")
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Values = Annotated[dict[Annotated[str, msgspec.Meta(max_length=100)], Any], msgspec.Meta(max_length=100)]


@routes.add("GET", "/connectors", "Providers that can be connected, and what each asks for", scope="read")
async def connectors(query: Walk) -> Page[ConnectorItem]:
    return cut(await list_connectors(), query)


class ChannelQuery(Walk, kw_only=True):
    """`archived`: those put away, instead of the others."""

    archived: bool = False


@routes.add("GET", "/channels", "Channels and how they are doing", scope="read")
async def channels(ctx: Ctx, query: ChannelQuery) -> Page[ChannelItem]:
    """The address of a hook lets anybody post to it: administrators alone see it."""
    return cut(await list_channels(ctx.store.pool, _hooks(ctx), archived=query.archived), query)


def _hooks(ctx: Ctx) -> str | None:
    return f"{ctx.store.settings.base_url}/hooks/" if "admin" in ctx.actor.scopes else None


class ChannelView(msgspec.Struct, omit_defaults=True, kw_only=True):
    """`settings`: secrets that are set are shown as a mask, and stay when it is sent back; null: they can't be read, and
    `unreadable` says why.
    """

    channel: ChannelItem
    settings: dict[str, Any] | None
    unreadable: str = ""


@routes.add("GET", "/channels/{channel_id}", "One channel with its settings, secrets masked", scope="admin")
async def channel(ctx: Ctx, channel_id: UUID) -> ChannelView:
    return await _view(ctx, await get_channel(ctx.store.pool, channel_id, _hooks(ctx)))


async def _view(ctx: Ctx, item: ChannelItem) -> ChannelView:
    try:
        found = await read_channel(ctx.store.pool, ctx.store.vault, item.id)
    except BadSettings as error:
        return ChannelView(channel=item, settings=None, unreadable=str(error))
    return ChannelView(channel=item, settings=visible_settings(found.settings))


class NewChannel(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`settings`: as the connector's schema says."""

    connector: Annotated[str, msgspec.Meta(max_length=60)]
    name: Name
    settings: Values = {}
    queue_id: UUID | None = None


@routes.add("POST", "/channels", "Connect a provider", scope="admin", status=201)
async def new_channel(ctx: Ctx, change: Change, body: NewChannel) -> ChannelItem:
    """The channel is active at once; test it, then attach it where the provider is told from here."""
    await check_queue(change.connection, body.queue_id)
    values = wanted_changes(registry.get(body.connector), body.settings)
    channel_id, _ = await add_channel(
        change.connection,
        ctx.store.vault,
        connector=body.connector,
        name=body.name,
        values=values,
        queue_id=body.queue_id,
    )
    change.wake.add(Topic.CHANNELS)
    told = {"connector": body.connector, "name": body.name, "settings": sorted(values)}
    await change.note("channel.created", ("channel", channel_id), {}, told)
    return await get_channel(change.connection, channel_id, _hooks(ctx))


class ChannelPatch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is absent stays, single settings too. New settings wake a broken channel; `state` brings back an archived one,
    with a new hook address.
    """

    name: Name | msgspec.UnsetType = msgspec.UNSET
    queue_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    state: Literal["active", "paused"] | msgspec.UnsetType = msgspec.UNSET
    settings: Values | msgspec.UnsetType = msgspec.UNSET


@routes.add("PATCH", "/channels/{channel_id}", "Change a channel", scope="admin")
async def patch_channel(ctx: Ctx, change: Change, channel_id: UUID, body: ChannelPatch) -> ChannelItem:
    connection = change.connection
    before = await get_channel(connection, channel_id, None)
    changes = given(body)
    settings = changes.pop("settings", {})
    values = wanted_changes(registry.get(before.connector), settings) if settings else {}
    if values:
        await change_settings(connection, ctx.store.vault, channel_id, values)
    former = await change_channel(connection, channel_id, changes)
    restored = "state" in changes and await restore_channel(connection, channel_id)
    told: dict[str, Any] = {name: changes[name] for name in former}
    told |= {"settings": sorted(values)} if values else {}
    told |= {"archived": False} if restored else {}
    change.wake.add(Topic.CHANNELS)
    await change.note("channel.changed", ("channel", channel_id), former, told)
    return await get_channel(connection, channel_id, _hooks(ctx))


@routes.add("DELETE", "/channels/{channel_id}", "Put a channel away; its history stays", scope="admin")
async def delete_channel(change: Change, channel_id: UUID) -> None:
    """It receives and sends nothing any more, and its hook's address is dead. PATCH `state` brings it back."""
    await archive_channel(change.connection, channel_id, new_hook_token())
    change.wake.add(Topic.CHANNELS)
    await change.note("channel.archived", ("channel", channel_id), {}, {"archived": True})


def _http(ctx: Ctx) -> ClientSession:
    return ctx.request.app[HTTP]


@routes.add("POST", "/channels/{channel_id}/test", "Ask the provider whether the settings are right", scope="admin")
async def try_channel(ctx: Ctx, channel_id: UUID) -> Verdict:
    found = await read_channel(ctx.store.pool, ctx.store.vault, channel_id)
    return await check_channel(found, _http(ctx), ctx.store.settings.base_url)


@routes.add("POST", "/channels/{channel_id}/attach", "Tell the provider where to call", scope="admin")
async def attach(ctx: Ctx, channel_id: UUID) -> Verdict:
    found = await read_channel(ctx.store.pool, ctx.store.vault, channel_id)
    verdict = await attach_channel(found, _http(ctx), ctx.store.settings.base_url)
    async with ctx.change() as change:
        await change.note("channel.attached", ("channel", channel_id), {}, {"ok": verdict.ok})
    return verdict


class RefusalView(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A request that was not taken, secrets masked. At most 4 KB of its body: `json`, else `text`, else `base64`."""

    at: datetime
    status: int
    reason: str
    request: dict[str, Any]
    json: Any = None
    text: str | None = None
    base64: str | None = None


@routes.add(
    "GET", "/channels/{channel_id}/refusals", "The last requests that were refused, newest first", scope="admin"
)
async def refusals(ctx: Ctx, query: Walk, channel_id: UUID) -> Page[RefusalView]:
    """A rotated secret looks just like an attack: here one sees which it is."""
    item = await get_channel(ctx.store.pool, channel_id, None)
    found = await list_refusals(ctx.store.pool, channel_id)
    return cut([_refusal(item, refusal) for refusal in found], query)


def _refusal(channel: ChannelItem, refusal: Refusal) -> RefusalView:
    entry = EntryItem(
        id=0, channel_id=channel.id, received_at=refusal.at, state="refused", lane=0, klass=0, size=len(refusal.body)
    )
    row = {"connector": channel.connector, "request": refusal.request, "token": ""}
    view = to_view(entry, row, refusal.body)
    text = view.text if view.text is None else _mask_text(channel.connector, view.text)
    return RefusalView(
        at=refusal.at,
        status=refusal.status,
        reason=refusal.reason,
        request=view.request,
        json=view.json,
        text=text,
        base64=view.base64,
    )


def _mask_text(connector: str, text: str) -> str:
    """JSON that was cut, or broken, is no JSON to mask: what follows a secret's name is."""
    try:
        names = sorted(registry.get(connector).mask)
    except BadSettings:
        return text
    if not names:
        return text
    pattern = rf'("(?:{"|".join(map(re.escape, names))})"\s*:\s*)(?:"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[^\s,}}\]]+)'
    return re.sub(pattern, lambda found: f'{found[1]}"{MASK}"', text, flags=re.IGNORECASE)
