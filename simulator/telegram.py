"""Telegram's side: a Bot API server and the clients behind it, for the demo, the tests and the benchmarks.

    sim = TelegramSimulator()
    await sim.start()                                       # a free port of 127.0.0.1; sim.base_url for the channel
    bot = sim.add_bot("7300000055:AA…")
    await sim.client_says(token, 5200000017, "Мария", "Добрый день")
    sim.sent                                                # what reached clients, each message once as it was taken
    sim.faults.append(Fault("hang_after", method="sendMessage"))

It behaves as the real server where that matters to a hub: updates wait until confirmed (2xx, or a later offset); one chat's
updates are delivered one after another, a refused one holds its chat, other chats go on; back-off of 1 s doubling to 60 s
(times `backoff_factor`); the secret header; 409 when polling meets a webhook; message ids count per chat.
Source: core.telegram.org/bots/api, tdlib/telegram-bot-api WebhookActor.cpp.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from functools import partial
from typing import Any

from aiohttp import BodyPartReader, web

from simulator.hooks import BACKOFF_MAX_S, Lines, Simulator
from simulator.telegram_methods import METHODS, Fields, Files, send
from simulator.telegram_state import Bot, Fault, Refusal, SentMessage

__all__ = ["Bot", "Fault", "Refusal", "SentMessage", "TelegramSimulator"]

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"


class TelegramSimulator(Simulator):
    """The server. `sent` and `answered` record what came; `blocked` chats answer 403; `faults` strike in order."""

    def __init__(self, *, backoff_factor: float = 1.0, first_update_id: int = 810_000_000) -> None:
        super().__init__()
        self.bots: dict[str, Bot] = {}
        self.lines: dict[str, Lines[int, dict[str, Any]]] = {}
        self.sent: list[SentMessage] = []
        self.deleted: list[tuple[int, int]] = []
        self.edited: list[tuple[int, int, str]] = []
        self.answered: list[str] = []
        self.actions: list[tuple[int, str]] = []
        self.blocked: set[int] = set()
        self.faults: list[Fault] = []
        self.calls: list[str] = []
        self._backoff = backoff_factor
        self._ids = itertools.count(first_update_id)
        self._files: dict[str, bytes] = {}

    # ------------------------------------------------------------ life

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/bot{token}/{method}", self._api)
        app.router.add_get("/file/bot{token}/{path:.+}", self._file)
        return app

    def _running(self) -> list[asyncio.Task[None]]:
        return [task for lines in self.lines.values() for task in lines.tasks]

    async def stop(self) -> None:
        """Polls end too."""
        self._stopping.set()
        for bot in self.bots.values():
            bot.wake()
        await super().stop()

    def add_bot(self, token: str, name: str = "Поддержка", username: str = "help_demo_bot") -> Bot:
        """A bot the server knows; other tokens get 401."""
        bot = self.bots.setdefault(token, Bot(token, name, username))
        if token not in self.lines:
            self.lines[token] = Lines(
                partial(self._deliver, bot),
                self.note,
                backoff_s=self._backoff,
                most_s=BACKOFF_MAX_S * self._backoff,
                is_open=lambda: bool(bot.webhook),
            )
        return bot

    # ------------------------------------------------------------ what clients do

    async def client_says(self, token: str, chat_id: int, name: str, text: str = "", **more: Any) -> dict[str, Any]:
        """A private message to the bot; `more` adds or replaces fields of the `Message` (photo, contact, date …)."""
        first, _, last = name.partition(" ")
        person = {"id": chat_id, "first_name": first} | ({"last_name": last} if last else {})
        bot = self.bots[token]
        message = {
            "message_id": self._next_message(bot, chat_id),
            "from": {**person, "is_bot": False, "language_code": "ru"},
            "chat": {**person, "type": "private"},
            "date": int(time.time()),
        }
        return await self.push(token, {"message": message | ({"text": text} if text else {}) | more}, chat_id)

    async def client_presses(self, token: str, chat_id: int, name: str, message_id: int, data: str) -> dict[str, Any]:
        """A button under a message of ours."""
        person = {"id": chat_id, "first_name": name}
        chat = {**person, "type": "private"}
        pressed = {"message_id": message_id, "chat": chat, "date": 0}
        query = {"id": f"cb{next(self._ids)}", "from": {**person, "is_bot": False}, "message": pressed, "data": data}
        return await self.push(token, {"callback_query": query | {"chat_instance": "1"}}, chat_id)

    async def client_blocks(self, token: str, chat_id: int, name: str, *, blocks: bool = True) -> dict[str, Any]:
        """Stops or restarts the bot: an update, and 403 to what the bot sends from now on."""
        (self.blocked.add if blocks else self.blocked.discard)(chat_id)
        person = {"id": chat_id, "first_name": name}
        user = self.bots[token].user()
        states = ("member", "kicked") if blocks else ("kicked", "member")
        change = {
            "chat": {**person, "type": "private"},
            "from": {**person, "is_bot": False},
            "date": int(time.time()),
            "old_chat_member": {"user": user, "status": states[0]},
            "new_chat_member": {"user": user, "status": states[1]},
        }
        return await self.push(token, {"my_chat_member": change}, chat_id)

    async def push(self, token: str, update: dict[str, Any], chat_id: int) -> dict[str, Any]:
        """Any update, numbered; delivered by webhook or kept for getUpdates."""
        bot = self.bots[token]
        numbered = {"update_id": next(self._ids)} | update
        bot.updates[numbered["update_id"]] = numbered
        if bot.webhook:
            self.enqueue(bot, chat_id, numbered)
        bot.wake()
        self.note()
        return numbered

    def keep_file(self, file_id: str, content: bytes) -> str:
        """Bytes a later getFile hands out."""
        self._files[file_id] = content
        return file_id

    def forget_file(self, file_id: str) -> None:
        """Links already handed out lead nowhere from now on."""
        self._files.pop(file_id, None)

    def file(self, file_id: str) -> bytes | None:
        """What `keep_file` kept."""
        return self._files.get(file_id)

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def _next_message(self, bot: Bot, chat_id: int) -> int:
        bot.message_ids[chat_id] += 1
        return bot.message_ids[chat_id]

    # ------------------------------------------------------------ webhooks

    def enqueue(self, bot: Bot, chat_id: int, update: dict[str, Any]) -> None:
        """To the webhook, behind what waits for the same chat."""
        self.lines[bot.token].add(chat_id, update)

    async def _deliver(self, bot: Bot, update: dict[str, Any]) -> bool:
        headers = {"Content-Type": "application/json"}
        if secret := bot.webhook.get("secret_token"):
            headers[SECRET_HEADER] = secret
        body = json.dumps(update, ensure_ascii=False).encode()
        async with bot.slots:
            status = await self.call_hook(bot.webhook["url"], body, headers)
        if not 0 < status < 300:
            bot.last_error = f"Wrong response from the webhook: {status}" if status else "Connection failed"
            return False
        bot.last_error = ""
        bot.updates.pop(update["update_id"], None)
        return True

    # ------------------------------------------------------------ the Bot API

    async def _api(self, request: web.Request) -> web.StreamResponse:
        fields, files = await _read(request)
        method = request.match_info["method"]
        self.calls.append(method)
        try:
            bot = self._bot(request.match_info["token"])
            result = await self._call(bot, method, fields, files, request)
        except Refusal as no:
            body = {"ok": False, "error_code": no.code, "description": no.description}
            return web.json_response(body | ({"parameters": no.parameters} if no.parameters else {}), status=no.code)
        finally:
            self.note()
        return web.json_response({"ok": True, "result": result})

    def _bot(self, token: str) -> Bot:
        if token not in self.bots:
            raise Refusal(401, "Unauthorized")
        return self.bots[token]

    async def _call(
        self, bot: Bot, method: str, fields: dict[str, Any], files: dict[str, bytes], request: web.Request
    ) -> Any:
        chat_id = int(fields.get("chat_id") or 0)
        fault = next((one for one in self.faults if one.fits(method, chat_id)), None)
        if fault is not None:
            fault.times -= 1
            fault.used.set()
            if fault.kind == "error":
                raise Refusal(fault.code, fault.description, **fault.parameters)
        if fault is not None and fault.kind.endswith("_before"):
            await self._break(fault, request)
        handler = METHODS.get(method) or (send if method.startswith("send") else None)
        if handler is None:
            raise Refusal(404, "Not Found: method not found")
        result = await handler(self, bot, method, fields, files)
        if fault is not None:
            await self._break(fault, request)
        return result

    async def _break(self, fault: Fault, request: web.Request) -> None:
        self.note()
        await self.break_off(request, hang=fault.kind.startswith("hang"))
        raise Refusal(500, "Request aborted")

    async def _file(self, request: web.Request) -> web.StreamResponse:
        content = self._files.get(request.match_info["path"].removeprefix("files/"))
        if request.match_info["token"] not in self.bots or content is None:
            return web.json_response({"ok": False, "error_code": 404, "description": "Not Found"}, status=404)
        return web.Response(body=content, content_type="application/octet-stream")

    def record(self, bot: Bot, method: str, fields: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
        """A client gets this message. Raises Refusal as the real server would."""
        chat_id = int(fields.get("chat_id") or 0)
        if not chat_id:
            raise Refusal(400, "Bad Request: chat_id is empty")
        if chat_id in self.blocked:
            raise Refusal(403, "Forbidden: bot was blocked by the user")
        text = str(fields.get("text") or fields.get("caption") or "")
        if method == "sendMessage" and not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        if len(text) > (4096 if method == "sendMessage" else 1024):
            raise Refusal(400, "Bad Request: message is too long")
        message_id = self._next_message(bot, chat_id)
        sizes = {name: len(content) for name, content in files.items()}
        self.sent.append(SentMessage(bot.token, chat_id, message_id, method, text, fields, sizes, time.monotonic()))
        chat = {"id": chat_id, "type": "private" if chat_id > 0 else "supergroup"}
        return {"message_id": message_id, "from": bot.user(), "chat": chat, "date": int(time.time()), "text": text}


async def _read(request: web.Request) -> tuple[Fields, Files]:
    """Parameters of query and body, JSON inside them decoded; uploaded files by name."""
    fields: Fields = dict(request.query)
    files: Files = {}
    if request.content_type == "application/json":
        fields |= await request.json()
    elif request.content_type.startswith("multipart/"):
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                continue
            content = bytes(await part.read())
            if part.filename is not None:
                files[part.filename] = content
            else:
                fields[part.name or ""] = content.decode()
    else:
        fields |= {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    return {key: _decoded(value) for key, value in fields.items()}, files


def _decoded(value: Any) -> Any:
    is_json = isinstance(value, str) and value[:1] in {"{", "["}
    if not is_json:
        return value
    try:
        return json.loads(value)
    except ValueError:  # a text that only begins like JSON
        return value
