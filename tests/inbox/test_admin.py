from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from storage.journal import NewEntry, insert, unique_key
from tests.inbox.conftest import World


async def _journal(
    world: World, *states: str | None, body: bytes = b"{}", request: dict[str, object] | None = None
) -> list[int]:
    """One entry per state; None: still on the work list."""
    async with world.store.pool.acquire() as connection:
        for state in states:
            entry = NewEntry(channel_id=world.channel, key=unique_key(), lane=1, body=body, request=request)
            await insert(connection, [entry])
            entry_id = await connection.fetchval("SELECT max(id) FROM journal")
            if state is not None:
                await connection.execute("DELETE FROM journal_todo WHERE entry_id = $1", entry_id)
                await connection.execute(
                    "INSERT INTO journal_result (entry_id, state, detail) VALUES ($1, $2, 'why')", entry_id, state
                )
    return [row["id"] for row in await world.store.pool.fetch("SELECT id FROM journal ORDER BY id")]


async def test_journal_by_state(world: World) -> None:
    """Each entry is found under exactly its state and its channel, in order both ways."""
    states = ["done", None, "failed", "ignored", "quarantined", "failed", None]
    ids = await _journal(world, *states)
    for state in ("new", "done", "ignored", "failed", "quarantined"):
        expected = [i for i, s in zip(ids, states, strict=True) if (s or "new") == state]
        items = await world.sue.walk(f"/journal?state={state}&channel={world.channel}")
        assert [item["id"] for item in items] == expected
        assert {item["state"] for item in items} == {state}
        assert [i["id"] for i in await world.sue.walk(f"/journal?state={state}&order=desc")] == expected[::-1]
    assert [item["id"] for item in await world.sue.walk("/journal")] == ids
    assert (await world.sue.get("/journal?state=lost")).status == 422


async def test_entries_outlive_their_partition(world: World) -> None:
    """What was copied to journal_kept is listed and shown like the rest."""
    (entry,) = await _journal(world, "failed")
    await world.store.pool.execute("INSERT INTO journal_kept SELECT * FROM journal")
    await world.store.pool.execute("DELETE FROM journal")
    assert [i["id"] for i in await world.sue.walk("/journal?state=failed")] == [entry]
    assert (await world.sue.get(f"/journal/{entry}")).body["entry"]["detail"] == "why"


@pytest.mark.parametrize(
    ("body", "shown"),
    [(b'{"a": [1]}', {"json": {"a": [1]}}), ("текст".encode(), {"text": "текст"}), (b"\xff\xfe", {"base64": "//4="})],
)
async def test_entry_is_shown_without_secrets(world: World, body: bytes, shown: dict[str, object]) -> None:
    """JSON, text or bytes are shown as such; the hook's token and what the connector calls secret are not."""
    token = await world.store.pool.fetchval("SELECT token FROM channel")
    headers = {"x-telegram-bot-api-secret-token": "s3cret"}
    (entry,) = await _journal(world, "done", body=body, request={"path": f"/hooks/{token}", "headers": headers})
    answer = await world.sue.get(f"/journal/{entry}")
    assert answer.status == 200
    assert shown.items() <= answer.body.items()
    assert "s3cret" not in str(answer.body)
    assert token not in str(answer.body)


async def test_replay(world: World) -> None:
    """Replay hands the entry to the router; an unknown one is a 404; agents may not."""
    (entry,) = await _journal(world, "failed")
    assert (await world.sue.call("POST", f"/journal/{entry}/replay")).body == {"replayed": 1}
    assert world.replayed == [entry]
    assert (await world.sue.call("POST", "/journal/99999/replay")).status == 404
    assert (await world.anna.call("POST", f"/journal/{entry}/replay")).status == 403
    assert world.replayed == [entry]


async def test_channels_show_health_and_no_secret(world: World) -> None:
    """Everybody sees how channels do; the hook's address is for administrators."""
    await world.store.pool.execute(
        "INSERT INTO channel_health (channel_id, problem) VALUES ($1, 'token')", world.channel
    )
    (seen,) = await world.anna.walk("/channels")
    assert (seen["problem"], seen["state"]) == ("token", "active")
    assert not {"settings", "token", "hook_url"} & set(seen)
    (full,) = await world.root.walk("/channels")
    assert full["hook_url"].startswith("http://127.0.0.1:8080/hooks/")


async def test_agents_are_made_and_changed_by_admins(world: World) -> None:
    """An administrator hires and changes; a login is taken once; the last administrator stays."""
    body = {"login": "Vera", "name": "Vera", "password": "long enough", "skills": ["en"], "capacity": {"message": 3}}
    made = await world.root.call("POST", "/agents", body)
    assert made.status == 201, made.body
    assert (made.body["login"], made.body["capacity"]["message"], made.body["capacity"]["call"]) == ("vera", 3, 1)
    assert (await world.root.call("POST", "/agents", body)).status == 409
    assert (await world.sue.call("POST", "/agents", body | {"login": "x"})).status == 403
    changed = await world.root.call("PATCH", f"/agents/{made.body['id']}", {"role": "supervisor", "skills": []})
    assert changed.body["role"] == "supervisor"
    assert "skills" not in changed.body
    assert (await world.root.call("PATCH", f"/agents/{world.root.id}", {"role": "agent"})).status == 409
    assert "password" not in str(await world.root.walk("/agents"))
    log = await world.store.pool.fetch("SELECT before, after FROM audit_log WHERE object_kind = 'agent'")
    assert "long enough" not in str([dict(row) for row in log])


