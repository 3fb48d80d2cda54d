# lint-skip: words - a ticket here is a short-lived credential between two steps of signing in
from __future__ import annotations

import asyncio

import pytest

from inbox import totp
from tests.inbox.conftest import PASSWORD, World
from tests.inbox.signing import Browser, code_of, enrolled

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.mark.parametrize(
    ("at", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_rfc(at: int, code: str) -> None:
    """RFC 6238, appendix B (its eight digits cut to the last six)."""
    assert totp.code_at(RFC_SECRET, at // 30) == code
    assert totp.fitting_step(RFC_SECRET, code, at) == at // 30
    assert totp.fitting_step(RFC_SECRET, code, at + 30) == at // 30
    assert totp.fitting_step(RFC_SECRET, code, at + 60) is None
    assert totp.fitting_step(RFC_SECRET, code, at, after=at // 30) is None


async def _with_factor(world: World) -> tuple[Browser, str, list[str]]:
    await world.hire("vera", password=PASSWORD)
    browser = Browser(world)
    assert (await browser.sign_in()).status == 201
    return browser, *await enrolled(world, browser)


async def _ticket(world: World) -> str:
    asked = await Browser(world).sign_in()
    assert (asked.status, asked.body["code"]) == (401, "second_factor_needed")
    return str(asked.body["ticket"])


async def test_password_alone_does_not_sign_in(world: World) -> None:
    """With a second factor the password gives a ticket and no session; the app's code then does, and only once."""
    browser, secret, _ = await _with_factor(world)
    fresh = Browser(world)
    asked = await fresh.sign_in()
    assert (asked.status, asked.body["code"], fresh.cookie) == (401, "second_factor_needed", "")
    step = {"ticket": asked.body["ticket"], "code": code_of(secret)}
    assert (await fresh.call("POST", "/session/second-factor", step)).status == 201
    assert (await fresh.call("GET", "/session")).body["agent"]["login"] == "vera"
    again = await Browser(world).call(
        "POST", "/session/second-factor", {"ticket": await _ticket(world)} | {"code": step["code"]}
    )
    assert again.status == 401
    older = await Browser(world).call(
        "POST", "/session/second-factor", {"ticket": await _ticket(world)} | {"code": code_of(secret, steps=-1)}
    )
    assert older.status == 401
    assert (await browser.call("GET", "/session")).status == 200


async def test_one_code_opens_one_session(world: World) -> None:
    """Of five requests with one code at the same moment, each with a ticket of its own, one signs in."""
    _, secret, _ = await _with_factor(world)
    tickets = [await _ticket(world) for _ in range(5)]
    bodies = [{"ticket": ticket, "code": code_of(secret)} for ticket in tickets]
    answers = await asyncio.gather(*(Browser(world).call("POST", "/session/second-factor", body) for body in bodies))
    assert sorted(answer.status for answer in answers) == [201, 401, 401, 401, 401]


async def test_ticket_is_for_its_step_alone(world: World) -> None:
    """A used, a forged and another password's ticket are refused; a wrong code leaves the ticket good."""
    _, secret, recovery = await _with_factor(world)
    ticket = await _ticket(world)
    browser = Browser(world)
    assert (await browser.call("POST", "/session/second-factor", {"ticket": ticket, "code": "000000x"})).status == 401
    used = {"ticket": ticket, "code": code_of(secret)}
    assert (await browser.call("POST", "/session/second-factor", used)).status == 201
    for wrong in (ticket, ticket[:-3], "v1:x", world.store.vault.encrypt({"purpose": "second_factor"})):
        body = {"ticket": wrong, "code": recovery[0]}
        assert (await Browser(world).call("POST", "/session/second-factor", body)).status == 401
    stale = await _ticket(world)
    await world.root.call("PATCH", f"/agents/{world.vera.id}", {"password": "another horse"})
    answer = await Browser(world).call("POST", "/session/second-factor", {"ticket": stale, "code": recovery[1]})
    assert answer.status == 401
    enrol = await Browser(world).call("POST", "/session/second-factor/enrol", {"ticket": stale})
    assert enrol.status == 401


async def test_recovery_code_works_once(world: World) -> None:
    """A recovery code, however typed, opens one session; only digests are kept; new ones void the old."""
    browser, _, recovery = await _with_factor(world)
    assert len(set(recovery)) == 10
    typed = recovery[3].upper().replace("-", " ")
    body = {"ticket": await _ticket(world), "code": typed}
    assert (await Browser(world).call("POST", "/session/second-factor", body)).status == 201
    body = {"ticket": await _ticket(world), "code": recovery[3]}
    assert (await Browser(world).call("POST", "/session/second-factor", body)).status == 401
    assert (await browser.call("GET", "/me")).body["second_factor"] == {
        "enabled": True,
        "required": False,
        "recovery_left": 9,
    }
    kept = str(dict(await world.store.pool.fetchrow("SELECT * FROM second_factor") or {}))
    assert not any(code in kept for code in recovery)
    new = await browser.call("POST", "/me/second-factor/recovery", {"password": PASSWORD})
    body = {"ticket": await _ticket(world), "code": recovery[0]}
    assert (await Browser(world).call("POST", "/session/second-factor", body)).status == 401
    body["code"] = new.body["recovery"][0]
    assert (await Browser(world).call("POST", "/session/second-factor", body)).status == 201


async def test_codes_are_slowed_down_like_passwords(world: World) -> None:
    """After ten wrong codes the right one is refused too, with a time to wait."""
    _, secret, _ = await _with_factor(world)
    ticket = await _ticket(world)
    for _ in range(10):
        answer = await Browser(world).call("POST", "/session/second-factor", {"ticket": ticket, "code": "nothing"})
        assert answer.status == 401
    refused = await Browser(world).call("POST", "/session/second-factor", {"ticket": ticket, "code": code_of(secret)})
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) > 0


async def test_secret_is_encrypted_and_the_set_up_needs_the_password(world: World) -> None:
    """The secret lies encrypted; without the password nothing is set up or turned off; the picture is an SVG of the address."""
    await world.hire("vera", password=PASSWORD)
    browser = Browser(world)
    await browser.sign_in()
    for path in ("", "/off", "/recovery"):
        assert (await browser.call("POST", f"/me/second-factor{path}", {"password": "wrong horse"})).status == 403
    made = await browser.call("POST", "/me/second-factor", {"password": PASSWORD})
    assert made.body["uri"].startswith("otpauth://totp/Switchboard%3Avera?secret=")
    assert made.body["svg"].startswith("<svg ")
    kept = await world.store.pool.fetchval("SELECT secret FROM second_factor")
    assert made.body["secret"] not in kept
    assert (await Browser(world).sign_in()).status == 201, "not in force before it is confirmed"
    assert (await browser.call("POST", "/me/second-factor/confirm", {"code": "12"})).status == 422
    await enrolled(world, browser)
    assert (await browser.call("POST", "/me/second-factor", {"password": PASSWORD})).status == 409
    assert (await browser.call("POST", "/me/second-factor/off", {"password": PASSWORD})).status == 200
    assert (await Browser(world).sign_in()).status == 201


async def test_reset_by_an_administrator(world: World) -> None:
    """A lost phone: the reset ends the agent's sessions, and the password alone signs in again."""
    browser, _, _ = await _with_factor(world)
    path = f"/agents/{world.vera.id}/second-factor"
    assert (await world.sue.call("DELETE", path)).status == 403
    assert (await world.root.call("DELETE", path)).status == 200
    assert (await browser.call("GET", "/session")).status == 401
    assert (await Browser(world).sign_in()).status == 201
    assert (await world.root.call("DELETE", path)).status == 404


async def test_policy_makes_a_role_set_it_up(world: World) -> None:
    """A role named by the policy can't sign in without one: the ticket sets it up; sessions without one end at once."""
    await world.hire("vera", password=PASSWORD)
    old = Browser(world)
    await old.sign_in()
    assert (await world.root.call("PATCH", "/workspace", {"second_factor_roles": ["admin"]})).status == 409
    changed = await world.root.call("PATCH", "/workspace", {"second_factor_roles": ["agent"]})
    assert changed.body["second_factor_roles"] == ["agent"]
    assert (await old.call("GET", "/session")).status == 401
    browser = Browser(world)
    asked = await browser.sign_in()
    assert (asked.status, asked.body["code"]) == (401, "second_factor_setup")
    ticket = asked.body["ticket"]
    assert (await browser.call("POST", "/session/second-factor", {"ticket": ticket, "code": "1"})).status == 401
    made = await browser.call("POST", "/session/second-factor/enrol", {"ticket": ticket})
    assert made.status == 200, made.body
    body = {"ticket": ticket, "code": code_of(made.body["secret"])}
    wrong = await browser.call("POST", "/session/second-factor/confirm", body | {"code": "1"})
    assert (wrong.status, browser.cookie) == (401, "")
    done = await browser.call("POST", "/session/second-factor/confirm", body)
    assert (done.status, len(done.body["recovery"])) == (201, 10)
    assert (await browser.call("GET", "/me")).body["second_factor"]["required"] is True
    assert (await browser.call("POST", "/me/second-factor/off", {"password": PASSWORD})).status == 409
    assert (await browser.sign_in()).body["code"] == "second_factor_needed"
