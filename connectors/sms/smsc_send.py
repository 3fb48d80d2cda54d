"""SMSC.ru, the way out: send.php, status.php and balance.php.

An answer is believed only where it says something: an error code (surely not accepted) or `cnt` (accepted). All else is in
doubt, and status.php settles it by our own number for the message.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec

from config.errors import BadChannel, InDoubt, RateLimited, Rejected, RetryLater, SendError
from connectors.base import Io, OutMessage, Sent
from connectors.sms.segments import tidy
from connectors.sms.smsc_tables import (
    ADDRESS_ERRORS,
    CHANNEL_ERRORS,
    DUPLICATE,
    MAX_TEXT,
    NOT_FOUND,
    PAYLOAD_ERRORS,
    SmscSettings,
)

MAX_ANSWER_BYTES = 64 << 10
CONNECT_S = 10.0
REPEAT_S = 60.0
_E164 = re.compile(r"\+?([1-9][0-9]{6,14})")
_INTEGER = re.compile(r"-?[0-9]{1,9}")


class Reply(msgspec.Struct, gc=False):
    """Answers of send.php, status.php and balance.php in fmt=3; numbers come as strings too."""

    id: int | str = 0
    cnt: int | str = 0
    cost: str | float | None = None
    balance: str | float | None = None
    status: int | str | None = None
    error: str = ""
    error_code: int | str = 0

    @property
    def problem(self) -> int:
        """Nonzero: an error. A text without a code counts as one that is not known."""
        code = str(self.error_code)
        return int(code) if _INTEGER.fullmatch(code) and int(code) else -1 if self.error else 0


_replies = msgspec.json.Decoder(Reply)


def number_of(outbound_id: str) -> int:
    """SMSC's `id` for a message of ours, 1 to 2^31 - 1, the same at every try."""
    return int.from_bytes(hashlib.sha256(outbound_id.encode()).digest()[:8]) % 0x7FFFFFFF + 1


async def send(message: OutMessage, settings: SmscSettings, io: Io) -> Sent:
    """Id `<number>:<digits of the phone>`; meta {price, balance, parts}. Raises a SendError."""
    digits = _recipient(message)
    text = tidy(message.text) if settings.tidy else message.text
    if message.files:
        raise Rejected("SMS carries no files: send a link.")
    if not text.strip():
        raise Rejected("The message is empty.")
    if len(text) > MAX_TEXT:
        raise Rejected(f"The text is longer than the {MAX_TEXT} characters SMSC takes.")
    number = number_of(message.id)
    asked: dict[str, str] = {"phones": digits, "mes": text, "id": str(number), "cost": "3"}
    if settings.sender:
        asked["sender"] = settings.sender
    if settings.valid_h:
        asked["valid"] = str(settings.valid_h)
    reply = await _ask("send", asked, settings, io)
    if reply.problem == DUPLICATE:
        return await _after_refusal(number, digits, reply, settings, io)
    if reply.problem:
        raise _failure(reply)
    if not str(reply.cnt).isdecimal() or not int(reply.cnt):
        raise InDoubt("SMSC's answer names no message.")
    return Sent((f"{number}:{digits}",), _paid(reply))


async def settle(message: OutMessage, settings: SmscSettings, io: Io) -> Sent | None:
    """Asks by our number. Raises InDoubt where SMSC can't be asked."""
    digits, number = _recipient(message), number_of(message.id)
    status = await _status(number, digits, settings, io)
    return None if status == NOT_FOUND else Sent((f"{number}:{digits}",), {"provider_status": status})


async def check(settings: SmscSettings, io: Io) -> str:
    """The balance. Raises BadChannel, or RetryLater where SMSC does not answer."""
    problem: SendError
    try:
        reply = await _ask("balance", {}, settings, io)
    except InDoubt as error:
        problem = RetryLater(str(error))
    else:
        if not reply.problem:
            return f"balance {reply.balance}" + (f", sender {settings.sender}" if settings.sender else "")
        problem = _failure(reply)
    raise problem


def _recipient(message: OutMessage) -> str:
    found = _E164.fullmatch(message.to.value) if message.to.kind == "phone" else None
    if found is None:
        raise Rejected("This is not a phone number.", address_is_bad=message.to.kind == "phone")
    return found[1]


