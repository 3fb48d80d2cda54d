"""Engines that die, hang or are cut off while a hub watches, and what killed processes leave behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from config.errors import EngineFailed
from storage.engines import processes
from storage.engines.health import Condition
from storage.engines.locks import FileLock
from storage.engines.postgres import Postgres
from tests.engines.helpers import connected, holder, hub, names, postgres_pid, supervised, until, valkey_pid

pytestmark = pytest.mark.kill


async def test_killed_postgres_comes_back_with_its_data(data_dir: Path) -> None:
    """What was committed before a kill -9 is there after it; one line in the log tells the fall, one the return."""
    engines = hub(data_dir, extra={})
    address = (await engines.start()).database_url
    async with connected(address) as connection:
        await connection.execute("CREATE TABLE kept AS SELECT n FROM generate_series(1, 1000) n")
    with capture_logs() as lines:
        async with supervised(engines):
            first = postgres_pid(engines)
            os.kill(first, signal.SIGKILL)
            await until(lambda: engines.state.postgres.condition is not Condition.READY)
            await until(lambda: engines.state.ready and bool(lines) and lines[-1]["event"] == "engine_up")
            async with connected(address) as connection:
                assert await connection.fetchval("SELECT count(*) FROM kept") == 1000
            assert postgres_pid(engines) != first
    told = [line["event"] for line in lines if line["log_level"] != "debug"]
    assert told == ["engine_down", "engine_up"]
    await engines.stop()


async def test_killed_valkey_comes_back(data_dir: Path) -> None:
    """A dead Valkey is replaced, at the same address."""
    engines = hub(data_dir)
    await engines.start()
    async with supervised(engines):
        first = valkey_pid(engines)
        os.kill(first, signal.SIGKILL)
        await until(lambda: engines.state.valkey.condition is not Condition.READY)
        await until(lambda: engines.state.ready)
        assert valkey_pid(engines) != first
    await engines.stop()


async def test_hanging_valkey_is_replaced(data_dir: Path) -> None:
    """A Valkey that gives no answer keeps nothing, so it is killed and started anew."""
    engines = hub(data_dir)
    await engines.start()
    async with supervised(engines):
        first = valkey_pid(engines)
        os.kill(first, signal.SIGSTOP)
        await until(lambda: engines.state.valkey.condition is Condition.SILENT)
        await until(lambda: engines.state.ready)
        assert valkey_pid(engines) != first
        assert not processes.alive(first)
    await engines.stop()


async def test_hanging_postgres_is_reported_not_killed(data_dir: Path) -> None:
    """A stopped postmaster shows as down, with its pid, for as long as it is stopped, and is the same one after."""
    engines = hub(data_dir)
    await engines.start()
    async with supervised(engines):
        pid = postgres_pid(engines)
        os.kill(pid, signal.SIGSTOP)
        with capture_logs() as lines:
            await until(lambda: str(engines.state.postgres).startswith(f"down: process {pid} gives no answer"))
            assert not engines.state.ready
            os.kill(pid, signal.SIGCONT)
            await until(lambda: engines.state.ready)
        assert postgres_pid(engines) == pid
        assert [line["event"] for line in lines] == ["engine_down", "engine_up"]
    await engines.stop()


async def test_stop_ends_a_stopped_postgres(data_dir: Path) -> None:
    """A postmaster under SIGSTOP does not keep the hub from ending."""
    engines = hub(data_dir)
    await engines.start()
    pid = postgres_pid(engines)
    os.kill(pid, signal.SIGSTOP)
    await engines.stop()
    assert not processes.alive(pid)


async def test_removed_sockets_are_made_anew(data_dir: Path) -> None:
    """A cleaner of temporary files that takes the sockets away costs seconds, not a visit."""
    engines = hub(data_dir)
    address = (await engines.start()).database_url
    async with supervised(engines):
        await asyncio.to_thread(shutil.rmtree, data_dir / "run")
        await until(lambda: not engines.state.postgres.usable and not engines.state.valkey.usable)
        await until(lambda: engines.state.ready)
        async with connected(address) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    await engines.stop()


async def test_adopts_a_server_without_its_sockets(data_dir: Path) -> None:
    """Sockets that were cleaned away while no hub ran do not keep the next hub waiting for ever."""
    async with holder(data_dir) as (process, _):
        process.kill()
        await asyncio.to_thread(process.wait)
    await asyncio.to_thread(shutil.rmtree, data_dir / "run")
    engines = hub(data_dir)
    async with connected((await engines.start()).database_url) as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await engines.stop()
    assert processes.with_command_line(str(data_dir)) == []


async def test_engine_that_can_not_come_back_says_why(data_dir: Path) -> None:
    """While restarts fail the state carries PostgreSQL's reason, and it is up again once the cause is gone."""
    engines = hub(data_dir)
    await engines.start()
    broken = data_dir / "postgres" / "postgresql.auto.conf"
    async with supervised(engines):
        await asyncio.to_thread(broken.write_text, "shared_buffers = 'nonsense'\n")
        os.kill(postgres_pid(engines), signal.SIGKILL)
        await until(lambda: "does not start" in str(engines.state.postgres))
        await asyncio.to_thread(broken.write_text, "")
        await until(lambda: engines.state.ready)
    await engines.stop()


