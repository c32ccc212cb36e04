"""Rooms from inside: bedrooms, living rooms, kitchens, offices, bathrooms, corridors, and bare ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from training.rendered.camera import Camera, any_view, looking
from training.rendered.captions import article, listed
from training.rendered.furniture import FURNITURE, Piece, block, cloth
from training.rendered.light import Light
from training.rendered.objects import HOUSEHOLD
from training.rendered.paint import WALLS, Paint, Rgb, RoomPaint, any_colour, named, shaded, wooden
from training.rendered.stage import Part, Stage, Words, indoor
from training.rendered.things import Pose, Room, Thing, at


@dataclass(frozen=True)
class Plan:
    """`wall`: furniture along the walls; `middle`: away from them; each (name, least, most)."""

    wall: tuple[tuple[str, int, int], ...]
    middle: tuple[tuple[str, int, int], ...] = ()


PLANS: Mapping[str, Plan] = MappingProxyType(
    {
        "kitchen": Plan(
            (("counter", 1, 2), ("stove", 0, 1), ("fridge", 0, 1), ("cupboard", 0, 1)),
            (("table", 0, 1), ("chair", 0, 4)),
        ),
        "bedroom": Plan(
            (("bed", 1, 2), ("cupboard", 0, 1), ("lamp", 0, 1), ("shelf", 0, 1)), (("chair", 0, 1),)
        ),
        "living room": Plan(
            (("sofa", 1, 2), ("shelf", 0, 2), ("plant", 0, 1), ("lamp", 0, 1)),
            (("table", 0, 1), ("chair", 0, 2)),
        ),
        "office": Plan(
            (("shelf", 1, 3), ("cupboard", 0, 1), ("plant", 0, 1)), (("table", 1, 1), ("chair", 1, 2))
        ),
        "dining room": Plan((("cupboard", 0, 2), ("plant", 0, 1)), (("table", 1, 1), ("chair", 2, 6))),
        "room": Plan((("shelf", 0, 1), ("lamp", 0, 1), ("plant", 0, 1), ("cupboard", 0, 1), ("chair", 0, 1))),
    }
)


def _room(rng: np.random.Generator) -> Room:
    wide, high, deep = rng.uniform(1.4, 3.2), rng.uniform(1.15, 1.5), rng.uniform(1.6, 3.5)
    walls, boards = shaded(WALLS[rng.integers(len(WALLS))], rng), wooden(rng)
    floors = (
        Paint(boards.colour, boards.second, "planks", rng.uniform(0.08, 0.25), 0.1),
        Paint(shaded((0.5, 0.5, 0.48), rng, 0.3), (0.15, 0.15, 0.15), "tiles", rng.uniform(0.2, 0.6), 0.2),
        named(any_colour(rng), rng),
    )
    plain = Paint(walls)
    accent = named(any_colour(rng), rng) if rng.random() < 0.3 else plain
    white = Paint(shaded((0.8, 0.8, 0.78), rng, 0.1))
    paint = RoomPaint(floors[rng.integers(3)], plain, white, accent, (wide, high, deep))
    return Room(np.array([wide, high, deep], np.float32), at(0, high, 0), paint)


def _along(piece: str, side: int, half: Sequence[float], rng: np.random.Generator) -> Piece:
    """A piece with its back to wall `side` (0: +z, 1: +x, 2: -z, 3: -x)."""
    depth = FURNITURE[piece](at(0, 0, 0), np.random.default_rng(rng.integers(1 << 30)))
    width, gap = depth.half
    yaw = (np.pi, -np.pi / 2, 0.0, np.pi / 2)[side]
    span = (half[0] if side % 2 == 0 else half[2]) - width
    along = rng.uniform(-span, span) if span > 0 else 0.0
    off = (half[2] if side % 2 == 0 else half[0]) - gap - 0.02
    x, z = ((along, off), (off, along), (along, -off), (-off, along))[side]
    return FURNITURE[piece](at(x, 0, z, yaw), rng)


def _opening(half: Sequence[float], rng: np.random.Generator) -> Part:
    """A door or a window in the far wall or the right one."""
    side = int(rng.integers(0, 2))
    span = half[0] if side == 0 else half[2]
    along = rng.uniform(-0.7, 0.7) * span
    pose = at(along, 0, half[2], np.pi) if side == 0 else at(half[0], 0, along, -np.pi / 2)
    if rng.random() < 0.5:
        things: list[Thing] = [block(pose, (0.9, 2.02, 0.1), (0, 0, 0), wooden(rng))]
        things.append(block(pose, (0.1, 0.04, 0.16), (0.33, 1.0, 0.05), named("gray", rng)))
        return Part("door", things)
    frame, sky = named("white", rng, 0), Paint(shaded((0.7, 0.8, 0.95), rng))
    wide, tall, low = rng.uniform(0.8, 1.6), rng.uniform(0.8, 1.2), rng.uniform(0.8, 1.0)
    pane: list[Thing] = [block(pose, (wide, tall, 0.06), (0, low, 0), sky)]
    bars = [block(pose, (0.06, tall, 0.14), (x * wide, low, 0), frame) for x in (-0.5, 0, 0.5)]
    rails = [block(pose, (wide, 0.06, 0.14), (0, low + y * tall, 0), frame) for y in (0, 1)]
    return Part("window", [*pane, *bars, *rails])


def _picture(half: Sequence[float], rng: np.random.Generator) -> Thing:
    pose = at(rng.uniform(-0.8, 0.8) * half[0], rng.uniform(1.2, 1.6), half[2], np.pi)
    return block(pose, (rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.7), 0.05), (0, 0, 0), cloth(rng))


def laid(piece: Piece, pose: Pose, count: int, rng: np.random.Generator) -> list[Part]:
    """Small things on top of a piece that stands at `pose`."""
    parts = []
    for _ in range(count):
        name = str(rng.choice(list(HOUSEHOLD)))
        x, z = rng.uniform(-0.85, 0.85, 2) * piece.half
        paint = named(any_colour(rng), rng)
        body = HOUSEHOLD[name](rng.uniform(0.06, 0.15), rng)
        inner = body.standing(x, piece.top, z, paint, rng.uniform(0, 6.28))
        parts.append(Part(name, [body.floating(pose.of(inner.pose), paint)]))
    return parts


def _furnished(plan: Plan, half: Sequence[float], rng: np.random.Generator) -> list[Piece]:
    """Pieces that do not stand in each other, as far as a few attempts find places."""
    placed: list[tuple[float, float, float]] = []
    pieces = []
    for name, least, most in plan.wall + plan.middle:
        for _ in range(rng.integers(least, most + 1)):
            for _ in range(4):
                if (name, least, most) in plan.wall:
                    piece = _along(name, int(rng.choice([0, 1, 3], p=[0.5, 0.25, 0.25])), half, rng)
                else:
                    x, z = rng.uniform(-0.6, 0.6) * half[0], rng.uniform(-0.3, 0.6) * half[2]
                    piece = FURNITURE[name](at(x, 0, z, rng.uniform(0, 6.28)), rng)
                x, _, z = np.mean([thing.pose.place for thing in piece.things], axis=0)
                reach = 0.85 * max(piece.half) if name != "chair" else 0.25
                if all(np.hypot(x - a, z - b) > reach + other for a, b, other in placed):
                    placed.append((x, z, reach))
                    pieces.append(piece)
                    break
    return pieces


def _wall_units(half: Sequence[float], rng: np.random.Generator) -> list[Thing]:
    """Cupboards that hang on the far wall."""
    paint, count, x = cloth(rng), int(rng.integers(2, 6)), rng.uniform(-0.8, 0) * half[0]
    pose = at(x, 1.45, half[2] - 0.18, np.pi)
    return [block(pose, (0.55, 0.65, 0.34), (-0.58 * number, 0, 0), paint) for number in range(count)]


def _words(kind: str, names: Sequence[str]) -> Words:
    furniture = [article(name) for name in dict.fromkeys(names) if name in FURNITURE]
    label = f"{kind} with {' and '.join(furniture[:2])}" if furniture else kind
    full = f"{article(kind)} with {listed(names)}" if names else f"an empty {kind}"
    short = (
        f"{article(kind)} with {listed(found)}" if (found := [n for n in names if n in FURNITURE]) else full
    )
    return Words((full, short, article(kind)), label, f"{kind} scene")


def _parts(kind: str, half: Sequence[float], rng: np.random.Generator) -> list[Part]:
    """Furniture with what stands on it, doors and windows."""
    parts = []
    for piece in _furnished(PLANS[kind], half, rng):
        parts.append(Part(piece.name, piece.things))
        if piece.top and rng.random() < 0.7:
            x, _, z = piece.things[0].pose.place
            top = Pose(np.array([x, 0, z], np.float32), piece.things[0].pose.turn)
            parts += laid(piece, top, int(rng.integers(1, 4)), rng)
    return parts + [_opening(half, rng) for _ in range(rng.integers(0, 3))]


def _view(half: Sequence[float], rng: np.random.Generator) -> Camera:
    """A camera held by hand, near one wall, towards the others."""
    eye = (rng.uniform(-0.8, 0.8) * half[0], rng.uniform(1.0, 1.75), rng.uniform(-0.95, -0.4) * half[2])
    goal = (rng.uniform(-0.9, 0.9) * half[0], rng.uniform(0.2, 1.3), rng.uniform(0.2, 1.0) * half[2])
    return looking(eye, goal, any_view(rng), rng.normal(0, 0.08))


def interior(rng: np.random.Generator) -> Stage:
    kind = str(rng.choice(list(PLANS), p=[0.3, 0.15, 0.15, 0.13, 0.12, 0.15]))
    room = _room(rng)
    half = room.half.tolist()
    parts = _parts(kind, half, rng)
    scenery: list[Thing] = [room, *(_picture(half, rng) for _ in range(rng.integers(0, 3)))]
    if kind == "kitchen" and rng.random() < 0.6:
        scenery += _wall_units(half, rng)
    warm: Rgb = (1.0, float(rng.uniform(0.8, 1)), float(rng.uniform(0.6, 1)))
    place = (float(rng.uniform(-1, 1)), half[1] * 1.9, float(rng.uniform(-1, 1)))
    lamp = Light(place, warm, near=True, shadows=bool(rng.random() < 0.3))
    return Stage(scenery, parts, _view(half, rng), [lamp], indoor(rng), partial(_words, kind))
