"""Reads thermal and depth pictures and draws augmented ones."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from models.samples import Float32
from training.augment import random_crops, random_light
from training.index import Item
from training.labelled import rarity_weights
from training.pictures import members

MILLIMETRES = 1000.0
NOISE = 0.05  # standard deviation, of standardised values
RELATIVE_FAR = 10.0  # what a relative map's largest value is scaled to


def thermal_values(data: Path, items: list[Item]) -> list[Float32]:
    """float32 (H, W) in [0, 1]; a colour palette becomes its lightness, as when the service decodes."""
    pictures = (Image.open(io.BytesIO(encoded)).convert("L") for encoded in members(data, items))
    return [(np.asarray(picture, np.float32) / 255).astype(np.float32) for picture in pictures]


def depth_metres(data: Path, items: list[Item]) -> list[Float32]:
    """float32 (H, W): metres of 16-bit maps; 8-bit maps are relative, scaled to (0, RELATIVE_FAR]."""
    found = []
    for encoded in members(data, items):
        picture = Image.open(io.BytesIO(encoded))
        values = np.asarray(picture).astype(np.float32)
        eight_bit = picture.mode == "L"
        factor = RELATIVE_FAR / max(values.max(), 1.0) if eight_bit else 1 / MILLIMETRES
        found.append((values * factor).astype(np.float32))
    return found


class MapCrops:
    """Random crops of pictures that are kept whole in memory: `maps` (n, channels, side, side).

    `weights` (n,): how often each is to be drawn.
    """

    def __init__(self, maps: torch.Tensor, items: list[Item], shares: Mapping[str, float], side: int) -> None:
        self.maps, self.side = maps, side
        self.weights = rarity_weights(items, shares)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """(rows, channels, side, side)."""
        x = random_crops(self.maps[rows], self.side, smallest=0.4, turn=0.15)
        return torch.cat([random_light(x[:, :1]), x[:, 1:]], 1) + NOISE * torch.randn_like(x)
