"""What a hook refuses, it refuses without a word of what is secret: not to the caller, not in the log."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest
import structlog

from connectors import registry
from storage.store import Store
from tests.e2e.door import Door, open_door

SECRETS: dict[str, dict[str, str]] = {
    "telegram": {"token": "7300000055:AAxTelegramTokenValue", "secret": "telegramSecretValue"},
    "form": {"secret": "formSecretValue"},
    "mango": {"api_key": "mangoKeyValue00000000000000000000", "api_salt": "mangoSaltValue0000000000000000000"},
    "smsc": {"login": "demo", "psw": "smscPasswordValue", "secret": "smscSecretValue"},
    "email": {"password": "mailPasswordValue", "address": "box@client.example"},
}
OPEN = {"demo", "box@client.example"}


@pytest.fixture
async def door(store: Store) -> AsyncIterator[Door]:
    async with open_door(store) as found:
        yield found


def requests(secrets: list[str]) -> list[tuple[str, bytes, dict[str, str]]]:
    """(query, body, headers): what is broken, unsigned, and right words in wrong places."""
    json, form = {"Content-Type": "application/json"}, {"Content-Type": "application/x-www-form-urlencoded"}
    found: list[tuple[str, bytes, dict[str, str]]] = [("", b"", {}), ("", b"{", json), ("", b"\xff\x00", form)]
    for word in secrets:
        found += [
            (urlencode({"secret": word, "sign": word}), b"", {}),
            ("", b'{"update_id": "%s", "message": "%s"}' % (word.encode(), word.encode()), json),
            ("", urlencode({"vpbx_api_key": word, "sign": word, "json": f'{{"{word}": [}}'}).encode(), form),
            ("", urlencode({"id": word, "phone": word, "md5": word}).encode(), form),
            ("", b"--x\r\n", {"Content-Type": f"multipart/form-data; boundary={word}"}),
            ("", b"[]", json | {"X-Telegram-Bot-Api-Secret-Token": word + "!", "X-Hub-Key": word + "!"}),
        ]
    return found


def test_every_connector_is_asked() -> None:
    """A new connector states its secrets here."""
    assert SECRETS.keys() == registry.MODULES.keys()


@pytest.mark.parametrize("connector", SECRETS)
async def test_refusals_tell_no_secret(door: Door, caplog: pytest.LogCaptureFixture, connector: str) -> None:
    """Neither an answer nor the log of it holds a secret of the channel or its hook's address."""
    hook = await door.channel(connector, **SECRETS[connector])
    secrets = [word for word in SECRETS[connector].values() if word not in OPEN]
    token = hook.rpartition("/")[2]
    refused = 0
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logged:
        for query, body, headers in requests(secrets):
            async with door.http.post(f"{hook}?{query}" if query else hook, data=body, headers=headers) as answer:
                told = await answer.text() + repr(answer.headers)
                refused += answer.status >= 400
                assert answer.status < 500
            for word in (*secrets, token):
                assert word not in told
    assert refused
    public = repr(logged) + "".join(record.getMessage() for record in caplog.records if record.name != "aiohttp.client")
    for word in (*secrets, token):
        assert word not in public
