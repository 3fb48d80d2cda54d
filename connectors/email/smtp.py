"""Sending over SMTP (RFC 5321): one mail at a time over a connection, one recipient's answer at a time.

A server that may have got the final dot and then fell silent may have the mail: that is in doubt. Without the dot it has
no mail, however much of it had left: surely not sent, and tried again.

`Sent.meta.refused` = {address: code}: copies that were not accepted while the recipient was.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass
from typing import cast

import aiosmtplib
from aiosmtplib import SMTPException, SMTPResponse

from config.errors import BadChannel, InDoubt, Rejected, RetryLater, SendError
from connectors.base import Io, OutMessage, Sent
from connectors.email.compose import LoadedFile, Mail, compose
from connectors.email.smtp_answers import classify
from connectors.email.smtp_connections import CLOSING, Connections, Line, Stage, connections
from connectors.email.tables import EmailSettings

MAX_FILE = 25 << 20
GO_ON = 354
CHUNK = 64 << 10

_LINE_END = re.compile(rb"\r\n|\n|\r")
_DOT = re.compile(rb"(?m)^\.")


async def send(message: OutMessage, settings: EmailSettings, io: Io) -> Sent:
    """The id is our Message-ID, the same with each try. Raises a SendError."""
    if not settings.smtp_host:
        raise BadChannel("This channel has no SMTP server to send by.")
    if sum(file.size for file in message.files) > MAX_FILE:
        raise Rejected("The files are larger than the 25 MB that mail servers take.")
    files = [LoadedFile(file.name, file.type, await file.read()) for file in message.files]
    mail = await asyncio.to_thread(compose, message, settings, files)
    letter = _Letter(mail, await asyncio.to_thread(_stuffed, mail.data))
    stage = Stage()
    try:
        async with asyncio.timeout(io.timeout_s):
            refused = await _deliver(letter, connections(settings, io), stage)
    except SendError as error:
        problem: SendError = error
    except (SMTPException, OSError, TimeoutError) as error:
        problem = _broken(error, stage)
    else:
        return Sent((mail.id,), {"refused": refused} if refused else {})
    # Raised out of the handler: a library's error hanging on to it would bring addresses into tracebacks.
    problem.__cause__ = problem.__context__ = None
    raise problem


async def check_smtp(settings: EmailSettings, io: Io) -> str:
    """Logs in. Raises BadChannel (log-in), RetryLater (network)."""
    try:
        line = await Connections(settings, io.timeout_s).fresh(Stage())
    except (SMTPException, OSError, TimeoutError) as error:
        problem = _broken(error, Stage())
    else:
        size = line.client.esmtp_extensions.get("size", "")
        await line.aclose()
        limit = f", takes up to {int(size) >> 20} MB" if size.isdecimal() and int(size) >> 20 else ""
        return f"SMTP: logged in at {settings.smtp_host}{limit}"
    raise problem


@dataclass(frozen=True, slots=True)
class _Letter:
    """A mail, and its bytes as DATA sends them."""

    mail: Mail
    wire: bytes


async def _deliver(letter: _Letter, own: Connections, stage: Stage) -> dict[str, str]:
    """Copies that were refused. Raises what the server or the library say.

    A connection that has had its time is no reason to fail: before the end of the mail has left a new one is tried.
    """
    line = await own.kept()
    if line is not None:
        try:
            return await _over(line, own, letter, stage)
        except (SMTPException, OSError) as error:
            if not _has_had_its_time(error, stage):
                raise
        stage.name = "connect"
    return await _over(await own.fresh(stage), own, letter, stage)


def _has_had_its_time(error: Exception, stage: Stage) -> bool:
    """Lost while it was kept, or no more mails by it (servers count them)."""
    if stage.dot_left:
        return False
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return error.code == CLOSING or (stage.name == "mail" and error.code // 100 == 4)
    return True


async def _over(line: Line, own: Connections, letter: _Letter, stage: Stage) -> dict[str, str]:
    mail = letter.mail
    with own.lent(line) as client:
        _check_size(client, mail)
        stage.name = "mail"
        _expect(await client.execute_command(b"MAIL", *_mail_from(client, mail, own.settings)))
        refused: dict[str, str] = {}
        for number, recipient in enumerate(mail.recipients):
            stage.name = "rcpt"
            answer = await client.execute_command(b"RCPT", f"TO:<{recipient}>".encode())
            if number == 0 or answer.code == CLOSING:
                _expect(answer)
            elif answer.code // 100 != 2:
                refused[recipient] = str(answer.code)
        stage.name = "data"
        await _hand_over(client, letter.wire, stage)
        return refused


def _mail_from(client: aiosmtplib.SMTP, mail: Mail, settings: EmailSettings) -> list[bytes]:
    words = [f"FROM:<{settings.address}>".encode()]
    if client.supports_extension("size"):
        words.append(b"SIZE=%d" % len(mail.data))
    if not all(address.isascii() for address in (settings.address, *mail.recipients)):
        if not client.supports_extension("smtputf8"):
            raise Rejected("This server takes no addresses with letters beyond ASCII.", address_is_bad=True)
        words.append(b"SMTPUTF8")
    return words


def _check_size(client: aiosmtplib.SMTP, mail: Mail) -> None:
    limit = client.esmtp_extensions.get("size", "")
    if limit.isdecimal() and 0 < int(limit) < len(mail.data):
        raise Rejected(f"The mail is larger than the {int(limit) >> 20} MB this server takes.", provider_code="5.3.4")


async def _hand_over(client: aiosmtplib.SMTP, wire: bytes, stage: Stage) -> None:
    """The mail and then, by itself, the dot that ends it: only with that can the server have a mail.

    The library's own DATA writes both at once, and then nobody knows which of them was reached.
    """
    _expect(await client.execute_command(b"DATA"), GO_ON)
    protocol = client.protocol
    if protocol is None or protocol.transport is None:
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    # So that draining waits for the last byte; not 0, which TLS transports take for "always full".
    cast("asyncio.WriteTransport", protocol.transport).set_write_buffer_limits(high=1, low=0)
    protocol._response_pending = True  # noqa: SLF001 - a refusal may come before the dot
    for start in range(0, len(wire), CHUNK):  # a TLS transport takes a large piece for sent at once
        protocol.write(wire[start : start + CHUNK])
        await protocol._drain_helper()  # noqa: SLF001 - what StreamWriter.drain calls
        await asyncio.sleep(0)  # draining does not yield while all is taken, and a loss is only told to who yields
    if not protocol.is_connected:
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    stage.dot_left = True
    protocol.write(b".\r\n")
    _expect(await protocol.read_response(timeout=client.timeout))
    stage.name = "done"


def _stuffed(data: bytes) -> bytes:
    """Lines end in CR LF, a dot at a line's beginning is doubled (RFC 5321, 4.5.2)."""
    lines = _LINE_END.sub(b"\r\n", data)
    return _DOT.sub(b"..", lines if lines.endswith(b"\r\n") else lines + b"\r\n")


def _expect(answer: SMTPResponse, code: int = 0) -> None:
    """Raises SMTPResponseException unless it is a yes, or that very code."""
    if answer.code != code and (code or answer.code // 100 != 2):
        raise aiosmtplib.SMTPResponseException(answer.code, answer.message)


def _broken(error: Exception, stage: Stage) -> SendError:
    """A library's exception as one of ours."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return classify(error.code, error.message, stage.name)
    if stage.dot_left:
        return InDoubt("The connection was lost after the mail had left, before the server's answer.")
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return BadChannel("The certificate of the SMTP server is not valid.")
    if isinstance(error, TimeoutError):
        return RetryLater("The SMTP server does not answer.")
    if stage.name == "connect":
        return RetryLater(f"The SMTP server can't be reached ({type(error).__name__}).")
    return RetryLater("The SMTP server closed the connection before it had the mail.")
