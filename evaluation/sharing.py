"""Search for items of another sense that show the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluation.figure import Figure, Pen
from evaluation.items import Item, picked, spread_rows
from evaluation.metrics import (
    average_precisions,
    gap,
)
from evaluation.vectors import Vectors


@dataclass(frozen=True)
class Sharing:
    """Items of one modality look for items of another that show the same; mean average precision.

    Queries of which nothing is shown are left out; `items` may hold more than the queries want.
    """

    name: str
    queries: Sequence[Item]
    wanted: Sequence[str]
    items: Sequence[Item]
    shown: Sequence[str]
    emergent: bool = False

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset((self.queries[0].modality, self.items[0].modality))

    def limited(self, count: int) -> Sharing:
        asked, found = spread_rows(len(self.queries), count), spread_rows(len(self.items), count)
        return replace(
            self,
            queries=picked(self.queries, asked),
            wanted=[self.wanted[row] for row in asked],
            items=picked(self.items, found),
            shown=[self.shown[row] for row in found],
        )

    def measure(self, vectors: Vectors, prompts: Sequence[str] | None) -> list[Figure]:
        del prompts  # nothing is named
        (queries, asked), (items, kept) = vectors.of(self.queries), vectors.of(self.items)
        shown = [self.shown[place] for place in kept]
        askable = [
            (row, self.wanted[place]) for row, place in enumerate(asked) if self.wanted[place] in shown
        ]
        if not askable:
            return []
        wanted = [label for _, label in askable]
        precisions = average_precisions(queries[[row for row, _ in askable]], wanted, items, shown)
        shares = {label: float(np.mean(np.array(shown) == label)) for label in set(wanted)}
        chance = float(np.mean([shares[label] for label in wanted]))
        pair = self.queries[0].modality, self.items[0].modality
        pen = Pen(self.name, self.emergent)
        figure = pen.mean(f"{' -> '.join(pair)} mAP", precisions, chance=chance)
        return [figure, pen.plain(f"gap {', '.join(pair)}", gap(queries, items), len(precisions))]
