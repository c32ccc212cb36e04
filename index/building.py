"""Making a compressed shelf from the rows in SQLite."""

import math
from collections.abc import Callable

import faiss
import numpy as np

from index.compressed import CompressedShelf
from index.effort import QUERIES, Truth, measured, shifted_queries
from index.items import RowIds, Vector
from index.sampling import sampled
from index.vector_file import VectorFile

AT_A_TIME = 8192
"""Rows read and added at a time."""
TRAINING_ROWS = 40
"""Rows per list that k-means looks at; FAISS asks for at least 39."""
MOST_TRAINING_ROWS = 65_536
ROUNDS = 10
MARGIN = 0.1
"""By how much of its range in the training rows a number may lie outside before its code is cut off."""

Present = Callable[[RowIds], tuple[RowIds, Vector]]
"""Row numbers -> those of them that are still there, with their vectors, shape (n, dim)."""


class NothingToBuildError(Exception):
    """Every row was deleted before it could be read."""


def build(rows: RowIds, present: Present, file: VectorFile) -> CompressedShelf:
    """Make a shelf of `rows`, ascending, and measure what effort which recall takes.

    `file`, a new one, gets their vectors. Whose the rows are is still to be said (`Places.own`).

    Raises:
        NothingToBuildError: none of the rows is there.
    """
    lists = lists_for(len(rows))
    numbers, examples = present(sampled(rows, min(TRAINING_ROWS * lists, MOST_TRAINING_ROWS)))
    if not len(examples):
        raise NothingToBuildError
    index = _trained(examples, min(lists, len(examples)))
    spread = slice(None, None, max(1, len(examples) // QUERIES))
    truth = Truth(shifted_queries(examples[spread][:QUERIES]), numbers[spread][:QUERIES])
    del examples
    for start in range(0, len(rows), AT_A_TIME):
        some, vectors = present(rows[start : start + AT_A_TIME])
        file.write(int(index.ntotal), vectors)
        index.add_with_ids(vectors, some)
        truth.add(some, vectors)
    shelf = CompressedShelf(index, (), int(index.ntotal), file)
    shelf.steps = measured(shelf.probe, truth, shelf.lists, shelf.built)
    return shelf


def lists_for(rows: int) -> int:
    """How many lists an inverted file of so many rows has."""
    return max(1, math.isqrt(rows) * 3 // 2)


def _trained(examples: Vector, lists: int) -> faiss.IndexIDMap:
    """Make an empty index for vectors like these, shape (n, dim)."""
    dimension = examples.shape[1]
    inverted = faiss.IndexIVFRaBitQ(faiss.IndexFlatL2(dimension), dimension, lists, faiss.METRIC_L2)
    inverted.cp.niter = ROUNDS
    inverted.cp.min_points_per_centroid = 1
    codes = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2)
    codes.sq.rangestat_arg = MARGIN
    index = faiss.IndexIDMap(faiss.IndexRefine(inverted, codes))
    index.train(np.ascontiguousarray(examples))
    return index
