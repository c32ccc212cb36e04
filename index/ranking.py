"""From a query vector to the best items, shelf by shelf, then put together."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.calibration import Background, background, prior_of
from index.compressed import CompressedShelf
from index.effort import SPARE
from index.items import RowIds, Vector
from index.places import PictureError, Selection
from index.shelf import Shelf, exact_scores

AnyShelf = Shelf | CompressedShelf
Fetch = Callable[[int], tuple[NDArray[np.int64], NDArray[np.float32], float]]
"""Count -> that many best places, their rough scores, and what the score of no place beyond them exceeds
(-inf: none is left)."""
Verify = Callable[[str, RowIds, Vector], None]
"""Modality, row numbers and their vectors: raises PictureError where they are not those in SQLite."""
DOUBTFUL = 0.01
"""Scores that differ so much from what the codes tell belong to cut off codes, or to altered vectors."""
Names = Callable[[list[int]], Mapping[int, str]]
"""Item numbers -> ids, asked only where scores are equal."""


class Candidate(NamedTuple):
    """An item, by number, by its best row and that row's unit vector."""

    item: int
    modality: str
    row: int
    score: float
    vector: Vector
    calibrated: float | None = None


@dataclass(frozen=True, eq=False)
class Wanted:
    """What to take: up to `items` of at least `threshold`, of items that pass, but `without` these rows.

    `passing`, by item number, None: all. `recall` is the share of the true ones to be found where the shelf
    is not searched exactly. `verify` is asked of vectors that are in doubt.
    """

    items: int
    threshold: float
    passing: NDArray[np.bool_] | None
    without: RowIds | None
    recall: float
    verify: Verify


def ordered(
    candidates: Iterable[Candidate], worth: Callable[[Candidate], float], names: Names
) -> list[Candidate]:
    """Put the worthiest first, ties by id."""
    best = sorted(candidates, key=worth, reverse=True)
    worths = [worth(one) for one in best]
    if len(set(worths)) < len(worths):
        tied = {
            one.item
            for pair, equal in zip(pairwise(best), pairwise(worths), strict=True)
            if equal[0] == equal[1]
            for one in pair
        }
        ids = names(sorted(tied))
        best.sort(key=lambda one: (-worth(one), ids.get(one.item, "")))
    return best


def _score(candidate: Candidate) -> float:
    return candidate.score


def _read(
    shelf: AnyShelf,
    modality: str,
    found: tuple[NDArray[np.int64], NDArray[np.float32]],
    query: Vector,
    verify: Verify,
) -> tuple[Vector, NDArray[np.float32]]:
    """Give the vectors at the places that were found with rough scores, and their exact scores."""
    places, rough = found
    try:
        vectors = shelf.at(places)
    except OSError as error:
        raise PictureError(modality) from error
    scores = exact_scores(vectors, query)
    # Written so that NaN is in doubt too.
    doubtful = ~(np.abs(scores - rough) <= DOUBTFUL)
    if doubtful.any():
        verify(modality, shelf.places.rows[places[doubtful]], vectors[doubtful])
    return vectors, scores


def _collapse(
    shelf: AnyShelf, modality: str, found: NDArray[np.int64], vectors: Vector, scores: NDArray[np.float32]
) -> list[Candidate]:
    """Keep each item's best row, the earliest of equals."""
    items, rows = shelf.places.items[found].tolist(), shelf.places.rows[found].tolist()
    candidates = [
        Candidate(item, modality, row, score, vector)
        for item, row, score, vector in zip(items, rows, scores.tolist(), vectors, strict=True)
    ]
    if len(set(items)) == len(items):
        return candidates
    best: dict[int, Candidate] = {}
    for one in sorted(candidates, key=lambda one: (-one.score, one.row)):
        best.setdefault(one.item, one)
    return list(best.values())


def _from_shelf(shelf: AnyShelf, query: Vector, selection: Selection | None, recall: float) -> Fetch:
    def fetch(count: int) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
        places, rough = shelf.search(query, count, selection, recall)
        everything = len(places) < count or count >= len(shelf)
        return places, rough, -math.inf if everything else float(rough[-1]) + shelf.slack

    return fetch


def _from_few(shelf: AnyShelf, query: Vector, places: NDArray[np.int64]) -> Fetch:
    """Compare the query with these places alone, without a walk over the shelf."""
    rough = shelf.rough(places, query)
    order = np.lexsort((places, -rough))

    def fetch(count: int) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
        unseen = -math.inf if count >= len(order) else float(rough[order[count]]) + shelf.slack
        return places[order[:count]], rough[order[:count]], unseen

    return fetch


def _fetching(shelf: AnyShelf, query: Vector, wanted: Wanted) -> Fetch:
    selection = shelf.places.selected(wanted.passing, wanted.without)
    if wanted.passing is not None and selection is not None and selection.count <= shelf.few:
        return _from_few(shelf, query, selection.places)
    return _from_shelf(shelf, query, selection, wanted.recall)


def best_items(
    shelf: AnyShelf, modality: str, query: Vector, wanted: Wanted, names: Names
) -> list[Candidate]:
    """Give the best items of a shelf, best first; of a flat one exactly as brute force would order them.

    Fetches more and more rows until none that was not fetched can change the answer.
    """
    fetch = _fetching(shelf, query, wanted)
    count = wanted.items + SPARE
    while True:
        places, rough, unseen = fetch(count)
        vectors, scores = _read(shelf, modality, (places, rough), query, wanted.verify)
        best = ordered(_collapse(shelf, modality, places, vectors, scores), _score, names)
        enough = len(best) >= wanted.items and unseen < best[wanted.items - 1].score
        if enough or unseen < wanted.threshold or unseen == -math.inf:
            return [candidate for candidate in best if candidate.score >= wanted.threshold][: wanted.items]
        count *= 4


def merged(
    lists: Mapping[str, list[Candidate]], backgrounds: Mapping[str, Background] | None, names: Names
) -> list[Candidate]:
    """Put the modalities' lists together: by calibrated score where several are compared, else by score."""
    together = [candidate for candidates in lists.values() for candidate in candidates]
    if backgrounds:
        together = [
            one._replace(calibrated=backgrounds[one.modality].calibrate(one.score)) for one in together
        ]
    if len(lists) == 1:
        return together
    by_calibrated = backgrounds is not None and len(backgrounds) > 1
    return ordered(together, (lambda one: one.calibrated or 0.0) if by_calibrated else _score, names)


def shelf_background(
    shelf: AnyShelf,
    query: Vector,
    pair: tuple[str, str],
    priors: Mapping[tuple[str, str], tuple[float, float]] | None,
) -> Background:
    """Give the background of (query modality, item modality) for this query on this shelf."""
    scores = (shelf.sample() @ query).astype(float)
    return background(prior_of(priors, *pair), scores, len(query))
