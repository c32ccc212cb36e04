"""Percentile bootstrap intervals (Efron and Tibshirani 1993, chapter 13), seeded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from evaluation.metrics import Float64, Int64

RESAMPLES = 1000
SEED = 0
TAILS = (0.025, 0.975)  # of a 95 % interval

Statistic = Callable[[Float64, npt.NDArray[np.int64]], float]


def mean(values: Float64, weights: npt.NDArray[np.int64]) -> float:
    return float(values @ weights / weights.sum())


def median(values: Float64, weights: npt.NDArray[np.int64]) -> float:
    """Median of each value repeated `weights` times; `values` rise."""
    ends = weights.cumsum()
    middle = [int(ends[-1] - 1) // 2, int(ends[-1]) // 2]
    return float(values[np.searchsorted(ends, middle, side="right")].mean())


def interval(
    values: Float64,
    statistic: Statistic = mean,
    *,
    groups: Int64 | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> tuple[float, float]:
    """Ends of the 95 % interval of a statistic over resampled queries.

    `groups`: queries of one group (the captions of one sound) are drawn together, since they do not vary
    independently. A share of 0 or 1 has an interval of no width: no resample can show what was never seen.
    """
    order = np.argsort(values, kind="stable")
    rising = values[order]
    members = np.arange(len(values)) if groups is None else np.unique(groups, return_inverse=True)[1]
    members = members[order]
    count = int(members.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = (np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(resamples))
    found = [statistic(rising, times[members]) for times in drawn]
    low, high = np.quantile(found, TAILS)
    return float(low), float(high)
