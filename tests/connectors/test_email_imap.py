"""Listening to a mailbox: each mail once, in order, whatever happens to the connection, the server and single mails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config.errors import BadChannel
from connectors.email.connector import connector
from connectors.email.imap import batches
from connectors.email.imap_session import Listed, mailbox_name, to_set
from connectors.email.tables import TRUNCATED, UNREADABLE, EmailSettings
from simulator.email import Imap, imap_server
from tests.connectors.mailbox import Kept, first_look, in_pieces, listening, mail, until_broken


@pytest.fixture
async def imap() -> AsyncIterator[Imap]:
    async with imap_server() as server:
        yield server


def settings_for(imap: Imap, **more: Any) -> EmailSettings:
    given = {"address": imap.user, "password": imap.password, "imap_host": "127.0.0.1", "imap_port": imap.port}
    return EmailSettings(**{**given, "imap_security": "none", "poll_s": 1, **more})


async def test_new_mail_comes_at_once(imap: Imap) -> None:
    """Mail that was there before is left alone; what comes is pushed by IDLE, long before the next look."""
    imap.deliver(mail(1))
    settings = settings_for(imap)
    sink = Kept(settings)
    async with listening(settings, sink):
        await imap.until("IDLE")
        imap.deliver(mail(2))
        await sink.until(1, 5)
        assert sink.subjects == ["mail 2"]
        assert imap.inbox.mails[-1].flags == set(), "reading marks nothing as read"


async def test_mail_between_search_and_idle_is_not_slept_through(imap: Imap) -> None:
    """The server tells of a mail within another command's answer and not again: the listener has heard it."""
    settings = settings_for(imap)
    sink = Kept(settings)
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark))
        for number in range(40):
            imap.deliver(mail(number))
            await asyncio.sleep(0)
            imap.deliver(mail(number + 100))
            await sink.until(2 * number + 2, 5)
    assert not sink.again


async def test_mail_of_a_downtime_is_fetched(imap: Imap) -> None:
    """What came while nobody listened comes first, in order, however long it was."""
    settings = settings_for(imap)
    sink = Kept(settings)
    await first_look(settings, sink)
    for number in range(130):
        imap.deliver(mail(number), datetime.now(UTC) - timedelta(days=20))
    async with listening(settings, sink):
        await sink.until(130)
    assert sink.subjects == [f"mail {number}" for number in range(130)]
    assert not any(one.silent for one in sink.entries.values())


async def test_first_days_are_taken_if_asked_for(imap: Imap) -> None:
    """`since_days` at the first connect: younger mail is taken, older than a day without effects, the rest is not."""
    now = datetime.now(UTC)
    for days in (30, 5, 0):
        imap.deliver(mail(days), now - timedelta(days=days))
    settings = settings_for(imap, since_days=10)
    sink = Kept(settings)
    async with listening(settings, sink):
        await sink.until(2)
        imap.deliver(mail(99), now - timedelta(days=400))
        await sink.until(3)
    assert sink.subjects == ["mail 5", "mail 0", "mail 99"]
    assert [one.silent for one in sink.entries.values()] == [True, False, False]


async def test_renumbered_mailbox_doubles_nothing(imap: Imap) -> None:
    """Another UIDVALIDITY: what is known is known again, what came with it is new, older mail stays outside."""
    imap.deliver(mail(900), datetime.now(UTC) - timedelta(days=3))
    settings = settings_for(imap)
    sink = Kept(settings)
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark))
        for number in range(70):
            imap.deliver(mail(number))
        await sink.until(70)
        imap.inbox.mails.pop(10)
        imap.renumber()
        imap.deliver(mail(500))
        await sink.until(71)
        await sink.when(lambda: sink.mark["uid"] == imap.inbox.uidnext - 1)
        assert sink.mark["uidvalidity"] == 2
    assert "mail 900" not in sink.subjects
    assert len(sink.entries) == 71


async def test_stopped_and_started_in_the_middle(imap: Imap) -> None:
    """300 mails while the listener is cut off again and again: each of them is kept, in order."""
    settings = settings_for(imap)
    sink = Kept(settings)
    await first_look(settings, sink)
    for number in range(300):
        imap.deliver(mail(number))
    await in_pieces(settings, sink, (1, 60, 110, 300))
    assert sink.subjects == [f"mail {number}" for number in range(300)]


async def test_lost_connection_is_made_anew(imap: Imap) -> None:
    """A dropped connection is told on the card, taken back, and costs no mail; never two connections at a time."""
    settings = settings_for(imap)
    sink = Kept(settings)
    async with listening(settings, sink):
        await imap.until("IDLE")
        imap.drop_connections()
        imap.deliver(mail(1))
        await sink.until(1)
        await sink.when(lambda: sink.problems[-1] == "")
    assert any("127.0.0.1" in problem for problem in sink.problems)
    assert imap.most_connections == 1


async def test_connections_are_closed(imap: Imap) -> None:
    """Servers count connections: a stopped listener leaves none, also in the middle of IDLE."""
    settings = settings_for(imap)
    sink = Kept(settings)
    async with listening(settings, sink):
        await imap.until("IDLE")
    async with asyncio.timeout(5):
        while imap.connections:
            await asyncio.sleep(0.01)


