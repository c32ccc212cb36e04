"""Zero-shot naming, and search by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluation.figure import Figure, Pen
from evaluation.items import Item, picked, spread_rows
from evaluation.metrics import (
    Float32,
    Int64,
    average_precision,
    best_of_groups,
    class_ranks,
    gap,
    hits,
    matched_cosines,
)
from evaluation.prompts import PROMPTS
from evaluation.vectors import Vectors

TOPS = (1, 5)


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
        owned = [(number, name) for number, names in enumerate(self.names.values()) for name in names]
        sentences = [PROMPTS[prompts](self.modality, name) for _, name in owned]
        said = vectors.say([one for own in sentences for one in own])
        ends = np.cumsum([len(own) for own in sentences])
        rows = [_middle(said[end - len(own) : end]) for own, end in zip(sentences, ends, strict=True)]
        return np.stack(rows), np.array([number for number, _ in owned])

    def _named(self, vectors: Vectors, z: Float32, labels: Sequence[str], prompts: str) -> list[Figure]:
        said, owners = self._said(vectors, prompts)
        classes = {label: number for number, label in enumerate(self.names)}
        truth = np.array([classes[label] for label in labels])
        scores = best_of_groups(z @ said.T, owners)
        ranks = class_ranks(scores, truth)
        pen = Pen(self.name)
        figures = [
            pen.mean(f"top-{at}", hits(ranks, at), chance=at / len(classes), prompts=prompts)
            for at in TOPS
            if at < len(classes)
        ]
        return [*figures, self._mean_precision(pen, scores, truth, prompts)]

    def _mean_precision(self, pen: Pen, scores: Float32, truth: Int64, prompts: str) -> Figure:
        """Names as queries, items as answers; a name that no item bears asks nothing."""
        borne = np.unique(truth)
        found = np.array([average_precision(scores[:, number], truth == number) for number in borne])
        chance = float(np.mean(np.bincount(truth)[borne] / len(truth)))
        return pen.mean(f"text -> {self.modality} mAP", found, chance=chance, prompts=prompts)

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
