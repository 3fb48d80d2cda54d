"""Secrets at rest: AES-256-GCM, `v1:<key id>:<nonce>:<data>` in URL-safe base64; several keys, newest first."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from config.errors import BadSettings, HubError
from config.settings import Settings

VERSION = "v1"
KEY_BYTES = 32
NONCE_BYTES = 12


class Undecipherable(HubError):
    """No key of ours opens it."""

    code = "undecipherable"
    kept = "The ciphertext."
    do = "Put the key it was written with back into HUB_SECRET_KEYS."


class Vault:
    """Keys of one installation."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        if not keys:
            raise BadSettings("HUB_SECRET_KEYS names no key")
        self._keys = {name: AESGCM(key) for name, key in keys.items()}
        self._newest = next(iter(keys))

    @classmethod
    def parse(cls, text: str) -> Vault:
        """From `keyid:base64,…`, newest first. Raises BadSettings; the message names the key's id, never the key."""
        keys: dict[str, bytes] = {}
        for entry in filter(None, (e.strip() for e in text.split(","))):
            name, _, encoded = entry.partition(":")
            try:
                key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
            except ValueError:
                key = b""
            if not name or len(key) != KEY_BYTES:
                raise BadSettings(f"HUB_SECRET_KEYS: key {name!r} is not base64 of {KEY_BYTES} bytes")
            keys[name] = key
        return cls(keys)

    @classmethod
    def open(cls, settings: Settings) -> Vault:
        """From the settings, else from `secret.keys` in the data folder, made (0600) on the first run."""
        if settings.secret_keys is not None:
            return cls.parse(settings.secret_keys.get_secret_value())
        path = settings.data_dir / "secret.keys"
        if not path.exists():
            _make_keys(path)
        return cls.parse(path.read_text())

    def encrypt(self, value: Any) -> str:
        """A JSON value as ciphertext under the newest key."""
        nonce = os.urandom(NONCE_BYTES)
        data = self._keys[self._newest].encrypt(nonce, msgspec.json.encode(value), self._newest.encode())
        return ":".join((VERSION, self._newest, _b64(nonce), _b64(data)))

    def decrypt(self, text: str) -> Any:
        """The value again. Raises Undecipherable."""
        try:
            version, name, nonce, data = text.split(":")
            if version != VERSION:
                raise Undecipherable(f"a secret is of unknown version {version[:8]!r}")
            plain = self._keys[name].decrypt(_unb64(nonce), _unb64(data), name.encode())
        except (ValueError, KeyError, InvalidTag):
            raise Undecipherable("a secret can't be opened with the keys there are") from None
        return msgspec.json.decode(plain)

    def is_current(self, text: str) -> bool:
        """Whether it is written under the newest key."""
        return text.startswith(f"{VERSION}:{self._newest}:")


def _make_keys(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(f".{os.getpid()}")
    new.touch(mode=0o600)
    new.write_text(f"k{secrets.token_hex(3)}:{_b64(os.urandom(KEY_BYTES))}\n")
    try:
        os.link(new, path)
    except FileExistsError:
        pass
    finally:
        new.unlink()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
