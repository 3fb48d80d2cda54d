"""The form connector against a site's browsers: their bytes in, what they are told out; and its parser against anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st

from config.errors import BadPayload, BadSignature
from connectors.base import Answer, Payload
from connectors.formdata import MAX_PARTS, parts_of, raw_pairs
from connectors.items import Item
from connectors.site.form import connector
from connectors.site.form_answers import FormSettings, acknowledge, handshake
from simulator.site import Blocked, Site, UploadedFile, to_multipart
from tests.simulator.serving import serving

ORIGIN = "https://shop.example"
LEAD = [("submission_id", "s-1"), ("имя", "Анна"), ("телефон", "8 916 123-45-67"), ("сообщение", "Добрый\nдень")]


class Hook:
    """The hub's address in small: verify, handshake, keep, acknowledge, in the order of the real one."""

    def __init__(self) -> None:
        self.url = ""
        self.settings = FormSettings()
        self.kept: list[Payload] = []

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        payload = Payload(
            body=await request.read(),
            headers=headers,
            query=request.rel_url.raw_query_string,
            method=request.method,
            now=1_800_000_000.0,
        )
        try:
            connector.verify(payload, self.settings)
        except (BadSignature, BadPayload) as error:
            return web.Response(status=error.status)
        answer = handshake(payload, self.settings)
        if answer is None:
            self.kept.append(payload)
            answer = acknowledge(payload, self.settings)
        return web.Response(
            body=answer.body, status=answer.status, content_type=answer.content_type, headers=dict(answer.headers)
        )

    def items(self) -> list[Item]:
        return [item for payload in self.kept for item in connector.normalize(payload, self.settings)]


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    found = Hook()
    async with serving(found.handle) as found.url:
        yield found


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with Site(ORIGIN) as found:
        yield found


@pytest.mark.parametrize("style", ["urlencoded", "multipart", "fetch", "beacon"])
@pytest.mark.parametrize("charset", ["utf-8", "windows-1251"])
async def test_every_way_a_browser_posts(hook: Hook, style: Any, charset: str) -> None:
    """Whatever the page's form is made of and written in, the lead is the same."""
    async with Site(ORIGIN, charset=charset) as site:
        reply = await site.submit(hook.url, LEAD, style=style)
    assert (reply.status, reply.text, reply.readable) == (200, '{"ok":true}', True)
    (item,) = hook.items()
    assert item.text == "Имя: Анна\nТелефон: 8 916 123-45-67\nСообщение: Добрый\nдень"
    assert (item.external_id, item.identities[0].value) == ("s-1", "+79161234567")
    assert item.meta["source"]["page"] == "https://shop.example/delivery"


async def test_files_arrive_whole(hook: Hook, site: Site) -> None:
    """Bytes are exactly those of the file, also where they look like the format's own; an empty input is no file."""
    content = b"\r\n--\r\n------WebKitFormBoundary\r\n\x00\xff" * 5000
    files = [UploadedFile("docs", 'сме"та.pdf', content, "application/pdf"), UploadedFile("photo", "")]
    await site.submit(hook.url, LEAD, files, style="multipart")
    (attachment,) = hook.items()[0].attachments
    assert (attachment.name, attachment.type, attachment.size) == ("смета.pdf", "application/pdf", len(content))
    assert attachment.data == content


async def test_repeated_submission_is_recognised(hook: Hook, site: Site) -> None:
    """With an id of its own by that id; without one a second multipart joins the first one's conversation."""
    await site.submit(hook.url, LEAD)
    await site.repeat(hook.url)
    keys = [connector.peek(payload, hook.settings).dedup for payload in hook.kept]
    assert keys == ["form:s-1", "form:s-1"]
    hook.kept.clear()
    for phone in ("89161234567", "89161234567", "89161234568"):
        await site.submit(hook.url, [("phone", phone)], style="multipart")
    first, second, other = (item.thread_key for item in hook.items())
    assert first == second != other


async def test_other_sites_are_kept_out(hook: Hook, site: Site) -> None:
    """A script of a foreign page is stopped by its own browser, its form by us; ours passes and may read the answer."""
    hook.settings = FormSettings(origins="shop.example")
    assert (await site.submit(hook.url, LEAD, style="fetch")).readable
    async with Site("https://evil.example") as other:
        with pytest.raises(Blocked):
            await other.submit(hook.url, LEAD, style="fetch")
        for style in ("urlencoded", "multipart", "beacon"):
            reply = await other.submit(hook.url, LEAD, style=style)
            assert (reply.status, reply.readable) == (401, False)
    assert len(hook.kept) == 1


