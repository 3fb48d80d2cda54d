"""Advisory locks of the hub: (namespace, key) pairs and one single key, all in one place so that none is used twice."""

from __future__ import annotations

from enum import IntEnum


class Lock(IntEnum):
    """Namespaces of `pg_advisory_lock(int4, int4)`."""

    LANE = 7301
    WORKER = 7302
    FETCHER = 7303
    ROLE = 7304
    BULK_LANE = 7305
    BULK_WORKER = 7306


class Role(IntEnum):
    """Keys in ROLE: work that one process of the installation does at a time."""

    MIGRATOR = 1
    ASSIGNER = 2
    PARTITIONS = 3
    DEMO = 4
    DEDUP = 5
    TIDY = 6
    RETENTION = 6


EVENTS = 730_100_000_001
"""Key of `pg_advisory_xact_lock(int8)`: taken last before COMMIT, so that events are visible in the order of their ids."""

PROMISES = 730_100_000_002
"""The same kind: two calls that ask at once who should take them must not both be promised the same agent."""

LANES = 256
