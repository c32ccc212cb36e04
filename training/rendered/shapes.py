"""Implicit shapes: F(x) > 0 inside, F(x) < 0 outside, F(x) = 0 on the surface.

A shape is a function from points (n, 3) [m] to F (n,). Every F here changes by at most one per metre, so -F
is never more than the distance to the surface, and a ray may safely go on by -F (sphere tracing, Hart 1996).
The forms follow the signed distances of Inigo Quilez, with the sign turned round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from models.samples import Float32

Implicit: TypeAlias = Callable[[Float32], Float32]


def _length(*parts: npt.NDArray[np.floating]) -> Float32:
    return np.asarray(np.sqrt(sum(part * part for part in parts)), np.float32)


def sphere(radius: float) -> Implicit:
    return lambda p: radius - _length(p[:, 0], p[:, 1], p[:, 2])


def ellipsoid(radii: Sequence[float]) -> Implicit:
    """Bounded by the smallest radius, so that steps stay safe: F = min(r) (1 - |p / r|)."""
    r, least = np.asarray(radii, np.float32), min(radii)
    return lambda p: least * (1 - _length(*(p / r).T))


def box(half: Sequence[float], rounding: float = 0.0) -> Implicit:
    """`half`: half the edges; `rounding`: radius of the edges."""
    inner = np.asarray(half, np.float32) - rounding

    def value(p: Float32) -> Float32:
        q = np.abs(p) - inner
        outside = _length(*np.maximum(q, 0).T)
        return np.asarray(rounding - outside - np.minimum(q.max(1), 0), np.float32)

    return value


def cylinder(radius: float, half: float) -> Implicit:
    """Upright, from -half to half."""

    def value(p: Float32) -> Float32:
        side, cap = _length(p[:, 0], p[:, 2]) - radius, np.abs(p[:, 1]) - half
        outside = _length(np.maximum(side, 0), np.maximum(cap, 0))
        return np.asarray(-outside - np.minimum(np.maximum(side, cap), 0), np.float32)

    return value


def cone(radius: float, height: float) -> Implicit:
    """Upright, base at -height / 2, apex at height / 2."""
    slant = float(np.hypot(radius, height))

    def value(p: Float32) -> Float32:
        side = _length(p[:, 0], p[:, 2]) * (height / slant) + (p[:, 1] - height / 2) * (radius / slant)
        return np.asarray(np.minimum(-side, p[:, 1] + height / 2), np.float32)

    return value


def pyramid(half: float, height: float) -> Implicit:
    """Square base of edge 2 half at -height / 2, apex at height / 2."""
    slant = float(np.hypot(half, height))

    def value(p: Float32) -> Float32:
        wide = np.maximum(np.abs(p[:, 0]), np.abs(p[:, 2]))
        side = wide * (height / slant) + (p[:, 1] - height / 2) * (half / slant)
        return np.asarray(np.minimum(-side, p[:, 1] + height / 2), np.float32)

    return value


def roof(half: Sequence[float]) -> Implicit:
    """A gable roof: ridge along z, base at -half[1], ridge at half[1]."""
    slant = float(np.hypot(half[0], 2 * half[1]))

    def value(p: Float32) -> Float32:
        side = np.abs(p[:, 0]) * (2 * half[1] / slant) + (p[:, 1] - half[1]) * (half[0] / slant)
        ends = half[2] - np.abs(p[:, 2])
        return np.asarray(np.minimum(np.minimum(-side, p[:, 1] + half[1]), ends), np.float32)

    return value


def torus(ring: float, tube: float) -> Implicit:
    """Lying flat: `ring` radius of the circle of the tube's middle, `tube` radius of the tube."""
    return lambda p: tube - _length(_length(p[:, 0], p[:, 2]) - ring, p[:, 1])


def capsule(start: Sequence[float], end: Sequence[float], radius: float) -> Implicit:
    """All points within `radius` of the line from start to end."""
    a = np.asarray(start, np.float32)
    along = np.asarray(end, np.float32) - a
    square = max(float(along @ along), 1e-9)

    def value(p: Float32) -> Float32:
        q = p - a
        share = np.clip(q @ along / square, 0, 1)[:, None]
        return radius - _length(*(q - share * along).T)

    return value


def moved(shape: Implicit, offset: Sequence[float], turn: Float32 | None = None) -> Implicit:
    """`turn`: rotation (3, 3) of the shape before it is moved."""
    o = np.asarray(offset, np.float32)
    if turn is None:
        return lambda p: shape(p - o)
    return lambda p: shape(np.asarray((p - o) @ turn, np.float32))


def union(*shapes: Implicit) -> Implicit:
    """F = max: inside any of them."""
    return lambda p: reduce(np.maximum, [shape(p) for shape in shapes])


def intersection(*shapes: Implicit) -> Implicit:
    """F = min: inside all of them."""
    return lambda p: reduce(np.minimum, [shape(p) for shape in shapes])


def difference(shape: Implicit, hole: Implicit) -> Implicit:
    """F = min(F1, -F2): inside the first and outside the second."""
    return lambda p: np.minimum(shape(p), -hole(p))


def shell(shape: Implicit, wall: float) -> Implicit:
    """The skin of a shape, `wall` thick: F = wall / 2 - |F1|."""
    return lambda p: np.float32(wall / 2) - np.abs(shape(p))


def blend(width: float, *shapes: Implicit) -> Implicit:
    """A union whose seams are filled: F = max(a, b) + h^2 / (4 width), h = max(width - |a - b|, 0)."""

    def pair(a: Float32, b: Float32) -> Float32:
        seam = np.maximum(width - np.abs(a - b), 0)
        return np.asarray(np.maximum(a, b) + seam * seam / (4 * width), np.float32)

    return lambda p: reduce(pair, [shape(p) for shape in shapes])


def normals(shape: Implicit, p: Float32, step: float = 1e-3) -> Float32:
    """Outward unit normals (n, 3), -grad F / |grad F|, by differences at the corners of a tetrahedron."""
    corners = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], np.float32)
    slope = sum(shape(p + step * corner)[:, None] * corner for corner in corners)
    return np.asarray(-slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9), np.float32)
