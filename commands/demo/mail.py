"""The bakery's mailbox: clients who write letters and answer ours, with the mail provider's servers behind it."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime, formataddr

from commands.demo.cast import Client
from commands.demo.letters import LOGO, letter_html
from commands.demo.pictures import logo
from commands.demo.stages import Line, Scene, converse
from router.channels import Channel
from simulator.email import Imap, Kept, SmtpSink, imap_server, smtp_sink

ADDRESS = "zakaz@pekarnya-matveya.example"
CONNECTED_S = 60.0
SETTLE_S = 2.0


class MailStage:
    """IMAP and SMTP on this machine; what the hub sends is what clients get."""

    title = "Почта zakaz@"
    weight = 2

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._imap = Imap(user=ADDRESS)
        # A mailbox made anew: the hub must not take its UIDs for those of an earlier run.
        self._imap.inbox.uidvalidity = int(time.time())
        self._smtp = SmtpSink()
        self._told = 0

    def settings(self) -> dict[str, object]:
        values: dict[str, object] = {"address": ADDRESS, "name": "Пекарня Матвея", "password": self._imap.password}
        plain = {"imap_security": "none", "smtp_security": "none", "smtp_user": "-"}
        return values | plain | {"imap_host": "127.0.0.1", "smtp_host": "127.0.0.1", "poll_s": 2}

    async def start(self) -> dict[str, object]:
        await self._stack.enter_async_context(imap_server(self._imap))
        await self._stack.enter_async_context(smtp_sink(self._smtp))
        return {"imap_port": self._imap.port, "smtp_port": self._smtp.port}

    async def attach(self, channel: Channel, hook_url: str) -> None:
        """Mail is fetched, nobody has to be told."""

    async def stop(self) -> None:
        await self._stack.aclose()

    def suits(self, client: Client) -> bool:
        return bool(client.email)

    async def play(self, scene: Scene, client: Client) -> None:
        if not await self._connected():
            return
        topic = scene.topic(client)
        await converse(scene, self._line(client, topic.subject, len(self._to(client))), topic)

    def line(self, client: Client) -> Line:
        return self._line(client, "Заказ", 0)

    def _line(self, client: Client, subject: str, before: int) -> Line:
        async def write(text: str) -> None:
            self._imap.deliver(letter(client, subject, text, self._last(client, before)))

        def last() -> str:
            found = self._to(client)
            return words(found[-1]) if found else ""

        return Line(("email", client.email), write, lambda: len(self._to(client)), last)

    def news(self) -> list[tuple[str, str]]:
        fresh = self._smtp.mails[self._told :]
        self._told = len(self._smtp.mails)
        return [(address, words(kept)) for kept in fresh for address in kept.recipients]

    async def _connected(self) -> bool:
        """Whether the hub's fetcher is here: only what comes after its first look is news to it."""
        try:
            async with asyncio.timeout(CONNECTED_S):
                while not self._imap.connections:
                    await asyncio.sleep(SETTLE_S)
        except TimeoutError:
            return False
        await asyncio.sleep(SETTLE_S)
        return True

    def _to(self, client: Client) -> list[Kept]:
        return [kept for kept in self._smtp.mails if client.email in kept.recipients]

    def _last(self, client: Client, before: int) -> str:
        """Message-ID of the last letter he got in this matter, empty for none."""
        found = self._to(client)[before:]
        return str(message_from_bytes(found[-1].data)["Message-ID"] or "").strip() if found else ""


def words(kept: Kept) -> str:
    """Of a letter that reached a client, what its writer wrote."""
    mail = message_from_bytes(kept.data, policy=policy.default)
    body = mail.get_body(("plain", "html"))
    return str(body.get_content()) if body is not None else ""


def letter(client: Client, subject: str, text: str, answers: str) -> bytes:
    """A letter of this client; `answers`: the Message-ID it replies to."""
    # Python takes a long Message-ID for a text to be encoded unless lines may be as long as the standard allows.
    mail = EmailMessage(policy=policy.SMTP.clone(max_line_length=998))
    mail["From"] = formataddr((client.name, client.email))
    mail["To"] = formataddr(("Пекарня Матвея", ADDRESS))
    mail["Subject"] = f"Re: {subject}" if answers else subject
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{secrets.token_hex(12)}@{client.email.rpartition('@')[2]}>"
    if answers:
        mail["In-Reply-To"] = mail["References"] = answers
    mail.set_content(f"{text}\n\n-- \n{client.name}\n{client.phone}\n")
    if client.company:
        mail.add_alternative(letter_html(client, text), subtype="html")
        _, html = mail.iter_parts()
        assert isinstance(html, EmailMessage)
        html.add_related(logo(), "image", "png", cid=f"<{LOGO}>", filename="logo.png", disposition="inline")
    return mail.as_bytes()
