"""Finds what each ray meets first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from models.samples import Float32
from training.rendered.camera import Camera
from training.rendered.things import Thing

Rows: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Seen:
    """The first surface on each ray.

    `points`, outward unit `normals`, linear RGB `colours` (n, 3); `gloss` (n,);
    `distance` (n,) [m], inf where nothing is; `which` (n,): number of the thing, -1 = none.
    """

    directions: Float32
    points: Float32
    normals: Float32
    colours: Float32
    gloss: Float32
    distance: Float32
    which: Rows


def _may_meet(things: Sequence[Thing], origins: Float32, directions: Float32) -> Flags:
    """(things, n): whether the ray comes within a thing's radius."""
    places = np.stack([thing.pose.place for thing in things])
    radii = np.array([thing.radius for thing in things], np.float32)[:, None]
    along = places @ directions.T - (origins * directions).sum(1)
    square = (places**2).sum(1)[:, None] - 2 * places @ origins.T + (origins**2).sum(1)
    return np.asarray((square - along * along < radii**2) & (along > -radii))


def nearest(things: Sequence[Thing], origins: Float32, directions: Float32) -> tuple[Float32, Rows]:
    """Distance to the first surface (n,), inf = none, and the number of its thing (n,), -1 = none."""
    distance = np.full(len(directions), np.inf, np.float32)
    which = np.full(len(directions), -1, np.int64)
    for number, (thing, near) in enumerate(zip(things, _may_meet(things, origins, directions), strict=True)):
        rows = np.flatnonzero(near)
        if len(rows):
            t = thing.hit(thing.pose.inward(origins[rows]), directions[rows] @ thing.pose.turn)
            closer = t < distance[rows]
            distance[rows[closer]], which[rows[closer]] = t[closer], number
    return distance, which


def look(things: Sequence[Thing], camera: Camera, height: int, width: int) -> tuple[Seen, Float32]:
    """What every pixel sees, and its depth along the optical axis (height * width,), inf = nothing."""
    directions, cosines = camera.directions(height, width)
    origins = np.broadcast_to(camera.pose.place, directions.shape)
    distance, which = nearest(things, origins, directions)
    reached = np.where(which >= 0, distance, 0)[:, None] * directions
    points = np.asarray(origins + reached, np.float32)
    normals, colours = np.zeros(points.shape, np.float32), np.zeros(points.shape, np.float32)
    gloss = np.zeros(len(points), np.float32)
    for number in np.unique(which[which >= 0]):
        thing, rows = things[number], np.flatnonzero(which == number)
        own = thing.pose.inward(points[rows])
        normals[rows] = thing.normals(own) @ thing.pose.turn.T
        colours[rows], gloss[rows] = thing.paint(own), thing.paint.gloss
    return Seen(directions, points, normals, colours, gloss, distance, which), distance * cosines
