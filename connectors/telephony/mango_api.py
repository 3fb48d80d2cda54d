"""Commands to Mango's VPBX: routing a call, click-to-call, recordings. Every one is a signed form; answers become our errors.

Mango says yes with HTTP 200 and, by some editions, `{"result": 1000}`; no with a code in the JSON of a 200, 4xx or 5xx. What
then came of a command is posted to `/result/<command>`.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec

from config.errors import BadChannel, InDoubt, RateLimited, Rejected, RetryLater, SendError, TooBig
from connectors.base import Io, Media, OutMessage, RouteAnswer, RouteQuestion, Sent
from connectors.items import Attachment
from connectors.telephony.mango_tables import (
    BARRED,
    HARMLESS,
    NOT_READY,
    OVERLOADED,
    ROUTE_PREFIX,
    SENTENCES,
    TOO_MANY,
    WRONG_KEYS,
    MangoSettings,
    Result,
    by_class,
    number,
)

CONNECT_S = 5.0
MAX_ANSWER_BYTES = 1 << 20
MAX_RECORDING_BYTES = 200 << 20
CHUNK_BYTES = 64 << 10
NOT_READY_S = 60.0
OK = 1000
PAUSE_S = 2.0


def signature(key: str, json: str, salt: str) -> str:
    """sha256 over key, the JSON exactly as sent, and salt; lower-case hex. Both directions are signed so."""
    return hashlib.sha256((key + json + salt).encode("utf-8", "surrogatepass")).hexdigest()


class Answered(msgspec.Struct, frozen=True):
    """`code`: Mango's result code, None where it said none. `location`: of a redirect."""

    status: int
    code: int | None
    location: str = ""


async def ask(path: str, command: Mapping[str, Any], settings: MangoSettings, io: Io) -> Answered:
    """One command. Raises RetryLater (it never left), InDoubt (no answer came), BadChannel (no key)."""
    form = _signed(command, settings)
    url = settings.base_url.rstrip("/") + path
    limits = aiohttp.ClientTimeout(total=io.timeout_s, connect=min(CONNECT_S, io.timeout_s / 2))
    problem: SendError
    try:
        # Mango's own 302 leads to a file host that must not get our key.
        async with io.http.post(url, data=form, timeout=limits, allow_redirects=False) as response:
            body = await _read(response)
            return Answered(response.status, _code(body), response.headers.get("Location", ""))
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL):
        problem = RetryLater("Mango can't be reached.")
    except (TimeoutError, aiohttp.ClientError, OSError):
        problem = InDoubt("The connection to Mango broke before it answered.")
    raise problem


async def ask_again(path: str, command: Mapping[str, Any], settings: MangoSettings, io: Io) -> Answered:
    """A command that may be repeated without harm: nothing is ever in doubt. Raises RetryLater, BadChannel."""
    try:
        return await ask(path, command, settings, io)
    except InDoubt as error:
        again = RetryLater(str(error))
    raise again


def _signed(command: Mapping[str, Any], settings: MangoSettings) -> dict[str, str]:
    key, salt = settings.api_key.get_secret_value(), settings.api_salt.get_secret_value()
    if not key or not salt:
        raise BadChannel("The settings `api_key` and `api_salt` are missing.")
    json = msgspec.json.encode(command).decode()
    return {"vpbx_api_key": key, "sign": signature(key, json, salt), "json": json}


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """At most MAX_ANSWER_BYTES: more can't be an answer."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            break
    return bytes(body)


def _code(body: bytes) -> int | None:
    """`{"result": 1000}`, `{"code": 3104}`, with numbers as text too; `{"code": 0}` is no code of the PBX."""
    try:
        answer = msgspec.json.decode(body, type=Result)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return number(answer.result) or number(answer.code) or None


def refusal(answered: Answered) -> SendError | None:
    """The error in an answer, None for a yes."""
    status, code = answered.status, answered.code
    words: dict[str, Any] = {"provider_code": str(code or status)}
    if 200 <= status < 300 and code in {None, OK}:
        return None
    if status == 429 or code in TOO_MANY:
        return RateLimited("Mango asks for a pause.", after_s=PAUSE_S, **words)
    if code is not None and code != OK:
        return _of_code(code, words)
    if status in {401, 403}:
        return BadChannel("Mango refuses this key, or this address is not on its list.", **words)
    if status == 503:
        return RetryLater("Mango has a fault of its own.", **words)
    if status >= 500 or status < 400:
        return InDoubt("Mango's answer can't be read.", **words)
    return Rejected("Mango refused the command.", **words)


def _of_code(code: int, words: dict[str, Any]) -> SendError:
    if code in WRONG_KEYS:
        return BadChannel("Mango does not accept the key or the signature.", **words)
    if code in BARRED:
        return BadChannel("The PBX's account is blocked or has no money.", **words)
    if code in OVERLOADED:
        return RetryLater("Mango is overloaded.", **words)
    if code // 1000 == 5:
        return InDoubt("Mango has a fault of its own and does not say what became of the command.", **words)
    sentence = by_class(code, SENTENCES) or SENTENCES[1000]
    return Rejected(sentence, address_is_bad=code == 3200, **words)


# ---------------------------------------------------------------- who takes the call


async def route_command(answer: RouteAnswer, question: RouteQuestion, settings: MangoSettings, io: Io) -> None:
    """Sends the call to the first extension. Too late (answered, over) is no failure. Raises a SendError.

    One command in two seconds is allowed: they take turns, and one that would come after the greeting is left out.
    """
    if not answer.extensions:
        return
    command: dict[str, Any] = {
        "command_id": ROUTE_PREFIX + hashlib.sha256(question.leg.encode()).hexdigest()[:24],
        "call_id": question.leg,
        "to_number": answer.extensions[0],
    }
    if settings.show_name and answer.display_name:
        command["sip_headers"] = {"From/display-name": answer.display_name[:60]}
    deadline = time.monotonic() + settings.route_patience_s
    while True:
        await _turn(settings, io, deadline)
        answered = await ask("/commands/route", command, settings, io)
        problem = refusal(answered)
        if problem is None or answered.code in HARMLESS:
            return
        # Another process of ours used the turn: once more, while the greeting lasts.
        if not isinstance(problem, RateLimited) or time.monotonic() + settings.route_every_s > deadline:
            raise problem


async def _turn(settings: MangoSettings, io: Io, deadline: float) -> None:
    """Waits for this command's turn. Raises RateLimited, at once, if that is behind the deadline."""
    now = time.monotonic()
    at = max(now, io.state.get("mango_route_at", 0.0))
    if at > deadline:
        raise RateLimited("More calls came than Mango lets be routed.", after_s=settings.route_every_s)
    io.state["mango_route_at"] = at + settings.route_every_s
    await asyncio.sleep(at - now)


