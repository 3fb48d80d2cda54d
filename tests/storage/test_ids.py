"""Ids made by us are as good as the database's."""

from __future__ import annotations

from itertools import islice

from storage.db import RawConnection
from storage.ids import ids_after


async def test_ids_are_the_databases_own_kind(db: RawConnection) -> None:
    """Version and variant are right, they ascend, none is twice, and the database reads the seed's time off them."""
    seed = await db.fetchval("SELECT uuidv7()")
    ids = list(islice(ids_after(seed), 10_000))
    assert ids == sorted(set(ids))
    assert {(i.version, i.variant) for i in ids} == {(7, seed.variant)}
    times = await db.fetchrow("SELECT uuid_extract_timestamp($1), uuid_extract_timestamp($2)", seed, ids[0])
    assert times is not None
    assert times[0] == times[1]
