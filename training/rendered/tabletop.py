"""Geometric bodies and dishes: in empty space, on the ground, on a table, in a bare room."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from training.rendered.camera import any_view, looking
from training.rendered.captions import article, listed
from training.rendered.furniture import table
from training.rendered.meshes import Mesh, Sculpture
from training.rendered.objects import GEOMETRIC, HOUSEHOLD, LIKE
from training.rendered.paint import WALLS, Paint, Painted, RoomPaint, any_colour, named, shaded, wooden
from training.rendered.rooms import laid
from training.rendered.stage import Part, Stage, Words, outdoor, studio, sun
from training.rendered.things import Ground, Pose, Room, Thing, at, turned

MAKERS = {**GEOMETRIC, **HOUSEHOLD}


def _word(name: str, rng: np.random.Generator) -> str:
    return str(rng.choice(LIKE.get(name, (name,))))


def _drawn(count: int, rng: np.random.Generator) -> list[tuple[str, str, str]]:
    """(sort, word, colour) of `count` bodies; often several of one sort."""
    few = rng.choice(list(MAKERS), size=max(1, count // int(rng.integers(1, 3))))
    found = [str(rng.choice(few)) for _ in range(count)]
    return [(name, _word(name, rng), any_colour(rng)) for name in found]


def _words(where: str, words: Sequence[str]) -> Words:
    """`words`: colour and name of each body. Captions with the colours and without."""
    names = [word.partition(" ")[2] for word in words]
    sorts = sorted(set(names))
    label = " and ".join(sorts[:2])
    full, short = listed(words), listed(names)
    return Words((f"{full} {where}".strip(), f"{short} {where}".strip(), short), label, label)


def floating(rng: np.random.Generator) -> Stage:
    """Bodies in empty space, turned any way; what lies behind them gives no reading."""
    parts = []
    drawn = _drawn(int(rng.choice([1, 2, 3, 4, 5])), rng)
    apart = 0.6 if len(drawn) > 1 else 0.25
    for name, word, colour in drawn:
        place = (rng.uniform(-1, 1, 3) * [apart * 1.3, apart, apart]).astype(np.float32)
        turn = turned(*rng.uniform(-np.pi, np.pi, 3)) if rng.random() < 0.7 else turned(rng.uniform(0, 6.28))
        body = MAKERS[name](rng.uniform(0.2, 0.55), rng)
        parts.append(Part(f"{colour} {word}", [body.floating(Pose(place, turn), named(colour, rng))]))
    camera = looking((0, rng.uniform(-0.3, 1.0), -rng.uniform(2.0, 3.5)), (0, 0, 0), any_view(rng))
    return Stage([], parts, camera, [sun(rng)], studio(rng), partial(_words, ""))


def _base(rng: np.random.Generator) -> list[Thing]:
    """A floor of any look, perhaps with a wall behind."""
    boards = wooden(rng)
    paints: tuple[Painted, ...] = (
        Paint(boards.colour, boards.second, "planks", 0.2),
        named(any_colour(rng), rng, patterned=0.1),
        Paint(shaded((0.6, 0.6, 0.6), rng), shaded((0.2, 0.2, 0.2), rng), "checks", rng.uniform(0.2, 0.8)),
        Paint(shaded((0.45, 0.45, 0.45), rng, 0.4)),
    )
    paint = paints[rng.integers(4)]
    if rng.random() < 0.5:
        return [Ground(at(0, 0, 0), paint, far=float(rng.choice([8.0, 20.0, 60.0])))]
    half = (rng.uniform(1.5, 3), rng.uniform(1.2, 2), rng.uniform(2.2, 4))
    walls = Paint(shaded(WALLS[rng.integers(len(WALLS))], rng))
    return [Room(np.array(half, np.float32), at(0, half[1], 0), RoomPaint(paint, walls, walls, walls, half))]


def standing(rng: np.random.Generator) -> Stage:
    """Bodies on the ground or in a bare room."""
    base, parts = _base(rng), []
    inside = isinstance(base[0], Room)
    for name, word, colour in _drawn(int(rng.integers(1, 7)), rng):
        x, z = rng.uniform(-1.1, 1.1), rng.uniform(-0.9, 1.3)
        body = MAKERS[name](rng.uniform(0.15, 0.5), rng)
        solid = body.standing(x, 0, z, named(colour, rng), rng.uniform(0, 6.28))
        parts.append(Part(f"{colour} {word}", [solid]))
    far = 1.9 if inside else rng.uniform(1.8, 3.2)
    eye = (rng.uniform(-0.8, 0.8), rng.uniform(0.5, 1.9), -far)
    camera = looking(
        eye, (rng.uniform(-0.3, 0.3), rng.uniform(0, 0.4), 0.2), any_view(rng), rng.normal(0, 0.04)
    )
    where = "in a room" if inside else str(rng.choice(["on the floor", "on the ground"]))
    air = outdoor(rng) if rng.random() < 0.3 else studio(rng)
    return Stage(base, parts, camera, [sun(rng)], air, partial(_words, where))


def _table_words(names: Sequence[str]) -> Words:
    small = [name for name in names if name != "table"]
    said = f"{listed(small)} on a table" if small else "an empty table"
    label = f"table with {article(small[0])}" if small else "table"
    return Words((said, "things on a table", "a table"), label, "table")


def on_table(rng: np.random.Generator) -> Stage:
    """Small things on a table, seen from near."""
    pose = at(0, 0, 0, rng.uniform(-0.6, 0.6))
    piece = table(pose, rng)
    parts = [Part("table", piece.things), *laid(piece, pose, int(rng.integers(1, 6)), rng)]
    eye = (rng.uniform(-0.6, 0.6), piece.top + rng.uniform(0.3, 0.9), -rng.uniform(0.9, 1.6))
    camera = looking(eye, (0, piece.top - 0.05, 0), any_view(rng), rng.normal(0, 0.05))
    return Stage(_base(rng), parts, camera, [sun(rng)], studio(rng), _table_words)


def sculpture(meshes: Sequence[Mesh], rng: np.random.Generator) -> Stage:
    """One of the meshes, in empty space or on the ground."""
    mesh, size = meshes[int(rng.integers(len(meshes)))], rng.uniform(0.4, 0.9)
    grounded, colour = rng.random() < 0.5, any_colour(rng)
    height = mesh.base * size if grounded else 0.0
    pose = at(rng.uniform(-0.2, 0.2), height, 0, rng.uniform(0, 2 * np.pi))
    part = Part(mesh.name, [Sculpture(mesh, size, pose, named(colour, rng))])
    eye = (rng.uniform(-0.4, 0.4), height + rng.uniform(-0.1, 0.9), -rng.uniform(1.5, 2.1))
    camera = looking(eye, (0, height, 0), any_view(rng))
    said = (article(f"{colour} {mesh.name}"), article(mesh.name), f"a statue of {article(mesh.name)}")
    words = Words(said, mesh.name, mesh.concept)
    base = _base(rng) if grounded else []
    return Stage(base, [part], camera, [sun(rng)], studio(rng), lambda _: words)
