"""The vectors of one modality as codes: about 1.2 kB for 1024 numbers instead of 4.1 kB.

    IndexIDMap( IndexRefine( IndexIVFRaBitQ, IndexScalarQuantizer 8 bit ) )

An inverted file of one-bit codes (RaBitQ, Gao and Long 2024, arXiv 2405.12497) proposes rows, 8-bit codes put
them in order, and `ranking` compares the first of them with the vectors in SQLite. FAISS numbers vectors by
their place; the places' row numbers ascend, so a row is found by bisection.
"""

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.calibration import SAMPLE_ROWS
from index.effort import Effort, Step, choose
from index.items import RowIds, Stored, Vector
from index.sampling import Sample
from index.shelf import AT_A_TIME, exact_scores_of

FEW_ROWS = 2_000
FEW_SHARE = 64
"""So many filtered rows, or this part of the shelf, are compared one by one."""
MOST_SHARE = 4
"""Who asks for more than this part of the rows (a quarter) has all of them compared."""
QUERY_BITS = 8
WIDEN = 4


class CompressedShelf:
    """An inverted file of compressed vectors, see above; made by `building.build`.

    Not locked: searches may run together, `add` and `remove` must run alone. Removed rows stay as tombstones
    that no search sees. `steps` say what recall takes which effort, `built` is the number of rows they were
    measured on.
    """

    structure = "ivf_rabitq_sq8"
    slack = 0.0

    def __init__(self, index: faiss.IndexIDMap, steps: tuple[Step, ...], built: int) -> None:
        self.index = index
        self.steps = steps
        self.built = built
        refined: Any = faiss.downcast_index(index.index)
        self._refined = refined
        self._codes = faiss.downcast_index(refined.refine_index)
        inverted: Any = faiss.downcast_index(refined.base_index)
        self.lists = int(inverted.nlist)
        self._living = np.ones(int(index.ntotal), dtype=bool)
        self._dead = 0
        self._sample = Sample(SAMPLE_ROWS)

    def __len__(self) -> int:
        return int(self.index.ntotal) - self._dead

    @property
    def dead(self) -> int:
        """The number of tombstones."""
        return self._dead

    @property
    def few(self) -> int:
        """So many filtered rows are sooner compared one by one than searched for."""
        return max(FEW_ROWS, len(self) // FEW_SHARE)

    def rows(self) -> RowIds:
        """Give the row numbers on the shelf, ascending."""
        return self._numbers()[self._living]

    def dead_rows(self) -> RowIds:
        """Give the row numbers of the tombstones, ascending."""
        return self._numbers()[~self._living]

    def add(self, rows: RowIds, vectors: Vector) -> None:
        """Put unit vectors, shape (n, dim), on the shelf under new row numbers, shape (n,), ascending."""
        numbers = np.concatenate([self._numbers()[-1:], rows])
        if not (numbers[1:] > numbers[:-1]).all():
            raise ValueError("row numbers must ascend")
        self.index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), rows)
        self._living = np.concatenate([self._living, np.ones(len(rows), dtype=bool)])
        self._sample.add(rows)

    def remove(self, rows: RowIds) -> None:
        """Take rows off the shelf for good."""
        self._living[self._places(rows)] = False
        self._dead = len(self._living) - int(np.count_nonzero(self._living))
        self._sample.remove(rows)

    def compact(self) -> None:
        """Do nothing: tombstones go when the structure is built anew."""

    def exact(self, rows: RowIds, query: Vector, stored: Stored) -> NDArray[np.float32]:
        """Give the exact cosines of these rows with a unit query, shape (n,)."""
        return exact_scores_of(stored, rows, query)

    def rough(self, rows: RowIds, query: Vector) -> NDArray[np.float32]:
        """Give the cosines of these rows as their 8-bit codes tell them, shape (n,)."""
        places, scores = self._places(rows), np.empty(len(rows), dtype=np.float32)
        for start in range(0, len(rows), AT_A_TIME):
            part = slice(start, start + AT_A_TIME)
            scores[part] = self._codes.reconstruct_batch(places[part]) @ query
        return scores

    def sample(self, stored: Stored) -> Vector:
        """Give up to 256 vectors of the shelf, always the same for the same rows, shape (n, dim)."""
        return self._sample.vectors(self.rows, stored)

    def search(
        self,
        query: Vector,
        count: int,
        *,
        only: RowIds | None = None,
        without: RowIds | None = None,
        recall: float,
    ) -> tuple[RowIds, Vector]:
        """Find the `count` rows with the highest inner product, best first, fewer where there are no more.

        `only` limits the search to these rows, `without` leaves rows out. `recall` is the share of the true
        ones that are to be among the found, on average. Returns row numbers and rough scores, both (n,).
        """
        chosen = self._chosen(only, without)
        available = int(np.count_nonzero(chosen))
        most = min(count, available)
        # The best of a few are spread over as many lists as so many more of all rows.
        alike = count * len(chosen) / max(available, 1)
        effort = choose(self.steps, recall, alike, self.lists)
        if effort is None or most * MOST_SHARE >= available:
            return self._compared(query, most, chosen)
        bits = np.packbits(chosen, bitorder="little")
        everywhere = available == len(chosen)
        selector = None if everywhere else faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        while True:
            places, distances = self._probe(query[np.newaxis], most, effort, selector)
            found = places[0] >= 0
            if found.all() or effort.probes >= self.lists:
                scores: Vector = 1 - distances[0][found] / 2
                return self._numbers()[places[0][found]], scores
            effort = Effort(min(self.lists, effort.probes * WIDEN), effort.rerank)

    def probe(self, queries: Vector, count: int, effort: Effort) -> RowIds:
        """Give the row numbers, shape (q, n), that an effort finds for queries, shape (q, dim); -1: none."""
        places, _ = self._probe(queries, min(count, int(self.index.ntotal)), effort, None)
        return np.where(places < 0, -1, self._numbers()[places])

    def _probe(
        self, queries: Vector, count: int, effort: Effort, selector: faiss.IDSelector | None
    ) -> tuple[NDArray[np.int64], Vector]:
        """Search in FAISS; gives places and squared distances, both (q, count)."""
        inner = faiss.IVFRaBitQSearchParameters()
        inner.nprobe, inner.qb, inner.sel = effort.probes, QUERY_BITS, selector
        parameters = faiss.IndexRefineSearchParameters()
        parameters.k_factor = max(1.0, min(float(effort.rerank), int(self.index.ntotal) / count))
        parameters.base_index_params = inner
        distances, places = self._refined.search(queries, count, params=parameters)
        return places, distances

    def _compared(self, query: Vector, count: int, chosen: NDArray[np.bool_]) -> tuple[RowIds, Vector]:
        """Find the best by comparing all chosen places."""
        rows = self._numbers()[chosen]
        scores = self.rough(rows, query)
        order = np.lexsort((rows, -scores))[:count]
        return rows[order], scores[order]

    def _chosen(self, only: RowIds | None, without: RowIds | None) -> NDArray[np.bool_]:
        """Say of every place whether it may be found."""
        if only is None:
            chosen = self._living if without is None else self._living.copy()
        else:
            chosen = np.zeros(len(self._living), dtype=bool)
            chosen[self._places(only)] = True
            chosen &= self._living
        if without is not None:
            chosen[self._places(without)] = False
        return chosen

    def _numbers(self) -> RowIds:
        """Give the row number of every place, without copying."""
        if not self.index.ntotal:
            return np.empty(0, dtype=np.int64)
        numbers: RowIds = faiss.rev_swig_ptr(self.index.id_map.data(), int(self.index.ntotal))
        return numbers

    def _places(self, rows: RowIds) -> NDArray[np.int64]:
        """Give the places of those rows that are there."""
        numbers = self._numbers()
        places = np.searchsorted(numbers, rows)
        places, rows = places[places < len(numbers)], rows[places < len(numbers)]
        found: NDArray[np.int64] = places[numbers[places] == rows]
        return found
