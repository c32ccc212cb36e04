"""Small things, one implicit shape each: geometric bodies, dishes, and what blends of bodies give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from training.rendered.paint import Painted
from training.rendered.shapes import (
    Implicit,
    blend,
    box,
    capsule,
    cone,
    cylinder,
    difference,
    ellipsoid,
    intersection,
    moved,
    pyramid,
    shell,
    sphere,
    torus,
    union,
)
from training.rendered.things import Pose, Solid, turned


@dataclass(frozen=True, eq=False)
class Body:
    """`shape` lies within `radius` of the origin; `base`: how far its lowest point lies below it [m]."""

    shape: Implicit
    radius: float
    base: float

    def standing(self, x: float, floor: float, z: float, paint: Painted, yaw: float = 0.0) -> Solid:
        pose = Pose(np.array([x, floor + self.base, z], np.float32), turned(yaw))
        return Solid(self.shape, self.radius, pose, paint)

    def floating(self, pose: Pose, paint: Painted) -> Solid:
        return Solid(self.shape, self.radius, pose, paint)


Maker = Callable[[float, np.random.Generator], Body]  # size: half the greatest extent [m]


def _sphere(size: float, _: np.random.Generator) -> Body:
    return Body(sphere(size), size, size)


def _cube(size: float, rng: np.random.Generator) -> Body:
    half = size * 0.7
    return Body(box([half] * 3, half * float(rng.choice([0, 0.1, 0.25]))), half * 1.74, half)


def _brick(size: float, rng: np.random.Generator) -> Body:
    half = size * np.array([1, rng.uniform(0.25, 0.6), rng.uniform(0.3, 0.7)])
    return Body(box(half.tolist()), float(np.linalg.norm(half)), float(half[1]))


def _cylinder(size: float, rng: np.random.Generator) -> Body:
    radius, half = size * rng.uniform(0.35, 0.8), size * rng.uniform(0.5, 0.9)
    return Body(cylinder(radius, half), float(np.hypot(radius, half)), half)


def _cone(size: float, rng: np.random.Generator) -> Body:
    radius, height = size * rng.uniform(0.5, 0.8), size * rng.uniform(1.3, 1.9)
    return Body(cone(radius, height), float(np.hypot(radius, height / 2)), height / 2)


def _pyramid(size: float, rng: np.random.Generator) -> Body:
    half, height = size * rng.uniform(0.5, 0.75), size * rng.uniform(1.1, 1.7)
    return Body(pyramid(half, height), float(np.hypot(half * 1.42, height / 2)), height / 2)


def _torus(size: float, rng: np.random.Generator) -> Body:
    tube = size * rng.uniform(0.15, 0.32)
    return Body(torus(size - tube, tube), size, tube)


def _capsule(size: float, rng: np.random.Generator) -> Body:
    radius = size * rng.uniform(0.25, 0.45)
    end = size - radius
    return Body(capsule([0, -end, 0], [0, end, 0], radius), size, size)


def _ellipsoid(size: float, rng: np.random.Generator) -> Body:
    radii = (size * np.array([1, rng.uniform(0.4, 0.8), rng.uniform(0.4, 0.8)])).tolist()
    return Body(ellipsoid(radii), size, radii[1])


def _cup(size: float, rng: np.random.Generator) -> Body:
    radius, half = size * rng.uniform(0.5, 0.65), size * rng.uniform(0.55, 0.8)
    hollow = moved(cylinder(radius * 0.85, half), [0, half * 0.15, 0])
    handle = moved(torus(half * 0.5, size * 0.1), [radius, 0, 0], turned(0, np.pi / 2))
    outside = -1 * radius * 0.9
    cut = difference(handle, cylinder(-outside, half * 2))
    return Body(union(difference(cylinder(radius, half), hollow), cut), size * 1.5, half)


def _bowl(size: float, rng: np.random.Generator) -> Body:
    wall = size * 0.1
    half = moved(box([size * 2, size, size * 2]), [0, -size * rng.uniform(1.0, 1.25), 0])
    return Body(intersection(shell(sphere(size - wall), wall), half), size, size - wall / 2)


def _bottle(size: float, rng: np.random.Generator) -> Body:
    radius = size * rng.uniform(0.25, 0.4)
    body = moved(cylinder(radius, size * 0.6), [0, -size * 0.4, 0])
    neck = moved(cylinder(radius * rng.uniform(0.3, 0.5), size * 0.5), [0, size * 0.5, 0])
    return Body(blend(radius * 0.8, body, neck), size * 1.15, size)


def _vase(size: float, rng: np.random.Generator) -> Body:
    belly = moved(ellipsoid([size * rng.uniform(0.4, 0.6), size * 0.7, size * 0.5]), [0, -size * 0.3, 0])
    neck = moved(cylinder(size * 0.16, size * 0.5), [0, size * 0.4, 0])
    rim = moved(torus(size * 0.25, size * 0.07), [0, size * 0.9, 0])
    return Body(blend(size * 0.25, belly, neck, rim), size * 1.1, size)


def _plate(size: float, _: np.random.Generator) -> Body:
    dish = difference(
        cylinder(size, size * 0.08), moved(cylinder(size * 0.8, size * 0.08), [0, size * 0.1, 0])
    )
    return Body(dish, size * 1.05, size * 0.08)


def _dumbbell(size: float, rng: np.random.Generator) -> Body:
    weight = size * rng.uniform(0.25, 0.4)
    ends = [moved(sphere(weight), [side * (size - weight), 0, 0]) for side in (-1, 1)]
    bar = capsule([-size * 0.8, 0, 0], [size * 0.8, 0, 0], weight * 0.4)
    return Body(blend(weight * 0.4, *ends, bar), size, weight)


def _blob(size: float, rng: np.random.Generator) -> Body:
    balls = [
        moved(sphere(size * rng.uniform(0.3, 0.5)), (rng.uniform(-0.5, 0.5, 3) * size).tolist())
        for _ in range(rng.integers(3, 6))
    ]
    return Body(blend(size * 0.3, *balls), size * 1.4, size * 0.7)


def _die(size: float, _: np.random.Generator) -> Body:
    """A cube cut by a sphere: its corners are round."""
    half = size * 0.7
    return Body(intersection(box([half] * 3), sphere(half * 1.35)), half * 1.4, half)


def _pipe(size: float, rng: np.random.Generator) -> Body:
    radius, half = size * rng.uniform(0.4, 0.6), size * rng.uniform(0.5, 0.8)
    hole = cylinder(radius * rng.uniform(0.6, 0.8), half * 2)
    return Body(difference(cylinder(radius, half), hole), float(np.hypot(radius, half)), half)


GEOMETRIC: Mapping[str, Maker] = MappingProxyType(
    {
        "sphere": _sphere,
        "cube": _cube,
        "box": _brick,
        "cylinder": _cylinder,
        "cone": _cone,
        "pyramid": _pyramid,
        "torus": _torus,
        "capsule": _capsule,
        "ellipsoid": _ellipsoid,
        "ring": lambda size, _: Body(torus(size * 0.9, size * 0.1), size, size * 0.1),
        "pipe": _pipe,
        "dumbbell": _dumbbell,
        "blob": _blob,
        "rounded cube": _die,
    }
)
HOUSEHOLD: Mapping[str, Maker] = MappingProxyType(
    {
        "cup": _cup,
        "bowl": _bowl,
        "bottle": _bottle,
        "vase": _vase,
        "plate": _plate,
        "ball": _sphere,
        "carton": _brick,
        "jar": _cylinder,
        "glass": _pipe,
    }
)
LIKE: Mapping[str, tuple[str, ...]] = MappingProxyType(  # other words for the same
    {
        "sphere": ("ball", "sphere", "globe"),
        "cube": ("cube", "box"),
        "box": ("box", "brick", "block"),
        "torus": ("torus", "donut", "ring"),
        "cup": ("cup", "mug"),
        "pipe": ("pipe", "tube"),
        "capsule": ("capsule", "pill"),
        "ellipsoid": ("ellipsoid", "egg"),
        "blob": ("blob", "lump"),
    }
)
