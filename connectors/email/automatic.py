"""Whether a program wrote a mail: such mail is shown like any other, but nothing of ours may answer it by itself."""

from __future__ import annotations

import re

from connectors.email.headers import Headers
from connectors.email.tables import LOOP_HEADER, EmailSettings
from connectors.email.threading import digest

MAX_HOPS = 50

_PRECEDENCE = frozenset({"bulk", "list", "junk", "auto_reply", "auto-reply"})
_SIGNS = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-autoreply-from", "x-mail-autoreply", "x-auto-reply")
_LISTS = ("list-id", "list-unsubscribe", "feedback-id", "list-post")
_SUPPRESS = re.compile(r"\b(?:all|oof|autoreply)\b")
NOBODY = re.compile(
    r"(?:mailer-daemon|postmaster|no[-_.]?reply|do[-_.]?not[-_.]?reply|bounces?|noreply[-_.+].*|robot|auto-reply)@"
)
AWAY = re.compile(
    r"^\s*(?:(?:re|fwd?):\s*)?(?:автоответ|автоматический ответ|вне офиса|нет на месте|я в отпуске|в отпуске\b"
    r"|out of (?:the )?office|automatic reply|auto[- ]?reply|autoreply|vacation|abwesenheit|absence du bureau)",
    re.IGNORECASE,
)
LAST_SIGN = "no-reply"


def loop_mark(settings: EmailSettings) -> str:
    """What our loop header says of this mailbox, without telling its address."""
    return digest(settings.address.lower()) if settings.address else ""


def reason(headers: Headers, settings: EmailSettings, sender: str, subject: str) -> str:
    """Why the mail counts as automatic, in one word; empty for a person's."""
    mark = loop_mark(settings)
    if mark and headers.word(LOOP_HEADER.lower()) == mark:
        return "loop"
    if sum(name == "received" for name, _ in headers.items) > MAX_HOPS:
        return "loop"
    submitted = headers.word("auto-submitted").partition(";")[0].strip()
    answers = submitted == "auto-replied" or any(name in headers for name in _SIGNS)
    if AWAY.match(subject):
        return "out-of-office"
    if answers or headers.word("precedence") in {"auto_reply", "auto-reply"}:
        return "auto-replied"
    if submitted and submitted != "no":
        return "auto-generated"
    return _bulk(headers, sender)


def _bulk(headers: Headers, sender: str) -> str:
    if any(name in headers for name in _LISTS):
        return "list"
    if headers.word("precedence") in _PRECEDENCE:
        return "bulk"
    if _SUPPRESS.search(headers.word("x-auto-response-suppress")):
        return "suppressed"
    if headers.raw("return-path").strip() == b"<>":
        return "null-sender"
    return LAST_SIGN if NOBODY.match(sender) else ""
