"""The mail servers of the simulator keep their protocols: the standard library's clients agree with them."""

from __future__ import annotations

import asyncio
import imaplib
import smtplib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from simulator.email import Fault, Imap, SmtpSink, imap_server, smtp_sink

MAIL = b"From: a@example.org\r\nSubject: one\r\n folded\r\nX-A: b\r\n\r\nhello\r\n"


@pytest.fixture
async def imap() -> AsyncIterator[Imap]:
    async with imap_server() as server:
        yield server


async def in_thread(port: int, work: Callable[[imaplib.IMAP4], Any]) -> Any:
    """The library's client blocks: it works in a thread, the server here."""

    def run() -> Any:
        with imaplib.IMAP4("127.0.0.1", port, timeout=5) as client:
            client.login("box@client.example", "secret")
            client.select("INBOX")
            return work(client)

    return await asyncio.to_thread(run)


async def test_log_in_and_select(imap: Imap) -> None:
    """UIDVALIDITY and UIDNEXT are told; a wrong password and a missing folder are refused."""
    imap.deliver(MAIL)

    def work(client: imaplib.IMAP4) -> list[Any]:
        with pytest.raises(imaplib.IMAP4.error):
            client.login("x", "y")
        assert client.select("Nowhere")[0] == "NO"
        assert client.select("INBOX") == ("OK", [b"1"])
        return [client.response("UIDVALIDITY")[1], client.response("UIDNEXT")[1]]

    assert await in_thread(imap.port, work) == [[b"1"], [b"2"]]


async def test_fetch(imap: Imap) -> None:
    """Whole, in part, by section; PEEK leaves a mail unread, BODY[] does not."""
    uid = imap.deliver(MAIL)

    def fetch(client: imaplib.IMAP4, what: str) -> Any:
        return client.uid("FETCH", str(uid), what)[1]

    def work(client: imaplib.IMAP4) -> None:
        assert fetch(client, "(BODY.PEEK[])")[0][1] == MAIL
        assert fetch(client, "(BODY.PEEK[HEADER])")[0][1].endswith(b"X-A: b\r\n\r\n")
        assert fetch(client, "(BODY.PEEK[TEXT])")[0][1] == b"hello\r\n"
        assert fetch(client, "(BODY.PEEK[]<5.10>)")[0][1] == MAIL[5:15]
        fields = fetch(client, "(BODY.PEEK[HEADER.FIELDS (SUBJECT X-A)])")[0][1]
        assert fields == b"Subject: one\r\n folded\r\nX-A: b\r\n\r\n"
        assert fetch(client, "(FLAGS)")[0] == b"1 (UID 1 FLAGS ())"
        assert f"RFC822.SIZE {len(MAIL)}".encode() in fetch(client, "FAST")[0]
        fetch(client, "(BODY[])")
        assert fetch(client, "(FLAGS)")[0] == b"1 (UID 1 FLAGS (\\Seen))"

    await in_thread(imap.port, work)


async def test_search(imap: Imap) -> None:
    """`n:*` always names the last mail (RFC 3501, 6.4.8); criteria combine."""
    for number in range(3):
        imap.deliver(MAIL.replace(b"one", b"number %d" % number))

    def search(client: imaplib.IMAP4, *criteria: str) -> bytes:
        return bytes(client.uid("SEARCH", *criteria)[1][0])

    def work(client: imaplib.IMAP4) -> None:
        assert search(client, "ALL") == b"1 2 3"
        assert search(client, "UID", "9:*") == b"3"
        assert search(client, "UID", "2:3", "NOT", "SUBJECT", '"number 2"') == b"2"
        assert search(client, "OR", "UID", "1", "UID", "3", "SINCE", "01-Jan-2020") == b"1 3"
        assert search(client, "BEFORE", "01-Jan-2020") == b""
        assert search(client, "UNSEEN", "SMALLER", "10") == b""

    await in_thread(imap.port, work)


