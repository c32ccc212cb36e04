"""What depth sensors do to true distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.samples import Float32

STEP_EDGE = 0.08  # relative jump of depth between neighbours that counts as an edge


@dataclass(frozen=True)
class Sensor:
    """A perfect sensor, unless told otherwise.

    `nearest`, `farthest` [m]: no reading beyond. `noise` [1/m]: standard deviation over squared distance.
    `steps` [m]: disparity is counted in whole numbers, steps / distance; 0 = exact.
    `holes`: chance of a pixel at an edge to fall out; `patches`: share of the picture lost in blobs, as dark,
    glossy or slanted surfaces are.
    """

    nearest: float = 0.0
    farthest: float = 200.0
    noise: float = 0.0
    steps: float = 0.0
    holes: float = 0.0
    patches: float = 0.0

    def __call__(self, metres: Float32, rng: np.random.Generator) -> Float32:
        """True depth (H, W) [m], inf = nothing there -> what is read, 0 = no reading."""
        found = np.where(np.isfinite(metres), metres, 0)
        if self.noise:
            found = found + self.noise * found**2 * rng.standard_normal(found.shape, np.float32)
        if self.steps:
            seen = found > 0
            found = np.where(seen, self.steps / np.maximum(np.round(self.steps / (found + ~seen)), 1), 0)
        keep = (found >= self.nearest) & (found <= self.farthest)
        if self.holes:
            keep &= ~(_edges(metres) & (rng.random(found.shape) < self.holes))
        if self.patches:
            lost = _blobs(found.shape, rng)
            keep &= lost > np.quantile(lost, self.patches)
        return (found * keep).astype(np.float32)


def _edges(metres: Float32) -> npt.NDArray[np.bool_]:
    """Pixels beside a jump, the farther side's neighbours included."""
    logs = np.log(np.clip(metres, 1e-2, 1e3))
    found = np.zeros(metres.shape, bool)
    across, down = np.abs(np.diff(logs, axis=1)) > STEP_EDGE, np.abs(np.diff(logs, axis=0)) > STEP_EDGE
    found[:, 1:] |= across
    found[:, :-1] |= across
    found[1:] |= down
    found[:-1] |= down
    return found


def _blobs(shape: tuple[int, ...], rng: np.random.Generator, cells: int = 9) -> Float32:
    """Smooth noise (H, W): bilinear between `cells` random values each way."""
    coarse = rng.standard_normal((cells + 1, cells + 1), np.float32)
    y, x = (np.linspace(0, cells - 1e-3, size, dtype=np.float32) for size in shape)
    (row, down), (column, right) = ((v.astype(int), v % 1) for v in (y, x))
    top = coarse[row][:, column] * (1 - right) + coarse[row][:, column + 1] * right
    bottom = coarse[row + 1][:, column] * (1 - right) + coarse[row + 1][:, column + 1] * right
    return np.asarray(top * (1 - down[:, None]) + bottom * down[:, None], np.float32)


def any_sensor(rng: np.random.Generator) -> Sensor:
    """A perfect one, a structured-light one (Kinect v1: 0.4-4.5 m or more), or a stereo camera."""
    kind = rng.choice(["perfect", "structured light", "stereo"], p=[0.4, 0.35, 0.25])
    if kind == "perfect":
        return Sensor()
    patches = float(max(rng.uniform(-0.1, 0.15), 0))
    if kind == "stereo":
        noise = 10 ** rng.uniform(-3.3, -2.3)
        return Sensor(0.3, rng.uniform(20, 150), noise, rng.uniform(60, 400), rng.uniform(0.1, 0.5), patches)
    noise = 10 ** rng.uniform(-3.2, -2.5)
    far = float(rng.choice([4.5, 6.0, 10.0]))
    return Sensor(rng.uniform(0, 0.45), far, noise, rng.uniform(150, 600), rng.uniform(0.2, 0.9), patches)