async def test_server_without_idle_is_asked(imap: Imap) -> None:
    """Where the server has no IDLE the mailbox is looked at again and again."""
    imap.has_idle = False
    settings = settings_for(imap)
    sink = Kept(settings)
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark))
        imap.deliver(mail(1))
        await sink.until(1)
    assert "IDLE" not in imap.asked


async def test_idle_is_issued_anew(imap: Imap) -> None:
    """IDLE ends by itself after `idle_s`, and everything is looked over."""
    settings = settings_for(imap, idle_s=1)
    sink = Kept(settings)
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark))
        await imap.until("IDLE", 2)


async def test_database_down_keeps_the_mark(imap: Imap) -> None:
    """What could not be kept is fetched again: the mark moves only with the mails."""
    settings = settings_for(imap)
    sink = Kept(settings)
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark))
        sink.refusals = 1
        imap.deliver(mail(1))
        await sink.until(1)
    assert sink.subjects == ["mail 1"]


async def test_one_bad_mail_stops_nothing(imap: Imap) -> None:
    """A mail the server can't give out is kept as that; the others of its batch come, and so does what follows."""
    settings = settings_for(imap)
    sink = Kept(settings)
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark))
        imap.refused.add(imap.inbox.uidnext + 1)
        for number in range(3):
            imap.deliver(mail(number))
        await sink.until(3)
        imap.deliver(mail(7))
        await sink.until(4)
    unreadable = [one for one in sink.entries.values() if UNREADABLE in one.payload.headers]
    assert len(unreadable) == 1
    assert unreadable[0].payload.body == b""


async def test_large_mail_comes_as_its_beginning(imap: Imap) -> None:
    """Over the limit: the first 256 KB, and how large it is."""
    settings = settings_for(imap, max_mail_mb=1)
    sink = Kept(settings)
    large = mail(1, body="x" * 70 + "\r\n") + b"y" * (2 << 20)
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark))
        imap.deliver(large)
        await sink.until(1)
    payload = next(iter(sink.entries.values())).payload
    assert payload.headers[TRUNCATED] == str(len(large))
    assert payload.body == large[: 256 << 10]
    assert connector.normalize(payload, settings)[0].meta["truncated"] == len(large)


async def test_two_mails_with_one_id_both_live(imap: Imap) -> None:
    """A sender that uses one Message-ID for everything loses no mail; the same mail put back is known."""
    settings = settings_for(imap)
    sink = Kept(settings)
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark))
        imap.deliver(mail(1, message_id="same@x", body="one"))
        imap.deliver(mail(1, message_id="same@x", body="two"))
        imap.deliver(b"X-Moved: yes\r\n" + mail(1, message_id="same@x", body="one"))
        await sink.when(lambda: sink.mark["uid"] == 3)
    assert len(sink.entries) == 2
    assert len(sink.again) == 1


async def test_wrong_password_needs_an_administrator(imap: Imap) -> None:
    """It is said in a sentence, without the password, and not tried for ever."""
    settings = settings_for(imap, password='wr"ong')
    with pytest.raises(BadChannel) as caught:
        await until_broken(settings)
    assert "wr" not in str(caught.value).replace("password", "")


async def test_busy_server_is_no_wrong_password(imap: Imap) -> None:
    """`[UNAVAILABLE]` at the log-in passes: the listener comes back by itself."""
    imap.login_answer = "NO [UNAVAILABLE] try again"
    settings = settings_for(imap)
    sink = Kept(settings)
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.problems))
        imap.login_answer = ""
        await sink.when(lambda: bool(sink.mark))


@pytest.mark.parametrize("password", ['quo"te', "back\\slash", "пароль", "with space", "{5}"])
async def test_any_password_logs_in(imap: Imap, password: str) -> None:
    """Characters that mean something in IMAP are only characters of a password."""
    imap.password = password
    settings = settings_for(imap)
    sink = Kept(settings)
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark), 5)


async def test_missing_folder_needs_an_administrator(imap: Imap) -> None:
    """The folder is named."""
    settings = settings_for(imap, folder="Заявки")
    with pytest.raises(BadChannel, match="Заявки"):
        await until_broken(settings)


async def test_folder_with_a_russian_name(imap: Imap) -> None:
    """Names go out in IMAP's own UTF-7."""
    imap.folders["&BBcEMARPBDIEOgQ4-"] = imap.inbox
    settings = settings_for(imap, folder="Заявки")
    sink = Kept(settings)
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark), 5)


def test_words_of_imap() -> None:
    """Sets of numbers are short, folder names are as RFC 3501 has them."""
    assert to_set([7, 1, 2, 3]) == "1:3,7"
    assert mailbox_name("INBOX") == "INBOX"
    assert mailbox_name("A&B") == "A&-B"
    assert mailbox_name("台北") == "&U,BTFw-"


def test_batches_are_bounded() -> None:
    """50 mails or 8 MB; a larger mail goes alone."""
    small = [Listed(uid, 1000, None) for uid in range(120)]
    assert [len(batch) for batch in batches(small)] == [50, 50, 20]
    large = [Listed(uid, 5 << 20, None) for uid in range(3)]
    assert [len(batch) for batch in batches(large)] == [1, 1, 1]
    assert list(batches([])) == []
