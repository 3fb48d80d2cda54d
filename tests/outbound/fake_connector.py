"""A connector for tests: it sends over real HTTP to a provider that answers by a script; what comes in are items."""

from __future__ import annotations

from typing import Any

import aiohttp

from config.errors import BadChannel, Blocked, InDoubt, RateLimited, Rejected, RetryLater, SendError, WindowClosed
from connectors.base import Capabilities, CommonSettings, Connector, Io, Limits, OutMessage, Payload, Sent, parse
from connectors.items import Item

ERRORS: dict[str, type[SendError]] = {
    "retry": RetryLater,
    "rate_limited": RateLimited,
    "permanent": Rejected,
    "blocked": Blocked,
    "window_closed": WindowClosed,
    "channel": BadChannel,
    "in_doubt": InDoubt,
}


class Settings(CommonSettings):
    base_url: str


def verify(_payload: Payload, _settings: Settings) -> None:
    return None


def normalize(payload: Payload, _settings: Settings) -> list[Item]:
    return parse(list[Item], payload.body)


def _sent(answer: dict[str, Any]) -> Sent:
    if "raise" in answer:
        raise RuntimeError(f"no such key {answer['raise']}")
    if "error" in answer:
        extra = {key: answer[key] for key in ("after_s", "whole_channel", "address_is_bad") if key in answer}
        raise ERRORS[answer["error"]]("refused", provider_code="77", provider_text="no\0good", **extra)
    return Sent(answer["ids"])


async def send(message: OutMessage, settings: Settings, io: Io) -> Sent:
    """A connection refused is surely not sent; any other loss of it is a doubt."""
    files = [(await file.read()).decode() for file in message.files]
    body = {"id": message.id, "to": message.to.value, "text": message.text, "files": files}
    body |= {"reply_to": message.reply_to, "subject": message.subject}
    try:
        async with io.http.post(f"{settings.base_url}/send", json=body) as response:
            return _sent(await response.json())
    except aiohttp.ClientConnectorError as error:
        raise RetryLater("the provider can't be reached") from error
    except aiohttp.ClientError as error:
        raise InDoubt("the connection broke") from error


async def settle(message: OutMessage, settings: Settings, io: Io) -> Sent | None:
    async with io.http.post(f"{settings.base_url}/history", json={"id": message.id}) as response:
        answer = await response.json()
    return None if "never" in answer else _sent(answer)


connector = Connector(
    name="scripted",
    title="Scripted",
    settings=Settings,
    normalize=normalize,
    verify=verify,
    send=send,
    settle=settle,
    capabilities=Capabilities(max_text=200, attachments=True, max_file=1000, cold=True),
    limits=Limits(per_s=2000, per_address_s=2000, parallel=4),
)
