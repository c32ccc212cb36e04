"""How far a score lies above what that pair of modalities gives by chance.

Cosines of different pairs of modalities live on different scales: two sentences that have nothing to do with
each other may well have 0.3, a sentence and its own picture 0.25 (the modality gap). A list mixed by cosine
is then the list of one modality. So every score is set against the background of its pair, the scores that
this kind of query has with items it has nothing to do with:

    calibrated = (score - mean) / std

Mean and std are the same for all items of a shelf, so the order within one modality never changes; only
how the modalities' lists are put together does.

Where the background comes from:
  * the model's prior for (query modality, item modality), measured once on media it was not trained on;
  * the collection itself: the scores of this very query with a sample of up to 256 rows of the shelf, which
    follow this query's own offset and this collection's domain, as a prior cannot. Too few rows say little,
    so below 32 they are not asked.
With both, the sample moves the prior's mean, n rows by n / (n + 64) of the way but never by more than one
standard deviation, and the spread stays the prior's: a shelf full of what the query asks for is no
background, and must not make its best match look ordinary. Without a prior the sample speaks alone; without
either the background is that of random directions, mean 0 and std 1 / sqrt(dim).
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
"""The least std: a shelf of copies of one vector must not turn rounding errors into confidence."""


@dataclass(frozen=True)
class Background:
    """Mean and standard deviation of the cosines of unrelated query and item."""

    mean: float
    std: float

    def calibrate(self, score: float) -> float:
        return (score - self.mean) / self.std


def background(prior: tuple[float, float] | None, scores: NDArray[np.float64], dimension: int) -> Background:
    """The prior (mean, std), its mean moved towards that of `scores`, (n,): cosines with sampled rows."""
    own = (float(scores.mean()), float(scores.std())) if len(scores) >= FEWEST_ROWS else None
    if own is None or prior is None:
        mean, std = own or prior or (0.0, 1 / math.sqrt(dimension))
        return Background(mean, max(std, NARROWEST))
    mean, std = prior
    moved = (own[0] - mean) * len(scores) / (len(scores) + PRIOR_ROWS)
    return Background(mean + min(max(moved, -std), std), max(std, NARROWEST))


def prior_of(
    priors: Mapping[tuple[str, str], tuple[float, float]] | None, query_modality: str, item_modality: str
) -> tuple[float, float] | None:
    """Give the model's (mean, std) for the pair, or None where it has none."""
    return (priors or {}).get((query_modality, item_modality))
