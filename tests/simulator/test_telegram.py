"""The connector against Telegram's stand-in: both sides of the protocol over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from config.errors import BadChannel, BadSignature, Blocked, InDoubt, RateLimited, Rejected, TooBig, Unavailable
from connectors.base import Fetched, Io, OutFile, OutMessage, Payload
from connectors.items import Address, Attachment
from connectors.messengers.telegram import connector
from connectors.messengers.telegram_tables import TelegramSettings
from simulator.telegram import Fault, TelegramSimulator
from tests.simulator.serving import serving

TOKEN = "7300000055:AAinventedinventedinventedinvented0"
SECRET = "demo_Hook-77"
MARIA = 5200000017


@pytest.fixture
async def sim() -> AsyncIterator[TelegramSimulator]:
    async with TelegramSimulator(backoff_factor=0.01) as server:
        server.add_bot(TOKEN)
        yield server


@pytest.fixture
async def io() -> AsyncIterator[Io]:
    async with aiohttp.ClientSession() as http:
        yield Io(http=http, timeout_s=5.0)


def settings_of(sim: TelegramSimulator, **more: Any) -> TelegramSettings:
    return TelegramSettings.model_validate({"token": TOKEN, "secret": SECRET, "base_url": sim.base_url} | more)


def message_of(text: str = "Здравствуйте", chat: int = MARIA, **more: Any) -> OutMessage:
    return OutMessage(id="1", to=Address("telegram", str(chat)), thread_key=str(chat), text=text, **more)


# ---------------------------------------------------------------- webhooks


class Hook:
    """The hub's address: keeps what came; `refusals` answers 503 so often for a chat's first update."""

    def __init__(self) -> None:
        self.url = ""
        self.tries: list[str] = []
        self.kept: list[Payload] = []
        self.refusals: dict[str, int] = {}

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        payload = Payload(body=await request.read(), headers=headers)
        text = connector.normalize(payload, TelegramSettings())[0].text
        self.tries.append(text)
        if self.refusals.get(text, 0) > 0:
            self.refusals[text] -= 1
            return web.Response(status=503)
        self.kept.append(payload)
        return web.Response()

    def texts(self, chat: int) -> list[str]:
        items = [connector.normalize(payload, TelegramSettings())[0] for payload in self.kept]
        return [item.text for item in items if item.thread_key == str(chat)]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    found = Hook()
    async with serving(found.handle) as found.url:
        yield found


async def test_attached_webhook_is_believed(sim: TelegramSimulator, io: Io, hook: Hook) -> None:
    """What waited before `attach` and what comes after arrives once each, with the secret that `verify` wants."""
    await sim.client_says(TOKEN, MARIA, "Мария Котова", "раньше")
    assert connector.attach is not None
    await connector.attach(settings_of(sim), io, hook.url)
    await sim.client_says(TOKEN, MARIA, "Мария Котова", "позже")
    await sim.wait(lambda: not sim.bots[TOKEN].updates)
    assert hook.texts(MARIA) == ["раньше", "позже"]
    for payload in hook.kept:
        connector.verify(payload, settings_of(sim))
        with pytest.raises(BadSignature):
            connector.verify(payload, settings_of(sim, secret="another"))
    assert "message_reaction" in sim.bots[TOKEN].webhook["allowed_updates"]


async def test_refused_update_holds_its_chat_only(sim: TelegramSimulator, io: Io, hook: Hook) -> None:
    """503 makes Telegram repeat; that chat waits in order, another goes on; the channel's card shows the error."""
    assert connector.attach is not None
    assert connector.check is not None
    hook.refusals = {"a1": 10_000}
    await connector.attach(settings_of(sim), io, hook.url)
    for text in ("a1", "a2"):
        await sim.client_says(TOKEN, MARIA, "Мария", text)
    await sim.client_says(TOKEN, 5200000018, "Борис", "b1")
    await sim.wait(lambda: bool(hook.texts(5200000018)) and hook.tries.count("a1") >= 2)
    assert "503" in await connector.check(settings_of(sim), io)
    hook.refusals = {}
    await sim.wait(lambda: not sim.bots[TOKEN].updates)
    assert hook.texts(MARIA) == ["a1", "a2"]


async def test_attach_needs_a_secret(sim: TelegramSimulator, io: Io) -> None:
    """Without a secret anybody could write into the inbox: the webhook is not set."""
    assert connector.attach is not None
    for secret in ("", "с пробелом"):
        with pytest.raises(BadChannel):
            await connector.attach(settings_of(sim, secret=secret), io, "https://hub.example/hooks/x")
    assert not sim.bots[TOKEN].webhook


# ---------------------------------------------------------------- polling


class Kept:
    """A sink in memory. `fails`: how many times the database is away."""

    def __init__(self, mark: Mapping[str, Any] | None = None, fails: int = 0) -> None:
        self.mark: Mapping[str, Any] = mark or {}
        self.fails = fails
        self.items: list[str] = []
        self.notes: list[str] = []
        self.changed = asyncio.Event()

    async def keep(self, fetched: Sequence[Fetched], mark: Mapping[str, Any]) -> None:
        if self.fails:
            self.fails -= 1
            raise Unavailable("The database is away.")
        self.mark = mark
        self.items += [connector.normalize(one.payload, TelegramSettings())[0].text for one in fetched]
        self._wake()

    def note(self, problem: str) -> None:
        self.notes.append(problem)
        self._wake()

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    async def until(self, ready: Any) -> None:
        async with asyncio.timeout(10):
            while not ready():
                await self.changed.wait()


