"""Retrieval between items that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluation.figure import Figure, Pen
from evaluation.items import Item, picked, spread_rows
from evaluation.metrics import (
    Float32,
    Int64,
    chance_of_recall,
    gap,
    hits,
    matched_cosines,
    retrieval_ranks,
)
from evaluation.vectors import Vectors

RECALLS = (1, 5, 10)


@dataclass(frozen=True)
class Pairing:
    """Retrieval in both directions between items that belong together.

    `owners[j]`: which of `left` the right item j belongs to; a left item may own several (captions).
    """

    name: str
    left: Sequence[Item]
    right: Sequence[Item]
    owners: Sequence[int]

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset((self.left[0].modality, self.right[0].modality))

    def limited(self, count: int) -> Pairing:
        rows = spread_rows(len(self.left), count)
        place = {row: new for new, row in enumerate(rows)}
        mine = [j for j, owner in enumerate(self.owners) if owner in place]
        owners = [place[self.owners[j]] for j in mine]
        return replace(self, left=picked(self.left, rows), right=picked(self.right, mine), owners=owners)

    def measure(self, vectors: Vectors, prompts: Sequence[str] | None) -> list[Figure]:
        del prompts  # nothing is named
        (left, left_kept), (right, right_kept) = vectors.of(self.left), vectors.of(self.right)
        left_groups = np.array(left_kept, np.int64)
        right_groups = np.array([self.owners[j] for j in right_kept], np.int64)
        both = np.intersect1d(left_groups, right_groups)
        if not len(both):
            return []
        lefts, rights = np.isin(left_groups, both), np.isin(right_groups, both)
        one, other = (left[lefts], left_groups[lefts]), (right[rights], right_groups[rights])
        names = self.left[0].modality, self.right[0].modality
        return [
            *self._direction(" -> ".join(names), one, other),
            *self._direction(" -> ".join(reversed(names)), other, one),
            *self._gap(", ".join(names), one, other),
        ]

    def _direction(
        self, direction: str, queries: tuple[Float32, Int64], items: tuple[Float32, Int64]
    ) -> list[Figure]:
        ranks = retrieval_ranks(*queries, *items)
        groups, pen, count = queries[1], Pen(self.name), len(items[0])
        own = int(np.median(np.unique(items[1], return_counts=True)[1]))
        figures = [
            pen.mean(
                f"{direction} R@{at}",
                hits(ranks, at),
                chance=chance_of_recall(count, own, at),
                groups=groups,
            )
            for at in RECALLS
            if at < count
        ]
        return [*figures, pen.median(f"{direction} median rank", ranks, groups=groups)]

    def _gap(self, pair: str, left: tuple[Float32, Int64], right: tuple[Float32, Int64]) -> list[Figure]:
        partner = left[0][np.searchsorted(left[1], right[1])]
        pen = Pen(self.name)
        cosines = matched_cosines(partner, right[0])
        return [
            pen.plain(f"gap {pair}", gap(left[0], right[0]), len(cosines)),
            pen.mean(f"matched cosine {pair}", cosines, groups=right[1]),
        ]
