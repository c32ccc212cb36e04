"""Augmentation of picture batches: random crops, mirroring, light and colour."""

from __future__ import annotations

import math

import torch
from torch.nn import functional


def random_crops(
    x: torch.Tensor, side: int, smallest: float = 0.35, stretch: float = 4 / 3, turn: float = 0.0
) -> torch.Tensor:
    """(n, c, H, W) -> (n, c, side, side): random boxes of `smallest`..1 of the area, half mirrored.

    `stretch`: the largest ratio of the box's sides; `turn`: largest rotation [rad].
    """
    n = len(x)
    area = torch.empty(n).uniform_(smallest, 1).sqrt()
    ratio = torch.empty(n).uniform_(-math.log(stretch), math.log(stretch)).exp().sqrt()
    width, height = (area * ratio).clamp(max=1), (area / ratio).clamp(max=1)
    mirror = torch.randint(0, 2, (n,)) * 2.0 - 1
    angle = torch.empty(n).uniform_(-turn, turn) if turn else torch.zeros(n)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 1] = width * mirror * angle.cos(), -height * angle.sin()
    theta[:, 1, 0], theta[:, 1, 1] = width * mirror * angle.sin(), height * angle.cos()
    theta[:, 0, 2] = (1 - width) * torch.empty(n).uniform_(-1, 1)
    theta[:, 1, 2] = (1 - height) * torch.empty(n).uniform_(-1, 1)
    grid = functional.affine_grid(theta, [n, x.shape[1], side, side], align_corners=False)
    return functional.grid_sample(
        x, grid, padding_mode="reflection" if turn else "border", align_corners=False
    )


def random_light(x: torch.Tensor, brightness: float = 0.3, contrast: float = 0.3) -> torch.Tensor:
    """Shift and stretch each picture's values; x is standardised, (n, c, H, W)."""
    gain = 1 + torch.empty(len(x), 1, 1, 1).uniform_(-contrast, contrast)
    shift = torch.empty(len(x), 1, 1, 1).uniform_(-brightness, brightness)
    return x * gain + shift


def random_colour(x: torch.Tensor, saturation: float = 0.4) -> torch.Tensor:
    """Mix each picture with its own grey version, (n, 3, H, W)."""
    share = 1 + torch.empty(len(x), 1, 1, 1).uniform_(-saturation, saturation)
    grey = x.mean(1, keepdim=True)
    return grey + (x - grey) * share
