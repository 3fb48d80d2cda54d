"""Locks between processes: flock on a file, let go by the kernel however the process ends."""

from __future__ import annotations

import asyncio
import fcntl
import os
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from config.errors import EngineFailed

POLL_S = 0.05


class FileLock:
    """One lock of this process on one file. Taking it never waits; the holder's pid stands in the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        return self._fd is not None

    def take(self, *, shared: bool = False) -> bool:
        """True if this process holds it now. A lock already held is taken anew, from shared to exclusive too."""
        fd = self._fd if self._fd is not None else _open(self.path)
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if self._fd is None:
                os.close(fd)
            return False
        if not shared:
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd
        _held.add(self)
        return True

    def release(self) -> None:
        _held.discard(self)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def holder(self) -> str:
        """The pid last written, for people."""
        try:
            return self.path.read_text().strip() or "unknown"
        except OSError:
            return "unknown"

    def is_free(self) -> bool:
        """Nobody holds it. Takes it for an instant, so both this and the takers go under one other lock."""
        if self.held:
            return False
        free = self.take(shared=True)
        self.release()
        return free


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EngineFailed(
            f"{path} can't be opened: {error.strerror}; run this as the user who runs the hub"
        ) from error


_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _forget_in_child() -> None:
    """A forked child shares the lock and would keep it after the parent's death: it closes its copy."""
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_forget_in_child)


@asynccontextmanager
async def waited_for(path: Path, *, timeout_s: float) -> AsyncIterator[None]:
    """Hold the lock at `path` for the block; raises EngineFailed if it isn't free within `timeout_s`."""
    lock = FileLock(path)
    try:
        async with asyncio.timeout(timeout_s):
            while not await asyncio.to_thread(lock.take):
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        lock.release()
        raise EngineFailed(
            f"process {lock.holder()} has been starting or stopping the engines for {timeout_s:.0f} s ({path})"
        ) from None
    except BaseException:
        lock.release()
        raise
    try:
        yield
    finally:
        lock.release()
