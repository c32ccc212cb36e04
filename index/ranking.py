"""From a query vector to the best items, shelf by shelf, then put together."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from index.calibration import Background, background, prior_of
from index.items import RowIds, Vector
from index.shelf import Shelf, exact_scores

SPARE_ROWS = 16
"""Rows fetched beyond those asked for: some belong to the same item, some are ties at the end."""
FEW_SHARE = 8
"""Up to this part of a shelf (an eighth), filtered rows are fetched and compared one by one."""
FAISS_ERROR = 2e-5
"""How far FAISS's float32 sums may lie from the exact cosine."""

Owners = Callable[[RowIds], dict[int, str]]
Fetch = Callable[[int], tuple[RowIds, Vector, float]]
"""Count -> that many best rows, their exact cosines, what no row beyond them exceeds (-inf: none is left)."""


@dataclass(frozen=True)
class Candidate:
    """An item by its best row."""

    id: str
    modality: str
    row: int
    score: float
    calibrated: float | None = None

    def place(self, *, calibrated: bool) -> tuple[float, str]:
        """Sort key: best first, ties by id."""
        return (-(self.calibrated or 0.0) if calibrated else -self.score, self.id)


@dataclass(frozen=True, eq=False)
class Wanted:
    """What to take: up to `items` of at least `threshold`, from `only` these rows, `without` those."""

    items: int
    threshold: float
    only: RowIds | None
    without: RowIds | None


def _collapse(modality: str, rows: RowIds, scores: Vector, owners: dict[int, str]) -> list[Candidate]:
    """Keep each item's best row, the earliest of equals."""
    best: dict[str, Candidate] = {}
    ordered = sorted(zip(rows.tolist(), scores.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    for row, score in ordered:
        best.setdefault(owners[row], Candidate(owners[row], modality, row, score))
    return sorted(best.values(), key=lambda candidate: candidate.place(calibrated=False))


def _from_shelf(shelf: Shelf, query: Vector, wanted: Wanted) -> Fetch:
    def fetch(count: int) -> tuple[RowIds, Vector, float]:
        rows, rough = shelf.search(query, count, only=wanted.only, without=wanted.without)
        everything = len(rows) < count or count >= len(shelf)
        unseen = -math.inf if everything else float(rough[-1]) + FAISS_ERROR
        return rows, shelf.scores(rows, query), unseen

    return fetch


def _from_few(shelf: Shelf, query: Vector, only: RowIds, without: RowIds | None) -> Fetch:
    """Compare the query with these rows alone, without a walk over the shelf."""
    rows = only if without is None else np.setdiff1d(only, without)
    scores = shelf.scores(rows, query)
    order = np.lexsort((rows, -scores))

    def fetch(count: int) -> tuple[RowIds, Vector, float]:
        first = order[:count]
        unseen = -math.inf if count >= len(order) else float(scores[order[count]])
        return rows[first], scores[first], unseen

    return fetch


def best_items(shelf: Shelf, modality: str, query: Vector, wanted: Wanted, owners: Owners) -> list[Candidate]:
    """Give the best items of a shelf, best first, exactly as brute force would order them.

    Fetches more and more rows until none that was not fetched can change the answer.
    """
    if wanted.only is not None and len(wanted.only) * FEW_SHARE <= len(shelf):
        fetch = _from_few(shelf, query, wanted.only, wanted.without)
    else:
        fetch = _from_shelf(shelf, query, wanted)
    count = wanted.items + SPARE_ROWS
    while True:
        rows, scores, unseen = fetch(count)
        best = _collapse(modality, rows, scores, owners(rows))
        enough = len(best) >= wanted.items and unseen < best[wanted.items - 1].score
        if enough or unseen < wanted.threshold or unseen == -math.inf:
            return [candidate for candidate in best if candidate.score >= wanted.threshold][: wanted.items]
        count *= 4


def merged(
    lists: Mapping[str, list[Candidate]], backgrounds: Mapping[str, Background] | None
) -> list[Candidate]:
    """Put the modalities' lists together: by calibrated score where several are compared, else by score."""
    together = [candidate for candidates in lists.values() for candidate in candidates]
    if backgrounds:
        together = [
            Candidate(c.id, c.modality, c.row, c.score, backgrounds[c.modality].calibrate(c.score))
            for c in together
        ]
    by_calibrated = backgrounds is not None and len(backgrounds) > 1
    return sorted(together, key=lambda candidate: candidate.place(calibrated=by_calibrated))


def shelf_background(
    shelf: Shelf,
    query: Vector,
    pair: tuple[str, str],
    priors: Mapping[tuple[str, str], tuple[float, float]] | None,
) -> Background:
    """Give the background of (query modality, item modality) for this query on this shelf."""
    scores = exact_scores(shelf.sample(), query).astype(float)
    return background(prior_of(priors, *pair), scores, len(query))
