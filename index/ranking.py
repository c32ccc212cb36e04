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
Fetch = Callable[[int], tuple[NDArray[np.int64], float]]
"""Count -> that many best places, and what the score of no place beyond them exceeds (-inf: none is left)."""
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
    is not searched exactly.
    """

    items: int
    threshold: float
    passing: NDArray[np.bool_] | None
    without: RowIds | None
    recall: float


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


def _collapse(shelf: AnyShelf, modality: str, found: NDArray[np.int64], query: Vector) -> list[Candidate]:
    """Keep each item's best row, the earliest of equals."""
    try:
        vectors = shelf.at(found)
    except OSError as error:
        raise PictureError(modality) from error
    scores = exact_scores(vectors, query).tolist()
    items, rows = shelf.places.items[found].tolist(), shelf.places.rows[found].tolist()
    candidates = [
        Candidate(item, modality, row, score, vector)
        for item, row, score, vector in zip(items, rows, scores, vectors, strict=True)
    ]
    if len(set(items)) == len(items):
        return candidates
    best: dict[int, Candidate] = {}
    for one in sorted(candidates, key=lambda one: (-one.score, one.row)):
        best.setdefault(one.item, one)
    return list(best.values())


def _from_shelf(shelf: AnyShelf, query: Vector, selection: Selection | None, recall: float) -> Fetch:
    def fetch(count: int) -> tuple[NDArray[np.int64], float]:
        places, rough = shelf.search(query, count, selection, recall)
        everything = len(places) < count or count >= len(shelf)
        return places, -math.inf if everything else float(rough[-1]) + shelf.slack

    return fetch


def _from_few(shelf: AnyShelf, query: Vector, places: NDArray[np.int64]) -> Fetch:
    """Compare the query with these places alone, without a walk over the shelf."""
    rough = shelf.rough(places, query)
    order = np.lexsort((places, -rough))

    def fetch(count: int) -> tuple[NDArray[np.int64], float]:
        unseen = -math.inf if count >= len(order) else float(rough[order[count]]) + shelf.slack
        return places[order[:count]], unseen

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
        places, unseen = fetch(count)
        best = ordered(_collapse(shelf, modality, places, query), _score, names)
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
