"""Sending over SMTP (RFC 5321): one connection a message, one recipient's answer at a time.

A server that took the final dot and then fell silent may have the mail: that is in doubt. Silence before the mail's
first byte has left is a surely-not, and tried again.

`Sent.meta.refused` = {address: code}: copies that were not accepted while the recipient was.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import aiosmtplib
from aiosmtplib import SMTPException, SMTPResponse

from config.errors import BadChannel, InDoubt, RateLimited, Rejected, RetryLater, SendError
from connectors.base import Io, OutMessage, Sent
from connectors.email.bounces import meaning
from connectors.email.compose import LoadedFile, Mail, compose
from connectors.email.tables import EmailSettings

MAX_FILE = 25 << 20
QUIT_S = 2.0
GREYLIST_S = 300.0
PAUSE_S = 60.0
FULL_S = 3600.0

_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_GREYLIST = re.compile(r"gr[ae]y-?list|try again (?:in|later|after)", re.IGNORECASE)
_RATE = re.compile(
    r"\brate\b|too (?:many|fast)|throttl|slow down|limit|quota of|exceeded|слишком (?:много|часто)|лимит", re.IGNORECASE
)
_LOGIN = re.compile(
    r"relay|authenticat|\blog ?in\b|not permitted to send|sender .{0,40}not allowed|sendas", re.IGNORECASE
)


async def send(message: OutMessage, settings: EmailSettings, io: Io) -> Sent:
    """The id is our Message-ID, the same with each try. Raises a SendError."""
    if not settings.smtp_host:
        raise BadChannel("This channel has no SMTP server to send by.")
    if sum(file.size for file in message.files) > MAX_FILE:
        raise Rejected("The files are larger than the 25 MB that mail servers take.")
    files = [LoadedFile(file.name, file.type, await file.read()) for file in message.files]
    mail = await asyncio.to_thread(compose, message, settings, files)
    stage = _Stage()
    try:
        async with asyncio.timeout(io.timeout_s):
            refused = await _deliver(mail, settings, io, stage)
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
        async with _connected(settings, io) as client:
            size = client.esmtp_extensions.get("size", "") if client.is_connected else ""
    except (SMTPException, OSError, TimeoutError) as error:
        problem = _broken(error, _Stage())
    else:
        limit = f", takes up to {int(size) >> 20} MB" if size.isdecimal() and int(size) >> 20 else ""
        return f"SMTP: logged in at {settings.smtp_host}{limit}"
    raise problem


@dataclass(slots=True)
class _Stage:
    """How far the conversation came: `body_left` once the first byte of the mail may have gone out."""

    name: str = "connect"
    body_left: bool = False


async def _deliver(mail: Mail, settings: EmailSettings, io: Io, stage: _Stage) -> dict[str, str]:
    """Copies that were refused. Raises what the server or the library say."""
    async with _connected(settings, io, stage) as client:
        _check_size(client, mail)
        stage.name = "mail"
        _expect(await client.execute_command(b"MAIL", *_mail_from(client, mail, settings)), stage.name)
        refused: dict[str, str] = {}
        for number, recipient in enumerate(mail.recipients):
            stage.name = "rcpt"
            answer = await client.execute_command(b"RCPT", f"TO:<{recipient}>".encode())
            if number == 0:
                _expect(answer, stage.name)
            elif answer.code // 100 != 2:
                refused[recipient] = str(answer.code)
        stage.name = "data"
        _watch_body(client, stage)
        await client.data(mail.data)
        stage.name = "done"
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


def _watch_body(client: aiosmtplib.SMTP, stage: _Stage) -> None:
    """The library sends DATA and the mail in one call; only the wire tells which of them was reached."""
    protocol = client.protocol
    assert protocol is not None
    write = protocol.write

    def watched(data: bytes) -> None:
        stage.body_left = stage.body_left or data != b"DATA\r\n"
        write(data)

    protocol.write = watched  # type: ignore[method-assign]


@asynccontextmanager
async def _connected(settings: EmailSettings, io: Io, stage: _Stage | None = None) -> AsyncIterator[aiosmtplib.SMTP]:
    """Logged in; closed at the end, whatever comes. Raises BadChannel for a refused log-in."""
    stage = stage or _Stage()
    client = aiosmtplib.SMTP(
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        use_tls=settings.smtp_security == "tls",
        start_tls=settings.smtp_security == "starttls",
        timeout=io.timeout_s,
        local_hostname=settings.domain or "localhost",
    )
    try:
        await client.connect()
        stage.name = "login"
        await _log_in(client, settings)
        yield client
        with suppress(SMTPException, OSError, TimeoutError):
            await client.quit(timeout=QUIT_S)
    finally:
        client.close()


async def _log_in(client: aiosmtplib.SMTP, settings: EmailSettings) -> None:
    await client.ehlo()
    user = settings.smtp_user or settings.login
    password = (
        (settings.smtp_password.get_secret_value() or settings.password.get_secret_value()) if user != "-" else ""
    )
    if not password:
        return
    try:
        await client.login(user, password)
    except aiosmtplib.SMTPNotSupported:
        problem: SendError = BadChannel("The SMTP server offers no log-in over this kind of connection.")
    except aiosmtplib.SMTPAuthenticationError as error:
        problem = _refused_login(error)
    except aiosmtplib.SMTPResponseException as error:
        problem = classify(error.code, error.message, "login")
    else:
        return
    raise problem


def _refused_login(error: aiosmtplib.SMTPAuthenticationError) -> SendError:
    if error.code // 100 == 4:
        return RateLimited("The SMTP server refuses log-ins for now.", after_s=PAUSE_S, provider_code=str(error.code))
    return BadChannel("The SMTP server refuses this log-in and password.", provider_code=str(error.code))


# ---------------------------------------------------------------- what an answer means


def _expect(answer: SMTPResponse, stage: str) -> None:
    if answer.code // 100 != 2:
        raise classify(answer.code, answer.message, stage)


def _broken(error: Exception, stage: _Stage) -> SendError:
    """A library's exception as one of ours."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return classify(error.code, error.message, stage.name)
    if stage.body_left:
        return InDoubt("The connection was lost after the mail had left, before the server's answer.")
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return BadChannel("The certificate of the SMTP server is not valid.")
    if isinstance(error, TimeoutError):
        return RetryLater("The SMTP server does not answer.")
    if stage.name == "connect":
        return RetryLater(f"The SMTP server can't be reached ({type(error).__name__}).")
    return RetryLater("The SMTP server closed the connection before it had the mail.")


