"""The mail provider's side: an SMTP server that keeps what it is given, and the IMAP server the mail is fetched from.

`SmtpSink` answers as told: `faults` are used up one after the other, each when its stage (and address) is reached.
With `imap` set, mail to the mailbox's own address is delivered into it, as a provider would.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from simulator.email_imap import Folder, Imap, imap_server

__all__ = ["Fault", "Folder", "Imap", "Kept", "SmtpSink", "imap_server", "smtp_sink"]

logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # aiosmtpd's: it writes every line of every mail

BODY_BEGIN = 1 << 16
Stage = Literal["connect", "rset", "mail", "rcpt", "body", "data"]


@dataclass(frozen=True)
class Fault:
    """What goes wrong once. `answer`: a reply line such as `450 4.2.1 later`, or `hang` (no answer until the end) or
    `drop` (the connection is cut). At `data` the whole mail has been received by then, at `body` some of it, and the
    connection is cut whatever the answer. `address`: only for this one.
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
    """`received`: every mail whose final dot came, accepted or not; `mails`: those accepted. `connections`: all there ever
    were, `open_now` those that are still open. `one_each`: hangs up after every mail.
    """

    user: str = ""
    password: str = "secret"
    max_size: int = 32 << 20
    faults: list[Fault] = field(default_factory=list)
    mails: list[Kept] = field(default_factory=list)
    received: list[Kept] = field(default_factory=list)
    logins: int = 0
    connections: int = 0
    open_now: set[SMTP] = field(default_factory=set)
    one_each: bool = False
    tls: ssl.SSLContext | None = None
    imap: Imap | None = None
    port: int = 0
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, number: int, timeout_s: float = 10.0) -> None:
        """Waits for so many accepted mails. Raises TimeoutError."""
        await self.when(lambda: len(self.mails) >= number, timeout_s)

    async def when(self, is_true: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Waits until it is, looked at after each mail, and each connection that came or went. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not is_true():
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

    async def handle_RSET(self, server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        return await self._misbehave(server, "rset") or "250 2.0.0 OK"

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

    async def begins_body(self, server: SMTP) -> bool:
        """Before a mail's bytes. False: the connection has been cut in their midst."""
        if not self._fault("body"):
            return True
        await server.push("354 go on")
        await server._reader.read(BODY_BEGIN)  # noqa: SLF001 - no hook stands between the mail and its end
        _cut(server)
        return False

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
        return _Server(
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


class _Server(SMTP):
    """aiosmtpd's, which tells of its connections and has a moment before and after each mail."""

    def __init__(self, sink: SmtpSink, **options: Any) -> None:
        super().__init__(sink, **options)
        self._sink = sink

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._sink.connections += 1
        self._sink.open_now.add(self)
        self._sink.arrived.set()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._sink.open_now.discard(self)
        self._sink.arrived.set()

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        if not await self._sink.begins_body(self):
            return
        await super().smtp_DATA(arg)
        if self._sink.one_each and self.transport is not None:
            self.transport.close()


def _cut(protocol: SMTP) -> None:
    if protocol.transport is not None:
        cast("asyncio.WriteTransport", protocol.transport).abort()


@contextlib.asynccontextmanager
async def smtp_sink(sink: SmtpSink | None = None) -> AsyncIterator[SmtpSink]:
    """The server on 127.0.0.1, until the block ends."""
    smtp = sink or SmtpSink()
    server = await asyncio.get_running_loop().create_server(smtp.protocol, "127.0.0.1", smtp.port, ssl=smtp.tls)
    smtp.port = server.sockets[0].getsockname()[1]
    try:
        yield smtp
    finally:
        smtp.closing.set()
        server.close()
        for protocol in list(smtp.open_now):
            _cut(protocol)
        await server.wait_closed()
