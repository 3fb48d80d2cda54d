"""The providers behind the demo's channels: each simulator as a stage, and the list of them."""

from __future__ import annotations

import random
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec

from commands.demo.cast import FAMILIES, WOMEN, Client
from commands.demo.phrases import dialogue
from commands.demo.rows import OUR_NUMBER
from commands.demo.stages import TAKEN_S, Line, Scene, Stage, close, converse
from connectors import registry
from router.channels import Channel
from simulator.mango import MangoSimulator
from simulator.site import Site
from simulator.smsc import SmscSimulator
from simulator.telegram import TelegramSimulator

NOWHERE = "http://127.0.0.1:9"
KEPT = 500
"""What a simulator remembers of the past: a demo that runs for days must not grow."""


class TelegramStage:
    """A bot of the bakery on a Bot API server of our own."""

    title = "Telegram-бот"
    weight = 10

    def __init__(self) -> None:
        # Update and message ids go on rising over restarts: the hub knows those of earlier runs.
        self._sim = TelegramSimulator(first_update_id=int(time.time()))
        self._first_message = int(time.time()) - 1_700_000_000
        self._token = ""

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
        sim, chat = self._sim, client.telegram
        line = Line(
            ("telegram", str(chat)),
            lambda text: sim.client_says(self._token, chat, client.name, text),
            lambda: max((sent.message_id for sent in sim.sent if sent.chat_id == chat), default=0),
        )
        await converse(scene, line, scene.topic(client))
        del sim.sent[:-KEPT], sim.calls[:-KEPT], sim.actions[:-KEPT]


def _newcomer(rng: random.Random) -> Client:
    name = f"{rng.choice(WOMEN)} {rng.choice(FAMILIES)}а"
    return replace(Client(name), telegram=5_310_000_000 + int(time.time()) % 10**8)


class SmsStage:
    """An SMS gateway with a number that clients write to."""

    title = "SMS"
    weight = 2

    def __init__(self) -> None:
        self._sim = SmscSimulator(repeat_s=0)

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
        sim, phone = self._sim, client.phone.removeprefix("+")
        line = Line(
            ("phone", client.phone),
            lambda text: sim.client_writes(phone, text, id=str(time.time_ns() // 1_000_000)),
            lambda: sum(sms.phone == phone for sms in sim.sent),
        )
        await converse(scene, line, scene.topic(client))
        self._sim.balance = 1000.0
        del sim.calls[:-KEPT]


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


class MangoStage:
    """The bakery's PBX: it asks the hub whom to ring, plays the call in real time, and tells of every step."""

    title = "Телефон"
    weight = 2

    def __init__(self) -> None:
        self._sim = MangoSimulator("", "", pace=1.0)

    def settings(self) -> dict[str, object]:
        return {"api_key": secrets.token_hex(16), "api_salt": secrets.token_hex(16), "base_url": NOWHERE}

    async def start(self) -> dict[str, object]:
        return {"base_url": await self._sim.start()}

    async def attach(self, channel: Channel, hook_url: str) -> None:
        key, salt = (getattr(channel.settings, name).get_secret_value() for name in ("api_key", "api_salt"))
        base_url = self._sim.base_url
        await self._sim.stop()
        self._sim = MangoSimulator(key, salt, pace=1.0)
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
            talk_s = scene.rng.randint(12, 45)
            await self._sim.answered(phone, "101", line=number, greeting_s=2.0, talk_s=talk_s, record=False)
        else:
            await self._sim.missed(phone, ["102"], line=number)
            address = ("phone", client.phone)
            if await scene.operators.wait_for(scene.channel.id, *address, TAKEN_S, unread=False) is not None:
                await close(scene, address, topic, f"Перезвонили, {topic.disposition}")
        sim = self._sim
        del sim.told[:-KEPT], sim.statuses[:-KEPT], sim.commands[:-KEPT]


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
