"""Logging of a process: text on a terminal, JSON lines otherwise; ids and facts, never contents or secrets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import sys
from collections.abc import Callable

import structlog

from config.settings import Settings

event_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
with contextlib.suppress(ImportError):  # Windows has the ordinary loop alone
    from uvloop import new_event_loop

    event_loop = new_event_loop

__all__ = ["event_loop", "settle_memory", "start_logging"]

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def start_logging(settings: Settings) -> None:
    """Everything goes to stderr: stdout is the commands' own."""
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if as_text else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.log_level]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Its pool tells each failed attempt to reconnect with a traceback; that the database is away is told once elsewhere.
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")


def settle_memory() -> None:
    """What start-up made stays for good: the collector need not look at it again, and looks less often at the rest
    (a full collection over all modules stops the loop for a third of a second).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
