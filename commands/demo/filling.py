"""Puts the workspace into an empty database: one transaction, by COPY, in a second or two."""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from commands.demo.cast import STAFF, Client, clients
from commands.demo.columns import COLUMNS
from commands.demo.history import ABSENT_SINCE, MIX, episodes
from commands.demo.letters import letter_html
from commands.demo.library import hold_files, keep_files
from commands.demo.phrases import QueueKey
from commands.demo.rows import Named, Reached, Writer
from commands.demo.work import add_work
from commands.demo.workplace import furnish
from connectors.email.html import sanitize
from connectors.items import Address
from router.hours import is_open, read_calendar
from router.names import sort_name
from router.rules import check_conditions
from storage.db import Connection
from storage.queues import save_rule
from storage.staff import CAPACITY, hash_password
from storage.store import Store
from storage.workspace import read_setting, write_setting

KEY = "demo"
"""The workspace setting that marks a database as a demo: what was made, and the password of its log-ins."""

SEED = 1909

HOURS_RETAIL = {str(day): [["07:00", "23:00"]] for day in range(1, 8)}
HOLIDAYS_RETAIL = {
    f"{year}-{day}": hours
    for year in (2026, 2027, 2028)
    for day, hours in (("12-31", [["07:00", "18:00"]]), ("01-01", []), ("01-02", [["10:00", "20:00"]]))
}
HOURS_WHOLESALE = {str(day): [["08:00", "18:00"]] for day in range(1, 6)}
QUEUES: dict[QueueKey, dict[str, Any]] = {
    "retail": {"name": "Розница", "hours": HOURS_RETAIL, "frt_s": 600, "is_default": True},
    "cakes": {"name": "Заказы тортов", "skills": ["торты"], "frt_s": 300, "overflow_after_s": 180},
    "wholesale": {"name": "Опт", "hours": HOURS_WHOLESALE, "skills": ["опт"], "frt_s": 3600},
}
_IDS = "SELECT uuidv7() AS id FROM generate_series(1, $1)"
CAKE_WORDS = ["торт*", "свадьб*", "свадебн*", "день рождения", "дня рождения", "аллерги*"]


def closed_queues(now: datetime, zone: ZoneInfo) -> list[QueueKey]:
    """Those outside their hours (holidays apart)."""
    calendars = {key: read_calendar(queue.get("hours", {}), {}, "", zone) for key, queue in QUEUES.items()}
    return [key for key, calendar in calendars.items() if not is_open(calendar, now)]


class Demo(NamedTuple):
    """The demo workspace there is. `channels`: connector name -> id; `agents`: login -> id."""

    password: str
    channels: dict[str, UUID]
    agents: dict[str, UUID]
    filled_at: datetime


async def is_empty(connection: Connection) -> bool:
    """Nothing that somebody made or that came in."""
    return bool(
        await connection.fetchval(
            "SELECT NOT EXISTS (SELECT FROM contact) AND NOT EXISTS (SELECT FROM channel)"
            " AND NOT EXISTS (SELECT FROM agent) AND NOT EXISTS (SELECT FROM journal)"
        )
    )


async def read_demo(connection: Connection) -> Demo | None:
    """None: this database is no demo."""
    found = await read_setting(connection, KEY)
    if found is None:
        return None
    agents = {row["login"]: row["id"] for row in await connection.fetch("SELECT login, id FROM agent WHERE active")}
    rows = await connection.fetch("SELECT id FROM channel WHERE id = ANY($1)", list(found["channels"].values()))
    alive = {str(row["id"]) for row in rows}
    channels = {name: UUID(text) for name, text in found["channels"].items() if text in alive}
    staff = {p.login: agents[p.login] for p in STAFF if p.login in agents}
    return Demo(found["password"], channels, staff, datetime.fromisoformat(found["filled_at"]))


