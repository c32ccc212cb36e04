"""A scene before it is seen: its things, camera and light, and how to speak of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from training.rendered.camera import Camera
from training.rendered.light import Atmosphere, Light
from training.rendered.things import Thing


@dataclass(frozen=True)
class Words:
    """`captions`: the fullest first; `label`: what it is called; `concept`: the name shared with others."""

    captions: tuple[str, ...]
    label: str
    concept: str


@dataclass(frozen=True, eq=False)
class Part:
    """Things that have one name together."""

    name: str
    things: Sequence[Thing]


Say: TypeAlias = Callable[[list[str]], Words]  # from the names of the parts that are in the picture


@dataclass(frozen=True, eq=False)
class Stage:
    """`scenery`: things without a name."""

    scenery: Sequence[Thing]
    parts: Sequence[Part]
    camera: Camera
    lights: Sequence[Light]
    air: Atmosphere
    say: Say


def grey(value: float) -> tuple[float, float, float]:
    return (value, value, value)


def indoor(rng: np.random.Generator) -> Atmosphere:
    return Atmosphere(grey(rng.uniform(0.2, 0.6)), grey(0.7), grey(0.7))


def outdoor(rng: np.random.Generator) -> Atmosphere:
    """A blue sky, a grey one or an evening."""
    zenith, horizon = (
        ((0.1, 0.25, 0.7), (0.5, 0.65, 0.9)),
        ((0.45, 0.48, 0.52), (0.7, 0.72, 0.75)),
        ((0.2, 0.2, 0.45), (0.9, 0.55, 0.3)),
    )[rng.choice(3, p=[0.6, 0.3, 0.1])]
    haze = np.inf if rng.random() < 0.6 else rng.uniform(60, 250)
    return Atmosphere(grey(rng.uniform(0.25, 0.5)), zenith, horizon, haze)


def studio(rng: np.random.Generator) -> Atmosphere:
    """Any even background."""
    ambient = grey(rng.uniform(0.1, 0.45))
    if rng.random() < 0.6:
        even = grey(float(rng.choice([0.0, 0.02, 0.2, 0.5, 0.85, 1.0])))
        return Atmosphere(ambient, even, even)
    red, green, blue = rng.uniform(0, 0.9, 3)
    even = (float(red), float(green), float(blue))
    return Atmosphere(ambient, even, even)


def sun(rng: np.random.Generator) -> Light:
    """From above, or from beside the camera; with or without shadows."""
    towards = rng.normal(size=3) * [1, 0.5, 0.8] + [0, 1.0, -0.4]
    x, y, z = towards / np.linalg.norm(towards)
    tint = float(rng.uniform(0.75, 1))
    shadows = bool(rng.random() < 0.35)
    return Light((float(x), float(y), float(z)), (1.0, 0.85 + 0.15 * tint, tint), shadows=shadows)
