"""The mail provider's side: an SMTP server that keeps what it is given, and the IMAP server the mail is fetched from.

`SmtpSink` answers as told: `faults` are used up one after the other, each when its stage (and address) is reached.
With `imap` set, mail to the mailbox's own address is delivered into it, as a provider would.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from simulator.email_imap import Folder, Imap, imap_server

__all__ = ["Fault", "Folder", "Imap", "Kept", "SmtpSink", "imap_server", "smtp_sink"]

logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # aiosmtpd's: it writes every line of every mail

Stage = Literal["connect", "mail", "rcpt", "data"]


@dataclass(frozen=True)
class Fault:
    """What goes wrong once. `answer`: a reply line such as `450 4.2.1 later`, or `hang` (no answer until the end) or
    `drop` (the connection is cut). At `data` the whole mail has been received by then. `address`: only for this one.
    """

    stage: Stage
    answer: str
    address: str = ""


@dataclass(frozen=True)
class Kept:
    """A mail that was accepted."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes


@dataclass
class SmtpSink:
    """`received`: every mail whose final dot came, accepted or not; `mails`: those accepted."""

    user: str = ""
    password: str = "secret"
    max_size: int = 32 << 20
    faults: list[Fault] = field(default_factory=list)
    mails: list[Kept] = field(default_factory=list)
    received: list[Kept] = field(default_factory=list)
    logins: int = 0
    imap: Imap | None = None
    port: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, number: int, timeout_s: float = 10.0) -> None:
        """Waits for so many accepted mails. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while len(self.mails) < number:
                self.arrived.clear()
                await self.arrived.wait()

    def _fault(self, stage: Stage, address: str = "") -> str:
        for fault in self.faults:
            if fault.stage == stage and fault.address in {"", address}:
                self.faults.remove(fault)
                return fault.answer
        return ""

    async def _misbehave(self, server: SMTP, stage: Stage, address: str = "") -> str:
        answer = self._fault(stage, address)
        if answer == "hang":
            await self.closing.wait()
        if answer in {"hang", "drop"}:
            _cut(server)
            return "421 4.3.2 gone"
        return answer

    # The names are aiosmtpd's.

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        answer = await self._misbehave(server, "connect")
        return [answer] if answer else responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self._misbehave(server, "mail", address)
        if answer:
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self._misbehave(server, "rcpt", address)
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        kept = Kept(
            envelope.mail_from or "",
            tuple(envelope.rcpt_tos),
            content if isinstance(content, bytes) else (content or "").encode(),
        )
        self.received.append(kept)
        answer = await self._misbehave(server, "data")
        if answer and not answer.startswith("2"):
            return answer
        self.mails.append(kept)
        self.arrived.set()
        if self.imap is not None and self.imap.user in kept.recipients:
            self.imap.deliver(kept.data)
        return answer or "250 2.0.0 queued"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: object
    ) -> AuthResult:
        self.logins += 1
        is_known = isinstance(given, LoginPassword) and (given.login, given.password) == (
            self.user.encode(),
            self.password.encode(),
        )
        return AuthResult(success=is_known, handled=False)

    def protocol(self) -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of log-ins without TLS, which never leave this machine
            return self._protocol()

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            data_size_limit=self.max_size,
            enable_SMTPUTF8=True,
            hostname="mx.example",
            ident="sink",
            timeout=30,
            authenticator=self.authenticate if self.user else None,
            auth_required=bool(self.user),
            auth_require_tls=False,
            loop=asyncio.get_running_loop(),
        )


def _cut(protocol: SMTP) -> None:
    if isinstance(protocol.transport, asyncio.WriteTransport):
        protocol.transport.abort()


@contextlib.asynccontextmanager
async def smtp_sink(sink: SmtpSink | None = None) -> AsyncIterator[SmtpSink]:
    """The server on 127.0.0.1, until the block ends."""
    smtp = sink or SmtpSink()
    open_now: set[SMTP] = set()

    def connected() -> SMTP:
        protocol = smtp.protocol()
        open_now.add(protocol)
        return protocol

    server = await asyncio.get_running_loop().create_server(connected, "127.0.0.1", smtp.port)
    smtp.port = server.sockets[0].getsockname()[1]
    try:
        yield smtp
    finally:
        smtp.closing.set()
        server.close()
        for protocol in open_now:
            _cut(protocol)
        await server.wait_closed()
