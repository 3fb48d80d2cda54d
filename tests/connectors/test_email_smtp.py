"""Sending over SMTP as a table against a real server: what goes wrong on the wire, and what the hub makes of it."""

from __future__ import annotations

import email
import email.policy
import logging
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import structlog

from config.errors import BadChannel, InDoubt, RateLimited, Rejected, RetryLater, SendError
from connectors.base import Io, Payload
from connectors.email.bounces import meaning
from connectors.email.connector import connector
from connectors.email.smtp_answers import classify
from connectors.email.tables import EmailSettings
from connectors.email.threading import digest
from connectors.items import Address
from simulator.email import Fault, SmtpSink, smtp_sink
from tests.connectors.outgoing import OUTBOUND, ROOT, file, io_of, message, outcome, send, settings_for


@pytest.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    async with smtp_sink(SmtpSink(user="box@client.example")) as server:
        yield server


@pytest.fixture
async def io() -> AsyncIterator[Io]:
    async with io_of() as found:
        yield found


def parsed(data: bytes) -> Any:
    return cast("Any", email.message_from_bytes(data, policy=email.policy.default))


async def test_reply_stays_in_its_thread(sink: SmtpSink, io: Io) -> None:
    """In-Reply-To and References name what is answered; the client's answer to ours has the thread's own key."""
    settings = settings_for(sink)
    sent = await send(message(), settings, io)
    mail = parsed(sink.mails[0].data)
    assert sent.external_ids == (mail["message-id"].strip("<>"),)
    assert mail["message-id"].startswith(f"<hub-{OUTBOUND}")
    assert mail["in-reply-to"] == f"<{ROOT}>" == mail["references"]
    assert mail["to"] == "Анна <anna@example.org>"
    assert mail["subject"] == "Re: Заказ"
    assert "auto-submitted" not in mail
    answer = f"From: anna@example.org\r\nMessage-ID: <a2@x>\r\nIn-Reply-To: {mail['message-id']}\r\n\r\nДа".encode()
    assert connector.normalize(Payload(body=answer), settings)[0].thread_key == digest(ROOT)


async def test_the_same_id_with_each_try(sink: SmtpSink, io: Io) -> None:
    """A repeated sending is the same mail to whoever collapses doubles."""
    settings = settings_for(sink)
    first, second = await send(message(), settings, io), await send(message(), settings, io)
    assert first.external_ids == second.external_ids


async def test_answers_come_to_a_token(sink: SmtpSink, io: Io) -> None:
    """With a reply key the address to answer to names the thread, even if all headers of the thread are lost."""
    settings = settings_for(sink, reply_key="k" * 20)
    await send(message(), settings, io)
    token = parsed(sink.mails[0].data)["reply-to"]
    assert token.startswith("box+c")
    answer = f"From: other@example.org\r\nTo: {token}\r\nMessage-ID: <b@x>\r\n\r\nДа".encode()
    assert connector.normalize(Payload(body=answer), settings)[0].thread_key == digest(ROOT)
    forged = answer.replace(token.encode(), token.replace("@", "a@").encode()[:-18] + b"@client.example")
    assert connector.normalize(Payload(body=forged), settings)[0].thread_key == digest("b@x")


async def test_we_wrote_first(sink: SmtpSink, io: Io) -> None:
    """A thread that began with us has the router's own key; the answer still finds it."""
    settings = settings_for(sink)
    await send(message(thread_key="anna@example.org", reply_to="", references=()), settings, io)
    ours = parsed(sink.mails[0].data)["message-id"]
    answer = f"From: a@b.ru\r\nMessage-ID: <c@x>\r\nReferences: {ours}\r\n\r\nДа".encode()
    assert connector.normalize(Payload(body=answer), settings)[0].thread_key == "anna@example.org"


