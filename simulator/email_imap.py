r"""A small IMAP4rev1 server (RFC 3501) with IDLE (2177), UIDPLUS's UID EXPUNGE (4315) and literals, mails in memory.

It keeps what clients rely on: UIDs only grow, sequence numbers change only when the client is told, EXPUNGE is never told
within FETCH, STORE or SEARCH, `n:*` always names the last mail, BODY[] sets \Seen and BODY.PEEK[] does not.

A test or the demo makes it misbehave: `refused` UIDs, `drop_connections`, `renumber`, `has_idle`, `greeting`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from simulator.email_imap_words import Bad, No, Stored, all_of, internal, items, part_of, ranges, split

MAX_LINE = 1 << 20
MAX_LITERAL = 64 << 20

_LITERAL = re.compile(rb"\{(\d+)(\+?)\}$")
_SECTION = re.compile(r"BODY(\.PEEK)?\[([^\]]*)\](?:<(\d+)\.(\d+)>)?", re.IGNORECASE)


@dataclass
class Folder:
    uidvalidity: int = 1
    uidnext: int = 1
    mails: list[Stored] = field(default_factory=list)
    changed: set[asyncio.Event] = field(default_factory=set)

    def add(self, data: bytes, arrived: datetime | None = None, flags: Iterable[str] = ()) -> int:
        """The mail's UID."""
        mail = Stored(self.uidnext, data, arrived or datetime.now(UTC), set(flags))
        self.uidnext += 1
        self.mails.append(mail)
        self.tell()
        return mail.uid

    def tell(self) -> None:
        for event in self.changed:
            event.set()


