"""What a Telegram message contains -> content_type, text, attachments, meta. Pure.

One message is one item; text that can't be shown (stories, games, rich messages) gets a readable placeholder, never nothing.
"""

from __future__ import annotations

from typing import Any

import msgspec

from connectors.base import parse
from connectors.items import Attachment
from connectors.messengers.telegram_tables import (
    MEDIA,
    PLACEHOLDERS,
    SERVICE,
    UNKNOWN_CONTENT,
    TelegramSettings,
    readable_strings,
)
from connectors.messengers.telegram_types import Contact, Entity, File, Location, Message, Origin, User, Venue

_ENVELOPE = frozenset(
    {field.encode_name for field in msgspec.structs.fields(Message)}
    | {"author_signature", "sender_tag", "sender_boost_count", "has_protected_content", "external_reply", "effect_id"}
    | {"reply_markup", "link_preview_options", "show_caption_above_media", "has_media_spoiler", "reply_to_story"}
)

Content = tuple[str, str, list[Attachment], dict[str, Any]]


def content(field: str, message: Message, body: bytes, settings: TelegramSettings) -> Content:
    """content_type, text, attachments and what more there is to say, for `meta`."""
    if message.text is not None:
        text = readable(message.text, message.entities)
        return "text", text, [], _start(message.text)
    if message.photo is not None or message.sticker is not None:
        return _picture(message, settings)
    for name, content_type, type_ in MEDIA:
        file: File | None = getattr(message, name)
        if file is not None:
            caption = readable(message.caption, message.caption_entities)
            return content_type, caption, [_attachment(file, type_)], _file_meta(file, settings)
    if message.contact is not None:
        return _contact(message.contact, message.from_)
    if message.venue is not None or message.location is not None:
        return _place(message.venue, message.location)
    return _service(field, message, body)


def _start(text: str) -> dict[str, Any]:
    """`/start PAYLOAD` of a link t.me/bot?start=PAYLOAD: where the client came from."""
    if not text.startswith("/start"):
        return {}
    command, _, payload = text.partition(" ")
    is_start = command.partition("@")[0] == "/start"
    start = payload.strip()[:64]
    return {"start": start, "source": {"start": start}} if is_start and start else {}


def _picture(message: Message, settings: TelegramSettings) -> Content:
    sticker = message.sticker
    if sticker is not None:
        moving = "application/x-tgsticker" if sticker.is_animated else "image/webp"
        file = _attachment(sticker, "video/webm" if sticker.is_video else moving)
        return "sticker", sticker.emoji, [file], _file_meta(sticker, settings)
    caption = readable(message.caption, message.caption_entities)
    if not message.photo:
        return "image", caption, [], {}
    largest = max(message.photo, key=lambda size: size.width * size.height)
    files = [_attachment(largest, "image/jpeg")]
    if message.live_photo is not None:
        files.append(_attachment(message.live_photo, "video/mp4"))
    return "image", caption, files, _file_meta(largest, settings)


def _attachment(file: File, type_: str) -> Attachment:
    return Attachment(name=file.file_name, type=file.mime_type or type_, size=file.file_size, id=file.file_id)


def _file_meta(file: File, settings: TelegramSettings) -> dict[str, Any]:
    """`unique_id` is the same for the same file in every chat; `too_large`: Telegram will not hand it out."""
    told: dict[str, Any] = {
        "unique_id": file.file_unique_id,
        "width": file.width or file.length,
        "height": file.height or file.length,
        "duration_s": file.duration,
        "title": " - ".join(filter(None, (file.performer, file.title))),
        "set": file.set_name,
    }
    meta: dict[str, Any] = {"media": {key: value for key, value in told.items() if value}}
    if (file.file_size or 0) > settings.max_download_mb << 20:
        meta["too_large"] = True
    return meta


def _contact(contact: Contact, sender: User | None) -> Content:
    phone = international(contact.phone_number)
    name = f"{contact.first_name} {contact.last_name}".strip()
    card: dict[str, Any] = {"name": name, "phones": [phone]}
    if contact.user_id:
        card["user_id"] = str(contact.user_id)
    card["own"] = sender is not None and contact.user_id == sender.id
    return "contact", ", ".join(filter(None, (name, phone))), [], {"contacts": [card]}


