"""How hard a compressed shelf has to look, measured on its own vectors.

The user names a recall: the share of the true nearest neighbours that a search finds. What that takes depends
on the data, so it is measured when the structure is built: test queries are searched with more and more
effort, and compared with what brute force finds.

A query of another modality lies outside the cloud of the vectors it is compared with, and its neighbours are
spread over more lists than those of a stored vector. Test queries are therefore made from stored vectors by
taking their cloud's mean off, adding noise and a common offset as long as the modality gap.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from index.items import RowIds, Vector

QUERIES = 192
SPARE = 4
"""Rows fetched beyond those asked for: some belong to the same item, some are ties, some codes are wrong."""
TARGETS = (0.90, 0.95, 0.98, 0.99, 0.999)
RERANKS = {10: (2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256), 100: (2, 3, 4, 6, 8, 12, 16, 32, 64)}
"""How many times more rows than asked for their 8-bit codes may be compared, by number of neighbours."""
USUAL = {10: 32, 100: 16}
"""Of those, more than this are tried last, since trying them takes long."""
CAUTION = 0.9
"""The share of the allowed misses that is used: stored vectors make test queries, not the queries to come."""
FINER = 2**0.25
"""The step from one number of lists that is tried to the next."""
WIDER = 4
"""So many steps beyond the fewest lists that can do are tried: they may need fewer comparisons."""
COMPARISON = 48
"""What comparing an 8-bit code costs, fetched from anywhere, in one-bit codes that lie side by side."""
GAP = 1.0
"""Length of the offset between queries and data against that of what tells the data apart. Unit vectors of
CLIP's images and texts: 0.82 between their means (Liang et al. 2022, "Mind the Gap", arXiv 2203.02053)."""
NOISE = 0.75
"""Length of a query's own noise, in the same unit."""

Probe = Callable[[Vector, int, "Effort"], RowIds]
"""Queries (q, dim), count and effort -> row numbers (q, count)."""


@dataclass(frozen=True)
class Effort:
    """Lists to look into, and how many times more rows to compare again than are asked for."""

    probes: int
    rerank: int


@dataclass(frozen=True)
class Step:
    """An effort that finds the `neighbours` nearest with this recall."""

    neighbours: int
    recall: float
    effort: Effort


def choose(steps: Iterable[Step], recall: float, count: float, lists: int) -> Effort | None:
    """Give the least effort to find `count` rows with this recall; None: no effort measured is enough.

    Beyond what was measured, neighbours spread over lists with the square root of their number.
    """
    enough = [step for step in steps if step.recall >= recall]
    fitting = [step for step in enough if count <= step.neighbours + SPARE]
    if fitting:
        least = min(fitting, key=lambda step: (step.neighbours, step.recall))
        compared = least.effort.rerank * (least.neighbours + SPARE)
        return Effort(least.effort.probes, max(least.effort.rerank, math.ceil(compared / max(count, 1))))
    if not enough:
        return None
    last = max(enough, key=lambda step: (step.neighbours, -step.recall))
    wider = math.sqrt(count / (last.neighbours + SPARE))
    return Effort(min(lists, math.ceil(last.effort.probes * wider)), last.effort.rerank)


def shifted_queries(vectors: Vector) -> Vector:
    """Make test queries, shape (q, dim), from vectors of the shelf, shape (q, dim)."""
    random = np.random.default_rng(0)
    meaning = vectors - vectors.mean(axis=0)
    size = max(float(np.linalg.norm(meaning, axis=1).mean()), 1e-3)
    noise = random.normal(size=vectors.shape) / math.sqrt(vectors.shape[1])
    offset = random.normal(size=vectors.shape[1])
    queries = meaning + NOISE * size * noise + GAP * size * offset / np.linalg.norm(offset)
    unit: Vector = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)
    return unit


class Truth:
    """The nearest neighbours of some queries, found by brute force over vectors that come in parts.

    Each query was made from a row, by number in `sources`, which is too easy to find to count.
    """

    def __init__(self, queries: Vector, sources: RowIds) -> None:
        self.queries = queries
        self._sources = sources
        self.rows = np.empty((len(queries), 0), dtype=np.int64)
        self._scores = np.empty((len(queries), 0), dtype=np.float32)

    def add(self, rows: RowIds, vectors: Vector) -> None:
        new = self.queries @ vectors.T
        new[self._sources[:, np.newaxis] == rows] = -np.inf
        scores = np.concatenate([self._scores, new], axis=1)
        numbers = np.concatenate([self.rows, np.broadcast_to(rows, (len(self.queries), len(rows)))], axis=1)
        most = min(max(RERANKS), scores.shape[1])
        best = np.argpartition(-scores, most - 1, axis=1)[:, :most]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        best = np.take_along_axis(best, order, axis=1)
        self._scores = np.take_along_axis(scores, best, axis=1)
        self.rows = np.take_along_axis(numbers, best, axis=1)

    def recall(self, found: RowIds, neighbours: int) -> float:
        """Give the share of the true neighbours that stand among the found rows, shape (q, n)."""
        nearest: NDArray[np.int64] = self.rows[:, :neighbours]
        hits = [np.isin(true, rows).mean() for true, rows in zip(nearest, found, strict=True)]
        return float(np.mean(hits))


def measured(probe: Probe, truth: Truth, lists: int, rows: int) -> tuple[Step, ...]:
    """Find for every target the cheapest effort that reaches it on a shelf of so many `lists` and `rows`."""
    return tuple(
        step for neighbours in RERANKS for step in _measured(probe, truth, lists, rows / lists, neighbours)
    )


def _measured(probe: Probe, truth: Truth, lists: int, length: float, neighbours: int) -> Iterable[Step]:
    """Try more and more lists, each number of them with fewer and fewer comparisons."""
    reranks = RERANKS[neighbours]

    @cache
    def recall(probes: int, rerank: int) -> float:
        return truth.recall(probe(truth.queries, neighbours + SPARE, Effort(probes, rerank)), neighbours)

    def cost(effort: Effort) -> float:
        return effort.probes * length + COMPARISON * effort.rerank * (neighbours + SPARE)

    def cheapest(wanted: float, most: int) -> Effort | None:
        """Comparing `reranks[most]` times as many rows at most."""
        least = bisect_left(widths, wanted, key=lambda probes: recall(probes, reranks[most]))
        efforts = [
            Effort(probes, reranks[bisect_left(reranks, wanted, hi=most, key=partial(recall, probes))])
            for probes in widths[least : least + WIDER]
        ]
        return min(efforts, key=cost, default=None)

    widths = sorted({min(lists, math.ceil(FINER**step)) for step in range(4 * lists.bit_length() + 1)})
    for target in TARGETS:
        wanted = 1 - CAUTION * (1 - target)
        effort = cheapest(wanted, reranks.index(USUAL[neighbours])) or cheapest(wanted, len(reranks) - 1)
        if effort is None:
            return
        yield Step(neighbours, target, effort)
