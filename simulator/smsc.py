"""SMSC.ru's side: its HTTP API, delivery reports and clients who write, for the demo, the tests and the benchmarks.

    async with SmscSimulator(hook="http://127.0.0.1:8080/hooks/…", secret="hubsecret") as sim:   # sim.base_url for the channel
        await sim.client_writes("79161234567", "Добрый день")
        sim.sent                                     # what reached phones, each SMS once as it was taken
        sim.reports = (1, 0, 1)                      # statuses reported of each SMS from now on, in this order
        sim.faults.append(Fault("hang_after"))

As the real one where that matters to a hub: the message's id is the sender's own integer and need not be unique; the same
text to the same phone is refused for `repeat_s` with error 9; status.php answers by phone and id together; calls of the
handler are signed by a digest and repeated until 2xx, one phone's in order. Source: smsc.ru/api/http.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Literal
from urllib.parse import urlencode

from aiohttp import web

from simulator.hooks import FORM, Lines, Simulator

MAX_TEXT = 1000
MOSCOW = timezone(timedelta(hours=3))
FaultKind = Literal["error", "status", "hang_before", "hang_after", "drop_before", "drop_after"]
SIGNED = {"mo": ("phone", "mes", "to"), "dlr": ("id", "phone", "status"), "waitcall": ("phone", "ts")}


@dataclass
class Fault:
    """What goes wrong with the next `times` calls of `script` (to `phone`, empty: any).

    `error` answers `code` and `text`, `status` the HTTP status `code`; both take nothing. `…_before` reads the request and takes nothing,
    `…_after` takes and records the SMS; then `hang` never answers and `drop` cuts the connection.
    """

    kind: FaultKind
    script: str = "send"
    phone: str = ""
    times: int = 1
    code: int = 500
    text: str = "invented error"
    used: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class SentSms:
    """An SMS a phone got. `id`: the sender's; `fields` as given; `at` monotonic seconds."""

    id: int
    phone: str
    text: str
    sender: str
    fields: Mapping[str, str]
    at: float


