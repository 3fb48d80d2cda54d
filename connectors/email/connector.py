"""E-mail: IMAP4rev1 with IDLE in (RFC 3501, 2177), SMTP out (RFC 5321). A payload is one mail as it lies in the mailbox.

Quirks that shape this file:
- the same mail can come again under another UID (a mailbox rebuilt, moved, restored) and two mails can bear one
  Message-ID (broken senders, list copies). So the dedup key is the Message-ID *and* a digest of what a mail is
  (From, Date, Subject, body): the first doubles nothing, the second keeps both. Headers that servers add don't count;
- a thread's key is a digest of the id of its first mail, carried by all our mails (threading.py);
- a mail From ourselves with another Reply-To is what site forms send: its sender is whom the answer goes to;
- nothing is dropped: mail that programs wrote has `meta.auto`, bounces become `delivery` items.

Beside it: tables.py (settings), parts.py and mime.py (the tree of parts), headers.py, charsets.py, html.py, quotes.py,
threading.py, automatic.py, bounces.py; imap.py and imap_session.py (listening), compose.py, smtp.py,
smtp_connections.py and smtp_answers.py (sending).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from config.errors import BadPayload, BadSignature
from connectors.base import Capabilities, Connector, Io, Limits, Payload, Peek
from connectors.email import headers as h
from connectors.email import quotes
from connectors.email.automatic import reason
from connectors.email.bounces import receipts
from connectors.email.imap import check_imap, listen
from connectors.email.mime import Content, read
from connectors.email.parts import Part
from connectors.email.smtp import check_smtp, send
from connectors.email.tables import MAX_BODY, SCAN_BYTES, TRUNCATED, UID, UNREADABLE, EmailSettings
from connectors.email.threading import is_own_id, reply_to, thread_key
from connectors.items import Address, Identity, Item


def verify(_payload: Payload, _settings: EmailSettings) -> None:
    """Mail is fetched; whatever calls a hook of this channel is not its server."""
    raise BadSignature("this channel fetches its mail and takes none over HTTP")


# ---------------------------------------------------------------- peek


def peek(payload: Payload, settings: EmailSettings) -> Peek:
    """Key: Message-ID and digest, see above. Lane: the thread, from the first 64 KB."""
    if not payload.body:
        uid = payload.headers.get(UID, "")
        return Peek(dedup=f"unreadable:{uid}" if uid else "")
    headers, start = h.split(payload.body[:SCAN_BYTES])
    print_ = fingerprint(headers, payload.body[start:] if start < SCAN_BYTES else payload.body)
    message_id = next(iter(h.ids(headers.raw("message-id"))), "")
    return Peek(dedup=f"{message_id}:{print_}", lane=thread_key(headers, settings, message_id or _synthetic(print_)))


def fingerprint(headers: h.Headers, body: bytes) -> str:
    """What stays the same of a mail wherever it is stored: line ends and blank ends differ, added headers too."""
    found = hashlib.blake2b(digest_size=16)
    for name in ("from", "date", "subject"):
        found.update(b" ".join(headers.raw(name).split()) + b"\n")
    found.update((body.replace(b"\r\n", b"\n") if b"\r\n" in body else body).rstrip())
    return found.hexdigest()


def _synthetic(print_: str) -> str:
    return f"{print_}@no-message-id"


# ---------------------------------------------------------------- normalize


@dataclass(frozen=True, slots=True)
class _Mail:
    """One mail, taken apart."""

    raw: bytes
    part: Part
    content: Content
    id: str
    print_: str
    from_: Address | None
    settings: EmailSettings

    @property
    def headers(self) -> h.Headers:
        return self.part.headers


def normalize(payload: Payload, settings: EmailSettings) -> list[Item]:
    """One RFC 822 message -> items. Raises BadPayload for an empty one only."""
    raw = payload.body
    if not raw.strip(b"\r\n\t \x00"):
        raise BadPayload("body", payload.headers.get(UNREADABLE, "") or "an empty mail")
    part, content = read(raw)
    _, start = h.split(raw)
    print_ = fingerprint(part.headers, raw[start:])
    message_id = next(iter(h.ids(part.headers.raw("message-id"))), "") or _synthetic(print_)
    from_ = next(iter(h.addresses(part.headers.raw("from")) or h.addresses(part.headers.raw("sender"))), None)
    mail = _Mail(raw, part, content, message_id, print_, from_, settings)
    return _deliveries(mail) or [_message(mail, payload)]


def _deliveries(mail: _Mail) -> list[Item]:
    """What a server tells of a mail of ours; without the id of that mail it would seem to speak of the whole thread."""
    sender = mail.from_.value if mail.from_ is not None else h.decode_words(mail.headers.raw("from")).lower()
    original, items = receipts(mail.part, mail.content, mail.raw, sender, mail.settings)
    for item in items:
        item.external_id = original or f"bounce:{mail.print_}"
        item.sender = mail.from_
        item.sent_at = h.date(mail.headers.raw("date"))
        item.thread_key = thread_key(mail.headers, mail.settings, original or mail.id)
        item.subject = mail.headers.text("subject")
        item.text = mail.content.plain()[:20_000]
        item.meta = {"report_id": mail.id}
    return items


def _message(mail: _Mail, payload: Payload) -> Item:
    headers, content = mail.headers, mail.content
    subject = headers.text("subject")
    plain = content.plain()
    text, quoted = quotes.fold(plain)
    sender, direction = _sender(mail)
    item = Item(
        kind="message",
        connector="email",
        external_id=mail.id,
        direction="out" if direction == "out" else "in",
        sender=sender,
        recipients=_recipients(mail),
        text=text,
        quoted=quoted,
        html=content.html(),
        subject=subject,
        attachments=content.attachments,
        sent_at=h.date(headers.raw("date")),
        reply_to=reply_to(headers),
        thread_key=thread_key(headers, mail.settings, mail.id),
        meta=_meta(mail, payload, sender, subject, plain),
    )
    if item.direction == "in" and sender.value:
        item.identities = [Identity(kind="email", value=sender.value)]
    return item


def _sender(mail: _Mail) -> tuple[Address, str]:
    """Whose mail it is, and which way it went. From ourselves: our own mail that came back, or a site form's."""
    from_, own = mail.from_, mail.settings.own_addresses
    if from_ is None:
        # Nobody who could be answered: the thread stands for him.
        return Address(kind="email", value="", name=mail.headers.text("from")[:200]), "in"
    if from_.value in own:
        if is_own_id(mail.id, mail.settings):
            return from_, "out"
        answer = next((one for one in h.addresses(mail.headers.raw("reply-to")) if one.value not in own), None)
        if answer is not None:
            return answer, "in"
    return from_, "in"


