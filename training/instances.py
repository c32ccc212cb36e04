"""Photographs of pairs and rendered scenes in several looks: what stays of them when colour and light go.

The vectors of one kitchen's photographs differ mostly by colour, of which a depth map knows nothing. The
head's last fit gives more length to what tells them apart without it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from models.samples import UInt8
from models.small.nets import ConvNet
from models.small.pictures import IMAGE_SIDE, image_input, square
from training.augment import random_colour, random_light
from training.index import Item
from training.pictures import pixels_of

MAPS = ("thermal/", "depth/")  # folders of the archives whose pictures have a map beside them
KEPT = (1.0, 0.85, 0.7)  # crops: shares of the short side
LOOKS = 6  # per crop: as it is, grey, and others with other colours and light
GAIN = 0.35  # largest change of a colour channel
BATCH = 200


def beside_maps(data: Path, items: list[Item]) -> list[UInt8]:
    """The training photographs that were taken beside thermal or depth maps, RGB uint8 (H, W, 3) each."""
    shown = [item for item in items if item.modality == "image" and item.split == "train"]
    return list(pixels_of(data, [item for item in shown if item.archive.startswith(MAPS)]))


def looks(x: torch.Tensor) -> torch.Tensor:
    """(n, 3, side, side) -> (LOOKS, n, 3, side, side)."""
    found = [x, x.mean(1, keepdim=True).expand_as(x)]
    while len(found) < LOOKS:
        gain = 1 + torch.empty(len(x), 3, 1, 1).uniform_(-GAIN, GAIN)
        found.append(random_light(random_colour(x, saturation=1.0) * gain))
    return torch.stack(found)


@torch.inference_mode()
def features(tower: ConvNet, x: torch.Tensor) -> torch.Tensor:
    """What the last layer sees of prepared pictures (n, 3, side, side): float32 (n, width)."""
    device = tower.head.weight.device
    with torch.autocast(device.type, torch.bfloat16):
        parts = [part.contiguous(memory_format=torch.channels_last) for part in torch.split(x, BATCH)]
        return torch.cat([tower.features(part.to(device)).float().cpu() for part in parts])


def instance_features(tower: ConvNet, pictures: list[UInt8]) -> torch.Tensor:
    """(crops, LOOKS, pictures, width)."""
    found = []
    for kept in KEPT:
        seen = looks(image_input(np.stack([square(pixels, IMAGE_SIDE, kept) for pixels in pictures])))
        found.append(features(tower, seen.flatten(0, 1)).view(LOOKS, len(pictures), -1))
    return torch.stack(found)
