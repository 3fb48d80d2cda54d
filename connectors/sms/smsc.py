"""SMSC.ru, HTTP API (smsc.ru/api/http; read 2026-09): SMS in and out, delivery reports. Beside it: smsc_tables.py (words), smsc_send.py (the way out).

Quirks:
- one handler address for the whole account, set in its console, called by GET or POST with form fields; which event it
  is shows in the fields: `mes` an incoming SMS, `id` and `status` a report, `waitcall` a call that confirms a number;
- each kind is signed by a digest of its own over fields and a secret, over bytes as sent (an account without
  charset=utf-8 sends windows-1251);
- our number for a message is a positive 31-bit integer, made of the outbound id so that a retry repeats it. It need not be
  unique: a message is known by number and phone together, `42:79161234567`;
- the same text to the same phone within a minute is refused (error 9), though it may be our own first try that
  stands in the way: then status.php says which;
- a short code or a name that writes is a service (balance, codes): no person, no card, so it is ignored.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from config.errors import BadPayload
from connectors.base import Answer, Capabilities, Class, Connector, Limits, Payload, Peek, parse, same_secret
from connectors.formdata import raw_pairs, to_text
from connectors.items import Address, Identity, Item, ItemError, from_unix
from connectors.phones import SEVEN, parse_phone
from connectors.sms.smsc_send import check, send, settle
from connectors.sms.smsc_tables import DLR, MAX_TEXT, REASONS, SmscSettings
from connectors.sms.words import with_consent

_LOCAL = "%d.%m.%Y %H:%M:%S"
_INTEGER = re.compile(r"-?[0-9]{1,9}")

# ---------------------------------------------------------------- fields of a call


class Fields:
    """What SMSC called us with: values as bytes for digests, as text for the rest; of query and body the body wins."""

    def __init__(self, payload: Payload) -> None:
        pairs = raw_pairs(payload.query.encode("utf-8", "surrogateescape"), "query")
        body = payload.body.strip()
        if body.startswith((b"{", b"[")):
            found = parse(dict[str, str | int | float | None], body)
            pairs += [(name.encode(), b"" if v is None else _plain(v).encode()) for name, v in found.items()]
        else:
            pairs += raw_pairs(body)
        self._raw = dict(pairs)

    def __contains__(self, name: str) -> bool:
        return name.encode() in self._raw

    def raw(self, name: str) -> bytes:
        return self._raw.get(name.encode(), b"")

    def text(self, name: str) -> str:
        return to_text(self.raw(name))

    def word(self, name: str) -> str:
        """A value that is no text of a person."""
        return self.text(name).strip()[:100]

    def number(self, name: str, *, default: int | None = None) -> int:
        """Raises BadPayload."""
        word = self.word(name)
        if not word and default is not None:
            return default
        if not _INTEGER.fullmatch(word):
            raise BadPayload(name, "expected an integer")
        return int(word)

    @property
    def kind(self) -> str:
        """`mo`, `dlr`, `waitcall`, or empty. A report never carries `mes`, a wait call has neither."""
        if "mes" in self:
            return "mo"
        if "id" in self and "status" in self:
            return "dlr"
        return "waitcall" if "waitcall" in self or {"phone", "ts"} <= {to_text(name) for name in self._raw} else ""


def _plain(value: str | float) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


# ---------------------------------------------------------------- verify

SIGNED: dict[str, tuple[str, ...]] = {
    "mo": ("phone", "mes", "to"),
    "dlr": ("id", "phone", "status"),
    "waitcall": ("phone", "ts"),
}


def verify(payload: Payload, settings: SmscSettings) -> None:
    """Raises BadSignature unless the digest over the event's fields and our secret is there and right; BadPayload."""
    fields = Fields(payload)
    secret = settings.secret.get_secret_value().encode()
    names = SIGNED.get(fields.kind)
    expected = ""
    if secret and names:
        signed = b":".join([*(fields.raw(name) for name in names), secret])
        expected = hashlib.new(settings.digest, signed, usedforsecurity=False).hexdigest()
    same_secret(fields.word(settings.digest).lower(), expected)


def peek(payload: Payload, settings: SmscSettings) -> Peek:
    """Key: an SMS's id; a report's number, phone, status, reason and time. Lane: the phone, for both directions."""
    try:
        fields = Fields(payload)
    except BadPayload:
        return Peek()
    phone = fields.word("phone")
    lane = _client(phone, settings) or phone
    if fields.kind == "dlr":
        key = ":".join(fields.word(name) for name in ("id", "phone", "status", "err", "ts"))
        return Peek(dedup=f"dlr:{key}", lane=lane, klass=Class.STATUS)
    sms_id = fields.word("id") if fields.kind == "mo" else ""
    return Peek(dedup=f"mo:{sms_id}" if sms_id else "", lane=lane)


# ---------------------------------------------------------------- normalize


def normalize(payload: Payload, settings: SmscSettings) -> list[Item]:
    """An SMS, a delivery report or a wait call -> items. Raises BadPayload."""
    fields = Fields(payload)
    match fields.kind:
        case "mo":
            return _incoming(fields, settings)
        case "dlr":
            return [_report(fields, settings)]
        case "waitcall":
            return [_ignored("a call that confirms a number (wait call): nobody waits for an answer")]
    if not fields.word("id"):
        return [_ignored("no event of SMSC's: neither mes, nor id and status")]
    raise BadPayload("status", "missing")


