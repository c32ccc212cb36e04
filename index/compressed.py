"""The vectors of one modality as codes: about 1.2 kB for 1024 numbers instead of 4.1 kB.

    IndexIDMap( IndexRefine( IndexIVFRaBitQ, IndexScalarQuantizer 8 bit ) )

An inverted file of one-bit codes (RaBitQ, Gao and Long 2024, arXiv 2405.12497) proposes rows, 8-bit codes put
them in order, and the first of them are compared with the vectors themselves, which lie in a file. FAISS
numbers vectors by their place; the places' row numbers ascend, so a row is found by bisection.
"""

from functools import lru_cache
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.calibration import SAMPLE_ROWS
from index.effort import Effort, Step, choose
from index.items import Items, RowIds, Vector
from index.places import Places, Selection
from index.sampling import Sample
from index.shelf import AT_A_TIME, Scores
from index.vector_file import VectorFile

FEW_ROWS = 2_000
FEW_SHARE = 100
"""So many filtered rows, or this part of the shelf, have their 8-bit codes compared one by one."""
MOST_SHARE = 4
"""Who asks for more than this part of the rows (a quarter) has all of them compared."""
QUERY_BITS = 4
"""Bits of a query's numbers against one-bit codes; the authors of RaBitQ found that more add nothing."""
WIDEN = 4


@lru_cache(64)
def _parameters(probes: int, factor: float, selector: faiss.IDSelector | None = None) -> Any:
    inner = faiss.IVFRaBitQSearchParameters()
    inner.nprobe, inner.qb = probes, QUERY_BITS
    if selector is not None:
        inner.sel = selector
    parameters = faiss.IndexRefineSearchParameters()
    parameters.k_factor, parameters.base_index_params = factor, inner
    return parameters


