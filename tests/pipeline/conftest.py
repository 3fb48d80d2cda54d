"""A pipe on a fresh database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from storage.store import Store
from tests.pipeline.pipe import Pipe, flowing


@pytest.fixture
async def pipe(store: Store) -> AsyncIterator[Pipe]:
    async with flowing(store) as found:
        yield found
