"""The providers behind the demo's channels: each simulator as a stage, and the list of them."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from itertools import takewhile
from typing import TypeVar

from commands.demo.cast import FAMILIES, WOMEN, Client
from commands.demo.phone import Phone
from commands.demo.phrases import dialogue
from commands.demo.pictures import cake
from commands.demo.rows import OUR_NUMBER
from commands.demo.stages import TAKEN_S, Line, Scene, Stage, close, converse
from connectors import registry
from router.channels import Channel
from simulator.mango import MangoSimulator, Script
from simulator.site import Site
from simulator.smsc import SmscSimulator
from simulator.sound import conversation
from simulator.telegram import TelegramSimulator

T = TypeVar("T")
NOWHERE = "http://127.0.0.1:9"
FALLBACK = ("102", "201")
"""Who is rung where the hub has no opinion."""

GREETING_S = 2.0
RINGS_S = 14.0
TALKS_S = (35.0, 60.0)
KEPT = 500
"""What a simulator remembers of the past: a demo that runs for days must not grow."""


class News:
    """What is new in a list that grows at its end and is cut at its beginning."""

    def __init__(self) -> None:
        self._last: object = None

    def of(self, items: Sequence[T]) -> list[T]:
        found = list(takewhile(lambda item: item is not self._last, reversed(items)))[::-1]
        self._last = items[-1] if items else self._last
        return found


@lru_cache(maxsize=1)
def crushed_cake() -> bytes:
    return cake(crushed=True)


class TelegramStage:
    """A bot of the bakery on a Bot API server of our own."""

    title = "Telegram-бот"
    weight = 10

    def __init__(self) -> None:
        # Update and message ids go on rising over restarts: the hub knows those of earlier runs.
        self._sim = TelegramSimulator(first_update_id=int(time.time()))
        self._first_message = int(time.time()) - 1_700_000_000
        self._token = ""
        self._new = News()

    def settings(self) -> dict[str, object]:
        token = f"{7_300_000_000 + secrets.randbelow(10**8)}:{secrets.token_urlsafe(26)[:35]}"
        return {"token": token, "secret": secrets.token_urlsafe(24), "base_url": NOWHERE}

    async def start(self) -> dict[str, object]:
        return {"base_url": await self._sim.start()}

    async def attach(self, channel: Channel, hook_url: str) -> None:
        self._token = channel.settings.token.get_secret_value()
        bot = self._sim.add_bot(self._token, "Пекарня Матвея", "matvey_bakery_bot")
        bot.message_ids = defaultdict(lambda: self._first_message)
        bot.webhook = {"url": hook_url, "secret_token": channel.settings.secret.get_secret_value()}

    async def stop(self) -> None:
        await self._sim.stop()

    def suits(self, client: Client) -> bool:
        return bool(client.telegram)

    async def play(self, scene: Scene, client: Client) -> None:
        if scene.rng.random() < 0.15:
            client = _newcomer(scene.rng)
        topic, sim = scene.topic(client), self._sim
        if topic.key == "complaint":
            await self._shows(client)
        await converse(scene, self.line(client), topic)
        del sim.sent[:-KEPT], sim.calls[:-KEPT], sim.actions[:-KEPT]

    def line(self, client: Client) -> Line:
        sim, chat = self._sim, client.telegram
        return Line(
            ("telegram", str(chat)),
            lambda text: sim.client_says(self._token, chat, client.name, text),
            lambda: max((sent.message_id for sent in sim.sent if sent.chat_id == chat), default=0),
            lambda: next((sent.text for sent in reversed(sim.sent) if sent.chat_id == chat), ""),
        )

    def news(self) -> list[tuple[str, str]]:
        return [(str(sent.chat_id), sent.text) for sent in self._new.of(self._sim.sent)]

    async def _shows(self, client: Client) -> None:
        """A photo of what went wrong, before he says what."""
        data = crushed_cake()
        file = self._sim.keep_file(f"photo-{time.time_ns()}", data)
        photo = [{"file_id": file, "file_unique_id": file, "width": 640, "height": 480, "file_size": len(data)}]
        await self._sim.client_says(self._token, client.telegram, client.name, photo=photo)


def _newcomer(rng: random.Random) -> Client:
    name = f"{rng.choice(WOMEN)} {rng.choice(FAMILIES)}а"
    return replace(Client(name), telegram=5_310_000_000 + int(time.time()) % 10**8)


class SmsStage:
    """An SMS gateway with a number that clients write to."""

    title = "SMS"
    weight = 2

    def __init__(self) -> None:
        self._sim = SmscSimulator(repeat_s=0)
        self._new = News()

    def settings(self) -> dict[str, object]:
        words = {name: secrets.token_urlsafe(12) for name in ("psw", "secret")}
        return {"login": "bakery", "base_url": NOWHERE, **words}

    async def start(self) -> dict[str, object]:
        return {"base_url": await self._sim.start()}

    async def attach(self, channel: Channel, hook_url: str) -> None:
        settings = channel.settings
        self._sim.hook, self._sim.login = hook_url, settings.login
        self._sim.psw, self._sim.secret = settings.psw.get_secret_value(), settings.secret.get_secret_value()

    async def stop(self) -> None:
        await self._sim.stop()

    def suits(self, client: Client) -> bool:
        return not client.company

    async def play(self, scene: Scene, client: Client) -> None:
        await converse(scene, self.line(client), scene.topic(client))
        self._sim.balance = 1000.0
        del self._sim.calls[:-KEPT]

    def line(self, client: Client) -> Line:
        sim, phone = self._sim, client.phone.removeprefix("+")
        return Line(
            ("phone", client.phone),
            lambda text: sim.client_writes(phone, text, id=str(time.time_ns() // 1_000_000)),
            lambda: sum(sms.phone == phone for sms in sim.sent),
            lambda: next((sms.text for sms in reversed(sim.sent) if sms.phone == phone), ""),
        )

    def news(self) -> list[tuple[str, str]]:
        return [(f"+{sms.phone}", sms.text) for sms in self._new.of(self._sim.sent)]


class FormStage:
    """The order form of the bakery's site: there is no provider, the visitor's browser calls us."""

    title = "Заявка с сайта"
    weight = 2

    def __init__(self) -> None:
        self._site = Site("https://pekarnya-matveya.example", "/tort")
        self._hook = ""

    def settings(self) -> dict[str, object]:
        return {}

    async def start(self) -> dict[str, object]:
        await self._site.__aenter__()
        return {}

    async def attach(self, channel: Channel, hook_url: str) -> None:  # noqa: ARG002 - a form knows its address alone
        self._hook = hook_url

    async def stop(self) -> None:
        await self._site.__aexit__()

    def suits(self, client: Client) -> bool:
        return not client.company

    async def play(self, scene: Scene, client: Client) -> None:
        """A submission; an operator rings back, which the note says."""
        topic = scene.topic(client)
        await scene.pace.turn()
        fields = [
            ("name", client.name),
            ("phone", client.phone),
            ("email", client.email),
            ("message", dialogue(scene.rng, topic)[0].ask),
            ("form_name", topic.subject),
            ("submission_id", secrets.token_hex(8)),
            *((key, str(value)) for key, value in client.source.items() if key.startswith("utm_")),
        ]
        await self._site.submit(self._hook, fields)
        address = ("phone", client.phone)
        if await scene.operators.wait_for(scene.channel.id, *address, TAKEN_S) is not None:
            await close(scene, address, topic, f"Перезвонили, {topic.disposition}")
        del self._site.sent[:-KEPT]

    def line(self, client: Client) -> None:
        """One does not write back to a form."""

    def news(self) -> list[tuple[str, str]]:
        return []


class MangoStage:
    """The bakery's PBX: it asks the hub whom to ring, plays the call in real time, and tells of every step."""

    title = "Телефон"
    weight = 2

    def __init__(self) -> None:
        self.phone = Phone()
        self._sim = MangoSimulator("", "", pace=1.0)

    def settings(self) -> dict[str, object]:
        return {"api_key": secrets.token_hex(16), "api_salt": secrets.token_hex(16), "base_url": NOWHERE}

    async def start(self) -> dict[str, object]:
        await asyncio.to_thread(conversation, 30)  # its syllables are made once, which takes a second
        return {"base_url": await self._sim.start()}

    async def attach(self, channel: Channel, hook_url: str) -> None:
        key, salt = (getattr(channel.settings, name).get_secret_value() for name in ("api_key", "api_salt"))
        base_url = self._sim.base_url
        await self._sim.stop()
        self._sim = MangoSimulator(key, salt, pace=1.0, recorder=conversation)
        await self._sim.start(port=int(base_url.rpartition(":")[2].partition("/")[0]))
        self._sim.hook = hook_url

    async def stop(self) -> None:
        await self._sim.stop()

    def suits(self, client: Client) -> bool:
        return bool(client.phone)

    async def play(self, scene: Scene, client: Client) -> None:
        """Mostly answered; a call that nobody takes is rung back, which the note says."""
        topic = scene.topic(client)
        phone, number = client.phone.removeprefix("+"), OUR_NUMBER.removeprefix("+")
        await scene.pace.turn()
        if scene.rng.random() < 0.75:
            script = self._sim.script(phone, number)
            leg = script.ivr()
            routed = await self._sim.greet(script, leg, GREETING_S)
            script.leave_ivr(leg)
            if routed.to:
                script.tell("/result/route", command_id=routed.command_id, result="1000")
            await self._talk(scene, script, routed.to or scene.rng.choice(FALLBACK), leg)
        else:
            await self._sim.missed(phone, ["102"], line=number)
            address = ("phone", client.phone)
            if await scene.operators.wait_for(scene.channel.id, *address, TAKEN_S, unread=False) is not None:
                await close(scene, address, topic, f"Перезвонили, {topic.disposition}")
        self._forget()

    async def ring(self, scene: Scene, client: Client, extension: str) -> None:
        """A call straight at one's phone."""
        script = self._sim.script(client.phone.removeprefix("+"), OUR_NUMBER.removeprefix("+"))
        await self._talk(scene, script, extension)
        self._forget()

    async def _talk(self, scene: Scene, script: Script, extension: str, taken_from: str = "") -> None:
        """It rings and is answered. A visitor's phone obeys its buttons; without them it answers by itself, and the client
        hangs up.
        """
        sim, begun = self._sim, time.monotonic() - script.now_s
        rings_s, talks_s = (RINGS_S, TALKS_S) if self.phone.is_visitors(extension) else (4.0, (12.0, 45.0))
        leg = script.rings(extension, taken_from)
        await sim.play(script)
        await self.phone.pressed(scene.channel.id, script.entry, "answer", rings_s)
        script.now_s = talked_at = time.monotonic() - begun
        script.talks(leg, extension)
        await sim.play(script)
        await self.phone.pressed(scene.channel.id, script.entry, "hang_up", scene.rng.uniform(*talks_s))
        script.now_s = time.monotonic() - begun
        script.ends(leg, extension, 1110)
        script.summary(extension=extension, talked_at=talked_at)
        sim.record(script, round(script.now_s - talked_at))
        await sim.play(script)

    def line(self, client: Client) -> None:
        """One does not write to a phone."""

    def news(self) -> list[tuple[str, str]]:
        return []

    def _forget(self) -> None:
        sim = self._sim
        del sim.told[:-KEPT], sim.statuses[:-KEPT], sim.commands[:-KEPT]
        for old in list(sim.recordings)[:-20]:
            del sim.recordings[old]


def _mail() -> Stage:
    from commands.demo.mail import MailStage  # noqa: PLC0415 - its SMTP server is a package for development

    return MailStage()


STAGES: Mapping[str, Callable[[], Stage]] = {
    "telegram": TelegramStage,
    "smsc": SmsStage,
    "form": FormStage,
    "mango": MangoStage,
    "email": _mail,
}


def stages() -> dict[str, Stage]:
    """A stage for each connector that there is, and whose simulator is installed."""
    names = set(registry.MODULES) - (set() if find_spec("aiosmtpd") else {"email"})
    return {name: make() for name, make in STAGES.items() if name in names}
