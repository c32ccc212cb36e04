"""Normalised discounted cumulated gain (Järvelin and Kekäläinen 2002) with gains of 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluation.bootstrap import RESAMPLES, SEED, TAILS
from evaluation.metrics import Float64, Int64

AT = 10


def ndcg(found: Sequence[bool], relevant: int, at: int = AT) -> float:
    """Sum of 1 / log2(1 + rank) over the relevant among the first `at`, over that of the best possible list.

    `found`: whether each result is relevant, best first; `relevant`: how many there are in the whole
    collection, so the best list has min(at, relevant) of them first. NaN where there are none.
    """
    worth = 1 / np.log2(np.arange(2, at + 2))
    gains = np.asarray(found[:at], float)
    ideal = worth[: min(at, relevant)].sum()
    return float(gains @ worth[: len(gains)] / ideal) if relevant else float("nan")


def ratio_interval(ones: Float64, others: Float64, groups: Int64) -> tuple[float, float]:
    """Ends of the 95 % interval of mean(ones) / mean(others); pairs of a group are drawn together."""
    members = np.unique(groups, return_inverse=True)[1]
    sums = np.stack([np.bincount(members, ones), np.bincount(members, others)])
    rng = np.random.default_rng(SEED)
    count = sums.shape[1]
    drawn = np.stack([np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(RESAMPLES)])
    above, below = sums @ drawn.T
    low, high = np.quantile(above / np.maximum(below, 1e-12), TAILS)
    return float(low), float(high)
