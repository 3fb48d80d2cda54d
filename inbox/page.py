"""The page: what `make setup` built in `web/dist`; where nothing is built, the small live view of `inbox/static`.

Nothing comes from anywhere else. Every path of the page's areas answers with the page itself, which shows what it names.
"""

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
DIST = Path(__file__).parent / "web" / "dist"
AREAS = ("sign-in", "password", "inbox", "contacts", "calls", "tasks", "journal", "settings")
"""First words of the page's paths; a test compares them with `web/src/areas`."""
BUILT_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".html": "text/html",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:;"
    " font-src 'self'; connect-src 'self'; frame-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
"""blob: is what the operator himself is about to attach, shown before it is sent. Frames are mails (inbox/api/mail.py)."""
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


def add_page(app: web.Application, dist: Path = DIST) -> None:
    """The built page, or the plain one; the log-ins of the demo."""
    if (dist / "index.html").is_file():
        _add_built(app, dist)
    else:
        _add_plain(app)
    app.router.add_get("/demo-logins", demo_logins)


class _Built(NamedTuple):
    """A file of the build: its body as it is and as it was compressed beside it, by content coding."""

    bodies: dict[str, bytes]
    type: str
    tag: str
    immutable: bool

    def answer(self, request: web.Request) -> web.Response:
        headers = HEADERS | {
            "Cache-Control": "public, max-age=31536000, immutable" if self.immutable else "no-cache",
            "ETag": f'"{self.tag}"',
            "Vary": "Accept-Encoding",
        }
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        accepted = {word.strip() for word in request.headers.get("Accept-Encoding", "").split(",")}
        coding = next((name for name in ("br", "gzip") if name in accepted and name in self.bodies), "")
        if coding:
            headers["Content-Encoding"] = coding
        charset = None if self.type.startswith(("image/", "font/")) else "utf-8"
        return web.Response(body=self.bodies[coding], content_type=self.type, charset=charset, headers=headers)


def _read_built(dist: Path) -> dict[str, _Built]:
    """By path. Names under assets/ change with their content."""
    found: dict[str, _Built] = {}
    for path in dist.rglob("*"):
        if path.suffix not in BUILT_TYPES or not path.is_file():
            continue
        bodies = {"": path.read_bytes()}
        for coding, ending in (("br", ".br"), ("gzip", ".gz")):
            packed = path.with_name(path.name + ending)
            if packed.is_file():
                bodies[coding] = packed.read_bytes()
        name = path.relative_to(dist).as_posix()
        tag = hashlib.sha256(bodies[""]).hexdigest()[:16]
        found[name] = _Built(bodies, BUILT_TYPES[path.suffix], tag, name.startswith("assets/"))
    return found


def _add_built(app: web.Application, dist: Path) -> None:
    files = _read_built(dist)

    async def page(request: web.Request) -> web.Response:
        return files["index.html"].answer(request)

    async def file(request: web.Request) -> web.Response:
        found = files.get(request.path.removeprefix("/"))
        if found is None:
            raise web.HTTPNotFound
        return found.answer(request)

    app.router.add_get("/", page)
    for area in AREAS:
        app.router.add_get(f"/{area}", page)
        app.router.add_get(f"/{area}/{{rest:.*}}", page)
    app.router.add_get("/assets/{name}", file)
    for name in sorted(files):
        if "/" not in name and name != "index.html":
            app.router.add_get(f"/{name}", file)


def _add_plain(app: web.Application) -> None:
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


async def demo_logins(request: web.Request) -> web.Response:
    """Log-ins that the page offers at one click: of a demo workspace, and only to a browser on this very machine. `soon`:
    nobody is there yet, so the workspace may just be being made.
    """
    store = request.app[DEPS].store
    logins: list[dict[str, str]] = []
    soon = False
    if store.settings.demo and not store.settings.public_url and _from_here(request):
        demo = await read_setting(store.pool, "demo")
        if demo is not None:
            logins = [{"role": role, "login": login, "password": demo["password"]} for role, login in ONE_CLICK]
        else:
            soon = bool(await store.pool.fetchval("SELECT NOT EXISTS (SELECT FROM agent)"))
    return web.json_response({"items": logins, "soon": soon}, headers=HEADERS | {"Cache-Control": "no-store"})


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
