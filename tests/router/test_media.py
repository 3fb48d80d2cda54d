"""Files of messages: kept from wherever they are, and explained where they can't be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from config.errors import BadChannel, Rejected, RetryLater
from connectors.base import Io, Media, Payload
from connectors.items import Attachment
from router import media as router_media
from router.directory import DirectoryCache
from router.entries import to_entry
from router.media import PAUSES_S, MediaFetcher
from router.worker import Worker
from simulator.telegram import TelegramSimulator
from storage.bus import Topic
from storage.journal import insert
from storage.store import Store
from tests.router.listening import FILES, chunks
from tests.router.running import Site, running, site, until

TOKEN = "7300000055:AAsecret"
LIMIT = 1000


@pytest.fixture
async def here(store: Store) -> AsyncIterator[Site]:
    async with site(store) as found:
        yield found


@pytest.fixture
async def web_files() -> AsyncIterator[TestServer]:
    """`/hello.txt`, and what leads nowhere."""

    async def hello(_request: web.Request) -> web.Response:
        return web.Response(body=b"hello", content_type="text/x-greeting")

    app = web.Application()
    app.router.add_get("/hello.txt", hello)
    server = TestServer(app, host="127.0.0.1")
    async with server:
        yield server


@asynccontextmanager
async def working(here: Site, *, private: bool = True) -> AsyncIterator[MediaFetcher]:
    """Lanes and files at work; `private`: links into our own network are followed, as the tests' servers are there."""
    settings = here.store.settings.model_copy(update={"allow_private_urls": private})
    store = Store(**{**vars(here.store), "settings": settings})
    fetcher = MediaFetcher(store, here.channels, here.http, limit=LIMIT)
    worker = Worker(store, here.channels, DirectoryCache(zone=settings.zone))
    async with running(worker, fetcher):
        yield fetcher


async def receive(here: Site, channel_id: UUID, **message: Any) -> None:
    """A payload of the scripted connector, as a hook would keep it."""
    channel = here.channels.get(channel_id)
    assert channel is not None
    payload = Payload(body=msgspec.json.encode(message))
    entry = to_entry(channel, payload, channel.connector.peek(payload, channel.settings))
    async with here.store.pool.acquire() as c:
        await insert(c, [entry])
    here.store.bus.notify(Topic.TODO)


async def ask_by_id(here: Site, *file_ids: str) -> None:
    """Gives attachments a provider's id to be fetched by, in the place of their link."""
    await here.store.pool.execute(
        "UPDATE attachment SET source = jsonb_build_object('id', $1::text), next_at = now()", *file_ids
    )
    here.store.bus.notify(Topic.MEDIA)


async def settled(here: Site, count: int = 1) -> list[asyncpg.Record]:
    """The attachments, once so many are no longer pending."""
    await here.becomes("SELECT count(*) FROM attachment WHERE state <> 'pending'", count)
    return await here.store.pool.fetch("SELECT * FROM attachment ORDER BY id")


async def shown(here: Site) -> list[dict[str, Any]]:
    """What the stream shows of the files."""
    files: list[dict[str, Any]] = await here.value("SELECT body -> 'attachments' FROM interaction")
    return files


async def test_a_photo_of_telegram_is_kept(here: Site) -> None:
    """From the provider to the blob store: bytes, size, the stream's entry and an event for those who see it."""
    async with TelegramSimulator() as sim:
        sim.add_bot(TOKEN)
        channel_id = await here.channel(
            "telegram", token=TOKEN, mode="polling", base_url=sim.base_url, poll_s=1, max_download_mb=1
        )
        queue = await here.value("INSERT INTO queue (name, is_default) VALUES ('Sales', true) RETURNING id")
        photo = [{"file_id": sim.keep_file("ph1", b"jpeg" * 100), "file_unique_id": "u", "width": 9, "height": 9}]
        async with working(here), running(here.fetchers()):
            await sim.client_says(TOKEN, 5200000001, "Мария", photo=photo)
            [row] = await settled(here)
        assert (row["state"], row["size"], row["error"]) == ("kept", 400, "")
        assert await here.store.blobs.read(row["blob"]) == b"jpeg" * 100
        assert await here.value("SELECT refs FROM blob WHERE sha256 = $1", row["blob"]) == 1
        [file] = await shown(here)
        assert (file["id"], file["state"], file["size"]) == (str(row["id"]), "kept", 400)
        [event] = await here.events("attachment.kept")
        assert event["attachment_id"] == str(row["id"])
        assert event["interaction_id"] == str(row["interaction_id"])
        assert event["channel_id"] == str(channel_id)
        assert event["audience"] == [f"queue:{queue}"]
        assert await here.value("SELECT count(*) FROM conversation WHERE id = $1", UUID(event["conversation_id"])) == 1


