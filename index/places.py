"""The rows of a shelf by their places: row number, item number, and whether the row is still there."""

from functools import cached_property
from typing import TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

from index.items import Items, RowIds

REMEMBERED = 8
"""Selections kept for filters that are asked again before anything changes."""

_Kind = TypeVar("_Kind", bound=np.generic)


def _roomier(buffer: NDArray[_Kind], least: int) -> NDArray[_Kind]:
    roomier = np.empty(max(least, len(buffer) * 5 // 4), dtype=buffer.dtype)
    roomier[: len(buffer)] = buffer
    return roomier


class PictureError(Exception):
    """A shelf is not what SQLite has; it has to be built anew."""

    def __init__(self, modality: str) -> None:
        super().__init__(modality)
        self.modality = modality


class Selection:
    """Places that may be found; `chosen` says so of every place of a shelf, shape (places,)."""

    def __init__(self, chosen: NDArray[np.bool_]) -> None:
        self._chosen = chosen
        self.count = int(np.count_nonzero(chosen))

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Give their numbers, ascending, shape (count,)."""
        return np.flatnonzero(self._chosen)

    @cached_property
    def selector(self) -> faiss.IDSelector:
        """Give FAISS's selector of them, which only points to its bits."""
        self._bits = np.packbits(self._chosen, bitorder="little")
        return faiss.IDSelectorBitmap(len(self._bits), faiss.swig_ptr(self._bits))


class Places:
    """Row numbers ascend with their places, so a row is found by bisection. `items` are those of the rows.

    Not locked, as shelves are.
    """

    def __init__(self, rows: RowIds | None = None) -> None:
        self.rows = np.empty(0, dtype=np.int64) if rows is None else rows
        self.items = np.zeros(len(self.rows), dtype=np.int64)
        self.living = np.ones(len(self.rows), dtype=bool)
        self.dead = 0
        self._buffers = (self.rows, self.items, self.living)
        self._selections: dict[int, tuple[NDArray[np.bool_] | None, Selection]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, rows: RowIds, items: Items) -> None:
        """Add new places; `rows` ascend and lie above all before.

        Raises:
            ValueError: they do not.
        """
        numbers = np.concatenate([self.rows[-1:], rows])
        if not (numbers[1:] > numbers[:-1]).all():
            raise ValueError("row numbers must ascend")
        self._selections = {}
        before, after = len(self), len(self) + len(rows)
        if after > len(self._buffers[0]):
            self._buffers = (
                _roomier(self._buffers[0], after),
                _roomier(self._buffers[1], after),
                _roomier(self._buffers[2], after),
            )
        for buffer, values in zip(self._buffers, (rows, items, True), strict=True):
            buffer[before:after] = values
        self.rows, self.items, self.living = (buffer[:after] for buffer in self._buffers)

    def firsts(self, start: int = 0) -> RowIds:
        """Give the living rows from place `start` on that are the first of their items, ascending."""
        first = self.living[start:].copy()
        if len(first):
            # An item's rows are stored, and removed, together.
            first[1:] &= self.items[start + 1 :] != self.items[start:-1]
        if start and len(first):
            first[0] &= self.items[start] != self.items[start - 1]
        return self.rows[start:][first]

    def own(self, rows: RowIds, items: Items) -> None:
        """Say whose the rows are, shape (n,) each; rows that have no place are passed over."""
        places = np.minimum(np.searchsorted(self.rows, rows), max(len(self) - 1, 0))
        known = self.rows[places] == rows if len(self) else np.zeros(len(rows), dtype=bool)
        self.items[places[known]] = items[known]
        self._selections = {}

    def of(self, rows: RowIds) -> NDArray[np.int64]:
        """Give the places of those rows that have one."""
        places = np.searchsorted(self.rows, rows)
        inside = places < len(self)
        places, rows = places[inside], rows[inside]
        found: NDArray[np.int64] = places[self.rows[places] == rows]
        return found

    def remove(self, rows: RowIds) -> None:
        """Leave these rows' places empty."""
        self.living[self.of(rows)] = False
        self.dead = len(self) - int(np.count_nonzero(self.living))
        self._selections = {}

    def compact(self) -> None:
        """Forget empty places, so that those behind them move up."""
        living = self.living
        self._buffers = (self.rows[living], self.items[living], living[living])
        self.rows, self.items, self.living = self._buffers
        self.dead = 0
        self._selections = {}

    def selected(self, passing: NDArray[np.bool_] | None, without: RowIds | None) -> Selection | None:
        """Select the places of items that pass, by item number, `without` these rows; None: all places.

        As long as nothing changes, the same array `passing` gets the same selection.
        """
        if without is not None and len(without):
            chosen = self._chosen(passing)
            chosen[self.of(without)] = False
            return Selection(chosen)
        if passing is None and not self.dead:
            return None
        known = self._selections.get(id(passing))
        if known is None or known[0] is not passing:
            known = (passing, Selection(self._chosen(passing)))
            self._selections = dict([*self._selections.items()][1 - REMEMBERED :]) | {id(passing): known}
        return known[1]

    def _chosen(self, passing: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        chosen = self.living.copy()
        if passing is not None:
            chosen &= passing.take(self.items)
        return chosen