async def _after_refusal(number: int, digits: str, refusal: Reply, settings: SmscSettings, io: Io) -> Sent:
    """Error 9: this try was not taken. Was an earlier one? Otherwise another message with these words stands in the way."""
    status = await _status(number, digits, settings, io)
    if status != NOT_FOUND:
        return Sent((f"{number}:{digits}",), {"provider_status": status, "repeat_refused": True})
    raise RateLimited(
        "SMSC takes the same text to the same phone once a minute.",
        after_s=REPEAT_S,
        whole_channel="duplicate" not in refusal.error.lower(),
        provider_code=str(DUPLICATE),
        provider_text=refusal.error,
    )


async def _status(number: int, digits: str, settings: SmscSettings, io: Io) -> int:
    """SMSC's status of a message of ours. Raises InDoubt: it is still not known."""
    reply: Reply | None = None
    try:
        reply = await _ask("status", {"phone": digits, "id": str(number)}, settings, io)
    except SendError:
        reply = None
    if reply is not None and not reply.problem and _INTEGER.fullmatch(str(reply.status)):
        return int(str(reply.status))
    code, text = (str(reply.problem or ""), reply.error) if reply is not None else ("", "")
    raise InDoubt("SMSC does not say what became of the message.", provider_code=code, provider_text=text)


def _paid(reply: Reply) -> dict[str, Any]:
    words = {"price": reply.cost, "balance": reply.balance}
    return {"parts": int(reply.cnt)} | {name: str(word) for name, word in words.items() if word is not None}


def _failure(reply: Reply) -> SendError:
    """An answer with an error: surely not accepted."""
    code = reply.problem
    words: dict[str, Any] = {"provider_code": str(code), "provider_text": reply.error}
    if code in CHANNEL_ERRORS:
        return BadChannel(CHANNEL_ERRORS[code], **words)
    if code in ADDRESS_ERRORS:
        return Rejected(ADDRESS_ERRORS[code], address_is_bad=True, **words)
    if code == DUPLICATE:
        return RateLimited("SMSC wants fewer requests at a time.", after_s=REPEAT_S, **words)
    return Rejected(PAYLOAD_ERRORS.get(code, "SMSC refused the message."), **words)


# ---------------------------------------------------------------- HTTP


async def _ask(script: str, fields: Mapping[str, str], settings: SmscSettings, io: Io) -> Reply:
    """One request; credentials travel in the body, never in the address. Raises RetryLater, RateLimited, BadChannel, InDoubt."""
    body = urlencode({**_credentials(settings), "charset": "utf-8", "fmt": "3", **fields}, errors="replace").encode()
    url = f"{settings.base_url.rstrip('/')}/sys/{script}.php"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    timeout = aiohttp.ClientTimeout(total=io.timeout_s, connect=min(CONNECT_S, io.timeout_s / 2))
    problem: SendError
    try:
        async with io.http.post(url, data=body, headers=headers, timeout=timeout, allow_redirects=False) as response:
            status, answer = response.status, await _body(response)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
        problem = RetryLater("SMSC can't be reached.")
    except (TimeoutError, aiohttp.ClientError, OSError):
        problem = InDoubt("The connection to SMSC broke before it answered.")
    else:
        return _read(status, answer)
    raise problem


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """At most MAX_ANSWER_BYTES; a longer answer is cut and so unreadable."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            break
    return bytes(body)


def _credentials(settings: SmscSettings) -> dict[str, str]:
    apikey, psw = settings.apikey.get_secret_value(), settings.psw.get_secret_value()
    if apikey:
        return {"apikey": apikey}
    if settings.login and psw:
        return {"login": settings.login, "psw": psw}
    raise BadChannel("SMSC needs `apikey`, or `login` and `psw`.")


def _read(status: int, answer: bytes) -> Reply:
    problem: SendError
    try:
        reply = _replies.decode(answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        reply = Reply()
    if reply.problem or 200 <= status < 300:
        # What does not say that it failed may have been taken: `send` wants `cnt`, `_status` a status.
        return reply
    if status == 429:
        problem = RateLimited("SMSC wants fewer requests.", after_s=REPEAT_S, provider_code="429")
    elif status in {401, 403}:
        problem = BadChannel("SMSC does not let us in.", provider_code=str(status))
    elif 400 <= status < 500:
        problem = Rejected("SMSC refused the request.", provider_code=str(status))
    else:
        problem = InDoubt("SMSC answered with an error of its own.", provider_code=str(status))
    raise problem
