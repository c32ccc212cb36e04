"""Furniture out of boxes and a few solids. Each maker gives things that stand on y = 0 of `pose`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from training.rendered.objects import HOUSEHOLD
from training.rendered.paint import COLOURS, Paint, Painted, any_colour, named, shaded, wooden
from training.rendered.shapes import blend, cylinder, moved
from training.rendered.things import Block, Pose, Solid, Thing, at


@dataclass(frozen=True, eq=False)
class Piece:
    """`half`: half its floor plan (x, z) [m]; `top`: height on which small things may stand, 0 = none."""

    name: str
    things: list[Thing]
    half: tuple[float, float]
    top: float = 0.0


def block(
    pose: Pose, size: tuple[float, float, float], place: tuple[float, float, float], paint: Painted
) -> Block:
    """A box of `size` (whole edges) whose bottom's middle is at `place` in the frame of `pose`."""
    x, y, z = place
    return Block(np.array(size, np.float32) * np.float32(0.5), pose.of(at(x, y + size[1] / 2, z)), paint)


def cloth(rng: np.random.Generator) -> Paint:
    return named(any_colour(rng), rng, patterned=0.4)


def _legs(pose: Pose, size: tuple[float, float, float], thick: float, paint: Painted) -> list[Thing]:
    width, height, depth = size
    corners = [(sx * (width - thick) / 2, sz * (depth - thick) / 2) for sx in (-1, 1) for sz in (-1, 1)]
    return [block(pose, (thick, height, thick), (x, 0, z), paint) for x, z in corners]


def table(pose: Pose, rng: np.random.Generator) -> Piece:
    width, depth, height = rng.uniform(0.8, 1.9), rng.uniform(0.6, 1.0), rng.uniform(0.68, 0.8)
    paint = wooden(rng) if rng.random() < 0.7 else cloth(rng)
    things: list[Thing] = [block(pose, (width, 0.05, depth), (0, height - 0.05, 0), paint)]
    if rng.random() < 0.75:
        things += _legs(pose, (width - 0.08, height - 0.05, depth - 0.08), 0.07, paint)
    else:
        foot = pose.of(at(0, height / 2 - 0.03, 0))
        things.append(Solid(cylinder(0.06, height / 2 - 0.03), height, foot, paint))
    return Piece("table", things, (width / 2, depth / 2), height)


def chair(pose: Pose, rng: np.random.Generator) -> Piece:
    """Its back is at z < 0."""
    seat, wide, back = rng.uniform(0.42, 0.5), rng.uniform(0.38, 0.48), rng.uniform(0.35, 0.55)
    paint = wooden(rng) if rng.random() < 0.6 else cloth(rng)
    things = _legs(pose, (wide, seat, wide), 0.05, paint)
    things.append(block(pose, (wide, 0.05, wide), (0, seat - 0.02, 0), paint))
    rear = -wide / 2 + 0.025
    if rng.random() < 0.5:
        things.append(block(pose, (wide, back, 0.04), (0, seat, rear), paint))
        return Piece("chair", things, (wide / 2, wide / 2))
    things += [
        block(pose, (0.04, back, 0.04), (side * (wide / 2 - 0.02), seat, rear), paint) for side in (-1, 1)
    ]
    for share in np.linspace(0.3, 0.92, rng.integers(2, 5)):
        things.append(block(pose, (wide, 0.05, 0.025), (0, seat + share * back, rear), paint))
    return Piece("chair", things, (wide / 2, wide / 2))


def bed(pose: Pose, rng: np.random.Generator) -> Piece:
    """Its head is at z < 0."""
    width, frame, sheet = rng.uniform(0.9, 1.8), wooden(rng), cloth(rng)
    things: list[Thing] = [
        block(pose, (width, 0.3, 2.0), (0, 0, 0), frame),
        block(pose, (width * 0.97, 0.2, 1.95), (0, 0.3, 0), sheet),
        block(pose, (width, rng.uniform(0.7, 1.1), 0.06), (0, 0, -1.03), frame),
    ]
    pillow, places = (min(0.6, width * 0.45), 0.12, 0.35), [-0.25, 0.25] if width > 1.3 else [0]
    things += [block(pose, pillow, (x * width, 0.5, -0.75), cloth(rng)) for x in places]
    return Piece("bed", things, (width / 2, 1.05))


def sofa(pose: Pose, rng: np.random.Generator) -> Piece:
    """Its back is at z < 0."""
    width, paint = rng.uniform(1.4, 2.3), cloth(rng)
    things: list[Thing] = [
        block(pose, (width, 0.42, 0.85), (0, 0, 0), paint),
        block(pose, (width, rng.uniform(0.7, 0.9), 0.22), (0, 0, -0.32), paint),
        *(block(pose, (0.2, 0.6, 0.85), (side * (width / 2 - 0.1), 0, 0), paint) for side in (-1, 1)),
    ]
    places = rng.uniform(-0.35, 0.35, rng.integers(0, 3)) * width
    things += [block(pose, (0.4, 0.35, 0.12), (x, 0.43, -0.1), cloth(rng)) for x in places]
    return Piece("sofa", things, (width / 2, 0.45))


