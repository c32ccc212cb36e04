"""Principal components of many vectors without their covariance, whatever the dimension."""

from dataclasses import dataclass

import numpy as np

from index.items import Vector

EXTRA = 10
"""Directions looked at beyond those wanted, and how often they are refined (Halko et al., section 4.4)."""
REFINEMENTS = 4
SEED = 20_260_101


@dataclass(frozen=True, eq=False)
class Components:
    """`mean`, shape (dim,), and unit directions by falling variance, shape (dim, count)."""

    mean: Vector
    directions: Vector

    def of(self, vectors: Vector) -> Vector:
        """Give the coordinates of vectors, shape (n, dim), along the directions, shape (n, count)."""
        return ((vectors - self.mean) @ self.directions).astype(np.float32, copy=False)


def principal(vectors: Vector, count: int) -> Components:
    """Find up to `count` principal components of vectors, shape (n, dim), by a randomised range finder.

    Halko, Martinsson and Tropp 2011, "Finding structure with randomness", algorithms 4.4 and 5.1. The sign
    of a direction is that of its largest entry, so the same vectors give the same components.
    """
    count = min(count, *vectors.shape)
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = vectors - mean
    width = min(count + EXTRA, *vectors.shape)
    start = np.random.default_rng(SEED).standard_normal((vectors.shape[1], width), dtype=np.float32)
    basis, _ = np.linalg.qr(centred @ start)
    for _ in range(REFINEMENTS):
        across, _ = np.linalg.qr(centred.T @ basis)
        basis, _ = np.linalg.qr(centred @ across)
    _, _, rows = np.linalg.svd(basis.T @ centred, full_matrices=False)
    directions = rows[:count].T
    largest = np.abs(directions).argmax(axis=0)
    signs = np.where(directions[largest, np.arange(count)] < 0, -1, 1)
    return Components(mean, np.ascontiguousarray(directions * signs, dtype=np.float32))