@contextlib.asynccontextmanager
async def listening(settings: TelegramSettings, io: Io, sink: Kept) -> AsyncIterator[None]:
    async def run() -> None:
        assert connector.listen is not None
        await connector.listen(settings, io, sink)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(run())
        yield
        task.cancel()


async def test_listen_confirms_only_what_is_kept(sim: TelegramSimulator, io: Io) -> None:
    """A failed commit confirms nothing: the same updates come again, once each, in order."""
    settings = settings_of(sim, mode="polling", poll_s=5)
    assert connector.wants_listen(settings)
    sink = Kept(fails=1)
    for text in ("1", "2"):
        await sim.client_says(TOKEN, MARIA, "Мария", text)
    async with listening(settings, io, sink):
        await sink.until(lambda: len(sink.items) == 2)
        await sim.client_says(TOKEN, MARIA, "Мария", "3")
        await sink.until(lambda: len(sink.items) == 3)
        await sim.wait(lambda: not sim.bots[TOKEN].updates)
    assert sink.items == ["1", "2", "3"]


async def test_listen_goes_on_from_the_mark(sim: TelegramSimulator, io: Io) -> None:
    """A new process starts where the last commit was; what was kept is not fetched again."""
    settings = settings_of(sim, mode="polling", poll_s=5)
    first = await sim.client_says(TOKEN, MARIA, "Мария", "старое")
    await sim.client_says(TOKEN, MARIA, "Мария", "новое")
    sink = Kept({"offset": first["update_id"] + 1})
    async with listening(settings, io, sink):
        await sink.until(lambda: sink.items)
    assert sink.items == ["новое"]


async def test_listen_forgets_a_stale_mark(sim: TelegramSimulator, io: Io) -> None:
    """After a quiet week ids start anew, maybe lower: an old mark must not skip them."""
    settings = settings_of(sim, mode="polling", poll_s=5)
    await sim.client_says(TOKEN, MARIA, "Мария", "снова я")
    sink = Kept({"offset": 999_999_999_999, "at": 1_000_000_000})
    async with listening(settings, io, sink):
        await sink.until(lambda: sink.items)
    assert sink.items == ["снова я"]


async def test_listen_waits_out_a_webhook(sim: TelegramSimulator, io: Io) -> None:
    """A webhook in the way is told to the admin; once it is gone polling goes on and the note is taken back."""
    settings = settings_of(sim, mode="polling", poll_s=0)
    sim.bots[TOKEN].webhook = {"url": "http://127.0.0.1:9/"}
    sink = Kept()
    async with listening(settings, io, sink):
        await sink.until(lambda: sink.notes)
        assert connector.attach is not None
        await connector.attach(settings, io, "")
        await sink.until(lambda: sink.notes[-1] == "")
    assert "webhook" in sink.notes[0]


async def test_listen_stops_at_a_refused_token(sim: TelegramSimulator, io: Io) -> None:
    """Only an admin can mend a token: no endless retrying."""
    assert connector.listen is not None
    with pytest.raises(BadChannel) as caught:
        await connector.listen(settings_of(sim, token="7300000099:AAwrong", mode="polling"), io, Kept())
    assert "AAwrong" not in str(caught.value)


# ---------------------------------------------------------------- sending


async def test_sent_ids_are_those_of_the_client(sim: TelegramSimulator, io: Io) -> None:
    """Each id we keep names exactly the message the client has."""

    async def read() -> bytes:
        return b"jpeg"

    files = [OutFile(name=f"{n}.jpg", type="image/jpeg", size=4, read=read) for n in range(2)]
    assert connector.send is not None
    first = await connector.send(message_of("А" * 5000), settings_of(sim), io)
    second = await connector.send(message_of("Двор", files=files), settings_of(sim), io)
    ids = [*first.external_ids, *second.external_ids]
    assert ids == [f"{one.chat_id}:{one.message_id}" for one in sim.sent]
    assert [one.method for one in sim.sent] == ["sendMessage", "sendMessage", "sendMediaGroup", "sendMediaGroup"]
    assert [len(one.text) for one in sim.sent] == [4096, 904, 4, 0]
    assert [one.files for one in sim.sent[2:]] == [{"0.jpg": 4}, {"1.jpg": 4}]


@pytest.mark.parametrize(
    ("kind", "recorded"), [("hang_before", 0), ("drop_before", 0), ("hang_after", 1), ("drop_after", 1)]
)
async def test_lost_answer_is_in_doubt(sim: TelegramSimulator, io: Io, kind: Any, recorded: int) -> None:
    """Whether or not the client got it, we can't know: in doubt both times, and never sent twice by ourselves."""
    assert connector.send is not None
    io.timeout_s = 0.5
    sim.faults.append(Fault(kind))
    with pytest.raises(InDoubt):
        await connector.send(message_of(), settings_of(sim), io)
    assert len(sim.sent) == recorded