async def test_store_and_expunge(imap: Imap) -> None:
    """UIDs stay, sequence numbers close up, and the other client is told at its next command."""
    for _ in range(3):
        imap.deliver(MAIL)

    def work(client: imaplib.IMAP4) -> None:
        client.uid("STORE", "2", "+FLAGS", "(\\Deleted)")
        assert client.expunge()[1] == [b"2"]
        assert client.uid("SEARCH", "ALL")[1] == [b"1 3"]
        assert client.search(None, "ALL")[1] == [b"1 2"]

    def other(client: imaplib.IMAP4) -> Any:
        asyncio.run_coroutine_threadsafe(in_thread(imap.port, work), loop).result(5)
        client.noop()
        return client.response("EXPUNGE")[1], client.search(None, "ALL")[1]

    loop = asyncio.get_running_loop()
    assert await in_thread(imap.port, other) == ([b"2"], [b"1 2"])


async def test_append_of_a_literal(imap: Imap) -> None:
    """A mail put in by a client is as it was."""
    await in_thread(imap.port, lambda client: client.append("INBOX", "(\\Seen)", None, MAIL))
    assert (imap.inbox.mails[0].data, imap.inbox.mails[0].flags) == (MAIL, {"\\Seen"})


async def test_idle_tells(imap: Imap) -> None:
    """While a client idles it is told of new mail and of what is gone; DONE ends it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", imap.port)
    try:
        writer.write(b'a LOGIN box@client.example "secret"\r\nb SELECT INBOX\r\nc IDLE\r\n')
        async with asyncio.timeout(5):
            await reader.readuntil(b"+ idling\r\n")
            imap.deliver(MAIL)
            assert await reader.readline() == b"* 1 EXISTS\r\n"
            imap.inbox.mails.clear()
            imap.inbox.tell()
            assert await reader.readline() == b"* 1 EXPUNGE\r\n"
            writer.write(b"DONE\r\n")
            assert await reader.readline() == b"c OK done\r\n"
            imap.renumber()
            assert await reader.read() == b""
    finally:
        writer.close()


@pytest.mark.parametrize("line", [b"\r\n", b"x\r\n", b"a FETCH\r\n", b"a UID\r\n", b"a LOGIN (\r\n", b"a SEARCH x\r\n"])
async def test_nonsense_is_bad(imap: Imap, line: bytes) -> None:
    """Nothing a client sends ends the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", imap.port)
    try:
        await reader.readline()
        writer.write(line + b"z NOOP\r\n")
        async with asyncio.timeout(5):
            await reader.readuntil(b"z OK")
    finally:
        writer.close()


async def test_smtp_keeps_and_delivers() -> None:
    """A mail to the mailbox's address lies in the mailbox; others are only kept."""
    async with imap_server() as imap, smtp_sink(SmtpSink(imap=imap)) as smtp:

        def work() -> None:
            with smtplib.SMTP("127.0.0.1", smtp.port, timeout=5) as client:
                client.sendmail("a@example.org", ["box@client.example"], MAIL)
                client.sendmail("a@example.org", ["other@client.example"], MAIL)

        await asyncio.to_thread(work)
        await smtp.until(2)
        assert [mail.recipients[0] for mail in smtp.mails] == ["box@client.example", "other@client.example"]
        assert [mail.data for mail in imap.inbox.mails] == [MAIL]


async def test_smtp_faults_are_used_up() -> None:
    """A fault strikes once, at its stage and address; the next try goes through."""
    faults = [Fault("rcpt", "450 4.2.1 later", "b@x.org"), Fault("data", "554 5.7.1 no")]
    async with smtp_sink(SmtpSink(faults=faults)) as smtp:

        def work() -> None:
            with smtplib.SMTP("127.0.0.1", smtp.port, timeout=5) as client:
                with pytest.raises(smtplib.SMTPDataError):
                    client.sendmail("s@x.org", ["a@x.org", "b@x.org"], MAIL)
                assert client.sendmail("s@x.org", ["a@x.org", "b@x.org"], MAIL) == {}

        await asyncio.to_thread(work)
    assert len(smtp.received) == 2
    assert len(smtp.mails) == 1
