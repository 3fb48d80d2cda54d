"""A mail as it looks, for a frame of the page: a document of its own in which nothing can act.

What is kept was made harmless as it came (connectors/email/html.py). Here it gets a policy of its own besides: no script,
no form, no style sheet or font from anywhere; pictures of other servers only where the reader asked for them.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import unquote
from uuid import UUID

import msgspec
from aiohttp import web

from config.errors import NotFound
from inbox.api.routes import Ctx, Routes
from storage.files import small_files_of
from storage.interactions import InteractionItem, get_interaction

routes = Routes("interactions")
MOST_PICTURE = 2 << 20
MOST_PICTURES = 8 << 20
SIGNS = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))
QUOTE = {"ru": "Показать цитату", "en": "Show the quote"}

# Attribute values are in double quotes and hold none: the sanitiser wrote them.
_REMOTE = re.compile(r'(<img(?:\s[\w-]+="[^"]*")*?\s)data-src="(?=https?:)')
_CID = re.compile(r'(<img(?:\s[\w-]+="[^"]*")*?\s)src="cid:([^"]{1,300})"')
_QUOTE_EDGE = re.compile(r"<(/?)blockquote\b[^>]*>")
_TAG = re.compile(r"<[^>]*>")
_COLOURED = re.compile(r"\b(?:bg)?color\s*[=:]|\bbackground", re.IGNORECASE)

POLICY = (
    "sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox; default-src 'none';"
    " style-src 'unsafe-inline'; img-src data:{remote}; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
STYLE = """
:root { color-scheme: light; }
html { background: #fff; color: #1e293b; }
html.dark { color-scheme: dark; background: transparent; color: #e2e8f0; }
html.dark a { color: #5eead4; }
body { margin: 0; padding: 2px; font: 14px/1.45 system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  overflow-wrap: anywhere; overflow-x: auto; overflow-y: hidden; }
img { max-width: 100%; height: auto; }
img:not([src]) { display: inline-block; min-width: 1.5em; min-height: 1.2em; border: 1px dashed #94a3b8; }
table { max-width: 100%; }
pre { white-space: pre-wrap; }
blockquote { margin: 0.5em 0 0.5em 0.25em; padding-inline-start: 0.75em; border-inline-start: 2px solid #94a3b8; }
summary { cursor: pointer; color: #0f766e; }
html.dark summary { color: #5eead4; }
"""


class MailQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`images`: show pictures of other servers, by which the sender learns that it was read. `theme`: of the page."""

    images: bool = False
    theme: Literal["light", "dark"] = "light"
    language: Literal["ru", "en"] = "ru"


@routes.add("GET", "/interactions/{interaction_id}/mail", "A mail as it looks, for a sandboxed frame", scope="read")
async def mail(ctx: Ctx, interaction_id: UUID, query: MailQuery) -> web.Response:
    item = await get_interaction(ctx.store.pool, ctx.viewer, interaction_id)
    if not item.html or item.deleted_at is not None:
        raise NotFound("it has no HTML")
    shown = embed(item.html, await _pictures(ctx, item))
    if query.images:
        shown = _REMOTE.sub(r'\1referrerpolicy="no-referrer" src="', shown)
    dark = query.theme == "dark" and not _COLOURED.search(item.html)
    body = (
        f'<!doctype html><html lang="{query.language}"{" class=dark" if dark else ""}><head><meta charset="utf-8">'
        f'<title>{html.escape(item.subject)}</title><base target="_blank"><style>{STYLE}</style></head>'
        f"<body>{fold_quote(shown, QUOTE[query.language])}</body></html>"
    )
    headers = {
        "Content-Security-Policy": POLICY.format(remote=" https: http:" if query.images else ""),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-store",
    }
    return web.Response(text=body, content_type="text/html", headers=headers)


async def _pictures(ctx: Ctx, item: InteractionItem) -> dict[str, str]:
    """Content-ID -> data: address of pictures that came inside the mail; those too big stay among the attachments."""
    inline = (item.meta or {}).get("inline")
    if not isinstance(inline, Mapping) or "cid:" not in item.html:
        return {}
    blobs = await small_files_of(ctx.store.pool, item.id, MOST_PICTURE)
    found: dict[str, str] = {}
    room = MOST_PICTURES
    for cid, place in inline.items():
        blob = blobs.get(_id_at(item.attachments or [], place))
        try:
            data = await ctx.store.blobs.read(blob) if blob else b""
        except NotFound:
            continue  # no longer kept
        type_ = next((name for sign, name in SIGNS if data.startswith(sign)), "")
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            type_ = "image/webp"
        if type_ and len(data) <= room:
            room -= len(data)
            found[str(cid)] = f"data:{type_};base64,{base64.b64encode(data).decode()}"
    return found


def _id_at(files: list[Any], place: object) -> UUID:
    """The id of the file that stands there; that of nothing where none does."""
    try:
        return UUID(str(files[place]["id"])) if isinstance(place, int) else UUID(int=0)
    except (IndexError, KeyError, TypeError, ValueError):
        return UUID(int=0)


def embed(text: str, pictures: Mapping[str, str]) -> str:
    """Pictures by Content-ID become part of the document; of those not known only the words stay."""

    def put(found: re.Match[str]) -> str:
        data = pictures.get(unquote(html.unescape(found[2]))) or pictures.get(html.unescape(found[2]))
        return f'{found[1]}src="{data}"' if data else found[1]

    return _CID.sub(put, text)


def fold_quote(text: str, label: str) -> str:
    """The quoted mail at the end behind a line that opens it; answers written between quotes stay as they are."""
    depth, start, end = 0, -1, -1
    for edge in _QUOTE_EDGE.finditer(text):
        depth += -1 if edge[1] else 1
        if depth == 1 and not edge[1]:
            start = edge.start()
        elif depth == 0:
            end = edge.end()
    own, rest = text[: max(start, 0)], text[max(end, 0) :]
    if depth or end < 0 or not _TAG.sub("", own).strip() or _TAG.sub("", rest).strip():
        return text
    quote = text[start:end]
    return f"{own}<details><summary>{html.escape(label)}</summary>{quote}</details>{rest}"