def _recipients(mail: _Mail) -> list[Address]:
    found = [*h.addresses(mail.headers.raw("to")), *h.addresses(mail.headers.raw("cc"))]
    return list({one.value: one for one in reversed(found)}.values())[::-1]


def _meta(mail: _Mail, payload: Payload, sender: Address, subject: str, plain: str) -> dict[str, object]:
    headers, content = mail.headers, mail.content
    answer = [one.value for one in h.addresses(headers.raw("reply-to")) if one.value != sender.value]
    truncated = payload.headers.get(TRUNCATED, "")
    uid = payload.headers.get(UID, "").rpartition(":")[2]
    found: dict[str, object] = {
        "auto": reason(headers, mail.settings, sender.value, subject),
        "reply_to": answer[0] if answer else "",
        "from": mail.from_.value if mail.from_ is not None and mail.from_.value != sender.value else "",
        "cc": [one.value for one in h.addresses(headers.raw("cc"))],
        "forwarded_from": _forwarded_from(plain),
        "inline": content.inline(),
        "calendar": content.calendar,
        "protection": content.protection,
        "truncated": int(truncated) if truncated.isdecimal() else 0,
        "incomplete": "more parts, or deeper, than are read" if content.is_cut else "",
        "fingerprint": mail.print_,
        "seq": int(uid) if uid.isdecimal() and len(uid) < 19 else 0,
    }
    return {key: value for key, value in found.items() if value}


def _forwarded_from(plain: str) -> str:
    """The first writer of a forwarded mail, where exactly one is told."""
    if not quotes.is_forward(plain):
        return ""
    found = h.addresses(quotes.forwarded_from(plain).replace("[mailto:", "<").replace("]", ">").encode())
    return found[0].value if len(found) == 1 else ""


async def check(settings: EmailSettings, io: Io) -> str:
    """Logs in to both servers. Raises BadChannel or RetryLater with what is wrong."""
    lines = [await check_imap(settings, io)] if settings.imap_host else []
    lines += [await check_smtp(settings, io)] if settings.smtp_host else []
    return "; ".join(lines) or "neither an IMAP nor an SMTP server is set"


connector: Connector[EmailSettings] = Connector(
    name="email",
    title="E-mail",
    reaches=frozenset({"email"}),
    settings=EmailSettings,
    verify=verify,
    peek=peek,
    normalize=normalize,
    send=send,
    listen=listen,
    wants_listen=lambda settings: bool(settings.imap_host),
    check=check,
    capabilities=Capabilities(
        max_text=200_000,
        attachments=True,
        max_file=25 << 20,
        reply_to=True,
        subject=True,
        cold=True,
    ),
    limits=Limits(per_s=1.0, per_address_s=0.2, parallel=2, send_s=180.0),
    keep_headers=frozenset({UID, TRUNCATED, UNREADABLE}),
    dedup_window_s=600,
    max_body=MAX_BODY,
    heavy=True,
)
