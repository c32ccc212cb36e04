"""The vectors of one modality in a FAISS index."""

import faiss
import numpy as np
from numpy.typing import NDArray

from index.calibration import SAMPLE_ROWS
from index.items import RowIds, Stored, Vector
from index.sampling import Sample

DEAD_SHARE = 8
"""Deleted rows stay until they are an eighth of the shelf, so that removing costs little per row."""
FEW_SHARE = 8
"""Up to this part of a shelf (an eighth), filtered rows are fetched and compared one by one."""
SLACK = 2e-5
"""How far FAISS's float32 sums may lie from the exact cosine."""
AT_A_TIME = 4096
"""Rows copied out of FAISS at a time."""


def exact_scores(vectors: Vector, query: Vector) -> NDArray[np.float32]:
    """Give the inner products, shape (n,), summed in float64.

    Equal vectors get equal scores wherever they stand. FAISS sums in float32, in an order that depends on the
    structure and the row's place in it.
    """
    scores: NDArray[np.float32] = (vectors.astype(np.float64) * query).sum(axis=1).astype(np.float32)
    return scores


def exact_scores_of(stored: Stored, rows: RowIds, query: Vector) -> NDArray[np.float32]:
    """Give the exact cosines of these rows with a unit query, shape (n,), a few thousand at a time."""
    scores = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), AT_A_TIME):
        part = slice(start, start + AT_A_TIME)
        scores[part] = exact_scores(stored(rows[part]), query)
    return scores


def _joined(first: RowIds | None, second: RowIds) -> RowIds:
    return second if first is None else np.union1d(first, second)


class _Selection:
    """A selector together with the parts that FAISS only points to."""

    def __init__(self, only: RowIds | None, without: RowIds) -> None:
        self._parts: list[faiss.IDSelector] = []
        self.selector: faiss.IDSelector | None = None
        if only is not None:
            self.selector = self._keep(faiss.IDSelectorBatch(np.setdiff1d(only, without)))
        elif len(without):
            self.selector = self._keep(faiss.IDSelectorNot(self._keep(faiss.IDSelectorBatch(without))))

    def parameters(self) -> faiss.SearchParameters | None:
        if self.selector is None:
            return None
        parameters = faiss.SearchParameters()
        parameters.sel = self.selector
        return parameters

    def _keep(self, part: faiss.IDSelector) -> faiss.IDSelector:
        self._parts.append(part)
        return part


class Shelf:
    """A flat FAISS index from row number to unit vector.

    Not locked: searches may run together, `add`, `remove` and `compact` must run alone.
    """

    structure = "flat"
    slack = SLACK

    def __init__(self, dimension: int, index: faiss.IndexIDMap2 | None = None) -> None:
        self.index = index or faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))
        self._dead: set[int] = set()
        self._sample = Sample(SAMPLE_ROWS)

    def __len__(self) -> int:
        return int(self.index.ntotal) - len(self._dead)

    @property
    def few(self) -> int:
        """So many filtered rows are sooner compared one by one than searched for."""
        return len(self) // FEW_SHARE

    def rows(self) -> RowIds:
        """Give the row numbers on the shelf, ascending."""
        present: RowIds = np.sort(faiss.vector_to_array(self.index.id_map))
        return np.setdiff1d(present, self._dead_rows(), assume_unique=True)

    def add(self, rows: RowIds, vectors: Vector) -> None:
        """Put unit vectors, shape (n, dim), on the shelf under new row numbers, shape (n,)."""
        self._sample.add(rows)
        self.index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), rows)

    def remove(self, rows: RowIds) -> None:
        """Take rows off the shelf for good."""
        self._sample.remove(rows)
        self._dead.update(rows.tolist())
        if len(self._dead) * DEAD_SHARE > self.index.ntotal:
            self.compact()

    def compact(self) -> None:
        """Give back the memory of removed rows."""
        if self._dead:
            self.index.remove_ids(faiss.IDSelectorBatch(self._dead_rows()))
            self._dead = set()

    def vectors(self, rows: RowIds) -> Vector:
        """Give the vectors of these rows, shape (n, dim)."""
        found: Vector = self.index.reconstruct_batch(rows)
        return found

    def exact(self, rows: RowIds, query: Vector, _: Stored | None = None) -> NDArray[np.float32]:
        """Give the exact cosines of these rows with a unit query, shape (n,)."""
        return exact_scores_of(self.vectors, rows, query)

    def rough(self, rows: RowIds, query: Vector) -> NDArray[np.float32]:
        """Give the cosines as well as memory alone can tell them, shape (n,): here exactly."""
        return self.exact(rows, query)

    def search(
        self,
        query: Vector,
        count: int,
        *,
        only: RowIds | None = None,
        without: RowIds | None = None,
        recall: float = 1.0,  # noqa: ARG002 - of the other structures; this one always finds all
    ) -> tuple[RowIds, Vector]:
        """Find the `count` rows with the highest inner product, best first, fewer where there are no more.

        `only` limits the search to these rows, `without` leaves rows out. Returns row numbers and scores,
        both (n,).
        """
        selection = _Selection(only, _joined(without, self._dead_rows()))
        most = min(count, int(self.index.ntotal))
        scores, rows = self.index.search(query[np.newaxis], most, params=selection.parameters())
        found = rows[0] >= 0
        return rows[0][found], scores[0][found]

    def sample(self, _: Stored | None = None) -> Vector:
        """Give up to 256 vectors of the shelf, always the same for the same rows, shape (n, dim)."""
        return self._sample.vectors(self.rows, self.vectors)

    def _dead_rows(self) -> RowIds:
        return np.fromiter(self._dead, dtype=np.int64, count=len(self._dead))