# ---------------------------------------------------------------- click-to-call


async def send(message: OutMessage, settings: MangoSettings, io: Io) -> Sent:
    """Rings the employee at `meta.extension`, then the client. Id: the command's, echoed by the call. Raises a SendError."""
    extension = str(message.meta.get("extension") or "").strip()
    if message.meta.get("action") != "call":
        raise Rejected("A phone channel can call, not write.")
    if not extension:
        raise Rejected("Click-to-call needs the extension of who calls.")
    if message.to.kind != "phone" or not message.to.value.strip("+").isdecimal():
        raise Rejected("This is not a phone number.", address_is_bad=True)
    command: dict[str, Any] = {
        "command_id": message.id,
        "from": {"extension": extension},
        "to_number": message.to.value.strip("+"),
    }
    if settings.line_number:
        command["line_number"] = settings.line_number
    problem = refusal(await ask("/commands/callback", command, settings, io))
    if problem is not None:
        raise problem
    return Sent((message.id,))


# ---------------------------------------------------------------- recordings


async def fetch_media(attachment: Attachment, settings: MangoSettings, io: Io) -> Media:
    """A recording: asked for with our key, fetched without it from where Mango points. Raises RetryLater while it is not
    ready, Rejected, TooBig; so does iterating the chunks.
    """
    command = {"recording_id": attachment.id, "action": "download"}
    answered = await ask_again("/queries/recording/post", command, settings, io)
    if answered.status in {301, 302, 303, 307, 308} and answered.location:
        url = urljoin(settings.base_url.rstrip("/") + "/", answered.location)
        if urlsplit(url).scheme not in {"http", "https"}:
            raise Rejected("Mango points to no file.")
        return Media(_chunks(url, io), name=attachment.name, type="audio/mpeg")
    if answered.status == 404 or answered.code in NOT_READY:
        raise RetryLater("Mango has not stored this recording yet.", after_s=NOT_READY_S)
    problem = refusal(answered) or RetryLater("Mango gave no link to this recording.", after_s=NOT_READY_S)
    if isinstance(problem, InDoubt):
        problem = RetryLater(str(problem), provider_code=problem.provider_code)
    raise problem


async def _chunks(url: str, io: Io) -> AsyncIterator[bytes]:
    """The file. Its address is a key to it: it stands in no error."""
    limits = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=io.timeout_s)
    problem: SendError | TooBig
    size = 0
    try:
        async with io.http.get(url, timeout=limits) as response:
            if response.status == 200:
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    size += len(chunk)
                    if size > MAX_RECORDING_BYTES:
                        break
                    yield chunk
                else:
                    return
                problem = TooBig("The recording is larger than any call.")
            elif response.status in {404, 429} or response.status >= 500:
                problem = RetryLater("Mango's file host does not have this recording yet.", after_s=NOT_READY_S)
            else:
                problem = Rejected("Mango's file host refuses this recording.", provider_code=str(response.status))
    except (TimeoutError, aiohttp.ClientError, OSError):
        problem = RetryLater("The connection broke while a recording came.")
    raise problem


# ---------------------------------------------------------------- set-up


async def check(settings: MangoSettings, io: Io) -> str:
    """Whether key, salt and address are right, by asking for one employee. Raises BadChannel, RetryLater."""
    problem = refusal(await ask_again("/config/users/request", {}, settings, io))
    if problem is not None:
        raise problem
    return f"Mango at {urlsplit(settings.base_url).hostname} accepts the key and the signature"
