"""What a connector is: settings, a few pure functions over a payload, and the provider's side of sending.

A connector is one file that reads top to bottom (settings, tables, verify/handshake, peek, normalize, send,
fetch_media/listen) and ends in `connector = Connector(...)`. It imports this package's base and libraries, nothing else
of ours. `peek` and `normalize` are pure and total: no clock, no database, no network, and only `BadPayload` is raised.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Generic, Protocol, TypeVar, cast
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import aiohttp
import msgspec
from pydantic import BaseModel, ConfigDict, Field, field_validator

from config.errors import BadPayload, BadSignature
from connectors.items import Address, Attachment, Item

# ---------------------------------------------------------------- identities


@dataclass(frozen=True, slots=True)
class IdentityKind:
    """`scoped`: unique only within a page, bot, site or PBX. `strength`: who wins when addresses disagree; 0 = a hint
    that never decides (usernames are given away and taken over).
    """

    scoped: bool
    strength: int


IDENTITY_KINDS: Mapping[str, IdentityKind] = {
    "telegram": IdentityKind(scoped=False, strength=100),
    "vk": IdentityKind(scoped=False, strength=100),
    "max": IdentityKind(scoped=False, strength=100),
    "viber": IdentityKind(scoped=True, strength=100),
    "whatsapp_bsuid": IdentityKind(scoped=True, strength=100),
    "fb_psid": IdentityKind(scoped=True, strength=100),
    "ig_igsid": IdentityKind(scoped=True, strength=100),
    "avito": IdentityKind(scoped=True, strength=100),
    "ok": IdentityKind(scoped=True, strength=100),
    "line": IdentityKind(scoped=True, strength=100),
    "site_user": IdentityKind(scoped=True, strength=95),
    "external": IdentityKind(scoped=True, strength=90),
    "phone": IdentityKind(scoped=False, strength=80),
    "email": IdentityKind(scoped=False, strength=70),
    "visitor": IdentityKind(scoped=True, strength=40),
    "telegram_username": IdentityKind(scoped=False, strength=0),
}

# ---------------------------------------------------------------- payloads


class Class(IntEnum):
    """What a journal entry may wait behind: nothing, live messages, or both."""

    LIVE = 0
    STATUS = 1
    BULK = 2


class Payload(msgspec.Struct, frozen=True):
    """What came in, as it came. `headers`: asked for by lower-case names; `url`: the full address called; `query`: raw; `now`: unix
    seconds of its arrival, for signatures that carry a time.
    """

    body: bytes = b""
    headers: Mapping[str, str] = {}
    query: str = ""
    method: str = "POST"
    path: str = ""
    url: str = ""
    now: float = 0.0

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def params(self) -> dict[str, str]:
        """The query's parameters; of repeated ones the last. Raises BadPayload over 1,000 of them."""
        return _pairs(self.query, "query")

    def form(self) -> dict[str, str]:
        """The body as application/x-www-form-urlencoded. Raises BadPayload if it is not UTF-8 or has over 1,000 fields."""
        try:
            return _pairs(self.body.decode(), "body")
        except UnicodeDecodeError as error:
            raise BadPayload("body", "expected UTF-8") from error


def _pairs(text: str, where: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=1000))
    except ValueError as error:
        raise BadPayload(where, "more than 1,000 fields") from error


class Peek(msgspec.Struct, frozen=True):
    """What must be known before a payload is understood.

    `dedup`: an id the provider repeats with its retries, unique in the channel; empty: the digest of the request counts,
    within the connector's `dedup_window_s`. `lane`: thread, chat or call id whose order must hold; empty: the channel's.
    """

    dedup: str = ""
    lane: str = ""
    klass: Class = Class.LIVE


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer a provider insists on (hub.challenge, a confirmation string, a routing decision)."""

    body: bytes = b""
    status: int = 200
    content_type: str = "text/plain"
    headers: Mapping[str, str] = field(default_factory=dict)


T = TypeVar("T")
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def parse(type_: type[T], body: bytes) -> T:
    """JSON into a struct. Raises BadPayload with the path that is wrong."""
    decoder = _decoders.get(type_)
    if decoder is None:
        decoder = _decoders[type_] = msgspec.json.Decoder(type_)
    try:
        return cast("T", decoder.decode(body))
    except msgspec.ValidationError as error:
        why, _, where = str(error).partition(" - at `")
        raise BadPayload(where.rstrip("`").removeprefix("$.") or "body", why) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadPayload("body", f"not JSON: {error}") from None
    except RecursionError:
        raise BadPayload("body", "nested too deep") from None


def same_secret(given: str | None, expected: str) -> None:
    """Raises BadSignature unless both are equal (constant time) and the expected one is not empty."""
    if not expected or not hmac.compare_digest((given or "").encode("utf-8", "surrogateescape"), expected.encode()):
        raise BadSignature("the secret of this request does not match the channel's")


def b64decode(text: str) -> bytes:
    """Base64 from outside. Raises BadSignature: it is only used on signatures."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise BadSignature("the signature is not base64") from None