@pytest.mark.parametrize(
    ("origins", "redirect", "wanted", "location"),
    [
        ("shop.example", "", "https://shop.example/thanks?a=1#b", "https://shop.example/thanks?a=1#b"),
        ("shop.example", "https://shop.example/ok", "", "https://shop.example/ok"),
        ("shop.example", "", "https://evil.example/", ""),
        ("shop.example", "https://shop.example/ok", "https://evil.example/", "https://shop.example/ok"),
        ("shop.example", "", "//evil.example/", ""),
        ("shop.example", "", "https://shop.example@evil.example/", ""),
        ("shop.example", "", "https://shop.example.evil.example/", ""),
        ("shop.example", "", "https://shop.example\\@evil.example/", ""),
        ("shop.example", "", "javascript:alert(1)", ""),
        ("shop.example", "", "https://shop.example/\r\nSet-Cookie: a=b", ""),
        (
            "shop.example",
            "",
            "https://shop.example/спасибо",
            "https://shop.example/%D1%81%D0%BF%D0%B0%D1%81%D0%B8%D0%B1%D0%BE",
        ),
        ("", "", "https://shop.example/thanks", ""),
        ("", "https://магазин.рф/ok", "", "https://xn--80aairftm.xn--p1ai/ok"),
    ],
)
async def test_where_the_visitor_goes_next(
    hook: Hook, site: Site, *, origins: str, redirect: str, wanted: str, location: str
) -> None:
    """A form without script is sent on only to pages of the form's own sites; a script gets JSON whatever it asks."""
    hook.settings = FormSettings(origins=origins, redirect=redirect)
    fields = [*LEAD, *([("_next", wanted)] if wanted else [])]
    reply = await site.submit(hook.url, fields)
    assert (reply.status, reply.location) == ((303, location) if location else (200, ""))
    assert "Set-Cookie" not in reply.headers
    assert (await site.submit(hook.url, fields, style="fetch")).text == '{"ok":true}'


async def test_robots_are_thanked(hook: Hook, site: Site) -> None:
    """Who fills in the hidden field is answered like everybody, and nobody has to read it."""
    hook.settings = FormSettings(honeypot="website", min_fill_s=3)
    for more in ([("website", "x")], [("_t", "1.5")], [("_t", "1799999999000")], [("_t", "1799999999")]):
        assert (await site.submit(hook.url, [*LEAD, *more])).text == '{"ok":true}'
    await site.submit(hook.url, [*LEAD, ("website", ""), ("_t", "1799999990")])
    assert [item.kind for item in hook.items()] == ["ignored"] * 4 + ["form"]


async def test_a_form_posts(hook: Hook) -> None:
    """GET, PUT and DELETE are refused and keep nothing."""
    async with aiohttp.ClientSession() as http:
        for method in ("GET", "PUT", "DELETE"):
            async with http.request(method, hook.url, data={"name": "x"}) as response:
                assert response.status == 400
    assert not hook.kept


def test_tilda_gets_its_word() -> None:
    """Tilda believes an address only if it answers `ok`."""
    for body in (b"test=test", b"tranid=1%3A2&Phone=89161234567"):
        answer: Answer = acknowledge(Payload(body=body), FormSettings())
        assert (answer.status, answer.body) == (200, b"ok")


def test_answer_has_no_unreadable_body() -> None:
    """The answer is made for any body, as it may be asked for after the payload was kept."""
    broken = Payload(body=b"x", headers={"content-type": "multipart/form-data; boundary=b"})
    assert acknowledge(broken, FormSettings()).body == b'{"ok":true}'


# ---------------------------------------------------------------- the parser

TEXT = st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=40)
NAMES = st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\\%"), max_size=20)


@given(st.lists(st.tuples(NAMES, TEXT), max_size=8), st.lists(st.binary(max_size=200), max_size=4))
@example([("a", "")], [b""])
@example([], [b"\r\n--b", b"--b--\r\n"])
def test_multipart_round_trip(fields: list[tuple[str, str]], contents: list[bytes]) -> None:
    """What a browser packs comes out as it was, byte for byte."""
    files = [UploadedFile(f"f{n}", f"file {n}.bin", content) for n, content in enumerate(contents)]
    boundary = "----WebKitFormBoundary0123456789abcdef"
    body = to_multipart(fields, files, boundary)
    parts = parts_of(body, f"multipart/form-data; boundary={boundary}")
    found = [(part.name, part.filename, body[part.start : part.end]) for part in parts]
    packed = [(name, None, value.replace("\n", "\r\n").encode()) for name, value in fields]
    assert found == packed + [(file.name, file.filename, file.content) for file in files]


PIECES = [
    b"--b",
    b"--b--",
    b"\r\n",
    b"\r\n\r\n",
    b'Content-Disposition: form-data; name="a"',
    b'; filename="x"',
    b"\\",
    b'"',
]


@given(st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """No body raises anything but BadPayload, in either format; spans stay within the body."""
    headers: Mapping[str, str]
    for headers in ({"content-type": "multipart/form-data; boundary=b"}, {"content-type": "application/json"}, {}):
        payload = Payload(body=body, headers=headers)
        connector.peek(payload, FormSettings())
        acknowledge(payload, FormSettings())
        try:
            connector.normalize(payload, FormSettings())
        except BadPayload:
            continue
    try:
        parts = parts_of(body, "multipart/form-data; boundary=b")
    except BadPayload:
        return
    assert all(0 <= part.start <= part.end <= len(body) for part in parts)
    assert len(parts) <= MAX_PARTS


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "name",
                        "phone",
                        "fields",
                        "answers",
                        "form_response",
                        "definition",
                        "field",
                        "id",
                        "value",
                        "type",
                        "consent",
                    ]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_read_or_refused(value: Any) -> None:
    """No shape of JSON, of whatever builder, raises anything but BadPayload."""
    payload = Payload(body=msgspec.json.encode({"form_response": value, "fields": value, "x": value}))
    for body in (payload, Payload(body=msgspec.json.encode(value))):
        try:
            connector.normalize(body, FormSettings())
        except BadPayload:
            continue


def test_raw_pairs() -> None:
    """Bytes as they were encoded, in order, empty ones kept, nothing guessed."""
    assert raw_pairs(b"a=%D0%90+b&a=&b&&%FF=%zz") == [
        (b"a", b"\xd0\x90 b"),
        (b"a", b""),
        (b"b", b""),
        (b"\xff", b"%zz"),
    ]