async def note_channel(connection: Connection, connector: str, channel_id: UUID) -> None:
    """A channel that joined the demo."""
    found = await read_setting(connection, KEY)
    assert found is not None
    await write_setting(connection, KEY, found | {"channels": found["channels"] | {connector: str(channel_id)}})


async def fill(store: Store, connection: Connection, channels: dict[str, UUID], now: datetime) -> None:
    """Inside the caller's transaction, the channels being there. `channels`: some of history.MIX."""
    rng = random.Random(SEED)
    password = secrets.token_urlsafe(6)
    zone = store.settings.zone
    agents = await _staff(connection, password, now)
    await furnish(connection, {login: agent.id for login, agent in agents.items()}, now)
    queues = await _queues(connection, agents)
    await _extensions(connection, agents, channels)
    people = clients(rng, now.astimezone(zone).date())
    told = episodes(rng, people, [name for name in MIX if name in channels], now, zone)
    begun = {episode.client: episode.at for episode in reversed(told)}
    reached = await _contacts(connection, people, agents, begun, now)
    used = [name for episode in told for name in episode.files]
    count = len(told) + sum(episode.size for episode in told) + len(used)
    ids = iter([row["id"] for row in await connection.fetch(_IDS, count)])
    kept = await keep_files(store.blobs)
    writer = Writer(agents, queues, channels, zone, ids, _back(now), kept, lambda n, text: _letter(people[n], text))
    writer.sources = {n: person.source for n, person in enumerate(people)}
    writer.tell(told, reached)
    await hold_files(connection, kept, used)
    for table, columns in COLUMNS.items():
        await connection.copy_records_to_table(table, records=writer.rows[table], columns=columns)
    await add_work(connection, {login: agent.id for login, agent in agents.items()}, now, rng)
    made = {
        "password": password,
        "filled_at": now.isoformat(),
        "channels": {name: str(channel) for name, channel in channels.items()},
    }
    await write_setting(connection, KEY, made)


def _letter(client: Client, text: str) -> str:
    """As the mail connector would have kept it."""
    return sanitize(letter_html(client, text))


def _back(now: datetime) -> datetime:
    """When the absent one is back."""
    return datetime.combine(now.date() + timedelta(days=11), time(5), UTC)


async def _staff(connection: Connection, password: str, now: datetime) -> dict[str, Named]:
    hashed = await hash_password(password)
    agents: dict[str, Named] = {}
    for person in STAFF:
        agent_id: UUID = await connection.fetchval(
            "INSERT INTO agent (login, name, role, password_hash, email, skills, capacity)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
            person.login,
            person.name,
            person.role,
            hashed,
            f"{person.login}@example.com",
            [*person.skills, *([person.shop] if person.shop else [])],
            CAPACITY | person.capacity,
        )
        agents[person.login] = Named(agent_id, person.name)
    for person in (p for p in STAFF if p.deputy):
        await connection.execute(
            "INSERT INTO absence (agent_id, from_at, until_at, deputy_id, reason) VALUES ($1, $2, $3, $4, 'отпуск')",
            agents[person.login].id,
            now - ABSENT_SINCE,
            _back(now),
            agents[person.deputy].id,
        )
    return agents


