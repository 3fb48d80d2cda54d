"""Mail nobody should have written: whatever the bytes, `normalize` gives items, soon, and `peek` agrees with it."""

from __future__ import annotations

import base64
import json
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Payload
from connectors.email import headers as h
from connectors.email.connector import connector
from connectors.email.html import sanitize, to_text
from connectors.email.parts import Budget, parse
from connectors.email.tables import MAX_DEPTH, MAX_PARTS, EmailSettings
from connectors.items import Item, to_json

SETTINGS = EmailSettings(address="box@client.example", reply_key="k")
HEAD = b"From: a@example.org\r\nSubject: x\r\nMessage-ID: <m@x>\r\n"
SOON_S = 6.0


def read(body: bytes) -> list[Item]:
    payload = Payload(body=body)
    assert connector.peek(payload, SETTINGS) == connector.peek(payload, SETTINGS)
    items = connector.normalize(payload, SETTINGS)
    assert items
    for item in items:
        to_json(item)
        assert len(item.external_id) <= 500
        assert "\0" not in item.text + item.subject + item.html + item.quoted
    return items


def _seeds() -> list[bytes]:
    found: list[bytes] = []
    for path in sorted((Path(__file__).parent / "email").glob("*.json")):
        request = json.loads(path.read_text())["request"]
        found.append(base64.b64decode(request["body_base64"]) if "body_base64" in request else request["body"].encode())
    return [seed for seed in found if seed.strip()]


SEEDS = _seeds()


@pytest.mark.parametrize("seed", range(40))
def test_damaged_mails_are_read(seed: int) -> None:
    """Real mails with bytes changed, lost, doubled and mixed: always items."""
    random_ = random.Random(seed)
    for _ in range(25):
        data = bytearray(random_.choice(SEEDS))
        for _ in range(random_.randint(1, 12)):
            at = random_.randrange(len(data) + 1)
            match random_.randrange(4):
                case 0:
                    data[at : at + random_.randint(0, 30)] = b""
                case 1:
                    data[at:at] = random_.randbytes(random_.randint(1, 20))
                case 2:
                    data[at:at] = bytes(data[: random_.randint(0, 200)])
                case _:
                    other = random_.choice(SEEDS)
                    data[at:at] = other[random_.randrange(len(other)) :][:200]
        read(bytes(data) + b"x")


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=1, max_size=400))
def test_any_header_is_read(value: bytes) -> None:
    """Each header we look at, with any value, alone and folded."""
    names = ("From", "To", "Subject", "Date", "Message-ID", "References", "In-Reply-To", "Content-Type", "Reply-To")
    more = ("Content-Disposition", "Content-Transfer-Encoding", "Auto-Submitted", "Content-ID")
    read(b"".join(name.encode() + b": " + value.replace(b"\n", b"\n ") + b"\r\n" for name in names + more) + b"\r\nhi")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_folded_whole(text: str) -> None:
    """Folding loses no word: what was written and what is folded together are the mail."""
    item = read(HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + f"x {text}".encode())[0]
    shown = "".join((item.text + item.quoted).split())
    expected = "".join(f"x {text}".replace("\0", "").removeprefix("\ufeff").split())
    assert sorted(shown) == sorted(expected)


