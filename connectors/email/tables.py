"""The e-mail channel's settings, and the words and limits its files share."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from connectors.addresses import normalize_email
from connectors.base import CommonSettings

MAX_BODY = 40 << 20
MAX_HEADER_BYTES = 256 << 10
MAX_HEADERS = 1000
SCAN_BYTES = 64 << 10
MAX_DEPTH = 50
MAX_PARTS = 500
MAX_HTML = 2 << 20  # of HTML that is shown; more is kept in the journal and read as text
MAX_TEXT = 200_000
MAX_ID = 480  # a Message-ID as external_id; the database takes 500

# Headers of a Payload that the fetcher adds to what it fetched.
UID = "x-hub-uid"  # uidvalidity:uid
TRUNCATED = "x-hub-truncated"  # size of the mail in bytes, of which only the beginning was fetched
UNREADABLE = "x-hub-unreadable"  # the server lists the mail and won't give it out: why

LOOP_HEADER = "X-Switchboard-Loop"


class EmailSettings(CommonSettings):
    """One mailbox: IMAP in, SMTP out. Without hosts the channel only reads what is handed to `normalize`."""

    address: str = Field("", description="our address, as clients write to it")
    aliases: str = Field("", description="further addresses of ours that end in this mailbox, comma separated")
    name: str = Field("", description="name shown to clients beside the address")
    user: str = Field("", description="log-in of IMAP and SMTP; empty: the address")
    password: SecretStr = Field(SecretStr(""), description="password, usually one made for external programs")
    imap_host: str = Field("", description="IMAP server, such as imap.yandex.ru; empty: nothing is fetched")
    imap_port: int = Field(993, ge=1, le=65535)
    imap_security: Literal["tls", "none"] = Field("tls", description="none: only for a server on this machine")
    folder: str = Field("INBOX", min_length=1, description="folder to read")
    since_days: int = Field(0, ge=0, le=3650, description="age of mail taken at the first connect; 0: only new mail")
    idle_s: int = Field(
        540, ge=1, le=1500, description="seconds after which IDLE is issued anew, and all is looked over"
    )
    poll_s: int = Field(30, ge=1, le=3600, description="seconds between looks where the server has no IDLE")
    max_mail_mb: int = Field(40, ge=1, le=40, description="of a larger mail only the beginning is fetched")
    smtp_host: str = Field("", description="SMTP server, such as smtp.yandex.ru; empty: nothing can be sent")
    smtp_port: int = Field(465, ge=1, le=65535)
    smtp_security: Literal["tls", "starttls", "none"] = "tls"
    smtp_user: str = Field("", description="where SMTP has a log-in of its own; `-`: none at all")
    smtp_password: SecretStr = SecretStr("")
    reply_key: SecretStr = Field(
        SecretStr(""), description="any secret text: answers then come to name+c…@domain; the server must deliver those"
    )

    @property
    def own_addresses(self) -> frozenset[str]:
        """Ours, in the form addresses are compared in."""
        found = (normalize_email(one) for one in (self.address, *self.aliases.split(",")))
        return frozenset(one for one in found if one)

    @property
    def domain(self) -> str:
        """Of our Message-IDs; empty without an address."""
        return (normalize_email(self.address) or "").rpartition("@")[2]

    @property
    def login(self) -> str:
        return self.user or self.address