# ---------------------------------------------------------------- the way out


class OutFile(msgspec.Struct, frozen=True):
    """An attachment to send; `read` gives its bytes (off the loop)."""

    name: str
    type: str
    size: int
    read: Callable[[], Awaitable[bytes]]


class OutMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A reply as the connector gets it. `id` is ours and stays the same over retries: use it as idempotency key."""

    id: str
    to: Address
    thread_key: str
    text: str = ""
    subject: str = ""
    html: str = ""
    files: Sequence[OutFile] = ()
    reply_to: str = ""
    references: Sequence[str] = ()
    meta: Mapping[str, Any] = {}


class Sent(msgspec.Struct, frozen=True):
    """The provider took it. `external_ids`: its ids, one for each part it made of the message, the first leads."""

    external_ids: Sequence[str]
    meta: Mapping[str, Any] = {}


class Media(msgspec.Struct, frozen=True):
    """A fetched attachment; what the provider says of it wins over what the payload said."""

    chunks: AsyncIterator[bytes]
    name: str = ""
    type: str = ""


class Resource(Protocol):
    """What a connector holds open between two calls."""

    def close(self) -> None:
        """At once: what is idle ends now, what is in use as soon as it is not."""

    async def aclose(self) -> None:
        """The same, with a proper good-bye of a few seconds at most. Raises nothing."""


@dataclass(slots=True)
class Io:
    """What a connector may use of the world. `state` lives as long as the channel's settings: clients, sessions, tokens;
    `resources`: those of them that must be closed.
    """

    http: aiohttp.ClientSession
    state: dict[str, Any] = field(default_factory=dict)
    timeout_s: float = 30.0
    public_url: str = ""
    resources: list[Resource] = field(default_factory=list)

    def close(self) -> None:
        """The channel's settings have changed; calls that go on are not disturbed."""
        for resource in self.resources:
            resource.close()

    async def aclose(self) -> None:
        """No call goes on any more."""
        for resource in self.resources:
            await resource.aclose()


class Fetched(msgspec.Struct, frozen=True):
    """A payload a fetcher brought. `received_at` is ours; `silent`: archive, keep it without any effect."""

    payload: Payload
    silent: bool = False


class Sink(Protocol):
    """Where a fetcher puts what it found, and how far it has come."""

    @property
    def mark(self) -> Mapping[str, Any]:
        """Progress as last kept."""

    async def keep(self, fetched: Sequence[Fetched], mark: Mapping[str, Any]) -> None:
        """Journal rows and the new mark in one commit. Raises Unavailable: nothing was kept, try the same again."""

    def note(self, problem: str) -> None:
        """What is wrong with the channel now, for its card; empty when it works."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What composer and campaigns may offer. Lengths in characters, sizes in bytes, `window_s` seconds to answer in;
    `call`: click-to-call, a message with `meta` {action: "call", extension}.
    """

    text: bool = True
    max_text: int = 4096
    attachments: bool = False
    max_file: int = 0
    buttons: bool = False
    templates: bool = False
    edit: bool = False
    delete: bool = False
    typing: bool = False
    reply_to: bool = False
    subject: bool = False
    delivered: bool = False
    read: bool = False
    cold: bool = False
    window_s: int | None = None
    call: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Default speed towards the provider: messages a second of the channel, of one address, how many at a time, and how
    long one may take.
    """

    per_s: float = 20.0
    per_address_s: float = 1.0
    parallel: int = 8
    send_s: float = 30.0


class CommonSettings(BaseModel):
    """Settings every channel has. Subclasses add the provider's; secrets are `SecretStr`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: str = Field("RU", pattern="^[A-Z]{2}$", description="country of phone numbers written without a code")
    timezone: str = Field("Europe/Moscow", description="zone of times the provider sends without one")
    silent_after_s: int = Field(0, ge=0, description="alarm when nothing came for so many seconds; 0: never")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            return ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is not a time zone name such as Europe/Moscow") from None


