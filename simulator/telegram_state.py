"""What the Telegram simulator remembers: bots, messages clients got, faults to strike."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Literal

FaultKind = Literal["error", "hang_before", "hang_after", "drop_before", "drop_after"]


@dataclass
class Fault:
    """What goes wrong with the next `times` calls of `method` (empty: any sending) to `chat_id` (0: any chat).

    `error` answers `code`, `description`, `parameters` and takes nothing. `…_before` reads the request and takes nothing,
    `…_after` takes and records the message; then `hang` never answers and `drop` cuts the connection.
    """

    kind: FaultKind
    method: str = ""
    chat_id: int = 0
    times: int = 1
    code: int = 500
    description: str = "Internal Server Error"
    parameters: dict[str, Any] = field(default_factory=dict)
    used: asyncio.Event = field(default_factory=asyncio.Event)

    def fits(self, method: str, chat_id: int) -> bool:
        """This call is one of those meant; `used` is set once the fault has struck."""
        sends = method == self.method or (not self.method and method.startswith("send") and method != "sendChatAction")
        return self.times > 0 and sends and self.chat_id in {0, chat_id}


@dataclass(frozen=True)
class SentMessage:
    """A message a client got. `method` as called; `fields` as given; `files` sizes by name; `at` monotonic seconds."""

    token: str
    chat_id: int
    message_id: int
    method: str
    text: str
    fields: dict[str, Any]
    files: dict[str, int]
    at: float


@dataclass
class Bot:
    """One token's state. `updates` wait for confirmation; `webhook` is the body of setWebhook, empty without one."""

    token: str
    name: str
    username: str
    webhook: dict[str, Any] = field(default_factory=dict)
    updates: dict[int, dict[str, Any]] = field(default_factory=dict)
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(40))
    message_ids: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    last_error: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    polls: int = 0

    @property
    def id(self) -> int:
        return int(self.token.partition(":")[0])

    def user(self) -> dict[str, Any]:
        """The bot as a `User`."""
        return {"id": self.id, "is_bot": True, "first_name": self.name, "username": self.username}

    def wake(self) -> None:
        """Everybody who waits for this bot looks again."""
        self.changed.set()
        self.changed = asyncio.Event()


class Refusal(Exception):
    """An answer with ok: false."""

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters
