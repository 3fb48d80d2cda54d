# lint-skip: words - a ticket here is a short-lived credential between two steps of signing in
from __future__ import annotations

from tests.inbox.conftest import PASSWORD, World
from tests.inbox.signing import Browser


async def _vera(world: World) -> Browser:
    await world.hire("vera", password=PASSWORD)
    browser = Browser(world)
    assert (await browser.sign_in()).status == 201
    return browser


async def test_profile_is_ones_own_to_change(world: World) -> None:
    """Name, language and theme are kept over sessions; what is another's matter (role, login) can't be sent."""
    browser = await _vera(world)
    body = {"name": "Вера", "language": "en", "theme": "dark"}
    changed = await browser.call("PATCH", "/me", body)
    assert changed.status == 200, changed.body
    again = Browser(world)
    await again.sign_in()
    seen = (await again.call("GET", "/me")).body
    assert (seen["agent"]["name"], seen["agent"]["language"], seen["theme"]) == ("Вера", "en", "dark")
    for wrong in ({"role": "admin"}, {"theme": "pink"}, {"name": ""}, {"capacity": {"call": 9}}):
        assert (await browser.call("PATCH", "/me", wrong)).status == 422
    assert (await world.api.get("/me")).status == 403


async def test_new_password_needs_the_old_one(world: World) -> None:
    """With the old password it changes and ends the other sessions; without it nothing changes."""
    here, there = await _vera(world), Browser(world)
    await there.sign_in()
    for body in ({"password": "another horse"}, {"password": "another horse", "old_password": "wrong"}):
        assert (await here.call("PATCH", "/me", body)).status == 403
    assert (await there.call("GET", "/session")).status == 200
    done = await here.call("PATCH", "/me", {"password": "another horse", "old_password": PASSWORD})
    assert done.status == 200, done.body
    assert (await here.call("GET", "/session")).status == 200
    assert (await there.call("GET", "/session")).status == 401
    assert (await Browser(world).sign_in()).status == 401
    assert (await Browser(world).sign_in(password="another horse")).status == 201


async def test_sessions_are_seen_and_ended(world: World) -> None:
    """One sees where one is signed in, ends one of them or all others; those of others are for administrators."""
    here, there, third = await _vera(world), Browser(world, agent="phone"), Browser(world)
    await there.sign_in()
    await third.sign_in()
    listed = (await here.call("GET", "/sessions")).items
    assert len(listed) == 3
    assert [item["user_agent"] for item in listed if item["current"]] == ["test browser"]
    assert {item["address"] for item in listed} == {"127.0.0.1"}
    (phone,) = [item for item in listed if item["user_agent"] == "phone"]
    assert (await world.anna.call("DELETE", f"/sessions/{phone['id']}")).status == 404
    assert (await here.call("DELETE", f"/sessions/{phone['id']}")).status == 200
    assert (await there.call("GET", "/session")).status == 401
    assert (await here.call("DELETE", "/sessions")).body == {"ended": 1}
    assert (await third.call("GET", "/session")).status == 401
    path = f"/sessions?agent={world.vera.id}"
    assert (await world.sue.get(path)).status == 403
    assert len((await world.root.get(path)).items) == 1
    assert (await world.root.call("DELETE", path)).body == {"ended": 1}
    assert (await here.call("GET", "/session")).status == 401


async def test_link_for_a_new_password(world: World) -> None:
    """The link works once, for an agent who never had a password too; not after another change; others can't make one."""
    await world.hire("vera")
    path = f"/agents/{world.vera.id}/password-link"
    assert (await world.sue.call("POST", path)).status == 403
    assert (await world.root.call("POST", f"/agents/{world.queue}/password-link")).status == 404
    first, second = [await world.root.call("POST", path) for _ in range(2)]
    assert first.status == 201, first.body
    address, _, ticket = first.body["url"].partition("#")
    assert address.endswith("/password")
    body = {"ticket": ticket, "password": PASSWORD}
    assert (await Browser(world).call("POST", "/session/password", body | {"password": "short"})).status == 422
    assert (await Browser(world).call("POST", "/session/password", body)).status == 200
    assert (await Browser(world).sign_in()).status == 201
    for used in (ticket, second.body["url"].partition("#")[2], "v1:x"):
        answer = await Browser(world).call("POST", "/session/password", {"ticket": used, "password": "third horse"})
        assert answer.status == 401
    assert (await Browser(world).sign_in()).status == 201


async def test_audit_tells_who_changed_what(world: World) -> None:
    """Found by actor, action, object and time, newest first too; with the actor's name and no secret; for administrators."""
    await world.root.call("PATCH", f"/agents/{world.anna.id}", {"name": "Anna B", "password": "another horse"})
    await world.root.call("PATCH", "/workspace", {"name": "Bakery"})
    await _vera(world)
    every = await world.root.walk("/audit")
    assert [item["action"] for item in every] == ["agent.changed", "workspace.changed", "session.opened"]
    assert [item["id"] for item in await world.root.walk("/audit?order=desc")] == [item["id"] for item in every][::-1]
    (changed,) = await world.root.walk(f"/audit?object=agent&object_id={world.anna.id}")
    assert (changed["actor_name"], changed["after"]["name"]) == ("Root", "Anna B")
    assert "another horse" not in str(every)
    assert len(await world.root.walk(f"/audit?actor={world.root.id}")) == 2
    assert len(await world.root.walk("/audit?action=session.")) == 1
    assert await world.root.walk("/audit?action=session") == []
    assert await world.root.walk("/audit?until=2020-01-01T00:00:00Z") == []
    assert len(await world.root.walk("/audit?from=2020-01-01T00:00:00Z")) == 3
    assert (await world.sue.get("/audit")).status == 403


async def test_workspace_settings(world: World) -> None:
    """Everybody reads them, administrators change those of the company; the installation's own can't be sent."""
    seen = (await world.anna.get("/workspace")).body
    assert (seen["timezone"], seen["undo_send_s"], seen["retention"]["journal_days"]) == ("Europe/Moscow", 5, 90)
    body = {"name": "Bakery", "undo_send_s": 0, "presence_reasons": ["Обед"]}
    changed = await world.root.call("PATCH", "/workspace", body)
    assert body.items() <= changed.body.items()
    assert body.items() <= (await world.anna.get("/workspace")).body.items()
    for wrong in ({"timezone": "UTC"}, {"undo_send_s": 61}, {"second_factor_roles": ["boss"]}, {"name": ""}):
        assert (await world.root.call("PATCH", "/workspace", wrong)).status == 422
    assert (await world.sue.call("PATCH", "/workspace", body)).status == 403


async def test_supervisors_see_the_team(world: World) -> None:
    """Who is there, what they hold of which capacity, until when they are away; not for agents."""
    await world.anna.call("PUT", "/presence", {"state": "online"})
    await world.boris.call("PUT", "/presence", {"state": "away", "reason": "Обед"})
    await world.talk(assignee=world.anna)
    team = {item["name"]: item for item in await world.sue.walk("/presence/all")}
    assert (team["Anna"]["online"], team["Anna"]["open"], team["Anna"]["capacity"]["message"]) == (
        True,
        {"message": 1},
        5,
    )
    assert (team["Boris"]["state"], team["Boris"]["reason"], team["Boris"]["online"]) == ("away", "Обед", False)
    assert team["Sue"]["state"] == "offline"
    assert {item["name"] for item in await world.sue.walk(f"/presence/all?queue={world.queue}")} == {"Anna", "Boris"}
    absence = {"from_at": "2020-01-01T00:00:00Z", "until_at": "2090-01-01T00:00:00Z", "deputy_id": str(world.boris.id)}
    await world.anna.call("POST", "/absences", absence)
    away = {item["name"]: item for item in await world.sue.walk("/presence/all")}["Anna"]
    assert (away["online"], away["deputy_id"]) == (False, str(world.boris.id))
    assert (await world.anna.get("/presence/all")).status == 403


async def test_notices_are_ones_own_and_kept(world: World) -> None:
    """What to be told of is as usual at first, kept as chosen, and nobody else's; a theme chosen beside it stays."""
    usual = (await world.anna.get("/me")).body["notices"]
    assert (await world.anna.call("PATCH", "/me", {"theme": "dark"})).status == 200
    chosen = {"messages": False, "sound": "bell"}
    changed = await world.anna.call("PATCH", "/me", {"notices": chosen})
    assert changed.status == 200, changed.body
    mine = (await world.anna.get("/me")).body
    assert (mine["theme"], mine["notices"]) == ("dark", usual | chosen)
    assert (await world.boris.get("/me")).body["notices"] == usual
    assert (await world.anna.call("PATCH", "/me", {"notices": {"sound": "siren"}})).status == 422
