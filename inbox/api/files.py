"""Attachments up and down. What comes from outside is never shown by our own origin: always a download, sandboxed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, unquote
from uuid import UUID

from aiohttp import BodyPartReader, web

from config.errors import BadRequest, Conflict, NotFound, TooBig
from inbox.api.routes import Ctx, Routes, to_json
from inbox.filetypes import HEAD, OCTETS, true_type
from storage.blobs import Kept
from storage.files import FileItem, add_file, find_file

routes = Routes("attachments")
STALL_S = 30
CHUNK = 64 << 10
_TYPE = re.compile(r"[a-zA-Z0-9!#$&^_.+-]{1,60}/[a-zA-Z0-9!#$&^_.+-]{1,80}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff]")


@routes.add(
    "POST", "/attachments", "Upload a file (multipart, or the bare bytes)", scope="write", status=201, gives=FileItem
)
async def upload(ctx: Ctx) -> web.Response:
    limit = ctx.deps.max_upload
    if (ctx.request.content_length or 0) > limit + CHUNK:
        raise TooBig(f"the file has more than {limit} bytes", reason="file_large", most_mb=limit >> 20)
    if ctx.request.content_type == "multipart/form-data":
        kept, name, type_ = await from_multipart(ctx, limit)
    else:
        kept = await ctx.store.blobs.keep_stream(_bare(ctx.request), limit=limit)
        name, type_ = unquote(ctx.request.headers.get("X-File-Name", "")), ctx.request.content_type
    head = await asyncio.to_thread(_head, ctx.store.blobs.path(kept.sha256))
    found = true_type(clean_type(type_), head)
    async with ctx.change() as change:
        item = await add_file(change.connection, kept, clean_name(name), found, ctx.actor.agent_id)
    return to_json(item, 201)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


async def from_multipart(ctx: Ctx, limit: int) -> tuple[Kept, str, str]:
    """The first part with a file name."""
    try:
        reader = await ctx.request.multipart()
        while True:
            async with asyncio.timeout(STALL_S):
                part = await reader.next()
            if part is None:
                raise BadRequest("no part of the form is a file")
            if isinstance(part, BodyPartReader) and part.filename is not None:
                kept = await ctx.store.blobs.keep_stream(_parts(part), limit=limit)
                return kept, part.filename, part.headers.get("Content-Type", OCTETS)
    except (ValueError, AssertionError, RuntimeError, TimeoutError):
        raise BadRequest("the multipart body can't be read") from None


async def _bare(request: web.Request) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(STALL_S):
                chunk = await request.content.readany()
        except TimeoutError:
            raise BadRequest("the file stopped coming", reason="file_stopped") from None
        if not chunk:
            return
        yield chunk


async def _parts(part: BodyPartReader) -> AsyncIterator[bytes]:
    while True:
        async with asyncio.timeout(STALL_S):
            chunk = await part.read_chunk(CHUNK)
        if not chunk:
            return
        yield part.decode(chunk)


def clean_name(name: str) -> str:
    """Without folders and control characters, at most 200 characters."""
    return _UNPRINTABLE.sub("_", name.replace("\\", "/").rpartition("/")[2]).strip()[-200:]


def clean_type(type_: str) -> str:
    bare = type_.partition(";")[0].strip().lower()
    return bare if _TYPE.fullmatch(bare) else OCTETS


@routes.add("GET", "/attachments/{attachment_id}", "Download a file; ranges are answered", scope="read")
async def download(ctx: Ctx, attachment_id: UUID) -> web.StreamResponse:
    file = await find_file(ctx.store.pool, ctx.viewer, attachment_id)
    if file.blob is None:
        raise Conflict(f"the file is not here: {file.error or file.state}", reason="file_not_here")
    path = ctx.store.blobs.path(file.blob)
    if not await asyncio.to_thread(path.is_file):
        raise NotFound("the file is no longer kept", reason="file_gone")
    name = clean_name(file.name) or str(attachment_id)
    return web.FileResponse(
        path,
        headers={
            "Content-Type": clean_type(file.type),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "private, max-age=31536000, immutable",
        },
    )
