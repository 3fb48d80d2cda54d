"""A reply -> the bytes of a mail (RFC 5322), headers written by us, the MIME body by the standard library.

The library folds long ids by encoding them, which breaks threads; so headers that programs read are folded here.
Values from outside never bring a line break into a header: what would is refused.

Keys of `OutMessage.meta` understood here: `cc` (addresses that get it too), `auto` (anything true: the mail is
automatic; "auto-replied" if it answers one), `headers` {name: value} for campaigns (`List-Unsubscribe` …).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, quote
from typing import Any, NamedTuple

from config.errors import Rejected
from connectors.addresses import normalize_email
from connectors.base import OutMessage
from connectors.email.automatic import loop_mark
from connectors.email.headers import file_name
from connectors.email.tables import LOOP_HEADER, EmailSettings
from connectors.email.threading import own_message_id, reply_address

MAX_REFERENCES = 20
MAX_CC = 50

_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,80}/[a-z0-9!#$&^_.+-]{1,120}")
_EXTRA = re.compile(r"(?:List-[A-Za-z-]{1,40}|Feedback-ID|Precedence|X-[A-Za-z0-9-]{1,60})")
_ID = re.compile(r"[^\s<>]{1,500}")


class LoadedFile(NamedTuple):
    name: str
    type: str
    data: bytes


class Mail(NamedTuple):
    """`id` without brackets. `recipients`: the first is the message's own."""

    id: str
    recipients: Sequence[str]
    data: bytes


def compose(message: OutMessage, settings: EmailSettings, files: Sequence[LoadedFile]) -> Mail:
    """Raises Rejected for what no mail can be made of."""
    to = normalize_email(message.to.value)
    if to is None:
        raise Rejected("This is not an e-mail address.", address_is_bad=True)
    if not message.text.strip() and not message.html.strip() and not files:
        raise Rejected("The message is empty.")
    copies = _copies(message.meta, to)
    message_id = own_message_id(message.id, message.thread_key, settings.domain or "localhost")
    headers = [
        ("From", _mailbox(settings.name, settings.address)),
        ("To", _mailbox(message.to.name, to)),
        ("Cc", ", ".join(copies)),
        ("Reply-To", reply_address(message.thread_key, settings)),
        ("Subject", _words(message.subject, "Subject")),
        ("Date", formatdate()),
        ("Message-ID", f"<{message_id}>"),
        *_thread(message),
        *_automatic(message.meta, settings),
        *_extra(message.meta),
    ]
    head = "".join(f"{name}: {value}\r\n" for name, value in headers if value)
    return Mail(message_id, [to, *copies], head.encode() + _body(message, files).as_bytes())


def _copies(meta: Mapping[str, Any], to: str) -> list[str]:
    given = meta.get("cc") or ()
    listed = [given] if isinstance(given, str) else list(given)[:MAX_CC]
    found = {address: None for one in listed if (address := normalize_email(str(one))) and address != to}
    return list(found)


def _thread(message: OutMessage) -> list[tuple[str, str]]:
    """In-Reply-To and References; of a long chain the root and the last ones (RFC 5322, 3.6.4)."""
    chain = list(dict.fromkeys(one for one in (*message.references, message.reply_to) if one and _ID.fullmatch(one)))
    if message.reply_to in chain:
        chain.remove(message.reply_to)
        chain.append(message.reply_to)
    if len(chain) > MAX_REFERENCES + 1:
        chain = [chain[0], *chain[-MAX_REFERENCES:]]
    answered = f"<{chain[-1]}>" if chain else ""
    return [("In-Reply-To", answered), ("References", "\r\n ".join(f"<{one}>" for one in chain))]


def _automatic(meta: Mapping[str, Any], settings: EmailSettings) -> list[tuple[str, str]]:
    """Every mail bears the mark by which we know it again; an automatic one says that it is (RFC 3834)."""
    marked = [(LOOP_HEADER, loop_mark(settings))]
    if not meta.get("auto"):
        return marked
    kind = "auto-replied" if meta["auto"] == "auto-replied" else "auto-generated"
    return [*marked, ("Auto-Submitted", kind), ("X-Auto-Response-Suppress", "All")]


def _extra(meta: Mapping[str, Any]) -> list[tuple[str, str]]:
    given = meta.get("headers")
    if not isinstance(given, Mapping):
        return []
    found = [(str(name), str(value)) for name, value in given.items() if _EXTRA.fullmatch(str(name))]
    for _, value in found:
        if not value.isprintable() or not value.isascii():
            raise Rejected("A header of this message holds what no header may hold.")
    return found


def _mailbox(name: str, address: str) -> str:
    shown = " ".join(name.split())
    if not shown:
        return address
    return f'"{quote(shown)}" <{address}>' if shown.isascii() else f"{_words(shown, 'From')}\r\n <{address}>"


def _words(text: str, name: str) -> str:
    """Encoded words of at most 75 characters, each a whole one."""
    one_line = " ".join(text.split())
    one_line = "".join(char for char in one_line if char.isprintable())
    if one_line.isascii():
        return Header(one_line, "us-ascii", header_name=name, maxlinelen=900).encode(linesep="\r\n")
    return Header(one_line, "utf-8", header_name=name).encode(linesep="\r\n")


# ---------------------------------------------------------------- body


def _body(message: OutMessage, files: Sequence[LoadedFile]) -> EmailMessage:
    body = EmailMessage(policy=SMTP)
    text = message.text if message.text.strip() or message.html.strip() else ""
    body.set_content(text, cte=_encoding(text))
    if message.html.strip():
        body.add_alternative(message.html, subtype="html", cte=_encoding(message.html))
    for file in files:
        _attach(body, file)
    return body


def _encoding(text: str) -> str:
    """Never 8bit: not every server on the way takes it, and base64 is shorter for Cyrillic."""
    foreign = sum(char > "\x7f" for char in text)
    return "base64" if foreign * 6 > len(text) else "quoted-printable"


def _attach(body: EmailMessage, file: LoadedFile) -> None:
    kind = file.type.partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(kind) or kind.startswith(("message/", "multipart/")):
        kind = "application/octet-stream"
    main, _, sub = kind.partition("/")
    body.add_attachment(file.data, maintype=main, subtype=sub, filename=file_name(file.name) or "file")
