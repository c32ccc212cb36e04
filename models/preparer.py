"""From a file's bytes to views without the weights: the part of a model that decoding processes need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from models.embedder import TOWER_OF, Embedder, Prepare, Views
from models.media.limits import Limits
from models.modalities import MODALITIES, Modality, decode


@dataclass(frozen=True)
class Preparer:
    """`prepares` by modality; `gained`: the modalities beside those of MODALITIES. Most can be pickled."""

    prepares: Mapping[str, Prepare]
    gained: Mapping[str, Modality]
    limits: Limits

    @classmethod
    def of(cls, embedder: Embedder, limits: Limits) -> Preparer:
        gained = {name: each for name, each in embedder.senses.items() if MODALITIES.get(name) is not each}
        return cls({name: tower.prepare for name, tower in embedder.towers.items()}, gained, limits)

    def views(self, modality: str, data: bytes, params: Mapping[str, object]) -> Views:
        """Raises SensoriumError."""
        senses = {**MODALITIES, **self.gained}
        sample = decode(modality, data, limits=self.limits, among=senses, **params)
        return self.prepares[TOWER_OF.get(modality, modality)](sample)


def array_of(views: Views) -> np.ndarray:
    """The views' tensor as a contiguous array, for shared memory."""
    return np.ascontiguousarray(views.tensor.numpy())


def views_of(array: np.ndarray, notes: tuple[str, ...], tokens: int) -> Views:
    """The inverse of `array_of`; the array is the views' from now on."""
    return Views(torch.from_numpy(array), notes, tokens)
