"""Telegram, Bot API 10.1: https://core.telegram.org/bots/api. Webhook or long polling; business accounts too.

Quirks that shape this file:
- no body signature: verification is equality of one header with the secret given to setWebhook;
- `update_id` is unique per bot but may start anew after a quiet week: a key, never a watermark;
- Telegram tells nothing of delivery, reading or typing: `sent` is final. It deletes openly only in business chats;
- an album is several messages with one `media_group_id` and no end: they stay separate items, joined by `meta.album_id`;
- both sides of a business chat arrive; its chat id is the client's user id, so who is who needs no state;
- ids: `<chat>:<message>`, in business chats `<connection>:<chat>:<message>`; threads: `<chat>`, `<connection>:<chat>`,
  and `<chat>/<topic>` in forums.

Beside it: telegram_types.py and telegram_tables.py (structs, tables), telegram_content.py (what a message contains),
telegram_api.py, telegram_send.py (the way out), telegram_live.py (polling, media, set-up).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from config.errors import BadPayload
from connectors.addresses import normalize_username
from connectors.base import Capabilities, Connector, Limits, Payload, Peek, parse, same_secret
from connectors.items import Address, Identity, Item, from_unix
from connectors.messengers.telegram_content import content, international, note_origin, user_name
from connectors.messengers.telegram_live import attach, check, fetch_media, listen
from connectors.messengers.telegram_send import send
from connectors.messengers.telegram_tables import OPT_OUT, SECRET_HEADER, UPLOAD_BYTES, TelegramSettings
from connectors.messengers.telegram_types import (
    Callback,
    Chat,
    Connection,
    Deleted,
    MemberChange,
    Message,
    PeekCallback,
    PeekUpdate,
    Pressed,
    Reaction,
    ReactionType,
    Update,
    User,
)
from connectors.phones import parse_phone


def verify(payload: Payload, settings: TelegramSettings) -> None:
    """Raises BadSignature unless the header repeats the secret. Source: core.telegram.org/bots/api#setwebhook."""
    same_secret(payload.headers.get(SECRET_HEADER), settings.secret.get_secret_value())


def peek(payload: Payload, _settings: TelegramSettings) -> Peek:
    """Key: `update_id`. Lane: the chat (in business mode the connection's chat), where Telegram keeps order as well."""
    try:
        update = parse(PeekUpdate, payload.body)
    except BadPayload:
        return Peek()
    return Peek(dedup=str(update.update_id), lane=_lane(update))


def _lane(update: PeekUpdate) -> str:
    callback = update.callback_query
    thread = (
        update.message
        or update.business_message
        or update.edited_message
        or update.edited_business_message
        or update.deleted_business_messages
        or update.message_reaction
        or update.my_chat_member
        or update.channel_post
        or update.edited_channel_post
        or update.guest_message
        or (callback.message if callback else None)
    )
    if thread is not None and thread.chat is not None:
        return _prefix(thread.business_connection_id) + str(thread.chat.id)
    return _presser(callback)


def _presser(callback: PeekCallback | None) -> str:
    """A button under an inline message names no chat."""
    return str(callback.from_.id) if callback is not None and callback.from_ is not None else ""


# ---------------------------------------------------------------- normalize


def normalize(payload: Payload, settings: TelegramSettings) -> list[Item]:
    """An `Update` -> items. Raises BadPayload. Source: core.telegram.org/bots/api#update."""
    update = parse(Update, payload.body)
    if update.message is not None:
        return [_message("message", update.message, update, payload.body, settings)]
    for field, handler in HANDLERS.items():
        value = getattr(update, field)
        if value is not None:
            items: list[Item] = handler(value, update, payload.body, settings)
            return items
    names = [name for name in parse(dict[str, msgspec.Raw], payload.body) if name != "update_id"]
    return [_ignored(f"update kind not used: {', '.join(names)[:100] or 'none'}")]


def _written(
    message: Message, update: Update, body: bytes, settings: TelegramSettings, *, field: str, kind: Any
) -> list[Item]:
    item = _message(field, message, update, body, settings)
    if kind == "edit":
        item.kind = "edit"
        # Two edits within one second are two versions.
        item.meta |= {"target_id": item.external_id, "version": f"{message.edit_date}.{update.update_id}"}
        item.sent_at = _at(message.edit_date or message.date, f"{field}.edit_date")
    return [item]


