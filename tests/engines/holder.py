"""A process that holds engines: `holder.py DATA_DIR ROLE`. Prints one JSON line when they are ready, stops on SIGTERM."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

import structlog
import uvloop

from config.settings import Settings
from storage.engines.embedded import Engines


async def main(data_dir: Path, role: str) -> None:
    engines = Engines(Settings(data_dir=data_dir), role="hub" if role == "hub" else "guest", extra={"fsync": "off"})
    try:
        addresses = await engines.start()
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        sys.stdout.write(json.dumps(asdict(addresses)) + "\n")
        sys.stdout.flush()
        await stopped.wait()
    finally:
        await engines.stop()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    uvloop.run(main(Path(sys.argv[1]), sys.argv[2]))