async def test_everything_a_mail_can_hold(sink: SmtpSink, io: Io) -> None:
    """Text, HTML, files with Russian names, copies, a long subject and a long chain arrive as they were meant."""
    chain = [f"{'x' * 80}{number}@mail.example.org" for number in range(60)]
    rich = message(
        html="<p>Добрый <b>день</b></p>",
        subject="Очень длинная тема письма, которая не помещается в одну строку заголовка " * 3,
        files=[file("Счёт на оплату № 12 от 15 января 2026 года, копия для бухгалтерии.pdf", b"%PDF" * 1000)],
        references=chain,
        reply_to=chain[-1],
        meta={"cc": ["boss@example.org"], "auto": "auto-replied"},
    )
    await send(rich, settings_for(sink), io)
    kept = sink.mails[0]
    assert kept.recipients == ("anna@example.org", "boss@example.org")
    assert max(len(line) for line in kept.data.splitlines()) < 998
    assert kept.data.isascii()
    mail = parsed(kept.data)
    assert mail["subject"].strip() == rich.subject.strip()
    assert mail["auto-submitted"] == "auto-replied"
    ids = mail["references"].split()
    assert (ids[0], ids[-1], len(ids)) == (f"<{chain[0]}>", f"<{chain[-1]}>", 21)
    assert mail.get_body(("plain",)).get_content().split() == rich.text.split()
    assert "<b>день</b>" in mail.get_body(("html",)).get_content()
    attached = next(iter(mail.iter_attachments()))
    assert attached.get_filename() == rich.files[0].name
    assert attached.get_content() == b"%PDF" * 1000
    item = connector.normalize(Payload(body=kept.data), EmailSettings())[0]
    assert (item.text, item.attachments[0].name) == (rich.text, rich.files[0].name)


async def test_our_own_mail_is_known_when_it_comes_back(sink: SmtpSink, io: Io) -> None:
    """A copy in the mailbox is ours: outgoing, automatic for whoever would answer it."""
    settings = settings_for(sink)
    sent = await send(message(), settings, io)
    item = connector.normalize(Payload(body=sink.mails[0].data), settings)[0]
    assert (item.direction, item.external_id, item.meta["auto"]) == ("out", sent.external_ids[0], "loop")


