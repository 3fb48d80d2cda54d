"""What mail servers say of a mail of ours: delivery reports (RFC 3464), read receipts (RFC 8098), and the letters that
servers write in their own words (Exim, qmail, Yandex, Mail.ru, Exchange).

A mail that went to several people makes one item for each different fate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from connectors.addresses import normalize_email
from connectors.email import headers as h
from connectors.email.automatic import NOBODY
from connectors.email.charsets import decode
from connectors.email.mime import Content
from connectors.email.parts import Part
from connectors.email.tables import EmailSettings
from connectors.items import Address, ErrorClass, Item, ItemError, Status

MAX_RECIPIENTS = 100
MAX_REASON = 500
SCAN = 200_000

ACTIONS: dict[str, Status] = {
    "failed": "failed",
    "delayed": "delayed",
    "delivered": "delivered",
    "relayed": "sent",
    "expanded": "sent",
}  # RFC 3464, 2.3.3

_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY = re.compile(r"(?<![\d.])([45]\d\d)(?=[\s-])")
_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:|]{1,64}@[^\s<>()\[\]\"',;:|]{1,200}")
_OWN_ID = re.compile(rb"<(hub-[0-9a-f-]{36}[^<>@\s]{0,200}@[^<>@\s]{1,255})>")
_ANY_ID = re.compile(rb"^message-id:[ \t]*(?:\r?\n[ \t]+)?<([^<>\s]{1,480})>", re.IGNORECASE | re.MULTILINE)

# What is said of an address or a mailbox, where no enhanced code says it better.
_MEANINGS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "5.1.1",
        re.compile(
            r"user unknown|unknown user|no such (?:user|recipient|mailbox|address)|user (?:\w+ )?not found|does(?: not|n't) exist"
            r"|invalid (?:mailbox|recipient|user)|mailbox (?:unavailable|not found)|recipient (?:address )?rejected"
            r"|no mailbox here by that name|addressee unknown|пользовател[ья] не (?:найден|существует)"
            r"|не существует|ящик не найден|нет такого",
            re.IGNORECASE,
        ),
    ),
    (
        "5.2.1",
        re.compile(r"account (?:\w+ )?(?:disabled|inactive|blocked)|ящик (?:заблокирован|отключ[её]н)", re.IGNORECASE),
    ),
    (
        "5.2.2",
        re.compile(
            r"(?:mailbox|quota|over quota|inbox).{0,30}(?:full|exceeded)|over quota|переполнен|квота", re.IGNORECASE
        ),
    ),
    (
        "5.1.2",
        re.compile(r"host (?:or domain name )?not found|domain not found|unrouteable|домен не найден", re.IGNORECASE),
    ),
    ("5.7.1", re.compile(r"spam|blocked|blacklist|policy|отклонено|заблокирован", re.IGNORECASE)),
)
_DELAYED = re.compile(
    r"has not yet been delivered|not yet been delivered|delivery (?:is |has been )?delayed|warning: message"
    r"|still be retried|попытк[аи] доставки будут|задерж(?:ка|ана|ано)|отложен[ао]",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"could not be delivered|couldn't be delivered|undeliver|delivery (?:status notification|failure|failed|has failed)"
    r"|returned mail|returning message to sender|this is the qmail-send program|permanent (?:fatal )?error"
    r"|mail delivery (?:failed|system|subsystem)|wasn't able to deliver|message not delivered"
    r"|не (?:может быть |было |удалось |удаётся )?доставл?е?(?:но|ить|на)|недоставлен",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Fate:
    """What one recipient's server said."""

    status: Status
    code: str
    text: str
    recipient: str


def receipts(part: Part, content: Content, raw: bytes, sender: str, settings: EmailSettings) -> tuple[str, list[Item]]:
    """(id of the mail they are about, items without time and thread); no items: the mail is none of these."""
    fates = _reported(content)
    if not fates and content.report_type != "disposition-notification" and _is_bounce(part, content, sender):
        fates = _told(part, content, sender, settings)
    if not fates:
        return "", []
    original = _original_id(content, raw, part)
    return original, [_item(key, group) for key, group in _grouped(fates).items()]


def _grouped(fates: Iterable[Fate]) -> dict[tuple[Status, str], list[Fate]]:
    found: dict[tuple[Status, str], list[Fate]] = {}
    for fate in fates:
        found.setdefault((fate.status, fate.code), []).append(fate)
    return found


def _item(key: tuple[Status, str], fates: list[Fate]) -> Item:
    status, code = key
    item = Item(kind="delivery", connector="email", direction="in", status=status)
    item.recipients = [Address(kind="email", value=fate.recipient) for fate in fates if fate.recipient]
    if status in {"failed", "delayed"}:
        item.error = ItemError(code=code, text=fates[0].text, class_=error_class(status, code))
    return item


def error_class(status: Status, code: str) -> ErrorClass | None:
    """A delay is nothing final; a failure is, unless the mailbox was full or the servers were only busy."""
    if status != "failed":
        return None
    return "retry" if code.startswith("4.") or code in {"5.2.2", "5.3.4"} else "permanent"


# ---------------------------------------------------------------- reports


def _reported(content: Content) -> list[Fate]:
    fates: list[Fate] = []
    for part in content.report:
        if part.type in {"message/delivery-status", "message/global-delivery-status"}:
            fates += [fate for block in _blocks(part)[:MAX_RECIPIENTS] if (fate := _fate(block)) is not None]
        elif part.type.endswith("disposition-notification"):
            fates += [fate for block in _blocks(part)[:1] if (fate := _reading(block)) is not None]
    return fates