async def test_refusals(sim: TelegramSimulator, io: Io) -> None:
    """A client who blocked the bot, and a rate limit that becomes the whole bot's when a second chat meets it."""
    assert connector.send is not None
    settings = settings_of(sim)
    await sim.client_blocks(TOKEN, MARIA, "Мария")
    with pytest.raises(Blocked):
        await connector.send(message_of(), settings, io)
    limit: dict[str, Any] = {
        "code": 429,
        "description": "Too Many Requests: retry after 3",
        "parameters": {"retry_after": 3},
    }
    sim.faults.append(Fault("error", "", 0, 2, **limit))
    wholes = []
    for chat in (5200000018, 5200000019):
        with pytest.raises(RateLimited) as caught:
            await connector.send(message_of(chat=chat), settings, io)
        wholes.append((caught.value.after_s, caught.value.whole_channel))
    assert wholes == [(3, False), (3, True)]
    await sim.client_blocks(TOKEN, MARIA, "Мария", blocks=False)
    assert (await connector.send(message_of(), settings, io)).external_ids == (f"{MARIA}:1",)


async def test_button_edit_delete(sim: TelegramSimulator, io: Io) -> None:
    """A button is answered, a message of ours edited (twice the same is fine), then taken back."""
    assert connector.send is not None
    settings = settings_of(sim)
    sent = await connector.send(
        message_of("Цена 100", meta={"buttons": [{"text": "Беру", "payload": "y"}]}), settings, io
    )
    update = await sim.client_presses(TOKEN, MARIA, "Мария", sim.sent[0].message_id, "y")
    item = connector.normalize(Payload(body=msgspec.json.encode(update)), settings)[0]
    assert item.reply_to == sent.external_ids[0]
    await connector.send(message_of("", meta={"answer_token": item.meta["button"]["answer_token"]}), settings, io)
    target = {"target_id": sent.external_ids[0]}
    for _ in range(2):
        await connector.send(message_of("Цена 90", meta={"action": "edit"} | target), settings, io)
    await connector.send(message_of("", meta={"action": "typing"}), settings, io)
    await connector.send(message_of("", meta={"action": "delete"} | target), settings, io)
    assert sim.answered == [item.meta["button"]["answer_token"]]
    assert sim.edited == [(MARIA, 1, "Цена 90")]
    assert sim.actions == [(MARIA, "typing")]
    assert sim.deleted == [(MARIA, 1)]


# ---------------------------------------------------------------- files and set-up


async def test_fetch_media(sim: TelegramSimulator, io: Io) -> None:
    """A file comes whole; one Telegram does not know or does not hand out says so."""
    assert connector.fetch_media is not None
    settings = settings_of(sim)
    content = bytes(range(256)) * 2000
    sim.keep_file("doc 1", content)
    sim.keep_file("film", bytes(21 << 20))
    media = await connector.fetch_media(Attachment(id="doc 1"), settings, io)
    assert b"".join([chunk async for chunk in media.chunks]) == content
    with pytest.raises(TooBig):
        await connector.fetch_media(Attachment(id="film"), settings, io)
    with pytest.raises(Rejected):
        await connector.fetch_media(Attachment(id="gone"), settings, io)


async def test_file_that_vanished_meanwhile(sim: TelegramSimulator, io: Io) -> None:
    """The link lives an hour; after that the chunks end in an error, not in an empty file."""
    assert connector.fetch_media is not None
    sim.keep_file("doc", b"x")
    media = await connector.fetch_media(Attachment(id="doc"), settings_of(sim), io)
    sim.forget_file("doc")
    with pytest.raises(Rejected) as caught:
        await anext(media.chunks)
    assert TOKEN not in str(caught.value)


async def test_file_larger_than_told(sim: TelegramSimulator, io: Io) -> None:
    """The limit holds for what comes, whatever was announced."""
    assert connector.fetch_media is not None
    sim.keep_file("doc", b"x")
    media = await connector.fetch_media(Attachment(id="doc"), settings_of(sim, max_download_mb=1), io)
    sim.keep_file("doc", bytes(2 << 20))
    with pytest.raises(TooBig):
        [chunk async for chunk in media.chunks]


async def test_check(sim: TelegramSimulator, io: Io) -> None:
    """One line for people: who, by which way, how many wait; the hook's address is a secret."""
    assert connector.check is not None
    assert connector.attach is not None
    line = await connector.check(settings_of(sim), io)
    assert line.startswith("@help_demo_bot (id 7300000055), no webhook, 0 updates waiting")
    assert "does not fit mode=webhook" in line
    await connector.attach(settings_of(sim), io, "http://hub.example/hooks/very-secret")
    line = await connector.check(settings_of(sim), io)
    assert line == "@help_demo_bot (id 7300000055), webhook at hub.example, 0 updates waiting"
    with pytest.raises(BadChannel):
        await connector.check(settings_of(sim, token="7300000099:AAwrong"), Io(http=io.http))
