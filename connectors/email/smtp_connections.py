"""SMTP connections of one channel: logged in, and kept between mails for a short while (RFC 5321, 4.3.2: RSET).

A log-in costs more than a mail, and providers count connections. One idle connection is kept; mails that leave at the
same moment have their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import aiosmtplib
from aiosmtplib import SMTPException

from config.errors import BadChannel, RateLimited, SendError
from connectors.base import Io
from connectors.email.smtp_answers import PAUSE_S, classify
from connectors.email.tables import EmailSettings

IDLE_S = 30.0
MAX_MAILS = 100
RSET_S = 5.0
QUIT_S = 2.0
CLOSING = 421
STATE = "smtp"


@dataclass(slots=True)
class Stage:
    """How far the conversation came: `dot_left` once the end of the mail may have gone out."""

    name: str = "connect"
    dot_left: bool = False


@dataclass(slots=True)
class Line:
    """A logged-in connection. `mails`: handed over by it; `expiry`: ends it while nobody uses it."""

    client: aiosmtplib.SMTP
    mails: int = 0
    expiry: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """At once; the server is told, and its answer not waited for."""
        self._stop_clock()
        protocol = self.client.protocol
        if protocol is not None and protocol.is_connected:
            with suppress(SMTPException, RuntimeError):
                protocol.write(b"QUIT\r\n")
        self.client.close()

    async def aclose(self) -> None:
        """With the server's answer, if it comes soon."""
        self._stop_clock()
        try:
            with suppress(SMTPException, OSError, TimeoutError):
                await self.client.quit(timeout=QUIT_S)
        finally:
            self.client.close()

    def _stop_clock(self) -> None:
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None


class Connections:
    """Of one channel and version of its settings."""

    def __init__(self, settings: EmailSettings, timeout_s: float) -> None:
        self.settings = settings
        self._timeout_s = timeout_s
        self._idle: Line | None = None
        self._closed = False

    async def kept(self) -> Line | None:
        """The idle connection, if its server still listens to it."""
        line, self._idle = self._idle, None
        if line is None:
            return None
        line._stop_clock()  # noqa: SLF001 - its owner
        try:
            await line.client.rset(timeout=RSET_S)
        except (SMTPException, OSError):
            line.client.close()
            return None
        except BaseException:
            line.client.close()
            raise
        return line

    async def fresh(self, stage: Stage) -> Line:
        """A new one, logged in. Raises BadChannel, RateLimited, and what library and network raise."""
        settings = self.settings
        client = aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            use_tls=settings.smtp_security == "tls",
            start_tls=settings.smtp_security == "starttls",
            timeout=self._timeout_s,
            local_hostname=settings.domain or "localhost",
        )
        try:
            await client.connect()
            stage.name = "login"
            await _log_in(client, settings)
        except BaseException:
            client.close()
            raise
        return Line(client)

    @contextmanager
    def lent(self, line: Line) -> Iterator[aiosmtplib.SMTP]:
        """For one mail. An answer, good or bad, leaves the connection usable; anything else ends it."""
        usable = False
        try:
            yield line.client
            usable = True
        except aiosmtplib.SMTPResponseException as error:
            usable = error.code != CLOSING
            raise
        except SendError:
            usable = True
            raise
        finally:
            line.mails += 1
            if usable:
                self._keep(line)
            else:
                line.client.close()

    def _keep(self, line: Line) -> None:
        if self._closed or self._idle is not None or line.mails >= MAX_MAILS or not line.client.is_connected:
            line.close()
            return
        line.expiry = asyncio.get_running_loop().call_later(IDLE_S, self._expire, line)
        self._idle = line

    def _expire(self, line: Line) -> None:
        if self._idle is line:
            self._idle = None
        line.close()

    def close(self) -> None:
        """What is idle ends now, what is in use after its mail."""
        self._closed = True
        line, self._idle = self._idle, None
        if line is not None:
            line.close()

    async def aclose(self) -> None:
        self._closed = True
        line, self._idle = self._idle, None
        if line is not None:
            await line.aclose()


def connections(settings: EmailSettings, io: Io) -> Connections:
    """Those of this channel."""
    found: Connections | None = io.state.get(STATE)
    if found is not None and found.settings == settings:
        return found
    if found is not None:
        found.close()
        io.resources.remove(found)
    made = io.state[STATE] = Connections(settings, io.timeout_s)
    io.resources.append(made)
    return made


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
