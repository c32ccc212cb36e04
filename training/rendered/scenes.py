"""Draws scenes by their number and sees them with a depth sensor and a camera."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from models.samples import Float32, UInt8
from training.rendered.light import Film, develop, shade
from training.rendered.meshes import Mesh
from training.rendered.rooms import interior
from training.rendered.sensor import Sensor, any_sensor
from training.rendered.stage import Part, Stage
from training.rendered.streets import figure, street
from training.rendered.tabletop import floating, on_table, sculpture, standing
from training.rendered.trace import Rows, look

SIDE = 96  # pixels of a picture's edges
TRAIN_SEED, VAL_SEED = 0, 1_000_003  # no scene of one seed is a scene of another

SHARES = MappingProxyType(
    {interior: 0.34, floating: 0.18, standing: 0.16, on_table: 0.08, street: 0.14, figure: 0.1}
)
SCULPTURES = 0.06  # of the scenes, where there are meshes
VISIBLE = 0.002  # share of the picture from which on a thing is spoken of
LEAST_FILLED = 0.03  # share of the picture in which there is anything
LEAST_READ = 0.35  # share of the surfaces that a sensor must read


@dataclass(frozen=True, eq=False)
class Scene:
    """One view of a place.

    `metres`: float32 (H, W), depth along the optical axis, 0 = no reading. `pixels`: RGB uint8 (H, W, 3) of
    the same camera. `captions`: the fullest first. `label`: a name of few words. `concept`: the shared name.
    """

    metres: Float32
    pixels: UInt8
    captions: tuple[str, ...]
    label: str
    concept: str


def _stage(meshes: Sequence[Mesh], rng: np.random.Generator) -> Stage:
    if rng.random() < SCULPTURES and meshes:
        return sculpture(meshes, rng)
    makers = list(SHARES)
    return makers[rng.choice(len(makers), p=list(SHARES.values()))](rng)


def _film(rng: np.random.Generator) -> Film:
    red, green, blue = np.exp(rng.normal(0, 0.06, 3))
    return Film(
        float(rng.uniform(0.35, 0.6)), (float(red), float(green), float(blue)), float(rng.uniform(0, 0.03))
    )


def _names(parts: Sequence[Part], first: int, which: Rows) -> list[str]:
    """Names of the parts that are in the picture; the things of the first part start with number `first`."""
    pixels = np.bincount(which[which >= 0], minlength=first + sum(len(part.things) for part in parts))
    ends = first + np.cumsum([len(part.things) for part in parts])
    counts = [pixels[end - len(part.things) : end].sum() for part, end in zip(parts, ends, strict=True)]
    return [part.name for part, count in zip(parts, counts, strict=True) if count >= VISIBLE * len(which)]


def seen(stage: Stage, height: int, width: int, rng: np.random.Generator) -> Scene | None:
    """`stage` through a depth sensor and a camera of (height, width) pixels; None if nothing much shows."""
    things = [*stage.scenery, *(thing for part in stage.parts for thing in part.things)]
    rays, depth = look(things, stage.camera, height, width)
    names = _names(stage.parts, len(stage.scenery), rays.which)
    if stage.parts and not names:
        return None
    linear = shade(rays, things, stage.lights, stage.air)
    pixels = develop(linear, rays.which >= 0, _film(rng), rng)
    true = depth.reshape(height, width)
    metres = any_sensor(rng)(true, rng)
    if (metres > 0).sum() < LEAST_READ * np.isfinite(true).sum():  # a sensor out of its range
        metres = Sensor()(true, rng)
    if (metres > 0).mean() < LEAST_FILLED:
        return None
    words = stage.say(names)
    return Scene(metres, pixels.reshape(height, width, 3), words.captions, words.label, words.concept)


def scene(
    number: int, seed: int, meshes: Sequence[Mesh] = (), height: int = SIDE, width: int = SIDE
) -> Scene:
    """The scene of that number: the same whatever else is drawn."""
    rng = np.random.default_rng([seed, number])
    found = None
    while found is None:
        found = seen(_stage(meshes, rng), height, width, rng)
    return found


def scenes(count: int, seed: int, meshes: Sequence[Mesh] = ()) -> Iterator[Scene]:
    """Scenes 0 .. count of a seed; TRAIN_SEED is trained on, VAL_SEED never."""
    return (scene(number, seed, meshes) for number in range(count))
