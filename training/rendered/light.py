"""Lights a scene: Lambert and Blinn shading, shadows, haze, and the camera's own tone and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.samples import Float32, UInt8
from training.rendered.paint import Rgb
from training.rendered.things import Thing
from training.rendered.trace import Flags, Seen, nearest

GAMMA = 2.2
LIFTED_M = 0.01  # where shadow rays start above the surface
SHARPNESS = 30.0  # of highlights


@dataclass(frozen=True)
class Light:
    """`towards` (3,): unit vector from the surface to the sun, or, if `near`, the lamp's place [m]."""

    towards: tuple[float, float, float]
    colour: Rgb
    near: bool = False
    shadows: bool = False


@dataclass(frozen=True)
class Atmosphere:
    """Air and background.

    `ambient`: light from everywhere, more from above; sky colours of the zenith and the horizon;
    `haze` [m]: distance at which two thirds of a thing are lost in the horizon's colour.
    """

    ambient: Rgb
    zenith: Rgb
    horizon: Rgb
    haze: float = np.inf


@dataclass(frozen=True)
class Film:
    """`exposure`: mean of all but background, [0, 1]; `balance`: factors of the channels; `noise`: of 1."""

    exposure: float
    balance: Rgb
    noise: float


def _sky(directions: Float32, air: Atmosphere) -> Float32:
    height = np.clip(directions[:, 1:2] * 1.5, 0, 1)
    zenith, horizon = np.asarray(air.zenith, np.float32), np.asarray(air.horizon, np.float32)
    return np.asarray(horizon * (1 - height) + zenith * height, np.float32)


def _reach(seen: Seen, light: Light) -> tuple[Float32, Float32]:
    """Unit vectors (n, 3) towards the light and its distance (n,) [m]."""
    if not light.near:
        towards = np.asarray(light.towards, np.float32)
        return np.broadcast_to(towards, seen.points.shape), np.full(len(seen.points), np.inf, np.float32)
    way = np.asarray(light.towards, np.float32) - seen.points
    distance = np.maximum(np.linalg.norm(way, axis=1), 1e-3)
    return way / distance[:, None], distance


def _lit(seen: Seen, light: Light, things: Sequence[Thing]) -> tuple[Float32, Float32]:
    """(diffuse, highlight), each (n,)."""
    towards, distance = _reach(seen, light)
    diffuse = np.maximum((seen.normals * towards).sum(1), 0)
    half = towards - seen.directions
    half = half / np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-6)
    shine = seen.gloss * np.maximum((seen.normals * half).sum(1), 0) ** SHARPNESS * (diffuse > 0)
    if light.near:
        diffuse = diffuse * np.minimum(6 / (1 + 0.5 * distance**2), 1.5)
    if light.shadows:
        rows = np.flatnonzero((diffuse > 0) & (seen.which >= 0))
        start = seen.points[rows] + LIFTED_M * seen.normals[rows]
        dark = rows[nearest(things, start, towards[rows])[0] < distance[rows] - 2 * LIFTED_M]
        diffuse[dark], shine[dark] = 0, 0
    return diffuse, shine


def shade(seen: Seen, things: Sequence[Thing], lights: Sequence[Light], air: Atmosphere) -> Float32:
    """Linear RGB (n, 3)."""
    above = 0.7 + 0.3 * seen.normals[:, 1:2]
    found = seen.colours * np.asarray(air.ambient, np.float32) * above
    for light in lights:
        diffuse, shine = _lit(seen, light, things)
        found = found + (seen.colours * diffuse[:, None] + shine[:, None]) * np.asarray(light.colour)
    empty = seen.which < 0
    depth = np.where(empty, 0, seen.distance)[:, None]
    clear = np.exp(-depth / air.haze)
    sky = _sky(seen.directions, air)
    found = found * clear + sky * (1 - clear)
    return np.where(empty[:, None], sky, found).astype(np.float32)


def develop(linear: Float32, solid: Flags, film: Film, rng: np.random.Generator) -> UInt8:
    """Linear RGB (n, 3) -> uint8: exposed for `solid` pixels (n,), balanced, gamma 2.2, with noise."""
    gain = film.exposure**GAMMA / max(float(linear[solid].mean()), 1e-3) if solid.any() else 1.0
    toned = np.clip(linear * gain * np.asarray(film.balance), 0, 1) ** (1 / GAMMA)
    noisy = 255 * (toned + rng.normal(0, film.noise, toned.shape))
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)
