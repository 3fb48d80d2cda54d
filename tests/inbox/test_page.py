"""The page at `/`: it comes whole from here, and its headers let nothing else in."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from inbox.api.deps import DEPS, InboxDeps
from inbox.build import fingerprint
from inbox.live import Live
from inbox.page import AREAS, FOLDER, POLICY, add_page
from router.merging import join_cards, part_cards
from storage.store import Store
from storage.workspace import write_setting
from webhooks.incoming.status import StartingUp, Status

SCRIPT = b"console.log(1);" * 200
WEB = FOLDER.parent / "web"
TEXTS = sorted(path for path in FOLDER.iterdir() if path.suffix in {".html", ".css", ".js", ".svg"})


@pytest.fixture
async def http(store: Store, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser at the plain page of a hub with a demo workspace."""
    async with browsing(store, tmp_path / "nothing built") as session:
        yield session


@pytest.fixture
async def built(store: Store, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser at a built page."""
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<!doctype html><title>built</title>" + " " * 2000)
    (dist / "sw.js").write_text("// shell")
    (dist / "assets" / "main-abc.js").write_bytes(SCRIPT)
    (dist / "assets" / "main-abc.js.gz").write_bytes(gzip.compress(SCRIPT))
    (dist / "sources.sha256").write_text("0")
    async with browsing(store, dist) as session:
        yield session


@asynccontextmanager
async def browsing(store: Store, dist: Path) -> AsyncIterator[aiohttp.ClientSession]:

    async def replay(entries: object) -> int:
        return 0

    demo = store.settings.model_copy(update={"demo": True})
    changed = Store(demo, store.url, store.pool, store.bus, store.blobs, store.vault)
    app = web.Application()
    app[DEPS] = InboxDeps(changed, Live(changed), merge=join_cards, undo_merge=part_cards, replay=replay)
    add_page(app, dist)
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        yield session


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_nothing_leads_outside(path: Path) -> None:
    """No file of the page names another host; what looks like an address is a namespace of XML."""
    found = re.findall(r"(?:https?:|wss?:)?//[\w.-]+\.\w+[^\s\"']*", path.read_text(encoding="utf-8"))
    assert [address for address in found if address != "http://www.w3.org/2000/svg"] == []


def test_nothing_is_written_as_markup() -> None:
    """What clients write reaches the page as text only."""
    script = (FOLDER / "live.js").read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)


def test_both_languages_say_everything() -> None:
    """Each word of the page is there in Russian and in English, and each that is asked for exists."""
    words = (FOLDER / "words.js").read_text(encoding="utf-8")
    ru, en = (
        set(re.findall(r"(\w+): \"", words.partition(f"const {name} = {{")[2].partition("};")[0]))
        for name in ("RU", "EN")
    )
    assert ru == en
    asked = set(re.findall(r"data-t(?:-label|-placeholder)?=\"(\w+)\"", (FOLDER / "live.html").read_text("utf-8")))
    asked |= set(re.findall(r"\bt\(\"(\w+)\"\)", (FOLDER / "live.js").read_text("utf-8")))
    assert asked <= ru


async def test_headers_let_nothing_else_in(http: aiohttp.ClientSession) -> None:
    """The policy allows this origin alone and nothing inline; the page itself is asked for anew each time."""
    async with http.get("/") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/html"
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert "default-src 'none'" in POLICY
        assert "unsafe" not in POLICY
        assert "frame-ancestors 'none'" in POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-cache"
        html = await answer.text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|\bstyle=|\son\w+=", html)


async def test_files_are_kept_by_the_browser(http: aiohttp.ClientSession) -> None:
    """A file under the address the page names may be kept for ever; under an older one it is looked at again."""
    async with http.get("/") as answer:
        addresses = re.findall(r"/static/[\w.]+\?v=\w+", await answer.text())
    assert len(addresses) >= 3
    for address in addresses:
        async with http.get(address) as answer:
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
            tag = answer.headers["ETag"]
        async with http.get(address.partition("?")[0], headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
            assert answer.headers["Cache-Control"] == "no-cache"
    async with http.get("/static/..%2fpage.py") as answer:
        assert answer.status == 404


async def test_one_click_only_on_this_machine(http: aiohttp.ClientSession, store: Store) -> None:
    """The demo's log-ins are for a browser beside the hub: no other name, no proxy between; none without a demo."""
    async with http.get("/demo-logins") as answer:
        assert (await answer.json())["items"] == []
    async with store.pool.acquire() as connection:
        await write_setting(connection, "demo", {"password": "s3cret-word", "channels": {}})
    async with http.get("/demo-logins") as answer:
        assert {one["role"] for one in (await answer.json())["items"]} == {"agent", "supervisor", "admin"}
        assert answer.headers["Cache-Control"] == "no-store"
    for headers in ({"Host": "hub.example"}, {"X-Forwarded-For": "192.0.2.1"}, {"Forwarded": "for=192.0.2.1"}):
        async with http.get("/demo-logins", headers=headers) as answer:
            assert "s3cret-word" not in await answer.text()


async def test_every_path_of_the_page_is_the_page(built: aiohttp.ClientSession) -> None:
    """A link into the page works by itself, is looked at anew each time, and lets nothing else in."""
    for path in ("/", "/sign-in", "/inbox", "/inbox/0198a2f0-0000-7000-8000-000000000000", "/settings/channels/new"):
        async with built.get(path) as answer:
            assert answer.status == 200, path
            assert "<title>built</title>" in await answer.text()
            assert answer.headers["Cache-Control"] == "no-cache"
            assert answer.headers["Content-Security-Policy"] == POLICY
    async with built.get("/nowhere") as answer:
        assert answer.status == 404


async def test_built_files_are_kept_and_come_compressed(built: aiohttp.ClientSession) -> None:
    """A hashed file may be kept for ever and comes as it was compressed at the build; who can't read that gets it plain."""
    async with built.get("/assets/main-abc.js", headers={"Accept-Encoding": "gzip, br"}) as answer:
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert await answer.read() == SCRIPT
        tag = answer.headers["ETag"]
    async with built.get("/assets/main-abc.js", headers={"Accept-Encoding": "identity"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert await answer.read() == SCRIPT
    async with built.get("/assets/main-abc.js", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304
    async with built.get("/sw.js") as answer:
        assert answer.headers["Cache-Control"] == "no-cache"
    for path in ("/assets/gone.js", "/assets/..%2findex.html", "/sources.sha256"):
        async with built.get(path) as answer:
            assert answer.status == 404, path


def test_areas_of_the_page_are_paths_of_the_hub() -> None:
    """Each area of the page has its own first word, and the hub answers it with the page."""
    areas = {path.stem for path in (WEB / "src" / "areas").glob("*.ts")} - {"index", "types"}
    for area in areas:
        paths = re.findall(r"path: \"/([\w-]*)", (WEB / "src" / "areas" / f"{area}.ts").read_text(encoding="utf-8"))
        assert set(paths) <= set(AREAS), area
    assert areas


def test_page_names_no_other_host() -> None:
    """Nothing in the page's sources leads outside."""
    files = [WEB / "index.html", *(WEB / "public").iterdir(), *(p for p in (WEB / "src").rglob("*") if p.is_file())]
    for path in files:
        if path.name.endswith((".test.ts", "schema.d.ts")):
            continue
        found = re.findall(r"(?:https?|wss?)://[\w.-]+\.\w+", path.read_text(encoding="utf-8"))
        assert set(found) <= {"http://www.w3.org"}, path


def test_types_of_the_page_are_those_of_the_api() -> None:
    """What the page knows of the API was generated from the API as it is: else `make types`."""
    first = (WEB / "src" / "api" / "schema.d.ts").read_text(encoding="utf-8").partition("\n")[0]
    assert first == f"// {fingerprint()}"


class NoEngines:
    @property
    def state(self) -> object:
        return "starting"


async def test_who_is_quicker_than_the_hub_waits() -> None:
    """A browser is told in words that it starts, and asks again by itself; everybody else gets JSON. Both are 503."""
    starting = StartingUp(Status(NoEngines()))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", starting.handle)
    async with TestClient(TestServer(app)) as client:
        async with client.get("/", headers={"Accept": "text/html,*/*"}) as answer:
            assert (answer.status, answer.headers["Retry-After"], answer.content_type) == (503, "2", "text/html")
            said = await answer.text()
            assert "запускается" in said
            assert 'http-equiv="refresh"' in said
        async with client.get("/api/v1/session") as answer:
            assert (answer.status, await answer.json()) == (503, {"error": "starting"})
