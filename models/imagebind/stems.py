"""Stems: what turns an input into tokens. Five kinds; each (n, *shape) -> (n, tokens, width)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from models.imagebind.sizes import (
    IMAGE_FRAMES,
    IMAGE_PATCH,
    IMAGE_SIDE,
    IMU_AXES,
    IMU_SAMPLES,
    IMU_WINDOW,
    MEL_BINS,
    MEL_FRAMES,
    MEL_PATCH,
    MEL_STRIDE,
    PICTURE_PATCH,
    STEM_NORM_EPS,
    VOCABULARY,
)


def _row_by_row(patches: torch.Tensor) -> torch.Tensor:
    """(n, width, ..) -> (n, patches, width), the last axis fastest."""
    return patches.flatten(2).transpose(1, 2)


class ImageStem(nn.Module):
    """Tubes of 2 frames x 14 x 14 pixels, no norm. (n, 3, 2, 224, 224) -> (n, 256, width)."""

    tokens = (IMAGE_SIDE // IMAGE_PATCH) ** 2

    def __init__(self, width: int) -> None:
        super().__init__()
        tube = (IMAGE_FRAMES, IMAGE_PATCH, IMAGE_PATCH)
        self.projection = nn.Conv3d(3, width, tube, stride=tube, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tubes do not overlap, so their convolution is one product."""
        side = IMAGE_SIDE // IMAGE_PATCH
        tubes = x.reshape(len(x), 3, IMAGE_FRAMES, side, IMAGE_PATCH, side, IMAGE_PATCH)
        rows = tubes.permute(0, 3, 5, 1, 2, 4, 6).reshape(len(x), self.tokens, -1)
        return functional.linear(rows, self.projection.weight.flatten(1))


class PatchStem(nn.Module):
    """Square patches of a one-channel picture, normed. (n, 1, height, width) -> (n, tokens, width)."""

    def __init__(self, width: int, side: tuple[int, int], patch: int, stride: int) -> None:
        super().__init__()
        self.tokens = ((side[0] - patch) // stride + 1) * ((side[1] - patch) // stride + 1)
        self.projection = nn.Conv2d(1, width, patch, stride=stride, bias=False)
        self.norm = nn.LayerNorm(width, STEM_NORM_EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.norm(_row_by_row(self.projection(x)))
        return out


class ImuStem(nn.Module):
    """Windows of 8 samples, each axis after the other, normed. (n, 6, 2000) -> (n, 250, width)."""

    tokens = IMU_SAMPLES // IMU_WINDOW

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(IMU_AXES * IMU_WINDOW, width, bias=False)
        self.norm = nn.LayerNorm(width, STEM_NORM_EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        windows = x.reshape(len(x), IMU_AXES, self.tokens, IMU_WINDOW).transpose(1, 2).flatten(2)
        out: torch.Tensor = self.norm(self.projection(windows))
        return out


def audio_stem(width: int) -> PatchStem:
    """Overlapping 16 x 16 patches of (n, 1, 128 mel bins, 204 frames): 12 x 19, mel-major."""
    return PatchStem(width, (MEL_BINS, MEL_FRAMES), MEL_PATCH, MEL_STRIDE)


def picture_stem(width: int) -> PatchStem:
    """16 x 16 patches of depth and thermal pictures (n, 1, 224, 224): 196."""
    return PatchStem(width, (IMAGE_SIDE, IMAGE_SIDE), PICTURE_PATCH, PICTURE_PATCH)


def text_stem(width: int) -> nn.Embedding:
    """Token ids int64 (n, 77) -> (n, 77, width)."""
    return nn.Embedding(VOCABULARY, width)
