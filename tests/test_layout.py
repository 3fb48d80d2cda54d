"""The repository around the code says what is there: README, Makefile, locks, links."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import main
from config.settings import ENVIRONMENT, Settings
from connectors import registry

ROOT = Path(__file__).resolve().parents[1]
READMES = ("README.md", "README.ru.md")
SETTINGS = {*ENVIRONMENT.values(), "HUB_CONFIG"}
NOT_OURS = {"HUB_LISTEN"}
"""Of docker-compose.yml alone."""


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _targets() -> set[str]:
    """Targets of the Makefile that `make help` shows."""
    return set(re.findall(r"^([a-z]+):.*## ", _read("Makefile"), re.MULTILINE))


def _commands(parser: argparse.ArgumentParser) -> set[str]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name for group in groups for name in group.choices}


def _code(text: str) -> str:
    """What stands in code blocks and spans."""
    blocks = re.findall(r"```.*?```", text, re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`[^`\n]+`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))])


@pytest.mark.parametrize("readme", READMES)
def test_readme_names_the_make_targets(readme: str) -> None:
    """Every `make` that the README tells of works, and none is kept from the reader."""
    assert set(re.findall(r"\bmake ([a-z]+)", _code(_read(readme)))) == _targets()


@pytest.mark.parametrize("readme", READMES)
def test_readme_names_the_commands(readme: str) -> None:
    """Every command of main.py is explained, and every one that is explained is there."""
    table = _read(readme).partition("`.venv/bin/python main.py …`")[2].partition("\n## ")[0]
    first_cells = re.findall(r"^\| (`.*?) \| ", table, re.MULTILINE)
    named = {word for cell in first_cells for word in re.findall(r"`([a-z]+)", cell)}
    assert named == _commands(main._parser())


@pytest.mark.parametrize("readme", READMES)
def test_readme_names_the_settings(readme: str) -> None:
    """Every setting has its row with its default, and no setting is invented."""
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", _read(readme), re.MULTILINE))
    assert rows.keys() == SETTINGS
    for field, name in ENVIRONMENT.items():
        default = Settings.model_fields[field].default
        if isinstance(default, int | str | Path) and not isinstance(default, bool) and str(default):
            assert rows[name] == f"`{default}`", name


@pytest.mark.parametrize("name", ["docker-compose.yml", "Dockerfile", ".ci/run", "docs/operations.md"])
def test_no_setting_is_invented(name: str) -> None:
    """What other files set are settings that there are."""
    assert set(re.findall(r"\bHUB_[A-Z]+(?:_[A-Z]+)*", _read(name))) <= SETTINGS | NOT_OURS | {"HUB_"}


def test_both_readmes_have_the_same_parts() -> None:
    """What one language tells the other tells too: as many sections, rows and marked tables."""
    shapes = [
        [re.sub(r"[^#|<].*", "", line) for line in _read(name).splitlines() if re.match(r"#|\||<!--", line)]
        for name in READMES
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("connector", sorted(registry.MODULES))
def test_every_connector_has_cases(connector: str) -> None:
    """No provider is connected without recorded payloads."""
    assert list((ROOT / "tests" / "connectors" / connector).glob("*.json"))


def _locked(name: str) -> dict[str, str]:
    """Package -> version of a lock; every line of it is pinned."""
    lines = [line for line in _read(name).splitlines() if line and not line.lstrip().startswith("#")]
    pairs = [re.fullmatch(r"([a-z0-9-]+)==(\S+)(?: ; .*)?", line) for line in lines]
    assert all(pairs), f"{name}: a line is not `package==version`"
    return {pair[1]: pair[2] for pair in pairs if pair}


def _wanted(requirements: list[str]) -> set[str]:
    names = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in requirements)
    return {re.sub(r"[._-]+", "-", name[0]).lower() for name in names if name}


def test_locks_hold_what_the_project_asks_for() -> None:
    """A dependency that was added or removed without its lock is found; both locks agree on versions."""
    project = tomllib.loads(_read("pyproject.toml"))
    runtime, everything = _locked("requirements.lock"), _locked("requirements.dev.lock")
    asked, for_development = project["project"]["dependencies"], project["dependency-groups"]["dev"]
    assert _wanted(asked) <= runtime.keys()
    assert _wanted(for_development) <= everything.keys() - runtime.keys()
    assert runtime.items() <= everything.items()


def _links() -> Iterator[tuple[str, str]]:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in sorted(pages):
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if not re.match(r"[a-z]+:", target):
                yield page.relative_to(ROOT).as_posix(), target


def _anchor(heading: str) -> str:
    """A heading's anchor as the usual renderers make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize(("page", "target"), sorted(set(_links())))
def test_links_lead_somewhere(page: str, target: str) -> None:
    """Files and headings that our pages point to exist."""
    path, _, anchor = target.partition("#")
    found = (ROOT / page).parent / path if path else ROOT / page
    assert found.exists()
    if anchor:
        headings = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {_anchor(heading) for heading in headings}


def test_files_named_in_the_architecture_exist() -> None:
    """The page that explains the code names no file that is not there."""
    pages = [_read("docs/architecture.md"), *(p.read_text("utf-8") for p in (ROOT / "docs/decisions").glob("*.md"))]
    named = {path for text in pages for path in re.findall(r"`([\w/]+/[\w.]+\.(?:py|sql))`", text)}
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_what_a_running_hub_does_not_load() -> None:
    """Schema tools are for the process that migrates: they would cost each of the others 30 MB."""
    code = "import sys, commands.process, commands.web, commands.work; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"storage.store", "aiohttp"} <= set(done.stdout.split())
    assert not {"sqlalchemy", "alembic"} & set(done.stdout.split())
