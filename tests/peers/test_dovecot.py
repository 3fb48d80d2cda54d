"""The mail listener against Dovecot, a real IMAP server, run here from its Debian package with a mailbox of its own.

Beside it the SMTP sink: what the connector sends comes into the mailbox as a client's answer would.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from connectors.base import Io, OutMessage
from connectors.email.connector import connector
from connectors.email.tables import EmailSettings
from connectors.email.threading import digest
from connectors.items import Address
from simulator.email import SmtpSink, smtp_sink
from tests.connectors.mailbox import Kept, first_look, in_pieces, listening, mail

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("dovecot") is None, reason="dovecot is not installed (make peers)"),
    pytest.mark.skipif(os.geteuid() != 0, reason="Dovecot's own users can only be used by root"),
]

QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "timeout": 20}
CONFIG = """
protocols = imap
listen = 127.0.0.1
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{root}/mail
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = dovecot
default_login_user = dovenull
mailbox_list_index = no
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={root}/home
}}
"""


@dataclass
class Dovecot:
    """A running server. `deliver` puts a mail in as a delivery agent does."""

    root: Path
    port: int
    config: Path
    uid: int
    gid: int

    def deliver(self, data: bytes) -> None:
        name = f"{uuid.uuid4().hex}.test"
        path = self.root / "mail" / "tmp" / name
        path.write_bytes(data)
        os.chown(path, self.uid, self.gid)
        path.rename(self.root / "mail" / "new" / name)

    def start(self) -> None:
        # Its daemon would keep a pipe of ours open.
        subprocess.run(["dovecot", "-c", str(self.config)], check=True, **QUIET)

    def stop(self) -> None:
        subprocess.run(["dovecot", "-c", str(self.config), "stop"], check=False, **QUIET)

    def renumber(self) -> None:
        """As after a restore from elsewhere: another UIDVALIDITY, and all mails get new UIDs."""
        self.stop()
        uids = self.root / "mail" / "dovecot-uidlist"
        version, validity, *_ = uids.read_text().split(maxsplit=2)
        for path in (self.root / "mail").glob("dovecot*"):
            path.unlink()
        uids.write_text(f"{version} V{int(validity[1:]) + 1000} N1\n")
        os.chown(uids, self.uid, self.gid)
        self.start()

    @property
    def log(self) -> str:
        return (self.root / "dovecot.log").read_text()


@pytest.fixture
async def dovecot() -> AsyncIterator[Dovecot]:
    root = Path(f"/tmp/dovecot-{uuid.uuid4().hex[:8]}")  # its sockets need a short path
    owner = pwd.getpwnam("mail")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("", "run", "state", "home", "mail", "mail/new", "mail/cur", "mail/tmp"):
        (root / name).mkdir(mode=0o755)
        if name.startswith(("home", "mail")):
            os.chown(root / name, owner.pw_uid, owner.pw_gid)
    config = root / "dovecot.conf"
    config.write_text(CONFIG.format(root=root, port=port, user=owner.pw_uid, group=owner.pw_gid))
    server = Dovecot(root, port, config, owner.pw_uid, owner.pw_gid)
    try:
        server.start()
        await _is_up(server)
        yield server
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)


async def _is_up(server: Dovecot) -> None:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.close()
                return
            await asyncio.sleep(0.05)


def settings_for(server: Dovecot, **more: Any) -> EmailSettings:
    given = {"address": "box@client.example", "password": "secret", "imap_host": "127.0.0.1"}
    return EmailSettings(**{**given, "imap_port": server.port, "imap_security": "none", **more})


async def test_idle_pushes(dovecot: Dovecot) -> None:
    """New mail is there within seconds although the next look is minutes away; nothing is marked as read."""
    settings = settings_for(dovecot)
    sink = Kept(settings)
    dovecot.deliver(mail(1))
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark))
        for number in range(2, 8):
            dovecot.deliver(mail(number))
            await sink.until(number - 1, 10)
    assert sink.subjects == [f"mail {number}" for number in range(2, 8)]
    assert not [path for path in (dovecot.root / "mail" / "cur").iterdir() if "S" in path.name.rpartition(",")[2]]


async def test_restart_of_the_server(dovecot: Dovecot) -> None:
    """Mail of the time between is fetched after the reconnect, once."""
    settings = settings_for(dovecot)
    sink = Kept(settings)
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark))
        dovecot.deliver(mail(1))
        await sink.until(1)
        dovecot.stop()
        dovecot.deliver(mail(2))
        await sink.when(lambda: bool(sink.problems[-1]))
        dovecot.start()
        await sink.until(2)
        await sink.when(lambda: sink.problems[-1] == "")
    assert sink.subjects == ["mail 1", "mail 2"]
    assert sink.again == []


async def test_uidvalidity_changes_in_mid_stream(dovecot: Dovecot) -> None:
    """Every mail before, between and after is kept once."""
    settings = settings_for(dovecot)
    sink = Kept(settings)
    async with listening(settings, sink):
        await sink.when(lambda: bool(sink.mark))
        for number in range(40):
            dovecot.deliver(mail(number))
        await sink.until(30)
        before = sink.mark["uidvalidity"]
        dovecot.renumber()
        for number in range(40, 60):
            dovecot.deliver(mail(number))
        await sink.until(60, 40)
        await sink.when(lambda: sink.mark["uidvalidity"] != before)
    assert sorted(sink.subjects) == sorted(f"mail {number}" for number in range(60))


async def test_300_mails_with_the_listener_cut_off(dovecot: Dovecot) -> None:
    """Cancelled and started again in the middle: each of 300 mails once."""
    settings = settings_for(dovecot)
    sink = Kept(settings)
    await first_look(settings, sink)
    for number in range(300):
        dovecot.deliver(mail(number))
    await in_pieces(settings, sink, (1, 90, 170, 300), 30)
    assert sorted(sink.subjects) == sorted(f"mail {number}" for number in range(300))
    assert len(sink.entries) == 300


async def test_sent_and_answered(dovecot: Dovecot) -> None:
    """A mail of ours over SMTP, the client's answer over IMAP: one thread."""
    async with smtp_sink() as smtp, aiohttp.ClientSession() as http:
        settings = settings_for(
            dovecot, smtp_host="127.0.0.1", smtp_port=smtp.port, smtp_security="none", smtp_user="-"
        )
        assert connector.send is not None
        assert connector.check is not None
        assert "IDLE" in await connector.check(settings, Io(http=http))
        key = digest("root@mail.example.org")
        to = Address(kind="email", value="anna@example.org")
        ours = OutMessage(id=str(uuid.uuid4()), to=to, thread_key=key, text="Готово", subject="Re: Торт")
        sent = await connector.send(ours, settings, Io(http=http))
        sink = Kept(settings)
        async with listening(settings, sink):
            await sink.when(lambda: bool(sink.mark))
            answer = (
                f"From: anna@example.org\r\nMessage-ID: <a@x>\r\nIn-Reply-To: <{sent.external_ids[0]}>\r\n\r\nДа\r\n"
            )
            dovecot.deliver(answer.encode())
            await sink.until(1)
        item = connector.normalize(next(iter(sink.entries.values())).payload, settings)[0]
    assert (item.thread_key, item.reply_to, item.text) == (key, sent.external_ids[0], "Да")
    assert isinstance(smtp, SmtpSink)
