"""What rays can meet: solids given by an implicit function, boxes, rooms seen from inside, the ground."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from models.samples import Float32
from training.rendered.paint import Painted
from training.rendered.shapes import Implicit
from training.rendered.shapes import normals as slopes

EVERYWHERE = np.inf  # the radius of what no ray can be shown to miss
STEPS = 48  # of a ray through a solid
CLOSE_M = 2e-3  # a ray has arrived when F is nearer to 0 than this
GRAZED = 0.02  # how far from 0 F may be after STEPS, as a share of the solid's radius


def turned(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Float32:
    """Rotation (3, 3), columns = the turned axes: roll about z, pitch about x, then yaw about y [rad]."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_y @ about_x @ about_z, np.float32)


@dataclass(frozen=True, eq=False)
class Pose:
    """Where a thing stands: `place` (3,) [m], y up; `turn` (3, 3), columns = its own axes."""

    place: Float32
    turn: Float32 = field(default_factory=lambda: np.eye(3, dtype=np.float32))

    def inward(self, points: Float32) -> Float32:
        return np.asarray((points - self.place) @ self.turn, np.float32)

    def of(self, inner: Pose) -> Pose:
        """The pose of a part that has the pose `inner` within this one."""
        return Pose(self.turn @ inner.place + self.place, self.turn @ inner.turn)


def at(x: float, y: float, z: float, yaw: float = 0.0) -> Pose:
    return Pose(np.array([x, y, z], np.float32), turned(yaw))


class Thing(Protocol):
    """`pose` and `radius` [m]: a sphere that holds it; `paint`: in its own frame."""

    @property
    def pose(self) -> Pose: ...
    @property
    def radius(self) -> float: ...
    @property
    def paint(self) -> Painted: ...
    def hit(self, origins: Float32, directions: Float32) -> Float32:
        """Rays (n, 3) in the thing's frame, directions of unit length -> distance (n,), inf = missed."""
        ...

    def normals(self, points: Float32) -> Float32:
        """Outward, in the thing's frame, (n, 3)."""
        ...


@dataclass(frozen=True, eq=False)
class Solid:
    """The inside of `shape`, which lies within `radius` of the frame's origin."""

    shape: Implicit
    radius: float
    pose: Pose
    paint: Painted

    def hit(self, origins: Float32, directions: Float32) -> Float32:
        middle = -(origins * directions).sum(1)
        away = (origins * origins).sum(1) - middle * middle
        reach = np.sqrt(np.maximum(self.radius**2 - away, 0))
        t, end = np.maximum(middle - reach, 0).astype(np.float32), middle + reach
        found = np.full(len(t), np.inf, np.float32)
        rows = np.flatnonzero(end > 0)
        value = np.empty(0, np.float32)
        for _ in range(STEPS):
            value = self.shape(origins[rows] + t[rows, None] * directions[rows])
            arrived = value > -CLOSE_M
            found[rows[arrived]] = t[rows[arrived]]
            rows, value = rows[~arrived], value[~arrived]
            t[rows] -= value
            inside = t[rows] < end[rows]
            rows, value = rows[inside], value[inside]
            if not len(rows):
                return found
        near = value > -GRAZED * self.radius
        found[rows[near]] = t[rows[near]]
        return found

    def normals(self, points: Float32) -> Float32:
        return slopes(self.shape, points)


def _slabs(half: Float32, origins: Float32, directions: Float32) -> tuple[Float32, Float32]:
    """Distances (n,) where rays enter and leave the box |p| <= half."""
    safe = np.where(np.abs(directions) < 1e-7, np.float32(1e-7), directions)
    one, other = (-half - origins) / safe, (half - origins) / safe
    return np.minimum(one, other).max(1), np.maximum(one, other).min(1)


def _face_normals(half: Float32, points: Float32) -> Float32:
    """Outward normals of the faces of a box that points (n, 3) lie on."""
    axis = np.abs(points / half).argmax(1)
    found = np.zeros_like(points)
    rows = np.arange(len(points))
    found[rows, axis] = np.sign(points[rows, axis])
    return found


@dataclass(frozen=True, eq=False)
class Block:
    """A box, `half` (3,) half its edges: F = min(half - |p|) > 0 inside. Met in closed form."""

    half: Float32
    pose: Pose
    paint: Painted

    @property
    def radius(self) -> float:
        return float(np.linalg.norm(self.half))

    def hit(self, origins: Float32, directions: Float32) -> Float32:
        enter, leave = _slabs(self.half, origins, directions)
        return np.where((enter < leave) & (enter > 0), enter, np.inf).astype(np.float32)

    def normals(self, points: Float32) -> Float32:
        return _face_normals(self.half, points)


@dataclass(frozen=True, eq=False)
class Room:
    """A box seen from inside, its air outside of the solid: F = -min(half - |p|). One paint per face pair."""

    half: Float32
    pose: Pose
    paint: Painted
    radius: float = EVERYWHERE

    def hit(self, origins: Float32, directions: Float32) -> Float32:
        return _slabs(self.half, origins, directions)[1]

    def normals(self, points: Float32) -> Float32:
        return -_face_normals(self.half, points)


@dataclass(frozen=True, eq=False)
class Ground:
    """The half space below the frame's y = 0, F = -y, seen as far as `far` [m]."""

    pose: Pose
    paint: Painted
    far: float = 60.0
    radius: float = EVERYWHERE

    def hit(self, origins: Float32, directions: Float32) -> Float32:
        fall = np.minimum(directions[:, 1], -1e-6)
        t = -origins[:, 1] / fall
        seen = (directions[:, 1] < 0) & (t > 0) & (t < self.far)
        return np.where(seen, t, np.inf).astype(np.float32)

    def normals(self, points: Float32) -> Float32:
        return np.broadcast_to(np.array([0, 1, 0], np.float32), points.shape)