def _nested(depth: int) -> bytes:
    head = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return HEAD + head + b"Content-Type: text/plain\r\n\r\ndeep"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(_nested(5000), id="nested multiparts"),
        pytest.param(
            HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 200_000, id="parts"
        ),
        pytest.param(
            HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--bx\n" * 2_000_000, id="near boundaries"
        ),
        pytest.param(HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 300_000, id="nested html"),
        pytest.param(
            HEAD + b"Content-Type: text/html\r\n\r\n" + b"".join(b"<p><b id=%d>" % n for n in range(50_000)),
            id="formatting carried over paragraphs",
        ),
        pytest.param(HEAD + b"Content-Type: text/html\r\n\r\n" + b"<p>word</p>" * 150_000, id="long html"),
        pytest.param(HEAD + b"Content-Type: text/html\r\n\r\n" + b"<" * 2_000_000, id="angles"),
        pytest.param(HEAD + b"\r\n" + b"> " * 1_000_000, id="quote marks"),
        pytest.param(HEAD + b"\r\n" + b"On 01.01.2026 12:30 a@b.ru wrote\n" * 60_000, id="headings that are none"),
        pytest.param(HEAD + b"\r\n" + b"On 01.01.2026 12:30 " * 100_000 + b":", id="one long heading"),
        pytest.param(HEAD + b"\r\n" + (b"01.01.2026 12:30 a@b " * 20 + b":\n") * 5000, id="headings of dates"),
        pytest.param(b"Subject: " + b"=?x?q?" * 200_000 + b"\r\n\r\nx", id="encoded words without an end"),
        pytest.param(b"To: " + b'"\\' * 200_000 + b"\r\n\r\nx", id="quotes without an end"),
        pytest.param(b"To: " + b"<" * 200_000 + b"\r\n\r\nx", id="addresses without an end"),
        pytest.param(b"X: y\r\n" * 300_000 + b"\r\nx", id="headers"),
        pytest.param(b"A" * 10_000_000, id="a line"),
        pytest.param(b"References: " + b"<a@b> " * 200_000 + b"\r\n\r\nx", id="references"),
        pytest.param(HEAD + b"Content-Type: text/plain; " + b"a*0=b;" * 50_000 + b"\r\n\r\nx", id="parameters"),
        pytest.param(HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"====" * 2_000_000, id="padding"),
        pytest.param(
            HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=\r\n" * 2_000_000, id="soft breaks"
        ),
        pytest.param(HEAD + b"\r\n" + "ё".encode("koi8-r") * 5_000_000, id="letters of one kind"),
        pytest.param(
            HEAD + b"Content-Type: text/plain; charset=idna\r\n\r\n" + b"a\xff." * 100_000,
            id="a codec that is no charset",
        ),
        pytest.param(HEAD + b"Content-Type: text/plain; charset=utf-7\r\n\r\n" + b"+AGE-" * 500_000, id="utf-7"),
        pytest.param(
            HEAD
            + b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
            + b"Action: failed\r\nStatus: 5.1.1\r\n\r\n" * 50_000,
            id="fates",
        ),
        pytest.param(
            b"From: mailer-daemon@x.ru\r\nSubject: Undelivered\r\n\r\n" + b"a@b.ru " * 300_000,
            id="addresses in a bounce",
        ),
    ],
)
def test_bombs_are_read_soon(body: bytes) -> None:
    """Depth, number and length cost no more than their size: seconds at most, far from any limit of recursion."""
    started = time.process_time()
    read(body)
    assert time.process_time() - started < SOON_S


