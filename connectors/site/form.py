"""A site's form: what a page or a form builder posts becomes a `form` item. Beside it: form_body.py (how it is written),
form_fields.py (what fields mean), form_answers.py (settings, who may post, what the browser is told).

Quirks:
- one hook address for each form, public by nature: the origin is a filter, not a proof; a server in between can prove
  itself by the secret;
- a submission is known by its `submission_id` (Tilda's tranid, Typeform's event_id …), which must be new for each; without
  one only the same request within ten minutes is the same;
- each submission is a conversation of its own unless `thread` is "contact";
- a lead is never lost for a field: a phone that can't be one stays in the text and is named in `meta.invalid`, a file
  too large in `meta.refused_files`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from config.errors import BadPayload
from connectors.addresses import normalize_email, normalize_username
from connectors.base import Capabilities, Connector, Payload, Peek
from connectors.items import Address, Attachment, Identity, Item
from connectors.phones import parse_phone
from connectors.site.form_answers import (
    KEY_HEADER,
    SECRET_HEADER,
    SIGNATURE_HEADER,
    FormSettings,
    acknowledge,
    cors,
    handshake,
    verify,
)
from connectors.site.form_body import Field, Submitted, read
from connectors.site.form_fields import LABELS, Role, consent_of, role_of, source_of

MAX_ID = 200
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,6})?")
_PATH = re.compile(r"[/\\]")
_ELAPSED_MAX = 1_000_000  # below: seconds the page measured; above: the Unix time of its loading


class _Person(NamedTuple):
    name: str
    identities: list[Identity]
    invalid: list[str]

    @property
    def address(self) -> str:
        return next((one.value for one in self.identities if one.kind in {"phone", "email"}), "")


def peek(payload: Payload, settings: FormSettings) -> Peek:
    """Key: the submission's own id. Lane: the client's phone or e-mail, else the submission."""
    try:
        fields = _with_roles(read(payload))
    except BadPayload:
        return Peek()
    submission = _first(fields, "submission")[:MAX_ID]
    lane = _person(fields, settings).address or submission
    return Peek(dedup=f"form:{submission}" if submission else "", lane=lane)


# ---------------------------------------------------------------- normalize


def normalize(payload: Payload, settings: FormSettings) -> list[Item]:
    """A submission -> one `form` item. Raises BadPayload."""
    submitted = read(payload)
    fields = _with_roles(submitted)
    if reason := _unwanted(submitted, fields, payload, settings):
        return [Item(kind="ignored", connector="form", reason=reason)]
    person = _person(fields, settings)
    submission = _first(fields, "submission")[:MAX_ID]
    thread = submission or _digest(fields)
    if settings.thread == "contact" and person.address:
        thread = person.address
    identities = person.identities
    if not any(one.kind in {"phone", "email"} for one in identities):
        # Nobody can be told apart by nothing: the submission is the client.
        identities = [Identity("external", thread), *identities]
    attachments, refused = _files(submitted, settings)
    sender = identities[0]
    item = Item(
        kind="form",
        connector="form",
        external_id=submission,
        direction="in",
        sender=Address(sender.kind, sender.value, name=person.name),
        identities=identities,
        text=_text(fields),
        subject=(_first(fields, "form_name") or _first(fields, "form_id"))[:200],
        attachments=attachments,
        sent_at=_time(_first(fields, "submitted_at")),
        thread_key=thread,
        meta=_meta(fields, payload),
    )
    if person.invalid:
        item.meta["invalid"] = person.invalid
    if refused:
        item.meta["refused_files"] = refused
    return [item]


def _with_roles(submitted: Submitted) -> list[tuple[Field, Role]]:
    return [(field, role_of(field)) for field in submitted.fields]


def _unwanted(
    submitted: Submitted, fields: Sequence[tuple[Field, Role]], payload: Payload, settings: FormSettings
) -> str:
    """Why nobody needs to see it; empty for a submission of a person."""
    named = {field.name: field.value for field, _ in fields}
    if settings.honeypot and named.get(settings.honeypot):
        return "honeypot"
    if named == {"test": "test"}:
        return "the form builder's test call"
    filled_s = _filled_s(named.get("_t") or named.get("t") or "", payload.now)
    if settings.min_fill_s and filled_s is not None and filled_s < settings.min_fill_s:
        return f"time trap: filled in within {settings.min_fill_s} s"
    if not submitted.files and not any(field.value for field, role in fields if role in LABELS or role == "other"):
        return "nothing is filled in"
    return ""


def _filled_s(stamp: str, now: float) -> float | None:
    """Seconds between loading and sending, None if that can't be known: a form without script is no robot's."""
    number = _NUMBER.match(stamp)
    if number is None:
        return None
    told = float(number[0])
    if told < _ELAPSED_MAX:
        return told
    loaded = told / 1000 if told >= 1e12 else told
    return now - loaded if now and loaded <= now + 60 else None


def _first(fields: Sequence[tuple[Field, Role]], role: Role) -> str:
    return next((field.value.replace("\x00", "") for field, own in fields if own == role and field.value), "")


def _person(fields: Sequence[tuple[Field, Role]], settings: FormSettings) -> _Person:
    """Phones first, as they are the stronger address."""
    phones: list[Identity] = []
    others: list[Identity] = []
    invalid: list[str] = []
    for field, role in fields:
        if role not in {"phone", "email", "telegram"} or not field.value:
            continue
        identity = _identity(role, field.value, settings)
        if identity is None:
            invalid.append(field.name)
        else:
            (phones if role == "phone" else others).append(identity)
    return _Person(_full_name(fields), list(dict.fromkeys([*phones, *others])), invalid)


def _full_name(fields: Sequence[tuple[Field, Role]]) -> str:
    """With a patronymic the surname stands first, as people write it then."""
    first = _first(fields, "name") or _first(fields, "first_name")
    middle, last = _first(fields, "middle_name"), _first(fields, "last_name")
    if last in first.split():
        last = ""
    parts = (last, first, middle) if middle else (first, last)
    return " ".join(" ".join(parts).split())[:200]


def _identity(role: Role, value: str, settings: FormSettings) -> Identity | None:
    if role == "phone":
        phone = parse_phone(value, settings.region)
        return Identity("phone", phone.e164, ext=phone.ext) if phone is not None else None
    if role == "email":
        email = normalize_email(value)
        return Identity("email", email) if email is not None else None
    username = normalize_username(value)
    return Identity("telegram_username", username) if username is not None else None


def _text(fields: Sequence[tuple[Field, Role]]) -> str:
    """A line for each field that was filled in, as a person would read it."""
    lines = [
        f"{LABELS.get(role) or field.label or field.name}: {field.value}"
        for field, role in fields
        if field.value and (role in LABELS or role == "other")
    ]
    return "\n".join(lines)


def _digest(fields: Sequence[tuple[Field, Role]]) -> str:
    """The same words from the same form: what a browser sent twice joins one conversation."""
    said = [(field.name, field.value) for field, role in fields if role in LABELS or role in {"other", "form_id"}]
    return f"form:{hashlib.sha256(repr(said).encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def _meta(fields: Sequence[tuple[Field, Role]], payload: Payload) -> dict[str, Any]:
    shown = [(field, role) for field, role in fields if role != "service"]
    meta: dict[str, Any] = {
        "fields": [
            {"name": field.name, "value": field.value}
            | ({"label": field.label} if field.label else {})
            | ({"role": role} if role in LABELS else {})
            for field, role in shown
        ]
    }
    form = {"id": _first(fields, "form_id"), "name": _first(fields, "form_name")}
    found: dict[str, Any] = {
        "form": {key: value[:200] for key, value in form.items() if value},
        "company": _first(fields, "company")[:200],
        "source": source_of(fields, payload.headers.get("referer", "")),
        "consent": consent_of(fields),
        "language": _language(payload.headers.get("accept-language", "")),
        "user_agent": payload.headers.get("user-agent", "")[:300],
    }
    return meta | {key: value for key, value in found.items() if value}


def _language(accepted: str) -> str:
    first = accepted.partition(",")[0].partition(";")[0].partition("-")[0].strip().lower()
    return first if first.isalpha() and first.isascii() and len(first) in {2, 3} else ""


def _time(text: str) -> datetime | None:
    """RFC 3339 with a zone; anything else says nothing."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _files(submitted: Submitted, settings: FormSettings) -> tuple[list[Attachment], list[dict[str, Any]]]:
    taken: list[Attachment] = []
    refused: list[dict[str, Any]] = []
    for part in submitted.files:
        name = _file_name(part.filename or "")
        why = ""
        if len(taken) >= settings.max_files:
            why = f"more than {settings.max_files} files"
        elif part.size > settings.max_file_mb << 20:
            why = f"larger than {settings.max_file_mb} MB"
        if why:
            refused.append({"name": name, "size": part.size, "why": why})
        else:
            data = submitted.body[part.start : part.end]
            taken.append(Attachment(name=name, type=part.type[:100], size=part.size, data=data))
    return taken, refused


def _file_name(raw: str) -> str:
    """Without folders (old browsers send the whole path) and signs that no file system shows."""
    last = _PATH.split(raw)[-1]
    return "".join(char for char in last if char.isprintable() and char not in '"<>:|?*').strip(" .")[-200:] or "file"


connector: Connector[FormSettings] = Connector(
    name="form",
    title="Site form",
    settings=FormSettings,
    verify=verify,
    handshake=handshake,
    acknowledge=acknowledge,
    cors=cors,
    peek=peek,
    normalize=normalize,
    capabilities=Capabilities(text=False, max_text=0),
    keep_headers=frozenset({"content-type", "referer", "user-agent", "accept-language"}),
    mask=frozenset({SECRET_HEADER, KEY_HEADER, SIGNATURE_HEADER, "cookies"}),
    max_body=25 << 20,
    heavy=True,
)