async def test_presence_is_ones_own(world: World) -> None:
    """An agent comes and goes, everybody is told; a token of nobody has no presence."""
    assert (await world.anna.get("/presence")).body == {}
    put = await world.anna.call("PUT", "/presence", {"state": "online"})
    assert (put.status, put.body["state"]) == (200, "online")
    assert (await world.anna.get("/presence")).body["state"] == "online"
    assert [a["presence"] for a in await world.sue.walk("/agents") if a["id"] == str(world.anna.id)] == ["online"]
    assert [e["type"] for e in await world.boris.walk("/events")] == ["agent.presence"]
    assert (await world.api.call("PUT", "/presence", {"state": "online"})).status == 403
    assert (await world.anna.call("PUT", "/presence", {"state": "asleep"})).status == 422


async def test_queues_members_and_rules(world: World) -> None:
    """Queues and rules are written by administrators, checked, and read by all."""
    hours = {"1": [["09:00", "18:00"]]}
    made = await world.root.call("POST", "/queues", {"name": "Опт", "hours": hours, "frt_s": 300})
    assert made.status == 201, made.body
    path = f"/queues/{made.body['id']}"
    members = await world.root.call("PUT", f"{path}/members", {"agents": [str(world.anna.id)]})
    assert members.body["members"] == [str(world.anna.id)]
    assert (await world.root.call("PUT", f"{path}/members", {"agents": [made.body["id"]]})).status == 422
    assert (await world.root.call("PATCH", path, {"name": "Sales"})).status == 409
    assert (await world.root.call("PATCH", path, {"hours": {"9": []}})).status == 422
    assert (await world.root.call("PATCH", path, {"frt_s": 60})).body["frt_s"] == 60
    rule = {"position": 1, "name": "VIP", "conditions": {"vip": True}, "queue_id": made.body["id"]}
    saved = await world.root.call("POST", "/rules", rule)
    assert saved.status == 201, saved.body
    assert (await world.root.call("POST", "/rules", rule | {"conditions": {"colour": "red"}})).status == 422
    assert (await world.root.call("POST", "/rules", rule | {"queue_id": None})).status == 422
    changed = await world.root.call("PUT", f"/rules/{saved.body['id']}", rule | {"position": 2})
    assert changed.body["position"] == 2
    assert [r["name"] for r in await world.anna.walk("/rules")] == ["VIP"]
    assert (await world.anna.call("POST", "/rules", rule)).status == 403
    assert (await world.root.call("DELETE", f"/rules/{saved.body['id']}")).status == 200
    assert (await world.root.call("DELETE", f"/rules/{saved.body['id']}")).status == 404


async def test_absences(world: World) -> None:
    """One's own absence with a deputy; that of others is for supervisors; the end must come after the beginning."""
    now = datetime.now(UTC)
    body = {"from_at": now.isoformat(), "until_at": (now + timedelta(days=3)).isoformat()}
    made = await world.anna.call("POST", "/absences", body | {"deputy_id": str(world.boris.id)})
    assert made.status == 201, made.body
    assert (await world.boris.walk("/absences"))[0]["agent_id"] == str(world.anna.id)
    others = body | {"agent_id": str(world.anna.id)}
    assert (await world.boris.call("POST", "/absences", others)).status == 403
    assert (await world.sue.call("POST", "/absences", others)).status == 201
    assert (await world.anna.call("POST", "/absences", body | {"until_at": body["from_at"]})).status == 422
    assert (await world.anna.call("POST", "/absences", body | {"deputy_id": str(world.anna.id)})).status == 422
    assert (await world.boris.call("DELETE", f"/absences/{made.body['id']}")).status == 404
    assert (await world.anna.call("DELETE", f"/absences/{made.body['id']}")).status == 200


async def test_token_is_shown_once_and_revoked(world: World) -> None:
    """A new token works, only its digest is kept, and once revoked it is a 401."""
    made = await world.root.call("POST", "/tokens", {"name": "crm", "scopes": ["read"]})
    assert made.status == 201, made.body
    person = type(world.api)(world, None, made.body["token"])
    assert (await person.get("/conversations")).status == 200
    (row,) = [t for t in await world.root.walk("/tokens") if t["name"] == "crm"]
    assert "hash" not in row
    assert made.body["token"] not in str(row)
    assert (await world.root.call("DELETE", f"/tokens/{row['id']}")).status == 200
    assert (await person.get("/conversations")).status == 401
    assert (await world.root.call("POST", "/tokens", {"name": "x", "scopes": ["sudo"]})).status == 422
