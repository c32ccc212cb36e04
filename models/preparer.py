"""From a file's bytes to views without the weights: the part of a model that decoding processes need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from models.embedder import TOWER_OF, Embedder, Prepare, Views
from models.media.limits import Limits
from models.modalities import MODALITIES, Modality, decode
from models.segments import UNCUT, Cutting, Prepared, Span, prepared, spans_of

Mark: TypeAlias = tuple[float, float, int]
"""Start and end of a segment [s], and the number of its views."""


@dataclass(frozen=True)
class Preparer:
    """`prepares` by modality; `gained`: the modalities beside those of MODALITIES. Most can be pickled.

    `cutting`: how long recordings are cut into segments.
    """

    prepares: Mapping[str, Prepare]
    gained: Mapping[str, Modality]
    limits: Limits
    cutting: Cutting = UNCUT

    @classmethod
    def of(cls, embedder: Embedder, limits: Limits, cutting: Cutting = UNCUT) -> Preparer:
        gained = {name: each for name, each in embedder.senses.items() if MODALITIES.get(name) is not each}
        prepares = {name: tower.prepare for name, tower in embedder.towers.items()}
        return cls(prepares, gained, limits, cutting)

    def views(self, modality: str, data: bytes, params: Mapping[str, object]) -> tuple[Views, list[Prepared]]:
        """Those of the whole file, and those of its segments. Raises SensoriumError."""
        senses = {**MODALITIES, **self.gained}
        sample = decode(modality, data, limits=self.limits, among=senses, **params)
        prepare = self.prepares[TOWER_OF.get(modality, modality)]
        return prepare(sample), list(prepared(prepare, sample, spans_of(sample, self.cutting)))


def array_of(views: Views, segments: Sequence[Prepared] = ()) -> np.ndarray:
    """The tensors of all views, those of the whole first, as one contiguous array, for shared memory."""
    if not segments:
        return np.ascontiguousarray(views.tensor.numpy())
    return torch.cat([views.tensor, *(each.views.tensor for each in segments)]).numpy()


def views_of(array: np.ndarray, notes: tuple[str, ...], tokens: int) -> Views:
    """The inverse of `array_of` without segments; the array is the views' from now on."""
    return Views(torch.from_numpy(array), notes, tokens)


def parts_of(views: Views, marks: Sequence[Mark]) -> tuple[Views, list[Prepared]]:
    """The views of the whole and of its segments out of all of them."""
    counts = [mark[2] for mark in marks]
    whole, *parts = torch.split(views.tensor, [len(views.tensor) - sum(counts), *counts])
    segments = [
        Prepared(Span(start, end), Views(part)) for (start, end, _), part in zip(marks, parts, strict=True)
    ]
    return Views(whole, views.notes, views.tokens), segments


def marks_of(segments: Sequence[Prepared]) -> tuple[Mark, ...]:
    """Where the segments lie and how many views each has."""
    return tuple((each.span.start_s, each.span.end_s, len(each.views.tensor)) for each in segments)
