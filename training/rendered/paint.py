"""Solid textures: a colour for every point of a surface, from its place in the thing's own frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol, TypeAlias

import numpy as np

from models.samples import Float32

Rgb: TypeAlias = tuple[float, float, float]  # 0..1, linear

# Named as people would; several values a name, so that a name is no single colour.
COLOURS: Mapping[str, tuple[Rgb, ...]] = MappingProxyType(
    {
        "red": ((0.75, 0.06, 0.05), (0.55, 0.03, 0.06), (0.85, 0.15, 0.1)),
        "green": ((0.1, 0.5, 0.12), (0.2, 0.65, 0.15), (0.05, 0.3, 0.12)),
        "blue": ((0.06, 0.12, 0.7), (0.1, 0.3, 0.75), (0.03, 0.08, 0.4)),
        "yellow": ((0.85, 0.7, 0.06), (0.9, 0.8, 0.25)),
        "orange": ((0.9, 0.35, 0.04), (0.8, 0.28, 0.08)),
        "purple": ((0.35, 0.08, 0.5), (0.5, 0.2, 0.65)),
        "pink": ((0.85, 0.35, 0.5), (0.9, 0.5, 0.6)),
        "brown": ((0.25, 0.12, 0.05), (0.35, 0.2, 0.1)),
        "black": ((0.02, 0.02, 0.02), (0.04, 0.04, 0.05)),
        "white": ((0.85, 0.85, 0.85), (0.8, 0.78, 0.72)),
        "gray": ((0.3, 0.3, 0.3), (0.18, 0.18, 0.19), (0.45, 0.45, 0.45)),
        "turquoise": ((0.05, 0.55, 0.55), (0.15, 0.7, 0.65)),
    }
)
WOODS: tuple[Rgb, ...] = ((0.45, 0.27, 0.12), (0.3, 0.16, 0.07), (0.6, 0.42, 0.22), (0.16, 0.08, 0.04))
WALLS: tuple[Rgb, ...] = (
    (0.8, 0.78, 0.72),
    (0.7, 0.7, 0.7),
    (0.6, 0.65, 0.55),
    (0.75, 0.6, 0.45),
    (0.45, 0.55, 0.65),
    (0.35, 0.35, 0.37),
    (0.8, 0.75, 0.55),
    (0.65, 0.4, 0.38),
)


def _checks(p: Float32) -> Float32:
    return np.asarray(np.floor(p + 0.01).sum(1) % 2, np.float32)


def _stripes(p: Float32) -> Float32:
    return np.asarray(np.floor(p[:, 0] + p[:, 1]) % 2, np.float32)


def _tiles(p: Float32) -> Float32:
    inside = (p % 1 < 0.07).sum(1) > 0
    return np.asarray(inside, np.float32)


def _planks(p: Float32) -> Float32:
    number = np.floor(p[:, 0])
    tone = (np.sin(number * 12.9) * 43.7) % 1
    return np.asarray(0.6 * tone + 0.4 * (p[:, 0] % 1 < 0.06), np.float32)


def _grain(p: Float32) -> Float32:
    rings = p[:, 0] * 1.5 + 0.6 * np.sin(p[:, 1] * 0.7) + 0.4 * np.sin(p[:, 2] * 0.5)
    return np.asarray(0.5 + 0.5 * np.sin(rings * 5), np.float32)


def _clouds(p: Float32) -> Float32:
    a = np.sin(p[:, 0] * 2.1 + 1.3 * np.sin(p[:, 1] * 1.7)) * np.sin(p[:, 2] * 1.9 + np.sin(p[:, 0] * 2.7))
    b = np.sin(p[:, 1] * 4.3 + p[:, 0] * 3.1 + 2 * np.sin(p[:, 2] * 3.3))
    return np.asarray(0.5 + 0.35 * a + 0.15 * b, np.float32)


def _speckle(p: Float32) -> Float32:
    cell = np.floor(p * 6) @ np.array([12.99, 78.23, 37.72], np.float32)
    return np.asarray((np.sin(cell) * 4375.5) % 1 > 0.7, np.float32)


def _windows(p: Float32) -> Float32:
    q = p % 1
    level, along = q[:, 1], np.where(np.abs(q[:, 0] - 0.5) < 0.25, q[:, 0], q[:, 2])
    return np.asarray((np.abs(level - 0.5) < 0.28) & (np.abs(along - 0.5) < 0.25), np.float32)


PATTERNS: Mapping[str, Callable[[Float32], Float32]] = MappingProxyType(
    {
        "checks": _checks,
        "stripes": _stripes,
        "tiles": _tiles,
        "planks": _planks,
        "grain": _grain,
        "clouds": _clouds,
        "speckle": _speckle,
        "windows": _windows,
    }
)


@dataclass(frozen=True)
class Paint:
    """`pattern` of PATTERNS mixes `colour` with `second`, `period` [m] long; `gloss` in [0, 1]."""

    colour: Rgb
    second: Rgb = (0.0, 0.0, 0.0)
    pattern: str = "plain"
    period: float = 0.2
    gloss: float = 0.0

    def __call__(self, p: Float32) -> Float32:
        """Points (n, 3) in the thing's frame -> linear RGB (n, 3)."""
        first = np.broadcast_to(np.asarray(self.colour, np.float32), p.shape)
        if self.pattern == "plain":
            return first
        share = PATTERNS[self.pattern](p / self.period)[:, None]
        return np.asarray(first * (1 - share) + np.asarray(self.second, np.float32) * share, np.float32)


