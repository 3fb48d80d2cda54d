"""Mails shown as they look: nothing in them acts, nothing is asked from elsewhere unless somebody wanted it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from connectors.email.html import sanitize
from inbox.api.mail import embed, fold_quote
from tests.inbox.conftest import Answer, Person, World

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000a49444154789c6360000000020001e221bc33"
)
REMOTE = '<p>Счёт</p><img src="https://spy.example/open.gif?who=1" alt="Логотип">'
NASTY = [
    "<script>parent.hit()</script>",
    '<img src=x onerror="parent.hit()">',
    '<a href="javascript:parent.hit()">x</a>',
    '<iframe srcdoc="<script>parent.parent.hit()</script>"></iframe>',
    '<form action="https://spy.example"><input name=p autofocus onfocus=hit()><button>Войти</button></form>',
    "<svg><script>hit()</script><animate onbegin=hit() attributeName=x></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=hit()></style></mglyph></table></mtext></math>",
    "<style>@import url(https://spy.example/a.css); body{background:url(https://spy.example/b.png)}</style>",
    '<div style="background-image:url(https://spy.example/c.png)">x</div>',
    '<base href="https://spy.example/"><meta http-equiv="refresh" content="0;url=https://spy.example/">',
    '<link rel="stylesheet" href="https://spy.example/d.css"><object data="https://spy.example/e"></object>',
    '<a href="data:text/html,<script>hit()</script>">x</a>',
    "</body></html><script>hit()</script>",
    "<details open ontoggle=hit()><summary>x</summary></details>",
    '<template><script>hit()</script></template><noscript><p title="</noscript><img src=x onerror=hit()>">',
]


async def _mail(world: World, html: str, body: dict[str, Any] | None = None) -> UUID:
    talk = await world.new_conversation(await world.new_contact(), assignee=world.anna)
    return await world.new_interaction(talk, body={"html": html, "subject": "Тема"} | (body or {}))


async def _shown(person: Person, interaction: UUID, query: str = "") -> Answer:
    url = f"{person.world.url}/interactions/{interaction}/mail{query}"
    async with person.world.http.get(url, headers={"Authorization": f"Bearer {person.token}"}) as response:
        return Answer(response.status, await response.text(), response.headers)


@pytest.mark.parametrize("html", NASTY)
async def test_nothing_in_a_mail_acts(world: World, html: str) -> None:
    """No handler, script, form or foreign address is left, and the document's own policy would stop each of them."""
    answer = await _shown(world.anna, await _mail(world, sanitize(f"<p>Привет</p>{html}")))
    assert answer.status == 200
    shown = answer.body.partition("<body>")[2].lower()
    for word in (
        "<script",
        "onerror=",
        "javascript:",
        "<iframe",
        "<form",
        "<input",
        "<svg",
        "<style",
        "spy.example",
        "<base",
        "<meta",
    ):
        assert word not in shown, word
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy
    assert "http" not in policy


async def test_foreign_pictures_only_when_asked(world: World) -> None:
    """A picture of another server is not asked for, nor may it be, until the reader wants it; then without telling whence."""
    found = await _mail(world, sanitize(REMOTE))
    plain = await _shown(world.anna, found)
    assert ' src="https://spy' not in plain.body
    asked = await _shown(world.anna, found, "?images=true")
    assert 'referrerpolicy="no-referrer" src="https://spy.example/open.gif?who=1"' in asked.body
    assert "img-src data: https: http:" in asked.headers["Content-Security-Policy"]


async def test_own_pictures_are_part_of_it(world: World) -> None:
    """A picture sent inside the mail is shown at its place; what only says that it is a picture is not."""
    store = world.store
    found = await _mail(world, sanitize('<img src="cid:a@b" alt="торт"><img src="cid:c" alt="не картинка">'))
    ids = []
    for data in (PNG, b"<html>"):
        blob = (await store.blobs.keep(data)).sha256
        ids.append(
            await store.pool.fetchval(
                "INSERT INTO attachment (interaction_id, name, type, size, blob, state)"
                " VALUES ($1, 'x', 'image/png', $2, $3, 'kept') RETURNING id",
                found,
                len(data),
                blob,
            )
        )
    files = [{"id": str(one)} for one in ids]
    meta = {"inline": {"a@b": 0, "c": 1, "d": 7, "e": "x"}}
    await store.pool.execute(
        "UPDATE interaction SET body = body || $2 WHERE id = $1", found, {"attachments": files, "meta": meta}
    )
    shown = (await _shown(world.anna, found)).body
    assert shown.count("data:image/png;base64,") == 1
    assert "cid:" not in shown


async def test_a_mail_is_its_readers(world: World) -> None:
    """Who does not see the conversation gets a 404, as does everybody for what has no HTML."""
    found = await _mail(world, "<p>тайна</p>")
    assert (await _shown(world.boris, found)).status == 404
    assert (await _shown(world.sue, found)).status == 200
    assert (await _shown(world.anna, await _mail(world, ""))).status == 404


async def test_dark_only_where_it_has_no_colours(world: World) -> None:
    """A mail with colours of its own stays on white paper, a plain one follows the page."""
    plain, coloured = await _mail(world, "<p>да</p>"), await _mail(world, '<p style="color:#000">да</p>')
    assert "class=dark" in (await _shown(world.anna, plain, "?theme=dark")).body
    assert "class=dark" not in (await _shown(world.anna, coloured, "?theme=dark")).body


def test_the_quote_at_the_end_is_folded() -> None:
    """Only the last quote with nothing behind it; answers between quotes, or a mail that is all quote, stay open."""
    assert fold_quote("<p>да</p><blockquote>a<blockquote>b</blockquote></blockquote>", "…").count("<details>") == 1
    for whole in (
        "<blockquote>a</blockquote>",
        "<p>x</p><blockquote>a</blockquote><p>ответ</p>",
        "<blockquote>a",
        "<p>x</p>",
    ):
        assert "<details>" not in fold_quote(whole, "…"), whole


def test_unknown_pictures_keep_their_words() -> None:
    """A Content-ID that nothing answers to leaves the picture's words."""
    assert embed('<img alt="торт" src="cid:x">', {}) == '<img alt="торт" >'
