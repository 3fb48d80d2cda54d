"""A reply -> requests of the Bot API, in order: text in pieces, files by kind, albums, buttons.

Keys of `OutMessage.meta` understood here:
- `buttons`: rows (or one list) of {text, payload | url | request: "contact" | "location"};
- `parse_mode`: "HTML" or "MarkdownV2"; a text Telegram can't parse goes out as it is;
- `answer_token`: of the pressed button (`meta.button.answer_token`); acknowledged first, alone if there is no text;
- `action`: "edit" or "delete" with `target_id`, or "typing".

A message of several parts whose later part fails has left in part, which neither "not accepted" nor "in doubt" tells
truly, and sending it again would double its first part. So it is `Sent` with the ids that left and
`meta.incomplete` = {sent, of, class, code, reason}: to be shown with the message, never repeated by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import msgspec

from config.errors import Rejected, RetryLater, SendError
from connectors.base import Io, OutFile, OutMessage, Sent
from connectors.messengers.telegram_api import Bot, BufferedFile, Request, Upgraded, bot_of
from connectors.messengers.telegram_tables import (
    ALBUM_SIZE,
    MAX_CAPTION,
    PHOTO_BYTES,
    UPLOAD_BYTES,
    TelegramSettings,
)
from connectors.messengers.telegram_text import split_text, units

PAUSE_S = 5.0  # the longest pause between parts that is waited for here
PAUSES = 2

KINDS: dict[str, str] = {
    "image/jpeg": "photo",
    "image/png": "photo",
    "image/webp": "photo",
    "image/gif": "animation",
    "video/mp4": "video",
    "audio/ogg": "voice",
    "audio/opus": "voice",
    "audio/mpeg": "audio",
    "audio/mp4": "audio",
    "audio/x-m4a": "audio",
}
# What may share an album; the others go alone.
FAMILIES: dict[str, str] = {"photo": "visual", "video": "visual", "document": "document", "audio": "audio"}
METHODS: dict[str, str] = {
    "photo": "sendPhoto",
    "animation": "sendAnimation",
    "video": "sendVideo",
    "voice": "sendVoice",
    "audio": "sendAudio",
    "document": "sendDocument",
}


class Target(NamedTuple):
    chat: int
    topic: int | None
    connection: str

    @property
    def prefix(self) -> str:
        return f"{self.connection}:" if self.connection else ""

    def fields(self) -> dict[str, Any]:
        """Parameters every sending method has."""
        return {
            "chat_id": self.chat,
            "message_thread_id": self.topic,
            "business_connection_id": self.connection or None,
        }


class Ids(msgspec.Struct, gc=False):
    """Of a sent `Message` no more is needed; a simulator or a later API version may leave out the rest."""

    message_id: int = 0


class Loaded(NamedTuple):
    kind: str
    file: BufferedFile


async def send(message: OutMessage, settings: TelegramSettings, io: Io) -> Sent:
    """Ids `<chat>:<message>` in order of sending. Raises a SendError if nothing left; see the module on parts."""
    bot = bot_of(settings, io)
    target = to_target(message)
    answered = await _acknowledge(bot, message)
    if action := message.meta.get("action"):
        return await _act(bot, str(action), message, target)
    parts = _parts(message, target, [await _load(file) for file in message.files])
    if not parts:
        if answered:
            return Sent(())
        raise Rejected("The message is empty.")
    return await _deliver(bot, parts, target)


def to_target(message: OutMessage) -> Target:
    """Chat, topic and business connection out of the thread key, else the address. Raises Rejected."""
    place, _, topic = (message.thread_key or message.to.value).partition("/")
    connection, _, chat = place.rpartition(":")
    try:
        return Target(int(chat), int(topic) if topic else None, connection)
    except ValueError:
        problem = Rejected("This is not a Telegram chat id.", address_is_bad=True)
    raise problem


async def _deliver(bot: Bot, parts: Sequence[Request], target: Target) -> Sent:
    ids: list[str] = []
    meta: dict[str, Any] = {}
    chat = target.chat
    for part in parts:
        moved = part.having(chat_id=chat)
        try:
            result, chat = await _send_part(bot, moved, chat, is_first=not ids)
        except SendError as error:
            if not ids:
                raise
            meta["incomplete"] = {
                "sent": parts.index(part),
                "of": len(parts),
                "class": error.code,
                "code": error.provider_code,
                "reason": str(error),
            }
            break
        ids += [f"{target.prefix}{chat}:{one.message_id}" for one in _ids(result) if one.message_id]
    if chat != target.chat:
        meta["migrated_to"] = str(chat)
    return Sent(tuple(ids), meta)


async def _send_part(bot: Bot, part: Request, chat: int, *, is_first: bool) -> tuple[msgspec.Raw, int]:
    """One part, mended once where Telegram says how; short pauses are waited for only once something has left."""
    pauses = 0 if is_first else PAUSES
    moved = False
    while True:
        try:
            return await bot.call(part), chat
        except Upgraded as upgrade:
            if moved:
                raise
            moved, chat = True, upgrade.chat_id
            part = part.having(chat_id=chat)
        except RetryLater as later:
            if not pauses or (later.after_s or 0) > PAUSE_S:
                raise
            pauses -= 1
            await asyncio.sleep(later.after_s or 1.0)
        except Rejected as refusal:
            part = _mended(part, refusal)


def _mended(part: Request, refusal: Rejected) -> Request:
    """The part without what Telegram stumbled over. Raises `refusal` where that is not what it was."""
    words = refusal.provider_text.lower()
    if "can't parse entities" in words and part.fields.get("parse_mode"):
        return part.having(parse_mode=None)
    if "message to be replied not found" in words and part.fields.get("reply_parameters"):
        return part.having(reply_parameters=None)
    raise refusal


def _ids(result: msgspec.Raw) -> list[Ids]:
    """An album answers with an array. What can't be read has no id, but was sent."""
    try:
        found = msgspec.json.decode(result, type=list[Ids] | Ids)
    except msgspec.MsgspecError:
        return []
    return found if isinstance(found, list) else [found]


