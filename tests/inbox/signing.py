"""A browser that signs in, for the tests of sessions and the second factor."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from inbox.api.auth import COOKIE
from inbox.totp import STEP_S, code_at
from tests.inbox.conftest import PASSWORD, Answer, World


@dataclass
class Browser:
    """Keeps the session's cookie by itself."""

    world: World
    cookie: str = ""
    agent: str = "test browser"
    log: list[Answer] = field(default_factory=list)

    async def call(self, method: str, path: str, body: Any = None) -> Answer:
        headers = {"User-Agent": self.agent} | ({"Cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {})
        async with self.world.http.request(method, self.world.url + path, json=body, headers=headers) as response:
            if COOKIE in response.cookies:
                self.cookie = response.cookies[COOKIE].value
            self.world.http.cookie_jar.clear()
            answer = Answer(response.status, await response.json(content_type=None), response.headers)
            self.log.append(answer)
            return answer

    async def sign_in(self, login: str = "vera", password: str = PASSWORD) -> Answer:
        return await self.call("POST", "/session", {"login": login, "password": password})


def code_of(secret: str, *, steps: int = 0) -> str:
    """What the app shows, some steps from now."""
    return code_at(secret, int(time.time() // STEP_S) + steps)


async def enrolled(world: World, browser: Browser) -> tuple[str, list[str]]:
    """Vera's second factor, set up in a signed-in browser: (secret, recovery codes)."""
    made = await browser.call("POST", "/me/second-factor", {"password": PASSWORD})
    assert made.status == 200, made.body
    secret = str(made.body["secret"])
    done = await browser.call("POST", "/me/second-factor/confirm", {"code": code_of(secret, steps=-1)})
    assert done.status == 200, done.body
    return secret, list(done.body["recovery"])
