"""Every choice of a binding, and the augmentation of each kind of file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from models.bound.form import MAP, SERIES, VECTOR


@dataclass(frozen=True)
class BindConfig:
    """The recipe; the same for every kind of file."""

    steps: int = 2000  # at most
    batch: int = 256  # items
    rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.05  # share of the steps
    clip: float = 1.0  # of the gradient's norm
    scale: float = 1 / 0.07  # first 1 / temperature, as CLIP's
    max_scale: float = 100.0
    cosine_weight: float = 0.5
    check_every: int = 50  # steps
    patience: int = 10  # checks without a better one
    holdout: float = 0.2  # share of groups, or of items, kept for validation
    seed: int = 0


@dataclass(frozen=True)
class Augmentation:
    """Of standardised views: `noise` added, `gain` around 1, `shift` as a share of each axis."""

    noise: float
    gain: float = 0.0
    shift: float = 0.0


AUGMENTATIONS: Mapping[str, Augmentation] = MappingProxyType(
    {
        VECTOR: Augmentation(noise=0.1),
        SERIES: Augmentation(noise=0.1, gain=0.1, shift=0.1),
        MAP: Augmentation(noise=0.1, gain=0.1, shift=0.05),
        "audio": Augmentation(noise=0.05, shift=0.05),
        "image": Augmentation(noise=0.05, gain=0.1, shift=0.1),
        "thermal": Augmentation(noise=0.05, gain=0.1, shift=0.1),
        "depth": Augmentation(noise=0.02, shift=0.1),
        "imu": Augmentation(noise=0.05, gain=0.05, shift=0.1),
    }
)
