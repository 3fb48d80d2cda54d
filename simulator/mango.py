"""Mango's side: a PBX that plays whole calls against a hook and obeys commands, for the demo, the tests and benchmarks.

    async with MangoSimulator(key, salt) as sim:            # a free port of 127.0.0.1; sim.base_url for the channel
        sim.hook = "http://127.0.0.1:8080/hooks/…"
        call = await sim.answered("79990000011")            # through the IVR; a routing command is honoured
        await sim.missed("79990000012", ["201", "202"])
        sim.commands                                        # what the hub commanded, with the code it was answered
    MangoSimulator(key, salt, recorder=conversation)        # recordings to listen to, of simulator/sound.py

It behaves as Mango where that matters to a hub: a signed form for each event, every event sent once and never again; one
routing command in `route_every_s`; a command for a call that is over gets 4101; recordings are not there at once. With
`shuffle` a call's events arrive in any order, `repeat` sends each so many times. `pace`: real seconds for a second of a
call (0: at once). Source: "Описание API Виртуальной АТС", VPBX API 1.9.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from simulator.hooks import FORM, Simulator
from simulator.mango_calls import Event, Script, Transfer

__all__ = ["Command", "MangoSimulator", "Played", "Script", "sign"]

LINE = "74950000001"
RECORDING = b"ID3\x04\x00" + bytes(range(256)) * 40


def sign(key: str, text: str, salt: str) -> str:
    """What Mango puts beside each event."""
    return hashlib.sha256((key + text + salt).encode()).hexdigest()


class Command(NamedTuple):
    """One command of the hub. `code`: what it was answered; `at`: the loop's clock."""

    path: str
    data: dict[str, Any]
    code: int
    at: float


class Played(NamedTuple):
    """A call that was played. `extension`: who talked or was rung last; `recording_id`: empty for none."""

    entry: str
    extension: str
    recording_id: str = ""


@dataclass
class _Waiting:
    """A call in the IVR that a command may still take out."""

    to: str = ""
    command_id: str = ""
    came: asyncio.Event = field(default_factory=asyncio.Event)


