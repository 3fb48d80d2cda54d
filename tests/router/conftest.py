"""A company for each test of routing."""

from __future__ import annotations

import pytest

from storage.db import RawConnection
from tests.conftest import Database
from tests.router.world import World


@pytest.fixture
def world(db: RawConnection, database: Database) -> World:
    """Nobody yet, in a fresh database."""
    return World(db, database.url)
