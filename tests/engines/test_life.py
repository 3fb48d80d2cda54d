"""Start, adoption and stop of a data folder's engines."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
from pathlib import Path

import asyncpg
import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from config.errors import EngineFailed
from config.settings import Settings
from storage.engines import processes
from storage.engines.embedded import Engines, joined
from storage.engines.health import Condition
from storage.engines.locks import waited_for
from storage.engines.postgres import Postgres, check_locale
from storage.engines.valkey import Valkey
from tests.engines.helpers import (
    HASTY,
    QUICK,
    connected,
    environment,
    holder,
    hub,
    names,
    postgres_pid,
    supervised,
    until,
    valkey_pid,
)


async def test_starts_answers_and_stops(data_dir: Path) -> None:
    """A fresh folder gives both engines, a second start gives the same, and stop leaves no process behind."""
    engines = hub(data_dir)
    addresses = await engines.start()
    assert await engines.start() == addresses
    assert engines.state.ready
    assert (str(engines.state.postgres), str(engines.state.valkey)) == ("ready", "ready")
    async with connected(addresses.database_url) as connection:
        assert (await connection.fetchval("SHOW server_version")).startswith("18")
    redis = Redis.from_url(addresses.redis_url)
    assert await redis.ping()
    await redis.aclose()
    pids = [postgres_pid(engines), valkey_pid(engines)]
    await engines.stop()
    await engines.stop()
    assert [pid for pid in pids if processes.alive(pid)] == []
    assert processes.with_command_line(str(data_dir)) == []
    assert not engines.state.ready


async def test_address_suits_sqlalchemy(data_dir: Path) -> None:
    """The database address works for SQLAlchemy with only its driver named."""
    engines = hub(data_dir)
    address = (await engines.start()).database_url
    database = create_async_engine(address.replace("postgresql://", "postgresql+asyncpg://"))
    async with database.connect() as connection:
        assert (await connection.execute(text("SELECT current_user"))).scalar_one() == "hub"
    await database.dispose()
    await engines.stop()


async def test_folder_is_private(data_dir: Path) -> None:
    """Nobody but the engines' user can enter the sockets or the cluster, and no TCP port is opened."""
    engines = hub(data_dir)
    address = (await engines.start()).database_url
    for name in ("run", "postgres", "valkey", "log"):
        assert stat.S_IMODE((data_dir / name).stat().st_mode) == 0o700, name
    async with connected(address) as connection:
        assert await connection.fetchval("SHOW listen_addresses") == ""
    await engines.stop()


async def test_locale_knows_cyrillic(data_dir: Path) -> None:
    """Trigrams of Cyrillic work in `hub` and in databases made from template1; a C database is refused by the check."""
    engines = hub(data_dir)
    address = (await engines.start()).database_url
    async with connected(address) as connection:
        await check_locale(connection)
        assert await connection.fetchval("SELECT lower('ПЁТР')") == "пётр"
        await connection.execute("CREATE DATABASE fresh")
        await connection.execute("CREATE DATABASE ascii TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'")
    async with connected(address.replace("/hub?", "/fresh?")) as connection:
        await check_locale(connection)
    async with connected(address.replace("/hub?", "/ascii?")) as connection:
        with pytest.raises(EngineFailed, match="pg_trgm is missing"):
            await check_locale(connection)
        await connection.execute("CREATE EXTENSION pg_trgm")
        with pytest.raises(EngineFailed, match="Cyrillic"):
            await check_locale(connection)
    await engines.stop()


async def test_external_addresses_are_left_alone(data_dir: Path) -> None:
    """With both addresses given nothing is made, locked or started."""
    settings = Settings(
        data_dir=data_dir, database_url=SecretStr("postgresql://db/x"), redis_url=SecretStr("redis://r/0")
    )
    engines = Engines(settings)
    addresses = await engines.start()
    assert (addresses.database_url, addresses.redis_url) == ("postgresql://db/x", "redis://r/0")
    assert engines.state.ready
    await engines.stop()
    assert names(data_dir.parent) == set()


async def test_second_hub_is_refused(data_dir: Path) -> None:
    """A second `run` on a folder is told which process holds it, and disturbs nothing."""
    async with holder(data_dir) as (first, addresses):
        with pytest.raises(EngineFailed, match=rf"process {first.pid}\b"):
            await hub(data_dir).start()
        async with connected(addresses["database_url"]) as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_adopts_after_the_hub_was_killed(data_dir: Path) -> None:
    """Engines outlive a kill -9 of their hub; the next hub takes over the same processes and stops them in the end."""
    async with holder(data_dir) as (first, addresses):
        engines = hub(data_dir)
        pids = [postgres_pid(engines), valkey_pid(engines)]
        assert [os.getsid(pid) for pid in pids] == pids  # a Ctrl-C in the hub's terminal would miss them
        async with connected(addresses["database_url"]) as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 1 AS n")
        first.kill()
        await asyncio.to_thread(first.wait)
    assert (await engines.start()).database_url == addresses["database_url"]
    assert [postgres_pid(engines), valkey_pid(engines)] == pids
    await engines.stop()
    assert [pid for pid in pids if processes.alive(pid)] == []


async def test_sigterm_of_the_hub_stops_its_engines(data_dir: Path) -> None:
    """A hub that ends in order leaves no engine behind."""
    async with holder(data_dir) as (first, _):
        first.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(first.wait, 30) == 0
    assert processes.with_command_line(str(data_dir)) == []


