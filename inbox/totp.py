"""One-time codes of an authenticator app. Source: RFC 6238 (TOTP) over RFC 4226 (HOTP): SHA-1, 6 digits, 30 s.

SHA-1 as an HMAC is what the apps speak; some of them ignore any other `algorithm` of the address.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from urllib.parse import quote, urlencode

STEP_S = 30
DIGITS = 6
DRIFT_STEPS = 1
SECRET_BYTES = 20
RECOVERY_CODES = 10
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without those that are mistaken for one another on paper."""


def new_secret() -> str:
    """Base32, as apps take it."""
    return base64.b32encode(os.urandom(SECRET_BYTES)).decode()


def code_at(secret: str, step: int) -> str:
    """The six digits of a time step (unix seconds / 30)."""
    digest = hmac.new(base64.b32decode(secret), step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def fitting_step(secret: str, code: str, now: float, *, after: int = 0) -> int | None:
    """The step a code belongs to, a phone's clock being up to one step off; steps up to `after` are used. None: wrong."""
    current = int(now // STEP_S)
    given = code.encode("utf-8", "surrogatepass")
    found = [
        step
        for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1)
        if hmac.compare_digest(code_at(secret, step).encode(), given)
    ]
    return next((step for step in found if step > after), None)


def otpauth_uri(secret: str, login: str, issuer: str) -> str:
    """What the QR code says. Source: the Key Uri Format of Google Authenticator."""
    label = quote(f"{issuer}:{login}", safe="")
    fields = urlencode({"secret": secret, "issuer": issuer, "digits": DIGITS, "period": STEP_S}, quote_via=quote)
    return f"otpauth://totp/{label}?{fields}"


def new_recovery_codes() -> list[str]:
    """Ten, of 60 bits each: enough for a plain digest to keep them."""
    return [
        "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3)) for _ in range(RECOVERY_CODES)
    ]


def recovery_digest(code: str) -> str:
    """What is kept of a recovery code, however it is typed."""
    plain = "".join(char for char in code.lower() if char.isalnum())
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def plain_code(text: str) -> str:
    """Apps show the digits in two groups."""
    return "".join(text.split())
