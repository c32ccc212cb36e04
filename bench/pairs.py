"""Timing of two ways to do the same thing, turn by turn, so that noise hits both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 7


@dataclass(frozen=True)
class Comparison:
    """Median seconds of ours and the peer's, and `speedup`, the median over rounds of peer / ours."""

    what: str
    peer: str
    ours_s: float
    peer_s: float
    speedup: float

    def line(self) -> str:
        ours, theirs = f"{self.ours_s:9.4f} s", f"{self.peer_s:9.4f} s"
        return f"{self.what:<40} {ours}   {self.peer:<28} {theirs}   {self.speedup:6.2f} x"


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compare(what: str, ours: Callable[[], object], peer: str, theirs: Callable[[], object]) -> Comparison:
    """Warm both up, then time them in turns."""
    ours(), theirs()
    rounds = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS)]
    return Comparison(
        what,
        peer,
        statistics.median(own for own, _ in rounds),
        statistics.median(other for _, other in rounds),
        statistics.median(other / own for own, other in rounds),
    )
