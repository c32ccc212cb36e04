"""Reads the movement packs and draws augmented windows from them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.small.movements import GRAVITY_M_S2, WINDOW, movement_input, windows
from training.index import Item
from training.labelled import Batch, Columns, rarity_weights
from training.space import Space

SHARES = {"imu/sisfall.npz": 0.7, "imu/uci_har.npz": 0.3}
TILT = math.radians(20)  # standard deviation of the small rotations
ANY_WAY = 0.1  # share of windows rotated at random, as if worn anyhow


def recordings(data: Path, items: list[Item]) -> list[npt.NDArray[np.float32]]:
    """(T, 6) in m/s2 and rad/s at 50 Hz."""
    packs = {archive: _si(data / archive) for archive in SHARES}
    return [packs[item.archive][int(item.file)] for item in items]


def _si(path: Path) -> npt.NDArray[np.float32]:
    """(n, T, 6): the packs store acceleration in g."""
    with np.load(path) as arrays:
        x = arrays["x"][..., :6].astype(np.float32)
        if "scale" in arrays:
            x = x * arrays["scale"][:6]
    x[..., :3] *= GRAVITY_M_S2
    return np.asarray(x, np.float32)


class MovementSource:
    """Windows turned a little (some any way), moved in time, louder or softer, with noise."""

    def __init__(self, values: list[npt.NDArray[np.float32]], items: list[Item], space: Space) -> None:
        self.windows = torch.from_numpy(np.concatenate([windows(one)[:1] for one in values]))
        self.columns = Columns(items, space)
        self.weights = rarity_weights(items, SHARES)

    def batch(self, size: int, _: float) -> Batch:
        rows = torch.multinomial(self.weights, size)
        x = turned(moved(self.windows[rows]))
        x = x * (1 + 0.1 * torch.randn(size, 1, 1)).clamp(0.7, 1.3)
        x = x + torch.randn_like(x) * torch.tensor([0.1] * 3 + [0.02] * 3)
        return self.columns.batch(movement_input(x), rows)


def moved(x: torch.Tensor) -> torch.Tensor:
    """(n, WINDOW, 6): a stretch of 80..120 % of the window from a random place, mirrored at the ends."""
    n = len(x)
    speed = torch.empty(n, 1).uniform_(0.8, 1.2)
    offset = torch.empty(n, 1).uniform_(-0.15, 0.15) * WINDOW
    place = (torch.arange(WINDOW) - WINDOW / 2) * speed + WINDOW / 2 + offset
    last = WINDOW - 1
    place = last - (last - place.abs()).abs()  # reflection at both ends
    below = place.floor().clamp(0, last - 1).long()
    share = (place - below)[..., None]
    low = x.gather(1, below[..., None].expand(-1, -1, 6))
    high = x.gather(1, (below + 1)[..., None].expand(-1, -1, 6))
    return low + share * (high - low)


def turned(x: torch.Tensor) -> torch.Tensor:
    """Rotate acceleration and angular rate of each window (n, WINDOW, 6) alike."""
    n = len(x)
    angle = torch.randn(n) * TILT
    angle = torch.where(torch.rand(n) < ANY_WAY, torch.empty(n).uniform_(-math.pi, math.pi), angle)
    axis = torch.nn.functional.normalize(torch.randn(n, 3), dim=-1) * angle[:, None]
    cross = torch.zeros(n, 3, 3)
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -axis[:, 2], axis[:, 1], -axis[:, 0]
    rotation = torch.matrix_exp(cross - cross.transpose(1, 2))
    return (x.view(n, -1, 2, 3) @ rotation[:, None]).reshape(x.shape)
