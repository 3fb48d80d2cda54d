"""How an engine is, in the words /readyz shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Condition(StrEnum):
    EXTERNAL = "external"
    """Not ours: an address was given; whoever uses it finds out how it is."""
    STARTING = "starting"
    READY = "ready"
    RECOVERING = "recovering"
    """Alive, and says itself that it takes no one in yet."""
    SILENT = "silent"
    """Alive, but gives no answer: stopped (SIGSTOP), or the machine is far too busy."""
    CUT_OFF = "cut off"
    """Alive, but its socket is not in the file system (a cleaner of temporary files took it)."""
    GONE = "gone"


DOWN = frozenset({Condition.SILENT, Condition.CUT_OFF, Condition.GONE})


@dataclass(frozen=True)
class Health:
    condition: Condition
    why: str = ""

    def __str__(self) -> str:
        """`ready`, `starting`, `external`, `recovering: why` or `down: why`."""
        word = "down" if self.condition in DOWN else self.condition.value
        return f"{word}: {self.why}" if self.why else word

    @property
    def usable(self) -> bool:
        return self.condition in {Condition.READY, Condition.EXTERNAL}
