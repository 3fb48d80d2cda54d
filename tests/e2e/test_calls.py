"""Calls on real processes: a PBX asks, the owner's phone rings, the call is shown live and, missed, becomes his work."""

from __future__ import annotations

import asyncio
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


@pytest.mark.timeout(180)
async def test_click_to_call(database: Database, db: RawConnection) -> None:
    """A call asked for by the API rings the agent, then the client, and what the PBX tells of it is told of that very
    interaction, on the client's card; one that the PBX refuses is shown as failed.
    """
    engines = {"DATABASE_URL": database.url, "REDIS_URL": database.redis_url}
    async with MangoSimulator(KEY, SALT) as sim, running(**engines) as hub:
        sim.hook = await channel(hub, sim)
        token = await hub.last_line("token", "create", "--name", "test", "--scope", "all")
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
            agent = await _agent(db)
            async with http.ws_connect(f"{hub.url}/live?after=0") as socket:
                frames = Frames(socket)
                asked = await dial(http, hub, number="8 999 000-00-13", agent_id=agent)
                done = (await frames.until(finished("+79990000013")))["data"]
                assert done["interaction_id"] == asked["interaction_id"]
                assert (done["call"]["outcome"], done["call"]["direction"]) == ("answered", "out")
                assert (done["call"]["employee"], done["agent_id"], done["status"]) == ("205", agent, "resolved")
                (command,) = [c for c in sim.commands if c.path == "/commands/callback"]
                assert command.data["command_id"] == asked["outbound_id"]
                assert (command.data["from"], command.data["to_number"]) == ({"extension": "205"}, "79990000013")
                (card,) = (await api(http, hub, "GET", "/contacts?identity=89990000013"))["items"]
                (item,) = (await api(http, hub, "GET", f"/interactions?contact={card['id']}"))["items"]
                assert (item["id"], item["call"]["state"]) == (asked["interaction_id"], "finished")
                await until_delivered(http, hub, asked["outbound_id"])

                sim.refuse.append(3300)
                refused = await dial(http, hub, contact_id=card["id"], agent_id=agent)
                failed = await frames.until(
                    lambda f: f["type"] == "interaction.state" and f["data"]["outbound_id"] == refused["outbound_id"]
                )
                assert (failed["data"]["state"], failed["data"]["error"]["code"]) == ("failed", "3300")
            items = (await api(http, hub, "GET", f"/interactions?contact={card['id']}"))["items"]
            assert len(items) == 2
            (off,) = [one for one in items if one["id"] == refused["interaction_id"]]
            assert (off["call"]["state"], off["call"]["outcome"]) == ("finished", "failed")
            talk = await api(http, hub, "GET", f"/conversations/{off['conversation_id']}")
            assert talk["status"] == "resolved"


async def dial(http: aiohttp.ClientSession, hub: Hub, **body: str) -> dict[str, str]:
    async with http.post(f"{hub.url}/api/v1/calls", json=body, headers={"Idempotency-Key": str(body)}) as answer:
        assert answer.status == 201, await answer.text()
        asked: dict[str, str] = await answer.json()
        return asked


async def until_delivered(http: aiohttp.ClientSession, hub: Hub, outbound_id: str) -> None:
    """The PBX's answer to the command is a receipt, and receipts don't wait in the calls' line."""
    async with asyncio.timeout(20):
        while (await api(http, hub, "GET", f"/outbound/{outbound_id}"))["state"] != "delivered":
            await asyncio.sleep(0.05)


async def _agent(db: RawConnection) -> str:
    """One agent at extension 205 of the only channel, online, in the first queue."""
    agent: UUID = await create_agent(db, "olga", "Ольга")
    await db.execute("INSERT INTO presence VALUES ($1, 'online', '', now(), now())", agent)
    await db.execute("INSERT INTO agent_extension SELECT id, '205', $1 FROM channel", agent)
    await db.execute("INSERT INTO queue (name, is_default) VALUES ('Звонки', true)")
    await db.execute("INSERT INTO queue_member SELECT id, $1 FROM queue", agent)
    return str(agent)
