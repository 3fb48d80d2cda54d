"""SMTP connections: kept between mails for a while, given up without loss, never a mail twice."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from config.errors import InDoubt, Rejected, RetryLater, SendError
from connectors.base import Io
from connectors.email import smtp_connections
from connectors.email.connector import connector
from router.channels import Channel
from router.ios import Ios
from simulator.email import Fault, SmtpSink, smtp_sink
from tests.connectors.outgoing import file, io_of, message, outcome, send, settings_for

LARGE = 18 << 20  # more than the sockets between two processes of one machine ever hold


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    async with smtp_sink(SmtpSink(user="box@client.example")) as server:
        yield server


@pytest.fixture
async def io() -> AsyncIterator[Io]:
    async with io_of() as found:
        yield found


def numbered(number: int, **more: Any) -> Any:
    return message(id=str(uuid4()), text=f"mail {number}", **more)


async def five(sink: SmtpSink, io: Io, **settings: Any) -> None:
    for number in range(5):
        await send(numbered(number), settings_for(sink, **settings), io)
    texts = [kept.data.decode() for kept in sink.mails]
    assert [sum(f"mail {number}" in text for text in texts) for number in range(5)] == [1] * 5
    assert {kept.recipients for kept in sink.mails} == {("anna@example.org",)}


async def test_five_mails_by_one_connection(sink: SmtpSink, io: Io) -> None:
    """One connection and one log-in for mails that follow each other."""
    await five(sink, io)
    assert (sink.connections, sink.logins) == (1, 1)


async def test_mails_at_the_same_moment(sink: SmtpSink, io: Io) -> None:
    """One that hangs holds up no other; afterwards one connection stays, and serves the next."""
    sink.faults = [Fault("mail", "hang")]
    async with asyncio.TaskGroup() as tasks:
        hanging = tasks.create_task(send(numbered(0), settings_for(sink), io))
        await sink.when(lambda: sink.connections == 1)
        await send(numbered(1), settings_for(sink), io)
        await send(numbered(2), settings_for(sink), io)
        assert (sink.connections, len(sink.mails)) == (2, 2)
        hanging.cancel()
    await sink.when(lambda: len(sink.open_now) == 1)
    await send(numbered(3), settings_for(sink), io)
    assert (sink.connections, len(sink.mails)) == (2, 3)


async def test_server_that_hangs_up_after_each(sink: SmtpSink, io: Io) -> None:
    """Each mail goes by a connection of its own, once, and none is an error."""
    sink.one_each = True
    await five(sink, io)
    assert sink.connections == 5


@pytest.mark.parametrize(
    "fault",
    [
        Fault("rset", "421 4.4.2 idle too long"),
        Fault("rset", "500 5.5.1 unknown"),
        Fault("rset", "drop"),
        Fault("mail", "421 4.7.0 too many mails by this connection"),
        Fault("mail", "452 4.5.3 too many mails by this connection"),
        Fault("mail", "drop"),
        Fault("rcpt", "drop"),
        Fault("rcpt", "421 4.3.2 shutting down"),
        Fault("body", "drop"),
    ],
    ids=lambda fault: f"{fault.stage} {fault.answer}",
)
async def test_kept_connection_has_had_its_time(sink: SmtpSink, io: Io, fault: Fault) -> None:
    """Lost or refused before the end of the mail left: the same mail goes by a new one at once, and arrives once."""
    await send(numbered(0), settings_for(sink), io)
    sink.faults = [fault]
    large = [file("a.bin", b"x" * LARGE)] if fault.stage == "body" else []
    await send(numbered(1, files=large), settings_for(sink), io)
    assert (sink.connections, len(sink.received), len(sink.mails)) == (2, 2, 2)
    assert sink.faults == []


async def test_server_dies_within_the_mail(sink: SmtpSink, io: Io) -> None:
    """Without the final dot the server has no mail: surely not sent, on a kept connection as on a new one."""
    large = [file("a.bin", b"x" * LARGE)]
    sink.faults = [Fault("body", "drop")]
    assert type(await outcome(numbered(0, files=large), settings_for(sink), io)) is RetryLater
    await send(numbered(1), settings_for(sink), io)
    sink.faults = [Fault("body", "drop"), Fault("body", "drop")]
    assert type(await outcome(numbered(2, files=large), settings_for(sink), io)) is RetryLater
    assert (len(sink.received), sink.faults) == (1, [])


@pytest.mark.parametrize("how", ["drop", "hang"])
async def test_lost_after_the_dot(sink: SmtpSink, io: Io, how: str) -> None:
    """The server may have the mail: in doubt, and not tried again by itself, on a kept connection too."""
    await send(numbered(0), settings_for(sink), io)
    io.timeout_s = 1.0
    sink.faults = [Fault("data", how)]
    assert type(await outcome(numbered(1), settings_for(sink), io)) is InDoubt
    assert len(sink.received) == 2
    await send(numbered(2), settings_for(sink), io)
    assert (len(sink.received), sink.connections) == (3, 2)


async def test_refused_mail_costs_no_connection(sink: SmtpSink, io: Io) -> None:
    """A refused recipient, a refused text: the next mail goes by the same connection and has only its own recipients."""
    sink.faults = [Fault("rcpt", "550 5.1.1 no such user"), Fault("data", "554 5.7.1 spam")]
    for _ in range(2):
        assert type(await outcome(message(), settings_for(sink), io)) is Rejected
    await send(message(), settings_for(sink), io)
    assert (sink.connections, sink.mails[0].recipients) == (1, ("anna@example.org",))


async def test_so_many_mails_and_no_more(sink: SmtpSink, io: Io, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers count the mails of a connection: it is ended before they mind."""
    monkeypatch.setattr(smtp_connections, "MAX_MAILS", 2)
    await five(sink, io)
    assert sink.connections == 3


