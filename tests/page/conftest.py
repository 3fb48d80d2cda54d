"""A hub and a browser for each file of page tests, an office in it for each test; browser.py tells how they are used."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.page.browser import House, Office, house_of, office_in


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    async with house_of() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def office(house: House) -> AsyncIterator[Office]:
    async with office_in(house) as found:
        yield found
