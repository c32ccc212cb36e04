"""The same pseudo-random choice of rows every time, however they got onto a shelf."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from index.items import RowIds, Stored, Vector


def scrambled(rows: RowIds) -> NDArray[np.uint64]:
    """Give each row number a fixed pseudo-random one (splitmix64), so that the least ones are a sample."""
    mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def sampled(rows: RowIds, count: int) -> RowIds:
    """Choose up to `count` of the rows, ascending."""
    if len(rows) > count:
        rows = rows[np.argpartition(scrambled(rows), count)[:count]]
    return np.sort(rows)


class Sample:
    """The vectors of sampled rows, kept while the shelf changes without looking at all its rows again."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._rows: RowIds | None = None
        self._vectors: Vector | None = None

    def add(self, rows: RowIds) -> None:
        if self._rows is not None:
            chosen = sampled(np.concatenate([self._rows, rows]), self._count)
            if not np.array_equal(chosen, self._rows):
                self._rows, self._vectors = chosen, None

    def remove(self, rows: RowIds) -> None:
        if self._rows is not None and np.isin(self._rows, rows).any():
            self._rows = self._vectors = None

    def vectors(self, rows: Callable[[], RowIds], stored: Stored) -> Vector:
        """Give the sampled vectors, shape (n, dim); `rows` and `stored` are asked only where needed."""
        if self._rows is None:
            self._rows = sampled(rows(), self._count)
        if self._vectors is None:
            self._vectors = stored(self._rows)
        return self._vectors
