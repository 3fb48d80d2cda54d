"""Telegram's words: the channel's settings, limits, and tables of content kinds. Bot API 10.1."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SecretStr

from connectors.base import CommonSettings

OFFICIAL = "https://api.telegram.org"
SECRET_HEADER = "x-telegram-bot-api-secret-token"  # noqa: S105
CLOUD_DOWNLOAD_BYTES = 20 << 20
UPLOAD_BYTES = 50 << 20
PHOTO_BYTES = 10 << 20
MAX_TEXT = 4096
MAX_CAPTION = 1024
ALBUM_SIZE = 10


class TelegramSettings(CommonSettings):
    """A bot made with @BotFather. `secret` comes back in a header of every webhook; the token is only used by us."""

    token: SecretStr = Field(SecretStr(""), description="token from @BotFather: digits, a colon, 35 characters")
    secret: SecretStr = Field(
        SecretStr(""), description="1-256 characters A-Z a-z 0-9 _ - that Telegram repeats in each webhook"
    )
    mode: Literal["webhook", "polling"] = Field("webhook", description="polling needs no public address")
    base_url: str = Field(OFFICIAL, pattern="^https?://", description="address of a Bot API server of your own")
    max_connections: int = Field(40, ge=1, le=100, description="webhooks Telegram may send at a time")
    poll_s: int = Field(25, ge=0, le=50, description="seconds one long poll waits")
    max_download_mb: int = Field(20, ge=1, le=2000, description="Telegram's own server gives files up to 20 MB")


# Asked for by name: the default list leaves reactions out.
ALLOWED_UPDATES = (
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "message_reaction",
    "callback_query",
    "my_chat_member",
)

# Every request we make, and each field it may carry: this part of the API is ours to keep up with. What they mean is
# told at core.telegram.org/bots/api#available-methods.
_PLACE = frozenset({"chat_id", "message_thread_id", "business_connection_id"})
_PART = _PLACE | {"reply_parameters", "reply_markup"}
_CAPTIONED = _PART | {"caption", "parse_mode"}
_EDITED = frozenset({"chat_id", "message_id", "business_connection_id", "reply_markup"})
FIELDS: dict[str, frozenset[str]] = {
    "sendMessage": _PART | {"text", "parse_mode"},
    "sendPhoto": _CAPTIONED | {"photo"},
    "sendAnimation": _CAPTIONED | {"animation"},
    "sendVideo": _CAPTIONED | {"video"},
    "sendVoice": _CAPTIONED | {"voice"},
    "sendAudio": _CAPTIONED | {"audio"},
    "sendDocument": _CAPTIONED | {"document"},
    "sendMediaGroup": _PLACE | {"media", "reply_parameters"},
    "sendChatAction": _PLACE | {"action"},
    "editMessageText": _EDITED | {"text"},
    "editMessageCaption": _EDITED | {"caption"},
    "deleteMessage": frozenset({"chat_id", "message_id"}),
    "deleteBusinessMessages": frozenset({"business_connection_id", "message_ids"}),
    "answerCallbackQuery": frozenset({"callback_query_id"}),
    "getFile": frozenset({"file_id"}),
    "getMe": frozenset(),
    "getUpdates": frozenset({"offset", "limit", "timeout", "allowed_updates"}),
    "getWebhookInfo": frozenset(),
    "setWebhook": frozenset({"url", "secret_token", "max_connections", "allowed_updates"}),
    "deleteWebhook": frozenset({"drop_pending_updates"}),
}

# field of a message, content_type, type of the file when Telegram names none; an animation fills `document` as well.
MEDIA: tuple[tuple[str, str, str], ...] = (
    ("video", "video", "video/mp4"),
    ("animation", "animation", "video/mp4"),
    ("video_note", "video_note", "video/mp4"),
    ("voice", "voice", "audio/ogg"),
    ("audio", "audio", "audio/mpeg"),
    ("document", "document", "application/octet-stream"),
)

# What stands in the stream for content that can't be shown there.
PLACEHOLDERS: dict[str, str] = {
    "poll": "[опрос]",
    "dice": "[бросок кубика]",
    "story": "[история]",
    "game": "[игра]",
    "checklist": "[список дел]",
    "paid_media": "[платное медиа]",
    "invoice": "[счёт]",
    "rich_message": "[сообщение с оформлением]",
    "giveaway": "[розыгрыш]",
    "giveaway_winners": "[итоги розыгрыша]",
    "gift": "[подарок]",
    "unique_gift": "[подарок]",
}
UNKNOWN_CONTENT = "[сообщение неизвестного вида]"

# Service messages: what happened, in a sentence.
SERVICE: dict[str, str] = {
    "new_chat_members": "В чат вошли",
    "left_chat_member": "Чат покинул(а)",
    "new_chat_title": "Название чата изменено",
    "new_chat_photo": "Фото чата изменено",
    "delete_chat_photo": "Фото чата удалено",
    "group_chat_created": "Группа создана",
    "supergroup_chat_created": "Супергруппа создана",
    "channel_chat_created": "Канал создан",
    "message_auto_delete_timer_changed": "Срок автоудаления изменён",
    "migrate_to_chat_id": "Группа стала супергруппой, чат продолжится под новым номером",
    "migrate_from_chat_id": "Супергруппа продолжает прежнюю группу",
    "pinned_message": "Сообщение закреплено",
    "users_shared": "Клиент поделился пользователями",
    "chat_shared": "Клиент поделился чатом",
    "write_access_allowed": "Клиент разрешил боту писать",
    "connected_website": "Клиент вошёл на сайт через Telegram",
    "web_app_data": "Данные из веб-приложения",
    "proximity_alert_triggered": "Участники чата рядом",
    "boost_added": "Чат получил усиление",
    "chat_background_set": "Фон чата изменён",
    "forum_topic_created": "Тема создана",
    "forum_topic_edited": "Тема изменена",
    "forum_topic_closed": "Тема закрыта",
    "forum_topic_reopened": "Тема открыта снова",
    "general_forum_topic_hidden": "Общая тема скрыта",
    "general_forum_topic_unhidden": "Общая тема показана",
    "video_chat_scheduled": "Видеочат запланирован",
    "video_chat_started": "Видеочат начался",
    "video_chat_ended": "Видеочат окончен",
    "video_chat_participants_invited": "Приглашение в видеочат",
    "successful_payment": "Оплата прошла",
    "refunded_payment": "Оплата возвращена",
    "giveaway_created": "Розыгрыш создан",
    "giveaway_completed": "Розыгрыш завершён",
    "checklist_tasks_done": "Пункты списка отмечены",
    "checklist_tasks_added": "Пункты списка добавлены",
}

OPT_OUT: dict[str, str] = {"kicked": "out", "left": "out", "member": "in"}

# Keys whose strings are what a person would read in a poll, checklist, game or rich message.
READABLE_KEYS = ("question", "title", "description", "text", "options", "tasks", "blocks", "emoji", "value")


def readable_strings(value: Any, depth: int = 0) -> list[str]:
    """Texts inside a JSON value of a kind we don't model, in order; at most eight levels deep."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, int) and not isinstance(value, bool):
        return [str(value)]
    if depth == 8:
        return []
    if isinstance(value, list):
        return [text for item in value for text in readable_strings(item, depth + 1)]
    if isinstance(value, dict):
        return [text for key in READABLE_KEYS if key in value for text in readable_strings(value[key], depth + 1)]
    return []