def _message(field: str, message: Message, update: Update, body: bytes, settings: TelegramSettings) -> Item:
    content_type, text, attachments, meta = content(field, message, body, settings)
    meta["content_type"] = content_type
    meta["seq"] = update.update_id
    note_origin(message, meta)
    thread = _thread(message)
    chat = _prefix(message.business_connection_id) + str(message.chat.id)
    item = Item(
        kind="message",
        connector="telegram",
        external_id=f"{chat}:{message.message_id}",
        direction="in",
        sender=_sender(message),
        text=text,
        attachments=attachments,
        sent_at=_at(message.date, f"{field}.date"),
        thread_key=thread,
        meta=meta,
    )
    replied = message.reply_to_message
    if replied is not None and not (message.is_topic_message and replied.message_id == message.message_thread_id):
        item.reply_to = f"{chat}:{replied.message_id}"
    if _is_ours(message):
        item.direction = "out"
        item.recipients = [_chat_address(message.chat)]
    else:
        item.identities = _identities(message, settings)
    return item


def _is_ours(message: Message) -> bool:
    """In a business chat, written by the account or by a bot for it: a private chat's id is the other person's id."""
    if not message.business_connection_id:
        return False
    return message.sender_business_bot is not None or message.from_ is None or message.from_.id != message.chat.id


def _sender(message: Message) -> Address:
    """An anonymous admin and a channel write as a chat; a person as themselves."""
    if message.sender_chat is not None:
        return _chat_address(message.sender_chat)
    return _user_address(message.from_) if message.from_ is not None else _chat_address(message.chat)


def _identities(message: Message, settings: TelegramSettings) -> list[Identity]:
    if message.from_ is None or message.sender_chat is not None:
        return [Identity(kind="telegram", value=str((message.sender_chat or message.chat).id))]
    found = _user_identities(message.from_)
    contact = message.contact
    if contact is not None and contact.user_id == message.from_.id:
        phone = parse_phone(international(contact.phone_number), settings.region)
        if phone is not None:
            found.append(Identity(kind="phone", value=phone.e164, ext=phone.ext))
    return found


def _user_identities(user: User) -> list[Identity]:
    found = [Identity(kind="telegram", value=str(user.id))]
    username = normalize_username(user.username) if user.username else None
    if username:
        found.append(Identity(kind="telegram_username", value=username))
    return found


# ---------------------------------------------------------------- what is not a message


def _callback(callback: Callback, update: Update, _body: bytes, _settings: TelegramSettings) -> list[Item]:
    """A pressed button. It has no time of its own; `answer_token` must go to answerCallbackQuery (see `send`)."""
    pressed, user = callback.message, callback.from_
    payload = callback.data or callback.game_short_name
    button = {"kind": "callback", "payload": payload, "title": _title(pressed, payload), "answer_token": callback.id}
    meta = {"content_type": "button", "seq": update.update_id, "button": button}
    if user.language_code:
        meta["language"] = user.language_code
    item = Item(
        kind="message",
        connector="telegram",
        external_id=f"callback:{callback.id}",
        direction="in",
        sender=_user_address(user),
        identities=_user_identities(user),
        text=button["title"],
        thread_key=_thread(pressed) if pressed is not None else str(user.id),
        meta=meta,
    )
    if pressed is not None:
        item.reply_to = f"{_prefix(pressed.business_connection_id)}{pressed.chat.id}:{pressed.message_id}"
        button["target_id"] = item.reply_to
        if pressed.chat.type != "private":
            meta |= {"chat_type": pressed.chat.type, "chat_title": pressed.chat.title}
    return [item]


def _title(pressed: Pressed | None, payload: str) -> str:
    rows = pressed.reply_markup.inline_keyboard if pressed is not None and pressed.reply_markup else []
    titles = (button.text for row in rows for button in row if button.callback_data == payload)
    return next(titles, payload)


def _deleted(deleted: Deleted, update: Update, _body: bytes, _settings: TelegramSettings) -> list[Item]:
    """Only business chats tell, and not which side took it back."""
    thread = f"{deleted.business_connection_id}:{deleted.chat.id}"
    return [
        Item(
            kind="delete",
            connector="telegram",
            external_id=f"{thread}:{message_id}",
            direction="in",
            thread_key=thread,
            meta={"target_id": f"{thread}:{message_id}", "by": "unknown", "seq": update.update_id},
        )
        for message_id in deleted.message_ids
    ]


def _reaction(reaction: Reaction, update: Update, _body: bytes, _settings: TelegramSettings) -> list[Item]:
    """An item for each change; `meta.reactions` is all that this person's are after it, as there may be several."""
    old = {_emoji(one): None for one in reaction.old_reaction}
    new = {_emoji(one): None for one in reaction.new_reaction}
    changes = [("remove", e) for e in old if e not in new] + [("add", e) for e in new if e not in old]
    target = f"{reaction.chat.id}:{reaction.message_id}"
    user = reaction.user
    sender = _user_address(user) if user is not None else _chat_address(reaction.actor_chat or reaction.chat)
    items = [
        Item(
            kind="reaction",
            connector="telegram",
            external_id=f"{target}:{sender.value}:{emoji}",
            direction="in",
            sender=sender,
            identities=_user_identities(user) if user is not None else [],
            sent_at=_at(reaction.date, "message_reaction.date"),
            reply_to=target,
            thread_key=str(reaction.chat.id),
            meta={
                "target_id": target,
                "emoji": emoji,
                "action": action,
                "reactions": list(new),
                "version": str(update.update_id),
                "seq": update.update_id,
            },
        )
        for action, emoji in changes
    ]
    return items or [_ignored("a reaction that changed nothing")]


