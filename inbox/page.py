"""The page at `/`: one small live view, served from `inbox/static` with nothing from anywhere else."""

from __future__ import annotations

import hashlib
import ipaddress
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from inbox.api.deps import DEPS
from storage.workspace import read_setting

FOLDER = Path(__file__).parent / "static"
TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
ONE_CLICK = (("agent", "anna"), ("supervisor", "olga"), ("admin", "matvey"))


class _File(NamedTuple):
    body: bytes
    type: str
    tag: str


def _read(path: Path) -> _File:
    body = path.read_bytes()
    return _File(body, TYPES[path.suffix[1:]], hashlib.sha256(body).hexdigest()[:16])


def add_page(app: web.Application) -> None:
    """Files are read once; their addresses change with their content, so that browsers may keep them for ever."""
    files = {path.name: _read(path) for path in FOLDER.iterdir() if path.suffix[1:] in TYPES}
    html = (FOLDER / "live.html").read_text(encoding="utf-8")
    for name, file in files.items():
        html = html.replace(f"/static/{name}", f"/static/{name}?v={file.tag}")

    async def page(_request: web.Request) -> web.Response:
        headers = HEADERS | {"Cache-Control": "no-cache"}
        return web.Response(text=html, content_type="text/html", headers=headers)

    async def static(request: web.Request) -> web.Response:
        file = files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        current = request.query.get("v") == file.tag
        headers = HEADERS | {
            "Cache-Control": "public, max-age=31536000, immutable" if current else "no-cache",
            "ETag": f'"{file.tag}"',
        }
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        response = web.Response(body=file.body, content_type=file.type, charset="utf-8", headers=headers)
        response.enable_compression()
        return response

    app.router.add_get("/", page)
    app.router.add_get("/static/{name}", static)
    app.router.add_get("/demo-logins", demo_logins)


async def demo_logins(request: web.Request) -> web.Response:
    """Log-ins that the page offers at one click: of a demo workspace, and only to a browser on this very machine."""
    store = request.app[DEPS].store
    logins: list[dict[str, str]] = []
    if store.settings.demo and not store.settings.public_url and _from_here(request):
        demo = await read_setting(store.pool, "demo")
        if demo is not None:
            logins = [{"role": role, "login": login, "password": demo["password"]} for role, login in ONE_CLICK]
    return web.json_response({"items": logins}, headers=HEADERS | {"Cache-Control": "no-store"})


def _from_here(request: web.Request) -> bool:
    """A loopback peer that called us by a loopback name: no proxy stands between, no other site's name leads here."""
    forwarded = request.headers.keys() & {"X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"}
    host = request.host.rsplit(":", 1)[0].strip("[]")
    return not forwarded and _is_loopback(request.remote or "") and (host == "localhost" or _is_loopback(host))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
