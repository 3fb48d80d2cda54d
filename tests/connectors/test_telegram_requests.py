"""How a request of the Bot API is put together; what is asked for which message stands in telegram/send/*.json."""

from __future__ import annotations

import aiohttp
import pytest

from connectors.base import Io
from connectors.messengers.telegram_api import BufferedFile, Request, bot_of
from connectors.messengers.telegram_tables import TelegramSettings
from tests.connectors.scripted import Asked, scripted

TOKEN = "7300000055:AAinventedinventedinventedinvented0"
FIELDS = {
    "chat_id": -1002200000333,
    "text": '{"a": 1} & Ёж',
    "parse_mode": None,
    "business_connection_id": "",
    "reply_parameters": {"message_id": 3, "allow_sending_without_reply": True},
}


async def _asked(request: Request) -> Asked:
    async with scripted([{"body": {"ok": True, "result": True}}]) as server, aiohttp.ClientSession() as http:
        settings = TelegramSettings.model_validate({"token": TOKEN, "base_url": f"{server.base}/"})
        await bot_of(settings, Io(http=http, timeout_s=5.0)).call(request)
    return server.asked[0]


def test_field_outside_the_table_is_refused() -> None:
    """A misspelt field would be ignored by Telegram without a word; here it never leaves the first test that meets it."""
    with pytest.raises(AssertionError, match="sendMessage has no field chat"):
        Request("sendMessage", {"chat": 1})
    with pytest.raises(AssertionError, match="no field txt"):
        Request("sendMessage", {"chat_id": 1}).having(txt="a")
    with pytest.raises(KeyError):
        Request("sendMesage")


def test_request_shows_no_content() -> None:
    """A request in a traceback tells neither text nor secret."""
    assert repr(Request("setWebhook", {"url": "https://hub.example/h/x", "secret_token": "s"})) == (
        "Request('setWebhook')"
    )


def test_having_leaves_the_first_alone() -> None:
    """A mended copy changes nothing in the part it was made from."""
    first = Request("sendMessage", {"chat_id": 1, "parse_mode": "HTML"})
    assert first.having(parse_mode=None).fields == {"chat_id": 1, "parse_mode": None}
    assert first.fields == {"chat_id": 1, "parse_mode": "HTML"}


async def test_json_without_files() -> None:
    """Scalars are text, containers JSON; None and empty text are left out, and a trailing slash of the address is one."""
    asked = await _asked(Request("sendMessage", FIELDS))
    assert asked.path == f"/bot{TOKEN}/sendMessage"
    assert asked.headers["content-type"] == "application/json"
    assert asked.form == {
        "chat_id": "-1002200000333",
        "text": '{"a": 1} & Ёж',
        "reply_parameters": {"message_id": 3, "allow_sending_without_reply": True},
    }
    assert (await _asked(Request("deleteWebhook", {"drop_pending_updates": False}))).form == {
        "drop_pending_updates": "false"
    }
    assert (await _asked(Request("getMe"))).form == {}


async def test_form_with_files() -> None:
    """The same fields as a form beside the file; a large file goes whole, and its length is announced."""
    content = bytes(range(256)) * (5 << 12)  # 5 MB
    fields = {"chat_id": 1, "document": "attach://file0", "reply_parameters": {"message_id": 3}, "caption": ""}
    asked = await _asked(Request("sendDocument", fields, {"file0": BufferedFile("Смета №4.bin", content)}))
    assert asked.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert int(asked.headers["content-length"]) > len(content)
    assert asked.form == {"chat_id": "1", "document": "attach://file0", "reply_parameters": {"message_id": 3}}
    assert asked.files == [{"name": "Смета №4.bin", "size": len(content)}]