def international(number: str) -> str:
    """Telegram's phone numbers have their country code, with or without the plus."""
    return number if number.startswith("+") or not number else f"+{number}"


def _place(venue: Venue | None, location: Location | None) -> Content:
    at = venue.location if venue is not None else location
    if at is None:
        return "location", "", [], {}
    place: dict[str, Any] = {"lat": at.latitude, "lon": at.longitude}
    if at.live_period:
        place["live_s"] = at.live_period
    if venue is None:
        return "location", f"{at.latitude}, {at.longitude}", [], {"location": place}
    place |= {"title": venue.title, "address": venue.address}
    return "location", ", ".join(filter(None, (venue.title, venue.address))), [], {"location": place}


def _service(field: str, message: Message, body: bytes) -> Content:
    """What is neither text nor media: events of the chat, and contents that can only be named. Off the hot path."""
    raw = parse(dict[str, msgspec.Raw], bytes(parse(dict[str, msgspec.Raw], body)[field]))
    event = next((name for name in SERVICE if name in raw), None)
    if event is not None:
        return "system", *_event(event, message)
    name = next((name for name in PLACEHOLDERS if name in raw), None)
    if name is None:
        return "unsupported", UNKNOWN_CONTENT, [], {"unsupported": sorted(set(raw) - _ENVELOPE)}
    words = " · ".join(readable_strings(parse(Any, bytes(raw[name]))))[:4000]
    kind = "poll" if name == "poll" else "unsupported"
    return kind, f"{PLACEHOLDERS[name]} {words}".strip(), [], {"unsupported": [name]}


def _event(event: str, message: Message) -> tuple[str, list[Attachment], dict[str, Any]]:
    text, meta = SERVICE[event], {"service": event}
    people = message.new_chat_members or ([message.left_chat_member] if message.left_chat_member else [])
    if people:
        text = f"{text}: {', '.join(user_name(user) for user in people)}"
    if message.web_app_data is not None:
        meta |= {"web_app_data": message.web_app_data.data}
        text = message.web_app_data.button_text or text
    if message.migrate_to_chat_id:
        meta["migrate_to"] = str(message.migrate_to_chat_id)
    if message.migrate_from_chat_id:
        meta["migrate_from"] = str(message.migrate_from_chat_id)
    return text, [], meta


def readable(text: str, entities: list[Entity]) -> str:
    """The text with the address of each link behind its words, as plain text hides it."""
    links = [e for e in entities if e.type == "text_link" and e.url and e.offset >= 0 and e.length > 0]
    if not links:
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    for link in sorted(links, key=lambda e: e.offset, reverse=True):
        start, end = 2 * link.offset, 2 * (link.offset + link.length)
        if end <= len(units) and units[start:end].decode("utf-16-le", "replace").strip() != link.url:
            units = units[:end] + f" ({link.url})".encode("utf-16-le", "surrogatepass") + units[end:]
    return units.decode("utf-16-le", "replace")


def user_name(user: User) -> str:
    return f"{user.first_name} {user.last_name}".strip()


# ---------------------------------------------------------------- where it stands


def note_origin(message: Message, meta: dict[str, Any]) -> None:
    """Where a message stands and came from, into `meta`."""
    chat = message.chat
    if chat.type != "private":
        meta["chat_type"] = chat.type
        if chat.title:
            meta["chat_title"] = chat.title
    if message.from_ is not None and message.from_.language_code:
        meta["language"] = message.from_.language_code
    if message.media_group_id:
        meta["album_id"] = message.media_group_id
    if message.quote is not None and message.quote.text:
        meta["quote"] = message.quote.text
    if message.via_bot is not None:
        meta["via_bot"] = message.via_bot.username
    if message.is_from_offline:
        meta["auto"] = True
    if message.forward_origin is not None:
        meta["forward"] = _forward(message.forward_origin)


def _forward(origin: Origin) -> dict[str, str]:
    """Somebody else's words: never an identity of the client."""
    chat = origin.sender_chat or origin.chat
    if origin.sender_user is not None:
        name = user_name(origin.sender_user)
    else:
        name = chat.title if chat is not None else origin.sender_user_name
    return {"type": origin.type, "name": name} if name else {"type": origin.type}