class CompressedShelf:
    """An inverted file of compressed vectors, see above; made by `building.build`.

    Not locked: searches may run together, `add` and `remove` must run alone. Removed rows stay as tombstones
    that no search sees. `steps` say what recall takes which effort, `built` is the number of rows they were
    measured on, `file` has the vectors by their places.
    """

    structure = "ivf_rabitq_sq8"
    slack = 0.0

    def __init__(
        self, index: faiss.IndexIDMap, steps: tuple[Step, ...], built: int, file: VectorFile
    ) -> None:
        self.index = index
        self.steps = steps
        self.built = built
        self.file = file
        refined: Any = faiss.downcast_index(index.index)
        self._refined = refined
        self._codes: Any = faiss.downcast_index(refined.refine_index)
        inverted: Any = faiss.downcast_index(refined.base_index)
        self.lists = int(inverted.nlist)
        self.places = Places(np.array(faiss.vector_to_array(index.id_map), dtype=np.int64))
        self._sample = Sample(SAMPLE_ROWS)

    def __len__(self) -> int:
        return len(self.places) - self.places.dead

    @property
    def dead(self) -> int:
        """The number of tombstones."""
        return self.places.dead

    @property
    def few(self) -> int:
        """So many filtered rows are sooner compared one by one than searched for."""
        return max(FEW_ROWS, len(self) // FEW_SHARE)

    def rows(self) -> RowIds:
        """Give the row numbers on the shelf, ascending."""
        return self.places.rows[self.places.living]

    def dead_rows(self) -> RowIds:
        """Give the row numbers of the tombstones, ascending."""
        return self.places.rows[~self.places.living]

    def add(self, rows: RowIds, vectors: Vector, items: Items) -> None:
        """Put unit vectors, shape (n, dim), on the shelf under new row numbers, shape (n,), ascending.

        `items`, shape (n,), are the numbers of the items they belong to.
        """
        self.file.write(len(self.places), vectors)
        self.places.add(rows, items)
        self.index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), rows)
        self._sample.add(self.places.firsts(len(self.places) - len(rows)))

    def remove(self, rows: RowIds) -> None:
        """Take rows off the shelf for good."""
        self.places.remove(rows)
        self._sample.remove(rows)

    def compact(self) -> None:
        """Do nothing: tombstones go when the structure is built anew."""

    def vectors(self, rows: RowIds) -> Vector:
        """Give the vectors of these rows, shape (n, dim)."""
        return self.at(self.places.of(rows))

    def at(self, places: NDArray[np.int64]) -> Vector:
        """Give the vectors at these places, shape (n, dim)."""
        return self.file.read(places)

    def rough(self, places: NDArray[np.int64], query: Vector) -> Scores:
        """Give the cosines at these places as their 8-bit codes tell them, shape (n,)."""
        # A code stands for low + (code + 0.5) / 255 * width: the inner product needs no decoding.
        low, width = faiss.vector_to_array(self._codes.sq.trained).reshape(2, -1)
        factors = width * query / 255
        codes = faiss.rev_swig_ptr(self._codes.codes.data(), len(self.places) * len(query))
        scores = np.empty(len(places), dtype=np.float32)
        for start in range(0, len(places), AT_A_TIME):
            part = slice(start, start + AT_A_TIME)
            chosen = codes.reshape(-1, len(query))[places[part]]
            scores[part] = chosen.astype(np.float32) @ factors
        return scores + np.float32(low @ query + factors.sum() / 2)

    def sample(self) -> Vector:
        """Give up to 256 vectors of the shelf, one of an item, the same for the same rows, shape (n, dim)."""
        return self._sample.vectors(self.places.firsts, self.vectors)

    def search(
        self, query: Vector, count: int, selection: Selection | None = None, recall: float = 1.0
    ) -> tuple[NDArray[np.int64], Scores]:
        """Find the `count` places with the highest inner product, best first, fewer where there are no more.

        Only selected places are looked at, all where it is None. `recall` is the share of the true ones that
        are to be among the found, on average. Returns places and rough scores, both (n,).
        """
        available = len(self) if selection is None else selection.count
        most = min(count, available)
        # The best of a few are spread over as many lists as so many more of all rows.
        alike = count * len(self.places) / max(available, 1)
        effort = choose(self.steps, recall, alike, self.lists)
        if effort is None or most * MOST_SHARE >= available:
            return self._compared(query, most, selection)
        while True:
            places, distances = self._probe(query[np.newaxis], most, effort, selection)
            found = places[0] >= 0
            if found.all() or effort.probes >= self.lists:
                return places[0][found], 1 - distances[0][found] / 2
            effort = Effort(min(self.lists, effort.probes * WIDEN), effort.rerank)

    def probe(self, queries: Vector, count: int, effort: Effort) -> RowIds:
        """Give the row numbers, shape (q, n), that an effort finds for queries, shape (q, dim); -1: none."""
        places, _ = self._probe(queries, min(count, len(self.places)), effort, None)
        return np.where(places < 0, -1, self.places.rows[places])

    def close(self) -> None:
        """Let go of the file."""
        self.file.close()

    def _probe(
        self, queries: Vector, count: int, effort: Effort, selection: Selection | None
    ) -> tuple[NDArray[np.int64], Vector]:
        """Search in FAISS; gives places and squared distances, both (q, count)."""
        factor = max(1.0, min(float(effort.rerank), len(self.places) / count))
        if selection is None:
            parameters = _parameters(effort.probes, factor)
        else:
            parameters = _parameters.__wrapped__(effort.probes, factor, selection.selector)
        distances, places = self._refined.search(queries, count, params=parameters)
        return places, distances

    def _compared(
        self, query: Vector, count: int, selection: Selection | None
    ) -> tuple[NDArray[np.int64], Scores]:
        """Find the best by comparing the 8-bit codes of all chosen places."""
        if not count:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        parameters = faiss.SearchParameters()
        if selection is not None:
            parameters.sel = selection.selector
        distances, places = self._codes.search(query[np.newaxis], count, params=parameters)
        found = places[0] >= 0
        return places[0][found], 1 - distances[0][found] / 2
