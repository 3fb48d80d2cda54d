"""Which thread a mail belongs to, known from the mail alone.

A thread's key is a digest of the id of its first mail: 16 characters of base32. Every mail of ours carries it, in its
Message-ID `<hub-<outbound id>.c<key>@domain>` and, if the channel has a `reply_key`, in the address to answer to,
`name+c<key><mac>@domain`. A reply is found by the token in a recipient, then by an id of ours in In-Reply-To or
References, then by the first of References (the root), else In-Reply-To, else it is a root itself.

Where we wrote first the router's key is no digest: then the Message-ID carries that key itself, as `.t<base32>`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from connectors.email.headers import Headers, ids
from connectors.email.tables import EmailSettings

MAX_WORD_BYTES = 100

_KEY = re.compile(r"[a-z2-7]{16}")
_OWN_ID = re.compile(r"hub-([0-9a-f-]{36})(?:\.([ct])([a-z2-7]{1,170}))?@([^@\s<>]+)")
_TOKEN = re.compile(rb"\+c([a-z2-7]{16})([a-z2-7]{8})@", re.IGNORECASE)
RECIPIENTS = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-forwarded-to", "to", "cc")


def thread_key(headers: Headers, settings: EmailSettings, fallback: str) -> str:
    """`fallback`: the mail's own id, or what stands for it; of a report the id of the mail it is about."""
    answered = ids(headers.raw("in-reply-to"))
    references = ids(headers.raw("references"))
    return (
        _by_token(headers, settings)
        or _by_own_id([*answered[::-1], *references[::-1], fallback], settings)
        or digest((references or answered or [fallback])[0])
    )


def digest(root: str) -> str:
    """The key of the thread that began with the mail of this id."""
    return _base32(hashlib.sha256(root.encode("utf-8", "replace")).digest()[:10])


def reply_to(headers: Headers) -> str:
    """The id of the mail answered: In-Reply-To, else the last of References."""
    answered, references = ids(headers.raw("in-reply-to")), ids(headers.raw("references"))
    if answered:
        return answered[0]
    return references[-1] if references else ""


def own_message_id(outbound_id: str, key: str, domain: str) -> str:
    """Of a mail of ours, the same for each try; without brackets."""
    return f"hub-{outbound_id}{_word(key)}@{domain}"


def is_own_id(message_id: str, settings: EmailSettings) -> bool:
    found = _OWN_ID.fullmatch(message_id)
    return found is not None and settings.domain in {"", found[4].lower()}


def reply_address(key: str, settings: EmailSettings) -> str:
    """Where an answer to this thread is to go; empty if there is no key, or a thread that no token can name."""
    secret = settings.reply_key.get_secret_value()
    local, at, domain = settings.address.rpartition("@")
    if not secret or not at or not _KEY.fullmatch(key):
        return ""
    token = f"{local.partition('+')[0]}+c{key}{_mac(key, secret)}@{domain}"
    return token if len(token.rpartition("@")[0]) <= 64 else ""


def _by_token(headers: Headers, settings: EmailSettings) -> str:
    """A token whose MAC is wrong counts for nothing: a bare key could be guessed, or taken from elsewhere."""
    secret = settings.reply_key.get_secret_value()
    if not secret:
        return ""
    for name in RECIPIENTS:
        for value in headers.all(name):
            for key, mac in _TOKEN.findall(value[:16384]):
                known: str = key.decode("ascii").lower()
                if hmac.compare_digest(mac.decode("ascii").lower(), _mac(known, secret)):
                    return known
    return ""


def _by_own_id(candidates: list[str], settings: EmailSettings) -> str:
    for candidate in candidates:
        found = _OWN_ID.fullmatch(candidate)
        if found is None or settings.domain not in {"", found[4].lower()} or not found[2]:
            continue
        if found[2] == "c" and _KEY.fullmatch(found[3]):
            return str(found[3])
        if found[2] == "t" and (key := _unbase32(found[3])):
            return key
    return ""


def _word(key: str) -> str:
    if _KEY.fullmatch(key):
        return f".c{key}"
    data = key.encode("utf-8", "replace")
    return f".t{_base32(data)}" if data and len(data) <= MAX_WORD_BYTES else ""


def _mac(key: str, secret: str) -> str:
    return _base32(hmac.digest(secret.encode(), f"reply:{key}".encode(), "sha256")[:5])


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()


def _unbase32(text: str) -> str:
    try:
        return base64.b32decode(text.upper() + "=" * (-len(text) % 8)).decode()
    except ValueError:
        return ""