def _blocks(part: Part) -> list[h.Headers]:
    """Groups of fields, parted by empty lines."""
    data = part.data()
    blocks: list[h.Headers] = []
    while data.strip() and len(blocks) < MAX_RECIPIENTS + 1:
        data = data.lstrip(b"\r\n")
        block, end = h.split(data)
        if not block.items:
            break
        blocks.append(block)
        data = data[end:]
    return blocks


def _fate(block: h.Headers) -> Fate | None:
    recipient = _recipient(block.raw("final-recipient")) or _recipient(block.raw("original-recipient"))
    status = ACTIONS.get(block.word("action").partition(" ")[0])
    if status is None:
        return None
    text = h.clean(decode(block.raw("diagnostic-code").partition(b";")[2] or block.raw("diagnostic-code")))
    found = _STATUS.search(block.word("status")) or _STATUS.search(text)
    code = found[1] if found else meaning(text)
    # Many servers put a vague 5.0.0 in the field and the true code into the text.
    if code.endswith(".0.0"):
        better = _STATUS.search(text)
        code = better[1] if better else meaning(text) or code
    return Fate(status, code, text[:MAX_REASON], recipient)


def _reading(block: h.Headers) -> Fate | None:
    """`Disposition: manual-action/…; displayed`."""
    kind = block.word("disposition").rpartition(";")[2].partition("/")[0].strip()
    if kind != "displayed":
        return None
    return Fate("read", "", "", _recipient(block.raw("final-recipient")))


def _recipient(value: bytes) -> str:
    """`rfc822; a@b` -> a@b."""
    return normalize_email(decode(value.rpartition(b";")[2][:1000]).strip(" <>")) or ""


def _original_id(content: Content, raw: bytes, part: Part) -> str:
    """Of the mail reported on: told by name, in its returned headers, an id of ours anywhere, then what was answered."""
    for one in content.report:
        if one.type.endswith("disposition-notification"):
            found = [i for block in _blocks(one) for i in h.ids(block.raw("original-message-id"))]
            if found:
                return found[0]
        if one.type in {"text/rfc822-headers", "message/global-headers"}:
            headers, _ = h.split(one.data().lstrip())
            if returned := h.ids(headers.raw("message-id")):
                return returned[0]
    for enclosed in content.enclosed:
        if returned := h.ids(enclosed.raw("message-id")):
            return returned[0]
    own = _OWN_ID.search(raw[:SCAN])
    if own:
        return own[1].decode("latin-1")
    within = _ANY_ID.search(part.content[:SCAN])  # a copy of the mail below the server's own words
    if within:
        return within[1].decode("utf-8", "replace")
    answered = h.ids(part.headers.raw("in-reply-to")) or h.ids(part.headers.raw("references"))[::-1]
    return answered[0] if answered else ""


# ---------------------------------------------------------------- letters in a server's own words


def _is_bounce(part: Part, content: Content, sender: str) -> bool:
    headers = part.headers
    if "x-failed-recipients" in headers:
        return True
    by_server = bool(NOBODY.match(sender)) and sender.startswith(("mailer-daemon@", "postmaster@", "mail-daemon@"))
    if not by_server and headers.raw("return-path").strip() != b"<>":
        return False
    if headers.word("auto-submitted").startswith("auto-replied") and not by_server:
        return False  # somebody is away
    words = f"{headers.text('subject')}\n{content.plain()[:5000]}"
    return bool(_FAILED.search(words) or (by_server and _DELAYED.search(words)))


def _told(part: Part, content: Content, sender: str, settings: EmailSettings) -> list[Fate]:
    text = _before_copy(content.plain()[:20_000])
    is_late = bool(_DELAYED.search(f"{part.headers.text('subject')}\n{text}"))
    status: Status = "delayed" if is_late else "failed"
    named = [one.value for one in h.addresses(part.headers.raw("x-failed-recipients"))]
    ours = settings.own_addresses | {sender} | {one.value for one in h.addresses(part.headers.raw("to"))}
    fates: list[Fate] = []
    for recipient, words in _passages(text, named, ours):
        found = _STATUS.search(words)
        reply = _REPLY.search(words)
        code = found[1] if found else meaning(words)
        code = code or (f"{reply[1][0]}.0.0" if reply else "")
        said = words[reply.start() if reply else 0 :]
        fates.append(Fate(status, code, h.clean(said).lstrip(">:;,. ")[:MAX_REASON], recipient))
    return fates


def _passages(text: str, named: list[str], ours: Iterable[str]) -> list[tuple[str, str]]:
    """Each recipient with the words from his address to the next one."""
    places: dict[str, tuple[int, int]] = {}
    for found in _ADDRESS.finditer(text):
        value = normalize_email(found[0].rstrip("."))
        if value and (value in named if named else value not in ours):
            places.setdefault(value, (found.start(), found.end()))
        if len(places) >= MAX_RECIPIENTS:
            break
    if not places:
        return [(one, text) for one in named[:MAX_RECIPIENTS]] or [("", text)]
    starts = sorted(start for start, _ in places.values())
    passages: list[tuple[str, str]] = []
    for value, (start, end) in places.items():
        following = next((later for later in starts if later > start), len(text))
        passages.append((value, text[end : min(following, end + 2000)]))
    return passages


def _before_copy(text: str) -> str:
    """The server's words end where the copy of the mail begins."""
    cut = re.search(
        r"^-{3,}.{0,10}(?:Below|This is a copy|Original|Ниже|Исходн|Копия).*$|^Received: |^Return-Path: ",
        text,
        re.MULTILINE,
    )
    return text[: cut.start()] if cut and cut.start() > 20 else text


def meaning(words: str) -> str:
    """The enhanced status code (RFC 3463) that a server's sentence amounts to; empty if it says nothing known."""
    return next((code for code, pattern in _MEANINGS if pattern.search(words)), "")
