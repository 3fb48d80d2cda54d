"""For the walk over every endpoint: one of each thing an agent has to himself, and a request made from a route's types."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import msgspec
from aiohttp import FormData
from msgspec import inspect

from inbox.api.routes import Route
from tests.inbox.conftest import World

MARK = "тайнопись"
"""Stands in every text of what is Anna's alone. Nobody else may ever read it."""


@dataclass
class Things:
    """`ids` by the names that paths, queries and bodies use. `private`: those of them that are Anna's alone."""

    ids: dict[str, str]
    private: frozenset[str]

    def of(self, name: str) -> str:
        """An id by its name (`contact`, `contact_id`), else one of nothing."""
        return self.ids.get(name.removesuffix("_id"), str(uuid4()))


async def make_things(world: World) -> Things:
    """Anna's client, conversation and what hangs on them; colleagues and settings that everybody shares."""
    pool = world.store.pool
    vera = await world.hire("vera")
    contact = await world.new_contact(MARK, owner=world.anna, telegram="424242")
    other = await world.new_contact(f"{MARK} 2", owner=world.anna, phone="+79161234567")
    identity = await pool.fetchval("SELECT id FROM identity WHERE contact_id = $1", contact)
    channel = await pool.fetchval(
        "INSERT INTO channel (connector, name, token, settings) VALUES ('telegram', 'Bot', $1, $2) RETURNING id",
        uuid4().hex,
        world.store.vault.encrypt({"token": "1:x", "base_url": "http://127.0.0.1:9"}),
    )
    talk = await world.new_conversation(contact, assignee=world.anna, channel=channel, identity=identity)
    interaction = await world.new_interaction(talk, text=f"{MARK} слово")
    sent = await world.anna.call("POST", f"/conversations/{talk}/messages", {"text": MARK})
    assert sent.status == 201, sent.body
    ids: dict[str, Any] = {
        "agent": vera.id,
        "to_agent": vera.id,
        "assignee": vera.id,
        "owner": vera.id,
        "channel": channel,
        "queue": world.queue,
        "contact": contact,
        "other": other,
        "identity": identity,
        "conversation": talk,
        "interaction": interaction,
        "outbound": sent.body["outbound_id"],
        "token": await pool.fetchval("SELECT id FROM api_token WHERE agent_id = $1", vera.id),
    } | await _more(world, talk, contact, other)
    private = {
        *("contact", "identity", "conversation", "interaction", "outbound", "attachment", "task", "call", "canned"),
        *("view", "transfer", "merge", "suggestion", "import", "session", "absence"),
    }
    return Things({name: str(value) for name, value in ids.items()}, frozenset(private))


_ROWS = {
    "task": "INSERT INTO task (title, text, assignee_id, contact_id) VALUES ($1, $1, $2, $3) RETURNING id",
    "canned": "INSERT INTO canned_answer (shortcut, text, agent_id) VALUES ($1, $1, $2) RETURNING id",
    "view": "INSERT INTO saved_view (object, name, agent_id) VALUES ('contact', $1, $2) RETURNING id",
    "import": "INSERT INTO import_job (name, blob, created_by) VALUES ($1, '', $2) RETURNING id",
    "session": "INSERT INTO web_session (hash, agent_id, expires_at, user_agent)"
    " VALUES ('\\x00', $2, now() + interval '1 day', $1) RETURNING id",
    "absence": "INSERT INTO absence (agent_id, from_at, until_at, reason) VALUES ($2, now() + interval '9 day',"
    " now() + interval '10 day', left($1, 0)) RETURNING id",
    "attachment": "INSERT INTO attachment (name, state, uploaded_by) VALUES ($1, 'failed', $2) RETURNING id",
    "rule": "INSERT INTO routing_rule (position, name, queue_id) SELECT 9, 'Rule', id FROM queue LIMIT 1 RETURNING id",
    "field": "INSERT INTO custom_field (key, label) VALUES ('size', 'Size') RETURNING id",
}