def shelf(pose: Pose, rng: np.random.Generator) -> Piece:
    """Boards with books; its back is at z < 0."""
    width, height, levels = rng.uniform(0.6, 1.4), rng.uniform(1.2, 2.1), int(rng.integers(3, 6))
    paint = wooden(rng)
    things: list[Thing] = [
        *(block(pose, (0.03, height, 0.32), (side * width / 2, 0, 0), paint) for side in (-1, 1)),
        block(pose, (width, height, 0.02), (0, 0, -0.15), paint),
    ]
    for level in range(levels):
        y = level * height / levels
        things.append(block(pose, (width, 0.03, 0.3), (0, y, 0), paint))
        x = -width / 2 + 0.05
        while x < width / 2 - 0.15:
            wide, tall = rng.uniform(0.08, 0.25), rng.uniform(0.5, 0.85) * height / levels
            if rng.random() < 0.75:
                things.append(
                    block(pose, (wide, tall, rng.uniform(0.15, 0.25)), (x + wide / 2, y, 0), cloth(rng))
                )
            x += wide + 0.02
    return Piece("shelf", things, (width / 2, 0.17))


def cupboard(pose: Pose, rng: np.random.Generator) -> Piece:
    """Its doors are at z > 0."""
    width, height = rng.uniform(0.7, 1.6), rng.uniform(0.8, 2.1)
    paint = wooden(rng) if rng.random() < 0.6 else cloth(rng)
    things: list[Thing] = [block(pose, (width, height, 0.5), (0, 0, 0), paint)]
    door = Paint(shaded(COLOURS["white"][1], rng, 0.3)) if rng.random() < 0.3 else paint
    for side in (-1, 1):
        things.append(
            block(pose, (width * 0.46, height * 0.9, 0.03), (side * width / 4, height * 0.05, 0.26), door)
        )
        things.append(block(pose, (0.02, 0.15, 0.03), (side * 0.05, height * 0.5, 0.29), named("gray", rng)))
    return Piece("cupboard", things, (width / 2, 0.28), height if height < 1.3 else 0)


def counter(pose: Pose, rng: np.random.Generator) -> Piece:
    """A kitchen unit with drawers and a worktop, its front at z > 0."""
    width, paint, top = (
        rng.uniform(1.2, 3.2),
        cloth(rng),
        named(str(rng.choice(["black", "gray", "white", "brown"])), rng),
    )
    things: list[Thing] = [
        block(pose, (width, 0.85, 0.56), (0, 0, 0), paint),
        block(pose, (width + 0.04, 0.05, 0.62), (0, 0.85, 0.02), top),
    ]
    doors = max(2, round(width / 0.55))
    for x in (np.arange(doors) + 0.5) / doors * width - width / 2:
        things.append(block(pose, (width / doors - 0.03, 0.72, 0.02), (x, 0.1, 0.285), paint))
        things.append(block(pose, (0.14, 0.02, 0.03), (x, 0.74, 0.3), named("gray", rng)))
    return Piece("counter", things, (width / 2, 0.3), 0.9)


def stove(pose: Pose, rng: np.random.Generator) -> Piece:
    body = named(str(rng.choice(["white", "black", "gray"])), rng, 0)
    plate = named("black", rng, 0)
    things: list[Thing] = [block(pose, (0.6, 0.88, 0.6), (0, 0, 0), body)]
    things.append(block(pose, (0.45, 0.35, 0.02), (0, 0.25, 0.3), plate))
    spots = [pose.of(at(x, 0.89, z)) for x in (-0.14, 0.14) for z in (-0.14, 0.14)]
    things += [Solid(cylinder(0.09, 0.012), 0.1, spot, plate) for spot in spots]
    return Piece("stove", things, (0.3, 0.32))


def fridge(pose: Pose, rng: np.random.Generator) -> Piece:
    body, height = named(str(rng.choice(["white", "gray", "red", "black"])), rng, 0), rng.uniform(1.5, 1.95)
    things: list[Thing] = [block(pose, (0.62, height, 0.62), (0, 0, 0), body)]
    for low, tall in ((0.04, 0.3), (0.37, 0.6)):
        things.append(block(pose, (0.59, tall * height, 0.03), (0, low * height, 0.32), body))
        things.append(
            block(pose, (0.03, 0.25, 0.04), (0.22, (low + 0.08) * height, 0.35), named("gray", rng))
        )
    return Piece("fridge", things, (0.32, 0.35))


def lamp(pose: Pose, rng: np.random.Generator) -> Piece:
    height, metal = rng.uniform(1.3, 1.8), named("gray", rng, 0)
    pole = blend(0.05, cylinder(0.015, height / 2), moved(cylinder(0.14, 0.015), [0, -height / 2, 0]))
    shade = Solid(cylinder(rng.uniform(0.15, 0.25), 0.14), 0.3, pose.of(at(0, height + 0.05, 0)), cloth(rng))
    return Piece("lamp", [Solid(pole, height, pose.of(at(0, height / 2, 0)), metal), shade], (0.2, 0.2))


def plant(pose: Pose, rng: np.random.Generator) -> Piece:
    pot, leaves = named(str(rng.choice(["brown", "white", "orange"])), rng), named("green", rng, 1)
    things: list[Thing] = [Solid(cylinder(0.14, 0.15), 0.21, pose.of(at(0, 0.15, 0)), pot)]
    for _ in range(rng.integers(3, 7)):
        size, (x, z) = rng.uniform(0.1, 0.22), rng.uniform(-0.15, 0.15, 2)
        body = HOUSEHOLD["ball"](size, rng)
        things.append(body.floating(pose.of(at(x, rng.uniform(0.4, 0.85), z)), leaves))
    return Piece("plant", things, (0.25, 0.25))


FURNITURE: Mapping[str, Callable[[Pose, np.random.Generator], Piece]] = MappingProxyType(
    {
        "table": table,
        "chair": chair,
        "bed": bed,
        "sofa": sofa,
        "shelf": shelf,
        "cupboard": cupboard,
        "counter": counter,
        "stove": stove,
        "fridge": fridge,
        "lamp": lamp,
        "plant": plant,
    }
)