async def test_engines_get_no_secrets(data_dir: Path) -> None:
    """The hub's environment, where its keys are, is not handed on."""
    async with holder(data_dir):
        engines = hub(data_dir)
        for pid in (postgres_pid(engines), valkey_pid(engines)):
            assert "do-not-hand-on" not in environment(pid)


async def test_command_beside_a_hub_leaves_it_alone(data_dir: Path) -> None:
    """`joined` uses a hub's engines and does not stop them."""
    async with holder(data_dir) as (_, addresses):
        async with joined(Settings(data_dir=data_dir)) as found:
            assert found.database_url == addresses["database_url"]
        async with connected(addresses["database_url"]) as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_commands_alone_stop_what_they_started(data_dir: Path) -> None:
    """Without a hub the engines live as long as any command uses them, whoever started them."""
    settings = Settings(data_dir=data_dir)
    second = joined(settings, extra=QUICK)
    async with joined(settings, extra=QUICK):
        await second.__aenter__()
    engines = hub(data_dir)
    pid = postgres_pid(engines)
    await second.__aexit__(None, None, None)
    assert not processes.alive(pid)
    assert Valkey(engines.folder).pid() is None


async def test_hub_takes_over_from_a_command(data_dir: Path) -> None:
    """A hub that starts while a command runs keeps the command's engines when the command ends."""
    async with joined(Settings(data_dir=data_dir), extra=QUICK):
        engines = hub(data_dir)
        await engines.start()
        pid = postgres_pid(engines)
    assert processes.alive(pid)
    assert postgres_pid(engines) == pid
    await engines.stop()
    assert not processes.alive(pid)


async def test_engines_of_a_killed_hub_wait_for_the_next(data_dir: Path) -> None:
    """Engines that a hub took over from a command belong to hubs from then on, also after a kill -9 of that hub."""
    engines = hub(data_dir)
    async with joined(Settings(data_dir=data_dir), extra=QUICK):
        pid = postgres_pid(engines)
        async with holder(data_dir) as (process, _):
            process.kill()
            await asyncio.to_thread(process.wait)
    assert processes.alive(pid)
    await engines.start()
    assert postgres_pid(engines) == pid
    await engines.stop()


async def test_guest_revives_what_it_uses(data_dir: Path) -> None:
    """A `web` or `worker` replica without a hub restarts a dead engine, and as the last one stops it."""
    guest = Engines(Settings(data_dir=data_dir), role="guest", extra=QUICK, pace=HASTY)
    await guest.start()
    first = postgres_pid(guest)
    async with supervised(guest):
        os.kill(first, signal.SIGKILL)
        await until(lambda: guest.state.postgres.condition is Condition.GONE)
        await until(lambda: guest.state.ready)
    second = postgres_pid(guest)
    assert second != first
    await guest.stop()
    assert not processes.alive(second)


async def test_start_lock_names_who_holds_it(tmp_path: Path) -> None:
    """A start that has to wait too long for another says for which process."""
    async with waited_for(tmp_path / "start.lock", timeout_s=1):
        with pytest.raises(EngineFailed, match=rf"process {os.getpid()} has been starting"):
            async with waited_for(tmp_path / "start.lock", timeout_s=0.2):
                pass


async def test_many_start_at_once(data_dir: Path) -> None:
    """Replicas that start together on an empty folder share one cluster."""
    guests = [Engines(Settings(data_dir=data_dir), role="guest", extra=QUICK) for _ in range(4)]
    async with asyncio.TaskGroup() as tasks:
        starts = [tasks.create_task(guest.start()) for guest in guests]
    assert len({start.result() for start in starts}) == 1
    assert len(processes.with_command_line(f"-D {data_dir / 'postgres'}")) == 1
    for guest in guests:
        await guest.stop()
    assert processes.with_command_line(str(data_dir)) == []


async def test_bad_setting_fails_with_the_servers_words(data_dir: Path) -> None:
    """A PostgreSQL that refuses its settings ends the start with its own last word and the log's place; nothing stays."""
    with pytest.raises(EngineFailed, match=r"postgresql\.log\).*(nonsense|configuration)"):
        await hub(data_dir, extra={**QUICK, "shared_buffers": "nonsense"}).start()
    assert processes.with_command_line(str(data_dir)) == []
    engines = hub(data_dir)
    await engines.start()
    await engines.stop()


async def test_cancelled_start_leaves_nothing(data_dir: Path) -> None:
    """A start that is cancelled half-way lets go of the folder, and the next one succeeds."""
    first = hub(data_dir)
    start = asyncio.create_task(first.start())
    await until(lambda: any(data_dir.glob("postgres.new-*")))
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    second = hub(data_dir)
    async with connected((await second.start()).database_url) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await second.stop()


async def test_full_server_counts_as_ready(data_dir: Path) -> None:
    """A PostgreSQL with no free connection is alive: it must not be reported down."""
    engines = hub(data_dir, extra={**QUICK, "max_connections": "4", "superuser_reserved_connections": "0"})
    address = (await engines.start()).database_url
    held = [await asyncpg.connect(address) for _ in range(4)]
    assert str(await Postgres(engines.folder).health(5)) == "ready"
    for connection in held:
        connection.terminate()
    await engines.stop()