# ---------------------------------------------------------------- parts


def _parts(message: OutMessage, target: Target, files: Sequence[Loaded]) -> list[Request]:
    """Requests in order. A short text is the first file's caption; buttons hang on the last part that can carry them."""
    markup = _markup(message.meta)
    groups = _groups(files)
    mode = str(message.meta.get("parse_mode") or "") or None
    text = message.text.strip()
    # An album carries no buttons: then the text goes apart and carries them.
    is_caption = bool(groups) and units(text) <= MAX_CAPTION and not (markup and len(groups[-1]) > 1)
    parts: list[Request] = []
    if text and not is_caption:
        pieces = [text] if mode else split_text(text)
        parts += [Request("sendMessage", {**target.fields(), "text": piece, "parse_mode": mode}) for piece in pieces]
    for n, group in enumerate(groups):
        caption = {"caption": text, "parse_mode": mode} if n == 0 and is_caption and text else {}
        parts.append(_album(group, target, caption) if len(group) > 1 else _single(group[0], target, caption))
    if parts and markup is not None:
        _hang(parts, markup)
    if parts and (reply := _reply(message, target)):
        parts[0] = parts[0].having(reply_parameters=reply)
    return parts


def _hang(parts: list[Request], markup: Mapping[str, Any]) -> None:
    for n in reversed(range(len(parts))):
        if parts[n].method != "sendMediaGroup":
            parts[n] = parts[n].having(reply_markup=markup)
            return
    raise Rejected("Telegram shows no buttons under an album: add a text.")


def _reply(message: OutMessage, target: Target) -> dict[str, Any] | None:
    chat, _, message_id = message.reply_to.rpartition(":")
    if chat != f"{target.prefix}{target.chat}" or not message_id.isdecimal():
        return None
    return {"message_id": int(message_id), "allow_sending_without_reply": True}


async def _load(file: OutFile) -> Loaded:
    if file.size > UPLOAD_BYTES:
        raise Rejected("The file is larger than the 50 MB Telegram takes.")
    kind = KINDS.get(file.type.partition(";")[0].strip().lower(), "document")
    if kind == "photo" and file.size > PHOTO_BYTES:
        kind = "document"
    name = "".join(char for char in file.name if char.isprintable() and char not in '"\\/') or "file"
    return Loaded(kind, BufferedFile(name, await file.read()))