async def _more(world: World, talk: UUID, contact: UUID, other: UUID) -> dict[str, UUID]:
    """What hangs on Anna's conversation and card, written as rows."""
    pool = world.store.pool
    found: dict[str, UUID] = {}
    for name, statement in _ROWS.items():
        arguments = [MARK, world.anna.id, contact][: max(n for n in range(4) if n == 0 or f"${n}" in statement)]
        found[name] = await pool.fetchval(statement, *arguments)
    found["call"] = await pool.fetchval(
        "INSERT INTO call (channel_id, external_id, conversation_id, state, client)"
        " VALUES ($1, 'x', $2, 'finished', $3) RETURNING id",
        world.channel,
        talk,
        MARK,
    )
    found["transfer"] = await pool.fetchval(
        "INSERT INTO transfer (conversation_id, from_agent_id, to_agent_id, reason) VALUES ($1, $2, $3, $4) RETURNING id",
        talk,
        world.anna.id,
        world.sue.id,
        MARK,
    )
    third = await world.new_contact(f"{MARK} 3", owner=world.anna)
    merged = await world.anna.call("POST", f"/contacts/{other}/merge", {"other_id": str(third)})
    found["merge"] = UUID(merged.body["merge_id"])
    found["suggestion"] = await pool.fetchval(
        "INSERT INTO merge_suggestion (first_id, second_id, reason, score) VALUES ($1, $2, $3, 1) RETURNING id",
        min(contact, other),
        max(contact, other),
        MARK,
    )
    await pool.execute(
        "INSERT INTO draft (agent_id, conversation_id, body) VALUES ($1, $2, $3)", world.anna.id, talk, {"text": MARK}
    )
    return found


# ---------------------------------------------------------------- requests made of types


def path_of(route: Route, things: Things) -> str:
    path: str = route.path
    for name, type_ in route.params.items():
        path = path.replace("{" + name + "}", things.of(name) if type_ is UUID else "1")
    return path


def body_of(route: Route, things: Things, *, full: bool) -> Any:
    """A body the types accept: with the needed fields, or with every one. None where the route takes none."""
    return None if route.body is None else sample(inspect.type_info(route.body), "", things, full=full)


def queries_of(route: Route, things: Things) -> list[dict[str, str]]:
    """No parameter, then each alone."""
    if route.query is None:
        return [{}]
    info = inspect.type_info(route.query)
    assert isinstance(info, inspect.StructType)
    found: list[dict[str, str]] = [{}]
    for field in info.fields:
        if field.encode_name in {"after", "limit"}:
            continue
        value = sample(field.type, field.encode_name, things, full=True)
        if field.encode_name == "q":
            value = MARK[:6]
        if isinstance(value, str | int) and not isinstance(value, bool):
            found.append({field.encode_name: str(value)})
    return found


def sample(info: Any, name: str, things: Things, *, full: bool) -> Any:
    """One value of a type, as JSON."""
    match info:
        case inspect.StructType():
            wanted = [field for field in info.fields if field.required or full]
            return {field.encode_name: sample(field.type, field.encode_name, things, full=full) for field in wanted}
        case inspect.UnionType():
            plain = [one for one in info.types if not isinstance(one, inspect.NoneType)]
            return sample(plain[0], name, things, full=full)
        case inspect.UUIDType():
            return things.of(name)
        case inspect.StrType():
            return _text(info, name, things)
        case inspect.LiteralType():
            return info.values[0]
        case inspect.BoolType():
            return True
        case inspect.IntType() | inspect.FloatType():
            return max(info.ge or 0, 1) if info.le is None or info.le >= 1 else info.le
        case inspect.DateTimeType():
            return "2030-01-01T00:00:00Z"
        case inspect.DateType():
            return "2000-01-01"
        case inspect.ListType() | inspect.CollectionType():
            return [sample(info.item_type, name.removesuffix("s"), things, full=full)]
    return {} if isinstance(info, inspect.DictType) else None


def _text(info: inspect.StrType, name: str, things: Things) -> str:
    if name.removesuffix("_id") in things.ids:
        return things.of(name)
    return "x" * max(info.min_length or 0, 3)


def form_of(route: Route) -> FormData | None:
    """A file for those who take one."""
    if not (route.raw and route.method == "POST" and route.scope is not None and route.body is None):
        return None
    form = FormData()
    form.add_field("file", b"name,phone\nx,+79990000001\n", filename="x.csv", content_type="text/csv")
    return form


def told(data: bytes) -> str:
    """What an answer says, escapes undone."""
    try:
        return json.dumps(msgspec.json.decode(data), ensure_ascii=False)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return data.decode(errors="replace")
