"""A site for each test: a copy of one migrated data folder, and the nursery its processes come from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import pytest

pytest.register_assert_rewrite("tests.kill.checks")

from tests.kill.harness import Nursery, Site, copied, template  # noqa: E402 - after the line above


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    started = Nursery()
    try:
        yield started
    finally:
        started.close()


@pytest.fixture(scope="session")
def original() -> Iterator[tuple[Path, list[str], list[UUID]]]:
    with template() as made:
        yield made


@pytest.fixture
async def site(original: tuple[Path, list[str], list[UUID]], nursery: Nursery) -> AsyncIterator[Site]:
    """Nothing runs on it yet: `await site.up(...)`."""
    folder, tokens, channels = original
    with copied(folder) as mine:
        site = Site(mine, nursery, tokens, channels)
        try:
            yield site
        finally:
            await site.down()
