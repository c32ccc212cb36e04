"""People, animals and trees: capsules and ellipsoids that melt into each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from training.rendered.paint import COLOURS, Paint, any_colour, named, shaded, wooden
from training.rendered.shapes import Implicit, blend, capsule, cone, ellipsoid, moved, sphere
from training.rendered.things import Pose, Solid, Thing, at

SKINS = ((0.75, 0.5, 0.38), (0.5, 0.3, 0.2), (0.25, 0.13, 0.08), (0.85, 0.62, 0.5))


@dataclass(frozen=True)
class Build:
    """An animal with four legs, as shares of its height at the shoulder."""

    length: float
    belly: float
    leg: float
    neck: float  # length
    neck_angle: float  # above the horizontal [rad]
    head: float
    tail: float
    heights: tuple[float, float]  # [m]
    colours: tuple[str, ...]


ANIMALS: Mapping[str, Build] = MappingProxyType(
    {
        "dog": Build(1.1, 0.2, 0.07, 0.35, 0.7, 0.17, 0.5, (0.3, 0.65), ("brown", "black", "white", "gray")),
        "cat": Build(1.2, 0.2, 0.06, 0.22, 0.6, 0.19, 0.9, (0.22, 0.3), ("gray", "orange", "black", "white")),
        "cow": Build(1.3, 0.3, 0.07, 0.35, 0.2, 0.2, 0.5, (1.2, 1.5), ("white", "brown", "black")),
        "horse": Build(1.1, 0.22, 0.055, 0.6, 0.85, 0.15, 0.6, (1.4, 1.7), ("brown", "black", "gray")),
        "sheep": Build(1.1, 0.38, 0.06, 0.25, 0.4, 0.16, 0.1, (0.6, 0.8), ("white", "gray")),
        "elephant": Build(1.1, 0.36, 0.12, 0.25, 0.2, 0.27, 0.4, (2.2, 3.0), ("gray",)),
        "giraffe": Build(0.7, 0.18, 0.05, 1.0, 1.1, 0.12, 0.4, (2.4, 3.0), ("yellow", "brown")),
    }
)


def person(pose: Pose, rng: np.random.Generator) -> list[Thing]:
    """Standing on y = 0 of `pose`, looking to z > 0, one arm or leg perhaps lifted."""
    height = rng.uniform(1.5, 1.95)
    hip, shoulder, wide = 0.52 * height, 0.82 * height, 0.12 * height
    stride, lift = rng.uniform(-0.22, 0.22), rng.uniform(-0.2, 0.8, 2)
    legs = [
        capsule([side * 0.09, hip, 0], [side * 0.1, 0.05, side * stride], 0.05 * height) for side in (-1, 1)
    ]
    trunk = capsule([0, hip + 0.05, 0], [0, shoulder - 0.05, 0], 0.085 * height)
    arms = [
        capsule(
            [side * wide, shoulder, 0],
            [side * wide * 1.6, shoulder - 0.4 * height * np.cos(up), 0.4 * height * np.sin(up)],
            0.033 * height,
        )
        for side, up in zip((-1, 1), lift, strict=True)
    ]
    head = moved(ellipsoid([0.055 * height, 0.07 * height, 0.06 * height]), [0, 0.93 * height, 0])
    middle = [0.0, -height / 2, 0.0]
    place = pose.of(at(0, height / 2, 0))
    parts: tuple[tuple[Implicit, Paint], ...] = (
        (blend(0.03, *legs), named(any_colour(rng), rng)),
        (blend(0.05, trunk, *arms), named(any_colour(rng), rng)),
        (head, Paint(shaded(SKINS[rng.integers(len(SKINS))], rng))),
    )
    return [Solid(moved(shape, middle), 0.62 * height, place, paint) for shape, paint in parts]


def animal(name: str, pose: Pose, rng: np.random.Generator) -> list[Thing]:
    """Standing on y = 0 of `pose`, looking to z > 0."""
    build = ANIMALS[name]
    height = rng.uniform(*build.heights)
    belly, leg = build.belly * height, build.leg * height
    back, half = height - belly, build.length * height / 2
    step = rng.uniform(-0.12, 0.12, 4) * height
    feet = [(sx, sz, step[2 * i + j]) for i, sx in enumerate((-1, 1)) for j, sz in enumerate((-1, 1))]
    legs = [
        capsule(
            [sx * belly * 0.6, back, sz * half * 0.75], [sx * belly * 0.6, leg, sz * half * 0.75 + s], leg
        )
        for sx, sz, s in feet
    ]
    angle, nod = build.neck_angle + rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3) * height
    rise = build.neck * height * np.sin(angle)
    neck = [0.0, back + belly * 0.4 + rise, half + build.neck * height * np.cos(angle)]
    head = build.head * height
    snout = [nod * 0.3, neck[1] - head * 0.5, neck[2] + head * 1.3]
    body = [
        moved(ellipsoid([belly, belly, half + belly * 0.4]), [0, back, 0]),
        capsule([0, back + belly * 0.4, half * 0.8], neck, head * 0.65),
        capsule(neck, snout, head * 0.6),
        moved(sphere(head * 0.85), neck),
        capsule(
            [0, back + belly * 0.5, -half], [0, back - build.tail * height * 0.4, -half - belly], leg * 0.6
        ),
    ]
    reach = half + (build.neck + 2.2 * build.head) * height
    shape = moved(blend(0.06 * height, *body, *legs), [0, -height / 2, 0])
    paint = named(str(rng.choice(build.colours)), rng, patterned=0.4)
    return [Solid(shape, max(reach, height), pose.of(at(0, height / 2, 0)), paint)]


def extent(name: str) -> float:
    """About how high or long such an animal is [m]."""
    build = ANIMALS[name]
    return float(np.mean(build.heights)) * (1.3 + 0.7 * build.neck)


def tree(pose: Pose, rng: np.random.Generator) -> list[Thing]:
    height = rng.uniform(2.5, 8)
    crown, stem = rng.uniform(0.25, 0.4) * height, rng.uniform(0.02, 0.04) * height
    trunk = capsule([0, -0.3, 0], [0, height - crown, 0], stem)
    bark, leaves = (
        wooden(rng),
        Paint(shaded(COLOURS["green"][rng.integers(3)], rng), (0.02, 0.08, 0.02), "speckle", crown * 0.6),
    )
    if rng.random() < 0.3:
        shape = moved(cone(crown * 0.8, height * 0.85), [0, 0, 0])
        top = Solid(shape, height * 0.6, pose.of(at(0, height * 0.57, 0)), leaves)
    else:
        balls = [
            moved(sphere(crown * rng.uniform(0.4, 0.75)), (rng.uniform(-0.55, 0.55, 3) * crown).tolist())
            for _ in range(5)
        ]
        top = Solid(blend(crown * 0.1, *balls), crown * 1.8, pose.of(at(0, height - crown * 0.8, 0)), leaves)
    return [Solid(trunk, height + 0.3, pose, bark), top]
