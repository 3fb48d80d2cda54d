"""The methods of the simulated Bot API: fields in, `result` out. Source: core.telegram.org/bots/api#available-methods."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from simulator.telegram_state import Bot, Refusal

if TYPE_CHECKING:
    from simulator.telegram import TelegramSimulator

Fields = dict[str, Any]
Files = dict[str, bytes]
Handler = Callable[["TelegramSimulator", Bot, str, Fields, Files], Awaitable[Any]]


async def send(sim: TelegramSimulator, bot: Bot, method: str, fields: Fields, files: Files) -> Any:
    return sim.record(bot, method, fields, files)


async def _send_album(sim: TelegramSimulator, bot: Bot, method: str, fields: Fields, files: Files) -> Any:
    media = fields.get("media") or []
    if not 2 <= len(media) <= 10:
        raise Refusal(400, "Bad Request: wrong number of items in the album")
    base = {key: value for key, value in fields.items() if key != "media"}
    contents = list(files.items())
    found = []
    for n, one in enumerate(media):
        part = dict([contents[n]]) if n < len(contents) else {}
        found.append(sim.record(bot, method, base | {"caption": one.get("caption", ""), "type": one["type"]}, part))
    return found


async def _chat_action(sim: TelegramSimulator, _bot: Bot, _method: str, fields: Fields, _files: Files) -> Any:
    sim.actions.append((int(fields["chat_id"]), str(fields["action"])))
    return True


async def _get_me(_sim: TelegramSimulator, bot: Bot, _method: str, _fields: Fields, _files: Files) -> Any:
    return bot.user() | {"can_join_groups": True, "can_read_all_group_messages": False}


async def _set_webhook(sim: TelegramSimulator, bot: Bot, _method: str, fields: Fields, _files: Files) -> Any:
    if not fields.get("url"):
        return await _delete_webhook(sim, bot, _method, fields, _files)
    bot.webhook = fields
    bot.slots = asyncio.Semaphore(int(fields.get("max_connections") or 40))
    queued = {update["update_id"] for update in sim.lines[bot.token].waiting}
    for update in list(bot.updates.values()):
        if update["update_id"] not in queued:
            sim.enqueue(bot, _chat_of(update), update)
    bot.wake()
    return True


async def _delete_webhook(sim: TelegramSimulator, bot: Bot, _method: str, fields: Fields, _files: Files) -> Any:
    bot.webhook = {}
    await sim.lines[bot.token].clear()
    if str(fields.get("drop_pending_updates")).lower() == "true":
        bot.updates.clear()
    return True


async def _webhook_info(_sim: TelegramSimulator, bot: Bot, _method: str, _fields: Fields, _files: Files) -> Any:
    info: Fields = {"url": bot.webhook.get("url", ""), "pending_update_count": len(bot.updates)}
    info["has_custom_certificate"] = False
    return info | ({"last_error_message": bot.last_error} if bot.last_error else {})


async def _get_updates(sim: TelegramSimulator, bot: Bot, _method: str, fields: Fields, _files: Files) -> Any:
    if bot.webhook:
        raise Refusal(
            409,
            "Conflict: can't use getUpdates method while webhook is active; "
            "use deleteWebhook to delete the webhook first",
        )
    bot.polls += 1
    mine = bot.polls
    bot.wake()  # ends an older poll
    offset = int(fields.get("offset") or 0)
    for update_id in [one for one in bot.updates if one < offset]:
        del bot.updates[update_id]
    sim.note()
    deadline = asyncio.get_running_loop().time() + min(float(fields.get("timeout") or 0), 50.0)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(deadline):
            while not bot.updates and not sim.stopping:
                await bot.changed.wait()
                if bot.polls != mine:
                    raise Refusal(
                        409,
                        "Conflict: terminated by other getUpdates request; "
                        "make sure that only one bot instance is running",
                    )
    return list(bot.updates.values())[: int(fields.get("limit") or 100)]


async def _answer_callback(sim: TelegramSimulator, _bot: Bot, _method: str, fields: Fields, _files: Files) -> Any:
    sim.answered.append(str(fields["callback_query_id"]))
    return True


async def _edit(sim: TelegramSimulator, bot: Bot, _method: str, fields: Fields, _files: Files) -> Any:
    chat_id, message_id = int(fields["chat_id"]), int(fields["message_id"])
    before = [
        one.text for one in sim.sent if (one.token, one.chat_id, one.message_id) == (bot.token, chat_id, message_id)
    ]
    before += [text for chat, message, text in sim.edited if (chat, message) == (chat_id, message_id)]
    if not before:
        raise Refusal(400, "Bad Request: message to edit not found")
    if before[-1] == fields.get("text"):
        raise Refusal(400, "Bad Request: message is not modified")
    sim.edited.append((chat_id, message_id, str(fields.get("text"))))
    return {"message_id": message_id, "chat": {"id": chat_id, "type": "private"}, "date": int(time.time())}


async def _delete(sim: TelegramSimulator, _bot: Bot, _method: str, fields: Fields, _files: Files) -> Any:
    key = (int(fields["chat_id"]), int(fields["message_id"]))
    if key in sim.deleted or not any((one.chat_id, one.message_id) == key for one in sim.sent):
        raise Refusal(400, "Bad Request: message to delete not found")
    sim.deleted.append(key)
    return True


async def _get_file(sim: TelegramSimulator, _bot: Bot, _method: str, fields: Fields, _files: Files) -> Any:
    file_id = str(fields.get("file_id"))
    content = sim.file(file_id)
    if content is None:
        raise Refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
    if len(content) > 20 << 20:
        raise Refusal(400, "Bad Request: file is too big")
    return {"file_id": file_id, "file_unique_id": file_id, "file_size": len(content), "file_path": f"files/{file_id}"}


METHODS: dict[str, Handler] = {
    "getMe": _get_me,
    "setWebhook": _set_webhook,
    "deleteWebhook": _delete_webhook,
    "getWebhookInfo": _webhook_info,
    "getUpdates": _get_updates,
    "sendMediaGroup": _send_album,
    "sendChatAction": _chat_action,
    "answerCallbackQuery": _answer_callback,
    "editMessageText": _edit,
    "deleteMessage": _delete,
    "getFile": _get_file,
}


def _chat_of(update: dict[str, Any]) -> int:
    """The chat whose order an update belongs to."""
    for value in update.values():
        if isinstance(value, dict):
            found = value.get("chat") or (value.get("message") or {}).get("chat") or value.get("from") or {}
            return int(found.get("id", 0))
    return 0
