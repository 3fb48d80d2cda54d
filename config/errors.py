"""Every error Switchboard raises on purpose, drawn as a tree.

HubError
├── BadPayload          an incoming payload can't be read (says where)            HTTP 400
├── TooBig              over a declared limit                                     HTTP 413
├── BadSignature        the provider's signature or secret does not match         HTTP 401
├── BadRequest          a request of the API that can't be understood             HTTP 422
├── Unauthorized        no or unknown credentials                                 HTTP 401
├── Forbidden           known, but not allowed                                    HTTP 403
├── NotFound            no such thing, or not visible to the caller               HTTP 404
├── Conflict            the state of things forbids it (replayed key, merged …)   HTTP 409
├── Unavailable         the hub can't keep anything now (database, disk)          HTTP 503
├── BadSettings         a setting is wrong; the field is named
├── EngineFailed        an embedded engine can't be started or adopted
└── SendError           what a connector's `send` may end in (see connectors.base)
    ├── RetryLater      surely not accepted: the same message again, later
    ├── RateLimited     the provider wants a pause
    ├── Rejected        permanent for this message
    ├── Blocked         the client refuses messages: suppress the address
    ├── WindowClosed    free text not allowed now: a template, or another channel
    ├── BadChannel      the channel itself is broken (token, money): pause it, alarm
    └── InDoubt         bytes left, no answer came: can't be known from here

Each class says three things to a person: what happened (the message), what was kept, what to do.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

Fact: TypeAlias = str | int | float


class HubError(Exception):
    """Base of all. `str(error)` is one sentence for people; `kept` and `do` complete it. `reason` names the sentence within
    its code, and `facts` what it tells, for those who say it in another language: page words stand under that name.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500
    kept: ClassVar[str] = "Nothing was changed."
    do: ClassVar[str] = "See the log for the request id."

    def __init__(self, message: str = "", *, reason: str = "", **facts: Fact) -> None:
        super().__init__(message)
        self.reason = reason
        self.facts = facts


class BadPayload(HubError):
    """`where` is a path into the payload ("message.chat.id"), `why` what was expected there."""

    code = "bad_payload"
    status = 400
    kept = "The raw payload, in the journal."
    do = "Open the journal entry; replay it once the connector understands it."

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}" if where else why)
        self.where = where
        self.why = why


class TooBig(HubError):
    code = "too_big"
    status = 413
    kept = "Nothing: the body was not read to its end."
    do = "Send less, or raise the channel's limit."


class BadSignature(HubError):
    code = "bad_signature"
    status = 401
    kept = "The first 4 KB, among the channel's last refusals."
    do = "Compare the secret in the provider's console with the channel's settings."


class BadRequest(HubError):
    code = "bad_request"
    status = 422
    kept = "Nothing was changed."
    do = "Mend the named field and send again."


class Unauthorized(HubError):
    code = "unauthorized"
    status = 401
    kept = "Nothing was changed."
    do = "Sign in, or send a valid API token as `Authorization: Bearer …`."


class Forbidden(HubError):
    code = "forbidden"
    status = 403
    kept = "Nothing was changed."
    do = "Ask an administrator for the role or scope."


class NotFound(HubError):
    code = "not_found"
    status = 404
    kept = "Nothing was changed."
    do = "Check the id; it may be outside what you may see."


class Conflict(HubError):
    code = "conflict"
    status = 409
    kept = "The earlier state."
    do = "Read the current state and decide again."


class Unavailable(HubError):
    code = "unavailable"
    status = 503
    kept = "Nothing: the sender was told to repeat."
    do = "See /readyz for what is missing."


class BadSettings(HubError):
    code = "bad_settings"
    status = 422
    kept = "The settings in force before."
    do = "Mend the named setting."


class EngineFailed(HubError):
    code = "engine_failed"
    status = 503
    kept = "The data folder, untouched."
    do = "Read the engine's log named in the message, then start again."


class SendError(HubError):
    """What `send` may end in. `provider_code` and `provider_text` are the provider's own words, cut to 500 characters."""

    code = "send_failed"
    status = 409
    kept = "The message, with its state and this reason."
    do = "Read the reason; retry by hand once it is mended."

    def __init__(self, message: str, *, provider_code: str = "", provider_text: str = "") -> None:
        super().__init__(message)
        self.provider_code = provider_code
        self.provider_text = provider_text[:500]


class RetryLater(SendError):
    """Surely not accepted. `after_s`: the provider's wish in seconds, else None (our own back-off)."""

    code = "retry"
    do = "Nothing: it is tried again by itself."

    def __init__(
        self, message: str, *, after_s: float | None = None, provider_code: str = "", provider_text: str = ""
    ) -> None:
        super().__init__(message, provider_code=provider_code, provider_text=provider_text)
        self.after_s = after_s


class RateLimited(RetryLater):
    """`whole_channel`: the pause is for every message of the channel, not for this address alone."""

    code = "rate_limited"

    def __init__(
        self,
        message: str,
        *,
        after_s: float | None = None,
        whole_channel: bool = True,
        provider_code: str = "",
        provider_text: str = "",
    ) -> None:
        super().__init__(message, after_s=after_s, provider_code=provider_code, provider_text=provider_text)
        self.whole_channel = whole_channel


class Rejected(SendError):
    """Permanent. `address_is_bad`: nothing can ever be delivered to this address."""

    code = "permanent"
    do = "Change the text or the address and send anew."

    def __init__(
        self, message: str, *, address_is_bad: bool = False, provider_code: str = "", provider_text: str = ""
    ) -> None:
        super().__init__(message, provider_code=provider_code, provider_text=provider_text)
        self.address_is_bad = address_is_bad


class Blocked(SendError):
    code = "blocked"
    do = "Reach the client by another address; this one is on the stop list."


class WindowClosed(SendError):
    code = "window_closed"
    do = "Send an approved template, or use another channel."


class BadChannel(SendError):
    code = "channel"
    do = "Mend the channel (token, balance, rights); its queue waits."


class InDoubt(SendError):
    code = "in_doubt"
    kept = "The message, marked in doubt: it may or may not have been delivered."
    do = "Look into the provider's history, then mark it sent or send it again by hand."
