"""Words by which a client refuses SMS or takes them again, for every SMS connector.

Only a message that is nothing but such a word counts: "стоп, я передумал" is for a person to read.
"""

from __future__ import annotations

from typing import Literal

from connectors.items import Item

Consent = Literal["out", "in"]

# CTIA's list with its Russian counterparts.
OUT = frozenset(
    {"stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit"}
    | {"стоп", "отписаться", "отписка", "отпишите", "отпишите меня"}
)
IN = frozenset({"start", "unstop", "старт"})
_AROUND = " \t\r\n.,!?;:'\"«»„“”()[]-–—\u00a0\u200b\ufeff\x00"


def consent_word(text: str) -> Consent | None:
    """`out`, `in`, or None if the text is something else. Case, spaces and punctuation around do not matter."""
    if len(text) > 64:
        return None
    word = " ".join(text.casefold().strip(_AROUND).split())
    if word in OUT:
        return "out"
    return "in" if word in IN else None


def with_consent(message: Item) -> list[Item]:
    """The client's message, and beside it an `opt_out` item if it is such a word (`meta.status`: out, in)."""
    status = consent_word(message.text)
    if status is None or message.direction != "in":
        return [message]
    word = " ".join(message.text.split())[:64]
    refusal = Item(
        kind="opt_out",
        connector=message.connector,
        external_id=f"{message.external_id}:consent" if message.external_id else "",
        direction="in",
        sender=message.sender,
        identities=message.identities,
        sent_at=message.sent_at,
        thread_key=message.thread_key,
        reason=f"the client wrote {word}",
        meta={"status": status, "scope": "all"},
    )
    return [message, refusal]
