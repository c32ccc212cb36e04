"""How far a score lies above what that pair of modalities gives by chance.

Cosines of different pairs of modalities live on different scales: two sentences that have nothing to do with
each other may well have 0.3, a sentence and its own picture 0.25 (the modality gap). A list mixed by cosine
is then the list of one modality. So every score is set against the background of its pair, the scores that
this kind of query has with items it has nothing to do with:

    calibrated = (score - mean) / spread

Mean and spread are the same for all items of a shelf, so the order within one modality never changes; only
how the modalities' lists are put together does.

Where the background comes from:
  * the model's prior for (query modality, item modality): the mean of unrelated pairs, and a spread. That may
    be their standard deviation. Better, the model has widened or narrowed it until what stands 5 above the
    mean is as likely related as not (`training/background.py`): a pair that finds well then counts for more
    than one that guesses, and equal `calibrated` means equally likely related.
  * the collection itself: the median score of this very query with a sample of up to 256 rows of the shelf,
    the first of an item, so that one long recording is no background by itself. It follows this query's own
    offset and this collection's domain, as a prior cannot. Too few rows say little, so below 32 they are not
    asked. The median, since matches are no background.
With both, the sample moves the prior's mean, n rows by n / (n + 64) of the way but never by more than one
spread, and the spread stays the prior's: a shelf full of what the query asks for must not make its best match
look ordinary. Without a prior the sample speaks alone. A shelf that holds matches, or is simply about many
things, has a wide spread for reasons that are no noise, so half of it is believed: the geometric mean of its
standard deviation and that of random directions, 1 / sqrt(dim). Without either, those are the background,
around 0.

It costs one product of 256 x dim for each shelf and search.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SAMPLE_ROWS = 256
FEWEST_ROWS = 32
PRIOR_ROWS = 64
NARROWEST = 1e-3
"""The least spread: a shelf of copies of one vector must not turn rounding errors into confidence."""


@dataclass(frozen=True)
class Background:
    """Mean of the cosines of unrelated query and item, and the spread to count distances from it in."""

    mean: float
    spread: float

    def calibrate(self, score: float) -> float:
        return (score - self.mean) / self.spread


def _median(scores: NDArray[np.float64]) -> float:
    """As numpy's, which takes many times as long over so few."""
    ordered = np.sort(scores)
    middle = len(ordered) // 2
    return float(ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)


def background(prior: tuple[float, float] | None, scores: NDArray[np.float64], dimension: int) -> Background:
    """The prior (mean, spread), its mean moved towards the median of `scores`, (n,), of sampled rows."""
    middle = _median(scores) if len(scores) >= FEWEST_ROWS else None
    if prior is None:
        random = 1 / math.sqrt(dimension)
        own = None if middle is None else (middle, math.sqrt(scores.std() * random))
        mean, spread = own or (0.0, random)
        return Background(mean, max(spread, NARROWEST))
    mean, spread = prior
    moved = 0.0 if middle is None else (middle - mean) * len(scores) / (len(scores) + PRIOR_ROWS)
    return Background(mean + min(max(moved, -spread), spread), max(spread, NARROWEST))


def prior_of(
    priors: Mapping[tuple[str, str], tuple[float, float]] | None, query_modality: str, item_modality: str
) -> tuple[float, float] | None:
    """Give the model's (mean, spread) for the pair, or None where it has none."""
    return (priors or {}).get((query_modality, item_modality))