@pytest.mark.parametrize(
    ("fault", "class_", "more"),
    [
        (Fault("connect", "421 4.7.0 too many connections"), RateLimited, {"whole_channel": True}),
        (Fault("mail", "550 5.7.1 sender not allowed"), BadChannel, {}),
        (Fault("mail", "451 4.3.0 disk"), RetryLater, {"after_s": None}),
        (Fault("rcpt", "550 5.1.1 no such user"), Rejected, {"address_is_bad": True, "provider_code": "5.1.1"}),
        (Fault("rcpt", "550 User unknown"), Rejected, {"address_is_bad": True, "provider_code": "550"}),
        (Fault("rcpt", "554 5.7.1 blocked as spam"), Rejected, {"address_is_bad": False}),
        (Fault("rcpt", "550 5.7.1 Relay access denied"), BadChannel, {}),
        (Fault("rcpt", "450 4.7.1 Greylisted, try again later"), RetryLater, {"after_s": 300.0}),
        (Fault("rcpt", "450 4.2.1 receiving at a rate that prevents delivery"), RateLimited, {"whole_channel": False}),
        (Fault("rcpt", "452 4.2.2 mailbox full"), RetryLater, {"after_s": 3600.0}),
        (Fault("rcpt", "552 5.2.2 mailbox full"), RetryLater, {"after_s": 3600.0}),
        (Fault("data", "554 5.7.1 message refused"), Rejected, {"address_is_bad": False}),
        (Fault("data", "552 5.3.4 too big"), Rejected, {"provider_code": "5.3.4"}),
        (Fault("data", "451 4.3.0 try later"), RetryLater, {}),
        (Fault("data", "454 4.7.0 throttled"), RateLimited, {"whole_channel": True}),
        (Fault("data", "hang"), InDoubt, {}),
        (Fault("data", "drop"), InDoubt, {}),
        (Fault("rcpt", "hang"), RetryLater, {}),
        (Fault("rcpt", "drop"), RetryLater, {}),
        (Fault("connect", "drop"), RetryLater, {}),
    ],
    ids=lambda value: f"{value.stage} {value.answer}" if isinstance(value, Fault) else "",
)
async def test_refusal(
    sink: SmtpSink,
    io: Io,
    fault: Fault,
    class_: type[SendError],
    more: dict[str, Any],
    *,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each answer, silence and cut has its class; no address, text or password gets into logs and errors."""
    io.timeout_s = 1.0 if fault.answer == "hang" else 5.0
    sink.faults = [fault]
    settings = settings_for(sink)
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as told:
        error = await outcome(message(), settings, io)
    assert type(error) is class_, error
    assert {name: getattr(error, name) for name in more} == more
    assert sink.mails == []
    public = caplog.text + repr(told) + str(error) + error.provider_text
    for private in ("anna@example.org", "Добрый день", "Заказ", "secret"):
        assert private not in public


async def test_a_refused_copy_stops_nothing(sink: SmtpSink, io: Io) -> None:
    """The recipient has it; the copy that was refused is named."""
    sink.faults = [Fault("rcpt", "550 5.1.1 no", "boss@example.org")]
    sent = await send(message(meta={"cc": ["boss@example.org"]}), settings_for(sink), io)
    assert sent.meta == {"refused": {"boss@example.org": "550"}}
    assert sink.mails[0].recipients == ("anna@example.org",)


async def test_wrong_password(sink: SmtpSink, io: Io) -> None:
    """The channel is broken, not the message."""
    error = await outcome(message(), settings_for(sink, password="wrong-one"), io)
    assert isinstance(error, BadChannel)
    assert "wrong-one" not in f"{error} {error.provider_text}"


async def test_nobody_listens(sink: SmtpSink, io: Io) -> None:
    """Surely not accepted."""
    assert type(await outcome(message(), settings_for(sink, smtp_port=1), io)) is RetryLater


async def test_too_large_for_the_server(sink: SmtpSink, io: Io) -> None:
    """What EHLO says of sizes is believed before anything is sent."""
    sink.max_size = 10_000
    error = await outcome(message(files=[file("a.bin", b"x" * 20_000)]), settings_for(sink), io)
    assert isinstance(error, Rejected)
    assert sink.received == []


@pytest.mark.parametrize("value", ["", "not an address", "a@b.ru\r\nBcc: c@d.ru", "a@b"])
async def test_no_address(sink: SmtpSink, io: Io, value: str) -> None:
    """Nothing that is no address gets on the wire."""
    error = await outcome(message(to=Address(kind="email", value=value)), settings_for(sink), io)
    assert isinstance(error, Rejected)
    assert sink.received == []


async def test_line_breaks_make_no_headers(sink: SmtpSink, io: Io) -> None:
    """A subject, a name or an id with a line break in it is one line."""
    sly = message(
        subject="Тема\r\nBcc: victim@example.org\r\n\r\nbody",
        to=Address(kind="email", value="anna@example.org", name="Анна\r\nX-Evil: yes"),
        references=["a@b>\r\nX-Evil: yes"],
        reply_to="",
    )
    await send(sly, settings_for(sink), io)
    mail = parsed(sink.mails[0].data)
    assert "bcc" not in mail
    assert "x-evil" not in mail
    assert "references" not in mail


async def test_check_says_what_is_wrong(sink: SmtpSink, io: Io) -> None:
    """A line on success; what only an administrator can mend is BadChannel."""
    assert connector.check is not None
    assert "logged in" in await connector.check(settings_for(sink), io)
    with pytest.raises(BadChannel):
        await connector.check(settings_for(sink, password="no"), io)
    with pytest.raises(RetryLater):
        await connector.check(settings_for(sink, smtp_port=1), io)
    assert "neither" in await connector.check(EmailSettings(), io)


@pytest.mark.parametrize("code", [*range(400, 600, 7), 0, 999])
@pytest.mark.parametrize("stage", ["connect", "login", "mail", "rcpt", "data"])
def test_every_answer_has_a_class(code: int, stage: str) -> None:
    """Whatever a server answers is one of our errors."""
    assert isinstance(classify(code, "", stage), SendError)
    assert isinstance(classify(code, f"{str(code)[:1]}.9.9 что-то <a@b.ru>", stage), SendError)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("550 No such user here", "5.1.1"),
        ("Такого пользователя не существует", "5.1.1"),
        ("Почтовый ящик переполнен", "5.2.2"),
        ("message looks like spam", "5.7.1"),
        ("something else", ""),
    ],
)
def test_meaning_of_words(words: str, code: str) -> None:
    """Sentences of servers that give no enhanced code."""
    assert meaning(words) == code
