"""A site's form, at the door: settings, who may post, CORS, and what the browser is told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr

from config.errors import BadPayload, BadSignature
from connectors.base import Answer, CommonSettings, Payload, same_secret
from connectors.site.form_body import read

SECRET_HEADER = "x-hub-form-secret"  # noqa: S105
KEY_HEADER = "x-hub-key"
SIGNATURE_HEADER = "x-hub-form-signature"
TYPEFORM_HEADER = "typeform-signature"

_TARGET = re.compile(r"[^\x00-\x20\\\x7f]{1,2000}")
_ALLOWED_HEADERS = "Content-Type, X-Hub-Key, X-Hub-Form-Secret, X-Hub-Form-Signature"


class FormSettings(CommonSettings):
    """A form of a site. Without `secret` anybody may post, as is usual for forms; `origins` keeps other sites' pages out."""

    secret: SecretStr = Field(
        SecretStr(""), description="servers prove themselves by it; a page can't keep it, so leave it empty for one"
    )
    origins: str = Field(
        "", max_length=4000, description="sites whose pages may post, by commas: https://shop.example; empty: any"
    )
    redirect: str = Field(
        "", max_length=2000, pattern=r"^(https?://\S+)?$", description="page shown after a form without script"
    )
    thread: Literal["submission", "contact"] = Field(
        "submission", description="a conversation for each submission, or one for each client"
    )
    honeypot: str = Field("", max_length=100, description="hidden field that only robots fill in")
    min_fill_s: int = Field(0, ge=0, le=600, description="seconds a person needs at least (field _t); 0: not looked at")
    max_files: int = Field(10, ge=0, le=50, description="files taken of one submission")
    max_file_mb: int = Field(20, ge=1, le=30, description="size of a file taken")


# ---------------------------------------------------------------- who may post


def verify(payload: Payload, settings: FormSettings) -> None:
    """Raises BadPayload for another method or an unreadable body, BadSignature for a foreign page or a wrong secret."""
    if payload.method == "OPTIONS":
        return
    if payload.method != "POST":
        raise BadPayload("method", "expected POST")
    if not _may_post(payload.headers.get("origin"), settings):
        raise BadSignature("this page is not of a site whose forms may post here")
    _check_secret(payload, settings)
    read(payload)


def _check_secret(payload: Payload, settings: FormSettings) -> None:
    secret = settings.secret.get_secret_value()
    if not secret:
        return
    digest = hmac.digest(secret.encode(), payload.body, hashlib.sha256)
    expected: Mapping[str, str] = {
        SECRET_HEADER: secret,
        KEY_HEADER: secret,
        SIGNATURE_HEADER: f"sha256={digest.hex()}",
        TYPEFORM_HEADER: f"sha256={base64.b64encode(digest).decode()}",
    }
    for header, value in expected.items():
        if header in payload.headers:
            same_secret(payload.headers[header], value)
            return
    raise BadSignature("the secret of this request does not match the channel's")


def _may_post(origin: str | None, settings: FormSettings) -> bool:
    """A request without Origin comes from a server, not from a foreign page."""
    return not settings.origins or origin is None or _is_listed(origin, settings)


def _is_listed(origin: str, settings: FormSettings) -> bool:
    """Entries are origins, or hosts, which stand for https. Browsers send a Cyrillic host as xn--."""
    given = _ascii(origin)
    listed = (_ascii(entry) for entry in settings.origins.split(",") if entry.strip())
    return any(given == (entry if "://" in entry else f"https://{entry}") for entry in listed)


def _ascii(origin: str) -> str:
    plain = origin.strip().lower().rstrip("/")
    scheme, mark, host = plain.rpartition("://")
    return f"{scheme}{mark}{_ascii_host(host)}"


def _ascii_host(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return host


# ---------------------------------------------------------------- what the browser is told


def handshake(payload: Payload, settings: FormSettings) -> Answer | None:
    """The preflight of a page's script."""
    if payload.method != "OPTIONS":
        return None
    headers = cors(payload, settings)
    if "Access-Control-Allow-Origin" not in headers:
        return Answer(status=403, headers=headers)
    allowed = {
        "Access-Control-Allow-Methods": "POST, OPTIONS",
        "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
        "Access-Control-Max-Age": "600",
    }
    return Answer(status=204, headers=headers | allowed)


def cors(payload: Payload, settings: FormSettings) -> dict[str, str]:
    """No credentials ever: nothing here depends on a visitor's cookies. A script may read how long to wait."""
    shown = {"Access-Control-Expose-Headers": "Retry-After"}
    if not settings.origins:
        return {"Access-Control-Allow-Origin": "*"} | shown
    origin = payload.headers.get("origin", "")
    allowed = {"Access-Control-Allow-Origin": origin} | shown if origin and _is_listed(origin, settings) else {}
    return {"Vary": "Origin"} | allowed


def acknowledge(payload: Payload, settings: FormSettings) -> Answer:
    """`{"ok":true}`, a 303 for a form without script, the word `ok` for Tilda. A robot gets the same as a person."""
    headers = cors(payload, settings)
    try:
        fields = {field.name.casefold(): field.value for field in read(payload).fields}
    except BadPayload:
        fields = {}
    if "tranid" in fields or fields == {"test": "test"}:
        return Answer(body=b"ok", headers=headers)
    accept = payload.headers.get("accept", "")
    if "text/html" in accept and "application/json" not in accept:
        target = _target(fields.get("_next") or fields.get("redirect") or "", settings) or settings.redirect
        if target:
            return Answer(status=303, headers=headers | {"Location": _location(target)})
    return Answer(body=b'{"ok":true}', content_type="application/json", headers=headers)


def _target(url: str, settings: FormSettings) -> str:
    """Where the page wants to go next, if that is a page of an allowed site; else empty: no open redirect."""
    if not _TARGET.fullmatch(url):
        return ""
    try:
        link = urlsplit(url)
        origin = f"{link.scheme}://{link.netloc}"
    except ValueError:
        return ""
    return url if link.scheme in {"http", "https"} and "@" not in link.netloc and _is_listed(origin, settings) else ""


def _location(url: str) -> str:
    """As a header may carry it."""
    try:
        link = urlsplit(url)
        url = link._replace(netloc=_ascii_host(link.netloc)).geturl()
    except ValueError:
        return "/"
    return quote(url, safe="%/:=&?~#+!$,;'@()*[]")