def _emoji(one: ReactionType) -> str:
    """A custom emoji is a picture known by its id; a paid reaction is a star."""
    if one.type == "custom_emoji":
        return f"custom:{one.custom_emoji_id}"
    return one.emoji or ("⭐" if one.type == "paid" else one.type)


def _member(change: MemberChange, update: Update, _body: bytes, _settings: TelegramSettings) -> list[Item]:
    """In a private chat: the client blocked the bot or started it anew. In groups the bot's rights: nobody's consent."""
    old, new = change.old_chat_member.status, change.new_chat_member.status
    status = OPT_OUT.get(new)
    if change.chat.type != "private" or status is None or old == new:
        return [_ignored(f"the bot's place in a {change.chat.type} chat: {old} -> {new}"[:200])]
    item = Item(
        kind="opt_out",
        connector="telegram",
        external_id=f"{change.chat.id}:u{update.update_id}",
        direction="in",
        sender=_user_address(change.from_),
        identities=_user_identities(change.from_),
        sent_at=_at(change.date, "my_chat_member.date"),
        thread_key=str(change.chat.id),
        reason="the client blocked the bot" if status == "out" else "the client started the bot",
        meta={"status": status, "scope": "all", "seq": update.update_id},
    )
    return [item]


def _connection(connection: Connection, _update: Update, _body: bytes, _settings: TelegramSettings) -> list[Item]:
    can_reply = connection.rights is not None and connection.rights.can_reply
    state = ("may answer" if can_reply else "may only read") if connection.is_enabled else "is off"
    item = _ignored(f"business connection {connection.id} {state}")
    item.meta = {
        "business_connection": {
            "id": connection.id,
            "user_id": str(connection.user.id),
            "name": user_name(connection.user),
            "enabled": connection.is_enabled,
            "can_reply": can_reply,
        }
    }
    return [item]


HANDLERS: dict[str, Callable[..., list[Item]]] = {
    "callback_query": _callback,
    "business_message": partial(_written, field="business_message", kind="message"),
    "edited_message": partial(_written, field="edited_message", kind="edit"),
    "edited_business_message": partial(_written, field="edited_business_message", kind="edit"),
    "channel_post": partial(_written, field="channel_post", kind="message"),
    "edited_channel_post": partial(_written, field="edited_channel_post", kind="edit"),
    "guest_message": partial(_written, field="guest_message", kind="message"),
    "deleted_business_messages": _deleted,
    "message_reaction": _reaction,
    "my_chat_member": _member,
    "business_connection": _connection,
}

# ---------------------------------------------------------------- small words


def _ignored(reason: str) -> Item:
    return Item(kind="ignored", connector="telegram", reason=reason)


def _at(seconds: int, where: str) -> datetime:
    try:
        return from_unix(seconds)
    except ValueError as error:
        raise BadPayload(where, str(error)) from None


def _prefix(connection: str) -> str:
    return f"{connection}:" if connection else ""


def _thread(message: Message | Pressed) -> str:
    thread = _prefix(message.business_connection_id) + str(message.chat.id)
    return f"{thread}/{message.message_thread_id}" if message.is_topic_message else thread


def _user_address(user: User) -> Address:
    return Address(kind="telegram", value=str(user.id), name=user_name(user))


def _chat_address(chat: Chat) -> Address:
    return Address(
        kind="telegram", value=str(chat.id), name=chat.title or f"{chat.first_name} {chat.last_name}".strip()
    )


connector: Connector[TelegramSettings] = Connector(
    name="telegram",
    title="Telegram",
    reaches=frozenset({"telegram"}),
    settings=TelegramSettings,
    verify=verify,
    peek=peek,
    normalize=normalize,
    send=send,
    fetch_media=fetch_media,
    listen=listen,
    wants_listen=lambda settings: settings.mode == "polling",
    check=check,
    attach=attach,
    capabilities=Capabilities(
        attachments=True,
        max_file=UPLOAD_BYTES,
        buttons=True,
        edit=True,
        delete=True,
        typing=True,
        reply_to=True,
    ),
    limits=Limits(per_s=25.0, per_address_s=1.0),
    mask=frozenset({SECRET_HEADER}),
)
