"""What a benchmark says: a figure, its target, and the absolute numbers beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


class Unmeasurable(Exception):
    """A figure can't be had here; the message says why and what to do."""


@dataclass(frozen=True)
class Plan:
    """How much is done. `scale` multiplies the big data sets (1: as the targets are defined)."""

    quick: bool = False
    scale: float = 1.0

    @property
    def seconds(self) -> int:
        """Length of a round under load."""
        return 5 if self.quick else 20

    @property
    def ingest_rounds(self) -> int:
        return 2 if self.quick else 3

    @property
    def latency_rounds(self) -> int:
        return 2 if self.quick else 5

    @property
    def idle_s(self) -> float:
        return 8.0 if self.quick else 20.0

    @property
    def interactions(self) -> tuple[int, int]:
        """(many, few) of the stream."""
        return self._sizes(5_000_000, 50_000)

    @property
    def identities(self) -> tuple[int, int]:
        return self._sizes(1_000_000, 10_000)

    def _sizes(self, many: int, few: int) -> tuple[int, int]:
        many = max(10_000, int(many * self.scale))
        return many, min(few, many // 5)


@dataclass(frozen=True)
class Figure:
    """`at_least`: the target is a lower bound. `beside`: lines of absolute numbers."""

    name: str
    value: float
    target: float
    at_least: bool = False
    beside: Sequence[str] = field(default=())

    @property
    def met(self) -> bool:
        return self.value >= self.target if self.at_least else self.value <= self.target

    def lines(self) -> list[str]:
        bound = "≥" if self.at_least else "≤"
        head = f"{self.name:20} {self.value:10.3f}   {bound} {self.target:<7g} {'met' if self.met else 'MISSED'}"
        return [head, *(f"    {line}" for line in self.beside)]


def median(values: Sequence[float]) -> float:
    return quantile(values, 0.5)


def quantile(values: Sequence[float], share: float) -> float:
    """Between neighbours, linearly. `share` 0 to 1; NaN of nothing."""
    ranked = sorted(values)
    if not ranked:
        return math.nan
    place = share * (len(ranked) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


def listed(values: Sequence[float], digits: int = 0) -> str:
    """Each round's number, so that the spread is seen."""
    return " / ".join(f"{value:,.{digits}f}" for value in values)


def spread(took_ms: Sequence[float]) -> str:
    """Of one kind of call."""
    parts = (("median", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    return "   ".join(f"{name} {quantile(took_ms, share):8.2f}" for name, share in parts)
