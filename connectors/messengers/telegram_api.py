"""The Bot API client of a channel: aiogram's typed methods over the hub's own HTTP session, answers into our errors.

aiogram's session is replaced because ours must (1) know whether bytes had left when the network failed, (2) take an answer
as far as we need it instead of refusing one with a field it does not know, (3) never put the token, which is part of the
URL, into an exception. Every error is raised outside its `except` block, so no library exception hangs on to it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Any, cast

import aiohttp
import msgspec
from aiogram import Bot
from aiogram.client.session.base import BaseSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.methods import TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import BufferedInputFile, InputFile
from aiogram.utils.token import TokenValidationError

from config.errors import (
    BadChannel,
    Blocked,
    InDoubt,
    RateLimited,
    Rejected,
    RetryLater,
    SendError,
    TooBig,
    WindowClosed,
)
from connectors.base import Io
from connectors.messengers.telegram_tables import TelegramSettings

CONNECT_S = 10.0
SLOW_UPLOAD_BYTES_S = 256 << 10  # the slowest uplink whose uploads are waited for
FLOOD_WINDOW_S = 5.0
MAX_ANSWER_BYTES = 32 << 20  # a hundred updates


class Upgraded(Rejected):
    """The group became a supergroup: the same message once more, to `chat_id`."""

    def __init__(self, chat_id: int) -> None:
        super().__init__("The group has moved to a new chat id.", provider_code="400")
        self.chat_id = chat_id


class Parameters(msgspec.Struct, gc=False):
    retry_after: float | None = None
    migrate_to_chat_id: int | None = None


class Answer(msgspec.Struct, gc=False):
    ok: bool
    result: msgspec.Raw = msgspec.Raw()
    error_code: int = 0
    description: str = ""
    parameters: Parameters | None = None


_answers = msgspec.json.Decoder(Answer)

# (code, fragment of the lower-cased description) -> class and a sentence for people. The first match counts.
# Texts: tdlib/telegram-bot-api, Client.cpp; the ones in capitals there are of the layer below, core.telegram.org/api/errors.
_BLOCKED = (
    (403, "bot was blocked by the user", "The client has blocked the bot."),
    (403, "user is deactivated", "The client's Telegram account is deleted."),
    (403, "can't initiate conversation", "The client has not started the bot yet."),
    (403, "bot was kicked", "The bot was removed from this chat."),
    (403, "bot is not a member", "The bot is not in this chat."),
    (403, "chat was deleted", "This chat was deleted."),
    (400, "user_is_blocked", "The client has blocked the account."),
    (400, "input_user_deactivated", "The client's Telegram account is deleted."),
)
_BAD_ADDRESS = (
    (400, "chat not found", "Telegram knows no such chat."),
    (400, "peer_id_invalid", "Telegram knows no such chat."),
    (400, "user not found", "Telegram knows no such user."),
    (403, "bots can't send messages to bots", "This address is a bot."),
)
_PAYLOAD = (
    (400, "message text is empty", "The message is empty."),
    (400, "message is too long", "The message is too long."),
    (400, "caption is too long", "The caption is too long."),
    (400, "can't parse entities", "The formatting of the text is broken."),
    (400, "message is not modified", "The message reads so already."),
    (400, "message to edit not found", "The message to edit does not exist."),
    (400, "message can't be edited", "Telegram does not let this message be edited any more."),
    (400, "message to delete not found", "The message to delete does not exist."),
    (400, "message can't be deleted", "Telegram does not let this message be deleted any more."),
    (400, "message to be replied not found", "The message to answer does not exist."),
    (400, "there is no text in the message", "The message to edit has no text."),
    (400, "query is too old", "The pressed button waits no longer."),
    (400, "wrong http url", "The address of a file is wrong."),
    (400, "failed to get http url content", "Telegram could not fetch a file."),
    (400, "wrong file identifier", "Telegram does not know this file."),
    (400, "photo_invalid_dimensions", "Telegram refuses the picture's dimensions."),
    (400, "business_connection_invalid", "The business account is no longer connected to the bot."),
    (400, "not enough rights", "The bot may not write in this chat."),
)
_WINDOW = ((400, "business_peer_usage_missing", "A business account may answer for 24 hours after the client wrote."),)
_CHANNEL = (
    (409, "", "Two receivers use this bot's token, or a webhook stands in the way of polling."),
    (401, "", "Telegram does not accept the bot's token."),
    (404, "", "Telegram does not accept the bot's token."),
    (400, "bad webhook", "Telegram does not accept the webhook's address."),
)
_TOO_BIG = ((400, "file is too big", "Telegram does not hand out files of this size."),)
# The API answered, so it was not taken; a gateway that speaks for it can't know that.
_UNKNOWABLE = frozenset({502, 504})


def failure(code: int, description: str, parameters: Parameters | None = None) -> SendError | TooBig:
    """A refusal of the Bot API -> our error. `str()` of it has no word of Telegram's, which may quote the message."""
    asked = parameters or Parameters()
    words: dict[str, Any] = {"provider_code": str(code), "provider_text": description}
    if code == 429:
        return RateLimited("Telegram asks for a pause.", after_s=asked.retry_after, **words)
    if asked.migrate_to_chat_id:
        return Upgraded(asked.migrate_to_chat_id)
    text = description.lower()
    if code in _UNKNOWABLE or (code == 500 and "request aborted" in text):
        return InDoubt("Telegram's gateway lost the request on its way.", **words)
    if code >= 500:
        return RetryLater("Telegram has a fault of its own.", **words)
    if sentence := _find(_TOO_BIG, code, text):
        return TooBig(sentence)
    if sentence := _find(_BLOCKED, code, text):
        return Blocked(sentence, **words)
    if sentence := _find(_WINDOW, code, text):
        return WindowClosed(sentence, **words)
    if sentence := _find(_CHANNEL, code, text):
        return BadChannel(sentence, **words)
    if sentence := _find(_BAD_ADDRESS, code, text):
        return Rejected(sentence, address_is_bad=True, **words)
    if code == 413:
        return Rejected("The file is too large for Telegram.", **words)
    return Rejected(_find(_PAYLOAD, code, text) or "Telegram refused the message.", **words)


