"""What can be asked of a set of items: to be named, to find partners, to find what shows the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from evaluation.figure import Figure, Pen
from evaluation.items import Item, picked, spread_rows
from evaluation.metrics import (
    Float32,
    Int64,
    average_precisions,
    best_of_groups,
    chance_of_recall,
    class_ranks,
    gap,
    hits,
    matched_cosines,
    retrieval_ranks,
)
from evaluation.prompts import PROMPTS
from evaluation.vectors import Vectors

TOPS = (1, 5)
RECALLS = (1, 5, 10)


class Task(Protocol):
    """One question to a model. `modalities`: which encoders it needs."""

    @property
    def name(self) -> str: ...

    @property
    def modalities(self) -> frozenset[str]: ...

    def limited(self, count: int) -> Task:
        """The same with at most `count` items, evenly spread."""
        ...

    def measure(self, vectors: Vectors, prompts: Sequence[str] | None) -> list[Figure]:
        """No figures where none of the items can be used."""
        ...


def _middle(rows: Float32) -> Float32:
    """The direction of the mean of unit rows, (dim,)."""
    mean = rows.mean(0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


@dataclass(frozen=True)
class Naming:
    """Zero-shot: every item is to be called by its label.

    `names`: label -> what it may be called; an item's score for a label is the best over its names.
    Measures top-1, top-5, the mean average precision of the names' searches for items, and the gap to text.
    """

    name: str
    modality: str
    items: Sequence[Item]
    labels: Sequence[str]
    names: Mapping[str, Sequence[str]]
    prompts: Sequence[str] = ("imagebind", "bare")

    @property
    def modalities(self) -> frozenset[str]:
        return frozenset((self.modality, "text"))

    def limited(self, count: int) -> Naming:
        rows = spread_rows(len(self.items), count)
        return replace(self, items=picked(self.items, rows), labels=[self.labels[row] for row in rows])

    def measure(self, vectors: Vectors, prompts: Sequence[str] | None) -> list[Figure]:
        z, kept = vectors.of(self.items)
        if not kept:
            return []
        labels = [self.labels[place] for place in kept]
        sets = list(prompts or self.prompts)
        figures = [figure for one in sets for figure in self._named(vectors, z, labels, one)]
        return figures + self._gap(vectors, z, labels, sets[0])

    def _said(self, vectors: Vectors, prompts: str) -> tuple[Float32, Int64]:
        """A vector per name (m, dim), and the number of the label that it belongs to."""
        owned = [(label, name) for label, names in self.names.items() for name in names]
        order = {label: number for number, label in enumerate(self.names)}
        rows = [_middle(vectors.say(PROMPTS[prompts](self.modality, name))) for _, name in owned]
        return np.stack(rows), np.array([order[label] for label, _ in owned])

    def _named(self, vectors: Vectors, z: Float32, labels: Sequence[str], prompts: str) -> list[Figure]:
        said, owners = self._said(vectors, prompts)
        classes = list(self.names)
        scores = best_of_groups(z @ said.T, owners)
        ranks = class_ranks(scores, np.array([classes.index(label) for label in labels]))
        pen = Pen(self.name)
        figures = [
            pen.mean(f"top-{at}", hits(ranks, at), chance=at / len(classes), prompts=prompts)
            for at in TOPS
            if at < len(classes)
        ]
        return [*figures, self._mean_precision(pen, scores, labels, prompts)]

    def _mean_precision(self, pen: Pen, scores: Float32, labels: Sequence[str], prompts: str) -> Figure:
        """Names as queries, items as answers."""
        identity = np.eye(len(self.names), dtype=np.float32)
        found = average_precisions(identity, list(self.names), scores, labels)
        shown = [label for label in self.names if label in set(labels)]
        chance = float(np.mean([np.mean(np.array(labels) == label) for label in shown]))
        direction = f"text -> {self.modality} mAP"
        return pen.mean(direction, found[~np.isnan(found)], chance=chance, prompts=prompts)

    def _gap(self, vectors: Vectors, z: Float32, labels: Sequence[str], prompts: str) -> list[Figure]:
        said, owners = self._said(vectors, prompts)
        firsts = {label: said[int(np.argmax(owners == row))] for row, label in enumerate(self.names)}
        own = np.stack([firsts[label] for label in labels])
        pen = Pen(self.name)
        pair = f"{self.modality}, text"
        return [
            pen.plain(f"gap {pair}", gap(z, said), len(z), prompts=prompts),
            pen.mean(f"matched cosine {pair}", matched_cosines(z, own), prompts=prompts),
        ]


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
