"""What clients write, name and send is only ever shown: nothing of it runs, wherever the page shows it."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Error as BrowserError
from playwright.async_api import Page, expect

from simulator.email import Imap, imap_server
from simulator.site import Site, UploadedFile
from tests.page.browser import Desk, Office, needed

pytestmark = needed
RUNS = "canary()"
"""Calling it is the proof: the test hears of it, from any frame."""
HOSTILE = (
    f"\"'></title></textarea></style></script><img src=x onerror={RUNS}><svg onload={RUNS}></svg>"
    f"<iframe srcdoc='<script>parent.{RUNS}</script>'></iframe><a href=javascript:{RUNS}>k</a>"
    f"{{{{constructor.constructor('{RUNS}')()}}}}<script>{RUNS}</script>"
)
LETTER = f"""<html><head><script>{RUNS}</script><meta http-equiv="refresh" content="0;url=javascript:{RUNS}">
<base href="https://evil.example/"><style>@import url(https://evil.example/a.css); body {{ background: url(https://evil.example/b) }}</style></head>
<body onload="{RUNS}"><p>Письмо с подвохом</p><img src="https://evil.example/pixel.gif" onerror="{RUNS}"><img src=x onerror={RUNS}>
<svg><animate onbegin={RUNS} attributeName=x dur=1s><script>{RUNS}</script></svg><math><mtext></form><form><mglyph><style></math><img src onerror={RUNS}>
<a href="javascript:{RUNS}">нажмите</a><a href="java&#10;script:{RUNS}" id=second>или сюда</a><form action="https://evil.example"><input autofocus onfocus={RUNS}><button>Войти</button></form>
<iframe src="javascript:{RUNS}"></iframe><object data="data:text/html,<script>{RUNS}</script>"></object><embed src="javascript:{RUNS}">
<details open ontoggle={RUNS}><summary>ещё</summary></details><video><source onerror={RUNS}></video><template><script>{RUNS}</script></template>
<div style="position:fixed;inset:0;z-index:99999">поверх всего</div></body></html>"""
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" onload="top.{RUNS}"><script>top.{RUNS}</script></svg>'.encode()
HTML = f"<html><body onload='{RUNS}'><script>window.{RUNS}</script></body></html>".encode()


async def watched(desk: Desk) -> list[str]:
    """Filled with the address of whatever frame runs what it must not; a dialog counts as well."""
    ran: list[str] = []
    await desk.context.expose_binding("canary", lambda source: ran.append(str(source["frame"].url)))
    desk.page.on("dialog", lambda dialog: ran.append(dialog.message))
    return ran


async def look_around(page: Page) -> None:
    """Hovers and tabs over what is there, as handlers may wait for that."""
    for place in await page.locator("[data-interaction]").all():
        await place.hover()
    for _ in range(12):
        await page.keyboard.press("Tab")


async def settle(page: Page) -> None:
    """Two drawings later, whatever was put into the page has begun to load or run."""
    await page.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))"
    )


async def test_messages_names_and_fields(office: Office) -> None:
    """Text of an SMS; name, tags, company and fields of a card; queue, channel, colleague, canned answer, field's label."""
    api = office.house.api
    client = office.client()
    field = await api.call("POST", "/custom-fields", {"key": f"f{client}", "label": HOSTILE[:90]})
    await api.call("PATCH", f"/queues/{office.queue_id}", {"name": HOSTILE[:190]})
    await api.call("PATCH", f"/channels/{office.channel_id}", {"name": HOSTILE[:190]})
    await api.call("POST", "/canned", {"shortcut": "xss", "text": HOSTILE, "title": HOSTILE[:190], "shared": True})
    login = await office.hire(HOSTILE[:190], "admin")
    async with office.desk(login) as anna:
        page = anna.page
        ran = await watched(anna)
        await page.reload()
        await office.sms.client_writes(client, HOSTILE)
        await expect(page.locator("[data-conversation]").filter(has_text=client)).to_contain_text("onerror")
        item = (await api.call("GET", f"/interactions?channel={office.channel_id}"))["items"][0]
        row = page.locator(f'[data-conversation="{item["conversation_id"]}"]')
        card = {
            "name": HOSTILE[:190],
            "tags": [HOSTILE[:90]],
            "custom": {field["key"]: HOSTILE},
        }
        await api.call("PATCH", f"/contacts/{item['contact_id']}", card)
        await row.click()
        await expect(page.get_by_role("log")).to_contain_text("<script>canary()</script>")
        await look_around(page)
        await page.keyboard.press("Escape")
        await page.keyboard.press("Control+k")
        await page.keyboard.type("onerror")
        await expect(page.get_by_role("option").first).to_contain_text("onerror")
        for path in (
            f"/contacts/{item['contact_id']}",
            "/contacts",
            "/settings/canned",
            "/settings/fields",
            "/settings/queues",
            "/settings/channels",
            "/settings/agents",
            "/settings/audit",
        ):
            await page.goto(anna.url + path)
            await expect(page.get_by_text("onerror").first).to_be_attached()
            await settle(page)
        assert ran == []
        await page.evaluate(RUNS)
        assert len(ran) == 1, "the canary can't be heard at all"
        anna.must_be_clean()


@pytest.mark.parametrize("style", ["multipart", "fetch"])
async def test_forms(office: Office, style: Any) -> None:
    """Names and values of a form's fields; files that a visitor attached are only ever downloaded."""
    api = office.house.api
    body = {
        "connector": "form",
        "name": "Сайт",
        "settings": {"origins": "https://shop.example"},
        "queue_id": office.queue_id,
    }
    channel = await api.call("POST", "/channels", body)
    files = [
        UploadedFile("doc", f"{HOSTILE[:60]}.html", HTML, "text/html"),
        UploadedFile("pic", "a.svg", SVG, "image/svg+xml"),
    ]
    fields = [("name", HOSTILE), ("phone", "+" + office.client()), (HOSTILE[:60], HOSTILE), ("message", HOSTILE)]
    async with office.desk(await office.hire("Анна Белова")) as anna, Site("https://shop.example") as site:
        page = anna.page
        ran = await watched(anna)
        await page.reload()
        async with asyncio.timeout(20):
            while (
                await site.submit(channel["hook_url"], fields, files if style == "multipart" else (), style=style)
            ).status >= 400:
                await asyncio.sleep(0.1)
        await page.locator("[data-conversation]").first.click()
        await expect(page.get_by_role("log")).to_contain_text("onerror")
        await look_around(page)
        await settle(page)
        if style == "multipart":
            await expect(page.locator("a[href*='/attachments/']")).to_have_count(2)
            for link in await page.locator("a[href*='/attachments/']").all():
                await must_only_download(anna, str(await link.get_attribute("href")))
        assert ran == []
        anna.must_be_clean()


async def must_only_download(desk: Desk, path: str) -> None:
    """A link to a file opened in a tab: the browser saves it, whatever it says it is."""
    answer = await desk.context.request.get(desk.url + path)
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    tab = await desk.context.new_page()
    async with tab.expect_download() as saved:
        with pytest.raises(BrowserError, match="Download is starting"):
            await tab.goto(desk.url + path)
    assert "<" not in (await saved.value).suggested_filename
    await tab.close()


async def test_letters(office: Office) -> None:
    """Subject, sender, HTML and attached files of a mail: nothing runs, nothing is fetched from outside, links can't act."""
    imap = Imap(user="shop@example.com")
    async with imap_server(imap):
        values = {
            "address": imap.user,
            "password": imap.password,
            "imap_host": "127.0.0.1",
            "imap_port": imap.port,
            "imap_security": "none",
            "poll_s": 1,
        }
        body = {"connector": "email", "name": "Почта", "settings": values, "queue_id": office.queue_id}
        await office.house.api.call("POST", "/channels", body)
        async with office.desk(await office.hire("Анна Белова")) as anna:
            page = anna.page
            ran = await watched(anna)
            await page.reload()
            await imap.until("IDLE", timeout_s=30)
            imap.deliver(letter())
            await page.locator("[data-conversation]").first.click(timeout=30_000)
            await expect(page.get_by_role("log")).to_contain_text("onerror")
            await look_around(page)
            for frame in page.frames[1:]:
                for link in await frame.locator("a").all():
                    await link.click(timeout=2000, no_wait_after=True)
            await settle(page)
            assert ran == []
            anna.must_be_clean()


def letter() -> bytes:
    mail = EmailMessage()
    mail["From"] = f'"{quote("x")} <img src=x onerror={RUNS}>" <evil@example.org>'
    mail["To"] = "shop@example.com"
    mail["Subject"] = HOSTILE
    mail["Message-ID"] = "<hostile-1@example.org>"
    mail.set_content("Письмо с подвохом, текстом. onerror")
    mail.add_alternative(LETTER, subtype="html")
    mail.add_attachment(SVG, maintype="image", subtype="svg+xml", filename=f"{HOSTILE[:50]}.svg")
    mail.add_attachment(HTML, maintype="text", subtype="html", filename="счёт.html")
    return bytes(mail)
