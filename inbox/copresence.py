"""Who looks at a conversation now, and who types in it: collisions seen before they happen.

A page says every few seconds what it shows (`viewing`) and, while somebody writes, that he does (`typing`). Each web
process passes that on over the bus and tells its own sockets of changes; no row is written. What is not said again
vanishes by itself, so that a page, a process or Redis that dies leaves nobody behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID, uuid4

import msgspec
import structlog

from inbox.api.scope import Actor
from storage.bus import Topic
from storage.copresence import audience_if_visible
from storage.db import DATABASE_ERRORS
from storage.store import Store

log = structlog.get_logger()

VIEWING_S = 15.0
TYPING_S = 6.0
TICK_S = 1.0
RECHECK_S = 60.0
"""So long a page is believed that its agent still may see the conversation."""
BURST, PER_S = 10.0, 2.0
"""Frames of one page: so many at once, then so many a second; more are not heard."""
ACQUIRE_S = 10.0


class Viewing(msgspec.Struct, tag_field="type", tag="viewing"):
    """The page shows this conversation, or none. Said again at least every 10 s."""

    conversation_id: UUID | None


class Typing(msgspec.Struct, tag_field="type", tag="typing"):
    """Somebody writes in it. Said again every few seconds while he does. `note`: to colleagues; the client is not told."""

    conversation_id: UUID
    note: bool = False


class Said(msgspec.Struct, array_like=True):
    """What one page says, as it goes over the bus. `origin`: whose sockets heard it at once; `page`: one socket's own name;
    `words`: who may know, as the audience of an event.
    """

    origin: str
    page: str
    agent: UUID
    conversation: UUID | None
    typing: bool
    words: list[str]


class Seen(msgspec.Struct):
    """Data of `presence.viewing`: who has the conversation open, and who of them types. Each agent once."""

    conversation_id: UUID
    agents: list[UUID]
    typing: list[UUID]


class Frame(msgspec.Struct):
    """Without an id: no event, kept nowhere, not to be caught up on."""

    type: str
    data: Seen


class Spread(Protocol):
    """Gives a frame's JSON to every socket here that hears one of the words."""

    def __call__(self, words: Sequence[str], payload: bytes) -> None: ...  # pragma: no cover


class Hears(Protocol):
    """Whether a socket hears events with one of these words."""

    def __call__(self, words: Sequence[str]) -> bool: ...  # pragma: no cover


@dataclass(slots=True)
class Page:
    """One socket. `budget`: frames it may still say; `words`, `checked_at`: of the conversation it has open."""

    actor: Actor
    hears: Hears
    answer: Callable[[bytes], None]
    name: str = field(default_factory=lambda: uuid4().hex)
    budget: float = BURST
    asked_at: float = 0.0
    conversation: UUID | None = None
    words: list[str] = field(default_factory=list)
    checked_at: float = 0.0
    greeted: bool = False


@dataclass(slots=True)
class _Sign:
    """What a page anywhere said last, and until when it holds."""

    agent: UUID
    conversation: UUID
    words: list[str]
    until: float
    typing_until: float = 0.0