@dataclass
class Imap:
    """The server. `asked` counts commands by name; `connections` are those open now."""

    user: str = "box@client.example"
    password: str = "secret"
    has_idle: bool = True
    greeting: str = "OK ready"
    login_answer: str = ""
    refused: set[int] = field(default_factory=set)
    folders: dict[str, Folder] = field(default_factory=lambda: {"INBOX": Folder()})
    connections: set[_Connection] = field(default_factory=set)
    asked: dict[str, int] = field(default_factory=dict)
    most_connections: int = 0
    port: int = 0
    something_asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def inbox(self) -> Folder:
        return self.folders["INBOX"]

    def deliver(self, data: bytes, arrived: datetime | None = None) -> int:
        return self.inbox.add(data, arrived)

    async def until(self, command: str, times: int = 1, timeout_s: float = 10.0) -> None:
        """Waits until this was asked so often. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while self.asked.get(command, 0) < times:
                self.something_asked.clear()
                await self.something_asked.wait()

    def drop_connections(self) -> None:
        """As a restart of the server does."""
        for connection in list(self.connections):
            connection.drop()

    def renumber(self) -> None:
        """The mailbox is rebuilt: another UIDVALIDITY, all mails get new UIDs, whoever has it open is thrown out."""
        folder = self.inbox
        folder.uidvalidity += 1
        for uid, mail in enumerate(folder.mails, 1):
            mail.uid = uid
        folder.uidnext = len(folder.mails) + 1
        self.drop_connections()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(self, reader, writer)
        self.connections.add(connection)
        self.most_connections = max(self.most_connections, len(self.connections))
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
            connection.leave()
            writer.close()


@contextlib.asynccontextmanager
async def imap_server(server: Imap | None = None) -> AsyncIterator[Imap]:
    """The server on 127.0.0.1, until the block ends."""
    imap = server or Imap()
    listening = await asyncio.start_server(imap.serve, "127.0.0.1", imap.port, limit=MAX_LINE)
    imap.port = listening.sockets[0].getsockname()[1]
    try:
        yield imap
    finally:
        listening.close()
        imap.drop_connections()
        await listening.wait_closed()
        while imap.connections:
            await asyncio.sleep(0.001)


@dataclass(eq=False)
class _Connection:
    server: Imap
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_in: bool = False
    folder: Folder | None = None
    is_read_only: bool = False
    by_uid: bool = False
    known: list[Stored] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def drop(self) -> None:
        if self.writer.transport is not None:
            self.writer.transport.abort()

    def leave(self) -> None:
        if self.folder is not None:
            self.folder.changed.discard(self.news)
        self.folder = None

    async def run(self) -> None:
        self._say(f"* {self.server.greeting}")
        if self.server.greeting.startswith("BYE"):
            return
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ValueError):
            while await self._command():
                await self.writer.drain()

    def _say(self, line: str | bytes) -> None:
        self.writer.write((line if isinstance(line, bytes) else line.encode()) + b"\r\n")

    async def _read(self) -> list[Any] | None:
        """One command's words, lists as lists; literals are asked for. None: the client is gone."""
        words: list[Any] = []
        stack = [words]
        while True:
            line = await self.reader.readline()
            if not line:
                return None
            line = line.rstrip(b"\r\n")
            literal = _LITERAL.search(line)
            split(line[: literal.start()] if literal else line, stack)
            if literal is None:
                return words
            if int(literal[1]) > MAX_LITERAL:
                raise ValueError("too large")
            if not literal[2]:
                self._say("+ go on")
                await self.writer.drain()
            stack[-1].append((await self.reader.readexactly(int(literal[1]))).decode("latin-1"))

    async def _command(self) -> bool:
        words = await self._read()
        if words is None:
            return False
        if len(words) < 2 or not all(isinstance(word, str) for word in words[:2]):
            self._say("* BAD no command")
            return True
        tag, name, *arguments = words
        name = name.upper()
        self.by_uid = name == "UID" and bool(arguments)
        if self.by_uid:
            name = str(arguments.pop(0)).upper()
        self.server.asked[name] = self.server.asked.get(name, 0) + 1
        self.server.something_asked.set()
        try:
            done = await _HANDLERS.get(name, _Connection.unknown)(self, arguments)
        except No as error:
            done = f"NO {error}"
        except (Bad, IndexError, TypeError, AttributeError, ValueError) as error:
            done = f"BAD {error}"
        if self.folder is not None and (self.by_uid or name not in {"FETCH", "STORE", "SEARCH"}):
            self._sync()
        self._say(f"{tag} {done}")
        return bool(name != "LOGOUT")

    def _sync(self) -> None:
        """Tells what has changed since the client was last told."""
        folder = self.folder
        assert folder is not None
        there = {id(mail) for mail in folder.mails}
        for number in range(len(self.known), 0, -1):
            if id(self.known[number - 1]) not in there:
                self._say(f"* {number} EXPUNGE")
                del self.known[number - 1]
        if len(folder.mails) > len(self.known):
            self.known = list(folder.mails)
            self._say(f"* {len(self.known)} EXISTS")
        self.news.clear()

    # ------------------------------------------------------------ commands

    async def unknown(self, _arguments: list[Any]) -> str:
        return "BAD unknown command"

    async def capability(self, _arguments: list[Any]) -> str:
        self._say(f"* CAPABILITY IMAP4rev1 UIDPLUS{' IDLE' if self.server.has_idle else ''}")
        return "OK done"

    async def noop(self, _arguments: list[Any]) -> str:
        return "OK done"

    async def logout(self, _arguments: list[Any]) -> str:
        self._say("* BYE")
        return "OK done"

    async def login(self, arguments: list[Any]) -> str:
        if self.server.login_answer:
            return self.server.login_answer
        user, password = (str(word).encode("latin-1").decode("utf-8", "replace") for word in arguments[:2])
        if (user, password) != (self.server.user, self.server.password):
            raise No("[AUTHENTICATIONFAILED] no")
        self.is_in = True
        return "OK welcome"

    async def select(self, arguments: list[Any]) -> str:
        return self._open(str(arguments[0]), read_only=False)

    async def examine(self, arguments: list[Any]) -> str:
        return self._open(str(arguments[0]), read_only=True)

    def _open(self, name: str, *, read_only: bool) -> str:
        self._need_login()
        self.leave()
        folder = self.server.folders.get("INBOX" if name.upper() == "INBOX" else name)
        if folder is None:
            raise No("[NONEXISTENT] no such mailbox")
        self.folder, self.is_read_only = folder, read_only
        folder.changed.add(self.news)
        self.known = list(folder.mails)
        self._say("* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)")
        self._say(f"* {len(self.known)} EXISTS")
        self._say("* 0 RECENT")
        self._say(f"* OK [UIDVALIDITY {folder.uidvalidity}] UIDs valid")
        self._say(f"* OK [UIDNEXT {folder.uidnext}] predicted next UID")
        return f"OK [READ-{'ONLY' if read_only else 'WRITE'}] done"

    async def close(self, _arguments: list[Any]) -> str:
        folder = self._need_folder()
        if not self.is_read_only:
            folder.mails = [mail for mail in folder.mails if "\\Deleted" not in mail.flags]
            folder.tell()
        self.leave()
        return "OK done"

    async def list_(self, _arguments: list[Any]) -> str:
        self._need_login()
        for name in self.server.folders:
            self._say(f'* LIST () "/" "{name}"')
        return "OK done"

    async def status(self, arguments: list[Any]) -> str:
        self._need_login()
        folder = self.server.folders.get(str(arguments[0]))
        if folder is None:
            raise No("no such mailbox")
        unseen = sum("\\Seen" not in mail.flags for mail in folder.mails)
        values = {"MESSAGES": len(folder.mails), "UIDNEXT": folder.uidnext, "UIDVALIDITY": folder.uidvalidity}
        values |= {"UNSEEN": unseen, "RECENT": 0}
        told = " ".join(f"{name.upper()} {values[name.upper()]}" for name in arguments[1])
        self._say(f'* STATUS "{arguments[0]}" ({told})')
        return "OK done"

    async def append(self, arguments: list[Any]) -> str:
        self._need_login()
        folder = self.server.folders.get(str(arguments[0]))
        if folder is None:
            raise No("[TRYCREATE] no such mailbox")
        flags = next((word for word in arguments[1:-1] if isinstance(word, list)), [])
        uid = folder.add(str(arguments[-1]).encode("latin-1"), flags=flags)
        return f"OK [APPENDUID {folder.uidvalidity} {uid}] done"

    async def idle(self, _arguments: list[Any]) -> str:
        if not self.server.has_idle:
            raise Bad("no IDLE here")
        self._need_folder()
        self._say("+ idling")
        await self.writer.drain()
        line = b""
        try:
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(self._tell_news(), name="imap idle")
                line = await self.reader.readline()
                telling.cancel()
        except* OSError:
            line = b""
        if not line:
            raise ConnectionResetError
        return "OK done" if line.strip().upper() == b"DONE" else "BAD expected DONE"

    async def _tell_news(self) -> None:
        while True:
            self._sync()
            await self.writer.drain()
            await self.news.wait()

    async def search(self, arguments: list[Any]) -> str:
        self._need_folder()
        if arguments and str(arguments[0]).upper() == "CHARSET":
            arguments = arguments[2:]
        fits = all_of(
            list(arguments), lambda numbers, by_uid: [mail for _, mail in self.chosen(numbers, by_uid=by_uid)]
        )
        found = [(number, mail) for number, mail in enumerate(self.known, 1) if fits(number, mail)]
        self._say(" ".join(["* SEARCH", *(str(mail.uid if self.by_uid else number) for number, mail in found)]))
        return "OK done"

    async def fetch(self, arguments: list[Any]) -> str:
        self._need_folder()
        wanted = arguments[1] if isinstance(arguments[1], list) else [arguments[1]]
        asked = items(wanted)
        if self.by_uid and "UID" not in asked:
            asked.insert(0, "UID")
        reads = any(item.startswith(("BODY", "RFC822")) and item != "RFC822.SIZE" for item in asked)
        for number, mail in self.chosen(str(arguments[0]), by_uid=self.by_uid):
            if reads and mail.uid in self.server.refused:
                raise No("[SERVERBUG] internal error")
            self.writer.write(f"* {number} FETCH (".encode() + b" ".join(self._item(mail, i) for i in asked) + b")\r\n")
            await self.writer.drain()
        return "OK done"

    def _item(self, mail: Stored, item: str) -> bytes:
        plain = {
            "UID": f"UID {mail.uid}",
            "FLAGS": f"FLAGS ({' '.join(sorted(mail.flags))})",
            "RFC822.SIZE": f"RFC822.SIZE {len(mail.data)}",
            "INTERNALDATE": f'INTERNALDATE "{internal(mail.arrived)}"',
        }
        if item in plain:
            return plain[item].encode()
        section = _SECTION.fullmatch({"RFC822": "BODY[]", "RFC822.HEADER": "BODY.PEEK[HEADER]"}.get(item, item))
        if section is None:
            raise Bad(f"can't fetch {item}")
        if not section[1] and not self.is_read_only:
            mail.flags.add("\\Seen")
        data = part_of(mail.data, section[2].upper())
        label = f"BODY[{section[2]}]"
        if section[3]:
            start, length = int(section[3]), int(section[4])
            data, label = data[start : start + length], f"{label}<{start}>"
        return f"{label} {{{len(data)}}}\r\n".encode() + data

    async def store(self, arguments: list[Any]) -> str:
        self._need_folder()
        if self.is_read_only:
            raise No("read only")
        how = str(arguments[1]).upper()
        flags = set(arguments[2] if isinstance(arguments[2], list) else arguments[2:])
        for number, mail in self.chosen(str(arguments[0]), by_uid=self.by_uid):
            sign = how[:1]
            mail.flags = mail.flags | flags if sign == "+" else mail.flags - flags if sign == "-" else set(flags)
            if not how.endswith(".SILENT"):
                uid = f"UID {mail.uid} " if self.by_uid else ""
                self._say(f"* {number} FETCH ({uid}FLAGS ({' '.join(sorted(mail.flags))}))")
        return "OK done"

    async def expunge(self, arguments: list[Any]) -> str:
        folder = self._need_folder()
        chosen = {mail.uid for _, mail in self.chosen(str(arguments[0]), by_uid=True)} if self.by_uid else None
        folder.mails = [
            mail
            for mail in folder.mails
            if "\\Deleted" not in mail.flags or (chosen is not None and mail.uid not in chosen)
        ]
        folder.tell()
        return "OK done"

    def chosen(self, numbers: str, *, by_uid: bool) -> Iterator[tuple[int, Stored]]:
        top = (self.known[-1].uid if by_uid else len(self.known)) if self.known else 0
        spans = ranges(numbers, top)
        for number, mail in enumerate(list(self.known), 1):
            value = mail.uid if by_uid else number
            if any(first <= value <= last for first, last in spans):
                yield number, mail

    def _need_login(self) -> None:
        if not self.is_in:
            raise Bad("log in first")

    def _need_folder(self) -> Folder:
        if self.folder is None:
            raise Bad("select a mailbox first")
        return self.folder


_HANDLERS: dict[str, Callable[[_Connection, list[Any]], Awaitable[str]]] = {
    "CAPABILITY": _Connection.capability,
    "NOOP": _Connection.noop,
    "CHECK": _Connection.noop,
    "LOGOUT": _Connection.logout,
    "LOGIN": _Connection.login,
    "SELECT": _Connection.select,
    "EXAMINE": _Connection.examine,
    "CLOSE": _Connection.close,
    "LIST": _Connection.list_,
    "STATUS": _Connection.status,
    "APPEND": _Connection.append,
    "IDLE": _Connection.idle,
    "SEARCH": _Connection.search,
    "FETCH": _Connection.fetch,
    "STORE": _Connection.store,
    "EXPUNGE": _Connection.expunge,
}