def test_limits_are_told() -> None:
    """What was not read because of a limit is said; the parts read are never more than the limit."""
    many = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * (MAX_PARTS + 50)
    assert read(many)[0].meta["incomplete"]
    assert read(_nested(MAX_DEPTH + 5))[0].meta["incomplete"]
    assert "incomplete" not in read(_nested(MAX_DEPTH - 1))[0].meta
    budget = Budget()
    parse(many, budget)
    assert budget.spent


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        '<a href="javascript:alert(1)">x</a>',
        '<a href="data:text/html,<script>alert(1)</script>">x</a>',
        "<svg><script>alert(1)</script></svg>",
        '<math><mi xlink:href="javascript:alert(1)">x</mi></math>',
        '<iframe src="https://evil.example"></iframe>',
        '<div style="background:url(https://evil.example/p)">x</div>',
        '<div style="position:fixed;top:0">x</div>',
        '<img src="data:image/svg+xml;base64,PHN2Zz4=">',
        '<form action="https://evil.example"><input name=a></form>',
        '<meta http-equiv="refresh" content="0;url=https://evil.example">',
        '<base href="https://evil.example/"><a href="x">x</a>',
        '<img alt="a > b" title=\'"><img src=https://evil.example/p>\' src="https://evil.example/p">',
        '<img srcset="https://evil.example/p 1x">',
        '<table background="https://evil.example/p"><tr><td>x</td></tr></table>',
        '<img src="//evil.example/p">',
        '<link rel="stylesheet" href="https://evil.example/c">',
        '<style>@import "https://evil.example/c"</style>',
    ],
)
def test_html_is_harmless(evil: str) -> None:
    """Nothing runs and nothing is loaded from anywhere when a mail is shown."""
    shown = sanitize(f"<p>before</p>{evil}<p>after</p>")
    assert "<p>before</p>" in shown
    assert "<p>after</p>" in shown
    lowered = shown.lower()
    for word in ("<script", "onerror", "javascript:", "<iframe", "<svg", "<form", "<input", "<meta", "<base", "<link"):
        assert word not in lowered
    for word in ("@import", "url(", "position", "srcset", "background=", "data:", ' src="http', ' src="//'):
        assert word not in lowered.replace('title="', "")


def test_pictures() -> None:
    """Remote ones are marked and not loaded, the mail's own stay, a small one inside the HTML too."""
    png = "data:image/png;base64,iVBORw0KGgo="
    shown = sanitize(f'<img src="https://x.example/p"><img src="cid:a@b"><img alt="c" src="{png}">')
    assert shown == f'<img data-src="https://x.example/p"><img src="cid:a@b"><img alt="c" src="{png}">'


def test_text_of_html() -> None:
    """Lines, lists, tables, links and preformatted text read as they look."""
    html = (
        "<h1>Заказ</h1><ul><li>торт<li>хлеб</ul><table><tr><td>Итого</td><td>100&nbsp;₽</td></tr></table>"
        "<pre>a\n  b</pre><p>См. <a href='https://x.example/a'>здесь</a>,<br><a href='https://x.example'>x.example</a></p>"
    )
    assert to_text(html).split("\n") == [
        "Заказ",
        "",
        "• торт",
        "• хлеб",
        "Итого 100 ₽",
        "a",
        "  b",
        "",
        "См. здесь <https://x.example/a>,",
        "x.example",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@b.ru, C <c@d.ru>", [("a@b.ru", ""), ("c@d.ru", "C")]),
        (b'"Petrov, Ivan" <i@p.ru>', [("i@p.ru", "Petrov, Ivan")]),
        (b"friends: a@b.ru, c@d.ru;, e@f.ru", [("a@b.ru", ""), ("c@d.ru", ""), ("e@f.ru", "")]),
        (b"undisclosed-recipients:;", []),
        (b"a@b.ru (Anna)", [("a@b.ru", "Anna")]),
        (b'"a@b.ru" <a@b.ru>', [("a@b.ru", "")]),
        (b"A <a@@b>, <>, <c@d.ru>", [("c@d.ru", "")]),
        (
            b"Ivan@\xd0\xbf\xd1\x80\xd0\xb8\xd0\xbc\xd0\xb5\xd1\x80.\xd1\x80\xd1\x84",
            [("ivan@xn--e1afmkfd.xn--p1ai", "")],
        ),
        (b"a@b.ru; c@d.ru", [("a@b.ru", ""), ("c@d.ru", "")]),
    ],
)
def test_address_lists(value: bytes, expected: list[tuple[str, str]]) -> None:
    """As people and programs write them."""
    assert [(one.value, one.name) for one in h.addresses(value)] == expected


@pytest.mark.parametrize(
    ("given_", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.txt", "b.txt"),
        ("a\u202egnp.exe", "a gnp.exe"),
        ("  .hidden. ", "hidden"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("\r\n", ""),
    ],
)
def test_file_names(given_: str, name: str) -> None:
    """No path, no control characters, no length that a disk refuses."""
    assert h.file_name(given_) == name
