"""How fast one caller, and eight at a time, are answered, and how much of the truth they get."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SECONDS = 3.0
MANY = 8

Search = Callable[[np.ndarray], list[int]]


@dataclass(frozen=True)
class Speed:
    """Queries a second of one caller and of eight; the one's latencies [ms] that half and 99 % keep to."""

    one: float
    eight: float
    p50: float
    p99: float

    def line(self) -> str:
        return (
            f"{self.one:7.0f} queries/s, {self.eight:7.0f} of eight callers, "
            f"p50 {self.p50:.2f} ms, p99 {self.p99:.2f} ms"
        )


def recall(search: Search, queries: np.ndarray, truth: np.ndarray) -> float:
    """Share of the ten nearest that are found."""
    shares = [np.isin(true, search(query)).mean() for query, true in zip(queries, truth, strict=True)]
    return float(np.mean(shares))


def speed(search: Callable[[], Search] | Search, queries: np.ndarray, *, each: bool = False) -> Speed:
    """Ask for some seconds; with `each`, every caller gets a search of its own from `search`."""
    made = search if each else lambda: search
    alone = _latencies(made(), queries, 0)
    with ThreadPoolExecutor(MANY) as pool:
        start = time.perf_counter()
        asked = [pool.submit(_latencies, made(), queries, n) for n in range(MANY)]
        answered = sum(len(one.result()) for one in asked)
        together = answered / (time.perf_counter() - start)
    p50, p99 = np.percentile(alone, (50, 99)) * 1e3
    return Speed(1 / float(np.mean(alone)), together, float(p50), float(p99))


def _latencies(search: Search, queries: np.ndarray, first: int) -> list[float]:
    search(queries[first])
    taken: list[float] = []
    now = begun = time.perf_counter()
    while now - begun < SECONDS:
        search(queries[(first * 37 + len(taken)) % len(queries)])
        before, now = now, time.perf_counter()
        taken.append(now - before)
    return taken


def memory() -> int:
    """Bytes of this process that no file holds; the system's cache is not counted."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def disk(folder: Path) -> int:
    """Bytes that the files below a folder take."""
    return sum(
        512 * (Path(root) / name).stat().st_blocks for root, _, names in os.walk(folder) for name in names
    )
