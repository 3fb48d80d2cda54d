"""What the owners of lanes in one process tell one another: is anybody waiting, is there much to do, have lanes moved."""

from __future__ import annotations

import asyncio
import time

LIVE_FOR_S = 1.0
LOADED_FOR_S = 5.0
LOADED = 32
"""Live entries of one batch that mean load."""


class Pace:
    """Times in monotonic seconds. `shifts` counts how often lanes were taken or given up here."""

    def __init__(self) -> None:
        self.shifts = 0
        self._live_at = self._loaded_at = float("-inf")
        self._load = asyncio.Event()

    def took_live(self, count: int) -> None:
        """A live owner has so many entries in hand."""
        self._live_at = time.monotonic()
        if count >= LOADED:
            self._loaded_at = self._live_at
            self._load.set()

    def is_live(self) -> bool:
        """Bulk work then rests most of the time."""
        return time.monotonic() - self._live_at < LIVE_FOR_S

    def is_loaded(self) -> bool:
        return time.monotonic() - self._loaded_at < LOADED_FOR_S

    async def wait_for_load(self) -> None:
        while not self.is_loaded():
            self._load.clear()
            await self._load.wait()