def classify(code: int, text: str, stage: str) -> SendError:
    """A reply code, its enhanced code (RFC 3463) and where it came. Total."""
    found = _ENHANCED.search(text)
    enhanced = found[1] if found else ""
    problem = (_temporary if code // 100 == 4 else _permanent)(code, enhanced, text, stage)
    problem.provider_code = enhanced or str(code)
    problem.provider_text = _tidy(text)[:500]
    return problem


def _permanent(code: int, enhanced: str, text: str, stage: str) -> SendError:
    if code in {530, 534, 535, 538} or stage in {"login", "connect"}:
        return BadChannel("The SMTP server lets us not in.")
    if enhanced == "5.2.2":
        return RetryLater("The recipient's mailbox is full.", after_s=FULL_S)
    if code == 552 or enhanced in {"5.3.4", "5.2.3"}:
        return Rejected("The mail is too large for the recipient's server.")
    if stage == "mail" or enhanced in {"5.1.7", "5.1.8"} or (stage == "rcpt" and _LOGIN.search(text)):
        return BadChannel("The SMTP server does not let this channel send from its address.")
    kind = enhanced or (meaning(text) if stage == "rcpt" else "")
    if kind.startswith("5.1.") or kind == "5.2.1":
        return Rejected("The recipient's address does not exist.", address_is_bad=True)
    if kind.startswith("5.7."):
        return Rejected("The recipient's server refuses this mail by its rules.")
    return Rejected("The server refuses this mail.")


def _temporary(code: int, enhanced: str, text: str, stage: str) -> SendError:
    if enhanced == "4.2.2":
        return RetryLater("The recipient's mailbox is full.", after_s=FULL_S)
    if code in {450, 451} and (_GREYLIST.search(text) or enhanced == "4.7.1") and not _RATE.search(text):
        return RetryLater("The recipient's server wants to be asked again later.", after_s=GREYLIST_S)
    if code in {421, 454} or _RATE.search(text):
        whole = stage != "rcpt" or code in {421, 454}
        return RateLimited("The SMTP server wants a pause.", after_s=PAUSE_S, whole_channel=whole)
    return RetryLater("The SMTP server can't take the mail now.")


def _tidy(text: str) -> str:
    """The server's words without the address, which is in no log and no error."""
    return re.sub(r"[^\s<>()]+@[^\s<>()]+", "…", " ".join(text.split()))
