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
from collections.abc import Callable
from typing import Any, Self

import aiohttp
from aiohttp import BodyPartReader, web

from simulator.telegram_methods import METHODS, Fields, Files, send
from simulator.telegram_state import Bot, Fault, Refusal, SentMessage

__all__ = ["Bot", "Fault", "Refusal", "SentMessage", "TelegramSimulator"]

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
DELIVERY_S = 30.0


class TelegramSimulator:
    """The server. `sent` and `answered` record what came; `blocked` chats answer 403; `faults` strike in order."""

    def __init__(self, *, backoff_factor: float = 1.0, first_update_id: int = 810_000_000) -> None:
        self.bots: dict[str, Bot] = {}
        self.sent: list[SentMessage] = []
        self.deleted: list[tuple[int, int]] = []
        self.edited: list[tuple[int, int, str]] = []
        self.answered: list[str] = []
        self.actions: list[tuple[int, str]] = []
        self.blocked: set[int] = set()
        self.faults: list[Fault] = []
        self.calls: list[str] = []
        self.deliveries = 0
        self.base_url = ""
        self._backoff = backoff_factor
        self._ids = itertools.count(first_update_id)
        self._files: dict[str, bytes] = {}
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._http: aiohttp.ClientSession | None = None

    # ------------------------------------------------------------ life

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listens; returns the base URL for a channel's settings."""
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=DELIVERY_S))
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/bot{token}/{method}", self._api)
        app.router.add_get("/file/bot{token}/{path:.+}", self._file)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.base_url = f"http://{host}:{self._runner.addresses[0][1]}"
        return self.base_url

    async def stop(self) -> None:
        """Ends polls, hanging calls and deliveries; what waits is forgotten."""
        self._stopping.set()
        workers = [task for bot in self.bots.values() for task in bot.workers.values()]
        for task in workers:
            task.cancel()
        for bot in self.bots.values():
            bot.wake()
        if workers:
            await asyncio.wait(workers)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._http is not None:
            await self._http.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    def add_bot(self, token: str, name: str = "Поддержка", username: str = "help_demo_bot") -> Bot:
        """A bot the server knows; other tokens get 401."""
        return self.bots.setdefault(token, Bot(token, name, username))

    async def wait(self, is_true: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Returns once `is_true()`, looked at after every change here. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            while not is_true():
                await self._changed.wait()

    def note(self) -> None:
        """Something changed: `wait` looks again."""
        self._changed.set()
        self._changed = asyncio.Event()

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
        bot.queues[chat_id].append(update)
        if chat_id not in bot.workers:
            # Owned: kept in `workers` until the queue is empty, cancelled and awaited by stop and deleteWebhook.
            bot.workers[chat_id] = asyncio.create_task(  # lint-skip: tasks - owned by `workers`
                self._deliver_chat(bot, chat_id)
            )

    async def _deliver_chat(self, bot: Bot, chat_id: int) -> None:
        queue = bot.queues[chat_id]
        delay = 1.0
        try:
            while queue and bot.webhook:
                async with bot.slots:
                    accepted = await self._deliver(bot, queue[0])
                if accepted:
                    bot.updates.pop(queue.popleft()["update_id"], None)
                    delay = 1.0
                else:
                    await asyncio.sleep(delay * self._backoff)
                    delay = min(delay * 2, 60.0)
                self.note()
        finally:
            if bot.workers.get(chat_id) is asyncio.current_task():
                del bot.workers[chat_id]

    async def _deliver(self, bot: Bot, update: dict[str, Any]) -> bool:
        self.deliveries += 1
        headers = {"Content-Type": "application/json"}
        if secret := bot.webhook.get("secret_token"):
            headers[SECRET_HEADER] = secret
        body = json.dumps(update, ensure_ascii=False).encode()
        if self._http is None:
            raise RuntimeError("start the simulator first")
        try:
            async with self._http.post(bot.webhook["url"], data=body, headers=headers) as response:
                await response.read()
                bot.last_error = "" if response.status < 300 else f"Wrong response from the webhook: {response.status}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            bot.last_error = f"Connection failed: {type(error).__name__}"
        return not bot.last_error

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
        if fault.kind.startswith("hang"):
            await self._stopping.wait()
        if request.transport is not None:
            request.transport.abort()
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
