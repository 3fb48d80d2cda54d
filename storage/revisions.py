"""Which schema a database has, and which this code was written for.

A start with the right one never loads SQLAlchemy and Alembic (some 30 MB a process): what they do is done by a process
that ends.
"""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from config.errors import EngineFailed, Unavailable
from storage.db import Connection, connect
from storage.engines.postgres import check_locale
from storage.partitions import ensure_partitions

VERSIONS = Path(__file__).parent / "migrations" / "versions"
ROOT = Path(__file__).parents[1]
MIGRATION_S = 3600.0
_REVISION = re.compile(r'^(down_)?revision = "(\w+)"', re.MULTILINE)


def head_revision() -> str:
    """The revision this code was written for: the one that no other builds on."""
    found = [_REVISION.findall(path.read_text()) for path in VERSIONS.glob("*.py")]
    pairs = [pair for file in found for pair in file]
    heads: set[str] = {name for down, name in pairs if not down} - {name for down, name in pairs if down}
    (head,) = heads
    return head


async def current_revision(connection: Connection) -> str | None:
    """The revision the database is at, None before the first."""
    try:
        revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return revision


async def prepare_database(url: str) -> None:
    """Upgrades to the newest revision if need be and makes the partitions that are due.

    Raises Unavailable, EngineFailed (a bad locale, or a migration that failed: nothing of it was kept).
    """
    connection = await connect(url, application="hub migrate")
    try:
        if await current_revision(connection) != head_revision():
            await _migrate(url)  # does the rest as well
            return
        await check_locale(connection)
        await ensure_partitions(connection, datetime.now(UTC))
    finally:
        await connection.close()


async def _migrate(url: str) -> None:
    """By a process of its own; the URL, which may hold a password, goes over its standard input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "storage.migrate", cwd=ROOT, stdin=asyncio.subprocess.PIPE
    )
    try:
        await asyncio.wait_for(process.communicate(url.encode()), MIGRATION_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise EngineFailed(f"the database can't be brought to revision {head_revision()}; why stands above")


async def wait_for_revision(url: str, *, deadline_s: float = 120) -> None:
    """For replicas: returns once the database is at this code's revision. Raises Unavailable after the deadline."""
    wanted = head_revision()
    connection = await connect(url, application="hub wait")
    try:
        async with asyncio.timeout(deadline_s):
            while await current_revision(connection) != wanted:
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise Unavailable(f"the database is not at revision {wanted}; start `main.py run` or `worker` once") from None
    finally:
        await connection.close()
