"""Timing of two ways to do the same thing, turn by turn, so that noise hits both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
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


@dataclass(frozen=True)
class Turns:
    """Seconds of several ways to do the same thing, by name, round for round."""

    rounds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        return statistics.median(self.rounds[name])

    def best(self, name: str) -> float:
        return min(self.rounds[name])

    def speedup(self, name: str, yardstick: str) -> float:
        """How many times faster than the yardstick, the median over rounds."""
        pairs = zip(self.rounds[yardstick], self.rounds[name], strict=True)
        return statistics.median(theirs / own for theirs, own in pairs)


def in_turns(calls: Mapping[str, Callable[[], object]], rounds: int) -> Turns:
    """Warm all up, then time them in turns."""
    for call in calls.values():
        call()
    timed = [{name: seconds(call) for name, call in calls.items()} for _ in range(rounds)]
    return Turns({name: [each[name] for each in timed] for name in calls})
