"""Squares cut alike from a depth map and from the photograph beside it, so that crops of a pair are pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from models.samples import Float32, UInt8
from models.small.nets import ConvNet
from models.small.pictures import DEPTH_SIDE, IMAGE_SIDE, depth_planes, image_input, square
from training.checks import outputs

Number = TypeVar("Number", bound=np.generic)
CHUNK = 500  # pictures


@dataclass(frozen=True)
class Crop:
    """A square of `kept` times the short side, `down` and `right` of the room that is left, [0, 1]."""

    kept: float
    down: float = 0.5
    right: float = 0.5
    mirrored: bool = False

    def __call__(self, picture: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """(H, W, ...) -> (side, side, ...)."""
        height, width = picture.shape[:2]
        side = max(1, round(self.kept * min(height, width)))
        top, left = round(self.down * (height - side)), round(self.right * (width - side))
        cut = picture[top : top + side, left : left + side]
        return cut[:, ::-1] if self.mirrored else cut


def drawn_crops(count: int, smallest: float, rng: np.random.Generator) -> list[Crop]:
    """The service's looks first, then others down to `smallest` of the short side, every second mirrored."""
    looks = [Crop(1.0), Crop(1.0, mirrored=True), Crop(0.875), Crop(0.875, mirrored=True)]
    others = []
    for number in range(len(looks), count):
        kept, down, right = rng.uniform([smallest, 0, 0], 1).tolist()
        others.append(Crop(kept, down, right, mirrored=number % 2 == 1))
    return (looks + others)[:count]


def map_crops(maps: Sequence[Float32], crops: Sequence[Crop]) -> torch.Tensor:
    """Depth maps in metres -> float16 (crops, maps, 2, side, side), each crop standardised by itself."""
    return torch.stack(
        [
            torch.from_numpy(np.stack([depth_planes(crop(metres), DEPTH_SIDE) for metres in maps])).half()
            for crop in crops
        ]
    )


def picture_crops(image: ConvNet, pictures: Sequence[UInt8], crops: Sequence[Crop]) -> torch.Tensor:
    """Unit vectors of the frozen image tower, (crops, pictures, DIM)."""
    return torch.stack([torch.cat(list(_looked_at(image, pictures, crop))) for crop in crops])


def _looked_at(image: ConvNet, pictures: Sequence[UInt8], crop: Crop) -> list[torch.Tensor]:
    chunks = [pictures[start : start + CHUNK] for start in range(0, len(pictures), CHUNK)]
    found = []
    for chunk in chunks:
        pixels = np.stack([square(crop(picture), IMAGE_SIDE) for picture in chunk])
        x = image_input(pixels).contiguous(memory_format=torch.channels_last)
        found.append(functional.normalize(outputs(image, x), dim=-1))
    return found
