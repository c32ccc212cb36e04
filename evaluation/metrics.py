"""Measures of naming and retrieval, from their definitions. Vectors are unit rows.

A rank is 1 for the best. Equal scores share their places: the rank among t equals is the middle one, so a
model that gives everything the same vector gains nothing from the order of the files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

ROWS_AT_ONCE = 1024  # of a score matrix


def best_of_groups(scores: Float32, groups: Int64) -> Float32:
    """(n, m) -> (n, number of groups): the best score of each group of columns."""
    best = np.full((len(scores), int(groups.max()) + 1), -np.inf, np.float32)
    for column, group in enumerate(groups):
        np.maximum(best[:, group], scores[:, column], out=best[:, group])
    return best


def places(best: Float32, others: Float32) -> Float64:
    """1-based rank of `best` (n,) among itself and `others` (n, m); -inf in `others` is nobody."""
    above = (others > best[:, None]).sum(1)
    equal = ((others == best[:, None]) & np.isfinite(others)).sum(1)
    return np.asarray(1 + above + equal / 2, np.float64)


def class_ranks(scores: Float32, truth: Int64) -> Float64:
    """Rank of the true class of every row of `scores` (n, classes)."""
    rows = np.arange(len(scores))
    others = scores.copy()
    others[rows, truth] = -np.inf
    return places(scores[rows, truth], others)


def retrieval_ranks(queries: Float32, query_groups: Int64, items: Float32, item_groups: Int64) -> Float64:
    """Rank, for every query, of the best-ranked item of its own group.

    Only items of other groups can stand before it: a photograph with five captions is found when the first
    of the five is. Raises ValueError for a query whose group has no item.
    """
    found = []
    for start in range(0, len(queries), ROWS_AT_ONCE):
        scores = queries[start : start + ROWS_AT_ONCE] @ items.T
        own = query_groups[start : start + ROWS_AT_ONCE, None] == item_groups[None]
        if not own.any(1).all():
            raise ValueError("a query has no item of its own")
        best = np.where(own, scores, -np.inf).max(1)
        found.append(places(best.astype(np.float32), np.where(own, -np.inf, scores).astype(np.float32)))
    return np.concatenate(found)


def hits(ranks: Float64, at: int) -> Float64:
    """1 for every rank that is `at` or better: their mean is top-k or recall at k."""
    return np.asarray(ranks <= at, np.float64)


def average_precision(scores: npt.NDArray[np.floating], relevant: npt.NDArray[np.bool_]) -> float:
    """Mean, over the relevant items, of the precision among all that score at least as high.

    NaN where nothing is relevant.
    """
    own = np.sort(scores[relevant])
    everything = np.sort(scores)
    if not len(own):
        return math.nan
    relevant_above = len(own) - np.searchsorted(own, own, side="left")
    all_above = len(everything) - np.searchsorted(everything, own, side="left")
    return float(np.mean(relevant_above / all_above))


def average_precisions(
    queries: Float32, wanted: Sequence[str], items: Float32, shown: Sequence[str]
) -> Float64:
    """Average precision of every query: relevant are the items that show what it wants. NaN: none does."""
    shows = np.array(shown)
    return np.array(
        [average_precision(items @ query, shows == one) for query, one in zip(queries, wanted, strict=True)]
    )


def gap(left: Float32, right: Float32) -> float:
    """Distance of the centroids of two modalities (Liang et al. 2022, "Mind the gap"); 0 to 2."""
    return float(np.linalg.norm(left.mean(0) - right.mean(0)))


def matched_cosines(left: Float32, right: Float32) -> Float64:
    """Cosine of every pair of rows that belong together."""
    return np.asarray((left * right).sum(1), np.float64)


def chance_of_recall(items: int, own: int, at: int) -> float:
    """Recall at `at` of a random order of `items`, `own` of which are right."""
    if at > items - own:
        return 1.0
    return 1 - math.exp(_log_choose(items - own, at) - _log_choose(items, at))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
