from __future__ import annotations

import base64
import os

import pytest
from pydantic import SecretStr

from commands.setup import secrets_rotate
from config.settings import Settings
from storage.vault import Undecipherable, Vault
from tests.conftest import Database
from tests.inbox.conftest import World


async def test_rotation_writes_every_secret_anew(
    world: World, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    """After it the old key can go: channels' settings and second factors open with the new one alone."""
    old, new = (f"{name}:{base64.urlsafe_b64encode(os.urandom(32)).decode()}" for name in ("old", "new"))
    first = Vault.parse(old)
    await world.store.pool.execute("UPDATE channel SET settings = $1", first.encrypt({"token": "1:x"}))
    await world.store.pool.execute(
        "INSERT INTO second_factor (agent_id, secret) VALUES ($1, $2)", world.anna.id, first.encrypt("BASE32")
    )
    settings = Settings(
        data_dir=database.data_dir,
        database_url=SecretStr(database.url),
        redis_url=SecretStr(database.redis_url),
        secret_keys=SecretStr(f"{new},{old}"),
    )
    assert await secrets_rotate(settings) == 0
    assert "1 of 1 channels and 1 of 1 second factors" in capsys.readouterr().out
    newest = Vault.parse(new)
    assert newest.decrypt(await world.store.pool.fetchval("SELECT settings FROM channel")) == {"token": "1:x"}
    secret = await world.store.pool.fetchval("SELECT secret FROM second_factor")
    assert newest.decrypt(secret) == "BASE32"
    with pytest.raises(Undecipherable):
        first.decrypt(secret)
