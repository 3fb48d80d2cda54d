"""What the clients' side of the live demo is made of: a stage for each connector, and how a written matter goes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Protocol
from zoneinfo import ZoneInfo

from commands.demo.cast import Client
from commands.demo.filling import closed_queues
from commands.demo.operators import Operators, Pace
from commands.demo.phrases import Topic, dialogue, pick_topic
from commands.demo.reactions import LAST, reply_to
from router.channels import Channel

TAKEN_S = 180.0
HEARD_S = 60.0
LOOK_S = 0.3
THINKS_S = (3.0, 7.0)
CHAT_S = 300.0


@dataclass(frozen=True)
class Scene:
    """What a stage plays with. `channel`: its own, as configured now."""

    rng: random.Random
    pace: Pace
    operators: Operators
    channel: Channel
    zone: ZoneInfo

    def topic(self, client: Client) -> Topic:
        """What this client comes with at this hour."""
        return pick_topic(self.rng, wholesale=client.company, closed=closed_queues(datetime.now(UTC), self.zone))


class Stage(Protocol):
    """One channel of the demo and the provider behind it."""

    title: str
    weight: int

    def settings(self) -> dict[str, object]:
        """Of a new channel."""

    async def start(self) -> dict[str, object]:
        """Starts the provider's side; the settings that changed by it."""

    async def attach(self, channel: Channel, hook_url: str) -> None:
        """Tells the provider where to call."""

    async def stop(self) -> None:
        """Also after a start that failed."""

    def suits(self, client: Client) -> bool:
        """Whether this client comes this way."""

    async def play(self, scene: Scene, client: Client) -> None:
        """One client's matter from its beginning to its end."""

    def news(self) -> list[tuple[str, str]]:
        """What reached clients since this was last asked: (address, words)."""

    def line(self, client: Client) -> Line | None:
        """His way to write here; None where one does not write."""


@dataclass(frozen=True)
class Line:
    """A client's way to write and to be answered. `address`: (identity kind, value); `got`: a number that grows with what
    reached him; `last`: the newest of it, in words.
    """

    address: tuple[str, str]
    say: Callable[[str], Awaitable[object]]
    got: Callable[[], int]
    last: Callable[[], str]


async def converse(scene: Scene, line: Line, topic: Topic) -> None:
    """The client asks and waits for the answer before going on; without one he leaves. What is done is closed."""
    operators, channel_id = scene.operators, scene.channel.id
    for ask, answer in dialogue(scene.rng, topic, whole=True):
        await scene.pace.turn()
        before = line.got()
        await line.say(ask)
        held = await operators.wait_for(channel_id, *line.address, TAKEN_S, partial(_reached, line, before))
        if held is not None:
            await scene.pace.turn()
            held = await operators.held(channel_id, *line.address)
        if held is not None and held.unread and await operators.speaks_for(held.assignee_id):
            await operators.answer(held, answer)
        if not await _heard(line, before):
            return
        if not operators.spoke(line.last()):
            await chat(scene, line)
            return
    await close(scene, line.address, topic)


async def chat(scene: Scene, line: Line) -> None:
    """A person has written to the client: he answers within seconds, a few times, while he is written to."""
    for said in range(LAST):
        reply = reply_to(scene.rng, line.last(), said)
        if not reply:
            return
        await asyncio.sleep(scene.rng.uniform(*THINKS_S))
        before = line.got()
        await line.say(reply)
        if not await _heard(line, before, CHAT_S) or scene.operators.spoke(line.last()):
            return


def _reached(line: Line, before: int) -> bool:
    return line.got() > before


async def _heard(line: Line, before: int, timeout_s: float = HEARD_S) -> bool:
    """Whether something reached the client."""
    try:
        async with asyncio.timeout(timeout_s):
            while not _reached(line, before):
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        return False
    return True


async def close(scene: Scene, address: tuple[str, str], topic: Topic, note: str = "") -> None:
    """The operator resolves the conversation, after a note for the colleagues where it is his last word."""
    await scene.pace.turn()
    held = await scene.operators.held(scene.channel.id, *address)
    if held is None or not await scene.operators.speaks_for(held.assignee_id):
        return
    if note:
        await scene.operators.answer(held, note, kind="note")
    elif held.unread:
        return
    await scene.operators.close(held.id, topic.disposition)
