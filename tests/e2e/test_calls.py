"""Calls on real processes: a PBX asks, the owner's phone rings, the call is shown live and, missed, becomes his work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from simulator.mango import MangoSimulator
from storage.db import RawConnection
from storage.staff import create_agent
from tests.conftest import Database
from tests.e2e.hub import Hub, running
from tests.e2e.test_main_job import Frames, api

KEY, SALT = "hubtestvpbxkey00000000000000000a", "hubtestvpbxsalt0000000000000000b"


async def channel(hub: Hub, sim: MangoSimulator) -> str:
    settings = (f"api_key={KEY}", f"api_salt={SALT}", f"base_url={sim.base_url}")
    return await hub.last_line("channel", "add", "mango", "--name", "PBX", "--set", *settings)


def finished(client: str) -> Callable[[dict[str, Any]], bool]:
    return lambda frame: (
        frame["type"] == "call.updated"
        and frame["data"]["call"]["state"] == "finished"
        and frame["data"]["call"]["client"] == client
    )


@pytest.mark.timeout(180)
async def test_calls_in_and_who_takes_them(database: Database, db: RawConnection) -> None:
    """Mango's events over the real hook: routed by a command while the greeting plays, answered, missed, each shown once."""
    engines = {"DATABASE_URL": database.url, "REDIS_URL": database.redis_url}
    async with MangoSimulator(KEY, SALT) as sim, running(**engines) as hub:
        sim.hook = await channel(hub, sim)
        token = await hub.last_line("token", "create", "--name", "test", "--scope", "all")
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            agent = await _agent(db)
            async with http.ws_connect(f"{hub.url}/live?after=0") as socket:
                frames = Frames(socket)
                played = await sim.answered("79990000011", "100", greeting_s=10)
                assert played.extension == "205"
                done = (await frames.until(finished("+79990000011")))["data"]
                assert (done["call"]["outcome"], done["assignee_id"], done["status"]) == ("answered", agent, "resolved")
                await sim.missed("79990000012", ["205"])
                missed = (await frames.until(finished("+79990000012")))["data"]
                assert (missed["call"]["outcome"], missed["status"]) == ("missed", "open")
                kept = await frames.until(lambda frame: frame["type"] == "attachment.kept")
                assert kept["data"]["interaction_id"] == done["interaction_id"]
            calls = (await api(http, hub, "GET", "/interactions"))["items"]
            assert [call["kind"] for call in calls] == ["call", "call"]
            entries = await api(http, hub, "GET", "/journal?state=failed")
            assert entries["items"] == []
            async with http.post(
                f"{sim.hook}/events/call", data={"vpbx_api_key": KEY, "sign": "0", "json": "{}"}
            ) as answer:
                assert answer.status == 401


async def _agent(db: RawConnection) -> str:
    """One agent at extension 205 of the only channel, online, in the first queue."""
    agent: UUID = await create_agent(db, "olga", "Ольга")
    await db.execute("INSERT INTO presence VALUES ($1, 'online', '', now(), now())", agent)
    await db.execute("INSERT INTO agent_extension SELECT id, '205', $1 FROM channel", agent)
    await db.execute("INSERT INTO queue (name, is_default) VALUES ('Звонки', true)")
    await db.execute("INSERT INTO queue_member SELECT id, $1 FROM queue", agent)
    return str(agent)
