"""Points in the plane: neighbours attract each other, all others push each other away.

The stochastic gradient descent of UMAP (McInnes, Healy and Melville 2018, arXiv 1802.03426, section 4.2) with
the curve 1 / (1 + d^2) of t-SNE (a = b = 1), written for arrays: in one step every point is drawn to one of
its neighbours and pushed away from `REPULSIONS` others. As all points are moved at once, no point's move has
to be scattered over the others, and a step is a few passes over memory.
"""

from collections.abc import Callable

import numpy as np

from index.items import Vector
from index.projection_neighbours import Points

STEPS = 600
REPULSIONS = 12
"""UMAP has two or three for each pull; more of them draw dense groups wider and keep more true neighbours."""
RATE = 1.0
LONGEST = 4.0
"""No single pull or push is longer."""
SPREAD = 10.0
"""Standard deviation of the wider axis at the start; points that are neighbours end about 1 apart."""
CLOSEST = 1e-3
JITTER = 1e-3
SEED = 7


def arranged(start: Vector, neighbours: Points, check: Callable[[], None]) -> Vector:
    """Move points from `start`, shape (n, 2), until neighbours, shape (slots, n), lie together; (n, 2).

    The same input gives the same output. `check` is called before every step and may raise to end it.
    """
    rng = np.random.default_rng(SEED)
    deviation = max(float(start.std(axis=0).max()), 1e-12)
    places = np.ascontiguousarray((start - start.mean(axis=0)).T * (SPREAD / deviation), dtype=np.float32)
    places += rng.normal(scale=JITTER, size=places.shape).astype(np.float32)
    slots, points = neighbours.shape
    order = rng.permutation(slots)
    offsets = rng.integers(1, points, size=(STEPS, REPULSIONS))
    for step in range(STEPS):
        check()
        rate = np.float32(RATE * (1 - step / STEPS))
        away = places - places[:, neighbours[order[step % slots]]]
        square = np.square(away).sum(axis=0)
        move = away * (-2 / (1 + square))
        np.clip(move, -LONGEST, LONGEST, out=move)
        for offset in offsets[step].tolist():
            away = places - np.roll(places, offset, axis=1)
            square = np.square(away).sum(axis=0)
            away *= 2 / ((CLOSEST + square) * (1 + square))
            move += np.clip(away, -LONGEST, LONGEST)
        places += rate * move
    return np.ascontiguousarray(places.T)


def framed(places: Vector) -> Vector:
    """Shift and scale points, shape (n, 2), into [-1, 1] with the proportions kept."""
    if not len(places):
        return places.astype(np.float32)
    low, high = places.min(axis=0), places.max(axis=0)
    half = max(float((high - low).max()) / 2, 1e-12)
    scaled: Vector = np.clip((places - (low + high) / 2) / half, -1, 1).astype(np.float32)
    return scaled
