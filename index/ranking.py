"""From a query vector to the best items, shelf by shelf, then put together."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from index.calibration import Background, background, prior_of
from index.compressed import CompressedShelf
from index.effort import SPARE
from index.items import RowIds, Stored, Vector
from index.shelf import Shelf

AnyShelf = Shelf | CompressedShelf
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
    """What to take: up to `items` of at least `threshold`, from `only` these rows, `without` those.

    `recall` is the share of the true ones to be found where the shelf is not searched exactly.
    """

    items: int
    threshold: float
    only: RowIds | None
    without: RowIds | None
    recall: float


@dataclass(frozen=True)
class Truth:
    """What SQLite knows of rows: whose they are, by id, and their vectors."""

    owners: Callable[[RowIds], dict[int, str]]
    vectors: Stored


def _collapse(modality: str, rows: RowIds, scores: Vector, owners: dict[int, str]) -> list[Candidate]:
    """Keep each item's best row, the earliest of equals."""
    best: dict[str, Candidate] = {}
    ordered = sorted(zip(rows.tolist(), scores.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    for row, score in ordered:
        best.setdefault(owners[row], Candidate(owners[row], modality, row, score))
    return sorted(best.values(), key=lambda candidate: candidate.place(calibrated=False))


def _from_shelf(shelf: AnyShelf, query: Vector, wanted: Wanted, stored: Stored) -> Fetch:
    def fetch(count: int) -> tuple[RowIds, Vector, float]:
        rows, rough = shelf.search(
            query, count, only=wanted.only, without=wanted.without, recall=wanted.recall
        )
        everything = len(rows) < count or count >= len(shelf)
        unseen = -math.inf if everything else float(rough[-1]) + shelf.slack
        return rows, shelf.exact(rows, query, stored), unseen

    return fetch


def _from_few(shelf: AnyShelf, query: Vector, rows: RowIds, stored: Stored) -> Fetch:
    """Compare the query with these rows alone, without a walk over the shelf."""
    rough = shelf.rough(rows, query)
    order = np.lexsort((rows, -rough))

    def fetch(count: int) -> tuple[RowIds, Vector, float]:
        first = order[:count]
        unseen = -math.inf if count >= len(order) else float(rough[order[count]]) + shelf.slack
        return rows[first], shelf.exact(rows[first], query, stored), unseen

    return fetch


def best_items(
    shelf: AnyShelf, modality: str, query: Vector, wanted: Wanted, truth: Truth
) -> list[Candidate]:
    """Give the best items of a shelf, best first; of a flat one exactly as brute force would order them.

    Fetches more and more rows until none that was not fetched can change the answer.
    """
    if wanted.only is not None and len(wanted.only) <= shelf.few:
        rows = wanted.only if wanted.without is None else np.setdiff1d(wanted.only, wanted.without)
        fetch = _from_few(shelf, query, rows, truth.vectors)
    else:
        fetch = _from_shelf(shelf, query, wanted, truth.vectors)
    count = wanted.items + SPARE
    while True:
        rows, scores, unseen = fetch(count)
        best = _collapse(modality, rows, scores, truth.owners(rows))
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
    shelf: AnyShelf,
    query: Vector,
    stored: Stored,
    pair: tuple[str, str],
    priors: Mapping[tuple[str, str], tuple[float, float]] | None,
) -> Background:
    """Give the background of (query modality, item modality) for this query on this shelf."""
    scores = (shelf.sample(stored) @ query).astype(float)
    return background(prior_of(priors, *pair), scores, len(query))