class Copresence:
    """`run` lets old signs vanish; `heard` takes a page's frame; `left` its end. `clock`: seconds, monotonic;
    `tell_client`: hears of conversations whose client is written to; it must neither wait nor raise.
    """

    def __init__(self, store: Store, spread: Spread, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.tell_client: Callable[[UUID], None] | None = None
        self._store = store
        self._spread = spread
        self._origin = uuid4().hex
        self._signs: dict[str, _Sign] = {}
        self._pages_of: dict[UUID, set[str]] = {}
        self._decode = msgspec.json.Decoder(Viewing | Typing).decode
        self._decode_said = msgspec.msgpack.Decoder(Said).decode
        store.bus.hear(Topic.COPRESENCE, self._over_the_bus)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.forget_old()

    # ------------------------------------------------------------ from pages

    async def heard(self, page: Page, text: str) -> None:
        """A frame of a page. What is too much, unreadable, unknown or not for his eyes is passed over."""
        if page.actor.agent_id is None or not self._pays(page):
            return
        try:
            said = self._decode(text)
        except (msgspec.DecodeError, RecursionError):
            return
        if not page.greeted:
            page.greeted = True
            self._greet(page)
        if said.conversation_id is None:
            self.left(page)
        elif await self._may_see(page, said.conversation_id):
            page.conversation = said.conversation_id
            typing = isinstance(said, Typing) and "write" in page.actor.scopes
            self._say(page, page.actor.agent_id, said.conversation_id, typing=typing)
            if typing and isinstance(said, Typing) and not said.note and self.tell_client is not None:
                self.tell_client(said.conversation_id)

    def left(self, page: Page) -> None:
        """It shows no conversation any more, or is gone."""
        if page.conversation is not None and page.actor.agent_id is not None:
            self._say(page, page.actor.agent_id, None, typing=False)
        page.conversation = None

    def _pays(self, page: Page) -> bool:
        now = self.clock()
        page.budget = min(BURST, page.budget + (now - page.asked_at) * PER_S)
        page.asked_at = now
        if page.budget < 1:
            return False
        page.budget -= 1
        return True

    async def _may_see(self, page: Page, conversation_id: UUID) -> bool:
        """Looked up when he opens it and once a minute; the words of those who may know come with it."""
        now = self.clock()
        if page.conversation == conversation_id and now - page.checked_at < RECHECK_S:
            return True
        try:
            async with self._store.pool.acquire(timeout=ACQUIRE_S) as connection:
                words = await audience_if_visible(connection, page.actor.viewer, conversation_id)
        except DATABASE_ERRORS as error:
            log.debug("copresence_unchecked", error=type(error).__name__)
            return False
        if words is None:
            self.left(page)
            return False
        page.words, page.checked_at = words, now
        return True

    def _greet(self, page: Page) -> None:
        """A page that has just come is told of all that goes on."""
        for conversation_id, names in self._pages_of.items():
            if any(page.hears(self._signs[name].words) for name in names):
                page.answer(self._frame(conversation_id))

    def _say(self, page: Page, agent: UUID, conversation: UUID | None, *, typing: bool) -> None:
        said = Said(self._origin, page.name, agent, conversation, typing, page.words)
        self._take(said)
        self._store.bus.say(Topic.COPRESENCE, msgspec.msgpack.encode(said))

    # ------------------------------------------------------------ from other processes

    def _over_the_bus(self, data: bytes) -> None:
        try:
            said = self._decode_said(data)
        except (msgspec.DecodeError, RecursionError):
            return  # a hub of another version beside this one
        if said.origin != self._origin:
            self._take(said)

    # ------------------------------------------------------------ what is known

    def _take(self, said: Said) -> None:
        """A new sign, in place of the page's last; told where it changes anything."""
        now = self.clock()
        last = self._signs.get(said.page)
        if last is not None and last.conversation != said.conversation:
            self._drop(said.page)
            last = None
        if said.conversation is None:
            return
        sign = _Sign(said.agent, said.conversation, said.words, now + VIEWING_S)
        types = last is not None and last.typing_until > now
        sign.typing_until = now + TYPING_S if said.typing else last.typing_until if last is not None else 0.0
        self._signs[said.page] = sign
        self._pages_of.setdefault(said.conversation, set()).add(said.page)
        if last is None or types != (sign.typing_until > now):
            self._tell(said.conversation, sign.words)

    def _drop(self, page: str) -> None:
        sign = self._signs.pop(page)
        pages = self._pages_of[sign.conversation]
        pages.discard(page)
        if not pages:
            del self._pages_of[sign.conversation]
        self._tell(sign.conversation, sign.words)

    def forget_old(self) -> None:
        """Signs that were not renewed."""
        now = self.clock()
        for page, sign in list(self._signs.items()):
            if sign.until <= now:
                self._drop(page)
            elif 0.0 < sign.typing_until <= now:
                sign.typing_until = 0.0
                self._tell(sign.conversation, sign.words)

    def _tell(self, conversation_id: UUID, words: Sequence[str]) -> None:
        self._spread(words, self._frame(conversation_id))

    def _frame(self, conversation_id: UUID) -> bytes:
        now = self.clock()
        signs = [self._signs[page] for page in self._pages_of.get(conversation_id, ())]
        agents = sorted({sign.agent for sign in signs})
        typing = sorted({sign.agent for sign in signs if sign.typing_until > now})
        return msgspec.json.encode(Frame("presence.viewing", Seen(conversation_id, agents, typing)))
