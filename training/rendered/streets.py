"""Streets: a road between rows of houses, trees and poles, with cars and people; the sky gives no reading."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from training.rendered.beings import ANIMALS, animal, extent, person, tree
from training.rendered.camera import any_view, looking
from training.rendered.captions import article, counted, listed
from training.rendered.furniture import block
from training.rendered.paint import WALLS, Paint, any_colour, named, shaded
from training.rendered.shapes import box, cylinder, moved, roof, union
from training.rendered.stage import Part, Stage, Words, outdoor, sun
from training.rendered.things import Ground, Pose, Solid, Thing, at, turned

KERB = 4.0  # m from the middle of the road
LAID = turned(0, 0, np.pi / 2)  # an upright cylinder laid along x


def car(pose: Pose, rng: np.random.Generator) -> list[Thing]:
    """Its length along z."""
    paint, glass, black = (
        named(any_colour(rng), rng, 0),
        Paint((0.03, 0.04, 0.05), gloss=0.6),
        named("black", rng, 0),
    )
    long, tall, cabin = rng.uniform(3.8, 4.9), rng.uniform(0.55, 0.75), rng.uniform(0.5, 0.9)
    body = box([0.9, tall / 2, long / 2], 0.12)
    top = moved(box([0.75, cabin / 2, long * rng.uniform(0.2, 0.32)], 0.15), [0, 0, rng.uniform(-0.3, 0.1)])
    wheels = [moved(cylinder(0.33, 0.12), [x, 0, z * long], LAID) for x in (-0.82, 0.82) for z in (-0.3, 0.3)]
    low = 0.3 + tall / 2
    return [
        Solid(body, long / 2 + 0.9, pose.of(at(0, low, 0)), paint),
        Solid(top, long / 2, pose.of(at(0, low + tall / 2 + cabin * 0.3, 0)), glass),
        block(pose, (1.35, 0.06, long * 0.38), (0, 0.3 + tall + cabin * 0.75, -0.1), paint),
        Solid(union(*wheels), long * 0.5 + 0.5, pose.of(at(0, 0.33, 0)), black),
    ]


def house(pose: Pose, rng: np.random.Generator) -> list[Thing]:
    """Front at z > 0; a gable roof if it is low."""
    wide, deep, floors = rng.uniform(6, 12), rng.uniform(6, 10), int(rng.choice([1, 2, 2, 3, 5, 9]))
    high, wall = 3.0 * floors, shaded(WALLS[rng.integers(len(WALLS))], rng)
    paint = Paint(wall, (0.06, 0.08, 0.12), "windows", 3.0)
    things: list[Thing] = [block(pose, (wide, high, deep), (0, 0, 0), paint)]
    if floors <= 2 and rng.random() < 0.7:
        half = (wide / 2 + 0.4, rng.uniform(0.8, 2.0), deep / 2 + 0.4)
        tiles = named(str(rng.choice(["red", "brown", "gray"])), rng)
        things.append(
            Solid(roof(half), float(np.linalg.norm(half)), pose.of(at(0, high + half[1], 0)), tiles)
        )
    door = named(any_colour(rng), rng, 0)
    things.append(block(pose, (1.1, 2.1, 0.2), (rng.uniform(-0.3, 0.3) * wide, 0, deep / 2), door))
    return things


def pole(pose: Pose, rng: np.random.Generator) -> list[Thing]:
    """A street light or a traffic light; its arm reaches towards x > 0."""
    high, reach = rng.uniform(4, 7), rng.uniform(1.0, 3.5)
    metal = named("gray", rng, 0)
    mast = moved(cylinder(0.09, high / 2), [0, 0, 0])
    arm = moved(cylinder(0.06, reach / 2), [reach / 2, high / 2 - 0.1, 0], LAID)
    things: list[Thing] = [Solid(union(mast, arm), high / 2 + reach, pose.of(at(0, high / 2, 0)), metal)]
    if rng.random() < 0.5:
        things.append(block(pose, (0.35, 0.95, 0.3), (reach, high - 1.0, 0), named("yellow", rng, 0)))
    else:
        things.append(block(pose, (0.7, 0.12, 0.3), (reach, high - 0.2, 0), metal))
    return things


def _row(side: int, rng: np.random.Generator) -> list[Part]:
    """Houses, trees and poles along one side of the road, from near to far."""
    parts, z = list[Part](), rng.uniform(0, 6)
    kind = rng.choice(["houses", "trees", "both"])
    while z < 45:
        if kind == "houses" or (kind == "both" and rng.random() < 0.5):
            x = side * (KERB + rng.uniform(6, 9))
            parts.append(Part("house", house(at(x, 0, z + 4, -side * np.pi / 2), rng)))
            z += rng.uniform(9, 14)
        else:
            parts.append(Part("tree", tree(at(side * (KERB + rng.uniform(1.5, 5)), 0, z + 2), rng)))
            z += rng.uniform(5, 11)
        if rng.random() < 0.3:
            parts.append(Part("pole", pole(at(side * (KERB + 0.6), 0, z, 0 if side < 0 else np.pi), rng)))
    return parts


def _traffic(rng: np.random.Generator) -> list[Part]:
    parts = []
    for _ in range(rng.integers(0, 5)):
        side = rng.choice([-1, 1])
        parked = rng.random() < 0.6
        x = side * (KERB - 1.1 if parked else 1.8)
        vehicle = car(at(x, 0, rng.uniform(5, 35), 0.0 if side > 0 else np.pi), rng)
        parts.append(Part("parked car" if parked else "car", vehicle))
    for _ in range(rng.choice([0, 0, 1, 2])):
        place = at(rng.choice([-1, 1]) * (KERB + 0.9), 0, rng.uniform(4, 18), rng.uniform(0, 6.28))
        parts.append(Part("person", person(place, rng)))
    return parts


def _surface(rng: np.random.Generator) -> list[Thing]:
    grass = named(str(rng.choice(["green", "gray"], p=[0.6, 0.4])), rng, 0.5)
    tar, white = Paint(shaded((0.12, 0.12, 0.13), rng, 0.3)), Paint((0.7, 0.7, 0.65))
    things: list[Thing] = [Ground(at(0, 0, 0), grass, far=90.0)]
    things.append(block(at(0, 0, 40), (2 * KERB, 0.02, 120), (0, 0, 0), tar))
    pavement = Paint(shaded((0.4, 0.4, 0.38), rng), (0.25, 0.25, 0.25), "tiles", 0.9)
    things += [block(at(side * (KERB + 1), 0, 40), (2, 0.15, 120), (0, 0, 0), pavement) for side in (-1, 1)]
    things += [block(at(0, 0, z), (0.15, 0.03, 2.5), (0, 0, 0), white) for z in range(2, 60, 6)]
    return things


def _street_words(names: list[str]) -> Words:
    cars = sum("car" in name for name in names)
    short = f"a street with {counted('car', cars)}" if cars else "a street without cars"
    full = f"a street with {listed(names)}" if names else "an empty street"
    return Words((full, short, "a street"), "street", "street scene")


def street(rng: np.random.Generator) -> Stage:
    parts = [*_traffic(rng), *_row(-1, rng), *_row(1, rng)]
    eye = (rng.uniform(-3, 3), rng.uniform(1.2, 2.8), -1.0)
    goal = (rng.uniform(-5, 5), rng.uniform(0.5, 4.5), 18.0)
    camera = looking(eye, goal, any_view(rng), rng.normal(0, 0.03))
    return Stage(_surface(rng), parts, camera, [sun(rng)], outdoor(rng), _street_words)


def _figure_words(kind: str, names: Sequence[str]) -> Words:
    short = counted(kind, max(names.count(kind), 1))
    full = f"{listed(names)} on the ground" if names else short
    return Words((full, short, f"the shape of {article(kind)}"), kind, kind)


def _made(kind: str, pose: Pose, rng: np.random.Generator) -> list[Thing]:
    if kind == "person":
        return person(pose, rng)
    return car(pose, rng) if kind == "car" else animal(kind, pose, rng)


def figure(rng: np.random.Generator) -> Stage:
    """People, cars or animals on open ground, perhaps with trees."""
    kind = str(rng.choice(["person", "car", *ANIMALS], p=[0.3, 0.14, *([0.08] * len(ANIMALS))]))
    count = int(rng.choice([1, 1, 1, 2, 3]))
    size = {"person": 1.8, "car": 4.0}[kind] if kind not in ANIMALS else extent(kind)
    ground = Ground(at(0, 0, 0), named(str(rng.choice(["green", "brown", "gray"])), rng), far=70.0)
    parts = []
    for number in range(count):
        x = (number - (count - 1) / 2) * size * 0.8 + rng.normal(0, 0.1)
        parts.append(
            Part(kind, _made(kind, at(x, 0, rng.uniform(-0.2, 0.4) * size, rng.uniform(0, 6.28)), rng))
        )
    places = [at(rng.uniform(-9, 9), 0, rng.uniform(6, 18)) for _ in range(rng.choice([0, 0, 1, 3]))]
    parts += [Part("tree", tree(place, rng)) for place in places]
    eye = (
        rng.uniform(-0.4, 0.4) * size,
        rng.uniform(0.2, 0.9) * size,
        -size * rng.uniform(1.1, 1.7) - 0.3 * count,
    )
    camera = looking(eye, (0, 0.4 * size, 0.1), any_view(rng))
    return Stage([ground], parts, camera, [sun(rng)], outdoor(rng), partial(_figure_words, kind))