class Painted(Protocol):
    """A colour for every point, and how much the surface shines, [0, 1]."""

    @property
    def gloss(self) -> float: ...
    def __call__(self, p: Float32) -> Float32: ...


@dataclass(frozen=True)
class RoomPaint:
    """Floor, walls and ceiling of a room; `half` its half edges. One wall may have a colour of its own."""

    floor: Painted
    walls: Paint
    ceiling: Paint
    accent: Paint
    half: tuple[float, float, float]
    gloss: float = 0.0

    def __call__(self, p: Float32) -> Float32:
        close = 0.999
        below, above = p[:, 1] < -close * self.half[1], p[:, 1] > close * self.half[1]
        special = p[:, 2] > close * self.half[2]
        wall = np.where(special[:, None], self.accent(p), self.walls(p))
        found = np.where(below[:, None], self.floor(p), np.where(above[:, None], self.ceiling(p), wall))
        return np.asarray(found, np.float32)


def shaded(colour: Rgb, rng: np.random.Generator, spread: float = 0.12) -> Rgb:
    """`colour` a little brighter or darker, a little to one side."""
    factor = np.exp(rng.normal(0, spread)) * np.exp(rng.normal(0, spread / 3, 3))
    red, green, blue = np.clip(np.asarray(colour) * factor, 0, 1)
    return float(red), float(green), float(blue)


def named(colour: str, rng: np.random.Generator, patterned: float = 0.3) -> Paint:
    """A paint that people would call `colour`; by the chance `patterned` with a pattern of near tones."""
    tones = COLOURS[colour]
    first = shaded(tones[rng.integers(len(tones))], rng)
    gloss = float(rng.choice([0.0, 0.2, 0.6]))
    if rng.random() > patterned:
        return Paint(first, gloss=gloss)
    other: Rgb = (0.8, 0.8, 0.8) if rng.random() < 0.3 else shaded(first, rng, 0.6)
    pattern = str(rng.choice(["checks", "stripes", "clouds", "speckle", "grain"]))
    return Paint(first, other, pattern, float(rng.uniform(0.05, 0.25)), gloss)


def wooden(rng: np.random.Generator) -> Paint:
    first = shaded(WOODS[rng.integers(len(WOODS))], rng)
    return Paint(first, shaded(first, rng, 0.3), "grain", float(rng.uniform(0.05, 0.2)), 0.15)


def any_colour(rng: np.random.Generator) -> str:
    return str(rng.choice(list(COLOURS)))
