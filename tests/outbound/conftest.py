from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from connectors import registry
from storage.store import Store
from tests.conftest import Database
from tests.outbound.provider_stub import Hub, Provider, make_hub


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with Provider().serving() as found:
        yield found


@pytest.fixture
async def hub(store: Store, database: Database, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A hub with one channel of the scripted connector."""
    monkeypatch.setitem(registry.MODULES, "scripted", "tests.outbound.fake_connector")
    return await make_hub(store, provider, database.redis_url)
