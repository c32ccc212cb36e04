"""Pinhole cameras and the rays of their pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.samples import Float32
from training.rendered.things import Pose, turned


@dataclass(frozen=True, eq=False)
class Camera:
    """`pose`: place and axes (x right, y up, z forward); `view`: vertical field of view [rad]."""

    pose: Pose
    view: float

    def directions(self, height: int, width: int) -> tuple[Float32, Float32]:
        """Unit vectors (height * width, 3) of the pixels' rays, row by row from the top left.

        And their cosines (height * width,) to the optical axis, which turn a ray's length into depth.
        """
        reach = math.tan(self.view / 2)
        down = (np.arange(height) + 0.5) / height * 2 - 1
        right = ((np.arange(width) + 0.5) / width * 2 - 1) * (width / height)
        grid = np.stack(np.meshgrid(right * reach, -down * reach), -1).reshape(-1, 2)
        rays = np.concatenate([grid, np.ones((len(grid), 1))], 1)
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        return (rays @ self.pose.turn.T).astype(np.float32), rays[:, 2].astype(np.float32)


def looking(place: Sequence[float], goal: Sequence[float], view: float, roll: float = 0.0) -> Camera:
    """A camera at `place` that has `goal` in the middle of its picture."""
    x, y, z = np.asarray(goal, float) - np.asarray(place, float)
    turn = turned(math.atan2(x, z), -math.atan2(y, math.hypot(x, z)), roll)
    return Camera(Pose(np.asarray(place, np.float32), turn), view)


def any_view(rng: np.random.Generator) -> float:
    """45 to 75 degrees, in rad."""
    return math.radians(rng.uniform(45, 75))