async def test_idle_connection_ends(sink: SmtpSink, io: Io, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's connection is held open for nothing."""
    monkeypatch.setattr(smtp_connections, "IDLE_S", 0.05)
    await send(numbered(0), settings_for(sink), io)
    await sink.when(lambda: not sink.open_now)
    await send(numbered(1), settings_for(sink), io)
    assert (sink.connections, len(sink.mails)) == (2, 2)


async def test_closed_with_its_io(sink: SmtpSink, io: Io) -> None:
    """At the end nothing stays open; a mail that comes later still goes out, and leaves nothing behind."""
    await send(numbered(0), settings_for(sink), io)
    await io.aclose()
    await sink.when(lambda: not sink.open_now)
    await send(numbered(1), settings_for(sink), io)
    await sink.when(lambda: not sink.open_now)
    assert len(sink.mails) == 2


async def test_closed_when_settings_change(sink: SmtpSink) -> None:
    """The old log-in's connection ends with the channel's old version; the new version has its own."""
    channel = Channel(uuid4(), "M", "t" * 20, "active", None, 1, connector, settings_for(sink))
    async with aiohttp.ClientSession() as http:
        ios = Ios(http, "")
        before = ios.of(channel)
        await send(numbered(0), channel.settings, before)
        assert ios.of(channel) is before
        after = ios.of(replace(channel, version=2))
        await sink.when(lambda: not sink.open_now)
        await send(numbered(1), channel.settings, after)
        assert len(sink.open_now) == 1
        await ios.aclose()
        await sink.when(lambda: not sink.open_now)


async def test_other_settings_other_connection(sink: SmtpSink, io: Io) -> None:
    """A connection never serves another log-in than the one that opened it."""
    await send(numbered(0), settings_for(sink), io)
    with pytest.raises(SendError):
        await send(numbered(1), settings_for(sink, password="other"), io)
    assert sink.connections == 2


# ---------------------------------------------------------------- TLS, and the loop the hub runs on


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's side; its certificate is trusted in this test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = tmp_path / "cert.pem", tmp_path / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    secret.write_bytes(key.private_bytes(*form))
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem, secret)
    return context


async def _everything(context: ssl.SSLContext | None) -> None:
    security = "none" if context is None else "tls"
    async with smtp_sink(SmtpSink(tls=context)) as sink, io_of() as io:
        await five(sink, io, smtp_security=security, smtp_user="-")
        settings = settings_for(sink, smtp_security=security, smtp_user="-")
        large = [file("a.bin", b"x" * LARGE)]
        await send(numbered(5, files=[file("b.bin", b"x" * (2 << 20))]), settings, io)
        assert (sink.connections, len(sink.mails)) == (1, 6)
        assert len(sink.mails[5].data) > 2 << 20
        sink.faults = [Fault("body", "drop"), Fault("body", "drop")]
        assert type(await outcome(numbered(6, files=large), settings, io)) is RetryLater
        sink.faults = [Fault("data", "drop")]
        assert type(await outcome(numbered(7), settings, io)) is InDoubt


@pytest.mark.parametrize("is_uvloop", [False, True], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_the_same_over_tls_and_uvloop(tls: ssl.SSLContext, *, secure: bool, is_uvloop: bool) -> None:
    """Five mails by one connection, a large one, one that dies within and one after: the outcomes do not depend on it."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if is_uvloop else None) as runner:
        runner.run(_everything(tls if secure else None))
