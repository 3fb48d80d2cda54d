"""Settings: environment variables over a TOML file over defaults. Nothing else in the tree reads os.environ.

`load()` is called once at start; a wrong value ends the start with the variable's name. The TOML file is
`switchboard.toml` in HUB_DATA_DIR (or HUB_CONFIG), with the same names in lower case without `hub_`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from config.errors import BadSettings

ENVIRONMENT = {
    "port": "HUB_PORT",
    "host": "HUB_HOST",
    "data_dir": "HUB_DATA_DIR",
    "public_url": "HUB_PUBLIC_URL",
    "trusted_proxies": "HUB_TRUSTED_PROXIES",
    "timezone": "HUB_TIMEZONE",
    "secret_keys": "HUB_SECRET_KEYS",
    "log_level": "HUB_LOG_LEVEL",
    "log_format": "HUB_LOG_FORMAT",
    "engine_user": "HUB_ENGINE_USER",
    "worker_processes": "HUB_WORKER_PROCESSES",
    "lane_sessions": "HUB_LANE_SESSIONS",
    "disk_reserve_mb": "HUB_DISK_RESERVE_MB",
    "keep_journal_days": "HUB_KEEP_JOURNAL_DAYS",
    "keep_events_hours": "HUB_KEEP_EVENTS_HOURS",
    "keep_interactions_months": "HUB_KEEP_INTERACTIONS_MONTHS",
    "allow_private_urls": "HUB_ALLOW_PRIVATE_URLS",
    "database_url": "DATABASE_URL",
    "redis_url": "REDIS_URL",
    "demo": "DEMO",
}


class Settings(BaseModel):
    """Everything an installation can set. Times in seconds, sizes in bytes unless the name says otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(8080, ge=0, le=65535, description="port of the HTTP server; 0 takes a free one")
    host: str = Field("127.0.0.1", description="address to listen on")
    data_dir: Path = Field(Path("data"), description="embedded engines, blobs, keys; made if absent")
    public_url: str = Field("", description="how providers reach us, https://hub.example; empty: http://host:port")
    trusted_proxies: tuple[str, ...] = Field((), description="networks whose X-Forwarded-* headers are believed")
    timezone: str = Field("Europe/Moscow", description="the workspace's zone: reports, quiet hours by default")
    secret_keys: SecretStr | None = Field(None, description="keyid:base64 of 32 bytes, comma separated, newest first")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "text"] = Field("auto", description="auto: text on a terminal, else json")
    engine_user: str = Field("", description="system user for the embedded engines when started as root; empty: found")
    worker_processes: int = Field(
        1, ge=0, le=32, description="workers that `run` keeps beside itself; 0: everything in one process, least memory"
    )
    lane_sessions: int = Field(
        2, ge=1, le=16, description="lane owners of one worker process: while one waits for PostgreSQL another works"
    )
    disk_reserve_mb: int = Field(5120, ge=0, description="below this much free disk the hub answers 503")
    keep_journal_days: int = Field(
        90, ge=1, le=36_500, description="raw payloads are kept at least so long; those not done, until they are"
    )
    keep_events_hours: int = Field(72, ge=1, le=8760, description="how far back `/events` and a socket can resume")
    keep_interactions_months: int = Field(
        0, ge=0, le=1200, description="whole months of history to keep besides the current one; 0: for ever"
    )
    allow_private_urls: bool = Field(default=False, description="let provider base URLs point into private networks")
    database_url: SecretStr | None = Field(None, description="postgresql://…; empty: embedded PostgreSQL")
    redis_url: SecretStr | None = Field(None, description="redis://…; empty: embedded Valkey")
    demo: bool = Field(default=True, description="fill an empty database with the demo workspace")

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(p.strip() for p in value.split(",") if p.strip()) if isinstance(value, str) else value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("is not a time zone name such as Europe/Moscow")
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def base_url(self) -> str:
        """Address providers call, without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings of this process. Raises BadSettings naming the variable or the TOML key that is wrong."""
    env = os.environ if environ is None else environ
    values = _from_toml(Path(env.get("HUB_CONFIG") or Path(env.get("HUB_DATA_DIR") or "data") / "switchboard.toml"))
    values |= {field: env[name] for field, name in ENVIRONMENT.items() if env.get(name)}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = str(first["loc"][0])
        raise BadSettings(f"{ENVIRONMENT.get(field, field)} {first['msg']}") from None
    return settings.model_copy(update={"data_dir": settings.data_dir.expanduser().absolute()})


def _from_toml(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            return dict(tomllib.load(file))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{path} is not valid TOML: {error}") from None