class MangoSimulator(Simulator):
    """The PBX. `extensions`: those it knows, none = all; `refuse`: codes that the next commands are answered with."""

    root = "/vpbx"

    def __init__(
        self,
        key: str,
        salt: str,
        *,
        pace: float = 0.0,
        shuffle: random.Random | None = None,
        repeat: int = 1,
        recorder: Callable[[int], bytes] = lambda _seconds: RECORDING,
    ) -> None:
        super().__init__()
        self.hook = ""
        self.commands: list[Command] = []
        self.extensions: set[str] = set()
        self.refuse: list[int] = []
        self.told: list[Event] = []
        self.statuses: list[int] = []
        self.recordings: dict[str, bytes] = {}
        self.not_ready = 0
        self.client_answers = True
        self.route_every_s = 2.0
        self.pace, self.shuffle, self.repeat = pace, shuffle, repeat
        self._recorder = recorder
        self._key, self._salt = key, salt
        self._ids = itertools.count(1)
        self._run = f"{time.time_ns():x}"
        self._routed_at = float("-inf")
        self._waiting: dict[str, _Waiting] = {}
        self._calls: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------ life

    def _application(self) -> web.Application:
        app = web.Application()
        app.router.add_post(f"{self.root}/{{path:.+}}", self._command)
        app.router.add_get("/files/{id}", self._file)
        return app

    def _running(self) -> set[asyncio.Task[None]]:
        """Calls that go on; nobody is told of their end."""
        return self._calls

    # ------------------------------------------------------------ calls

    async def answered(
        self,
        client: str,
        extension: str = "201",
        *,
        line: str = LINE,
        greeting_s: float = 0.0,
        talk_s: int = 60,
        transfer: tuple[str, Transfer] | None = None,
        record: bool = True,
    ) -> Played:
        """Through the IVR to whom a command names within the greeting, else to `extension`; he takes it."""
        script = self.script(client, line)
        leg = script.ivr()
        routed = await self.greet(script, leg, greeting_s)
        script.leave_ivr(leg)
        extension = routed.to or extension
        own = {"command_id": routed.command_id} if routed.to else {}
        ringing = script.rings(extension, leg, **own)
        if routed.to:
            script.tell("/result/route", command_id=routed.command_id, result="1000")
        script.now_s += 3
        talked_at = script.now_s
        script.talks(ringing, extension, **own)
        script.now_s += talk_s
        last = extension
        if transfer is not None:
            ringing, last = script.transfer(ringing, extension, *transfer)
            script.now_s += talk_s
        script.ends(ringing, last, 1110)
        script.summary(extension=extension, talked_at=talked_at)
        recording_id = self.record(script, talk_s) if record else ""
        await self.play(script)
        return Played(script.entry, last, recording_id)

    async def missed(
        self, client: str, extensions: Sequence[str] = ("201",), *, line: str = LINE, reason: int = 1111
    ) -> Played:
        """Each of them is rung in turn and does not take it."""
        script = self.script(client, line)
        for extension in extensions:
            leg = script.rings(extension)
            script.now_s += 15
            script.ends(leg, extension, reason if extension == extensions[-1] else 1183)
        script.summary(extension=extensions[0], reason=reason)
        await self.play(script)
        return Played(script.entry, extensions[-1])

    async def busy(self, client: str, extension: str = "201", *, line: str = LINE) -> Played:
        return await self.missed(client, [extension], line=line, reason=1121)

    async def out_of_hours(self, client: str, *, line: str = LINE) -> Played:
        """Nobody is on duty: the greeting says so and hangs up; no employee's leg appears at all."""
        script = self.script(client, line)
        leg = script.ivr()
        script.now_s += 12
        script.leave_ivr(leg, 1170)
        script.summary(reason=1170)
        await self.play(script)
        return Played(script.entry, "")

    async def dials(self, extension: str, client: str, *, line: str = LINE, talk_s: int = 30) -> Played:
        """An employee calls from his phone; `talk_s` 0: nobody takes it."""
        script = self.script(client, line)
        leg = script.new_leg()
        caller, called = script.employee(extension, line=False), {"number": client, "line_number": line}
        script.leg(leg, "Appeared", "abonent", caller, called)
        script.now_s += 8
        if talk_s:
            script.leg(leg, "Connected", "abonent", caller, called)
        talked_at = script.now_s if talk_s else None
        script.now_s += talk_s
        reason = 1120 if talk_s else 1111
        script.leg(leg, "Disconnected", "abonent", caller, called, disconnect_reason=reason)
        script.summary(extension=extension, talked_at=talked_at, reason=reason, direction=2)
        await self.play(script)
        return Played(script.entry, extension)

    def script(self, client: str, line: str = LINE) -> Script:
        """A call that begins now, for one's own plot: `play` it when its events are written."""
        return Script(f"{self._run}-{next(self._ids)}", int(time.time()), client, line)

    async def play(self, script: Script) -> None:
        """Tells what has not been told yet: in order, or shuffled; each event `repeat` times."""
        events, script.events = script.events, []
        if self.shuffle is not None:
            events = [event for event in events for _ in range(self.repeat)]
            self.shuffle.shuffle(events)
            for event in events:
                await self.tell(event)
            return
        before = events[0].after_s if events else 0.0
        for event in events:
            await asyncio.sleep((event.after_s - before) * self.pace)
            before = event.after_s
            for _ in range(self.repeat):
                await self.tell(event)

    async def tell(self, event: Event) -> int:
        """One event to the hook, once. Returns the status it was answered with; 0 for none at all."""
        text = json.dumps(event.data, ensure_ascii=False)
        form = {"vpbx_api_key": self._key, "sign": sign(self._key, text, self._salt), "json": text}
        status = await self.call_hook(self.hook.rstrip("/") + event.path, urlencode(form).encode(), FORM)
        self.told.append(event)
        self.statuses.append(status)
        self.note()
        return status

    async def greet(self, script: Script, leg: str, greeting_s: float) -> _Waiting:
        """The greeting is played; `to` of what comes back: whom a command named meanwhile."""
        waiting = self._waiting[leg] = _Waiting()
        shuffle, self.shuffle = self.shuffle, None
        await self.play(script)
        self.shuffle = shuffle
        if greeting_s:
            try:
                async with asyncio.timeout(greeting_s):
                    await waiting.came.wait()
            except TimeoutError:
                pass
        del self._waiting[leg]
        script.now_s += 2
        return waiting

    def record(self, script: Script, talk_s: int) -> str:
        """A recording of so many seconds, told of after a while."""
        recording_id = f"rec-{script.entry}"
        self.recordings[recording_id] = self._recorder(talk_s)
        script.now_s += 20
        at = script.start + int(script.now_s)
        own = {"entry_id": script.entry, "recording_id": recording_id, "timestamp": at}
        script.tell("/events/record/added", **own, product_id=900000001, user_id=-1)
        return recording_id

    # ------------------------------------------------------------ commands

    async def _command(self, request: web.Request) -> web.StreamResponse:
        path = "/" + request.match_info["path"]
        form = await request.post()
        text = str(form.get("json", ""))
        if form.get("vpbx_api_key") != self._key:
            return self._answer(path, {}, 3105, 401)
        if form.get("sign") != sign(self._key, text, self._salt):
            return self._answer(path, {}, 3102, 401)
        data = json.loads(text)
        if self.refuse:
            return self._answer(path, data, self.refuse.pop(0))
        if path == "/commands/route":
            return self._route(path, data)
        if path == "/commands/callback":
            return self._callback(path, data)
        if path == "/queries/recording/post":
            return self._recording(path, data)
        return self._answer(path, data, 1000 if path == "/config/users/request" else 4001)

    def _answer(self, path: str, data: dict[str, Any], code: int, status: int = 200) -> web.Response:
        self.commands.append(Command(path, data, code, time.monotonic()))
        self.note()
        return web.json_response({"result": code}, status=status)

    def _route(self, path: str, data: dict[str, Any]) -> web.Response:
        now = time.monotonic()
        if now - self._routed_at < self.route_every_s:
            self.commands.append(Command(path, data, 429, now))
            self.note()
            said = {"name": "Service Unavailable", "message": "Rate limit exceeded.", "code": 0, "status": 429}
            return web.json_response(said, status=429)
        self._routed_at = now
        waiting = self._waiting.get(data["call_id"])
        if waiting is None:
            return self._answer(path, data, 4101)
        if self.extensions and data["to_number"] not in self.extensions:
            return self._answer(path, data, 3300)
        waiting.to, waiting.command_id = data["to_number"], data["command_id"]
        waiting.came.set()
        return self._answer(path, data, 1000)

    def _callback(self, path: str, data: dict[str, Any]) -> web.Response:
        extension = str(data["from"].get("extension", ""))
        if self.extensions and extension not in self.extensions:
            return self._answer(path, data, 3300)
        self._begin(self._called_back(data["command_id"], extension, data["to_number"]))
        return self._answer(path, data, 1000)

    def _begin(self, call: Coroutine[Any, Any, None]) -> None:
        # Owned: kept in `_calls` until it is over, cancelled and awaited by `stop`.
        task = asyncio.create_task(call)  # lint-skip: tasks - owned by `_calls`
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _called_back(self, command_id: str, extension: str, client: str) -> None:
        script = self.script(client)
        script.tell("/result/callback", command_id=command_id, result="1000")
        script.callback(extension, command_id, answered=self.client_answers)
        talked_at = 9.0 if self.client_answers else None
        reason = 1110 if self.client_answers else 1111
        script.summary(extension=extension, talked_at=talked_at, reason=reason, direction=2)
        await self.play(script)

    def _recording(self, path: str, data: dict[str, Any]) -> web.Response:
        recording_id = str(data["recording_id"])
        if recording_id not in self.recordings or self.not_ready > 0:
            self.not_ready -= 1
            return self._answer(path, data, 3320, 404)
        self._answer(path, data, 1000)
        return web.Response(status=302, headers={"Location": f"/files/{recording_id}"})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        content = self.recordings.get(request.match_info["id"])
        if content is None or request.query:
            return web.Response(status=404)
        return web.Response(body=content, content_type="audio/wav" if content[:4] == b"RIFF" else "audio/mpeg")
