"""Polling, files and set-up of a Telegram channel."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from config.errors import BadChannel, HubError, RateLimited, Rejected, RetryLater, TooBig, Unavailable
from connectors.base import Fetched, Io, Media, Payload, Sink
from connectors.items import Attachment
from connectors.messengers.telegram_api import Bot, Request, bot_of
from connectors.messengers.telegram_tables import ALLOWED_UPDATES, TelegramSettings

T = TypeVar("T")

SECRET_FORM = re.compile(r"[A-Za-z0-9_-]{1,256}")

BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# After a week without updates Telegram counts from a new random id: an old offset might skip all that follows.
STALE_S = 6 * 86400


class FilePath(msgspec.Struct, gc=False):
    file_path: str = ""
    file_size: int = 0


class Me(msgspec.Struct, gc=False):
    id: int
    username: str = ""


class WebhookInfo(msgspec.Struct, gc=False):
    url: str = ""
    pending_update_count: int = 0
    last_error_message: str = ""


class UpdateId(msgspec.Struct, gc=False):
    update_id: int


# ---------------------------------------------------------------- files


async def fetch_media(attachment: Attachment, settings: TelegramSettings, io: Io) -> Media:
    """The file behind a `file_id`. Raises a SendError or TooBig; so does iterating the chunks. Name and type: the payload's."""
    bot = bot_of(settings, io)
    found = _read(FilePath, await bot.ask(Request("getFile", {"file_id": attachment.id})))
    limit = settings.max_download_mb << 20
    if found.file_size > limit:
        raise TooBig(f"The file is larger than {settings.max_download_mb} MB.")
    if not found.file_path or found.file_path.startswith("/"):
        raise Rejected("The Bot API server gives no address for this file (it may run with --local).")
    return Media(_chunks(bot, found.file_path, limit, io.timeout_s))


async def _chunks(bot: Bot, path: str, limit: int, timeout_s: float) -> AsyncIterator[bytes]:
    size = 0
    stream = bot.stream(quote(path), max(1.0, timeout_s))
    try:
        async for chunk in stream:
            size += len(chunk)
            if size > limit:
                raise TooBig("The file is larger than Telegram said.")
            yield chunk
    finally:
        await stream.aclose()


# ---------------------------------------------------------------- set-up


async def check(settings: TelegramSettings, io: Io) -> str:
    """Who the bot is and how updates come. Raises BadChannel (token), RetryLater (network)."""
    bot = bot_of(settings, io)
    me = _read(Me, await bot.ask(Request("getMe")))
    hook = _read(WebhookInfo, await bot.ask(Request("getWebhookInfo")))
    # The address holds the channel's own token: the host is all that may be shown.
    way = f"webhook at {urlsplit(hook.url).hostname}" if hook.url else "no webhook"
    line = f"@{me.username} (id {me.id}), {way}, {hook.pending_update_count} updates waiting"
    if hook.last_error_message:
        line += f", last error: {hook.last_error_message[:200]}"
    if bool(hook.url) == (settings.mode == "polling"):
        line += f"; this does not fit mode={settings.mode}: attach the channel again"
    return line


async def attach(settings: TelegramSettings, io: Io, hook_url: str) -> None:
    """Tells Telegram where to call; for polling, to stop calling. Updates that wait are kept. Raises BadChannel."""
    bot = bot_of(settings, io)
    if settings.mode == "polling":
        await bot.ask(Request("deleteWebhook", {"drop_pending_updates": False}))
        return
    secret = settings.secret.get_secret_value()
    if not SECRET_FORM.fullmatch(secret):
        raise BadChannel("A webhook needs the setting `secret`: 1 to 256 characters A-Z a-z 0-9 _ -.")
    fields = {
        "url": hook_url,
        "secret_token": secret,
        "max_connections": settings.max_connections,
        "allowed_updates": list(ALLOWED_UPDATES),
    }
    await bot.ask(Request("setWebhook", fields))


# ---------------------------------------------------------------- polling


async def listen(settings: TelegramSettings, io: Io, sink: Sink) -> None:
    """Long polling until cancelled. The next poll confirms to Telegram what `sink.keep` has committed, nothing else.

    Raises BadChannel when the token is refused. Two receivers (409) are noted and waited out: one may be a restart.
    """
    bot = bot_of(settings, io)
    failures = 0
    while True:
        try:
            await _poll(bot, settings, sink)
        except (RetryLater, BadChannel, Rejected, Unavailable) as error:
            if isinstance(error, BadChannel) and error.provider_code != "409":
                raise
            failures += 1
            if failures > 1 or "webhook is active" in getattr(error, "provider_text", ""):
                sink.note(str(error))
            await asyncio.sleep(_pause(error, failures))
        else:
            if failures:
                sink.note("")
            failures = 0


async def _poll(bot: Bot, settings: TelegramSettings, sink: Sink) -> None:
    wanted = {"offset": _offset(sink), "limit": 100, "timeout": settings.poll_s}
    poll = Request("getUpdates", wanted | {"allowed_updates": list(ALLOWED_UPDATES)})
    raw = await bot.ask(poll, settings.poll_s + bot.timeout_s)
    updates = _read(list[msgspec.Raw], raw)
    if not updates:
        return
    last = _read(UpdateId, updates[-1]).update_id
    fetched = [Fetched(Payload(body=bytes(update), headers={"content-type": "application/json"})) for update in updates]
    await sink.keep(fetched, {"offset": last + 1, "at": int(time.time())})


def _offset(sink: Sink) -> int | None:
    """Where to go on; None asks for the oldest update not yet confirmed."""
    offset, at = sink.mark.get("offset"), sink.mark.get("at", 0)
    fresh = isinstance(offset, int) and isinstance(at, int | float) and (not at or time.time() - at < STALE_S)
    return offset if fresh else None


def _pause(error: HubError, failures: int) -> float:
    """Telegram's wish for a rate limit; else ever longer, up to half a minute, never in step with another receiver."""
    if isinstance(error, RateLimited) and error.after_s:
        return error.after_s
    return BACKOFF_S[min(failures, len(BACKOFF_S)) - 1] * random.uniform(0.75, 1.25)


def _read(type_: type[T], raw: msgspec.Raw) -> T:
    """A result of the API. Raises RetryLater if it is not what was asked for."""
    try:
        return msgspec.json.decode(raw, type=type_)
    except msgspec.MsgspecError:
        problem = RetryLater("Telegram's answer can't be read.")
    raise problem
