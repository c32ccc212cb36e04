"""The vectors of one modality in a FAISS index."""

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from index.calibration import SAMPLE_ROWS
from index.items import Items, RowIds, Vector
from index.places import Places, Selection
from index.sampling import Sample

DEAD_SHARE = 8
"""Deleted rows stay until they are an eighth of the shelf, so that removing costs little per row."""
FEW_SHARE = 8
"""Up to this part of a shelf (an eighth), filtered rows are fetched and compared one by one."""
SLACK = 2e-5
"""How far FAISS's float32 sums may lie from the exact cosine."""
AT_A_TIME = 4096
"""Rows compared at a time."""

Scores = NDArray[np.float32]


def exact_scores(vectors: Vector, query: Vector) -> Scores:
    """Give the inner products, shape (n,), summed in float64.

    Equal vectors get equal scores wherever they stand. FAISS sums in float32, in an order that depends on the
    structure and the row's place in it.
    """
    scores: Scores = np.vecdot(vectors.astype(np.float64), query.astype(np.float64)).astype(np.float32)
    return scores


class Shelf:
    """Rows of one modality: FAISS finds their numbers, exactly. Everything else about them is in SQLite.

    Removed rows become tombstones that no search sees. `remove` gives their memory back once they are an
    eighth of the shelf.

    Not locked: searches may run together, `add`, `remove` and `compact` must run alone.
    """

    structure = "flat"
    slack = SLACK

    def __init__(self, dimension: int, index: faiss.IndexIDMap2 | None = None) -> None:
        self.index = index or faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))
        self._flat: Any = faiss.downcast_index(self.index.index)
        self.places = Places(np.array(faiss.vector_to_array(self.index.id_map), dtype=np.int64))
        self._sample = Sample(SAMPLE_ROWS)

    def __len__(self) -> int:
        return len(self.places) - self.places.dead

    @property
    def few(self) -> int:
        """So many filtered rows are sooner compared one by one than searched for."""
        return len(self) // FEW_SHARE

    def rows(self) -> RowIds:
        """Give the row numbers on the shelf, ascending."""
        return self.places.rows[self.places.living]

    def add(self, rows: RowIds, vectors: Vector, items: Items) -> None:
        """Put unit vectors, shape (n, dim), on the shelf under new row numbers, shape (n,), ascending.

        `items`, shape (n,), are the numbers of the items they belong to.
        """
        self.places.add(rows, items)
        self.index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), rows)
        self._sample.add(self.places.firsts(len(self.places) - len(rows)))

    def remove(self, rows: RowIds) -> None:
        """Take rows off the shelf for good."""
        self._sample.remove(rows)
        self.places.remove(rows)
        if self.places.dead * DEAD_SHARE > len(self.places):
            self.compact()

    def compact(self) -> None:
        """Give back the memory of removed rows."""
        if self.places.dead:
            self.index.remove_ids(faiss.IDSelectorBatch(self.places.rows[~self.places.living]))
            self.places.compact()

    def vectors(self, rows: RowIds) -> Vector:
        """Give the vectors of these rows, shape (n, dim)."""
        return self.at(self.places.of(rows))

    def at(self, places: NDArray[np.int64]) -> Vector:
        """Give the vectors at these places, shape (n, dim)."""
        if not len(places):
            return np.empty((0, self.index.d), dtype=np.float32)
        everything: Vector = faiss.rev_swig_ptr(self._flat.get_xb(), len(self.places) * self.index.d)
        return everything.reshape(-1, self.index.d)[places]

    def rough(self, places: NDArray[np.int64], query: Vector) -> Scores:
        """Give the cosines at these places as well as memory alone can tell them, (n,): here exactly."""
        scores = np.empty(len(places), dtype=np.float32)
        for start in range(0, len(places), AT_A_TIME):
            part = slice(start, start + AT_A_TIME)
            scores[part] = exact_scores(self.at(places[part]), query)
        return scores

    def search(
        self,
        query: Vector,
        count: int,
        selection: Selection | None = None,
        recall: float = 1.0,  # noqa: ARG002 - of the other structure; this one always finds all
    ) -> tuple[NDArray[np.int64], Scores]:
        """Find the `count` places with the highest inner product, best first, fewer where there are no more.

        Only selected places are looked at, all where it is None. Returns places and scores, both (n,).
        """
        parameters = None
        if selection is not None:
            parameters = faiss.SearchParameters()
            parameters.sel = selection.selector
        most = max(1, min(count, len(self.places)))
        scores, places = self._flat.search(query[np.newaxis], most, params=parameters)
        found = places[0] >= 0
        return places[0][found], scores[0][found]

    def sample(self) -> Vector:
        """Give up to 256 vectors of the shelf, one of an item, the same for the same rows, shape (n, dim)."""
        return self._sample.vectors(self.places.firsts, self.vectors)

    def close(self) -> None:
        """Do nothing: this shelf has no file open."""
