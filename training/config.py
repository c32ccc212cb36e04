"""Every choice of the recipe, one dataclass per stage."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TextConfig:
    """Distillation of the text tower."""

    phrases: int = 70_000  # made-up phrases in the corpus
    repeat_named: int = 4  # the labels' sentences count this often
    samples: int = 280_000  # sentences seen
    batch: int = 128
    rate: float = 4e-4  # of the layers
    rate_tokens: float = 2e-3  # of the token embedding
    weight_decay: float = 0.01
    warmup: float = 0.05  # share of the steps
    seed: int = 0
    device: str = "cpu"  # or cuda


@dataclass(frozen=True)
class AlignConfig:
    """Alignment of a tower with the frozen space; the defaults are those of the image tower."""

    steps: int
    batch: int = 256
    rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.05  # share of the steps
    clip: float = 5.0  # of the gradient's norm
    scale: float = 15.0  # first 1 / temperature
    partner_scale: float = 15.0  # first 1 / temperature towards partners
    max_scale: float = 50.0
    concept_weight: float = 1.0
    cosine_weight: float = 1.0
    partner_weight: float = 0.3
    class_weight: float = 0.0  # of a plain classifier beside the head
    check_every: int = 400  # steps
    channels_last: bool = True
    seed: int = 0
    device: str = "cpu"  # or cuda


@dataclass(frozen=True)
class HeadConfig:
    """The last fit of the image tower's head."""

    steps: int = 800
    batch: int = 4096  # features
    rate: float = 3e-3
    noise: float = 0.1  # share by which features are disturbed
    scales: tuple[float, float, float, float] = (40.0, 20.0, 20.0, 20.0)  # names, concepts, partners, scenes
    max_scale: float = 200.0
    class_weight: float = 1.0
    concept_weight: float = 0.5
    cosine_weight: float = 0.1
    partner_weight: float = 0.3
    scenes: int = 2500  # rendered
    scenes_batch: int = 256
    scene_weight: float = 0.1
    instance_weight: float = 0.3
    instance_scale: float = 30.0
    seed: int = 0
    device: str = "cpu"  # or cuda
