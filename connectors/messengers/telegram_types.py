"""The part of Telegram's types that is read. Bot API 10.1, https://core.telegram.org/bots/api#available-types.

The structs name only the fields that are used: decoding them takes a few microseconds where the full types take a hundred.
What they don't name stays in the journal.
"""

from __future__ import annotations

import msgspec


class User(msgspec.Struct, gc=False):
    id: int
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""
    username: str = ""
    language_code: str = ""


class Chat(msgspec.Struct, gc=False):
    id: int
    type: str = "private"
    title: str = ""
    username: str = ""
    first_name: str = ""
    last_name: str = ""


class Entity(msgspec.Struct, gc=False):
    """Offsets and lengths count UTF-16 code units."""

    type: str
    offset: int
    length: int
    url: str = ""


class File(msgspec.Struct, gc=False):
    """Any of PhotoSize, Video, Animation, VideoNote, Voice, Audio, Document, Sticker."""

    file_id: str
    file_unique_id: str = ""
    file_size: int | None = None
    file_name: str = ""
    mime_type: str = ""
    width: int = 0
    height: int = 0
    length: int = 0
    duration: int = 0
    performer: str = ""
    title: str = ""
    emoji: str = ""
    set_name: str = ""
    is_animated: bool = False
    is_video: bool = False


class Contact(msgspec.Struct, gc=False):
    phone_number: str
    first_name: str = ""
    last_name: str = ""
    user_id: int = 0


class Location(msgspec.Struct, gc=False):
    latitude: float
    longitude: float
    horizontal_accuracy: float = 0
    live_period: int = 0


class Venue(msgspec.Struct, gc=False):
    location: Location
    title: str = ""
    address: str = ""


class Quote(msgspec.Struct, gc=False):
    text: str = ""


class Replied(msgspec.Struct, gc=False):
    """The message answered: one level, of which only the id is ours to use."""

    message_id: int


class Origin(msgspec.Struct, gc=False):
    """Where a forwarded message came from: `type` user, hidden_user, chat or channel."""

    type: str
    date: int = 0
    sender_user: User | None = None
    sender_user_name: str = ""
    sender_chat: Chat | None = None
    chat: Chat | None = None


class WebAppData(msgspec.Struct, gc=False):
    data: str = ""
    button_text: str = ""


class Message(msgspec.Struct, gc=False):
    message_id: int
    date: int
    chat: Chat
    from_: User | None = msgspec.field(default=None, name="from")
    sender_chat: Chat | None = None
    edit_date: int = 0
    business_connection_id: str = ""
    sender_business_bot: User | None = None
    is_from_offline: bool = False
    message_thread_id: int = 0
    is_topic_message: bool = False
    media_group_id: str = ""
    reply_to_message: Replied | None = None
    quote: Quote | None = None
    forward_origin: Origin | None = None
    via_bot: User | None = None
    text: str | None = None
    entities: list[Entity] = []
    caption: str = ""
    caption_entities: list[Entity] = []
    photo: list[File] | None = None
    live_photo: File | None = None
    video: File | None = None
    animation: File | None = None
    video_note: File | None = None
    voice: File | None = None
    audio: File | None = None
    document: File | None = None
    sticker: File | None = None
    contact: Contact | None = None
    location: Location | None = None
    venue: Venue | None = None
    new_chat_members: list[User] | None = None
    left_chat_member: User | None = None
    migrate_to_chat_id: int = 0
    migrate_from_chat_id: int = 0
    web_app_data: WebAppData | None = None


class Button(msgspec.Struct, gc=False):
    text: str = ""
    callback_data: str = ""


class Keyboard(msgspec.Struct, gc=False):
    inline_keyboard: list[list[Button]] = []


class Pressed(msgspec.Struct, gc=False):
    """The message under whose button somebody pressed; an inaccessible one has only chat and id."""

    message_id: int
    chat: Chat
    business_connection_id: str = ""
    message_thread_id: int = 0
    is_topic_message: bool = False
    reply_markup: Keyboard | None = None


class Callback(msgspec.Struct, gc=False):
    id: str
    from_: User = msgspec.field(name="from")
    message: Pressed | None = None
    data: str = ""
    game_short_name: str = ""


class ReactionType(msgspec.Struct, gc=False):
    type: str
    emoji: str = ""
    custom_emoji_id: str = ""


class Reaction(msgspec.Struct, gc=False):
    chat: Chat
    message_id: int
    date: int
    user: User | None = None
    actor_chat: Chat | None = None
    old_reaction: list[ReactionType] = []
    new_reaction: list[ReactionType] = []


class Member(msgspec.Struct, gc=False):
    status: str


class MemberChange(msgspec.Struct, gc=False):
    chat: Chat
    from_: User = msgspec.field(name="from")
    date: int
    old_chat_member: Member
    new_chat_member: Member


class Deleted(msgspec.Struct, gc=False):
    business_connection_id: str
    chat: Chat
    message_ids: list[int]


class Rights(msgspec.Struct, gc=False):
    can_reply: bool = False


class Connection(msgspec.Struct, gc=False):
    """An account that lets the bot read and answer its private chats."""

    id: str
    user: User
    is_enabled: bool
    rights: Rights | None = None


class Update(msgspec.Struct, gc=False):
    """https://core.telegram.org/bots/api#update: at most one field besides `update_id` is present."""

    update_id: int
    message: Message | None = None
    business_message: Message | None = None
    channel_post: Message | None = None
    guest_message: Message | None = None
    edited_message: Message | None = None
    edited_business_message: Message | None = None
    edited_channel_post: Message | None = None
    callback_query: Callback | None = None
    deleted_business_messages: Deleted | None = None
    message_reaction: Reaction | None = None
    my_chat_member: MemberChange | None = None
    business_connection: Connection | None = None


# ---------------------------------------------------------------- the same, as much as a peek needs


class PeekId(msgspec.Struct, gc=False):
    id: int


class PeekThread(msgspec.Struct, gc=False):
    chat: PeekId | None = None
    business_connection_id: str = ""


class PeekCallback(msgspec.Struct, gc=False):
    from_: PeekId | None = msgspec.field(default=None, name="from")
    message: PeekThread | None = None


class PeekUpdate(msgspec.Struct, gc=False):
    update_id: int
    message: PeekThread | None = None
    business_message: PeekThread | None = None
    channel_post: PeekThread | None = None
    guest_message: PeekThread | None = None
    edited_message: PeekThread | None = None
    edited_business_message: PeekThread | None = None
    edited_channel_post: PeekThread | None = None
    deleted_business_messages: PeekThread | None = None
    message_reaction: PeekThread | None = None
    my_chat_member: PeekThread | None = None
    callback_query: PeekCallback | None = None
