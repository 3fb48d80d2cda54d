"""The demo's life inside the hub: fill an empty database once, then keep its channels busy at a human pace."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from aiohttp import ClientError

from commands.demo.cast import FIRM, LOGINS, Client, clients
from commands.demo.filling import SEED, Demo, fill, is_empty, note_channel, read_demo
from commands.demo.operators import Operators, Pace
from commands.demo.phone import Phone
from commands.demo.providers import MangoStage, stages
from commands.demo.stages import Scene, Stage, chat
from config.errors import HubError
from router.channels import Channels, add_channel, change_settings
from storage.bus import Topic
from storage.db import DATABASE_ERRORS, Connection, connect
from storage.locks import Lock, Role
from storage.store import Store

log = structlog.get_logger()
RETRY_S = 10.0
ELSEWHERE_S = 60.0
STOP_S = 5.0
TALKS = 5
REACT_S = 1.0


async def run_demo(store: Store, channels: Channels, address: str) -> None:
    """Until cancelled, or at once where the database is no demo. Its faults are logged; the hub goes on without it."""
    while True:
        pause = RETRY_S
        try:
            found = await _turn(store, channels, address)
            if found is None:
                return
            pause = ELSEWHERE_S
        except (*DATABASE_ERRORS, HubError) as error:
            log.warning("demo_interrupted", error=type(error).__name__)
        except Exception:  # lint-skip: broad - a supervisor: the demo's fault must not stop the hub
            log.exception("demo_failed")
        await asyncio.sleep(pause)


async def _turn(store: Store, channels: Channels, address: str) -> bool | None:
    """None: this is no demo. False: another process plays it."""
    connection = await connect(store.url, application="hub demo")
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", Lock.ROLE, Role.DEMO):
            return False
        demo = await _prepare(store, connection)
        if demo is None:
            return None
        _announce(address, demo)
        spoken_for = {login: agent for login, agent in demo.agents.items() if login != "matvey"}
        await _Play(store, channels, demo, address, Operators(store, spoken_for)).run(connection)
    finally:
        connection.terminate()
    return True


async def _prepare(store: Store, connection: Connection) -> Demo | None:
    """The workspace: as it is, or made now in an empty database."""
    found = await read_demo(connection)
    if found is not None or not await is_empty(connection):
        return found
    begun = datetime.now(UTC)
    async with connection.transaction():
        ids = {}
        for name, stage in stages().items():
            ids[name], _ = await add_channel(
                connection, store.vault, connector=name, name=stage.title, values=stage.settings()
            )
        await fill(store, connection, ids, begun)
    for topic in (Topic.CHANNELS, Topic.STAFF, Topic.QUEUE):
        store.bus.notify(topic)
    log.info("demo_filled", took_ms=round((datetime.now(UTC) - begun).total_seconds() * 1000))
    return await read_demo(connection)


def _announce(address: str, demo: Demo) -> None:
    print(f"\n{FIRM}: demo workspace on {address}/ (DEMO=0 for none)")
    for role, login in LOGINS:
        print(f"  {role:10}  {login:7}  {demo.password}")
    print(flush=True)


@dataclass
class _Play:
    """`stages`: those that are open."""

    store: Store
    channels: Channels
    demo: Demo
    address: str
    operators: Operators
    stages: dict[str, Stage] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(TALKS))
    people: list[Client] = field(default_factory=list)

    async def run(self, connection: Connection) -> None:
        """Until cancelled or something fails; then the providers' side is stopped. `connection` holds the lock."""
        self.people = clients(random.Random(SEED), datetime.now(self.store.settings.zone).date())
        try:
            for name, stage in stages().items():
                self.stages[name] = stage
                await self._open(name, stage)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.operators.stay_online(connection), name="demo presence")
                tasks.create_task(self.operators.tidy(self.demo.filled_at), name="demo tidy")
                tasks.create_task(self._traffic(), name="demo traffic")
                tasks.create_task(self._reactions(), name="demo reactions")
                tasks.create_task(self._phones(), name="demo phones")
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            for stage in self.stages.values():
                async with asyncio.timeout(STOP_S):
                    await stage.stop()

    async def _open(self, name: str, stage: Stage) -> None:
        """Starts a provider's side and leads its channel there; makes the channel if the demo is older than the connector."""
        changed = await stage.start()
        vault = self.store.vault
        async with self.store.pool.acquire() as connection, connection.transaction():
            channel_id = self.demo.channels.get(name)
            if channel_id is None:
                values = stage.settings() | changed
                channel_id, _ = await add_channel(connection, vault, connector=name, name=stage.title, values=values)
                await note_channel(connection, name, channel_id)
                self.demo.channels[name] = channel_id
            elif changed:
                await change_settings(connection, vault, channel_id, changed)
        await self.channels.refresh()
        self.store.bus.notify(Topic.CHANNELS)
        channel = self.channels.get(channel_id)
        if channel is not None:
            await stage.attach(channel, f"{self.address}/hooks/{channel.token}")

    async def _traffic(self) -> None:
        """A few matters at a time, each of another client; at first one on each channel, so that all are seen soon."""
        rng = random.Random()
        pace = Pace(rng)
        people = self.people
        first = list(self.stages)
        async with asyncio.TaskGroup() as talks:
            while True:
                await self.room.acquire()
                weights = [stage.weight for stage in self.stages.values()]
                name = first.pop(0) if first else rng.choices(list(self.stages), weights)[0]
                stage, channel = self.stages[name], self.channels.get(self.demo.channels[name])
                free = [p for p in people if stage.suits(p) and p.name not in self.busy]
                if channel is None or not free:
                    self.room.release()
                    await asyncio.sleep(1)
                    continue
                client = rng.choices(free, [p.talks for p in free])[0]
                self.busy.add(client.name)
                scene = Scene(rng, pace, self.operators, channel, self.store.settings.zone)
                talks.create_task(self._talk(stage, scene, client), name=name)

    async def _reactions(self) -> None:
        """Whoever was written to by a person, and not in a script's turn, answers."""
        rng = random.Random()
        async with asyncio.TaskGroup() as talks:
            while True:
                await asyncio.sleep(REACT_S)
                for name, stage in self.stages.items():
                    for address, text in stage.news():
                        client = self._whose(address)
                        line = stage.line(client) if client is not None else None
                        channel = self.channels.get(self.demo.channels[name])
                        if client is None or line is None or channel is None or client.name in self.busy:
                            continue
                        if self.operators.spoke(text):
                            continue
                        self.busy.add(client.name)
                        scene = Scene(rng, Pace(rng), self.operators, channel, self.store.settings.zone)
                        talks.create_task(self._apart(chat(scene, line), client), name=f"{name} answers")

    def _whose(self, address: str) -> Client | None:
        return next((p for p in self.people if address in {p.phone, p.email, str(p.telegram)}), None)

    async def _phones(self) -> None:
        """The visitor's own phone rings; nothing of it where there is no telephony."""
        stage, rng = self.stages.get("mango"), random.Random()
        if not isinstance(stage, MangoStage):
            return
        phone = stage.phone = Phone(self.store, self.people)
        async with asyncio.TaskGroup() as calls:
            while True:
                await asyncio.sleep(REACT_S)
                channel = self.channels.get(self.demo.channels["mango"])
                for login in await phone.due() if channel is not None else ():
                    client = phone.caller(login, lambda one: one.name not in self.busy)
                    if client is None or channel is None:
                        continue
                    self.busy.add(client.name)
                    scene = Scene(rng, Pace(rng), self.operators, channel, self.store.settings.zone)
                    ring = stage.ring(scene, client, phone.extension(login))
                    calls.create_task(self._apart(ring, client), name=f"phone of {login}")

    async def _apart(self, matter: Coroutine[None, None, None], client: Client) -> None:
        try:
            await matter
        except (*DATABASE_ERRORS, ClientError, HubError) as error:
            log.info("demo_talk_ended", error=type(error).__name__)
        finally:
            self.busy.discard(client.name)

    async def _talk(self, stage: Stage, scene: Scene, client: Client) -> None:
        try:
            await stage.play(scene, client)
        except (*DATABASE_ERRORS, ClientError, HubError) as error:
            log.info("demo_talk_ended", channel_id=str(scene.channel.id), error=type(error).__name__)
        finally:
            self.busy.discard(client.name)
            self.room.release()
