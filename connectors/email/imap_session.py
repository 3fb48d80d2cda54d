"""One connection to an IMAP server, over aioimaplib 2.0, with what that library leaves to its caller.

- It drops `EXISTS` that comes within another command's answer, and so would IDLE through a mail it was already told of:
  `_Protocol` hears every one.
- A lost connection leaves its commands waiting for ever (its issues 110, 112): `_Protocol` ends them.
- It writes mails and, with some passwords, log-ins into its debug log: that is off.
- It never closes a socket by itself: `close` does, and ends the tasks the library has left.
- It is not made for several commands at once: all are awaited one after the other here.
Any error makes the connection useless; a new one is made.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import re
import ssl
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

from aioimaplib import aioimaplib

from config.errors import BadChannel, RetryLater
from connectors.email.tables import EmailSettings

COMMAND_S = 60.0
HELLO_S = 20.0
CLOSE_S = 2.0
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

logging.getLogger(aioimaplib.__name__).setLevel(logging.CRITICAL)

_EXISTS = re.compile(rb"\* \d+ EXISTS\b", re.IGNORECASE)
_VALIDITY = re.compile(rb"\[UIDVALIDITY (\d+)\]", re.IGNORECASE)
_NEXT = re.compile(rb"\[UIDNEXT (\d+)\]", re.IGNORECASE)
_UID = re.compile(rb"\bUID (\d+)", re.IGNORECASE)
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)", re.IGNORECASE)
_ARRIVED = re.compile(rb'\bINTERNALDATE "([^"]{10,40})"', re.IGNORECASE)
_STRING = re.compile(rb'\bBODY\[[^\]]*\](?:<\d+>)? (?:"((?:\\.|[^"\\])*)"|NIL)', re.IGNORECASE)
_NUMBERS = re.compile(rb"[\d ]*")
_BUSY = re.compile(rb"\[(?:UNAVAILABLE|LIMIT|INUSE|SERVERBUG|OVERQUOTA)\]|too many|try again|temporar", re.IGNORECASE)

LOST = (OSError, TimeoutError, aioimaplib.AioImapException)


@dataclass(frozen=True, slots=True)
class Listed:
    """A mail as the server lists it. `arrived`: when it came into the mailbox."""

    uid: int
    size: int
    arrived: datetime | None


class _Protocol(aioimaplib.IMAP4ClientProtocol):  # type: ignore[misc]
    """`news` is set by anything new in the folder, and by the end of the connection."""

    pending_async_commands: dict[str, aioimaplib.Command]
    pending_sync_command: aioimaplib.Command | None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.news = asyncio.Event()
        self.is_lost = False

    def _untagged_response(self, line: bytes) -> object:
        if _EXISTS.match(line):
            self.news.set()
        return super()._untagged_response(line)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self.news.set()
        waiting = [*self.pending_async_commands.values(), self.pending_sync_command]
        self.pending_sync_command = None
        self.pending_async_commands = {}
        for command in waiting:
            if command is not None:
                command.close(b"connection lost", "KO")
        super().connection_lost(exc)


class _Client(aioimaplib.IMAP4):  # type: ignore[misc]
    protocol: _Protocol

    def create_client(
        self,
        host: str,
        port: int,
        loop: asyncio.AbstractEventLoop | None,
        _conn_lost_cb: object = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        loop = loop or asyncio.get_running_loop()
        self.protocol = _Protocol(loop)
        connecting = loop.create_connection(lambda: self.protocol, host, port, ssl=ssl_context)
        self._client_task = loop.create_task(connecting)  # lint-skip: tasks - the library's own way; `close` ends it


class Session:
    """A folder, opened for reading. Every method raises RetryLater when the connection or the server fails."""

    def __init__(self, client: _Client, host: str) -> None:
        self._client = client
        self._host = host
        self.uidvalidity = 0
        self.uidnext = 0

    @classmethod
    async def open(cls, settings: EmailSettings, timeout_s: float = COMMAND_S) -> Session:
        """Connected, logged in, the folder selected. Raises BadChannel where only an administrator can help."""
        context = ssl.create_default_context() if settings.imap_security == "tls" else None
        client = _Client(settings.imap_host, settings.imap_port, timeout=timeout_s, ssl_context=context)
        session = cls(client, settings.imap_host)
        try:
            await session._start(settings)
        except BaseException:
            await session.close()
            raise
        return session

    async def _start(self, settings: EmailSettings) -> None:
        try:
            async with asyncio.timeout(HELLO_S):  # a server that says BYE at once leaves the library waiting
                await self._client.wait_hello_from_server()
        except ssl.SSLCertVerificationError as error:
            raise BadChannel(f"The certificate of {self._host} is not valid: {error.verify_message}.") from None
        except LOST as error:
            raise RetryLater(f"{self._host} can't be reached ({type(error).__name__}).") from None
        await self._log_in(settings)
        await self._ask(self._client.protocol.capability(), "capabilities")
        await self.select(settings.folder)

    async def _log_in(self, settings: EmailSettings) -> None:
        if "LOGINDISABLED" in self._client.protocol.capabilities:
            raise BadChannel(f"{self._host} takes no log-in over a connection without TLS.")
        user = aioimaplib.quoted(settings.login)
        try:
            async with asyncio.timeout(self._client.timeout):
                answer = await self._client.login(user, settings.password.get_secret_value())
        except ValueError:
            raise BadChannel("The log-in or password holds a character that IMAP can't carry.") from None
        except LOST as error:
            raise RetryLater(f"{self._host} broke off the log-in ({type(error).__name__}).") from None
        if answer.result == "OK":
            return
        said = b" ".join(bytes(line) for line in answer.lines)
        if answer.result == "KO" or _BUSY.search(said):
            raise RetryLater(f"{self._host} takes no log-in now.")
        raise BadChannel(f"{self._host} refuses this log-in and password.", provider_text=_shown(said))

    async def select(self, folder: str) -> None:
        """Reads UIDVALIDITY and UIDNEXT. EXAMINE would do, but Dovecot and others then let no flag be set later."""
        self._client.protocol.news.clear()
        answer = await self._ask(
            self._client.select(aioimaplib.quoted(mailbox_name(folder))), "the folder", needs_ok=False
        )
        said = b"\n".join(bytes(line) for line in answer.lines)
        if answer.result != "OK":
            raise BadChannel(f"{self._host} has no folder {folder!r} that can be read.", provider_text=_shown(said))
        validity, following = _VALIDITY.search(said), _NEXT.search(said)
        self.uidvalidity = int(validity[1]) if validity else 1  # RFC 3501, 2.3.1.1: without it UIDs last
        self.uidnext = int(following[1]) if following else 0

    @property
    def has_idle(self) -> bool:
        return bool(self._client.has_capability("IDLE"))

    async def search(self, *criteria: str) -> list[int]:
        """UIDs, ascending. What comes after this question sets off `wait`."""
        self._client.protocol.news.clear()
        answer = await self._ask(self._client.uid_search(*criteria, charset=None), "a search")
        found = [line for line in answer.lines[:-1] if _NUMBERS.fullmatch(bytes(line))]
        return sorted({int(uid) for line in found for uid in bytes(line).split()})

    async def above(self, uid: int) -> list[int]:
        """UIDs greater than this; `n:*` names the last mail even if it is not (RFC 3501, 6.4.8)."""
        return [one for one in await self.search("UID", f"{uid + 1}:*") if one > uid]

    async def between(self, first: int, last: int, day: date) -> list[int]:
        """UIDs of this range, of mails that came on this day or later."""
        return await self.search("UID", f"{first}:{last}", "SINCE", f"{day.day:02d}-{MONTHS[day.month - 1]}-{day.year}")

    async def listed(self, uids: Sequence[int]) -> list[Listed]:
        """Sizes and times of those still there, ascending."""
        answer = await self._ask(self._client.uid("fetch", to_set(uids), "(UID RFC822.SIZE INTERNALDATE)"), "a list")
        found: dict[int, Listed] = {}
        for line in answer.lines:
            uid, size = _UID.search(line), _SIZE.search(line)
            if uid is not None:
                arrived = _ARRIVED.search(line)
                found[int(uid[1])] = Listed(
                    int(uid[1]), int(size[1]) if size else 0, _time(arrived[1] if arrived else b"")
                )
        wanted = set(uids)
        return [found[uid] for uid in sorted(found) if uid in wanted]

    async def fetch(self, uids: Sequence[int], *, first_bytes: int = 0) -> dict[int, bytes] | None:
        """Mails as they are, or their beginnings, without marking them as read. None: the server refuses."""
        what = f"BODY.PEEK[]<0.{first_bytes}>" if first_bytes else "BODY.PEEK[]"
        answer = await self._ask(self._client.uid("fetch", to_set(uids), f"(UID {what})"), "mails", needs_ok=False)
        if answer.result != "OK":
            return None
        wanted = set(uids)
        return {uid: data for uid, data in _bodies(answer.lines).items() if uid in wanted}

    async def wait(self, seconds: float) -> None:
        """Until the server tells of something new, or this long."""
        news = self._client.protocol.news
        if not self.has_idle:
            await _within(news, seconds)
            await self._ask(self._client.noop(), "a sign of life")
        elif not news.is_set():
            await self._idle(news, seconds)
        if self._client.protocol.is_lost:
            raise RetryLater(f"{self._host} closed the connection.")

    async def _idle(self, news: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(self._client.timeout):
                idling = await self._client.idle_start(seconds + self._client.timeout)
            await _within(news, seconds)
            self._client.idle_done()
            async with asyncio.timeout(self._client.timeout):
                await idling
        except LOST as error:
            raise RetryLater(f"{self._host} broke off IDLE ({type(error).__name__}).") from None

    async def _ask(self, question: object, what: str, *, needs_ok: bool = True) -> aioimaplib.Response:
        try:
            async with asyncio.timeout(self._client.timeout * 10):  # silence is limited by the library's own timer
                answer = await question  # type: ignore[misc]
        except LOST as error:
            raise RetryLater(f"{self._host} does not answer to {what} ({type(error).__name__}).") from None
        if self._client.protocol.is_lost:
            raise RetryLater(f"{self._host} closed the connection.")
        if needs_ok and answer is not None and answer.result != "OK":
            raise RetryLater(f"{self._host} refuses {what}.")
        return answer

    async def close(self) -> None:
        """Says goodbye if anybody listens, then closes the socket: servers count what stays open."""
        client = self._client
        protocol = client.protocol
        try:
            is_free = not protocol.pending_async_commands and protocol.pending_sync_command is None
            if protocol.transport is not None and not protocol.is_lost and is_free:
                with suppress(*LOST):
                    async with asyncio.timeout(CLOSE_S):
                        await client.logout()
        finally:
            client._client_task.cancel()  # noqa: SLF001 - left running by the library where a connect was given up
            for task in [*client.tasks, *protocol.tasks]:
                task.cancel()
            if protocol.transport is not None:
                protocol.transport.abort()


async def _within(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _bodies(lines: Iterable[bytes | bytearray]) -> dict[int, bytes]:
    """A literal belongs to the answer around it; the UID may stand before or after it."""
    found: dict[int, bytes] = {}
    uid, body = 0, None
    for line in lines:
        if isinstance(line, bytearray):
            body = bytes(line)
            continue
        if re.match(rb"\d+ FETCH \(", line):
            uid, body = 0, None
            short = _STRING.search(line)
            if short is not None:
                body = re.sub(rb"\\(.)", rb"\1", short[1] or b"")
        told = _UID.search(line)
        uid = int(told[1]) if told else uid
        if uid and body is not None:
            found[uid] = body
            uid, body = 0, None
    return found


def to_set(uids: Sequence[int]) -> str:
    """`1,2,3,7` -> `1:3,7`."""
    ranges: list[list[int]] = []
    for uid in sorted(uids):
        if ranges and uid == ranges[-1][1] + 1:
            ranges[-1][1] = uid
        else:
            ranges.append([uid, uid])
    return ",".join(f"{first}:{last}" if first != last else str(first) for first, last in ranges)


def mailbox_name(name: str) -> str:
    """Modified UTF-7 (RFC 3501, 5.1.3)."""
    pieces = re.split(r"([^\x20-\x7e]+)", name)
    encoded = [
        f"&{base64.b64encode(piece.encode('utf-16-be')).decode().rstrip('=').replace('/', ',')}-"
        if n % 2
        else piece.replace("&", "&-")
        for n, piece in enumerate(pieces)
    ]
    return "".join(encoded)


def _time(value: bytes) -> datetime | None:
    """` 5-Mar-2026 10:00:00 +0300`."""
    try:
        return parsedate_to_datetime(value.decode("ascii").strip().replace("-", " ", 2)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _shown(said: bytes) -> str:
    return said.decode("utf-8", "replace")[:200]