def _incoming(fields: Fields, settings: SmscSettings) -> list[Item]:
    raw = fields.word("phone")
    if not raw:
        raise BadPayload("phone", "missing")
    phone = _client(raw, settings)
    digits = "".join(filter(str.isdecimal, raw))
    if not phone and (len(digits) < 7 or any(map(str.isalpha, raw))):
        return [_ignored(f"from a short code or a name, no person to answer: {raw[:20]}")]
    # A long number that can't be one is still somebody who wrote.
    kind, value = ("phone", phone) if phone else ("external", digits)
    meta: dict[str, Any] = {}
    if to := fields.word("to"):
        meta["our_number"] = _client(to, settings) or to
    for name in ("sent", "smsc"):
        if word := fields.word(name):
            meta[name] = word
    item = Item(
        kind="message",
        connector="smsc",
        external_id=_sms_id(fields),
        direction="in",
        sender=Address(kind, value),
        identities=[Identity(kind, value)],
        text=fields.text("mes"),
        sent_at=_sent_at(fields, settings),
        thread_key=value,
        meta=meta,
    )
    if (answered := fields.word("sms_id")) not in {"", "0"}:
        item.reply_to = f"{answered}:{_digits(phone or value)}"
    return with_consent(item)


def _sms_id(fields: Fields) -> str:
    """SMSC's id; without one the digest of what is said, when. With no time either nothing tells two SMS apart."""
    if sms_id := fields.word("id"):
        return sms_id
    if not fields.word("time") and not fields.word("ts"):
        return ""
    said = b"\x00".join(fields.raw(name) for name in ("phone", "to", "time", "ts", "mes"))
    return hashlib.sha256(said).hexdigest()[:32]


def _report(fields: Fields, settings: SmscSettings) -> Item:
    code, reason = fields.number("status"), fields.number("err", default=0)
    verdict = DLR.get(code)
    if verdict is None or verdict.status is None:
        return _ignored(f"status {code}: {verdict.meaning if verdict else 'not known'}")
    for name in ("id", "phone"):
        if not fields.word(name):
            raise BadPayload(name, "missing")
    phone = _client(fields.word("phone"), settings)
    value = phone or fields.word("phone")
    meta: dict[str, Any] = {"provider_status": code}
    for name, field in (("err", "err"), ("parts", "cnt")):
        if fields.word(field) and (number := fields.number(field)):
            meta[name] = number
    if price := fields.word("cost"):
        meta["price"] = price
    if code == 4:
        meta["event"] = "click"
    item = Item(
        kind="delivery",
        connector="smsc",
        external_id=f"{fields.word('id')}:{_digits(value)}",
        status=verdict.status,
        recipients=[Address("phone" if phone else "external", value)],
        sent_at=_sent_at(fields, settings),
        thread_key=value,
        meta=meta,
    )
    if verdict.status == "failed":
        why, class_ = REASONS.get(reason, ("", None))
        item.error = ItemError(
            code=str(reason or code),
            text=f"{verdict.meaning}: {why or f'reason {reason}'}" if reason else verdict.meaning,
            class_="permanent" if class_ == "permanent" else verdict.error,
        )
    return item


# ---------------------------------------------------------------- small words


def _ignored(reason: str) -> Item:
    return Item(kind="ignored", connector="smsc", reason=reason)


def _client(raw: str, settings: SmscSettings) -> str:
    """E.164, or empty. SMSC writes whole international numbers without a plus: outside +7 no region may reinterpret them."""
    if settings.region not in SEVEN and len(raw) >= 11 and raw.isdecimal():
        phone = parse_phone("+" + raw, settings.region)
        if phone is not None:
            return phone.e164
    phone = parse_phone(raw, settings.region)
    return phone.e164 if phone is not None else ""


def _digits(phone: str) -> str:
    return phone.removeprefix("+")


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadPayload("settings.timezone", "no such time zone") from None


def _sent_at(fields: Fields, settings: SmscSettings) -> datetime | None:
    """`ts`, else `time` in the account's zone. A time that can't be read costs nobody the message."""
    try:
        if word := fields.word("ts"):
            return from_unix(int(word))
        local = datetime.strptime(fields.word("time"), _LOCAL)  # noqa: DTZ007 - the zone is the account's
        return local.replace(tzinfo=_zone(settings.timezone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


connector: Connector[SmscSettings] = Connector(
    name="smsc",
    title="SMSC.ru (SMS)",
    settings=SmscSettings,
    reaches=frozenset({"phone"}),
    verify=verify,
    peek=peek,
    normalize=normalize,
    send=send,
    settle=settle,
    check=check,
    ok=Answer(body=b"ok"),
    capabilities=Capabilities(max_text=MAX_TEXT, delivered=True, cold=True),
    limits=Limits(per_s=10.0, per_address_s=1.0, parallel=8),
    mask=frozenset({"md5", "sha1", "crc32", "psw", "apikey"}),
    max_body=64 << 10,
)