class SmscSimulator(Simulator):
    """The gateway. `sent` and `calls` record what came; `statuses` is what status.php knows; `faults` strike in order."""

    def __init__(
        self,
        *,
        hook: str = "",
        secret: str = "hubsecret",
        digest: str = "md5",
        login: str = "demo",
        psw: str = "demo",
        repeat_s: float = 60.0,
        backoff_s: float = 1.0,
    ) -> None:
        super().__init__()
        self.hook, self.secret, self.digest = hook, secret, digest
        self.login, self.psw = login, psw
        self.number = "79160000000"
        self.repeat_s = repeat_s
        self.by_get = False
        self.reports: Sequence[int] = (0, 1)
        self.reason = 0
        self.copies = 1
        self.sent: list[SentSms] = []
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.statuses: dict[tuple[str, int], int] = {}
        self.faults: list[Fault] = []
        self.balance = 1000.0
        self._last: dict[tuple[str, str], float] = {}
        self._ids = itertools.count(900_001)
        self._lines: Lines[str, str] = Lines(self._deliver, self.note, backoff_s=backoff_s)

    # ------------------------------------------------------------ life

    def _application(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/sys/{script}.php", self._api)
        return app

    def _running(self) -> list[asyncio.Task[None]]:
        return self._lines.tasks

    @property
    def waiting(self) -> int:
        """Calls of the handler not yet taken by it."""
        return len(self._lines.waiting)

    # ------------------------------------------------------------ what calls the hub

    async def client_writes(self, phone: str, text: str, **more: str) -> dict[str, str]:
        """An SMS to our number; `more` adds or replaces fields, an empty value takes one away."""
        fields = {"phone": phone, "mes": text, "to": self.number, "id": str(next(self._ids)), "time": _local_time()}
        return self.push("mo", fields | more)

    async def client_rings(self, phone: str) -> dict[str, str]:
        """A wait call: it is not answered, it confirms the number."""
        return self.push("waitcall", {"waitcall": "1", "phone": phone, "ts": str(int(time.time()))})

    def report(self, sms: SentSms, status: int, *, reason: int = 0) -> dict[str, str]:
        """A delivery report now, beside those of `reports`."""
        if status >= 0:
            self.statuses[sms.phone, sms.id] = status
        fields = {"id": str(sms.id), "phone": sms.phone, "status": str(status), "time": _local_time()}
        fields |= {"ts": str(int(time.time())), "err": str(reason), "cnt": str(_parts(sms.text)), "cost": "2.50"}
        return self.push("dlr", fields | {"sender": sms.sender})

    def push(self, kind: str, fields: Mapping[str, str]) -> dict[str, str]:
        """Signs and queues a call of the handler, `copies` times, behind what waits for the same phone."""
        signed = {name: value for name, value in fields.items() if value}
        text = ":".join([*(signed.get(name, "") for name in SIGNED[kind]), self.secret])
        signed[self.digest] = hashlib.new(self.digest, text.encode(), usedforsecurity=False).hexdigest()
        phone = signed.get("phone", "")
        if self.hook:
            self._lines.add(phone, *[urlencode(signed)] * self.copies)
        self.note()
        return signed

    async def _deliver(self, form: str) -> bool:
        if self.by_get:
            return 0 < await self.call_hook(f"{self.hook}?{form}") < 300
        return 0 < await self.call_hook(self.hook, form.encode(), FORM) < 300

    # ------------------------------------------------------------ the API

    async def _api(self, request: web.Request) -> web.StreamResponse:
        posted = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
        fields = dict(request.query) | posted
        script = request.match_info["script"]
        self.calls.append((script, fields))
        phone = fields.get("phones") or fields.get("phone") or ""
        fault = next((f for f in self.faults if f.times > 0 and f.script == script and f.phone in {"", phone}), None)
        if fault is not None:
            fault.times -= 1
            fault.used.set()
            if fault.kind == "status":
                return web.Response(status=fault.code, text="<html>invented</html>")
            if fault.kind == "error":
                return _error(fault.code, fault.text, fields)
            if fault.kind.endswith("_before"):
                return await self._break(fault, request)
        answer = self._answer(script, fields)
        self.note()
        return await self._break(fault, request) if fault is not None else answer

    async def _break(self, fault: Fault, request: web.Request) -> web.Response:
        await self.break_off(request, hang=fault.kind.startswith("hang"))
        return web.Response(status=500)

    def _answer(self, script: str, fields: dict[str, str]) -> web.Response:
        if (fields.get("login"), fields.get("psw")) != (self.login, self.psw):
            return _error(2, "authorise error", fields)
        match script:
            case "send":
                return self._send(fields)
            case "status":
                known = self.statuses.get((fields.get("phone", ""), _integer(fields.get("id", ""))), -3)
                return web.json_response({"status": known, "last_date": _local_time(), "err": 0})
            case "balance":
                return web.json_response({"balance": f"{self.balance:.2f}"})
        return web.Response(status=404)

    def _send(self, fields: dict[str, str]) -> web.Response:
        phone, text = fields.get("phones", ""), fields.get("mes", "")
        number = _integer(fields.get("id", ""))
        if not text or len(text) > MAX_TEXT or fields.get("charset") != "utf-8" or not 0 < number < 1 << 31:
            return _error(1, "parameters error", fields)
        if not (phone.isdecimal() and 7 <= len(phone) <= 15):
            return _error(7, "invalid number", fields)
        now = time.monotonic()
        if now - self._last.get((phone, text), float("-inf")) < self.repeat_s:
            return _error(9, "duplicate request, wait a minute", fields)
        if self.balance < 2.5:
            return _error(3, "no money", fields)
        self._last[phone, text] = now
        self.balance -= 2.5
        sms = SentSms(number, phone, text, fields.get("sender") or "SMSC.RU", fields, now)
        self.sent.append(sms)
        self.statuses[phone, number] = -1
        for status in self.reports:
            self.report(sms, status, reason=self.reason if status >= 3 else 0)
        paid = {"cost": "2.50", "balance": f"{self.balance:.2f}"}
        return web.json_response({"id": number, "cnt": _parts(text)} | paid)


def _error(code: int, text: str, fields: Mapping[str, str]) -> web.Response:
    known = {"id": _integer(fields["id"])} if "id" in fields else {}
    return web.json_response({"error": text, "error_code": code} | known)


def _integer(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 12 else 0


def _parts(text: str) -> int:
    """A gateway's rough count; the hub has the exact rule."""
    single, joined = (160, 153) if text.isascii() else (70, 67)
    return 1 if len(text) <= single else -(-len(text) // joined)


def _local_time() -> str:
    return datetime.now(MOSCOW).strftime("%d.%m.%Y %H:%M:%S")


def settings_for(sim: SmscSimulator, **more: Any) -> dict[str, Any]:
    """Settings of a channel that talks to this simulator."""
    return {"login": sim.login, "psw": sim.psw, "secret": sim.secret, "base_url": sim.base_url} | more
