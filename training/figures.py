"""Measures of retrieval and naming. Vectors are unit rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


def top1(z: Float32, labels: Sequence[str], names: Sequence[str], vectors: Float32) -> float:
    """Share of items (n, DIM) whose nearest of `vectors` (names, DIM) is that of their label."""
    found = (z @ vectors.T).argmax(-1)
    return float(np.mean([names[column] == label for column, label in zip(found, labels, strict=True)]))


def recall(z: Float32, others: Float32, owners: Sequence[int], at: int) -> float:
    """Share of rows i of `z` with a row j of `others`, owners[j] == i, among the `at` nearest."""
    nearest = np.argsort(-(z @ others.T), axis=1)[:, :at]
    return float(np.mean([i in np.asarray(owners)[row] for i, row in enumerate(nearest)]))


def average_precision(scores: Float32, relevant: npt.NDArray[np.bool_]) -> float:
    """Mean of the precision at every relevant item, best score first."""
    hits = relevant[np.argsort(-scores)]
    places = np.flatnonzero(hits) + 1
    return float(np.mean(np.arange(1, len(places) + 1) / places))


def mean_average_precision(
    queries: Float32, query_shown: Sequence[str], items: Float32, items_shown: Sequence[str]
) -> float:
    """Mean over the queries that have a relevant item: one that shows the same."""
    shown = np.array(items_shown)
    scores = queries @ items.T
    found = [
        average_precision(row, shown == one)
        for row, one in zip(scores, query_shown, strict=True)
        if (shown == one).any()
    ]
    return float(np.mean(found))
