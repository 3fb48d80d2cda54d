"""What an SMTP server's answer means: a reply code, its enhanced code (RFC 3463) and words, as one of our errors."""

from __future__ import annotations

import re

from config.errors import BadChannel, RateLimited, Rejected, RetryLater, SendError
from connectors.email.bounces import meaning

GREYLIST_S = 300.0
PAUSE_S = 60.0
FULL_S = 3600.0

_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_GREYLIST = re.compile(r"gr[ae]y-?list|try again (?:in|later|after)", re.IGNORECASE)
_RATE = re.compile(
    r"\brate\b|too (?:many|fast)|throttl|slow down|limit|quota of|exceeded|слишком (?:много|часто)|лимит", re.IGNORECASE
)
_LOGIN = re.compile(
    r"relay|authenticat|\blog ?in\b|not permitted to send|sender .{0,40}not allowed|sendas", re.IGNORECASE
)


def classify(code: int, text: str, stage: str) -> SendError:
    """A reply code, its enhanced code (RFC 3463) and where it came. Total."""
    found = _ENHANCED.search(text)
    enhanced = found[1] if found else ""
    problem = (_temporary if code // 100 == 4 else _permanent)(code, enhanced, text, stage)
    problem.provider_code = enhanced or str(code)
    problem.provider_text = _tidy(text)[:500]
    return problem


def _permanent(code: int, enhanced: str, text: str, stage: str) -> SendError:
    if code in {530, 534, 535, 538} or stage in {"login", "connect"}:
        return BadChannel("The SMTP server lets us not in.")
    if enhanced == "5.2.2":
        return RetryLater("The recipient's mailbox is full.", after_s=FULL_S)
    if code == 552 or enhanced in {"5.3.4", "5.2.3"}:
        return Rejected("The mail is too large for the recipient's server.")
    if stage == "mail" or enhanced in {"5.1.7", "5.1.8"} or (stage == "rcpt" and _LOGIN.search(text)):
        return BadChannel("The SMTP server does not let this channel send from its address.")
    kind = enhanced or (meaning(text) if stage == "rcpt" else "")
    if kind.startswith("5.1.") or kind == "5.2.1":
        return Rejected("The recipient's address does not exist.", address_is_bad=True)
    if kind.startswith("5.7."):
        return Rejected("The recipient's server refuses this mail by its rules.")
    return Rejected("The server refuses this mail.")


def _temporary(code: int, enhanced: str, text: str, stage: str) -> SendError:
    if enhanced == "4.2.2":
        return RetryLater("The recipient's mailbox is full.", after_s=FULL_S)
    if code in {450, 451} and (_GREYLIST.search(text) or enhanced == "4.7.1") and not _RATE.search(text):
        return RetryLater("The recipient's server wants to be asked again later.", after_s=GREYLIST_S)
    if code in {421, 454} or _RATE.search(text):
        whole = stage != "rcpt" or code in {421, 454}
        return RateLimited("The SMTP server wants a pause.", after_s=PAUSE_S, whole_channel=whole)
    return RetryLater("The SMTP server can't take the mail now.")


def _tidy(text: str) -> str:
    """The server's words without the address, which is in no log and no error."""
    return re.sub(r"[^\s<>()]+@[^\s<>()]+", "…", " ".join(text.split()))
