"""SMSC.ru's words: settings, statuses, reasons, errors. Source: smsc.ru/api/http (as of 2026-09)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field, SecretStr

from connectors.base import CommonSettings
from connectors.items import ErrorClass, Status

OFFICIAL = "https://smsc.ru"
MAX_TEXT = 1000
DUPLICATE = 9
NOT_FOUND = -3


class SmscSettings(CommonSettings):
    """An account at SMSC.ru: `login` with `psw`, or `apikey`. `secret` signs what SMSC calls us with."""

    login: str = Field("", max_length=100, description="login of the account")
    psw: SecretStr = Field(SecretStr(""), description="password of the account, or of its API")
    apikey: SecretStr = Field(
        SecretStr(""), description="key from the account's settings, instead of login and password"
    )
    secret: SecretStr = Field(SecretStr(""), description="the word in md5=… or sha1=… of the handler's address at SMSC")
    digest: Literal["md5", "sha1"] = Field("md5", description="by which of them SMSC signs its calls")
    sender: str = Field("", max_length=15, description="registered sender name or number; empty: the account's default")
    valid_h: int = Field(0, ge=0, le=24, description="hours an SMS waits for a phone that is off; 0: SMSC's default")
    tidy: bool = Field(default=True, description="plain quotes and dashes where that alone makes a text fit into GSM-7")
    base_url: str = Field(OFFICIAL, pattern="^https?://", description="SMSC's own address, or a backup such as www2")


class Verdict(NamedTuple):
    """What a delivery status says. `status` None: nothing to tell anybody."""

    status: Status | None
    meaning: str
    error: ErrorClass | None = None


DLR: dict[int, Verdict] = {
    -3: Verdict(None, "SMSC knows no such message"),
    -2: Verdict("failed", "stopped", "permanent"),
    -1: Verdict(None, "waits to be sent"),
    0: Verdict("sent", "handed to the operator"),
    1: Verdict("delivered", "delivered"),
    2: Verdict("read", "read"),
    3: Verdict("failed", "expired", "retry"),
    4: Verdict("read", "link clicked"),
    20: Verdict("failed", "can't be delivered", "retry"),
    22: Verdict("failed", "wrong number", "permanent"),
    23: Verdict("failed", "forbidden", "permanent"),
    24: Verdict("failed", "not enough money", "channel"),
    25: Verdict("failed", "number unavailable", "permanent"),
}

# `err`: why not. The class is of a failed delivery.
REASONS: dict[int, tuple[str, ErrorClass]] = {
    1: ("no such subscriber", "permanent"),
    6: ("the phone is off", "retry"),
    11: ("no SMS service", "permanent"),
    12: ("fault of the handset", "retry"),
    13: ("the number is blocked", "permanent"),
    21: ("the phone takes no SMS", "retry"),
    200: ("a test, nothing was sent", "retry"),
    219: ("the SIM card was replaced, 24 hours of quiet", "retry"),
    220: ("the operator's queue is full", "retry"),
}

# `error_code` of send.php and status.php; 9 is asked about, see `send`.
CHANNEL_ERRORS: dict[int, str] = {
    2: "SMSC does not accept the login, or this address may not use it.",
    3: "There is not enough money on the SMSC account.",
    4: "SMSC has blocked our address for a while after too many errors.",
}
ADDRESS_ERRORS: dict[int, str] = {
    7: "SMSC does not accept this phone number.",
    8: "SMSC can't deliver to this number.",
}
PAYLOAD_ERRORS: dict[int, str] = {
    1: "SMSC found a mistake in the request.",
    5: "SMSC does not accept the date.",
    6: "The text or the sender name is forbidden at SMSC.",
}