async def test_a_link_is_followed(here: Site, web_files: TestServer) -> None:
    """A file that a payload points at is fetched; its name comes from the link, its type from the server."""
    channel_id = await here.channel("listening")
    async with working(here):
        await receive(here, channel_id, id="1", links=[str(web_files.make_url("/hello.txt"))])
        [row] = await settled(here)
    assert (row["state"], row["name"], row["type"], row["size"]) == ("kept", "hello.txt", "text/x-greeting", 5)


async def test_a_link_into_our_own_network_is_not_followed(here: Site, web_files: TestServer) -> None:
    """What a stranger wrote can't make us read what only we can reach; the file says so, without the address."""
    channel_id = await here.channel("listening")
    async with working(here, private=False):
        await receive(here, channel_id, id="1", links=[str(web_files.make_url("/hello.txt"))])
        [row] = await settled(here)
    assert (row["state"], row["blob"]) == ("failed", None)
    assert "private network" in row["error"]
    [file] = await shown(here)
    assert (file["state"], file["error"]) == ("failed", row["error"])
    [event] = await here.events("attachment.failed")
    assert event["state"] == "failed"


async def test_files_inside_the_payload_are_taken_from_the_journal(here: Site) -> None:
    """Each of several files gets its own bytes, also those of one name and of one content."""
    channel_id = await here.channel("listening")
    files = [("a.txt", "one"), ("a.txt", "two"), ("b.txt", "three"), ("c.txt", "three")]
    async with working(here):
        await receive(here, channel_id, id="1", files=files)
        rows = await settled(here, 4)
    by_id = {str(row["id"]): row for row in rows}
    in_order = [by_id[file["id"]] for file in await shown(here)]
    assert [row["name"] for row in in_order] == [name for name, _ in files]
    assert [await here.store.blobs.read(row["blob"]) for row in in_order] == [text.encode() for _, text in files]
    assert await here.value("SELECT array_agg(refs ORDER BY refs) FROM blob") == [1, 1, 2]


async def test_a_payload_no_longer_kept_is_said(here: Site) -> None:
    """A file whose payload is gone ends with a reason."""
    channel_id = await here.channel("listening")
    async with running(Worker(here.store, here.channels, DirectoryCache(zone=here.store.settings.zone))):
        await receive(here, channel_id, id="1", files=[("a.txt", "one")])
        await here.becomes("SELECT count(*) FROM attachment", 1)
    await here.store.pool.execute("DELETE FROM journal")
    async with working(here):
        [row] = await settled(here)
    assert (row["state"], row["error"]) == ("failed", "The payload that brought this file is no longer kept.")


async def test_too_large_files_are_shown_but_not_kept(here: Site) -> None:
    """A file over the limit, said to be so or found to be, keeps its name and size; nothing of it stays on disk."""
    channel_id = await here.channel("listening")

    async def big(_attachment: Attachment, _io: Io) -> Media:
        return Media(chunks(*[b"x" * 400] * 5), name="film.mp4", type="video/mp4")

    FILES["big"] = big
    async with working(here):
        await receive(here, channel_id, id="1", files=[("big.txt", "x" * (LIMIT + 1))])
        [row] = await settled(here)
        assert (row["state"], row["name"]) == ("too_large", "big.txt")
        await here.store.pool.execute("UPDATE attachment SET state = 'pending', size = 5000000000, name = 'huge'")
        await ask_by_id(here, "nobody asks")
        [row] = await settled(here)
        assert (row["state"], row["name"], row["size"]) == ("too_large", "huge", 5_000_000_000)
        await here.store.pool.execute("UPDATE attachment SET state = 'pending', size = NULL")
        await ask_by_id(here, "big")
        [row] = await settled(here)
        assert (row["state"], row["name"], row["blob"]) == ("too_large", "film.mp4", None)
    assert not [path for path in (here.store.settings.data_dir / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RetryLater("The provider is away."), "The provider is away."),
        (BadChannel("The token is refused."), "The token is refused."),
        (KeyError("secret"), "The file can't be fetched (KeyError)."),
    ],
)
async def test_a_fetch_that_fails_is_tried_again_for_a_day(here: Site, error: Exception, words: str) -> None:
    """Pauses grow; a later success counts; after the last try the file is given up with the last reason."""
    channel_id = await here.channel("listening")
    asked: list[str] = []

    async def failing(_attachment: Attachment, _io: Io) -> Media:
        asked.append("")
        raise error

    FILES["failing"] = failing
    async with running(Worker(here.store, here.channels, DirectoryCache(zone=here.store.settings.zone))):
        await receive(here, channel_id, id="1", links=["http://192.0.2.1/x"])
        await here.becomes("SELECT count(*) FROM attachment", 1)
    await ask_by_id(here, "failing")
    async with working(here):
        for tried, pause in enumerate(PAUSES_S, 1):
            await here.becomes("SELECT error <> '' AND attempts = $1 AND next_at > now() FROM attachment", True, tried)
            await until(lambda tried=tried: _is(len(asked) == tried))  # type: ignore[misc]
            left = await here.value("SELECT extract(epoch FROM next_at - now())::float8 FROM attachment")
            assert pause * 0.7 < left < pause * 1.3
            assert await here.value("SELECT error FROM attachment") == words
            await here.store.pool.execute("UPDATE attachment SET next_at = now(), error = ''")
            here.store.bus.notify(Topic.MEDIA)
        [row] = await settled(here)
    assert (row["state"], row["error"], len(asked)) == ("failed", words, len(PAUSES_S) + 1)
    assert sum(PAUSES_S) < 86400 < sum(PAUSES_S) * 1.3


