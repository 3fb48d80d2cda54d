"""The data folder: where the engines keep their files, their sockets and their logs.

hub.lock        held for the life of a hub: "hub alive"
start.lock      held for the moments in which an engine is made, started, adopted or stopped
users.lock      shared by every process that uses the engines; who gets it alone is the last
transient       present while engines run that a command, not a hub, has started
postgres/ valkey/ run/ log/
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path

from config.errors import EngineFailed
from storage.engines import locks
from storage.engines.accounts import choose_account
from storage.engines.locks import FileLock
from storage.engines.processes import Account

SOCKET_BYTES = 100  # a unix socket's address holds 108 bytes on Linux, 104 on macOS
LONGEST_SOCKET = ".s.PGSQL.5432"
# A socket folder stands in URLs and in PostgreSQL's comma-separated list: anything else would need quoting there.
PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
LOCK_WAIT_S = 120.0


class Folder:
    """One HUB_DATA_DIR. Blocking: call `prepare` off the loop."""

    def __init__(self, data_dir: Path, *, engine_user: str = "") -> None:
        self.path = data_dir.expanduser().absolute()
        self.account: Account | None = None
        self._engine_user = engine_user
        self.hub_lock = FileLock(self.path / "hub.lock")
        self.users_lock = FileLock(self.path / "users.lock")
        self.transient = self.path / "transient"

    @cached_property
    def real(self) -> Path:
        return self.path.resolve()

    @cached_property
    def key(self) -> str:
        """Short name of this folder, the same however it is reached."""
        return hashlib.sha256(os.fsencode(self.real)).hexdigest()[:12]

    @property
    def postgres(self) -> Path:
        return self.real / "postgres"

    @property
    def valkey(self) -> Path:
        return self.real / "valkey"

    @property
    def log(self) -> Path:
        return self.real / "log"

    @cached_property
    def run(self) -> Path:
        """Folder of the sockets: `run` inside, or a private one in the system's temporary folder if that is too long."""
        inside = self.real / "run"
        if _fits(inside):
            return inside
        name = f"switchboard-{self.key}"
        # Recorded as a link, because TMPDIR may differ between the hub and a command. A copied data folder brings the
        # link of its original, so the name decides.
        if inside.is_symlink() and (noted := inside.readlink()).name == name and _fits(noted):
            return noted
        inside_temporary = Path(tempfile.gettempdir()).resolve() / name
        return inside_temporary if _fits(inside_temporary) else Path("/tmp") / name  # noqa: S108

    def prepare(self) -> None:
        """Make what is missing and settle who owns it. Raises EngineFailed with one line that says what to do."""
        try:
            if not self.path.exists():
                self.path.mkdir(parents=True, exist_ok=True)
                # As root others may pass through (the engines' user has to), not look.
                self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.account = choose_account(self.real, wanted=self._engine_user)
            self.log.mkdir(mode=0o700, exist_ok=True)
            self.own(self.valkey)
            self._prepare_run()
        except OSError as error:
            raise EngineFailed(f"data folder {error.filename or self.path}: {error.strerror}") from error

    def own(self, path: Path) -> None:
        """Make `path` if absent and hand it to the engines' user, readable to nobody else."""
        path.mkdir(mode=0o700, exist_ok=True)
        if self.account is not None and path.lstat().st_uid != self.account.uid:
            os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)

    def _prepare_run(self) -> None:
        inside = self.real / "run"
        if self.run == inside:
            if inside.is_symlink():
                inside.unlink()
            self.own(inside)
            return
        if not self.run.is_symlink() and not self.run.exists():
            self.own(self.run)
        found = self.run.lstat()
        uid = self.account.uid if self.account else os.geteuid()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {uid, os.geteuid()} or found.st_mode & 0o077:
            raise EngineFailed(f"{self.run} exists but is not a private folder of ours: remove it and start again")
        self.own(self.run)
        if not inside.is_symlink() or inside.readlink() != self.run:
            shutil.rmtree(inside) if inside.is_dir() and not inside.is_symlink() else inside.unlink(missing_ok=True)
            inside.symlink_to(self.run)

    @asynccontextmanager
    async def start_lock(self) -> AsyncIterator[None]:
        async with locks.waited_for(self.path / "start.lock", timeout_s=LOCK_WAIT_S):
            yield


def _fits(run: Path) -> bool:
    return len(os.fsencode(run / LONGEST_SOCKET)) <= SOCKET_BYTES and PLAIN.fullmatch(str(run)) is not None
