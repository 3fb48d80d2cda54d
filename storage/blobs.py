"""Bytes kept once under their SHA-256 in the data folder: attachments, and payloads too big for a row."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

from config.errors import NotFound, TooBig, Unavailable


class Kept(NamedTuple):
    """`size` in bytes."""

    sha256: str
    size: int


class Blobs:
    """A folder of content-addressed files, two levels deep. A file is complete once it has its name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, sha256: str) -> Path:
        """Where these bytes lie. Raises NotFound for what is no digest."""
        if len(sha256) != 64 or not sha256.isalnum():
            raise NotFound("no such blob")
        return self._folder / sha256[:2] / sha256[2:4] / sha256

    async def keep(self, data: bytes) -> Kept:
        """Writes and syncs; the same bytes again cost a look. Raises Unavailable when the disk refuses."""
        return await asyncio.to_thread(self._keep, data)

    def _keep(self, data: bytes) -> Kept:
        kept = Kept(hashlib.sha256(data).hexdigest(), len(data))
        target = self.path(kept.sha256)
        try:
            if not _touch(target):
                new = self._new(target)
                new.write_bytes(data)
                _finish(new, target)
        except OSError as error:
            raise Unavailable(f"a file can't be kept: {error.strerror}") from error
        return kept

    async def keep_stream(self, chunks: AsyncIterator[bytes], *, limit: int) -> Kept:
        """The same for a stream. Raises TooBig past `limit` bytes; nothing stays of it then."""
        digest, size = hashlib.sha256(), 0
        new = self._new(self._folder / "incoming" / "x")
        try:
            with await asyncio.to_thread(new.open, "wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > limit:
                        raise TooBig(f"the file has more than {limit} bytes", reason="file_large", most_mb=limit >> 20)
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
            kept = Kept(digest.hexdigest(), size)
            await asyncio.to_thread(_finish, new, self.path(kept.sha256))
        finally:
            await asyncio.to_thread(new.unlink, missing_ok=True)
        return kept

    async def read(self, sha256: str) -> bytes:
        """All of it. Raises NotFound."""
        try:
            return await asyncio.to_thread(self.path(sha256).read_bytes)
        except FileNotFoundError:
            raise NotFound("the file is no longer kept", reason="file_gone") from None

    async def sizes(self, digests: Sequence[str]) -> list[int]:
        """In bytes, 0 for what is not here."""
        return await asyncio.to_thread(lambda: [_size(self.path(sha256)) for sha256 in digests])

    async def free(self, sha256: str, *, unused_for_s: float) -> bool:
        """Removes a file nobody holds, unless it was kept again lately by somebody whose row is yet to come: False then.
        Gone already is True.
        """
        return await asyncio.to_thread(_free, self.path(sha256), unused_for_s)

    def _new(self, target: Path) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.parent / f".{secrets.token_hex(8)}.new"


def _touch(target: Path) -> bool:
    """Kept again: not to be freed before its new holder's row is there. False if it is not here."""
    try:
        os.utime(target)
    except FileNotFoundError:
        return False
    return True


def _size(target: Path) -> int:
    try:
        return target.stat().st_size
    except FileNotFoundError:
        return 0


def _free(target: Path, unused_for_s: float) -> bool:
    """Out of the way before the last look at its time: who keeps the same bytes meanwhile writes them anew."""
    going = target.with_name(f".{target.name}.going")
    try:
        if going.exists() and not target.exists():  # a sweep died right here
            going.replace(target)
        if time.time() - target.stat().st_mtime < unused_for_s:
            return False
        target.replace(going)
        if time.time() - going.stat().st_mtime < unused_for_s:
            going.replace(target)
            return False
        going.unlink()
    except FileNotFoundError:
        pass
    return True


def _finish(new: Path, target: Path) -> None:
    """Synced before it has its name, and its name synced too: what a row points at survives a power cut."""
    with new.open("rb+") as file:
        os.fsync(file.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    new.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
