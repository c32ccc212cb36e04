"""The six encoders: stem, positions, trunk, head. Output is the head's, before any normalisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import nn

from models.causal import up_to_ends
from models.imagebind.sizes import CONTEXT, TRUNK_NORM_EPS, Sizes, Trunk
from models.imagebind.stems import (
    ImageStem,
    ImuStem,
    PatchStem,
    audio_stem,
    picture_stem,
    text_stem,
)
from models.imagebind.transformer import blocks

MAX_TEMPERATURE = 100.0

TokenStem: TypeAlias = ImageStem | PatchStem | ImuStem
STEMS: Mapping[str, Callable[[int], TokenStem]] = MappingProxyType(
    {
        "image": ImageStem,
        "audio": audio_stem,
        "depth": picture_stem,
        "thermal": picture_stem,
        "imu": ImuStem,
    }
)


class PatchTower(nn.Module):
    """Every encoder but text's: a class token goes first and carries the answer. (n, *shape) -> (n, dim).

    Image alone has a norm before its trunk, and alone has neither the extra attention token nor a
    temperature.
    """

    def __init__(self, stem: TokenStem, trunk: Trunk, dim: int, *, image: bool) -> None:
        super().__init__()
        self.class_token = nn.Parameter(torch.empty(1, 1, trunk.width))
        self.stem = stem
        self.positions = nn.Parameter(torch.empty(1, stem.tokens + 1, trunk.width))
        self.pre_norm = nn.LayerNorm(trunk.width, TRUNK_NORM_EPS) if image else nn.Identity()
        self.blocks = blocks(trunk, extra_token=not image)
        self.head_norm = nn.LayerNorm(trunk.width, TRUNK_NORM_EPS)
        self.head = nn.Linear(trunk.width, dim, bias=False)
        self.log_scale: torch.Tensor | None
        self.register_buffer("log_scale", None if image else torch.empty(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.pre_norm(self.embed(x)))
        out: torch.Tensor = self.head(self.head_norm(x[:, 0]))
        return out

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        """(n, *shape) -> (n, 1 + tokens, width); the class token has a position too."""
        tokens = self.stem(x)
        return torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1) + self.positions


class TextTower(nn.Module):
    """Causal transformer read at the first end token. int64 (n, 77) -> (n, dim)."""

    def __init__(self, trunk: Trunk, dim: int) -> None:
        super().__init__()
        self.stem = text_stem(trunk.width)
        self.positions = nn.Parameter(torch.empty(1, CONTEXT, trunk.width))
        self.mask: torch.Tensor
        self.register_buffer("mask", torch.empty(CONTEXT, CONTEXT))
        self.blocks = blocks(trunk, extra_token=False)
        self.head_norm = nn.LayerNorm(trunk.width, TRUNK_NORM_EPS)
        self.head = nn.Linear(trunk.width, dim, bias=False)
        self.log_scale = nn.Parameter(torch.empty(()))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        # The end token has the largest id.
        return up_to_ends(tokens, tokens.argmax(-1), self.read)

    def read(self, tokens: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """The vectors at `ends`, (n,), of tokens (n, length)."""
        length = tokens.shape[1]
        x = self.blocks(self.stem(tokens) + self.positions[:, :length], self.mask[:length, :length])
        out: torch.Tensor = self.head(self.head_norm(x[torch.arange(len(x), device=x.device), ends]))
        return out


Encoder: TypeAlias = PatchTower | TextTower


def build(modality: str, sizes: Sizes) -> Encoder:
    """An encoder without weights, on the meta device."""
    trunk = sizes.trunks[modality]
    with torch.device("meta"):
        if modality == "text":
            return TextTower(trunk, sizes.dim)
        return PatchTower(STEMS[modality](trunk.width), trunk, sizes.dim, image=modality == "image")


def temperature(encoder: Encoder) -> float:
    """The factor on the cosine that the encoder was trained with; 1 where it has none (image)."""
    if encoder.log_scale is None:
        return 1.0
    return min(float(encoder.log_scale.detach().exp()), MAX_TEMPERATURE)
