"""What the tests of outgoing e-mail share: a mail to send, the channel's settings for a sink, and what a try ends in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from config.errors import SendError
from connectors.base import Io, OutFile, OutMessage, Sent
from connectors.email.connector import connector
from connectors.email.tables import EmailSettings
from connectors.email.threading import digest
from connectors.items import Address
from simulator.email import SmtpSink

OUTBOUND = "0198c0de-0000-7000-8000-000000000001"
ROOT = "first@mail.example.org"


@asynccontextmanager
async def io_of() -> AsyncIterator[Io]:
    """Closed at the end, as a channel's is."""
    async with aiohttp.ClientSession() as http:
        io = Io(http=http, timeout_s=5.0)
        try:
            yield io
        finally:
            await io.aclose()


def settings_for(sink: SmtpSink, **more: Any) -> EmailSettings:
    given = {"address": "box@client.example", "name": "Пекарня", "password": sink.password, "smtp_host": "127.0.0.1"}
    return EmailSettings(**{**given, "smtp_port": sink.port, "smtp_security": "none", **more})


def message(**more: Any) -> OutMessage:
    given: dict[str, Any] = {
        "id": OUTBOUND,
        "to": Address(kind="email", value="anna@example.org", name="Анна"),
        "thread_key": digest(ROOT),
        "text": "Добрый день, Анна!\nВаш заказ готов.",
        "subject": "Re: Заказ",
        "reply_to": ROOT,
        "references": [ROOT],
    }
    return OutMessage(**{**given, **more})


def file(name: str, data: bytes, type_: str = "application/pdf") -> OutFile:
    async def read() -> bytes:
        return data

    return OutFile(name, type_, len(data), read)


async def send(message_: OutMessage, settings: EmailSettings, io: Io) -> Sent:
    assert connector.send is not None
    return await connector.send(message_, settings, io)


async def outcome(message_: OutMessage, settings: EmailSettings, io: Io) -> SendError:
    """The error it ends in, with nothing of a library's hanging on to it."""
    with pytest.raises(SendError) as caught:
        await send(message_, settings, io)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    return caught.value
