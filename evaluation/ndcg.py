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


def best_merge(lists: Sequence[Sequence[bool]], at: int = AT) -> list[bool]:
    """One list that keeps the order within each of `lists` and has what is relevant as early as that allows.

    The beginning with the greatest share of relevant items is taken from its list, again and again: the
    optimum for chains of jobs with weights (Horn 1972), and close to it with gains that fall logarithmically.
    """
    rest = [list(one) for one in lists if one]
    merged: list[bool] = []
    while rest and len(merged) < at:
        shares = {
            (place, length): sum(one[:length]) / length
            for place, one in enumerate(rest)
            for length in range(1, len(one) + 1)
        }
        place, length = max(shares, key=lambda cut: (shares[cut], -cut[1]))
        merged += rest[place][:length]
        rest[place] = rest[place][length:]
        rest = [one for one in rest if one]
    return merged[:at]


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