async def _is(condition: bool) -> bool:  # noqa: FBT001 - a condition of this process, for `until`
    return condition


async def test_a_refusal_is_final(here: Site) -> None:
    """What the provider no longer has is not asked for again."""
    channel_id = await here.channel("listening")

    async def gone(_attachment: Attachment, _io: Io) -> Media:
        raise Rejected("The file has expired.")

    FILES["gone"] = gone
    async with working(here):
        await receive(here, channel_id, id="1", files=[("a.txt", "one")])
        await settled(here)
        await here.store.pool.execute("UPDATE attachment SET state = 'pending'")
        await ask_by_id(here, "gone")
        [row] = await settled(here)
    assert (row["state"], row["error"]) == ("failed", "The file has expired.")


async def test_two_processes_fetch_a_file_once(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is in one hand at a time; a hand that holds it past its lease counts for nothing when it is done."""
    channel_id = await here.channel("listening")
    asked: list[asyncio.Event] = []

    async def slow(_attachment: Attachment, _io: Io) -> Media:
        go = asyncio.Event()
        asked.append(go)
        number = len(asked)
        await go.wait()
        return Media(chunks(f"{number}".encode()))

    FILES["slow"] = slow
    async with working(here):
        await receive(here, channel_id, id="1", files=[("a.txt", "one")])
        await settled(here)
    await here.store.pool.execute("UPDATE attachment SET state = 'pending', blob = NULL")
    await here.store.pool.execute("DELETE FROM blob")
    monkeypatch.setattr(router_media, "RENEW_S", 1000)
    async with working(here), working(here):
        await ask_by_id(here, "slow")
        await until(lambda: _is(len(asked) == 1))
        here.store.bus.notify(Topic.MEDIA)
        await here.store.pool.execute("UPDATE attachment SET next_at = now()")
        here.store.bus.notify(Topic.MEDIA)
        await until(lambda: _is(len(asked) == 2))
        asked[0].set()
        asked[1].set()
        [row] = await settled(here)
        assert await here.store.blobs.read(row["blob"]) == b"2"
    assert await here.value("SELECT array_agg(refs) FROM blob") == [1]
    assert len(await here.events("attachment.kept")) == 2


async def test_a_long_fetch_keeps_its_lease(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that takes longer than the lease stays in the hand that has it, as long as that hand is alive."""
    channel_id = await here.channel("listening")
    asked: list[float] = []
    go = asyncio.Event()

    async def long(_attachment: Attachment, _io: Io) -> Media:
        asked.append(asyncio.get_running_loop().time())
        await go.wait()
        return Media(chunks(b"x"))

    FILES["long"] = long
    for name, value in (("LEASE_S", 1.0), ("RENEW_S", 0.2), ("SWEEP_S", 0.1)):
        monkeypatch.setattr(router_media, name, value)
    await here.store.pool.execute(
        'INSERT INTO attachment (channel_id, source) VALUES ($1, \'{"id": "long"}\')', channel_id
    )
    two = [MediaFetcher(here.store, here.channels, here.http) for _ in range(2)]
    async with running(*two):
        await here.becomes("SELECT now() - created_at > interval '2500 ms' FROM attachment", True)
        go.set()
        [row] = await settled(here)
    assert (len(asked), row["attempts"], row["state"]) == (1, 1, "kept")


async def test_four_at_a_time_the_newest_first(here: Site) -> None:
    """An archive of files neither floods the provider nor stands before a live message's picture."""
    channel_id = await here.channel("listening")
    asked: list[str] = []
    go = asyncio.Event()

    async def waiting(attachment: Attachment, _io: Io) -> Media:
        asked.append(attachment.name)
        await go.wait()
        return Media(chunks(b"x"))

    FILES["waiting"] = waiting
    await here.store.pool.execute(
        "INSERT INTO attachment (channel_id, name, source, next_at)"
        ' SELECT $1, n::text, \'{"id": "waiting"}\', now() - make_interval(secs => 100 - n)'
        " FROM generate_series(1, 20) AS n",
        channel_id,
    )
    async with running(MediaFetcher(here.store, here.channels, here.http)):
        await until(lambda: _is(len(asked) >= 4))
        assert await here.value("SELECT count(*) FROM attachment WHERE attempts > 0") == 4
        assert sorted(asked) == ["17", "18", "19", "20"]
        go.set()
        await settled(here, 20)
    assert len(asked) == 20
