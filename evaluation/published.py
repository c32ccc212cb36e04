"""What the paper reports for ImageBind-huge (Girdhar et al. 2023, tables 2 and 3), as shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from evaluation.figure import Figure

MODEL = "imagebind-huge"
PUBLISHED: Mapping[tuple[str, str], float] = MappingProxyType(
    {
        ("imagenet", "top-1"): 0.777,
        ("nyu-d", "top-1"): 0.540,
        ("sun-rgbd", "top-1"): 0.351,
        ("vggsound", "top-1"): 0.278,
        ("esc-50", "top-1"): 0.669,
        ("llvip", "top-1"): 0.634,
        ("ego4d-imu", "top-1"): 0.250,
        ("audiocaps", "text -> audio R@1"): 0.093,
        ("audiocaps", "text -> audio R@10"): 0.423,
        ("clotho", "text -> audio R@1"): 0.060,
        ("clotho", "text -> audio R@10"): 0.284,
    }
)


def beside(figure: Figure, model: str) -> Figure:
    """The figure with the published one beside it, where the paper has it for this model."""
    known = PUBLISHED.get((figure.dataset, figure.measure)) if model == MODEL else None
    return replace(figure, published=known)