S = TypeVar("S", bound=CommonSettings)


class RouteQuestion(msgspec.Struct, frozen=True):
    """A PBX asks who should take the call: numbers E.164, `call_id` the provider's, as in `Item.external_id`; `leg`: what
    the routing command must name, where that is another id.
    """

    call_id: str
    client: str
    our_number: str = ""
    leg: str = ""


class RouteAnswer(msgspec.Struct, frozen=True):
    """Our opinion: extensions to ring in turn, and the client's name for the phone's display. Empty: no opinion."""

    extensions: Sequence[str] = ()
    display_name: str = ""


def _no_handshake(_payload: Payload, _settings: Any) -> Answer | None:
    return None


def _asks_nothing(_payload: Payload, _settings: Any) -> RouteQuestion | None:
    return None


def _whole_channel(_payload: Payload, _settings: Any) -> Peek:
    return Peek()


@dataclass(frozen=True)
class Connector(Generic[S]):
    """One provider. Functions that a protocol has no use for keep their defaults; the registry refuses a second name.

    verify(payload, settings)       raises BadSignature or BadPayload; runs before anything is kept
    handshake(payload, settings)    an Answer to a request that carries no event (challenge, confirmation), else None
    acknowledge(payload, settings)  the 2xx answer to a payload just kept, where `ok` is not enough; total
    cors(payload, settings)         headers by which a page's script may read any answer of the hook, refusals too; total.
                                    The payload is without its body
    peek(payload, settings)         dedup, lane and class; total
    normalize(payload, settings)    items; raises BadPayload only
    asks(payload, settings)         the question "who should take this call?" in a payload, else None
    route_reply(answer, question, settings)       the HTTP answer that routes the call (PBXs that ask)
    route_command(answer, question, settings, io) the request that routes it (PBXs that tell and obey)
    send(message, settings, io)     raises a SendError; a timeout after bytes were written is InDoubt
    settle(message, settings, io)   asks the provider what became of a message in doubt: Sent, None (surely not), InDoubt
    fetch_media(attachment, settings, io)
    listen(settings, io, sink)      runs until cancelled; raises BadChannel when only an admin can help
    reaches                         identity kinds `send` can write to
    check(settings, io)             a line about the connection, for `channel test`; raises BadChannel
    whole_seconds                   the provider's times are cut to the second: a whole one counts as its end
    attach(settings, io, hook_url)  tells the provider where to call (setWebhook); called when a channel is added
    """

    name: str
    title: str
    settings: type[S]
    normalize: Callable[[Payload, S], list[Item]]
    verify: Callable[[Payload, S], None]
    handshake: Callable[[Payload, S], Answer | None] = _no_handshake
    peek: Callable[[Payload, S], Peek] = _whole_channel
    asks: Callable[[Payload, S], RouteQuestion | None] = _asks_nothing
    route_reply: Callable[[RouteAnswer, RouteQuestion, S], Answer] | None = None
    route_command: Callable[[RouteAnswer, RouteQuestion, S, Io], Awaitable[None]] | None = None
    send: Callable[[OutMessage, S, Io], Awaitable[Sent]] | None = None
    settle: Callable[[OutMessage, S, Io], Awaitable[Sent | None]] | None = None
    fetch_media: Callable[[Attachment, S, Io], Awaitable[Media]] | None = None
    listen: Callable[[S, Io, Sink], Awaitable[None]] | None = None
    wants_listen: Callable[[S], bool] = lambda _settings: True
    check: Callable[[S, Io], Awaitable[str]] | None = None
    attach: Callable[[S, Io, str], Awaitable[None]] | None = None
    ok: Answer = Answer()
    acknowledge: Callable[[Payload, S], Answer] | None = None
    cors: Callable[[Payload, S], Mapping[str, str]] | None = None
    reaches: frozenset[str] = frozenset()
    capabilities: Capabilities = Capabilities()
    limits: Limits = Limits()
    keep_headers: frozenset[str] = frozenset()
    mask: frozenset[str] = frozenset()
    dedup_window_s: int = 600
    max_body: int = 4 << 20
    heavy: bool = False
    whole_seconds: bool = True
    experimental: bool = False
