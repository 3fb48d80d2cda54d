"""A connector that listens by a script, and has files to fetch; for tests. `SCRIPTS` by the channel's `script` setting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from config.errors import BadPayload
from connectors.base import CommonSettings, Connector, Fetched, Io, Media, Payload, Peek, Sink
from connectors.items import Attachment, Item

SCRIPTS: dict[str, Callable[[Sink, Io], Awaitable[None]]] = {}
FILES: dict[str, Callable[[Attachment, Io], Awaitable[Media]]] = {}


class Settings(CommonSettings):
    script: str = ""


class Message(msgspec.Struct):
    """`files`: pairs of name and text that came inside the payload."""

    id: str
    files: list[tuple[str, str]] = []
    links: list[str] = []


def payload(id_: str, *, padding: int = 0) -> Fetched:
    """A message of that id; `padding` more bytes."""
    return Fetched(Payload(body=msgspec.json.encode({"id": id_, "padding": "x" * padding})))


def verify(_payload: Payload, _settings: Settings) -> None:
    return None


def peek(received: Payload, _settings: Settings) -> Peek:
    return Peek(dedup=msgspec.json.decode(received.body, type=Message).id)


def normalize(received: Payload, _settings: Settings) -> list[Item]:
    try:
        message = msgspec.json.decode(received.body, type=Message)
    except msgspec.MsgspecError as error:
        raise BadPayload("body", "expected a message") from error
    inside = [Attachment(name=name, type="text/plain", data=text.encode()) for name, text in message.files]
    links = [Attachment(url=url) for url in message.links]
    return [Item(kind="message", external_id=message.id, thread_key="t", attachments=inside + links)]


async def listen(settings: Settings, io: Io, sink: Sink) -> None:
    await SCRIPTS[settings.script](sink, io)


async def fetch_media(attachment: Attachment, settings: Settings, io: Io) -> Media:
    return await FILES[attachment.id](attachment, io)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


connector = Connector(
    name="listening",
    title="Listening",
    settings=Settings,
    normalize=normalize,
    verify=verify,
    peek=peek,
    listen=listen,
    fetch_media=fetch_media,
    wants_listen=lambda settings: bool(settings.script),
)
