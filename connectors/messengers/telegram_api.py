"""The Bot API client of a channel: requests in the manual's own words over the hub's HTTP session, answers into our errors.

It (1) knows whether bytes had left when the network failed, (2) takes an answer as far as we need it instead of refusing
one with a field it does not know, (3) never puts the token, which is part of the URL, into an exception. Every error is
raised outside its `except` block, so no library exception hangs on to it.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator, Mapping
from io import BytesIO
from typing import Any, cast

import aiohttp
import msgspec

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
from connectors.messengers.telegram_tables import FIELDS, TelegramSettings

CONNECT_S = 10.0
SLOW_UPLOAD_BYTES_S = 256 << 10  # the slowest uplink whose uploads are waited for
FLOOD_WINDOW_S = 5.0
MAX_ANSWER_BYTES = 32 << 20  # a hundred updates
CHUNK_BYTES = 64 << 10
TOKEN_FORM = re.compile(r"[0-9]+:\S+")


class BufferedFile(msgspec.Struct, frozen=True, gc=False):
    """A file on its way out; all of it is in memory, as an upload may be made twice."""

    name: str
    data: bytes


class Request(msgspec.Struct, frozen=True):
    """One call of the Bot API. `fields` as its manual names them; what is None or empty text is not sent.

    `files`: by the name under which a field refers to them, `attach://<name>`.
    """

    method: str
    fields: Mapping[str, Any] = {}
    files: Mapping[str, BufferedFile] = {}

    def __post_init__(self) -> None:
        unknown = self.fields.keys() - FIELDS[self.method]
        assert not unknown, f"{self.method} has no field {', '.join(sorted(unknown))}"

    def __repr__(self) -> str:
        """Fields hold texts, addresses and secrets: nothing to meet in a traceback."""
        return f"Request({self.method!r})"

    def having(self, **fields: Any) -> Request:
        """The same request with these fields; None takes one away."""
        return msgspec.structs.replace(self, fields={**self.fields, **fields})


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


class Bot:
    """One bot over `io.http`, which belongs to the hub: nothing here has to be closed."""

    def __init__(self, io: Io, token: str, base_url: str) -> None:
        self.timeout_s = io.timeout_s
        self._http = io.http
        self._token = token
        self._base = base_url.rstrip("/")
        self._flood: tuple[float, Any] = (float("-inf"), None)

    async def call(self, request: Request, timeout_s: float | None = None) -> msgspec.Raw:
        """`request` once, the `result` as raw JSON. Raises a SendError; TooBig for a file."""
        size = sum(len(file.data) for file in request.files.values())
        total = (self.timeout_s if timeout_s is None else timeout_s) + size / SLOW_UPLOAD_BYTES_S
        url = f"{self._base}/bot{self._token}/{request.method}"
        body = _form(request) if request.files else _json(request)
        problem: SendError
        try:
            async with self._http.post(url, data=body, timeout=_timeout(total), allow_redirects=False) as response:
                status, answer = response.status, await _read(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
            problem = RetryLater("Telegram can't be reached.")
        except (TimeoutError, aiohttp.ClientError, OSError):
            problem = InDoubt("The connection to Telegram broke before it answered.")
        else:
            return self._result(request, status, answer)
        raise problem

    async def ask(self, request: Request, timeout_s: float | None = None) -> msgspec.Raw:
        """A `request` that may be repeated without harm: nothing is ever in doubt. Raises a SendError but InDoubt."""
        try:
            return await self.call(request, timeout_s)
        except InDoubt as error:
            again = RetryLater(str(error), provider_code=error.provider_code, provider_text=error.provider_text)
        raise again

    async def stream(self, path: str, silence_s: float) -> AsyncGenerator[bytes, None]:
        """A file's bytes as they come; `path` quoted, `silence_s` without any byte end it. Raises RetryLater, Rejected."""
        problem: SendError | TooBig
        url = f"{self._base}/file/bot{self._token}/{path}"
        limits = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=silence_s)
        try:
            async with self._http.get(url, timeout=limits, allow_redirects=False) as response:
                if response.status == 200:
                    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                        yield chunk
                    return
                problem = _no_file(response.status)
        except (TimeoutError, aiohttp.ClientError, OSError):
            problem = RetryLater("The connection to Telegram broke while a file came.")
        raise problem

    def _result(self, request: Request, status: int, body: bytes) -> msgspec.Raw:
        try:
            answer = _answers.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            answer = Answer(ok=False)
        if answer.ok and 200 <= status < 300:
            return answer.result
        code = answer.error_code or status
        if code < 400:  # a page of a proxy, a redirect, an answer that is no JSON
            raise InDoubt("Telegram's answer can't be read.", provider_code=str(status))
        problem = failure(code, answer.description.replace(self._token, "***"), answer.parameters)
        if isinstance(problem, RateLimited):
            problem.whole_channel = self._is_flood(request.fields.get("chat_id"))
        raise problem

    def _is_flood(self, chat: Any) -> bool:
        """A second chat told to wait within seconds: the limit is the bot's, not the chat's."""
        now = time.monotonic()
        before, other = self._flood
        self._flood = (now, chat)
        return now - before < FLOOD_WINDOW_S and other != chat


def _json(request: Request) -> aiohttp.BytesPayload:
    """Numbers and truth values go as text here too, so that a field reads the same in JSON and in a form.

    Telegram's server reads either so: a string by its content, the rest by its JSON (td/tdnet, HttpReader.cpp).
    """
    fields = _filled(request)
    plain = {key: value if isinstance(value, list | dict) else _text(value) for key, value in fields.items()}
    return aiohttp.BytesPayload(msgspec.json.encode(plain), content_type="application/json")


def _form(request: Request) -> aiohttp.FormData:
    form = aiohttp.FormData(quote_fields=False)  # else a Cyrillic file name reaches the client percent-encoded
    for key, value in _filled(request).items():
        form.add_field(key, _text(value))
    for key, file in request.files.items():
        # Bytes as they are would be written in one go; as a stream they leave the loop free between pieces.
        form.add_field(key, BytesIO(file.data), filename=file.name, content_type="application/octet-stream")
    return form


def _filled(request: Request) -> dict[str, Any]:
    return {key: value for key, value in request.fields.items() if value is not None and value != ""}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


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
        token = settings.token.get_secret_value()
        if not TOKEN_FORM.fullmatch(token):
            raise BadChannel("The bot's token is missing or not of Telegram's form.")
        bot = io.state["telegram_bot"] = Bot(io, token, settings.base_url)
    return cast("Bot", bot)