async def _queues(connection: Connection, agents: dict[str, Named]) -> dict[QueueKey, Named]:
    """The queue every installation begins with becomes the retail one."""
    await connection.execute("UPDATE queue SET name = $1 WHERE is_default", QUEUES["retail"]["name"])
    queues: dict[QueueKey, Named] = {}
    holiday: dict[str, list[Any]] = {
        f"{year}-{day}": [] for year in (2026, 2027, 2028) for day in ("01-01", "01-02", "01-07", "05-09")
    }
    for key, queue in QUEUES.items():
        queue_id: UUID = await connection.fetchval(
            "INSERT INTO queue (name, skills, hours, holidays, frt_s, overflow_after_s, is_default)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO UPDATE SET skills = excluded.skills,"
            " hours = excluded.hours, holidays = excluded.holidays, frt_s = excluded.frt_s RETURNING id",
            queue["name"],
            queue.get("skills", []),
            queue.get("hours", {}),
            holiday if key == "wholesale" else HOLIDAYS_RETAIL if key == "retail" else {},
            queue["frt_s"],
            queue.get("overflow_after_s", 0),
            queue.get("is_default", False),
        )
        queues[key] = Named(queue_id, queue["name"])
    await connection.execute(
        "UPDATE queue SET overflow_queue_id = $2 WHERE id = $1", queues["cakes"].id, queues["retail"].id
    )
    members = [(queues[key].id, agents[p.login].id) for p in STAFF for key in p.queues]
    await connection.copy_records_to_table("queue_member", records=members, columns=("queue_id", "agent_id"))
    rules: list[tuple[str, dict[str, Any], QueueKey]] = [
        ("Опт", {"tag": ["опт"]}, "wholesale"),
        ("Торты и праздники", {"text": CAKE_WORDS}, "cakes"),
        ("VIP", {"vip": True}, "cakes"),
    ]
    for position, (name, conditions, key) in enumerate(rules, 1):
        check_conditions(conditions)
        fields = {"position": position * 10, "name": name, "conditions": conditions, "queue_id": queues[key].id}
        await save_rule(connection, None, fields | {"agent_id": None, "active": True})
    return queues


async def _extensions(connection: Connection, agents: dict[str, Named], channels: dict[str, UUID]) -> None:
    if "mango" not in channels:
        return
    rows = [(channels["mango"], p.extension, agents[p.login].id) for p in STAFF if p.extension]
    await connection.copy_records_to_table(
        "agent_extension", records=rows, columns=("channel_id", "extension", "agent_id")
    )


CONTACT = (
    *("id", "card_id", "kind", "name", "sort_name", "company_id", "owner_id", "custom", "tags", "vip", "language"),
    *("birthday", "source", "created_at", "updated_at"),
)
IDENTITY = ("id", "kind", "value", "name", "contact_id", "source", "confidence", "created_at")


async def _contacts(
    connection: Connection,
    people: Sequence[Client],
    agents: dict[str, Named],
    begun: dict[int, datetime],
    now: datetime,
) -> dict[tuple[int, str], Reached]:
    """Cards and addresses; what of it a channel reaches."""
    ids = iter([row["id"] for row in await connection.fetch(_IDS, 5 * len(people))])
    cards = list(islice(ids, len(people)))
    contacts, identities = [], []
    reached: dict[tuple[int, str], Reached] = {}
    for n, person in enumerate(people):
        at = begun.get(n, now - timedelta(days=70 + n))
        company = cards[person.works_at] if person.works_at is not None else None
        owner = agents[person.owner].id if person.owner else None
        contacts.append(
            (
                *(cards[n], cards[n], "company" if person.company else "person", person.name, sort_name(person.name)),
                *(company, owner, person.custom, person.tags, person.vip, "ru", person.birthday, person.source, at, at),
            )
        )
        for kind, value, ways in _addresses(person):
            identity_id = next(ids)
            identities.append((identity_id, kind, value, person.name, cards[n], "message", 1.0, at))
            for connector in ways:
                reached[n, connector] = Reached(cards[n], identity_id, Address(kind, value, name=person.name))
    await connection.copy_records_to_table("contact", records=contacts, columns=CONTACT)
    await connection.copy_records_to_table("identity", records=identities, columns=IDENTITY)
    return reached


def _addresses(person: Client) -> list[tuple[str, str, tuple[str, ...]]]:
    """(kind, value, connectors over which it is reached)."""
    found: list[tuple[str, str, tuple[str, ...]]] = []
    if person.telegram:
        found.append(("telegram", str(person.telegram), ("telegram",)))
    found.append(("phone", person.phone, ("smsc", "mango", "form")))
    if person.email:
        found.append(("email", person.email, ("email",)))
    if person.username:
        found.append(("telegram_username", person.username, ()))
    return found