def _groups(files: Sequence[Loaded]) -> list[list[Loaded]]:
    """Neighbours that may share an album, ten at most each; the order stays."""
    found: list[list[Loaded]] = []
    for family, run in groupby(files, key=lambda loaded: FAMILIES.get(loaded.kind, "")):
        members = list(run)
        step = ALBUM_SIZE if family else 1
        found += [members[n : n + step] for n in range(0, len(members), step)]
    return found


def _single(loaded: Loaded, target: Target, caption: Mapping[str, Any]) -> Request:
    fields = {**target.fields(), **caption, loaded.kind: "attach://file0"}
    return Request(METHODS[loaded.kind], fields, {"file0": loaded.file})


def _album(group: Sequence[Loaded], target: Target, caption: Mapping[str, Any]) -> Request:
    media: list[dict[str, Any]] = [
        {"type": loaded.kind, "media": f"attach://file{n}"} for n, loaded in enumerate(group)
    ]
    media[0] |= {key: value for key, value in caption.items() if value is not None}
    files = {f"file{n}": loaded.file for n, loaded in enumerate(group)}
    return Request("sendMediaGroup", {**target.fields(), "media": media}, files)


def _markup(meta: Mapping[str, Any]) -> dict[str, Any] | None:
    """InlineKeyboardMarkup or ReplyKeyboardMarkup."""
    rows = [row if isinstance(row, list) else [row] for row in meta.get("buttons") or ()]
    if not rows:
        return None
    if any("request" in button for row in rows for button in row):
        keys = [[_request_button(button) for button in row] for row in rows]
        return {"keyboard": keys, "one_time_keyboard": True, "resize_keyboard": True}
    return {"inline_keyboard": [[_inline_button(button) for button in row] for row in rows]}


def _request_button(button: Mapping[str, Any]) -> dict[str, Any]:
    """Asks for the client's own phone or place; works in private chats only."""
    wanted = str(button.get("request"))
    asked = {f"request_{wanted}": True} if wanted in {"contact", "location"} else {}
    return {"text": str(button.get("text", ""))} | asked


def _inline_button(button: Mapping[str, Any]) -> dict[str, str]:
    text = str(button.get("text", ""))
    if url := button.get("url"):
        return {"text": text, "url": str(url)}
    payload = str(button.get("payload") or text)
    if len(payload.encode()) > 64:
        raise Rejected("A button's payload is longer than the 64 bytes Telegram takes.")
    return {"text": text, "callback_data": payload}


# ---------------------------------------------------------------- actions


async def _acknowledge(bot: Bot, message: OutMessage) -> bool:
    """Stops the spinner on a pressed button. Too late is no failure: the client's app gave up by itself."""
    token = message.meta.get("answer_token")
    if not token:
        return False
    try:
        await bot.ask(Request("answerCallbackQuery", {"callback_query_id": str(token)}))
    except Rejected:
        return True
    return True


async def _act(bot: Bot, action: str, message: OutMessage, target: Target) -> Sent:
    """Edit, delete, typing: repeating them does no harm."""
    if action == "typing":
        await bot.ask(Request("sendChatAction", {**target.fields(), "action": "typing"}))
        return Sent(())
    target_id = str(message.meta.get("target_id") or "")
    number = target_id.rpartition(":")[2]
    if action not in {"edit", "delete"} or not number.isdecimal():
        raise Rejected("Telegram can't do this with a message.")
    if action == "edit":
        await _edit(bot, message, target, int(number))
    elif target.connection:
        doomed = {"business_connection_id": target.connection, "message_ids": [int(number)]}
        await bot.ask(Request("deleteBusinessMessages", doomed))
    else:
        await bot.ask(Request("deleteMessage", {"chat_id": target.chat, "message_id": int(number)}))
    return Sent((target_id,))


async def _edit(bot: Bot, message: OutMessage, target: Target, number: int) -> None:
    fields: dict[str, Any] = {"chat_id": target.chat, "message_id": number}
    fields |= {"business_connection_id": target.connection or None, "reply_markup": _markup(message.meta)}
    problem: SendError
    try:
        await bot.ask(Request("editMessageText", fields | {"text": message.text}))
    except Rejected as refusal:
        problem = refusal
    else:
        return
    words = problem.provider_text.lower()
    if "message is not modified" in words:
        return
    if "there is no text in the message" not in words:
        raise problem
    await bot.ask(Request("editMessageCaption", fields | {"caption": message.text}))