async def test_orphans_of_a_killed_postmaster_are_ended(data_dir: Path) -> None:
    """A backend frozen in a query outlives its postmaster and holds its memory; the next start ends it."""
    engines = hub(data_dir)
    address = (await engines.start()).database_url
    async with connected(address) as connection:
        orphan = await connection.fetchval("SELECT pg_backend_pid()")
        os.kill(orphan, signal.SIGSTOP)
        os.kill(postgres_pid(engines), signal.SIGKILL)
        await until(lambda: Postgres(engines.folder).pid() is None)
        again = Postgres(engines.folder)
        told: list[str] = []
        assert await again.launch(told.append)
        await again.ready(told.append, answer_s=5)
        assert not processes.alive(orphan)
        assert any("killed server left" in why for why in told)
    await engines.stop()


async def test_stale_pid_file_of_a_stranger(data_dir: Path) -> None:
    """After a reboot the noted pid may be any process (in a container the hub itself): the start is not refused."""
    engines = hub(data_dir)
    await engines.start()
    noted = data_dir / "postgres" / "postmaster.pid"
    content = await asyncio.to_thread(noted.read_text)
    await engines.stop()
    account, log = engines.folder.account, engines.folder.log / "stranger.log"
    stranger = processes.spawn(["/bin/sleep", "60"], account=account, log=log)
    await asyncio.to_thread(noted.write_text, content.replace(content.split("\n", 1)[0], str(stranger), 1))
    assert Postgres(engines.folder).pid() is None
    await engines.start()
    assert processes.alive(stranger)
    await engines.stop()
    os.kill(stranger, signal.SIGKILL)
    assert await processes.gone(stranger, timeout_s=5)


async def test_half_made_cluster_is_thrown_away(data_dir: Path) -> None:
    """A hub killed in the middle of initdb leaves nothing that the next start trips over, even while initdb goes on."""
    engines = hub(data_dir)
    await hub_killed_in_initdb(data_dir)
    assert "postgres" not in names(data_dir)
    async with connected((await engines.start()).database_url) as connection:
        assert await connection.fetchval("SELECT similarity('Пётр', 'Пётр')") == 1
    assert not [name for name in names(data_dir) if name.startswith("postgres.new")]
    await engines.stop()


async def hub_killed_in_initdb(data_dir: Path) -> None:
    async def kill_when_half_made() -> None:
        await until(lambda: any(data_dir.glob("postgres.new-*/global")))
        for pid in processes.with_command_line(f"holder.py {data_dir} "):
            os.kill(pid, signal.SIGKILL)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(kill_when_half_made())
        with pytest.raises(ValueError, match="Expecting value"):  # it never came to its line
            async with holder(data_dir):
                pass


@pytest.mark.parametrize("version", [None, "17"])
async def test_foreign_folder_is_not_touched(data_dir: Path, version: str | None) -> None:
    """A `postgres` folder that is no cluster, or one of another version, is refused and stays as it was."""
    data = data_dir / "postgres"
    await asyncio.to_thread(data.mkdir, parents=True)
    await asyncio.to_thread(data_dir.chmod, 0o711)
    await asyncio.to_thread((data / ("PG_VERSION" if version else "letters.txt")).write_text, version or "dear")
    with pytest.raises(EngineFailed, match="PostgreSQL 17" if version else "not a PostgreSQL cluster"):
        await hub(data_dir).start()
    assert names(data) == {"PG_VERSION" if version else "letters.txt"}


def test_fork_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A child forked by a hub does not hold the folder after the hub's death."""
    first, second = FileLock(tmp_path / "hub.lock"), FileLock(tmp_path / "hub.lock")
    assert first.take()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"!")
        signal.pause()
    try:
        assert os.read(reading, 1) == b"!"
        assert not second.take()
        first.release()
        assert second.take()
        second.release()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)


def test_log_is_kept_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's log is cut in place while the server appends, and the newest lines stay."""
    monkeypatch.setattr(processes, "LOG_LIMIT_BYTES", 1000)
    log = tmp_path / "postgresql.log"
    with log.open("ab", buffering=0) as server:
        server.write(b"old\n" * 300)
        processes.trim(log)
        server.write(b"new\n")
    content = log.read_bytes()
    assert len(content) == 504
    assert content.endswith(b"old\nnew\n")


async def test_connection_is_refused_to_nobody(data_dir: Path) -> None:
    """A hub that dies does not end its clients' transactions: a guest's connection works on."""
    async with holder(data_dir) as (process, addresses):
        connection = await asyncpg.connect(addresses["database_url"], timeout=10)
        process.kill()
        await asyncio.to_thread(process.wait)
        assert await connection.fetchval("SELECT 1") == 1
        connection.terminate()
    engines = hub(data_dir)
    await engines.start()
    await engines.stop()
