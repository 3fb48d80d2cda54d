"""Where the sockets go, and which system user the engines run as."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from config.errors import EngineFailed
from config.settings import Settings
from storage.engines import accounts, processes
from storage.engines.accounts import choose_account, reachable
from storage.engines.embedded import Engines
from storage.engines.folder import Folder
from storage.engines.processes import Account
from tests.engines.helpers import HOLDER, QUICK, ROOT, connected, hub, names, owner, postgres_pid

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root steps down to another user")


@pytest.mark.parametrize("name", ["x" * 90, "data, with 'quotes' и кириллицей"])
async def test_awkward_path(data_dir: Path, name: str) -> None:
    """A folder too long or too odd for a socket works: sockets go to a private short folder, the same at each start."""
    odd = data_dir.parent / name
    engines = hub(odd)
    address = (await engines.start()).database_url
    async with connected(address) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    run = engines.folder.run
    assert len(str(run)) < 60
    assert Folder(odd).run == run
    await engines.stop()
    again = hub(odd)
    assert (await again.start()).database_url == address
    await again.stop()
    shutil.rmtree(run)


def test_same_place_for_every_temporary_folder(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command with another TMPDIR finds the hub's sockets; a copy of the folder does not."""
    long = data_dir / ("x" * 90)
    data_dir.mkdir()
    folder = Folder(long)
    folder.prepare()
    monkeypatch.setattr(tempfile, "tempdir", str(data_dir))
    assert Folder(long).run == folder.run
    copy = long.with_name("y" * 90)
    shutil.copytree(long, copy, symlinks=True)
    assert Folder(copy).run != folder.run
    folder.run.rmdir()


def test_foreign_socket_folder_is_refused(data_dir: Path) -> None:
    """A socket folder that others can enter, made by someone who guessed its name, is not used."""
    folder = Folder(data_dir / ("x" * 90))
    folder.run.mkdir()
    folder.run.chmod(0o777)
    with pytest.raises(EngineFailed, match="not a private folder"):
        folder.prepare()
    folder.run.rmdir()


@as_root
async def test_root_steps_down(data_dir: Path) -> None:
    """Started as root, the server runs as the chosen user."""
    engines = Engines(Settings(data_dir=data_dir, engine_user="nobody"), extra=QUICK)
    await engines.start()
    assert owner(postgres_pid(engines)) == pwd.getpwnam("nobody").pw_uid
    await engines.stop()
    # Whose the cluster is, decides from then on, also when a better candidate is there.
    account = choose_account(data_dir, wanted="")
    assert account is not None
    assert account.name == "nobody"


@as_root
def test_closed_data_folder_says_what_to_do(data_dir: Path) -> None:
    """A data folder below one that only root may enter ends the start with one line that names it and the way out."""
    closed = data_dir / "root"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0o700)
    with pytest.raises(EngineFailed) as failed:
        Folder(closed / "data").prepare()
    assert f"can't enter {closed}:" in str(failed.value)
    assert "HUB_DATA_DIR" in str(failed.value)
    assert "\n" not in str(failed.value)


@as_root
@pytest.mark.parametrize("name", ["no-such-user", "root"])
def test_unknown_engine_user(data_dir: Path, name: str) -> None:
    """HUB_ENGINE_USER that does not exist, or is root, is named."""
    with pytest.raises(EngineFailed, match=f"HUB_ENGINE_USER={name}"):
        Folder(data_dir, engine_user=name).prepare()


@as_root
def test_closed_binaries_are_copied_once(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Binaries in a checkout that only root may enter are copied to where the engines' user can execute them."""
    data_dir.mkdir(mode=0o711)
    monkeypatch.setattr(accounts, "COPIES", data_dir / "copies")
    nobody = Account("nobody", pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
    site = data_dir / "venv"
    (site / "pg" / "bin").mkdir(parents=True)
    (site / "pg.libs").mkdir()
    (site / "pg.libs" / "words").write_text("18")
    (site / "pg" / "bin" / "initdb").write_text('#!/bin/sh\ncat "${0%/*}/../../pg.libs/words"\n')
    (site / "pg" / "bin" / "initdb").chmod(0o755)

    def place() -> Path:
        return reachable(site, ("pg", "pg.libs"), "pg/bin/initdb", name="pg-1", account=nobody)

    assert place() == site
    site.chmod(0o700)
    copy = place()
    assert copy == data_dir / "copies" / "pg-1"
    made = (copy / "pg" / "bin" / "initdb").stat()
    assert (made.st_uid, made.st_mode & 0o777) == (0, 0o755)
    assert place() == copy
    assert (copy / "pg" / "bin" / "initdb").stat().st_ino == made.st_ino
    assert names(copy.parent) == {"pg-1"}


@as_root
def test_ordinary_user(data_dir: Path) -> None:
    """A hub of an ordinary user starts and stops its engines as that user."""
    nobody = pwd.getpwnam("nobody")
    python = next((p for p in (sys.executable, "/usr/bin/python3.11", "/usr/bin/python3") if executes(p, nobody)), None)
    if python is None:
        pytest.skip("no Python of this version that another user can execute")
    data_dir.mkdir()
    os.chown(data_dir, nobody.pw_uid, nobody.pw_gid)
    path = os.pathsep.join([str(ROOT), *(p for p in sys.path if p.endswith("site-packages"))])
    process = subprocess.Popen(
        [python, "-B", str(HOLDER), str(data_dir), "hub"],
        env={"PYTHONPATH": path, "PATH": "/usr/bin:/bin"},
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    owners = {owner(pid) for pid in processes.with_command_line(f"{data_dir}/")}
    process.terminate()
    _, errors = process.communicate(timeout=30)
    assert line.startswith("{"), errors
    assert process.returncode == 0, errors
    assert owners == {nobody.pw_uid}
    assert processes.with_command_line(f"{data_dir}/") == []


def executes(python: str, user: pwd.struct_passwd) -> bool:
    test = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    try:
        return (
            subprocess.run(
                [python, "-c", test], user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/", check=False
            ).returncode
            == 0
        )
    except OSError:
        return False
