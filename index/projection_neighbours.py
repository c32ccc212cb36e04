"""Which points are neighbours, and how closely: the weighted graph that a map is drawn after.

McInnes, Healy and Melville 2018, "UMAP: Uniform Manifold Approximation and Projection for Dimension
Reduction" (arXiv 1802.03426), sections 3.1 and 4.1: every point measures distances on a scale of its own, so
dense and sparse regions are drawn alike, and a pair is joined as closely as either end finds it.
"""

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.items import Vector

NEIGHBOURS = 15
EXACT = 20_000
"""Up to so many points every pair is compared; of more, those in the nearest lists of an inverted file."""
LISTS_PER_ROOT = 1.5
PROBES = 12
BISECTIONS = 40
SLOTS = 32
"""So many neighbours of a point are drawn, each as often as its weight says."""

Weights = NDArray[np.float32]
Points = NDArray[np.int32]


def nearest(vectors: Vector, count: int) -> tuple[NDArray[np.int64], Vector]:
    """Find the `count` nearest others of every vector, shape (n, dim): numbers and distances, (n, count)."""
    points, dimension = vectors.shape
    index: Any = faiss.IndexFlatL2(dimension)
    if points > EXACT:
        lists = int(LISTS_PER_ROOT * points**0.5)
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(dimension), dimension, lists)
        index.nprobe = PROBES
        index.cp.seed, index.cp.max_points_per_centroid, index.cp.niter = 1, 64, 10
        index.train(vectors)
    index.add(vectors)
    squares, found = index.search(vectors, count + 1)
    # Among equal vectors a point need not come first; where it does not come at all, the last one goes.
    itself = found == np.arange(points)[:, np.newaxis]
    itself[~itself.any(axis=1), -1] = True
    distances = np.sqrt(np.maximum(squares, 0))
    return found[~itself].reshape(points, count), distances[~itself].reshape(points, count)


def closeness(distances: Vector) -> Weights:
    """Give the weight in (0, 1] of each neighbour, shape (n, k), by distances in ascending order.

    `exp(-(distance - nearest) / scale)`, with the scale at which a point's weights add up to log2(k).
    """
    beyond = distances - distances[:, :1]
    target = np.log2(distances.shape[1])
    low, high = np.full((2, len(distances), 1), 1e-9, dtype=np.float32)
    high[:] = max(float(beyond.max()), 1e-6) * distances.shape[1]
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        much = np.exp(-beyond / middle).sum(axis=1, keepdims=True) > target
        high, low = np.where(much, middle, high), np.where(much, low, middle)
    weights: Weights = np.exp(-beyond / high)
    return weights


def joined(neighbours: NDArray[np.int64], weights: Weights) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give the edges in both directions, `from * n + to` ascending, and their weights a + b - ab."""
    points, count = neighbours.shape
    known = neighbours.ravel() >= 0
    starts, ends = np.repeat(np.arange(points), count)[known], neighbours.ravel()[known]
    both = np.concatenate([starts * points + ends, ends * points + starts])
    order = np.argsort(both, kind="stable")
    edges, first = np.unique(both[order], return_index=True)
    sorted_weights = np.tile(weights.ravel()[known], 2)[order].astype(np.float64)
    total = np.add.reduceat(sorted_weights, first)
    twice = np.diff([*first, len(both)]) > 1
    total[twice] -= np.multiply.reduceat(sorted_weights, first)[twice]
    return edges, total


def drawn_neighbours(vectors: Vector) -> Points:
    """Draw neighbours of all points, shape (n, dim), each in proportion to its weight, shape (SLOTS, n).

    The points that are neighbours of no other and have none themselves do not exist: n must be 2 or more.
    """
    points = len(vectors)
    numbers, distances = nearest(vectors, min(NEIGHBOURS, points - 1))
    edges, weights = joined(numbers, closeness(distances))
    starts, ends = edges // points, (edges % points).astype(np.int32)
    # Point i owns the stretch from i to i + 1 of a line, its edges parts of it as long as they are heavy.
    upto = np.cumsum(weights)
    total = np.bincount(starts, weights, minlength=points)
    before = np.cumsum(total) - total
    line = starts + (upto - before[starts]) / total[starts]
    marks = np.arange(points)[:, np.newaxis] + (np.arange(SLOTS) + 0.5) / SLOTS
    chosen = np.minimum(np.searchsorted(line, marks.ravel()), len(ends) - 1)
    return np.ascontiguousarray(ends[chosen].reshape(points, SLOTS).T)