def _find(table: tuple[tuple[int, str, str], ...], code: int, text: str) -> str:
    return next((sentence for row_code, part, sentence in table if row_code == code and part in text), "")


class HubSession(BaseSession):
    """aiogram's session over `io.http`, which belongs to the hub: `close` leaves it open. Results stay raw JSON."""

    def __init__(self, io: Io, settings: TelegramSettings) -> None:
        super().__init__(api=TelegramAPIServer.from_base(settings.base_url), timeout=io.timeout_s)
        self._io = io
        self._flood: tuple[float, Any] = (float("-inf"), None)

    async def close(self) -> None:
        """Nothing of its own is open."""

    async def make_request(
        self, bot: Bot, method: TelegramMethod[TelegramType], timeout: int | None = None
    ) -> TelegramType:
        """One request. Returns the `result` as msgspec.Raw; raises a SendError or TooBig."""
        form, size = self._form(bot, method)
        total = (self.timeout if timeout is None else timeout) + size / SLOW_UPLOAD_BYTES_S
        url = self.api.api_url(token=bot.token, method=method.__api_method__)
        problem: SendError
        try:
            async with self._io.http.post(url, data=form, timeout=_timeout(total), allow_redirects=False) as response:
                status, body = response.status, await _read(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
            problem = RetryLater("Telegram can't be reached.")
        except (TimeoutError, aiohttp.ClientError, OSError):
            problem = InDoubt("The connection to Telegram broke before it answered.")
        else:
            return cast("TelegramType", self._result(bot, method, status, body))
        raise problem

    async def stream_content(
        self,
        url: str,
        headers: dict[str, Any] | None = None,
        timeout: int = 30,
        chunk_size: int = 65536,
        raise_for_status: bool = True,  # noqa: FBT001, FBT002, ARG002 – aiogram's signature; ours always does
    ) -> AsyncGenerator[bytes, None]:
        """A file's bytes as they come. `timeout`: seconds without any byte. Raises RetryLater, Rejected."""
        problem: SendError | TooBig
        limits = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=timeout)
        try:
            async with self._io.http.get(url, headers=headers, timeout=limits, allow_redirects=False) as response:
                if response.status == 200:
                    async for chunk in response.content.iter_chunked(chunk_size):
                        yield chunk
                    return
                problem = _no_file(response.status)
        except (TimeoutError, aiohttp.ClientError, OSError):
            problem = RetryLater("The connection to Telegram broke while a file came.")
        raise problem

    def _form(self, bot: Bot, method: TelegramMethod[Any]) -> tuple[aiohttp.FormData, int]:
        """The request's body, and how many bytes of files are in it."""
        form = aiohttp.FormData(quote_fields=False)  # else a Cyrillic file name reaches the client percent-encoded
        files: dict[str, InputFile] = {}
        for key, value in method.model_dump(warnings=False).items():
            prepared = self.prepare_value(value, bot=bot, files=files)
            if prepared:
                form.add_field(key, prepared)
        for key, file in files.items():
            form.add_field(key, file.read(bot), filename=file.filename or key)
        return form, sum(len(file.data) for file in files.values() if isinstance(file, BufferedInputFile))

    def _result(self, bot: Bot, method: TelegramMethod[Any], status: int, body: bytes) -> msgspec.Raw:
        try:
            answer = _answers.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            answer = Answer(ok=False)
        if answer.ok and 200 <= status < 300:
            return answer.result
        code = answer.error_code or status
        if code < 400:  # a page of a proxy, a redirect, an answer that is no JSON
            raise InDoubt("Telegram's answer can't be read.", provider_code=str(status))
        problem = failure(code, answer.description.replace(bot.token, "***"), answer.parameters)
        if isinstance(problem, RateLimited):
            problem.whole_channel = self._is_flood(getattr(method, "chat_id", None))
        raise problem

    def _is_flood(self, chat: Any) -> bool:
        """A second chat told to wait within seconds: the limit is the bot's, not the chat's."""
        now = time.monotonic()
        before, other = self._flood
        self._flood = (now, chat)
        return now - before < FLOOD_WINDOW_S and other != chat


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """At most MAX_ANSWER_BYTES; a longer answer is cut and so unreadable."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            break
    return bytes(body)


def _timeout(total: float) -> aiohttp.ClientTimeout:
    """`connect` is shorter than `total`: a connection that never stood must be told from a lost answer."""
    return aiohttp.ClientTimeout(total=total, connect=min(CONNECT_S, total / 2))


def _no_file(status: int) -> SendError | TooBig:
    if status == 429 or status >= 500:
        return RetryLater("Telegram does not hand out files now.", provider_code=str(status))
    return Rejected("Telegram no longer has this file.", provider_code=str(status))


# ---------------------------------------------------------------- what the rest of the connector calls


def bot_of(settings: TelegramSettings, io: Io) -> Bot:
    """The channel's one client. Raises BadChannel if the token can't be one."""
    bot = io.state.get("telegram_bot")
    if bot is None:
        try:
            bot = Bot(settings.token.get_secret_value(), session=HubSession(io, settings))
        except TokenValidationError:
            bot = None
    if bot is None:
        raise BadChannel("The bot's token is missing or not of Telegram's form.")
    io.state["telegram_bot"] = bot
    return cast("Bot", bot)


async def call(bot: Bot, method: TelegramMethod[Any], timeout_s: float | None = None) -> msgspec.Raw:
    """`method` once. Raises a SendError; TooBig for a file."""
    timeout = cast("int | None", timeout_s)  # aiogram says int and takes any number
    return cast("msgspec.Raw", await bot(method, request_timeout=timeout))


async def ask(bot: Bot, method: TelegramMethod[Any], timeout_s: float | None = None) -> msgspec.Raw:
    """`method` that may be repeated without harm: nothing about it is ever in doubt. Raises a SendError but InDoubt."""
    try:
        return await call(bot, method, timeout_s)
    except InDoubt as error:
        again = RetryLater(str(error), provider_code=error.provider_code, provider_text=error.provider_text)
    raise again
